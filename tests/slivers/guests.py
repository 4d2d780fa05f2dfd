"""A stand-in for the guests of slivers: it does what it is told in a file, and can be read back."""

import fcntl
import json
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from nm import facts
from nm.config import Config
from nm.errors import DeviceFailed
from nm.facts import Order, Outcome, Value
from nm.store import Store

EMPTY: dict[str, Any] = {
    "domains": {}, "made": {}, "fails": {}, "down": "", "held": False, "slow": 0.0, "notes": {},
    "enforcers": ["disk", "reservation", "shares", "start"],
}  # fmt: skip


class House:
    """The machine's domains, in a file: `domains` by name, `made` how often each was made or changed.

    Its faults: `down` (words: libvirt is away), `fails` (sliver: words), `held` (every order waits), `slow`
    (seconds that each takes).
    """

    def __init__(self, path: Path) -> None:
        self._path = path

    def open(self, _config: Config, _store: Store) -> "StandIn":
        """As the service opens the hand."""
        with self.edit() as found:
            _check(found["down"])
        return StandIn(self)

    @contextmanager
    def edit(self) -> Iterator[dict[str, Any]]:
        """What there is, to look at and to change."""
        with self._path.open("a+") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            file.seek(0)
            found = json.loads(file.read() or json.dumps(EMPTY))
            yield found
            file.truncate(0)
            file.write(json.dumps(found))

    @property
    def domains(self) -> dict[str, Any]:
        """Domain -> what it is."""
        with self.edit() as found:
            return dict(found["domains"])

    @property
    def made(self) -> dict[str, int]:
        """Domain -> how often it was made or changed."""
        with self.edit() as found:
            return dict(found["made"])

    def set(self, **faults: Any) -> None:
        """Have these faults from now on."""
        with self.edit() as found:
            found.update(faults)

    def stop(self, domain: str) -> None:
        """The guest ends by itself."""
        with self.edit() as found:
            found["domains"][domain]["running"] = False

    def reboot(self) -> None:
        """Nothing runs any more."""
        with self.edit() as found:
            for value in found["domains"].values():
                value["running"] = value["frozen"] = False


class StandIn:
    """The hand: one a worker, on the house's file."""

    def __init__(self, house: House) -> None:
        self._house = house
        self._pause = threading.Event()

    def run(self, orders: Sequence[Order], epoch: int) -> list[Outcome]:
        return [self._run(order) for order in orders]

    def _run(self, order: Order) -> Outcome:
        while True:
            with self._house.edit() as found:
                if not found["held"]:
                    break
            self._pause.wait(0.01)
        self._pause.wait(found["slow"])
        if order.moot():
            return Outcome(moot=True)
        name = facts.split(order.fact)[1]
        with self._house.edit() as found:
            words = found["down"] or found["fails"].get(name)
            if words:
                return Outcome(error=DeviceFailed(words, "mend it"))
            if order.value is None:
                found["domains"] = {
                    domain: value for domain, value in found["domains"].items() if value["sliver"] != name
                }
                return Outcome()
            domain = order.value["domain"]
            found["domains"][domain] = {**order.value, "sliver": name}
            found["made"][domain] = found["made"].get(domain, 0) + 1
            slow = found["slow"]
        self._pause.wait(slow)
        return Outcome(dict(order.value))

    def read(self, names: Sequence[str]) -> list[Outcome]:
        """By the names of the slivers' facts."""
        by_name = {value["sliver"]: value for value in self._house.domains.values()}
        return [Outcome(_without_name(by_name.get(facts.split(name)[1]))) for name in names]

    def states(self) -> Mapping[str, bool]:
        with self._house.edit() as found:
            _check(found["down"])
            return {value["sliver"]: value["running"] for value in found["domains"].values()}

    def notes(self) -> Mapping[str, Mapping[str, str]]:
        with self._house.edit() as found:
            return dict(found["notes"])

    def enforcers(self) -> Sequence[str]:
        with self._house.edit() as found:
            return list(found["enforcers"])

    def close(self) -> None:
        """Nothing to let go of."""


def _without_name(value: Value | None) -> Value | None:
    return None if value is None else {key: part for key, part in value.items() if key != "sliver"}


def _check(words: str) -> None:
    if words:
        raise DeviceFailed(words, "mend it")
