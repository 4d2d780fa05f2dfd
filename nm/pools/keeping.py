"""The records of a pool, beside those of chunks.py: whose it is, how it stands, and the text it is made of.

    pool_NAME      name, owner {name, uid}, created
                   revision   the last number that was given to a text, or to a change of attributes
                   target     the revision that is to be deployed; None: nothing is to be there any more
                   deployed   the revision that was; None: none was yet
                   text       the revision whose text is behind the target; setting attributes leaves it as it
                              is, for these are kept apart:
                   set        [[path, attribute, {"value": value} or None], ...]: what was set, or removed
                   before     BEFORE as they were when the job began, where that may turn out to be impossible
                   state      of life.standing, as the worker last saw it
                   job, error the job that is at it, or None; why it is as it is, or None
                   count      the numbers of its parts are below that
                   lives      the last number that was given to a life of a part, of any
                   options    {"reference": whether updates are as strict as the reference implementation's,
                              "host": where those are made that name no host,
                              "adopt": whether domains that are there already are taken as they are,
                              "folders": whose files a domain that is taken may have: those of who applied it}
                   uses       what it counts in the limits of its owner (allowing.uses)
                   tags       on which VLANs a domain of it is, or may come to be (claims): only added to
                              until a job has come to its end
    text_NAME.REV  a text with all that it included, and was told: read again it means the same
    piece_NAME.N   by number {"path", "part": Part.record() as it is deployed or None, "begun", "worth": of
                   Standing, "life": the number of its life, "deployed": of a Script, whether that life was
                   to be, "late": attributes that were changed and could not be in place, with why, "placed":
                   of a domain, the MAC of its interface, and the bridge and tag where a hand put that}
    life_NAME.N    by number the entry of a life

A part has its number from before its first order until it is forgotten, so a piece is first written with
`part` None. Whoever applies writes pool, text and job in one transaction; all else is the worker's. Jobs have
the subject pool:NAME and are of five kinds, of which `KINDS` tells. While one is at work no other is begun,
but that "terminate" supersedes any. Pure.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from nm import records
from nm.descriptions import compiler
from nm.descriptions.limits import Limits
from nm.descriptions.literals import Decimals
from nm.descriptions.surroundings import NOWHERE, Surroundings
from nm.errors import NotFound
from nm.jobs import OVER
from nm.pools import chunks
from nm.pools.differences import Standing
from nm.pools.grouping import hosted
from nm.pools.tags import Tag, tags_of, together
from nm.pools.tree import Part, Path, by_place, parts_of
from nm.records import Record, changed, record_key
from nm.store import Reader, Transaction

KINDS = {
    "apply": "nothing of the pool is there: make what target says",
    "update": "it runs: make it what target says",
    "set": "it runs: one attribute is changed (arguments: path, attribute), nothing is stopped for that",
    "end": "it runs: one component is taken down (arguments: path, detach: nothing around it follows)",
    "terminate": "take it down; then all its records go",
}
SUBJECT = "pool:"
BEFORE = ("target", "text", "set", "uses", "options")
GONE = ("absent", "ended", "failed")  # states in which nothing of a pool is there


def subject(name: str) -> str:
    """The subject of a pool's jobs."""
    return f"{SUBJECT}{name}"


def text_key(name: str, revision: int) -> str:
    """The key of a text's record."""
    return record_key("text", f"{name}.{revision}")


def find(reader: Reader, name: str) -> Record | None:
    """The pool of that name."""
    return reader.get(record_key("pool", name))


@dataclass(frozen=True)
class Text:
    """A description with all that it reads: so it means the same whenever it is read again.

    files: what came with it; library: what it read of nm's own texts; surroundings: what the site gave it,
    and the moment that all texts of its pool are told; decimals: how numbers are read.
    """

    text: str
    files: Mapping[str, str]
    library: Mapping[str, str]
    surroundings: Surroundings
    decimals: Decimals = "double"

    def record(self, name: str, revision: int, now: float) -> Record:
        """As it is kept."""
        told = self.surroundings
        return records.new(
            "text",
            f"{name}.{revision}",
            now,
            None,
            text=self.text,
            files=dict(self.files),
            library=dict(self.library),
            properties=dict(told.properties),
            environment=dict(told.environment),
            now=told.now,
            decimals=self.decimals,
        )

    @classmethod
    def of(cls, record: Record) -> "Text":
        """What such a record keeps; earlier ones had no moment, no environment and plain numbers."""
        told = Surroundings(
            record["properties"], record.get("environment", {}), record.get("now", record["timestamp"])
        )
        decimals = record.get("decimals", "double")
        return cls(record["text"], record["files"], record["library"], told, decimals)

    def compiled(self, name: str, limits: Limits | None = None) -> compiler.Description:
        """The description of the pool of that name. Raises Flawed."""
        return compiler.compile(
            f"{name}.sf",
            self.text,
            self.files,
            limits,
            library=self.library,
            surroundings=self.surroundings,
            decimals=self.decimals,
        )


