"""The kernel's tree of classes on a device: made, read back, changed, taken away. A hand.

It hangs on the device that leads out (`slivers.uplink`), as the queue of what that sends. Where the slivers'
bridge routes by itself, it hangs on a device of ours, nm-slivers (ifb), into which everything is led that the
bridge hands to this machine: behind its ports, so that frames with another's address are gone already.

Our root has a number of its own (shaper.MAJOR). A root that somebody else has set is left alone, and is an
error; the kernel's own, which has no number, is what ours replaces. Same for what is led out of the bridge.
Called by nm/shaping.py on its one thread; holds no lock and no socket between two calls.
"""

import errno
import socket
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from pyroute2.netlink.exceptions import NetlinkError

from nm import tcmessages
from nm.errors import DeviceFailed
from nm.links.here import Here, opened
from nm.rtmessages import Message
from nm.rtnetlink import Refused, RtNetlink, asking
from nm.shaper import CLASS, COUNTED, FILTER, HOST, MAJOR, Clear, Drop, Put, Step, Tree, leaf, place_of

IFB = "nm-slivers"
_QUEUE = 1000  # frames that a leaf on it keeps
_ALL = 3  # ETH_P_ALL
_ROOT = 0xFFFFFFFF  # TC_H_ROOT
_INGRESS = 0xFFFF0000
_EVERYTHING: dict[str, Any] = {  # our filter of what comes in
    "parent": _INGRESS, "prio": tcmessages.PREFERENCE, "protocol": _ALL, "target": _INGRESS,
    "keys": ["0x0/0x0+0"],
}  # fmt: skip
_GONE = 0  # the number of a device that was removed, in a filter that leads there
_NAMES = {1: "net", 2: "net2"}  # of the inner classes, in rspecs


@dataclass
class Reading:
    """A tree as it is, and per index what has passed its leaves: `net` and `net2` -> bytes."""

    tree: Tree = field(default_factory=dict)
    sent: dict[int, dict[str, int]] = field(default_factory=dict)

    def note(self, seen: tcmessages.Seen) -> None:
        """One more part of it."""
        self.tree[seen.key] = seen.part
        place = place_of(seen.key.number) if seen.key.kind == CLASS else None
        if place is not None:
            self.sent.setdefault(place[0], {})[_NAMES[place[1]]] = seen.sent


class Htb:
    """The tree on an uplink, or of what `bridge` hands to this machine when no uplink is named.

    DeviceFailed when it cannot be: not `passing` where an administrator has to do something.
    """

    def __init__(self, uplink: str, bridge: str) -> None:
        self._uplink, self._bridge = uplink, bridge
        self._device = 0  # its number, since it was last read

    @property
    def name(self) -> str:
        """The device that it hangs on."""
        return self._uplink or IFB

    def read(self) -> Reading:
        """The tree as it is; its root is made where there is none."""
        with opened() as kernel:
            if self._uplink:
                self._device = _existing(self._uplink, "slivers.uplink")
                _make_root(kernel, self._uplink, self._device)
            else:
                bridge = _existing(self._bridge, "slivers.network")
                self._device = _make_ifb(kernel)
                _make_root(kernel, IFB, self._device)
                _lead(kernel, self._bridge, bridge, self._device)
        reading = Reading()
        with asking() as kernel:
            for kind in (CLASS, FILTER):
                for body in kernel.ask(tcmessages.get_all(self._device, kind)):
                    seen = tcmessages.seen(kind, body)
                    if seen is not None:
                        reading.note(seen)
        return reading

    def apply(self, steps: Sequence[Step]) -> None:
        """Carry out the steps, on the device that was read last."""
        if steps and isinstance(steps[0], Clear):
            with opened() as kernel:
                kernel.tc("del", "htb", self._device, MAJOR << 16, parent=_ROOT)
                _make_root(kernel, self.name, self._device)
            steps = steps[1:]
        with asking() as kernel:
            first = self._first_table(kernel) if any(map(_is_in_first_table, steps)) else 0
            kernel.tell([self._message(step, first) for step in steps])

    def sent(self, index: int) -> dict[str, int]:
        """What has passed the leaves of one index; {} when it has none."""
        reading = Reading()
        with asking() as kernel:
            for inner in _NAMES:
                try:
                    bodies = list(kernel.ask(tcmessages.get_class(self._device, leaf(index, inner))))
                except Refused as error:
                    if error.errno != errno.ENOENT:
                        raise
                    continue
                for seen in filter(None, (tcmessages.seen(CLASS, body) for body in bodies)):
                    reading.note(seen)
        return reading.sent.get(index, {})

    def _first_table(self, kernel: RtNetlink) -> int:
        bodies = list(kernel.ask(tcmessages.get_all(self._device, FILTER)))
        return next(filter(None, map(tcmessages.first_table_of, bodies)), 0)

    def _message(self, step: Step, first_table: int) -> Message:
        match step:
            case Put(key, part):
                return tcmessages.put(self._device, key, part)
            case Drop(key):
                return tcmessages.drop(self._device, key, first_table)
            case Clear():
                raise ValueError("a tree is cleared before anything else")


def _is_in_first_table(step: Step) -> bool:
    return isinstance(step, Drop) and step.key.kind == FILTER and not step.key.number >> 20


def carried_out(tree: Tree, steps: Sequence[Step]) -> None:
    """Note in `tree` what was made so."""
    for step in steps:
        match step:
            case Put(key, part):
                tree[key] = part
            case Drop(key):
                tree.pop(key, None)
            case Clear():
                tree.clear()


