"""What slivers really get, in a lab: processor by shares, how soon a loan counts, and network rates.

Everything is real: containers of libvirt's, entered by ssh, that use a processor or send as much as they may,
under a whole nmd that a PLC has told of them. As root.
"""

import os
import time
from typing import Any

from benchmarks.promises import Row, show
from nm.client import connect
from nm.lab import lifecycle, measure, watch, world
from nm.lab.layout import Layout
from nm.lab.place import Lab, obstacle

WEB, DELEGATED = "demo_web", measure.DELEGATED
SECONDS = 6.0  # for each figure
SLICE = 0.25  # seconds, of how soon a loan counts
TOLERANCE = 0.15
MEGABIT = 1e6
PATIENCE = 60


def measured(lab: Lab) -> list[Row]:
    """All figures of a lab."""
    nm: Any  # its methods are whatever the daemon has
    with connect(str(lab.socket)) as nm:
        measure.begin(
            lab, nm, {WEB: {"cpu_share": "32", "net_max_rate": "5000"}, DELEGATED: {"cpu_share": "64"}}
        )
        rows = _processor(lab, nm)
        rows.append(Row("5 Mbit/s, of payload", _rate(lab, world.FAR), 4.5, 5.2))
        rows.append(Row("exempt network, Mbit/s", _rate(lab, world.EXEMPT), 50, 100_000))
        return rows


def _processor(lab: Lab, nm: Any) -> list[Row]:
    both = (WEB, DELEGATED)
    with measure.doing(lab, measure.BUSY, *both):
        watch.until(lambda: min(_used(lab)) > SLICE / 10, PATIENCE, "both are busy")
        before = _ratio(lab, SECONDS)
        began = time.monotonic()
        nm.SetLoans(DELEGATED, [[WEB, "cpu_share", 32]])
        while not _near(_ratio(lab, SLICE), 0.5) and time.monotonic() < began + PATIENCE:
            pass
        took = time.monotonic() - began
        after = _ratio(lab, SECONDS)
        nm.SetLoans(DELEGATED, [])
    return [
        Row("1 share and 2, busy on one core: 1 to", before, 2 * (1 - TOLERANCE), 2 * (1 + TOLERANCE)),
        Row("the same with a loan of a half: 1 to", after, 0.5 * (1 - TOLERANCE), 0.5 * (1 + TOLERANCE)),
        Row(f"from SetLoans until {SLICE} s show it, s", took, 0, 2),
    ]


def _used(lab: Lab) -> list[float]:
    before = measure.processor_seconds(lab, (WEB, DELEGATED))
    time.sleep(SLICE)
    after = measure.processor_seconds(lab, (WEB, DELEGATED))
    return [now - then for now, then in zip(after, before, strict=True)]


def _ratio(lab: Lab, seconds: float) -> float:
    web, delegated = measure.parts(lab, (WEB, DELEGATED), seconds)
    return delegated / web if web else float("inf")


def _near(ratio: float, wanted: float) -> bool:
    return abs(ratio / wanted - 1) <= TOLERANCE


def _rate(lab: Lab, address: str) -> float:
    return measure.rate(lab, WEB, address, SECONDS) / MEGABIT


def main() -> bool:
    """Measure and print; True when something is not as promised."""
    if (why := obstacle(slivers=True)) is not None:
        print(f"left out: {why}")
        return False
    name = f"bench-slivers-{os.getpid()}"
    with lifecycle.passing(name, Layout(switches=1, nodes=0, headnodes=0, slivers=True)) as lab:
        rows = measured(lab)
    return show("what slivers of a lab get", rows)


if __name__ == "__main__":
    raise SystemExit(main())
