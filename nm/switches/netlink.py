"""The way to a Linux bridge of this machine: the kernel's own messages, by pyroute2.

Called by nm/switches/linux.py only. Each look and each session of edits has a netlink socket of its own, for
pyroute2's belongs to one thread; the kernel answers within the call, so there is nothing to wait for.
"""

import errno
import socket
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from pyroute2 import IPRoute
from pyroute2.netlink.exceptions import NetlinkError

from nm.errors import DeviceFailed
from nm.switches.bridge import PVID, UNTAGGED, Bridge, Edit

COMPRESSED = 4  # RTEXT_FILTER_BRVLAN_COMPRESSED: VLANs in ranges
SELF = 2  # BRIDGE_FLAGS_SELF: the bridge's own port is meant
FIRST, LAST = 8, 16  # BRIDGE_VLAN_INFO_RANGE_BEGIN and _END
DOT1Q = 0x8100
_ABSENT = (errno.ENODEV, errno.ENOENT)


class Here:
    """A bridge of this machine."""

    def __init__(self, who: str, bridge: str) -> None:
        self._who = who
        self._bridge = bridge
        self._indices: Mapping[str, int] = {}

    def open(self) -> Mapping[str, str]:
        """Nobody to log in to."""
        return {}

    def look(self) -> Bridge:
        """The bridge, by one question for itself and one for its ports."""
        with self._kernel() as kernel:
            (link,) = kernel.link("get", ifname=self._bridge)
            messages = list(kernel.link("dump", family=socket.AF_BRIDGE, ext_mask=COMPRESSED))
        if not is_bridge(link):
            raise self._no_bridge()
        members = [message for message in messages if message.get_attr("IFLA_MASTER") == link["index"]]
        self._indices = {message.get_attr("IFLA_IFNAME"): message["index"] for message in members}
        return bridge_of(link, members)

    def edit(self, edits: Sequence[Edit]) -> dict[Edit, str]:
        """One message an edit. Interfaces are meant by their numbers, which no other one ever gets."""
        refused = {}
        with self._kernel() as kernel:
            for edit in edits:
                spec = request(edit, own=edit.port == self._bridge)
                try:
                    kernel.vlan_filter("add" if edit.add else "del", index=self._indices[edit.port], **spec)
                except NetlinkError as error:
                    refused[edit] = _words(error)
        return refused

    def close(self) -> None:
        """Nothing is open."""

    def _no_bridge(self) -> DeviceFailed:
        return DeviceFailed(
            f"{self._who}: this machine has no bridge {self._bridge}",
            "create it, or name another with UpdateSwitch",
            passing=False,
        )

    @contextmanager
    def _kernel(self) -> Iterator[Any]:
        try:
            with IPRoute() as kernel:
                yield kernel
        except NetlinkError as error:
            if error.code in _ABSENT:
                raise self._no_bridge() from None
            raise DeviceFailed(
                f"{self._who}: the kernel does not answer for bridge {self._bridge}: {_words(error)}"
            ) from error


def is_bridge(link: Any) -> bool:
    """Whether the kernel's word on a link speaks of a bridge."""
    info = link.get_attr("IFLA_LINKINFO")
    return info is not None and info.get_attr("IFLA_INFO_KIND") == "bridge"


def bridge_of(link: Any, members: Iterable[Any]) -> Bridge:
    """The bridge, by the message about it and those about its ports and itself."""
    data = link.get_attr("IFLA_LINKINFO").get_attr("IFLA_INFO_DATA")
    ports: dict[str, dict[int, int]] = {}
    for message in members:
        entries = ports.setdefault(message.get_attr("IFLA_IFNAME"), {})
        spec = message.get_attr("IFLA_AF_SPEC")
        entries.update(_entries(spec.get_attrs("IFLA_BRIDGE_VLAN_INFO") if spec is not None else ()))
    return Bridge(
        name=link.get_attr("IFLA_IFNAME"),
        filtering=bool(data.get_attr("IFLA_BR_VLAN_FILTERING"))
        and data.get_attr("IFLA_BR_VLAN_PROTOCOL") == DOT1Q,
        default=data.get_attr("IFLA_BR_VLAN_DEFAULT_PVID") or 0,
        ports=ports,
    )


def _entries(infos: Iterable[Mapping[str, int]]) -> Iterator[tuple[int, int]]:
    """VLANs and flags of what comes as single ones and as ranges, an end behind each beginning."""
    first = 0
    for info in infos:
        vlan, flags = info["vid"], info["flags"]
        if flags & FIRST:
            first = vlan
        else:
            span = range(first if flags & LAST else vlan, vlan + 1)
            yield from ((one, flags & (PVID | UNTAGGED)) for one in span)


def request(edit: Edit, own: bool) -> dict[str, Any]:
    """What pyroute2 is told for the edit. `own`: the port is the bridge's own."""
    if edit.first == edit.last:
        infos = [{"vid": edit.first, "flags": edit.flags}]
    else:
        infos = [
            {"vid": vlan, "flags": edit.flags | end} for vlan, end in ((edit.first, FIRST), (edit.last, LAST))
        ]
    attributes: list[list[Any]] = [["IFLA_BRIDGE_FLAGS", SELF]] if own else []
    return {"IFLA_AF_SPEC": {"attrs": [*attributes, *(["IFLA_BRIDGE_VLAN_INFO", info] for info in infos)]}}


def _words(error: NetlinkError) -> str:
    return str(error.args[1]) if len(error.args) > 1 else str(error)
