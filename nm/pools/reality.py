"""What of a description is otherwise than the description has made it: changed by hand since. Pure.

Groups are edited by calls, too; domains and disks on their hosts, and lives keep what looks there have found
(see drifting). What was changed of what the description says is seen here, so that a plan tells it, and
applying the description again makes it as described. What it does not speak of is let be.
"""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from nm import specs
from nm.pools.attributes import Value
from nm.pools.differences import Standing, same
from nm.pools.drifting import BRIDGE, DEFINED, DISK, NETWORK, VOLUME, mended
from nm.pools.grouping import (
    GROUP,
    HEADNODE,
    HOSTS,
    MAIN,
    NODE,
    VLAN,
    group_around,
    group_name,
    network_name,
)
from nm.pools.kinds import KINDS, OF_GROUPS, worth
from nm.pools.places import host_of
from nm.pools.tree import Part, Path, spell
from nm.records import Record, name_of, record_key
from nm.store import Reader

Standings = Mapping[Path, Standing]
OUT = "ended"  # the state of what is not in its group any more
GONE = {
    BRIDGE: "its interface is on nothing",
    NETWORK: "its interface is on nothing",
    DISK: "its disk is detached",
    DEFINED: "it is not defined any more",
    VOLUME: "its volume is not there any more",
}
KEPT = "and stays so: write that into the description"


def keys(pool: str, standings: Standings) -> Iterator[str]:
    """The keys of the records of its groups."""
    for path, standing in standings.items():
        if standing.part.kind == GROUP:
            yield record_key("group", group_name(path, standing.part.attributes, pool))


def seen(reader: Reader, pool: str, standings: Standings) -> dict[Path, Standing]:
    """The standings, with domains, disks, groups and what is in these as they are."""
    parts = {path: standing.part for path, standing in standings.items()}
    found = {path: _as_found(standing) for path, standing in standings.items()}
    for path, standing in standings.items():
        around = group_around(parts, path) if standing.part.kind in OF_GROUPS and standing.up else None
        if around is not None and (group := _group(reader, pool, parts[around])) is not None:
            found[path] = _as_it_is(reader, standing, group["wanted"])
    return found


def drift(reader: Reader, pool: str, standings: Standings) -> dict[Path, str]:
    """What differs, in words."""
    return {path: ", ".join(said.values()) for path, said in _drifted(reader, pool, standings).items()}


def mended_with(reader: Reader, pool: str, standings: Standings, path: Path, attribute: str) -> str:
    """What else is put back when that attribute of a part is changed in place; "" when nothing is.

    standings: of it and of all that is around it.
    """
    said = _drifted(reader, pool, standings).get(path, {})
    kept = {DISK, VOLUME, *standings[path].drift.keys() - mended(standings[path])}
    return ", ".join(words for name, words in said.items() if name != attribute and name not in kept)


def _drifted(reader: Reader, pool: str, standings: Standings) -> dict[Path, dict[str, str]]:
    """By attribute."""
    found: dict[Path, dict[str, str]] = {}
    for path, now in seen(reader, pool, standings).items():
        before = standings[path]
        if now.state != before.state:
            found[path] = {"": "it is not in its group any more"}
        elif before.up and before.drift:
            found[path] = dict(_found(before))
        elif now.part is not before.part:
            old, new = before.part.attributes, now.part.attributes
            found[path] = {name: _words(name, new[name]) for name in new if new[name] != old.get(name)}
    return found


def _found(standing: Standing) -> Iterator[tuple[str, str]]:
    """What the last look at its host found."""
    mends = mended(standing)
    for name, value in standing.drift.items():
        yield name, _words(name, value) if name in mends else f"{_words(name, value)}, {KEPT}"


def _words(name: str, value: Value) -> str:
    """In a few words; what is not there any more in those of GONE."""
    gone = value is None or name == DEFINED
    return GONE[name] if gone and name in GONE else f"{name} is {value!r}"


def _as_found(standing: Standing) -> Standing:
    """As the last look at its host found what is mended; what it was started with counts as it did."""
    part, drift = standing.part, mended(standing) if standing.up else {}
    if not drift:
        return standing
    before = {name: standing.now.get(name) for name in drift}
    worth = standing.worth
    if worth is not None:
        worth = {name: drift.get(name, value) for name, value in worth.items()}
    begun = {**before, **standing.begun}
    return replace(
        standing, part=replace(part, attributes={**part.attributes, **drift}), begun=begun, worth=worth
    )


def _group(reader: Reader, pool: str, part: Part) -> Record | None:
    """The group, when it is there and the description's own."""
    group = reader.get(record_key("group", group_name(part.path, part.attributes, pool)))
    mark = (group or {}).get("described") or {}
    mine = group is not None and not group["destroying"]
    return group if mine and (mark.get("pool"), mark.get("part")) == (pool, spell(part.path)) else None


def _as_it_is(reader: Reader, standing: Standing, wanted: specs.Spec) -> Standing:
    part, name = standing.part, standing.part.attributes.get("node")
    if part.kind == NODE:
        if name not in wanted["nodes"]:
            return replace(standing, state=OUT)
        return _with(standing, {"image": wanted.get("images", {}).get(name)})
    if part.kind == HEADNODE:
        there = part.attributes.get("headNode") == wanted["headnode"]
        return standing if there else replace(standing, state=OUT)
    network = MAIN if part.kind == GROUP else network_name(part)
    if network not in wanted["networks"]:
        return replace(standing, state=OUT)
    return _with(standing, _of_network(reader, part, wanted, network))


def _of_network(reader: Reader, part: Part, wanted: specs.Spec, network: str) -> dict[str, Value]:
    """What a Group or a Vlan says of its network, as that is; not what it leaves to nm."""
    entry, said = wanted["networks"][network], part.attributes
    found: dict[str, Value] = {"vlan": entry["vlan"]} if said.get("vlan") is not None else {}
    if part.kind == VLAN and network == MAIN:
        return found
    if part.kind == VLAN:
        found |= {"nics": entry["nics"], "tagged": entry["tagged"]}
    hosts = specs.hosts_of(wanted, network)
    named = {name_of(host["record_key"]) for one in said.get(HOSTS) or () if (host := host_of(reader, one))}
    return found if set(hosts) == named else {**found, HOSTS: hosts}


def _with(standing: Standing, actual: Mapping[str, Any]) -> Standing:
    """With those values that differ from what it is worth."""
    part = standing.part
    differing = {
        name: value
        for name, value in actual.items()
        if not same(value, worth(KINDS[part.kind], part.attributes, name))
    }
    if not differing:
        return standing
    return replace(standing, part=replace(part, attributes={**part.attributes, **differing}))
