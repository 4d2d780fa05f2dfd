"""The demo's last act, in a rack of its own whose machines boot: from Deploy to "node called home".

Nobody touches the machines: the head node gets the list, makes the links, and has nm switch the nodes by
their BMCs; they boot from it and call it. A machine of another group is switched on, too, and gets nothing.
"""

import os
import time
from collections.abc import Callable
from typing import Any

from nm.client import connect
from nm.demo.show import Show
from nm.lab import lifecycle, watch
from nm.lab.layout import Layout, Node
from nm.lab.place import Lab

PATIENCE = 240.0  # seconds for all of it: machines are emulated, on a machine that may be busy
LAYOUT = Layout(switches=2, nodes=3, headnodes=1, boot=True)
HEAD = "h1"


def play(show: Show) -> bool:
    """Whether just the group's own machines were served."""
    show.act(
        "f. From deploy to booted",
        f"alpha gets n1, n2 and {HEAD}, from which they boot. n3, of beta, wants to boot, and gets nothing.",
    )
    name = f"demo-boot-{os.getpid()}"
    with lifecycle.passing(name, LAYOUT) as lab:
        return _play(lab, show)


def _play(lab: Lab, show: Show) -> bool:
    *ours, other = lab.layout.rack
    nm: Any  # its methods are whatever the daemon has
    with connect(str(lab.socket)) as nm, watch.Capture(lab, other.port, f"not ether src {other.mac}") as port:
        nm.CreateGroup("beta", {"nodes": [other.name]})
        show.progress(nm, [nm.Deploy("beta")], 60)
        nm.CreateGroup("alpha", {"nodes": [node.name for node in ours], "headnode": HEAD})
        began = time.monotonic()
        show.progress(nm, [nm.Deploy("alpha")], 60)
        steps = [("follows its list", lambda: "read /run/nm-head/dhcp-hosts" in watch.head_said(lab, HEAD))]
        _follow(show, began, {HEAD: steps})
        for action in ("pxe", "cycle"):
            nm.WaitJob(nm.PowerNode(other.name, action), 60)
        _follow(show, began, {node.name: _way(lab, node) for node in ours})
        watch.until(lambda: watch.gave_up(lab, other), PATIENCE, f"{other.name} gives up")
        show.say(f"  {time.monotonic() - began:4.0f} s  {other.name} has found nothing to boot from")
        return _judge(show, lab, port.packets())


def _way(lab: Lab, node: Node) -> list[tuple[str, Callable[[], bool]]]:
    """What is seen of a node that boots, in this order."""

    def said(words: str) -> Callable[[], bool]:
        return lambda: words in watch.node_said(lab, node)

    return [
        (f"is on, and has the address {node.address} from {HEAD}", said(f"net0: {node.address}/")),
        (f"has its kernel from {HEAD}", said("/initrd... ")),
        ("called home", lambda: watch.called_home(lab, node, HEAD)),
    ]


def _follow(show: Show, began: float, ways: dict[str, list[tuple[str, Callable[[], bool]]]]) -> None:
    """Tell each step when it is seen."""

    def look() -> bool:
        for name, way in ways.items():
            while way and way[0][1]():
                show.say(f"  {time.monotonic() - began:4.0f} s  {name} {way.pop(0)[0]}")
        return not any(ways.values())

    watch.until(look, PATIENCE, "; ".join(f"{name} {way[0][0]}" for name, way in ways.items()))


def _judge(show: Show, lab: Lab, heard: list[str]) -> bool:
    *_, other = lab.layout.rack
    seen = other.mac in watch.head_said(lab, HEAD)
    good = not heard and not seen
    show.say(
        f"On the port of {other.name}, {len(heard)} packets came from others; "
        f"{HEAD} has {'' if seen else 'not '}heard of {other.name}.",
        "bold green" if good else "bold red",
    )
    return good