def withdraw(uplink: str, bridge: str) -> list[str]:
    """Take all of ours away that hangs elsewhere. The devices where something hung."""
    keep = uplink or IFB
    with opened() as kernel:
        ifb = _number(IFB)
        found = []
        for qdisc in list(kernel.get_qdiscs()):
            kind, device = qdisc.get_attr("TCA_KIND"), qdisc["index"]
            if kind == "ingress":
                name = socket.if_indextoname(device)
                if (uplink or name != bridge) and _led_into(kernel, device) in (ifb, _GONE):
                    _lead_nowhere(kernel, device)
                    found.append(name)
            elif kind == "htb" and qdisc["handle"] == MAJOR << 16:
                name = socket.if_indextoname(device)
                if name != keep:
                    kernel.tc("del", "htb", device, MAJOR << 16, parent=_ROOT)
                    found.append(name)
        if ifb and keep != IFB and _is_ifb(kernel.link("get", index=ifb)[0]):
            kernel.link("del", index=ifb)
        return found


# ---- devices and what hangs on them


def _number(name: str) -> int:
    """A device's number, 0 when there is none."""
    try:
        return socket.if_nametoindex(name)
    except OSError:
        return 0


def _existing(name: str, key: str) -> int:
    device = _number(name)
    if not device:
        raise DeviceFailed(
            f"this machine has no network device {name}, so slivers' rates are not enforced",
            f"make it, or name another in {key}",
            passing=False,
        )
    return device


def _make_ifb(kernel: Any) -> int:
    if not _number(IFB):
        with _needs("ifb"):
            kernel.link("add", ifname=IFB, kind="ifb", txqlen=_QUEUE)
    link = kernel.link("get", ifname=IFB)[0]
    if not _is_ifb(link):
        raise DeviceFailed(
            f"this machine has an interface {IFB} already, which is no ifb",
            "rename or remove it",
            passing=False,
        )
    Here().without_addresses([IFB])
    kernel.link("set", index=link["index"], state="up")
    return int(link["index"])


def _is_ifb(link: Any) -> bool:
    return bool(link.get_nested("IFLA_LINKINFO", "IFLA_INFO_KIND") == "ifb")


def _make_root(kernel: Any, name: str, device: int) -> None:
    roots = [one for one in kernel.get_qdiscs(device) if one["parent"] == _ROOT]
    for root in roots:
        kind = root.get_attr("TCA_KIND")
        if root["handle"] == MAJOR << 16 and kind == "htb":
            return
        if root["handle"]:
            raise DeviceFailed(
                f"{name} has somebody else's queue ({kind} {root['handle'] >> 16:x}:), which is left alone",
                f"`tc qdisc del dev {name} root`, or name another device in slivers.uplink",
                passing=False,
            )
    with _needs("sch_htb"):
        kernel.tc("add", "htb", device, MAJOR << 16, default=leaf(HOST, COUNTED))


def _lead(kernel: Any, bridge: str, device: int, ifb: int) -> None:
    """Lead what the bridge hands to this machine through the tree."""
    for qdisc in list(kernel.get_qdiscs(device)):
        if qdisc.get_attr("TCA_KIND") == "clsact":
            raise _foreign(bridge)
        if qdisc.get_attr("TCA_KIND") == "ingress":
            if any(map(_is_foreign, _filters(kernel, device))):
                raise _foreign(bridge)
            if _led_into(kernel, device) == ifb:
                return
            kernel.tc("del", "ingress", device, _INGRESS)
    with _needs("sch_ingress"):
        kernel.tc("add", "ingress", device)
    with _needs("cls_u32 act_mirred"):
        led = {"kind": "mirred", "direction": "egress", "action": "redirect", "ifindex": ifb}
        kernel.tc("add-filter", "u32", device, **_EVERYTHING, action=led)


def _filters(kernel: Any, device: int) -> list[Any]:
    return list(kernel.get_filters(device, 0, _INGRESS))


def _is_foreign(message: Any) -> bool:
    return bool(message["info"] >> 16 != tcmessages.PREFERENCE)


def _led_into(kernel: Any, device: int) -> int | None:
    """The device into which our filter there leads; None when there is none of ours."""
    for message in _filters(kernel, device):
        options = None if _is_foreign(message) else message.get_attr("TCA_OPTIONS")
        actions = options.get_attr("TCA_U32_ACT") if options is not None else None
        if actions is not None:
            action = actions.get_attr("TCA_ACT_PRIO_1").get_attr("TCA_ACT_OPTIONS")
            return int(action.get_attr("TCA_MIRRED_PARMS")["ifindex"])
    return None


def _lead_nowhere(kernel: Any, device: int) -> None:
    """Take our filter away, and what it hung on, unless others hang there, too."""
    if any(map(_is_foreign, _filters(kernel, device))):
        kernel.tc("del-filter", "u32", device, **_EVERYTHING)
    else:
        kernel.tc("del", "ingress", device, _INGRESS)


def _foreign(bridge: str) -> DeviceFailed:
    return DeviceFailed(
        f"{bridge} has filters of somebody else's for what comes in, which are left alone",
        f"`tc qdisc del dev {bridge} ingress` (or clsact), or name the port that leads out in slivers.uplink",
        passing=False,
    )


@contextmanager
def _needs(modules: str) -> Iterator[None]:
    """What the kernel does not know is told by the modules that would bring it."""
    try:
        yield
    except NetlinkError as error:
        if error.code in (errno.ENOENT, errno.EOPNOTSUPP):
            raise DeviceFailed(
                f"the kernel of this machine cannot enforce network rates: it has no {modules}",
                f"modprobe {modules}",
                passing=False,
            ) from error
        raise
