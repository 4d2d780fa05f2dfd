"""The executor of a switch: all that waits for it in one session, read back, answered one by one.

One executor a switch, called by that switch's one worker thread, so it holds no lock. It is the hand
of the facts vlan/, trunk/ and port/; how a switch is told is its driver's matter (nm/switch.py).
A port that could not be joined is isolated again in the same run: what fails, fails closed. What the switch
would forget at a power cut is not done: a run ends by saving, and is told as done only then.
"""

import contextlib
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace

from nm.errors import DeviceFailed, NMError, NoPort, Unanswered
from nm.facts import Order, Outcome, Value, split
from nm.records import Record, name_of
from nm.switch import Change, Driver, PortState, Registry, SetPort, SetTrunk, SetVlan, SwitchState
from nm.switches.breaker import Breaker

NATIVE = 1  # of a trunk nobody said otherwise of


def port_value(state: PortState) -> Value | None:
    """A port fact's value: None when isolated; `open` is named only where it is so."""
    if state.isolated:
        return None
    value: Value = {"untagged": state.untagged, "tagged": list(state.tagged)}
    return {**value, "open": True} if state.open else value


def port_state(value: Value | None) -> PortState:
    """What a port fact of that value asks of the port."""
    if value is None:
        return PortState()
    return PortState(value["untagged"], tuple(sorted(value["tagged"])))


def describe(state: PortState | None) -> str:
    """The port's state in words."""
    if state is None:
        return "no such port"
    if state.isolated:
        return "isolated"
    words = [] if state.untagged is None else [f"VLAN {state.untagged} untagged"]
    words += [f"VLAN {vlan} tagged" for vlan in state.tagged]
    words += ["every other VLAN"] if state.open else []
    return ", ".join(words)


