"""The demo's act of slivers, in a lab of its own: a PLC's reply becomes guests, and a loan is felt."""

import os
import time
from collections.abc import Sequence
from typing import Any

from nm.client import connect
from nm.demo.show import Show
from nm.lab import lifecycle, measure, watch, world
from nm.lab.layout import WORLD, Layout
from nm.lab.place import Lab

LAYOUT = Layout(switches=1, nodes=0, headnodes=0, slivers=True)
WEB, DELEGATED = "demo_web", measure.DELEGATED
BOTH = (WEB, DELEGATED)
SHARES = {WEB: 32, DELEGATED: 64}
LOAN = 32
PATIENCE = 60
SECONDS = 2.5  # of a measurement
TOLERANCE = 0.15


def play(show: Show) -> bool:
    """Whether processor time is divided as shares say, before and after a loan."""
    show.act(
        "g. Slivers",
        "A PLC tells of slices. Two have containers here, busy on one core; one lends shares to the other.",
    )
    name = f"demo-slivers-{os.getpid()}"
    with lifecycle.passing(name, LAYOUT) as lab:
        return _play(lab, show)


def _play(lab: Lab, show: Show) -> bool:
    nm: Any  # its methods are whatever the daemon has
    with connect(str(lab.socket)) as nm:
        measure.begin(lab, nm, {name: {"cpu_share": str(shares)} for name, shares in SHARES.items()})
        show.table(
            ("sliver", "instantiation", "state", "shares", "why"),
            [_row(nm, sliver) for sliver in nm.GetSlivers({})],
        )
        _enter(lab, show)
        with measure.doing(lab, measure.BUSY, *BOTH):
            watch.until(lambda: all(_busy(lab)), PATIENCE, "both are busy")
            before = _divided(lab, show, "before", (1 / 3, 2 / 3))
            nm.SetLoans(DELEGATED, [[WEB, "cpu_share", LOAN]])
            show.say(f"  SetLoans({DELEGATED!r}, [[{WEB!r}, 'cpu_share', {LOAN}]])")
            watch.until(lambda: nm.GetEffectiveRSpec(WEB)["cpu_share"] == 64, PATIENCE, "it counts")
            return _divided(lab, show, "with the loan", (2 / 3, 1 / 3)) and before


def _row(nm: Any, sliver: dict[str, Any]) -> tuple[str, ...]:
    lends = sliver["type"] != "controller"
    shares = str(nm.GetEffectiveRSpec(sliver["name"])["cpu_share"]) if lends else ""
    return sliver["name"], sliver["instantiation"], sliver["state"], shares, sliver["why"] or ""


def _enter(lab: Lab, show: Show) -> None:
    """Somebody of the world comes by ssh."""
    for account in BOTH:
        said = lab.run(measure.session(account, "hostname; id -un"), WORLD).split()
        show.say(f"  ssh {account}@{world.HOST}: {' '.join(said)}")


def _busy(lab: Lab) -> list[bool]:
    before = measure.processor_seconds(lab, BOTH)
    time.sleep(0.2)
    return [now - then > 0.01 for now, then in zip(measure.processor_seconds(lab, BOTH), before, strict=True)]


def _divided(lab: Lab, show: Show, when: str, wanted: Sequence[float]) -> bool:
    """Measure how processor time divides."""
    parts = measure.parts(lab, BOTH, SECONDS)
    good = all(abs(part / share - 1) <= TOLERANCE for part, share in zip(parts, wanted, strict=True))
    words = ", ".join(f"{name} {part:.0%}" for name, part in zip(BOTH, parts, strict=True))
    show.say(f"  of one core, {when}: {words}", "green" if good else "bold red")
    return good
