"""Audits as values: what should be there, and where what was read differs from it. Pure.

The patrol (nm/patrol.py) lets the hands read what `expected` names; `judge` and `judge_pool` compare. A group
answers for its deployed facts. What no group has is the pool's: trunk ports, accounts of delegates and
slivers, and the ports that are no group's fact: they were read back as isolated, whoever has their node.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import chain
from typing import Any

from nm import facts, people, plan, recording, views
from nm.counted import counted
from nm.errors import DeviceFailed, NMError
from nm.facts import Outcome, Value
from nm.plan import Facts
from nm.pool import uses
from nm.records import Record, in_order, name_of, port_key, record_key
from nm.store import Reader

MOST_STRANGERS = 10  # ports told of one VLAN on one switch; the rest is counted


@dataclass(frozen=True)
class Scope:
    """What a round looks at: one group, one switch, one port of it; everything when all are None."""

    group: str | None = None
    switch: str | None = None
    port: str | None = None

    @property
    def whole(self) -> bool:
        """Whether it is everything."""
        return self == Scope()

    def covers(self, fact: str) -> bool:
        """Whether the fact, of a group that is looked at, is one of those."""
        kind, *parts = facts.split(fact)
        if self.switch is None:
            return True
        if kind not in ("vlan", "trunk", "port") or parts[0] != self.switch:
            return False
        return self.port is None or (kind != "vlan" and parts[-1] == self.port)


def scope_of(job: Record) -> Scope:
    """The scope of an audit's or repair's job."""
    kind, _, name = job["subject"].partition(":")
    if kind == "group":
        return Scope(group=name)
    return Scope(switch=name, port=job["arguments"].get("port")) if kind == "switch" else Scope()


# ---- what should be there


@dataclass(frozen=True)
class Expected:
    """What a round expects to read."""

    groups: dict[str, Facts]  # by name of the group
    pool: dict[str, Value | None]  # ports of no group (None: isolated) and accounts, by fact
    trunks: dict[str, set[int]] = field(default_factory=dict)  # by trunk port (as a fact port/)
    stuck: set[str] = field(default_factory=set)  # groups that gave up on something in scope

    def readings(self) -> dict[str, list[str]]:
        """The facts to be read, each once, by whose worker reads them."""
        found: dict[str, dict[str, None]] = {}
        wanted: list[Mapping[str, Value | None]] = [*self.groups.values(), self.pool]
        for fact, value in chain(*(some.items() for some in wanted), ((fact, None) for fact in self.trunks)):
            found.setdefault(plan.subject_of(fact, value or {}), {})[fact] = None
        return {subject: list(named) for subject, named in found.items()}


def expected(reader: Reader, scope: Scope) -> Expected:
    """What should be there now, as far as it is in scope and not in doubt."""
    if scope.group is not None:
        group = reader.get(record_key("group", scope.group))
        return Expected({scope.group: _sure(group, scope) if group else {}}, {})
    found = Expected({}, dict(_accounts(reader)) if scope.whole else {})
    ways: dict[str, set[int]] = {}
    for one in in_scope(reader, scope):
        for fact in one["deployed"]:
            if fact.startswith("trunk/"):
                _, switch, vlan, port_name = facts.split(fact)
                ways.setdefault(facts.name("port", switch, port_name), set()).add(int(vlan))
        stuck = stuck_in(reader, one, scope)
        if stuck or any(map(scope.covers, one["deployed"])):
            name = name_of(one["record_key"])
            found.groups[name] = {} if one["destroying"] else _sure(one, scope)
            if stuck:
                found.stuck.add(name)
    ports = [port for port in _ports(reader, scope) if views.is_known(port)]
    used = uses.untouchable(reader, [port for port in ports if port["trunk"] is None])
    for port in ports:
        fact = facts.name("port", port["switch"], port["port"])
        if port["trunk"] is not None:
            found.trunks[fact] = ways.get(fact, set())
        elif port["record_key"] not in used:
            found.pool[fact] = None
    return found


def _sure(group: Record, scope: Scope) -> Facts:
    """The deployed facts that can be read and are not in doubt."""
    return {
        fact: value
        for fact, value in group["deployed"].items()
        if "doubt" not in value and not fact.startswith("node/") and scope.covers(fact)
    }


def in_scope(reader: Reader, scope: Scope) -> list[Record]:
    """The group, or all groups: what a round of that scope may look at."""
    if scope.group is None:
        return in_order(reader.range("group"))
    group = reader.get(record_key("group", scope.group))
    return [] if group is None else [group]


def stuck_in(reader: Reader, group: Record, scope: Scope) -> bool:
    """Whether the group gave up on something in scope."""
    return recording.stuck(reader, group) and undone(reader, group, scope)


def undone(reader: Reader, group: Record, scope: Scope) -> bool:
    """Whether something in scope is not yet as the group's target has it."""
    if not recording.unfinished(group):
        return False
    try:
        target = plan.expand(reader, name_of(group["record_key"]), group["target"])
    except NMError:
        return scope.whole
    everything = target.keys() | group["deployed"].keys()
    return any(scope.covers(fact) for fact in everything if target.get(fact) != group["deployed"].get(fact))


