"""The interface on the group's network: which one it is, and its address, as the kernel says."""

from __future__ import annotations

import fcntl
import ipaddress
import json
import socket
import struct
import subprocess
from dataclasses import dataclass
from pathlib import Path

from nm_head.errors import HeadError
from nm_head.settings import Settings

_ADDRESS, _MASK = 0x8915, 0x891B  # ioctls of linux/sockios.h
_SYS = Path("/sys/class/net")
_ETHERNET = "1"


@dataclass(frozen=True)
class Network:
    """The interface's name and address."""

    interface: str
    address: ipaddress.IPv4Interface


def find(settings: Settings) -> Network:
    """The interface on the group's network."""
    name = settings.interface or _by_mac(settings) or _by_route()
    try:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asking:
            address, mask = (_asked(asking, what, name) for what in (_ADDRESS, _MASK))
    except OSError as error:
        raise HeadError(
            f"interface {name} has no IPv4 address: {error.strerror}", "give it one; linky tries again"
        ) from None
    return Network(name, ipaddress.IPv4Interface(f"{address}/{mask}"))


def _asked(asking: socket.socket, what: int, name: str) -> str:
    answer = fcntl.ioctl(asking, what, struct.pack("256s", name.encode()[:15]))
    return socket.inet_ntoa(answer[20:24])


def _by_mac(settings: Settings) -> str | None:
    """By the MAC of nm's NIC, when the seed tells it."""
    try:
        mac = str(json.loads((settings.door / "head.json").read_bytes()).get("mac") or "").lower()
    except (OSError, ValueError, AttributeError):
        return None
    return next((name for name, one in _interfaces().items() if mac and one == mac), None)


def _by_route() -> str:
    """The one that does not lead to the rest of the world."""
    lines = Path("/proc/net/route").read_text(encoding="ascii").splitlines()[1:]
    outward = {line.split()[0] for line in lines if line.split()[1] == "00000000"}
    left = [name for name in _interfaces() if name not in outward]
    if len(left) != 1:
        raise HeadError(
            f"which interface is on the group's network? There are {', '.join(left) or 'none'}",
            "name it in /etc/nm-head/head.conf, as interface = eth1 below [head]",
        )
    return left[0]


def _interfaces() -> dict[str, str]:
    """Ethernet interfaces that are no loopback, and their MACs."""
    found = {}
    for place in sorted(_SYS.iterdir()):
        mac = (place / "address").read_text(encoding="ascii").strip()
        if (place / "type").read_text(encoding="ascii").strip() == _ETHERNET and place.name != "lo":
            found[place.name] = mac
    return found


def give_ipv6(network: Network, address: str) -> None:
    """Give the interface that address too, which router advertisements need."""
    command = ["ip", "-6", "address", "replace", address, "dev", network.interface, "nodad"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
        words = done.stderr.strip() if done.returncode else ""
    except (OSError, subprocess.TimeoutExpired) as error:
        words = str(error)
    if words:
        raise HeadError(f"ip: {words[:200]}", "or set ipv6 to nothing in head.conf; iPXE then waits longer")