class Executor:
    """A Hand on top of a driver, which it constructs when needed and anew after an error."""

    def __init__(
        self,
        name: str,
        connect: Callable[[Mapping[str, str]], Driver],
        natives: Mapping[str, int] | None = None,
        meet: Callable[[Mapping[str, str]], None] = lambda shown: None,
        breaker: Breaker | None = None,
    ) -> None:
        """`connect` makes a driver that lets in only a device that shows itself by what it is given.

        `natives`: the native VLANs of trunk ports, for kinds of switch that cannot tell.

        `meet` is told by what the device shows itself after each log-in, before anything is asked of it;
        when it raises, nothing is.
        """
        self.name = name
        self._connect = connect
        self._natives = dict(natives or {})
        self._meet = meet
        self.breaker = breaker or Breaker(time.monotonic)
        self._driver: Driver | None = None
        self._shown: Mapping[str, str] = {}  # by what the device has shown itself at first
        self.unsaved: NMError | None = None  # why what was applied is not saved
        self.answers = False  # whether the last that was asked of the switch came to something

    # --- the hand ---

    def run(self, orders: Sequence[Order], epoch: int) -> list[Outcome]:
        """Carry out the orders in one session, read back once, answer in order."""
        changes = self._plan(orders)
        if not any(changes):
            return [Outcome(moot=True) for _ in orders]
        try:
            rejected, state = self._session([change for change in changes if change], epoch)
        except NMError as failure:
            return [Outcome(error=failure) for _ in orders]
        outcomes = [
            self._judge(order, change, rejected, state) if change else Outcome(moot=True)
            for order, change in zip(orders, changes, strict=True)
        ]
        outcomes = self._fail_closed(orders, outcomes, state, epoch)
        unsaved = self._save()
        return [_unless(unsaved, outcome) for outcome in outcomes]

    def read(self, facts: Sequence[str]) -> list[Outcome]:
        """What is there now for each fact. Who carries a VLAN is known only when all ports are read."""
        whole = any(split(fact)[0] == "vlan" for fact in facts)
        try:
            state = self._read(None if whole else {split(fact)[-1] for fact in facts})
        except NMError as failure:
            return [Outcome(error=failure) for _ in facts]
        return [self.observe(fact, state) for fact in facts]

    def close(self) -> None:
        """End the session, if there is one. What could not be saved at its end is in `unsaved`."""
        driver, self._driver = self._driver, None
        if driver is not None:
            try:
                driver.close()
            except NMError as error:
                self.unsaved = self._forgetful(error)

    # --- what the jobs of a switch need ---

    def inspect(self) -> SwitchState:
        """Everything that can be read. DeviceFailed when it cannot."""
        return self._read(None)

    def isolate(self, ports: Iterable[str], epoch: int) -> dict[str, PortState | NMError]:
        """Isolate the ports (a trunk port: empty it) in one session; what was read back of each."""
        results = self._isolate(ports, epoch)
        applied = {port for port, result in results.items() if isinstance(result, PortState)}
        unsaved = self._save() if applied else None
        return {port: unsaved if unsaved and port in applied else result for port, result in results.items()}

    def _isolate(self, ports: Iterable[str], epoch: int) -> dict[str, PortState | NMError]:
        changes: dict[str, Change] = {port: SetPort(port, PortState()) for port in ports}
        if not changes:
            return {}
        try:
            rejected, state = self._session(list(changes.values()), epoch)
        except NMError as failure:
            return dict.fromkeys(changes, failure)
        return {port: self._isolated(port, rejected.get(change), state) for port, change in changes.items()}

    def remove_vlans(self, vlans: Iterable[int], epoch: int) -> dict[int, DeviceFailed]:
        """Take the VLANs off the switch's table; answers those that are still there."""
        changes: dict[int, Change] = {vlan: SetVlan(vlan, False) for vlan in vlans}
        if not changes:
            return {}
        rejected, state = self._session(list(changes.values()), epoch)
        self._save()  # one that comes back after a power cut does no harm
        failed = {}
        for vlan, change in changes.items():
            if change in rejected:
                failed[vlan] = rejected[change]
            elif vlan in (state.vlans or ()):
                failed[vlan] = self._not_done(f"VLAN {vlan}", "gone", "there")
        return failed

    # --- one session ---

    def _plan(self, orders: Sequence[Order]) -> list[Change | None]:
        """The change of each order; None for what is moot, or stays because somebody else needs it.

        A port that is asked to carry different things at once is isolated: which is newer nobody knows here.
        """
        alive = [None if order.moot() else order for order in orders]
        wanted = [order for order in alive if order is not None]
        needed = {order.fact for order in wanted if order.value is not None}
        contested = _contested(wanted)
        changes: list[Change | None] = []
        for order in alive:
            if order is None or (_is_shared(order) and order.value is None and order.fact in needed):
                changes.append(None)
            else:
                changes.append(self._change(order, order.fact in contested))
        return changes

    def _change(self, order: Order, contested: bool) -> Change:
        kind, _, *rest = split(order.fact)
        present = order.value is not None
        if kind == "vlan":
            return SetVlan(int(rest[0]), present)
        if kind == "trunk":
            native = (order.value or order.old or {}).get("native")
            native = self._natives[rest[1]] = native or self._natives.get(rest[1], NATIVE)
            return SetTrunk(rest[1], int(rest[0]), present, native)
        return SetPort(rest[0], PortState() if contested else port_state(order.value))

    def _session(
        self, changes: Sequence[Change], epoch: int
    ) -> tuple[dict[Change, DeviceFailed], SwitchState]:
        """Make the changes, each once and in the safe order, and read their ports back."""
        changes = sorted(dict.fromkeys(changes), key=_stage)
        ports = {change.port for change in changes if not isinstance(change, SetVlan)}
        self.breaker.check_settled()
        with self._renewed_after_error():
            driver = self._open()
            try:
                rejected = driver.apply(changes, epoch)
            except Unanswered as error:
                self.breaker.gave_up(error)
                raise
        return rejected, self._read(ports)

    def _read(self, ports: Iterable[str] | None) -> SwitchState:
        with self._renewed_after_error():
            return self._open().read(ports)

    def _save(self) -> NMError | None:
        """Let the switch keep what it was told; why it does not."""
        try:
            with self._renewed_after_error(saving=True):
                self._open().save()
        except NMError as error:
            self.unsaved = self._forgetful(error)
        else:
            self.unsaved = None
        return self.unsaved

    def _forgetful(self, error: NMError) -> DeviceFailed:
        return DeviceFailed(
            f"switch {self.name} has applied it, and would forget it at a power cut: {error.message}",
            error.hint or "it is tried again",
        )

    def _open(self) -> Driver:
        if self._driver is None:
            self.breaker.check()
            self._driver = self._connect(self._shown)
            shown = self._driver.open()
            self._meet(shown)
            self._shown = shown
        return self._driver

    @contextlib.contextmanager
    def _renewed_after_error(self, saving: bool = False) -> Iterator[None]:
        """Lets go of the driver when a session fails, so that the next one begins anew.

        One that could not save came to something nevertheless: what it applied was read back.
        """
        left_alone = self._driver is None and self.breaker.pause > 0
        try:
            yield
        except BaseException as error:
            self.close()
            if isinstance(error, NMError) and not saving:
                self.answers = False
                if not left_alone:
                    self.breaker.failed(error)
            raise
        self.answers = True
        self.breaker.went_well()

    # --- judging what was read back ---

    def _judge(
        self, order: Order, change: Change, rejected: Mapping[Change, DeviceFailed], state: SwitchState
    ) -> Outcome:
        outcome = self.observe(order.fact, state)
        if (refusal := rejected.get(change)) is not None:
            if isinstance(outcome.error, NoPort):
                refusal = NoPort(refusal.message, refusal.hint, passing=refusal.passing)
            return Outcome(outcome.seen, refusal)
        if isinstance(change, SetVlan) and state.vlans is None:
            return Outcome(order.value)
        if isinstance(change, SetPort) and (missing := _missing(change.state, rejected)):
            return Outcome(outcome.seen, missing)
        if outcome.error or outcome.seen == _canonical(order):
            return outcome
        if isinstance(change, SetPort) and change.state != port_state(order.value):
            return Outcome(outcome.seen, self._contested(change.port))
        return Outcome(outcome.seen, self._difference(change, state))

    def observe(self, fact: str, state: SwitchState) -> Outcome:
        """What that state of the switch says of a fact."""
        kind, _, *rest = split(fact)
        if kind == "vlan":
            vlan = int(rest[0])
            carriers = tuple(port for port, seen in state.ports.items() if _carries(seen, vlan))
            there = state.vlans is None or vlan in state.vlans
            return Outcome({} if there else None, carriers=carriers)
        port = state.ports.get(rest[-1])
        if port is None:
            return Outcome(error=self._no_port(rest[-1]))
        if kind == "port":
            return Outcome(port_value(port))
        native = port.untagged if port.untagged is not None else self._natives.get(rest[1], NATIVE)
        if port.open:
            return Outcome({"native": native, "open": True})
        return Outcome({"native": native} if int(rest[0]) in port.tagged else None)

    def _difference(self, change: Change, state: SwitchState) -> DeviceFailed:
        match change:
            case SetVlan(vlan, present):
                return self._not_done(f"VLAN {vlan}", *(("there", "not there")[:: 1 if present else -1]))
            case SetTrunk(port, vlan, present, native):
                wanted = f"{'with' if present else 'without'} VLAN {vlan}, native {native}"
                return self._not_done(f"trunk port {port}", wanted, describe(state.ports[port]))
            case SetPort(port, wanted_state):
                return self._not_done(f"port {port}", describe(wanted_state), describe(state.ports[port]))

    def _not_done(self, what: str, wanted: str, seen: str) -> DeviceFailed:
        return DeviceFailed(
            f"switch {self.name} said yes and did nothing: {what}: wanted {wanted}, seen {seen}",
            "look whether somebody else changes this switch, and Repair",
        )

    def _contested(self, port: str) -> DeviceFailed:
        return DeviceFailed(
            f"port {port} of switch {self.name} was asked to carry different things at once, and is isolated",
            "it is tried again",
        )

    def _no_port(self, port: str) -> DeviceFailed:
        return NoPort(
            f"switch {self.name} has no port {port}",
            "InspectSwitch lists its ports; correct the wiring with ConnectNic",
            passing=False,
        )

    def _isolated(self, port: str, refusal: DeviceFailed | None, state: SwitchState) -> PortState | NMError:
        if refusal is not None:
            return refusal
        if port not in state.ports:
            return self._no_port(port)
        seen = state.ports[port]
        return seen if seen.isolated else self._not_done(f"port {port}", "isolated", describe(seen))

    # --- failing closed ---

    def _fail_closed(
        self, orders: Sequence[Order], outcomes: list[Outcome], state: SwitchState, epoch: int
    ) -> list[Outcome]:
        """Isolate every port whose join failed and that carries something."""
        failed = {
            index: (split(order.fact)[-1], outcome.error)
            for index, (order, outcome) in enumerate(zip(orders, outcomes, strict=True))
            if outcome.error and order.value is not None and split(order.fact)[0] == "port"
        }
        there = {port: state.ports[port] for port, _ in failed.values() if port in state.ports}
        isolated = self._isolate([port for port, seen in there.items() if not seen.isolated], epoch)
        for index, (port, error) in failed.items():
            if port in isolated:
                outcomes[index] = _closed(outcomes[index], error, port, isolated[port])
        return outcomes


