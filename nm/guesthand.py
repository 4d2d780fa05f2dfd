"""The hand that makes slivers' guests: libvirt domains on this host, virtual machines or containers.

Makes `sliver/NAME` true: made from its image (nm/guestmaking.py), told, started, frozen, stopped, made anew
in another life or from another image, held to what it may have, removed. Whatever was cut short is done
again, for a guest's mark says what was last done. After each run all that run weigh what they should
(nm/cpus.py); those that do so already are left alone. What a guest is told, a machine's memory and a NIC's
place take effect at its next start. Called by the one worker thread of `guests:`; holds no lock.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from nm import cgroups, cpus, libvirt_host, machine_xml
from nm.cpus import Demand, Division
from nm.errors import DeviceFailed, NMError
from nm.facts import Order, Outcome, Value, split
from nm.guest_xml import GuestMark
from nm.guestmaking import CONTAINER, MACHINE, Brief, GuestPlan, room_of
from nm.hypervisor import Hypervisor, Listed
from nm.machine_xml import DISK, WHOLE
from nm.making import Maker
from nm.waiting import REAL, Clock, wait_until

GRACE = 5.0  # seconds that a guest gets to shut down by itself
_STARTS, _SIGHT = 3, 5.0  # tries, and seconds for each until libvirt has it in hand
_TAKEN = "to loop device: Device or resource busy"  # somebody else was quicker to take the one that was free
_TARGET = "vda"  # a machine's disk


@dataclass(frozen=True)
class Side:
    """The guests of one type: where they are, and what makes them."""

    type: str
    hypervisor: Hypervisor
    maker: Maker[GuestMark]


@dataclass(frozen=True)
class Found:
    """A guest that a listing found."""

    side: Side
    listed: Listed
    mark: GuestMark

    @property
    def busy(self) -> bool:
        """It uses processors, or may."""
        return self.listed.running and not self.listed.paused

    @property
    def demand(self) -> Demand:
        """What it is to get."""
        return Demand(int(self.mark.shares), int(self.mark.reserve), self.mark.cores)


@dataclass
class Look:
    """All guests, and what those that run get, at one time."""

    guests: list[Found]
    division: Division
    weights: dict[str, int] = field(default_factory=dict)
    pins: dict[str, frozenset[int] | None] = field(default_factory=dict)

    def of(self, sliver: str) -> list[Found]:
        """The guests of that sliver: one, or none."""
        return [found for found in self.guests if found.mark.sliver == sliver]


class GuestHand:
    """Guests of this host. `uris`: type of a sliver -> libvirt's URI, of those types that it runs.

    `brief` answers what a sliver's guest is made of and told. `pool` and `emulate` are as a host's record has
    them. `scratch` is a folder of root's own, in memory if possible.
    """

    def __init__(
        self,
        uris: Mapping[str, str],
        brief: Callable[[str], Brief],
        *,
        pool: str | None = None,
        emulate: bool = False,
        scratch: Path | None = None,
        connect: Callable[[str], Hypervisor] = libvirt_host.connect,
        grace: float = GRACE,
        clock: Clock = REAL,
    ) -> None:
        self._sides: dict[str, Side] = {}
        for kind, uri in uris.items():
            hypervisor = connect(uri)
            host = {"uri": uri, "pool": pool, "emulate": emulate and kind == MACHINE}
            maker = Maker("of slivers", host, hypervisor, GuestMark, consoles=kind == MACHINE)
            self._sides[kind] = Side(kind, hypervisor, maker)
        self._brief = brief
        self._pool = pool
        self._scratch = scratch
        self._grace = grace
        self._clock = clock
        self._whole: list[Found] = []  # those that the last run found, and that are all made
        self._shared: dict[str, dict[str, str]] = {}  # sliver -> what of the processors it does not get

    # ---- a hand's face

    def run(self, orders: Sequence[Order], epoch: int) -> list[Outcome]:
        """Carry out the orders, each by itself; then all that run get what they should, and are read back."""
        done: list[Outcome | None] = []  # of each what is known already: that it failed, or was moot
        try:
            guests = self._guests()
            for at, order in enumerate(orders):
                if any(before.fact == order.fact for before in orders[:at]):
                    guests = self._guests()
                done.append(self._one(order, guests))
            look = self.balance()
        except NMError as error:
            done += [None] * (len(orders) - len(done))
            return [outcome or Outcome(error=error) for outcome in done]
        return [
            outcome or self._outcome(look, order.fact) for order, outcome in zip(orders, done, strict=True)
        ]

    def read(self, facts: Sequence[str]) -> list[Outcome]:
        """Each guest as it is now, by one look at all."""
        try:
            look = self._look()
        except NMError as error:
            return [Outcome(error=error) for _ in facts]
        return [self._outcome(look, fact) for fact in facts]

    def close(self) -> None:
        """Let go of libvirt."""
        for side in self._sides.values():
            side.hypervisor.close()

    # ---- what else is asked

    def states(self) -> dict[str, bool]:
        """Sliver -> whether its guest runs, of all that have one.

        With it all that run get what they should: one that ended by itself leaves its part to the others.
        """
        return {found.mark.sliver: found.listed.running for found in self.balance().guests}

    def notes(self) -> dict[str, dict[str, str]]:
        """Sliver -> resource -> what of it this host does not give, as of the last run.

        How large disks are is looked up and not remembered: a hand is let go when there is nothing to do.
        """
        notes = {name: dict(kept) for name, kept in self._shared.items()}
        for found in self._whole:
            words = self._disk_note(found)
            if words is not None:
                notes.setdefault(found.mark.sliver, {})["disk_max"] = words
        return notes

    def enforcers(self) -> list[str]:
        """The words of rspec.ENFORCERS that guests can be held to here."""
        there = cgroups.controllers()
        containers = CONTAINER in self._sides
        able = {
            "start": bool(self._sides),
            "disk": bool(self._sides),
            "shares": "cpu" in there,
            "reservation": "cpu" in there,
            "memory": not containers or "memory" in there,
            "cores": not containers or cgroups.writable(),
        }
        return sorted(word for word, can in able.items() if can)

    def balance(self) -> Look:
        """Let all that run have the weights and processors that they should; changes what differs."""
        look = self._look()
        for side in self._sides.values():
            here = {
                found.listed.name: look.division.weights[found.listed.name]
                for found in look.guests
                if found.side is side and found.busy
            }
            wrong = {
                name: weight for name, weight in here.items() if look.weights.get(name, weight) != weight
            }
            if wrong:
                side.hypervisor.tuning.weigh(wrong)
                look.weights |= side.hypervisor.tuning.weights(list(wrong))
        kept = {found.mark.sliver: self._settle(look, found) for found in look.guests if found.busy}
        self._shared = {sliver: notes for sliver, notes in kept.items() if notes}
        self._whole = [found for found in look.guests if found.mark.state == WHOLE]
        return look

    def _disk_note(self, found: Found) -> str | None:
        """Why its disk is not as large as it may be; None also where the disk cannot be looked at."""
        name, room = machine_xml.volume(found.listed.name, DISK), room_of(int(found.mark.disk))
        try:
            size = found.side.hypervisor.storage.size(self._pool, name)
        except NMError:
            return None
        if size in (0, room):
            return None
        return (
            f"its disk holds {size >> 10} KiB, not {room >> 10}, as its image or as it was made;"
            " ReCreate makes it anew"
        )

    def _settle(self, look: Look, found: Found) -> dict[str, str]:
        """Let it use the processors that it should. Answers what it does not get."""
        notes = dict(look.division.notes.get(found.listed.name, {})) | self._pin(look, found)
        if found.listed.name not in look.weights:
            notes["cpu_share"] = "libvirt weighs it by nothing: see cgroup_controllers in its configuration"
        return notes

    def _pin(self, look: Look, found: Found) -> dict[str, str]:
        name, tuning = found.listed.name, found.side.hypervisor.tuning
        wanted = look.division.usable[name]
        if look.pins.get(name) in (wanted, None):
            return {}
        try:
            tuning.pin(name, wanted)
        except DeviceFailed as reason:  # one that cannot be pinned is no reason to leave the others alone
            look.pins[name] = wanted  # it is told, and not tried for ever
            return {"cpu_cores": f"it uses other cores than it should: {reason.message}"}
        look.pins[name] = tuning.pinned(name)
        return {}

    # ---- looking

    def _guests(self) -> list[Found]:
        return [
            Found(side, listed, machine_xml.mark_in(listed.mark, GuestMark))
            for side in self._sides.values()
            for listed in side.hypervisor.listed(GuestMark.SPACE)
        ]

    def _look(self) -> Look:
        guests = self._guests()
        busy = [found for found in guests if found.busy and found.mark.state == WHOLE]
        look = Look(guests, Division({}, {}, {}, {}))
        if not busy:
            return look
        for side in self._sides.values():
            names = [found.listed.name for found in busy if found.side is side]
            look.weights |= side.hypervisor.tuning.weights(names) if names else {}
        look.pins = {
            found.listed.name: found.side.hypervisor.tuning.pinned(found.listed.name) for found in busy
        }
        demands = {found.listed.name: found.demand for found in busy}
        count = busy[0].side.hypervisor.tuning.processors()
        held = cpus.held(demands, look.pins)
        look.division = cpus.divide(demands, count, held, cpus.SPANS[cgroups.version()])
        return look

    def _outcome(self, look: Look, fact: str) -> Outcome:
        _, sliver = split(fact)
        found = next(iter(look.of(sliver)), None)
        try:
            return Outcome(seen=self._seen(look, found) if found is not None else None)
        except NMError as error:
            return Outcome(error=error)

    def _seen(self, look: Look, found: Found) -> Value:
        """The value as read back; what is not as it was last made is None."""
        mark, name = found.mark, found.listed.name
        if mark.state != WHOLE:
            return {"domain": name, "type": found.side.type, "life": None, "running": False}
        seen: Value = {
            "domain": name,
            "type": found.side.type,
            "image": mark.image,
            "told": mark.told,
            "cores": mark.cores,
            "running": found.listed.running,
            "frozen": found.listed.paused,
            **{key: int(getattr(mark, key)) for key in _NUMBERS},
        }
        if found.busy and name in look.division.weights:
            weight, wanted = look.weights.get(name), look.division.weights[name]
            if weight is not None and weight != wanted:
                seen |= {"shares": None, "reserve": None}
            if look.pins.get(name) not in (None, look.division.usable[name]):
                seen["cores"] = None
        return seen

    # ---- making true

    def _one(self, order: Order, guests: Sequence[Found]) -> Outcome | None:
        """Carry it out. Answers what came of it, where that is not to be read back."""
        if order.moot():
            return Outcome(moot=True)
        try:
            self._make_true(order, guests)
        except NMError as error:
            return Outcome(error=error)
        return None

    def _make_true(self, order: Order, guests: Sequence[Found]) -> None:
        _, sliver = split(order.fact)
        found = [guest for guest in guests if guest.mark.sliver == sliver]
        value = order.value
        if value is not None and value["type"] not in self._sides:
            raise DeviceFailed(
                f"this host runs no slivers of type {value['type']}", "see slivers.uri", passing=False
            )
        for guest in found:
            if value is None or (guest.side.type, guest.listed.name) != (value["type"], value["domain"]):
                guest.side.maker.remove(guest.listed.name)
            elif not value["running"] or guest.mark.index != str(value["index"]):  # the NIC's name has it
                self._stop(guest.side, guest.listed.name)  # first, so that nothing that fails lets it run on
        if value is not None:
            self._make(
                self._sides[value["type"]], GuestPlan(sliver, value, self._brief(sliver), self._scratch)
            )

    def _make(self, side: Side, plan: GuestPlan) -> None:
        mark = side.maker.mark(plan.domain)
        if mark is not None and plan.is_behind(mark):
            return  # as it is read back; the records are an old copy, and take its life over
        if mark is None or not plan.fits(mark):
            side.maker.make(plan)
        elif mark != plan.mark(WHOLE):
            self._change(side, plan, mark)
        if plan.value["running"]:
            self._run(side, plan)

    def _change(self, side: Side, plan: GuestPlan, mark: GuestMark) -> None:
        """What can be changed of one that stays, then the word that it was."""
        storage = side.hypervisor.storage
        if side.type == MACHINE and int(mark.disk) < plan.value["disk"]:
            running = side.hypervisor.tuning.grow_disk(plan.domain, _TARGET, plan.room)
            if not running:
                storage.grow(self._pool, machine_xml.volume(plan.domain, DISK), plan.room)
        side.maker.describe_anew(plan)

    def _run(self, side: Side, plan: GuestPlan) -> None:
        domain, frozen = plan.domain, plan.value["frozen"]
        state = side.hypervisor.state(domain)
        if state is not None and state.running and not self._in_hand(side, domain):
            side.hypervisor.stop(domain)
            state = None
        if state is None or not state.running:
            plan.write_seed(side.hypervisor.storage, self._pool)
            side.maker.describe_anew(plan)  # as the image and the site's network are now
            self._start(side, domain)
        elif state.paused and not frozen:
            side.hypervisor.start(domain)
        if frozen and not (state is not None and state.paused):
            side.hypervisor.suspend(domain)
        self._limit_memory(side, domain, plan.memory << 10)
        state = side.hypervisor.state(domain)
        if state is None or not state.running:
            raise DeviceFailed(
                f"domain {domain} does not run after its start", "see its log below /var/log/libvirt"
            )

    def _start(self, side: Side, domain: str) -> None:
        """Until libvirt has it in hand: else it would not notice its end, nor could it ask for it."""
        for left in reversed(range(_STARTS)):
            try:
                side.hypervisor.start(domain)
            except DeviceFailed as error:
                if not left or _TAKEN not in str(error):
                    raise
                continue
            if self._in_hand(side, domain):
                return
            side.hypervisor.stop(domain)
        raise DeviceFailed(f"libvirt does not see the first process of domain {domain}, which it started")

    def _in_hand(self, side: Side, domain: str) -> bool:
        return wait_until(partial(side.hypervisor.in_hand, domain), _SIGHT, self._clock, every=0.05)

    def _limit_memory(self, side: Side, domain: str, kib: int) -> None:
        if side.type != CONTAINER or side.hypervisor.tuning.memory(domain) in (kib, None):
            return
        side.hypervisor.tuning.limit_memory(domain, kib)

    def _stop(self, side: Side, domain: str) -> None:
        """Off, by the guest itself when it does so in time; one that stands still cannot."""
        state = side.hypervisor.state(domain)
        if state is None or not state.running:
            return
        if not state.paused and side.hypervisor.in_hand(domain):
            side.hypervisor.ask_to_stop(domain)
            if wait_until(lambda: not self._runs(side, domain), self._grace, self._clock):
                return
        side.hypervisor.stop(domain)
        if self._runs(side, domain):
            raise DeviceFailed(f"domain {domain} runs after it was stopped")

    def _runs(self, side: Side, domain: str) -> bool:
        state = side.hypervisor.state(domain)
        return state is not None and state.running


_NUMBERS = ("life", "index", "shares", "reserve", "memory", "disk")
