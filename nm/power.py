"""Nodes' power: the kinds of management there are, one action on a node, and the hand that releases it.

A driver knows one kind of management processor: three verbs, and its settings as data. What it was
told is never believed; the state is read until it is so, within a limit. Called by workers; no lock.
"""

import json
import os
import stat
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, Protocol

from nm import hypervisor, libvirt_host
from nm.errors import DeviceFailed, Invalid, NMError
from nm.facts import Order, Outcome, split
from nm.records import Record
from nm.waiting import REAL, Clock, wait_until

LIMIT = 60.0  # seconds within which a node must be seen to be on or off
ACTIONS = ("on", "off", "cycle", "status", "pxe", "disk")

Connect = Callable[[str], hypervisor.Hypervisor]


class PowerDriver(Protocol):
    """One kind of management. Constructed with a node's `management` and the secrets it names.

    Each verb is bounded in time and raises DeviceFailed when the processor is silent or refuses.
    """

    kind: ClassVar[str]
    settings: ClassVar[Mapping[str, type]]  # keys of a node's `management` beside `driver`
    required: ClassVar[frozenset[str]]

    def __init__(self, management: Mapping[str, Any], secrets: Mapping[str, str]) -> None: ...

    def is_on(self) -> bool:
        """Whether the node has power now."""

    def switch(self, on: bool) -> None:
        """Ask for power, or for none, at once; it need not have happened when this returns."""

    def boot_from(self, device: str) -> None:
        """What it boots from, next time and from then on: "pxe" or "disk"."""

    def close(self) -> None:
        """End the session, if one is open."""


class SimulatedPower:
    """A state file: {"power": "on"|"off", "boot": "pxe"|"disk", "fault": null|"silent"|"idle"}.

    Fault silent: never answers. Fault idle: says yes and does nothing. A file that is not there is a
    node that is off; one that holds anything else is left alone.
    """

    kind: ClassVar[str] = "simulated"
    settings: ClassVar[Mapping[str, type]] = {"file": str}
    required: ClassVar[frozenset[str]] = frozenset({"file"})

    def __init__(self, management: Mapping[str, Any], secrets: Mapping[str, str]) -> None:
        self._file = Path(management["file"])

    def is_on(self) -> bool:
        """As the file says."""
        return bool(self._load()["power"] == "on")

    def switch(self, on: bool) -> None:
        """Write it, unless idle."""
        self._change(power="on" if on else "off")

    def boot_from(self, device: str) -> None:
        """Write it, unless idle."""
        self._change(boot=device)

    def close(self) -> None:
        """Nothing is held open."""

    def _load(self) -> dict[str, Any]:
        try:
            with open(
                os.open(self._file, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK), encoding="utf-8"
            ) as file:
                state = json.load(file) if stat.S_ISREG(os.fstat(file.fileno()).st_mode) else None
        except FileNotFoundError:
            state = {"power": "off", "boot": "disk"}
        except (OSError, ValueError):
            state = None
        if not isinstance(state, dict) or state.get("power") not in ("on", "off"):
            raise DeviceFailed(
                f"{self._file} is not the state of a simulated node", "name another file", passing=False
            )
        if state.get("fault") == "silent":
            raise DeviceFailed(f"the simulated management at {self._file} does not answer")
        return state

    def _change(self, **fields: str) -> None:
        state = self._load()
        if state.get("fault") == "idle":
            return
        new = self._file.with_name(f".{self._file.name}.new")
        try:
            new.unlink(missing_ok=True)
            with open(
                os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8"
            ) as file:
                json.dump({**state, **fields}, file)
            new.rename(self._file)
        except OSError as error:
            raise DeviceFailed(f"{self._file}: {error.strerror}", "see that its folder is there") from error


