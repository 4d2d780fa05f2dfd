"""This machine's links, by the kernel's own messages (pyroute2).

Each look and each session of edits has a netlink socket of its own, for pyroute2's belongs to one thread.
Called by nm/hostnet.py.
"""

import errno
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from pyroute2 import IPRoute
from pyroute2.netlink.exceptions import NetlinkError

from nm.errors import DeviceFailed
from nm.links import Add, Delete, Edit, Link, Up, no_such_kind

_IPV6 = Path("/proc/sys/net/ipv6/conf")
_UP = 1  # IFF_UP


class Here:
    """The way to this machine's links."""

    machine = "this machine"

    def look(self) -> Mapping[str, Link]:
        """All links by name, by one question."""
        with opened() as kernel:
            messages = list(kernel.get_links())
        names = {message["index"]: message.get_attr("IFLA_IFNAME") for message in messages}
        return {names[message["index"]]: _link(message, names) for message in messages}

    def edit(self, edits: Sequence[Edit]) -> None:
        """One message an edit."""
        with opened() as kernel:
            for edit in edits:
                _edit(kernel, edit)

    def without_addresses(self, names: Sequence[str]) -> None:
        """By the kernel's switch of each."""
        for name in names:
            switch = _IPV6 / name / "disable_ipv6"
            try:
                if switch.exists() and switch.read_text().strip() != "1":
                    switch.write_text("1")
            except OSError as error:
                raise DeviceFailed(
                    f"cannot switch IPv6 off on {name}: {error.strerror}",
                    "let nmd write /proc/sys/net (ReadWritePaths= in its unit)",
                    passing=False,
                ) from error

    def close(self) -> None:
        """Nothing is open."""


def _link(message: Any, names: Mapping[int, str]) -> Link:
    info = message.get_attr("IFLA_LINKINFO")
    kind = (info.get_attr("IFLA_INFO_KIND") if info is not None else None) or ""
    vlan = None
    if kind == "vlan":
        number = int(info.get_attr("IFLA_INFO_DATA").get_attr("IFLA_VLAN_ID"))
        vlan = number, names.get(message.get_attr("IFLA_LINK"), "")
    master = names.get(message.get_attr("IFLA_MASTER") or 0)
    return Link(kind, bool(message["flags"] & _UP), master, vlan)


def _edit(kernel: Any, edit: Edit) -> None:
    match edit:
        case Add(name, kind, vlan):
            more = {"link": _index(kernel, vlan[1]), "vlan_id": vlan[0]} if vlan else {}
            try:
                kernel.link("add", ifname=name, kind=kind, **more)
            except NetlinkError as error:
                if error.code == errno.EOPNOTSUPP:
                    raise no_such_kind(Here.machine, kind) from error
                raise
        case Up(name, master):
            under = {"master": _index(kernel, master)} if master else {}
            kernel.link("set", index=_index(kernel, name), state="up", **under)
        case Delete(name):
            kernel.link("del", index=_index(kernel, name))


def _index(kernel: Any, name: str) -> int:
    return int(kernel.link("get", ifname=name)[0]["index"])


@contextmanager
def opened() -> Iterator[Any]:
    """A netlink socket for one use; the kernel's refusals become DeviceFailed."""
    try:
        with IPRoute() as kernel:
            yield kernel
    except NetlinkError as error:
        raise DeviceFailed(
            f"the kernel refused a change of the host's network: {error}",
            "nmd needs CAP_NET_ADMIN on this machine",
            passing=error.code not in (errno.EPERM, errno.EACCES),
        ) from error
