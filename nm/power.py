"""Nodes' power: one action on a node, and the hand that releases it. How is nm/management's business.

What a management processor was told is never believed; the state is read until it is so, within a limit.
Called by workers, a thread a node. No lock but the gate, which bounds how many processors are spoken with
at a time and is held while one of them is asked one thing.
"""

import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

from nm.errors import DeviceFailed, Invalid, NMError
from nm.facts import Order, Outcome, split
from nm.management import KINDS
from nm.processor import ACTIONS, DEVICES, Kinds, NotSoft, PowerDriver, find, missing
from nm.records import Record
from nm.waiting import REAL, Clock

LIMIT = 60.0  # seconds within which a node must be seen to be as it was asked to be
GRACE = 20.0  # of these, how many its system has to shut down by itself
AT_ONCE = 16  # processors that are spoken with at a time
LOOK = 10.0  # seconds within which its state is asked for again when that is all that was asked for
AGAIN = 15.0  # seconds after which a processor that said yes, and did nothing, is told again
LONGEST_PAUSE = 4.0  # seconds between two looks at one that is silent

T = TypeVar("T")


@dataclass(frozen=True)
class Manner:
    """How actions are carried out: within which times, how many at once, by which kinds of driver."""

    limit: float = LIMIT
    grace: float = GRACE
    gate: threading.Semaphore = field(default_factory=lambda: threading.BoundedSemaphore(AT_ONCE))
    clock: Clock = REAL
    kinds: Kinds = field(default_factory=lambda: KINDS)


def no_secrets(_management: Mapping[str, Any]) -> Mapping[str, str]:
    """The secrets of drivers that need none."""
    return {}


def act(
    management: Mapping[str, Any],
    action: str,
    *,
    secrets: Mapping[str, str] | None = None,
    manner: Manner | None = None,
) -> str:
    """Carry out one of ACTIONS; return the state read afterwards, "on" or "off".

    DeviceFailed when what was asked for is not seen within the limit, counted from now: it may be
    exceeded by what one answer of the processor takes, and by nothing else.
    """
    if action not in ACTIONS:
        raise Invalid(f"no power action {action!r}", f"use one of: {', '.join(ACTIONS)}")
    manner = manner or Manner()
    driver = _driver(management, secrets or {}, manner.kinds)
    talk = _Talk(driver, manner)
    try:
        return talk.carry_out(action)
    finally:
        driver.close()


def _driver(management: Mapping[str, Any], secrets: Mapping[str, str], kinds: Kinds) -> PowerDriver:
    kind = find(kinds, management.get("driver"))
    if lacking := missing(kind.settings, management):
        raise Invalid(
            f"power driver {kind.kind} lacks {', '.join(lacking)}", "add it to the node's management"
        )
    kind.settings.check(management)
    return kind(management, secrets)