def _carries(state: PortState, vlan: int) -> bool:
    return state.open or vlan == state.untagged or vlan in state.tagged


def _is_shared(order: Order) -> bool:
    return split(order.fact)[0] in ("vlan", "trunk")


def _contested(orders: Iterable[Order]) -> set[str]:
    """The port facts of which these orders want different things."""
    wanted: dict[str, PortState] = {}
    contested = set()
    for order in orders:
        if split(order.fact)[0] == "port":
            state = port_state(order.value)
            if wanted.setdefault(order.fact, state) != state:
                contested.add(order.fact)
    return contested


def _missing(state: PortState, rejected: Mapping[Change, DeviceFailed]) -> DeviceFailed | None:
    """Why a VLAN that the port is to carry could not be made in the same session."""
    refusals = (rejected.get(SetVlan(vlan, True)) for vlan in (state.untagged, *state.tagged) if vlan)
    return next(filter(None, refusals), None)


def _unless(unsaved: NMError | None, outcome: Outcome) -> Outcome:
    """The outcome, which is no success while the switch has not saved it."""
    return outcome if unsaved is None or outcome.error or outcome.moot else replace(outcome, error=unsaved)


def _stage(change: Change) -> int:
    """Leaves first, then VLANs, trunks, joins; of what is taken away, the ports first."""
    match change:
        case SetPort(_, state):
            return 0 if state.isolated else 5
        case SetTrunk():
            return 4 if change.present else 1
        case SetVlan():
            return 3 if change.present else 2


