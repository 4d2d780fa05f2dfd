"""Ports of the slivers' bridge through which only the sliver's own MAC gets. A hand.

A port that is locked learns nothing and lets through only frames whose sender is known to be behind it; who
that is, the bridge is told once, as a static entry. So nobody sends in another's name, and at another's cost.
Called by nm/shaping.py on its one thread.
"""

import errno
from collections.abc import Mapping
from typing import Any

from pyroute2.netlink.exceptions import NetlinkError

from nm.linkmessages import Port, entry_in, get_entries, get_port, get_ports, port_in
from nm.links.here import opened
from nm.rtnetlink import Refused, RtNetlink, asking

_NOARP, _MASTER = 0x40, 0x4  # NUD_NOARP: static, and not the bridge's own; NTF_MASTER: the bridge's table
_BRIDGE = "bridge"
_FEW = 8  # ports that are looked at one by one

Known = set[tuple[int, str]]  # a port's number, and the MAC that the bridge was told is behind it


def lock(ports: Mapping[str, str]) -> dict[str, str]:
    """Let only its MAC through each port (name -> MAC). Answers port -> why that cannot be had.

    A port that is not there is left out: its sliver is not running. Of many ports it is also seen whether the
    bridge still knows what it was told; of a few, a locked one is believed to be known.
    """
    if not ports:
        return {}
    with asking() as answers:
        if few := len(ports) <= _FEW:
            there = [port for port in (_port(answers, name) for name in ports) if port is not None]
        else:
            there = [port for port in map(port_in, answers.ask(get_ports())) if port.name in ports]
        known = None if few else set(filter(None, map(entry_in, answers.ask(get_entries()))))
        left = [port for port in there if not _is_kept(port, ports[port.name], known)]
    if not left:
        return {}
    with opened() as kernel:
        faults = {port.name: _lock(kernel, port, ports[port.name]) for port in left}
    return {name: fault for name, fault in faults.items() if fault is not None}


def _port(answers: RtNetlink, name: str) -> Port | None:
    try:
        return port_in(next(answers.ask(get_port(name))))
    except Refused as error:
        if error.errno == errno.ENODEV:
            return None
        raise


def _is_kept(port: Port, mac: str, known: Known | None) -> bool:
    return port.locked and (known is None or (port.number, mac) in known)


def _lock(kernel: Any, port: Port, mac: str) -> str | None:
    if port.kind != _BRIDGE:
        where = f" but of kind {port.kind}" if port.kind else ""
        return f"{port.name} may use any address: it is no port of a Linux bridge{where}"
    try:
        kernel.fdb("replace", ifindex=port.number, lladdr=mac, state=_NOARP, flags=_MASTER)
        kernel.brport("set", index=port.number, locked=1, learning=0)
    except NetlinkError as error:  # of one port; it may have gone this moment
        return f"{port.name} cannot be kept to its own address: {error}"
    with asking() as answers:
        after = _port(answers, port.name)
    if after is not None and not after.locked:
        return f"{port.name} may use any address: this kernel locks no ports of bridges (Linux 5.16 does)"
    return None