class _Talk:
    """One action's talk with a processor, over when its time is."""

    def __init__(self, driver: PowerDriver, manner: Manner) -> None:
        self._driver = driver
        self._manner = manner
        self._clock = manner.clock
        self._end = self._clock.now() + manner.limit

    def carry_out(self, action: str) -> str:
        if action in DEVICES:
            self._boot_from(action)
        if action == "off":
            self._off()
        if action == "cycle":
            self._switch(False)
            self._end = self._clock.now() + self._manner.limit
        if action in ("on", "cycle"):
            self._switch(True)
        return "on" if self._is_on() else "off"

    def _is_on(self) -> bool:
        """The state. A passing failure is nobody's answer, also after something was done."""
        seen = False

        def look() -> bool:
            nonlocal seen
            seen = self._driver.is_on()
            return True

        end = min(self._end, self._clock.now() + LOOK)
        why = self._until(look, lambda: None, end)
        if why is not None:
            raise why
        return seen

    def _off(self) -> None:
        """Its system is asked first; when it is still on after the grace, its power goes."""
        if grace := min(self._manner.grace, self._manner.limit / 2):
            end = self._clock.now() + grace
            try:
                why = self._until(lambda: not self._driver.is_on(), self._ask_to_stop, end)
                if why is None:
                    return
                if why.message and self._clock.now() >= self._end:  # an answer that did not come took it all
                    raise self._unconfirmed("power off", why.message)
            except NotSoft:
                pass  # then at once
        self._switch(False)

    def _ask_to_stop(self) -> None:
        try:
            self._driver.ask_to_stop()
        except DeviceFailed as error:
            if error.passing:
                raise  # it is asked again, as long as there is grace
            raise NotSoft(error.message, passing=False) from error

    def _switch(self, on: bool) -> None:
        why = self._until(lambda: self._driver.is_on() is on, lambda: self._driver.switch(on), self._end)
        if why is not None:
            state = "on" if on else "off"
            raise self._unconfirmed(f"power {state}", why.message or f"it said yes, and is still not {state}")

    def _boot_from(self, device: str) -> None:
        told = False

        def set_device() -> None:
            nonlocal told
            self._driver.boot_from(device)
            told = True

        def is_set() -> bool:  # what it was set to before says nothing: it may hold for one boot
            return told and self._driver.boots_from() in (device, None)

        why = self._until(is_set, set_device, self._end)
        if why is not None:
            raise self._unconfirmed(
                f"booting from {device}", why.message or "it said yes, and is set to something else"
            )

    def _unconfirmed(self, what: str, why: str) -> DeviceFailed:
        return DeviceFailed(
            f"{what} was not confirmed within {self._manner.limit:.0f} s: {why}",
            "look after the node's management, then try again or use ClearNode",
        )

    def _until(self, so: Callable[[], bool], tell: Callable[[], None], end: float) -> DeviceFailed | None:
        """Look, tell, and look again until it is so or the time is over; silence may pass in it.

        None when it is so; else why it is silent, or what it said when it was told last: without words when
        that was yes. A failure that does not pass is raised at once.
        """
        refusal: DeviceFailed | None = None
        told, pause = float("-inf"), 0.5
        while True:
            there, silence = self._hear(so)
            if there:
                return None
            if silence is None and self._clock.now() - told >= AGAIN:
                _, refusal = self._hear(tell)
                if refusal is None:
                    told, pause = self._clock.now(), 0.5
                    continue  # it may be so already
            pause = min(2 * pause, LONGEST_PAUSE) if silence or refusal else 0.5
            left = end - self._clock.now()
            if left <= 0:
                return silence or refusal or DeviceFailed("")
            self._clock.sleep(min(pause, left))

    def _hear(self, question: Callable[[], T]) -> tuple[T | None, DeviceFailed | None]:
        """The answer, or why there was none that helps now."""
        try:
            return self._ask(question), None
        except DeviceFailed as error:
            if not error.passing:
                raise
            return None, error

    def _ask(self, question: Callable[[], T]) -> T:
        """Ask the processor one thing, as soon as there is room at the gate."""
        if not self._manner.gate.acquire(timeout=max(self._end - self._clock.now(), 0.0)):
            raise DeviceFailed("too many other processors were spoken with", "see power.at_once")
        try:
            return question()
        finally:
            self._manner.gate.release()


class PowerHand:
    """Makes `node/NODE` true: nothing when a node is given out, power off when it is taken back.

    `node` answers a node's record by its name; `secrets` the secrets that its `management` names.
    """

    def __init__(
        self,
        node: Callable[[str], Record | None],
        *,
        secrets: Callable[[Mapping[str, Any]], Mapping[str, str]] = no_secrets,
        manner: Manner | None = None,
    ) -> None:
        self._node = node
        self._secrets = secrets
        self._manner = manner or Manner()

    def run(self, orders: Sequence[Order], epoch: int) -> list[Outcome]:
        """Carry out the orders; there is more than one only when they gathered for the same node."""
        return [self._one(order) for order in orders]

    def read(self, facts: Sequence[str]) -> list[Outcome]:
        """Whether nm could take the power away; whether it is on is the group's own business."""
        return [Outcome(seen={"power": bool(self._management(split(fact)[1]))}) for fact in facts]

    def close(self) -> None:
        """Sessions end with each action."""

    def _management(self, name: str) -> Mapping[str, Any] | None:
        return (self._node(name) or {}).get("management") or None

    def _one(self, order: Order) -> Outcome:
        management = self._management(split(order.fact)[1])
        if order.value is not None:
            return Outcome(seen={"power": bool(management)})
        try:
            if management:
                act(management, "off", secrets=self._secrets(management), manner=self._manner)
        except NMError as error:
            return Outcome(error=error)
        return Outcome(seen=None)
