"""Guests of a rack: whoever comes by a door of federation, without the door."""

import time
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from nm import allocating, pool
from nm.calls import Site
from nm.federation import acting, ending, looking, names, provisioning
from nm.federation.answers import Answer, Sliver
from nm.federation.visits import GENI, Guest, Rules, Visit, transacted
from nm.geni.rspec.aggregate import Aggregate
from nm.records import Record
from nm.store import Store
from tests.memory_store import MemoryStore
from tests.pool.world import NOW, World

LAB = Aggregate("example.org:lab", "https://am.example.org:8001")
RULES = Rules(LAB, hostname="nm.example.org")
SITE = Site(uid_of=lambda name: 0 if name == "root" else None)
KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIE3a6NYdE5yIuNRBrlTHGGoT3wFUpVbEzb5N2bGq3Q0a alice"


def urn_of(name: str) -> str:
    """A slice's."""
    return f"urn:publicid:IDN+example.org:sa+slice+{name}"


def guest(name: str = "alice", door: str = GENI, expires: float | None = None) -> Guest:
    """A person."""
    urn = f"urn:publicid:IDN+example.org:sa+user+{name}"
    return Guest(door, urn, f"{name}@example.org", name.title(), expires)


class Door:
    """Calls of one person on a store. What is not said otherwise is asked of slice `alpha`."""

    def __init__(
        self, store: Store, who: Guest | None = None, rules: Rules = RULES, site: Site = SITE
    ) -> None:
        self.store = store
        self.who = who or guest()
        self.rules = rules
        self.site = site
        self.now: float | None = None  # a time that stands; None: the clock's

    def visit(self, method: str) -> Visit:
        """A call."""
        return Visit(self.who, self.rules, method, time.time() if self.now is None else self.now, self.site)

    def with_rules(self, **fields: Any) -> "Door":
        """The same person where the site's rules are others."""
        made = Door(self.store, self.who, replace(self.rules, **fields), self.site)
        made.now = self.now
        return made

    def _write(self, method: str, operation: Any, *arguments: Any, **options: Any) -> Answer:
        act = lambda tx, visit: operation(tx, visit, *arguments, **options)  # noqa: E731
        answer: Answer = transacted(self.store, self.visit(method), act)
        return answer

    def allocate(self, text: str, slice: str = urn_of("alpha"), wish: float | None = None) -> Answer:
        return allocating.allocate(self.store, self.visit("Allocate"), slice, text, wish)

    def allocate_nodes(self, *numbers: int, slice: str = "7", wish: float | None = None) -> Answer:
        return allocating.allocate_nodes(self.store, self.visit("Allocate"), slice, numbers, wish)

    def provision(self, *given: str, **options: Any) -> Answer:
        return self._write("Provision", provisioning.provision, _named(given), **options)

    def renew(self, until: float, *given: str, **options: Any) -> Answer:
        return self._write("Renew", provisioning.renew, _named(given), until, **options)

    def perform(self, action: str, *given: str, **options: Any) -> Answer:
        return self._write("PerformOperationalAction", acting.perform, _named(given), action, **options)

    def delete(self, *given: str, **options: Any) -> Answer:
        return self._write("Delete", ending.delete, _named(given), **options)

    def shutdown(self, slice: str = urn_of("alpha")) -> Answer:
        return self._write("Shutdown", ending.shutdown, slice)

    def status(self, *given: str) -> Answer:
        return looking.status(self.store, self.visit("Status"), _named(given))

    def describe(self, *given: str) -> Answer:
        return looking.describe(self.store, self.visit("Describe"), _named(given))

    def group(self, slice: str = urn_of("alpha")) -> Record:
        """The slice's group."""
        found = names.find(self.store, slice)
        assert found is not None
        return found

    def states(self, *given: str) -> dict[str, tuple[str, str]]:
        """Node -> allocation and operational state of the slice's slivers."""
        return {one.node: (one.allocation, one.operational) for one in self.status(*given).slivers}

    def sliver(self, node: str, *given: str) -> Sliver:
        """The sliver on that node."""
        (found,) = (one for one in self.status(*given).slivers if one.node == node)
        return found


def _named(given: Sequence[str]) -> list[str]:
    return list(given) or [urn_of("alpha")]


def at(door: Door, now: float = NOW) -> Door:
    """The door at a time that stands."""
    door.now = now
    return door


def small_world() -> World:
    """Six nodes of one NIC on one switch, isolated; a head node; VLANs 101 to 104, 110 that is shared."""
    made = World(MemoryStore())
    ports = [f"p{number}" for number in range(6)]
    made.switch("sw0", *ports, "host")
    made.host()
    ends = [{"switch": "sw0", "port": "host"}, {"host": "h0", "device": "eth5"}]
    made.do(pool.register_trunk, "th", {"ends": ends})
    made.verify(("sw0", "host"))
    for number, port in enumerate(ports):
        management = {"driver": "bmc", "address": "192.0.2.1", "secrets": {"key": "bmc"}}
        made.node(f"n{number}", number, ("sw0", port), id=number, management=management)
        made.verify(("sw0", port))
    for vlan in range(101, 105):
        made.do(pool.register_vlan, vlan)
    made.do(pool.register_vlan, 110, {"shared": True})
    made.do(pool.register_head_node, "head", {"host": "h0", "domain": "vm1", "management": []})
    return made