def text_of(reader: Reader, pool: Record) -> Text | None:
    """The text behind its target, or the last that was."""
    record = reader.get(text_key(_name(pool), text_revision(pool)))
    return Text.of(record) if record is not None else None


def surroundings_of(reader: Reader, pool: Record) -> Surroundings:
    """What that text was told."""
    text = text_of(reader, pool)
    return text.surroundings if text is not None else NOWHERE


def text_revision(pool: Record) -> int:
    """The revision of that text."""
    number: int = pool["text"] if pool["text"] is not None else pool["revision"]
    return number


def busy(reader: Reader, pool: Record) -> Record | None:
    """The job that is at it."""
    job = reader.get(record_key("job", pool["job"])) if pool["job"] is not None else None
    return job if job is not None and job["state"] not in OVER else None


def forced(job: Record | None) -> bool:
    """Whether it takes a pool down without waiting for hosts that do not answer."""
    return job is not None and job["kind"] == "terminate" and job["arguments"].get("force") is True


# ---- what is to be there


def target_parts(reader: Reader, pool: Record) -> list[Part]:
    """The parts that are to be there: those of the text, with what was set since. None: nothing is to be.

    That compiles the text, which takes seconds when it is long: nothing for a transaction.
    """
    if pool["target"] is None:
        return []
    name, text = _name(pool), text_of(reader, pool)
    if text is None:
        raise NotFound(f"the text of pool {name} is not there", "apply its description anew")
    described = parts_of(text.compiled(name).pieces(), text.surroundings)
    parts = on_host(described, pool["options"]["host"])
    return hosted(with_changes(parts, pool["set"]))


def on_host(parts: list[Part], host: str) -> list[Part]:
    """The parts, those without a host on that one."""
    return [part if part.host else replace(part, host=host) for part in parts] if host else parts


def with_changes(parts: list[Part], changes: list[Any]) -> list[Part]:
    """The parts with attributes set or removed; what is set of a part that is no more is nothing."""
    if not changes:
        return parts
    by_path: dict[Path, dict[str, Any]] = {}
    for path, name, change in changes:
        by_path.setdefault(tuple(path), {})[name] = change
    return [changed_part(part, by_path[part.path]) if part.path in by_path else part for part in parts]


def changed_part(part: Part, changes: Mapping[str, Any]) -> Part:
    """A part with attributes that are set ({"value": value}) or removed (None)."""
    kept = {name: value for name, value in part.attributes.items() if changes.get(name, value) is not None}
    new = {name: change["value"] for name, change in changes.items() if change is not None}
    needs = {name: path for name, path in part.needs.items() if name.partition(":")[0] not in changes}
    return replace(part, attributes={**kept, **new}, needs=needs)


# ---- when a job is over


def reached(tx: Transaction, pool: Record, now: float, state: str, error: str | None = None) -> None:
    """The target was reached, or what became of the pool on the way there: it is not gone back to before."""
    before = pool["before"]
    if before is not None and before["text"] not in (None, pool["text"]):
        tx.delete(text_key(_name(pool), before["text"]))
    reached: Record = {}
    if error is None:
        reached = {"deployed": pool["target"], "tags": tags(tx, pool)}
    tx.put(changed(pool, now, before=None, state=state, error=error, job=None, **reached))


def given_up(tx: Transaction, pool: Record, now: float, words: str) -> None:
    """An update could not even be prepared, and nothing has changed: what was to be before is to be again."""
    before = pool["before"]
    if before is not None and before["text"] != pool["text"] and pool["text"] is not None:
        tx.delete(text_key(_name(pool), pool["text"]))
    own = {**(before or {}), "before": None, "state": "running", "error": words, "job": None}
    tx.put(changed(pool, now, **own, tags=tags(tx, pool)))


