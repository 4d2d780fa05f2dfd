"""Linky's slow half: it power-cycles those machines that were not yet."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

from nm_head import machines, state
from nm_head.door import Door
from nm_head.errors import HeadError, say, told
from nm_head.machines import Machine
from nm_head.settings import Settings
from nm_head.state import Known


def cycle(settings: Settings, found: Sequence[Machine]) -> int:
    """Power-cycle all that were not. Answers how many failed; these are tried again by the next run."""
    known = state.read(settings.state).machines
    due = [machine for machine in found if not known.get(machine.mac, Known()).cycled]
    if not due:
        return 0
    with closing(Door(settings)) as door, ThreadPoolExecutor(max_workers=settings.at_once) as pool:
        return sum(pool.map(lambda machine: told(lambda: _cycle(settings, door, machine)), due))


def _cycle(settings: Settings, door: Door, machine: Machine) -> None:
    if not machine.name:
        raise HeadError(f"{machine.mac} has no name in {machines.TEXT}", f"{machines.DOCUMENT} is missing")
    door.power(machine.name, "pxe")
    door.power(machine.name, "cycle")
    with state.changing(settings.state) as known:
        one = known.machines.get(machine.mac)
        if one is not None and machine.since in (None, one.since):  # else it left meanwhile, and came back
            one.cycled = True
    say(f"linky: {machine.name} was power-cycled")
