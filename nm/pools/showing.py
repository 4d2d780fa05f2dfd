"""What answers tell of pools: their structs, their components, and plans. Pure.

The wire has 32-bit ints and no bytes: what does not fit becomes a double, or a struct.
"""

import math
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from nm import views
from nm.calls import Call
from nm.errors import NotFound
from nm.marshal import MAX_INT
from nm.pools import chunks, keeping, reality
from nm.pools.attributes import Attribute, Value, of_unknown
from nm.pools.differences import Standing
from nm.pools.drafting import Draft
from nm.pools.kinds import KINDS, QUIET, told
from nm.pools.life import End, Entry
from nm.pools.operations import DECIMALS, OPTIONS, need
from nm.pools.plan import Plan
from nm.pools.tree import Path, is_around, spell, spelled
from nm.records import Record, name_of, natural
from nm.store import Reader

CONSOLE = "DeployManagement"
OF_LIFE = ("words", "trouble", "hindered", "unreachable", "abandoned")


def get_descriptions(reader: Reader, call: Call, filter: Record) -> list[Record]:
    """The deployed descriptions that the caller may see, where the filter matches."""
    views.check_filter(filter, views.FIELDS["pool"])
    mine = (pool for pool in reader.range("pool") if call.reader or call.caller.owns(pool))
    structs = (description(reader, call, pool, _parts(reader, pool)) for pool in mine)
    found = views.select(structs, filter, views.FIELDS["pool"])
    return sorted(found, key=lambda pool: natural(pool["name"]))


def get_description(reader: Reader, _call: Call, name: str) -> Record:
    """The text that is deployed, or just being deployed, with all that it includes of the caller's."""
    pool = need(reader, name)
    kept = keeping.text_of(reader, pool)
    if kept is None:
        raise NotFound(f"the text of {name} is not there", "apply it anew")
    changes = [
        {"path": f"{spell(tuple(path))}:{attribute}", **({} if change is None else wire(change))}
        for path, attribute, change in pool["set"]
    ]
    options = {key: value for key, value in pool["options"].items() if value and key in OPTIONS}
    return {
        "name": name,
        "revision": keeping.text_revision(pool),
        "text": kept.text,
        "files": dict(kept.files),
        "set": changes,
        "options": {**options, **({"decimals": kept.decimals} if kept.decimals != DECIMALS[0] else {})},
    }


def description(
    reader: Reader, call: Call, pool: Record, parts: Iterable[tuple[Path, Mapping[str, Any]]]
) -> Record:
    """The struct of one, whose parts are kept like that."""
    names = ("owner", "state", "revision", "target", "deployed", "job", "error")
    counts = {name: pool["uses"].get(name, 0) for name in ("components", "domains", "memory", "disk")}
    changes = [[spell(tuple(path)), name] for path, name, _ in pool["set"]]
    return {
        "name": name_of(pool["record_key"]),
        **{name: pool[name] for name in names},
        **counts,
        "set": changes,
        "end": _end((), keeping.entry_of_whole(reader, pool)),
        "consoles": [console(path, part) for path, part in parts if part["kind"] == CONSOLE],
        "may_set": call.caller.owns(pool) and (call.caller.admin or "describe" in call.rights),
        "created": int(pool["created"]),
        "changed": pool["timestamp"],
    }


def _parts(reader: Reader, pool: Record) -> Iterator[tuple[Path, Mapping[str, Any]]]:
    """Its parts as they are kept."""
    for _, item in chunks.items(reader.get, "piece", name_of(pool["record_key"]), pool["count"]):
        if item["part"] is not None:
            yield tuple(item["path"]), item["part"]


def console(path: Path, part: Mapping[str, Any]) -> Record:
    """A part that is a console of others: which, under which title, and whether it is more than a display."""
    attributes = part["attributes"]
    leads, around = part["needs"].get("root"), part["parent"] if part["parent"] is not None else path
    title = attributes.get("nameDisplay")
    return {
        "path": spell(path),
        "root": spell(tuple(around if leads is None else leads)),
        "title": title if isinstance(title, str) and title else spell(path),
        "editable": attributes.get("screenEditable") is not False,
    }


def get_components(reader: Reader, _call: Call, name: str, path: str = "") -> list[Record]:
    """The components that are deployed, each before what is inside it; just one and what is in it."""
    pool = need(reader, name)
    standings, lives = _as_tree(keeping.standings(reader, pool)), keeping.entries(reader, pool)
    within = spelled(path)
    if within and within not in standings:
        raise NotFound(f"no component {path} in {name}", "GetComponents without a path lists all")
    drift = reality.drift(reader, name, standings)
    return [
        component(standing, lives.get(one, {}), drift.get(one))
        for one, standing in standings.items()
        if is_around(within, one)
    ]


def _as_tree(standings: Mapping[Path, Standing]) -> dict[Path, Standing]:
    """The same, each right before all that is inside it."""
    number = {path: place for place, path in enumerate(standings)}

    def way(path: Path) -> list[int]:
        around = (path[:depth] for depth in range(len(path) + 1))
        return [number[one] for one in around if one in number]

    return {path: standings[path] for path in sorted(standings, key=way)}


def component(standing: Standing, entry: Entry, drift: str | None = None) -> Record:
    """The struct of one."""
    part = standing.part
    kind = KINDS.get(part.kind)
    known = kind.known if kind is not None else {}
    return {
        "path": spell(part.path),
        "parent": None if part.parent is None else spell(part.parent),
        "kind": part.kind,
        "host": part.host,
        "state": standing.state or "absent",
        "doing": entry.get("doing"),
        "going": entry.get("going"),
        "attributes": wire(told(part.attributes)),
        "effects": {name: effects(name, known.get(name)) for name in part.attributes},
        "begun": {name: wire(told(value)) for name, value in standing.begun.items() if name not in QUIET},
        "needs": {name: None if to is None else spell(to) for name, to in part.needs.items()},
        "notes": {**notes(entry), **({"drift": drift} if drift is not None else {})},
        "end": _end(part.path, entry),
    }


def _end(path: Path, entry: Entry) -> Record:
    """Why a part goes, or went: the reference's termination record; nothing while it does not."""
    if not entry.get("going"):
        return {}
    end = End.of(path, entry)
    first = spell(end.first) if end.first is not None else ""
    return {"type": end.status, "description": end.words, "id": first, "cause": end.cause}


def notes(entry: Entry) -> Record:
    """What there is to say of a life."""
    return {key: str(entry[key]) for key in OF_LIFE if key in entry}


def effects(name: str, attribute: Attribute | None) -> str:
    """When a change of it takes effect, in one word or several."""
    if attribute is None:
        return of_unknown(name)
    return attribute.effect if isinstance(attribute.effect, str) else " or ".join(attribute.effects)


def planned(draft: Draft, plan: Plan, ask: list[Record]) -> Record:
    """The plan of a description, and what to ask of hosts before it can say what is adopted."""
    told: Record = wire(plan.public())
    lines = list(plan.lines())
    return {"hash": draft.hash_of(plan), **told, "lines": lines, "warnings": draft.warnings, "ask": ask}


def wire(value: Value) -> Any:
    """A value as the wire carries it."""
    if isinstance(value, dict):
        return {str(key): wire(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [wire(item) for item in value]
    if isinstance(value, bytes):
        return {"bytes": value.hex()}
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    if isinstance(value, int) and not isinstance(value, bool) and not -MAX_INT <= value <= MAX_INT:
        return float(value)
    return value
