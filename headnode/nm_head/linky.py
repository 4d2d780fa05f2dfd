"""linky: makes the group's machines boot what they should, and power-cycles those that have joined.

First the links, which are quick; then the power, for as long as it takes. A cycle counts once nm has
confirmed it, and that is written down at once: after a crash in between it is done again for just the others.
"""

from __future__ import annotations

from collections.abc import Sequence

from nm_head import dnsmasq, links, machines, network, state
from nm_head.errors import say, told
from nm_head.machines import Machine
from nm_head.settings import Settings
from nm_head.state import Known, State


def run(settings: Settings, everything: bool = False, power: bool = True) -> int:
    """One run. `everything`: all machines are cycled, and installed anew. Answers how many cycles failed."""
    serve(settings, everything)
    if not power:
        return 0
    from nm_head import power as hand  # it knows the door, which takes its time to import

    with state.locked(settings.state, "power.lock"):
        # Whoever had the lock before has cycled some, and the list may be another one by now.
        return hand.cycle(settings, machines.read(settings.moc))


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
    """Forget machines that left, also such as are back. New ones, and those of a new image, boot by PXE."""
    before = known.machines
    known.machines = {}
    for machine in found:
        image = machine.image.name if machine.image else ""
        old = before.get(machine.mac, Known(image))
        since = old.since if machine.since is None else machine.since
        anew = everything or (old.since is not None and old.since != since)  # it left and came back meanwhile
        disk = old.disk and not anew and old.image == image
        known.machines[machine.mac] = Known(image, since, old.cycled and not anew, disk)