def _canonical(order: Order) -> Value | None:
    """The order's value as it would be read back."""
    if order.value is not None and split(order.fact)[0] == "port":
        return port_value(port_state(order.value))
    return order.value


def _closed(outcome: Outcome, error: NMError, port: str, result: PortState | NMError) -> Outcome:
    """The outcome of a failed join after the attempt to isolate the port again."""
    passing = getattr(error, "passing", False)
    if isinstance(result, PortState):
        words = f"{error.message}; port {port} is isolated"
        return Outcome(None, DeviceFailed(words, error.hint, passing=passing))
    words = f"{error.message}; and port {port} could not be isolated: {result.message}"
    return Outcome(outcome.seen, DeviceFailed(words, error.hint or result.hint, passing=passing))


def make_executor(
    record: Record,
    registry: Registry,
    secret: Callable[[str], str],
    natives: Mapping[str, int] | None = None,
    meet: Callable[[Mapping[str, str]], None] = lambda shown: None,
    breaker: Breaker | None = None,
) -> Executor:
    """The executor of the switch of that record. `secret` turns a secret's name into the secret."""
    name = name_of(record["record_key"])

    def connect(shown: Mapping[str, str]) -> Driver:
        driver = registry.find(record["driver"])
        settings = {key: record[key] for key in driver.settings if key in record}
        pinned = record.get("host_key") or record.get("_host_key") or shown.get("host_key")
        if "host_key" in driver.settings and pinned:
            settings["host_key"] = pinned
        secrets = {key: secret(chosen) for key, chosen in record.get("secrets", {}).items()}
        return driver(name, settings, secrets)

    return Executor(name, connect, natives, meet, breaker)