# ---- what is there


def numbers(reader: Reader, pool: Record) -> dict[Path, int]:
    """The numbers of all its parts."""
    return {tuple(item["path"]): number for number, item in _pieces(reader, pool)}


def entries(reader: Reader, pool: Record) -> dict[Path, dict[str, Any]]:
    """The state of lifecycle.happened."""
    by_number = {number: tuple(item["path"]) for number, item in _pieces(reader, pool)}
    lives = chunks.items(reader.get, "life", _name(pool), pool["count"])
    return {by_number[number]: entry for number, entry in lives}


def entry_of_whole(reader: Reader, pool: Record) -> dict[str, Any]:
    """The entry of the whole, which has the first number as long as there is something of the pool."""
    life = reader.get(chunks.key("life", _name(pool), 0))
    found: dict[str, Any] = life["items"].get(0, {}) if life is not None else {}
    return found


def standing(item: Mapping[str, Any], entry: Mapping[str, Any]) -> Standing:
    """How a part stands that is deployed, as its piece and its life have it."""
    state, drift = entry.get("state", ""), entry.get("drift", {})
    return Standing(Part.of(item["part"]), state, item["begun"], item.get("worth"), drift)


def standings(reader: Reader, pool: Record | None) -> dict[Path, Standing]:
    """What is deployed, around before inside, as it is described: for plan.plan."""
    if pool is None:
        return {}
    lives = dict(chunks.items(reader.get, "life", _name(pool), pool["count"]))
    found = [
        standing(item, lives.get(number, {}))
        for number, item in _pieces(reader, pool)
        if item["part"] is not None
    ]
    found.sort(key=lambda standing: by_place(standing.part))
    return {standing.part.path: standing for standing in found}


def tags(reader: Reader, pool: Record) -> list[Tag]:
    """Those of what is deployed. While one waits for its next start to be elsewhere, none is let go."""
    items = [item for _, item in _pieces(reader, pool) if item["part"] is not None]
    parts = [item["part"] for item in items]
    found = tags_of((part["kind"], part["host"], part["attributes"]) for part in parts)
    waits = any({"bridge", "vlan"} & item.get("late", {}).keys() for item in items)
    return together(pool.get("tags", ()), found) if waits else found


def last_life(pool: Record, items: Iterable[Mapping[str, Any]]) -> int:
    """The last number of a life; an nm before this counted the lives of each part by themselves."""
    last: int = pool.get("lives", max((item.get("life", 0) for item in items), default=0))
    return last


def claimed(reader: Reader, pool: Record) -> list[Tag]:
    """Those of the pool's record; what is deployed, where an nm before this wrote it without."""
    return list(pool["tags"]) if "tags" in pool else tags(reader, pool)


def standing_of(reader: Reader, pool: Record, path: Path) -> Standing | None:
    """How one part stands that is deployed. Costs a look at each record, not at each part's attributes."""
    spelled = list(path)
    for number, item in _pieces(reader, pool):
        if item["path"] == spelled and item["part"] is not None:
            life = reader.get(chunks.key("life", _name(pool), number))
            entry = life["items"].get(number, {}) if life is not None else {}
            return standing(item, entry)
    return None


def kept(pool: Record) -> Iterator[str]:
    """The keys under which its parts and their lives are kept."""
    kinds: tuple[chunks.Kind, ...] = ("piece", "life")
    for kind in kinds:
        for first in range(0, pool["count"], chunks.SIZES[kind]):
            yield chunks.key(kind, _name(pool), first)


def all_keys(reader: Reader, pool: Record) -> list[str]:
    """The keys of all its records, its own last: what goes with it."""
    texts = [text_key(_name(pool), number) for number in range(1, pool["revision"] + 1)]
    keys = [*kept(pool), *texts]
    return [*(key for key in keys if reader.get(key) is not None), pool["record_key"]]


def _pieces(reader: Reader, pool: Record) -> Iterator[tuple[int, dict[str, Any]]]:
    return chunks.items(reader.get, "piece", _name(pool), pool["count"])


def _name(pool: Record) -> str:
    return records.name_of(pool["record_key"])
