"""linky: makes the group's machines boot what they should, and power-cycles those that have joined.

First the links, which are quick; then the power, for as long as it takes. A cycle counts once nm has
confirmed it, and that is written down at once: after a crash in between it is done again for just the others.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from typing import Callable

from nm_head import dnsmasq, links, machines, network, state
from nm_head.door import Door
from nm_head.errors import HeadError, say
from nm_head.machines import Machine
from nm_head.settings import Settings
from nm_head.state import Known, State


def run(settings: Settings, everything: bool = False, power: bool = True) -> int:
    """One run. `everything`: all machines are cycled, and installed anew. Answers how many cycles failed."""
    serve(settings, everything)
    if not power:
        return 0
    with state.locked(settings.state, "power.lock"):
        # Whoever had the lock before has cycled some, and the list may be another one by now.
        return cycle(settings, machines.read(settings.moc))


# ---- links


def serve(settings: Settings, everything: bool = False) -> None:
    """Bring links and dnsmasq in line with the list as it is now."""
    with state.locked(settings.state, links.LOCK):
        _serve(settings, machines.read(settings.moc), everything)


def _serve(settings: Settings, found: Sequence[Machine], everything: bool) -> None:
    here = network.find(settings)
    with state.changing(settings.state) as known:
        remember(known, found, everything)
        on_disk = [mac for mac, one in known.machines.items() if one.disk]
        entries = links.wanted(settings, str(here.address.ip), found, on_disk)
        known.own = sorted({*known.own, *links.ours(settings, entries)})
    # What is about to be made is known as linky's own before it is there.
    strange = links.put(settings, entries, known.own)
    with state.changing(settings.state) as known:
        known.own = sorted({*known.own} & {*entries})
    for path in strange:
        say(f"linky: {settings.tftp / path} is not linky's own, and stays as it is")
    if settings.ipv6:
        told(lambda: network.give_ipv6(here, settings.ipv6))
    dnsmasq.write(settings, here, found)


def remember(known: State, found: Sequence[Machine], everything: bool = False) -> None:
    """Forget machines that left. Those that are new, or get another image, boot from the network."""
    before = known.machines
    known.machines = {}
    for machine in found:
        image = machine.image.name if machine.image else ""
        old = before.get(machine.mac, Known(image))
        again = everything or old.image != image
        known.machines[machine.mac] = Known(image, old.cycled and not everything, old.disk and not again)


# ---- power


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
        if machine.mac in known.machines:
            known.machines[machine.mac].cycled = True
    say(f"linky: {machine.name} was power-cycled")


def told(act: Callable[[], object]) -> int:
    """Tell what went wrong: 1 for that, else 0."""
    try:
        act()
    except HeadError as error:
        say(f"linky: {error}")
        return 1
    return 0
