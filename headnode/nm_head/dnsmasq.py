"""DHCP, TFTP and router advertisements by dnsmasq: for the group's machines, on their network only.

An instance of its own, which answers no names: another dnsmasq of the machine's is not in its way.
"""

from __future__ import annotations

import ipaddress
import os
import pwd
import signal
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from nm_head import files
from nm_head.errors import HeadError
from nm_head.links import MENU
from nm_head.machines import Machine, is_host
from nm_head.network import Network
from nm_head.settings import Settings

_FEWEST = 4  # addresses of a network: its own two, this head node's, a machine's
CONFIGURATION, HOSTS, PID = "dnsmasq.conf", "dhcp-hosts", "dnsmasq.pid"
_TEMPLATE = """# Made by linky.
port=0
pid-file={run}/dnsmasq.pid
user={user}
log-facility=-
interface={interface}
except-interface=lo
bind-dynamic

dhcp-leasefile={state}/leases
dhcp-hostsfile={run}/dhcp-hosts
dhcp-range={first},{last},{mask},1h
dhcp-ignore=tag:!known
dhcp-authoritative
no-ping

enable-tftp={interface}
tftp-root={tftp}
dhcp-match=set:ipxe,175
dhcp-userclass=set:ipxe,iPXE
dhcp-match=set:bios,option:client-arch,0
dhcp-match=set:efi,option:client-arch,7
dhcp-match=set:efi,option:client-arch,9
dhcp-boot=tag:ipxe,{menu}
"""
_ROUTER = """
enable-ra
dhcp-range={prefix},ra-only,{length}
"""


def configuration(settings: Settings, network: Network) -> str:
    """The whole configuration."""
    hosts = network.address.network
    if hosts.num_addresses < _FEWEST:
        raise HeadError(
            f"interface {network.interface} has {network.address}, which leaves no address for machines",
            "give it a network of at least four, as 192.168.10.1/24",
        )
    text = _TEMPLATE.format(
        run=settings.run, state=settings.state, tftp=settings.tftp, menu=MENU, user=_user(),
        interface=network.interface, first=hosts[1], last=hosts[-2], mask=hosts.netmask,
    )  # fmt: skip
    for tag, names in {"bios": ("undionly.kpxe", "pxelinux.0"), "efi": ("ipxe.efi", "syslinux.efi")}.items():
        loader = next((name for name in names if (settings.tftp / name).exists()), None)
        if loader is not None:
            text += f"dhcp-boot=tag:!ipxe,tag:{tag},{loader}\n"
    if settings.ipv6:
        prefix = ipaddress.IPv6Interface(settings.ipv6).network
        text += _ROUTER.format(prefix=prefix.network_address, length=prefix.prefixlen)
    own = settings.door / "dnsmasq.d"
    return text + (f"\nconf-dir={own},*.conf\n" if own.is_dir() else "")


def hosts(network: Network, machines: Iterable[Machine]) -> str:
    """A line a machine. An address that is not of this network is another network's."""
    lines = []
    for machine in machines:
        words = [machine.mac]
        if machine.ip and ipaddress.ip_address(machine.ip) in network.address.network:
            words.append(machine.ip)
        name = machine.hostname or machine.name
        lines.append(",".join([*words, *([name] if is_host(name) else [])]) + "\n")
    return "".join(lines)


def write(settings: Settings, network: Network, machines: Iterable[Machine]) -> None:
    """Write both files. A dnsmasq that runs takes notice of other machines; other settings need a restart."""
    _write(settings.run / CONFIGURATION, configuration(settings, network))
    if _write(settings.run / HOSTS, hosts(network, machines)):
        with suppress(OSError, ValueError):
            os.kill(int((settings.run / PID).read_text(encoding="ascii")), signal.SIGHUP)


def _write(path: Path, text: str) -> bool:
    """False when it says that already."""
    if path.exists() and path.read_text(encoding="utf-8") == text:
        return False
    files.write(path, text)
    return True


def _user() -> str:
    """Debian's package makes the account."""
    try:
        return pwd.getpwnam("dnsmasq").pw_name
    except KeyError:
        return "root"