class LibvirtPower:
    """A node that is itself a domain of some libvirt, as in a lab."""

    kind: ClassVar[str] = "libvirt"
    settings: ClassVar[Mapping[str, type]] = {"uri": str, "domain": str}
    required: ClassVar[frozenset[str]] = frozenset({"uri", "domain"})

    def __init__(
        self,
        management: Mapping[str, Any],
        secrets: Mapping[str, str],
        connect: Connect = libvirt_host.connect,
    ) -> None:
        self._domain = management["domain"]
        self._hypervisor = connect(management["uri"])

    def is_on(self) -> bool:
        """Whether the domain runs."""
        state = self._hypervisor.state(self._domain)
        if state is None:
            raise DeviceFailed(
                f"there is no domain {self._domain} to switch", "see the node's management", passing=False
            )
        return state.running

    def switch(self, on: bool) -> None:
        """Start it, or take its power away."""
        if on:
            self._hypervisor.start(self._domain)
        else:
            self._hypervisor.stop(self._domain)

    def boot_from(self, device: str) -> None:
        """Change what its next start boots from."""
        self._hypervisor.set_boot(self._domain, "network" if device == "pxe" else "hd")

    def close(self) -> None:
        """Close libvirt's connection."""
        self._hypervisor.close()


KINDS: Mapping[str, type[PowerDriver]] = {driver.kind: driver for driver in (LibvirtPower, SimulatedPower)}


def required_keys() -> dict[str, frozenset[str]]:
    """For each driver the keys that a node's `management` must have beside `driver`."""
    return {kind: driver.required for kind, driver in KINDS.items()}


def no_secrets(_management: Mapping[str, Any]) -> Mapping[str, str]:
    """The secrets of drivers that need none."""
    return {}


def act(
    management: Mapping[str, Any],
    action: str,
    *,
    secrets: Mapping[str, str] | None = None,
    limit: float = LIMIT,
    clock: Clock = REAL,
    kinds: Mapping[str, type[PowerDriver]] = KINDS,
) -> str:
    """Carry out one of ACTIONS; return the state read afterwards, "on" or "off".

    DeviceFailed when the state that was asked for is not seen within `limit` seconds.
    """
    if action not in ACTIONS:
        raise Invalid(f"no power action {action!r}", f"use one of: {', '.join(ACTIONS)}")
    driver = _driver(management, secrets or {}, kinds)
    try:
        if action in ("pxe", "disk"):
            driver.boot_from(action)
        if action in ("off", "cycle"):
            _switch(driver, False, limit, clock)
        if action in ("on", "cycle"):
            _switch(driver, True, limit, clock)
        return "on" if driver.is_on() else "off"
    finally:
        driver.close()


def _driver(
    management: Mapping[str, Any], secrets: Mapping[str, str], kinds: Mapping[str, type[PowerDriver]]
) -> PowerDriver:
    kind = kinds.get(management.get("driver", ""))
    if kind is None:
        raise Invalid(
            f"no power driver {management.get('driver')!r}", f"use one of: {', '.join(sorted(kinds))}"
        )
    missing = sorted(kind.required - set(management))
    if missing:
        raise Invalid(
            f"power driver {kind.kind} lacks {', '.join(missing)}", "add it to the node's management"
        )
    return kind(management, secrets)


def _switch(driver: PowerDriver, on: bool, limit: float, clock: Clock) -> None:
    """Ask, and ask again what came of it until it is so or the time is over; silence may pass in it."""
    failures: list[DeviceFailed] = []

    def done() -> bool:
        try:
            if driver.is_on() == on:
                return True
            driver.switch(on)
            return driver.is_on() == on
        except DeviceFailed as error:
            if not error.passing:
                raise
            failures.append(error)
            return False

    if not wait_until(done, limit, clock, every=1.0):
        why = f": {failures[-1].message}" if failures else ""
        raise DeviceFailed(
            f"power {'on' if on else 'off'} was not confirmed within {limit:.0f} s{why}",
            "look after the node's management, then try again or use ClearNode",
        )


class PowerHand:
    """Makes `node/NODE` true: nothing when a node is given out, power off when it is taken back.

    `node` answers a node's record by its name; `secrets` the secrets that its `management` names.
    """

    def __init__(
        self,
        node: Callable[[str], Record | None],
        *,
        secrets: Callable[[Mapping[str, Any]], Mapping[str, str]] = no_secrets,
        limit: float = LIMIT,
        clock: Clock = REAL,
        kinds: Mapping[str, type[PowerDriver]] = KINDS,
    ) -> None:
        self._node = node
        self._secrets = secrets
        self._limit = limit
        self._clock = clock
        self._kinds = kinds

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
                secrets = self._secrets(management)
                act(
                    management,
                    "off",
                    secrets=secrets,
                    limit=self._limit,
                    clock=self._clock,
                    kinds=self._kinds,
                )
        except NMError as error:
            return Outcome(error=error)
        return Outcome(seen=None)