def _ports(reader: Reader, scope: Scope) -> Iterator[Record]:
    """The ports in scope; of everything those of switches in service."""
    switches = {
        name_of(switch["record_key"])
        for switch in reader.range("switch")
        if switch["available"] or not scope.whole
    }
    for port in reader.range("port"):
        named = scope.switch in (None, port["switch"]) and scope.port in (None, port["port"])
        if named and port["switch"] in switches:
            yield port


def _accounts(reader: Reader) -> Iterator[tuple[str, Value]]:
    for account in reader.range("account"):
        if account["type"] not in (people.DELEGATE, *people.OF_SLIVERS):
            continue
        if not people.unsettled(account) and not account["before"]:
            fact = facts.name("account", account["account"])
            yield fact, facts.of_account(account)


def unverified(reader: Reader, scope: Scope) -> list[str]:
    """The ports in scope of which nm knows nothing, as "sw0 p1": a repair leaves them alone."""
    ports = [port for port in _ports(reader, scope) if not views.is_known(port)]
    used = uses.untouchable(reader, [port for port in ports if port["trunk"] is None])
    return [f"{port['switch']} {port['port']}" for port in in_order(ports) if port["record_key"] not in used]


# ---- what differs: groups


@dataclass(frozen=True)
class Found:
    """What differs of a group."""

    differing: Facts  # the facts, with the values that were expected
    strangers: list[tuple[str, str, int]]  # (switch, port, VLAN) that are none of its ports
    differences: list[Record]  # both, as they are told


NOTHING = Found({}, [], [])


def judge(reader: Reader, group: Record, wanted: Facts, seen: Mapping[str, Outcome]) -> Found:
    """What differs of a group, but for what its worker is changing at the moment."""
    moving = _Moving(reader, group)
    differing = {
        fact: value
        for fact, value in wanted.items()
        if _differs(value, seen[fact])
        and group["deployed"].get(fact) == value
        and not moving.has(fact)
        and not recording.made_since(group, fact, seen[fact].at)
        and not _good_since(reader, fact, value, seen[fact].at)
    }
    strangers = list(_strangers(reader, group, moving.target, wanted, seen))
    told = [_difference(fact, value, seen[fact]) for fact, value in differing.items()]
    return Found(differing, strangers, [*told, *_stranger_differences(strangers)])


def known_since(record: Record, at: float) -> bool:
    """Whether a thing of the pool was looked at later than that."""
    return float(record.get("_read_at") or 0) > at


def _good_since(reader: Reader, fact: str, value: Value, at: float) -> bool:
    """Whether a group's port was later seen to carry what it should: a round takes as long as its slowest."""
    kind, *parts = facts.split(fact)
    later = _seen_since(reader, parts[0], parts[1], at) if kind == "port" else None
    return later == {"open": False, **value}


def _seen_since(reader: Reader, switch: str, port: str, at: float) -> Value | None:
    """What was seen of the port later than that."""
    record = reader.get(port_key(switch, port))
    return record["_seen"] if record is not None and known_since(record, at) else None


class _Moving:
    """What a group's worker may be changing: where the target is not what is deployed."""

    def __init__(self, reader: Reader, group: Record) -> None:
        self._deployed = group["deployed"]
        self.target: Facts | None = None  # None when the group rests, or its target cannot be made
        if recording.unfinished(group):
            try:
                self.target = plan.expand(reader, name_of(group["record_key"]), group["target"])
            except NMError:
                self.target = None

    def has(self, fact: str) -> bool:
        return self.target is not None and self.target.get(fact) != self._deployed.get(fact)


def rests_on(reader: Reader, name: str, fact: str, value: Value) -> bool:
    """Whether the fact is deployed with that value and no order about it can be under way."""
    group = reader.get(record_key("group", name))
    return group is not None and group["deployed"].get(fact) == value and not _Moving(reader, group).has(fact)


def _strangers(
    reader: Reader, group: Record, target: Facts | None, wanted: Facts, seen: Mapping[str, Outcome]
) -> Iterator[tuple[str, str, int]]:
    ours = {*wanted, *group["deployed"], *(target or ())}
    for fact in wanted:
        kind, *parts = facts.split(fact)
        vlan = reader.get(record_key("vlan", parts[1])) if kind == "vlan" else None
        if vlan is None or vlan["shared"]:
            continue
        switch, number = parts
        for port in seen[fact].carriers:
            if {facts.name("port", switch, port), facts.name("trunk", switch, number, port)} & ours:
                continue
            later = _seen_since(reader, switch, port, seen[fact].at)
            if later is None or later["open"] or int(number) in plan.carried(later):
                yield switch, port, int(number)


