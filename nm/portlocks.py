"""Ports of the slivers' bridge through which only the sliver's own MAC gets. A hand.

A port that is locked learns nothing and lets through only frames whose sender is known to be behind it; who
that is, the bridge is told once, as a static entry. So nobody sends in another's name, and at another's cost.
Called by nm/shaping.py on its one thread.
"""

import errno
from collections.abc import Mapping
from typing import Any

from pyroute2.netlink.exceptions import NetlinkError

from nm.links.here import opened

_NOARP, _MASTER = 0x40, 0x4  # NUD_NOARP: static, and not the bridge's own; NTF_MASTER: the bridge's table
_BRIDGE = "bridge"


def lock(ports: Mapping[str, str]) -> dict[str, str]:
    """Let only its MAC through each port (name -> MAC). Answers port -> why that cannot be had.

    A port that is not there is left out: its sliver is not running.
    """
    faults = {}
    with opened() as kernel:
        for name, mac in ports.items():
            try:
                fault = _lock(kernel, name, mac)
            except NetlinkError as error:  # of one port; it may have gone this moment
                fault = f"{name} cannot be kept to its own address: {error}"
            if fault is not None:
                faults[name] = fault
    return faults


def _lock(kernel: Any, name: str, mac: str) -> str | None:
    link = _link(kernel, name)
    if link is None:
        return None
    kind, locked = _port(link)
    if kind != _BRIDGE:
        where = f"a port of a {kind}" if kind else "no port of a bridge"
        return f"{name} is {where}, which cannot keep a sliver to its own address"
    if not _knows(kernel, link["index"], mac):
        kernel.fdb("replace", ifindex=link["index"], lladdr=mac, state=_NOARP, flags=_MASTER)
    if not locked:
        kernel.brport("set", index=link["index"], locked=1, learning=0)
        after = _link(kernel, name)
        if after is not None and not _port(after)[1]:
            return f"{name} may use any address: this kernel locks no ports of bridges (Linux 5.16 does)"
    return None


def _link(kernel: Any, name: str) -> Any:
    try:
        return next(iter(kernel.link("get", ifname=name)))
    except NetlinkError as error:
        if error.code == errno.ENODEV:
            return None
        raise


def _port(link: Any) -> tuple[str, bool]:
    """Of what kind of bridge it is a port ("": of none), and whether it is locked and learns nothing."""
    info = link.get_attr("IFLA_LINKINFO")
    kind = info.get_attr("IFLA_INFO_SLAVE_KIND") if info is not None else None
    if kind != _BRIDGE:
        return kind or "", False
    data = info.get_attr("IFLA_INFO_SLAVE_DATA")
    return kind, bool(data.get_attr("IFLA_BRPORT_LOCKED")) and not data.get_attr("IFLA_BRPORT_LEARNING")


def _knows(kernel: Any, port: int, mac: str) -> bool:
    entries = kernel.fdb("dump", ifindex=port)
    return any(
        entry["ifindex"] == port and entry.get_attr("NDA_LLADDR") == mac and entry["state"] & _NOARP
        for entry in entries
    )
