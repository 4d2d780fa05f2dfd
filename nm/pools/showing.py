"""What answers tell of pools: their structs, their components, and plans. Pure.

The wire has 32-bit ints and no bytes: what does not fit becomes a double, or a struct.
"""

import math
from collections.abc import Mapping
from typing import Any

from nm import views
from nm.calls import Call
from nm.errors import NotFound
from nm.marshal import MAX_INT
from nm.pools import keeping, reality
from nm.pools.attributes import Attribute, Value
from nm.pools.differences import SHOWN_NOT, Standing
from nm.pools.drafting import Draft
from nm.pools.kinds import KINDS
from nm.pools.life import End, Entry
from nm.pools.operations import need
from nm.pools.plan import Plan
from nm.pools.tree import Path, is_around, spell
from nm.records import Record, name_of, natural
from nm.store import Reader

OF_LIFE = ("words", "trouble", "unreachable", "abandoned")


def get_descriptions(reader: Reader, call: Call, filter: Record) -> list[Record]:
    """The deployed descriptions that the caller may see, where the filter matches."""
    views.check_filter(filter, views.FIELDS["pool"])
    mine = (pool for pool in reader.range("pool") if call.reader or call.caller.owns(pool))
    found = views.select((_struct(reader, pool) for pool in mine), filter, views.FIELDS["pool"])
    return sorted(found, key=lambda pool: natural(pool["name"]))


def get_description(reader: Reader, _call: Call, name: str) -> Record:
    """The text that is deployed, or just being deployed, with all that it includes of the caller's."""
    pool = need(reader, name)
    number = pool["text"] if pool["text"] is not None else pool["revision"]
    kept = reader.get(keeping.text_key(name, number))
    if kept is None:
        raise NotFound(f"the text of {name} is not there", "apply it anew")
    changes = [
        {"path": f"{spell(tuple(path))}:{attribute}", **({} if change is None else wire(change))}
        for path, attribute, change in pool["set"]
    ]
    told = {"revision": number, "text": kept["text"], "files": dict(kept["files"]), "set": changes}
    return {"name": name, **told, "options": {key: value for key, value in pool["options"].items() if value}}


def _struct(reader: Reader, pool: Record) -> Record:
    names = ("owner", "state", "revision", "target", "deployed", "job", "error")
    counts = {name: pool["uses"].get(name, 0) for name in ("components", "domains", "memory", "disk")}
    changes = [[spell(tuple(path)), name] for path, name, _ in pool["set"]]
    return {
        "name": name_of(pool["record_key"]),
        **{name: pool[name] for name in names},
        **counts,
        "set": changes,
        "end": _end((), keeping.entry_of_whole(reader, pool)),
        "created": int(pool["created"]),
        "changed": pool["timestamp"],
    }


def get_components(reader: Reader, _call: Call, name: str, path: str = "") -> list[Record]:
    """The components that are deployed, around before inside; just one and what is in it."""
    pool = need(reader, name)
    standings, lives = keeping.standings(reader, pool), keeping.entries(reader, pool)
    within: Path = tuple(path.split(":")) if path not in ("", "sfConfig") else ()
    if within and within not in standings:
        raise NotFound(f"no component {path} in {name}", "GetComponents without a path lists all")
    drift = reality.drift(reader, name, standings)
    return [
        _component(standing, lives.get(one, {}), drift.get(one))
        for one, standing in standings.items()
        if is_around(within, one)
    ]


def _component(standing: Standing, entry: Entry, drift: str | None) -> Record:
    part = standing.part
    kind = KINDS.get(part.kind)
    known = kind.known() if kind is not None else {}
    return {
        "path": spell(part.path),
        "parent": None if part.parent is None else spell(part.parent),
        "kind": part.kind,
        "host": part.host,
        "state": standing.state or "absent",
        "doing": entry.get("doing"),
        "going": entry.get("going"),
        "attributes": {
            name: SHOWN_NOT if _quiet(known, name) else wire(value) for name, value in part.attributes.items()
        },
        "effects": {name: _effects(known.get(name)) for name in part.attributes},
        "begun": {name: wire(value) for name, value in standing.begun.items() if not _quiet(known, name)},
        "needs": {name: None if to is None else spell(to) for name, to in part.needs.items()},
        "notes": {
            **{key: str(entry[key]) for key in OF_LIFE if key in entry},
            **({"drift": drift} if drift is not None else {}),
        },
        "end": _end(part.path, entry),
    }


def _end(path: Path, entry: Entry) -> Record:
    """Why a part goes, or went: the reference's termination record; nothing while it does not."""
    if not entry.get("going"):
        return {}
    end = End.of(path, entry)
    first = spell(end.first) if end.first is not None else ""
    return {"type": end.status, "description": end.words, "id": first, "cause": end.cause}


def _quiet(known: Mapping[str, Attribute], name: str) -> bool:
    return name in known and known[name].quiet


def _effects(attribute: Attribute | None) -> str:
    """When a change of it takes effect, in one word or several."""
    if attribute is None:
        return "now"
    return attribute.effect if isinstance(attribute.effect, str) else " or ".join(attribute.effects)


def planned(draft: Draft, plan: Plan) -> Record:
    """The plan of a description."""
    told: Record = wire(plan.public())
    return {"hash": plan.hash(), **told, "lines": list(plan.lines()), "warnings": draft.warnings}


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