def _stranger_differences(strangers: Iterable[tuple[str, str, int]]) -> Iterator[Record]:
    told: dict[tuple[str, int], int] = {}
    for switch, port, vlan in strangers:
        told[switch, vlan] = told.get((switch, vlan), 0) + 1
        if told[switch, vlan] <= MOST_STRANGERS:
            yield stranger(switch, port, vlan)
    for (switch, vlan), count in told.items():
        if count > MOST_STRANGERS:
            more = f"{counted(count - MOST_STRANGERS, 'more port')} on it"
            yield {"hand": "vlan", "target": f"{switch}/{vlan}", "wanted": "no other ports", "seen": more}


def stranger(switch: str, port: str, vlan: int) -> Record:
    """The difference that a port is which carries a group's VLAN and is none of the group's."""
    target = f"{switch}/{port}"
    return {"hand": "port", "target": target, "wanted": f"not on VLAN {vlan}", "seen": f"on VLAN {vlan}"}


def is_idle(reader: Reader, port: Record | None) -> bool:
    """Whether the port is registered and nobody has anything on it, no trunk either."""
    return port is not None and port["trunk"] is None and not uses.untouchable(reader, [port])


def left_alone(reader: Reader, found: Found) -> list[tuple[str, str, int]]:
    """Of a group's strangers those that are registered and unverified, so that no repair touches them."""
    return [
        (switch, port, vlan)
        for switch, port, vlan in found.strangers
        if is_idle(reader, record := reader.get(port_key(switch, port)))
        and record
        and not views.is_known(record)
    ]


def _differs(value: Value | None, outcome: Outcome) -> bool:
    return outcome.error is not None or outcome.seen != value


def _difference(fact: str, wanted: Any, outcome: Outcome) -> Record:
    kind, *parts = facts.split(fact)
    seen = f"unreadable: {outcome.error}" if outcome.error else outcome.seen
    return {
        "hand": kind,
        "target": "/".join(parts),
        "wanted": wanted,
        "seen": seen if seen is not None else facts.ABSENT,
    }


# ---- what differs: the pool


def judge_pool(reader: Reader, wanted: Expected, seen: Mapping[str, Outcome]) -> dict[str, Record | None]:
    """By fact the difference, or None where it is as it should be. What could not be read is left out."""
    found: dict[str, Record | None] = {}
    for fact, value in wanted.pool.items():
        if not is_unread(seen[fact]):
            told = value if value is not None else "isolated"
            found[fact] = _difference(fact, told, seen[fact]) if _differs(value, seen[fact]) else None
    for fact, vlans in wanted.trunks.items():
        if not is_unread(seen[fact]):
            found[fact] = _trunk_difference(reader, fact, vlans, seen[fact])
    return found


def is_unread(outcome: Outcome) -> bool:
    """Whether nothing is known: a switch that has no such port says so, one that is down says nothing."""
    return isinstance(outcome.error, DeviceFailed) and outcome.error.passing


def is_missing(outcome: Outcome) -> bool:
    """Whether the device says that it has no such thing."""
    return isinstance(outcome.error, DeviceFailed) and not outcome.error.passing


def _trunk_difference(reader: Reader, fact: str, vlans: set[int], outcome: Outcome) -> Record | None:
    if outcome.error is not None:
        return _difference(fact, "there", outcome)
    strays = strays_of(reader, fact, vlans, outcome.seen)
    if not strays and not (outcome.seen or {}).get("open"):
        return None
    rightly = plan.carried(outcome.seen) - strays - {native_of(reader, fact)}
    rest = {"untagged": None, "tagged": sorted(vlans | rightly)}
    return {**_difference(fact, rest, outcome), "hand": "trunk"}


def strays_of(reader: Reader, fact: str, vlans: set[int], seen: Value | None) -> set[int]:
    """The VLANs that a trunk port carries and no group has on it."""
    _, switch, port = facts.split(fact)
    strange = plan.carried(seen) - vlans - {native_of(reader, fact)}
    return {vlan for vlan in strange if not has_way(reader, facts.name("trunk", switch, vlan, port))}


def native_of(reader: Reader, fact: str) -> int:
    """The native VLAN of the trunk of that port, given as a fact port/."""
    port = reader.get(port_key(*facts.split(fact)[1:]))
    trunk = reader.get(record_key("trunk", port["trunk"])) if port and port["trunk"] else None
    return int(trunk["native"]) if trunk else 1


def has_way(reader: Reader, fact: str) -> bool:
    """Whether a group has, or is about to have, the fact trunk/ ."""
    vlan = reader.get(record_key("vlan", facts.split(fact)[2]))
    names = {vlan["group"], *vlan["groups"]} - {None} if vlan is not None else set()
    for group in filter(None, (reader.get(record_key("group", name)) for name in names)):
        target = _Moving(reader, group).target
        if fact in group["deployed"] or fact in (target or ()):
            return True
    return False
