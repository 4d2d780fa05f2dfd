"""Operations on pools: a description is planned, applied and terminated; attributes are set. Pure.

Compiling and planning are done outside of any transaction, on records that were *seen*; the operation that
writes sees whether these are still so, and says when they have moved. So a long text holds up nobody.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, get_args

from nm import jobs
from nm.calls import Call
from nm.descriptions.literals import Decimals
from nm.descriptions.surroundings import Surroundings
from nm.errors import Conflict, Invalid, NotFound
from nm.marshal import MAX_INT
from nm.pools import adopting, allowing, claims, keeping, reality
from nm.pools.attributes import COUNTS, Effect
from nm.pools.checking import Finding, of_one, unknown
from nm.pools.differences import Standing, effect_of
from nm.pools.drafting import Draft, refuse
from nm.pools.kinds import KINDS, OF_GROUPS
from nm.pools.plan import Plan, plan
from nm.pools.tags import tags_of, together
from nm.pools.tree import Part, Path, spell, spelled
from nm.records import Record, changed, name_of, new, record_key
from nm.store import Event, Reader, Transaction

OPTIONS = {"if_plan": str, "reference": bool, "host": str, "adopt": bool, "found": list, "decimals": str}
MOMENT = re.compile(r"[0-9a-f]+@(\d{1,10}(?:\.\d{1,9})?)")  # in the name of a plan
DECIMALS: tuple[Decimals, ...] = get_args(Decimals)  # the first unless somebody says otherwise
LONGEST_OPTION = 255  # characters, as of a host's name
UNWRITABLE = "write a string, an int, a boolean, a double or a list of such"


@dataclass(frozen=True)
class Seen:
    """A pool as it was when somebody looked: its record, what of its parts, and how these stand."""

    pool: Record | None
    records: Mapping[str, Record | None]
    standings: Mapping[Path, Standing]

    def still(self, reader: Reader) -> bool:
        """Whether all is as it was."""
        return all(reader.get(key) is record for key, record in self.records.items())


def look(reader: Reader, name: str) -> Seen:
    """The pool of that name as it is now."""
    pool = keeping.find(reader, name)
    standings = keeping.standings(reader, pool)
    keys = [record_key("pool", name), *(keeping.kept(pool) if pool is not None else ())]
    keys += reality.keys(name, standings)
    return Seen(pool, {key: reader.get(key) for key in keys}, reality.seen(reader, name, standings))


def planned(reader: Reader, call: Call, draft: Draft, seen: Seen, options: Mapping[str, Any]) -> Plan:
    """What applying it would do."""
    looked = options.get("found", ()) if adopts(call, options, seen.pool) else ()
    adopted = adopting.adopted(reader, call, draft.tree, looked)
    return plan(draft.tree, seen.standings, reference=options.get("reference") is True, adopted=adopted)


def adopts(call: Call, options: Mapping[str, Any], pool: Record | None) -> bool:
    """Whether domains that are there already are to be taken.

    Who adopted goes on to, until told otherwise, if still allowed.
    """
    before = pool is not None and pool["options"].get("adopt") is True and _may_adopt(call)
    return options.get("adopt", before) is True


def _may_adopt(call: Call) -> bool:
    return allowing.Allowed.to(call).has(allowing.ADOPT)


def to_ask(
    reader: Reader, call: Call, draft: Draft, found: Plan, seen: Seen, options: Mapping[str, Any]
) -> list[Record]:
    """What is to be asked of hosts before the plan can say what is taken; nothing when that was asked."""
    asks = "found" not in options and adopts(call, options, seen.pool)
    return adopting.to_ask(reader, draft.tree, found) if asks else []


def checked_options(call: Call, options: Mapping[str, Any]) -> Mapping[str, Any]:
    """The options of ApplyDescription; Invalid for others, Denied what the caller may not."""
    for name, value in options.items():
        if name not in OPTIONS:
            raise Invalid(f"no option {name[:70]!r}", f"options are {', '.join(OPTIONS)}")
        if type(value) is not OPTIONS[name]:
            raise Invalid(
                f"option {name} is not of type {OPTIONS[name].__name__}", "PlanDescription has hash"
            )
        if isinstance(value, str) and len(value) > LONGEST_OPTION:
            raise Invalid(
                f"option {name} is longer than {LONGEST_OPTION} characters", "give a hash or a host"
            )
    if options.get("decimals", DECIMALS[0]) not in DECIMALS:
        raise Invalid("option decimals is something else", f"it is one of {', '.join(DECIMALS)}")
    if options.get("adopt") is True and not _may_adopt(call):
        raise call.denied("an administrator, or the right describe with adopt")
    return options


def host_for(reader: Reader, name: str, options: Mapping[str, Any]) -> str:
    """Where parts are made that name no host: as the options say, else where those of that pool are."""
    pool = keeping.find(reader, name)
    there = pool is not None and pool["state"] not in keeping.GONE
    host: str = options.get("host", pool["options"].get("host", "") if pool is not None and there else "")
    return "" if host == "localhost" else host


def told(reader: Reader, call: Call, name: str, options: Mapping[str, Any]) -> tuple[Surroundings, Decimals]:
    """What a text for that pool is told of the world, and how its numbers are read.

    The moment is that of the pool's first text, so chance and time are the same in all of them; of a pool
    that is not there yet the one for which the plan was made that is to be carried out, else now.
    """
    pool, site = keeping.find(reader, name), call.site.describing
    before = keeping.text_of(reader, pool) if pool is not None else None
    planned_for = MOMENT.fullmatch(options.get("if_plan", ""))
    first = before.surroundings.now if before is not None else None
    now = first if first is not None else float(planned_for[1] if planned_for else call.now)
    decimals: Decimals = options.get("decimals", before.decimals if before is not None else DECIMALS[0])
    return Surroundings(site.properties, site.environment, now), decimals


def check_parts(reader: Reader, call: Call, draft: Draft) -> None:
    """Denied what the caller may not describe. As long as the draft is: nothing for a transaction."""
    refuse(list(allowing.findings(reader, call, draft.parts)), denied=True)


def check_draft(reader: Reader, call: Call, draft: Draft) -> None:
    """LimitReached or Conflict when the caller may not have so much, or not under that name."""
    allowing.check_limits(reader, call, draft.name, draft.uses)
    pool = keeping.find(reader, draft.name)
    if pool is not None and not call.caller.owns(pool):
        raise Conflict(f"a description {draft.name} is there already", "choose another name")


# ---- what calls do


def apply(
    tx: Transaction, call: Call, draft: Draft, found: Plan, seen: Seen, options: Mapping[str, Any]
) -> int | None:
    """Let it be deployed; the id of the job that does it. None when what was seen has moved."""
    if not seen.still(tx):
        return None
    check_draft(tx, call, draft)
    claims.check(tx, call, draft.tags)
    name, pool = draft.name, seen.pool
    if options.get("if_plan", named := draft.hash_of(found)) != named:
        raise Conflict(f"the plan of {name} is another one by now", "look at the new plan, then apply that")
    if pool is not None:
        _check_idle(tx, pool)
    if found.refused:
        raise Conflict("; ".join(found.refused), "terminate it and apply it anew, or leave that as it is")
    there = pool is not None and pool["state"] not in keeping.GONE
    record = _new_pool(call, name) if pool is None else pool
    number = record["revision"] + 1
    job = jobs.submit(tx, call, keeping.subject(name), "update" if there else "apply", revision=number)
    fields = {"revision": number, "target": number, "text": number, "set": [], "uses": draft.uses}
    fields["tags"] = together(keeping.claimed(tx, record) if there else (), draft.tags)
    if pool is not None and pool["state"] != "running" and pool["text"] is not None:
        tx.delete(keeping.text_key(name, pool["text"]))
    tx.put(draft.text.record(name, number, call.now))
    _begin(
        tx,
        call,
        record,
        job,
        "updating" if there else "deploying",
        **fields,
        options=_kept(call, options, record, draft.host),
    )
    _tell(tx, call, name, "applied", f"revision {number}, job {job}")
    return job


def terminate(tx: Transaction, call: Call, name: str, force: bool = False) -> int:
    """Take a pool down, whatever it is at; then it is gone. `force`: what does not go now is owed."""
    pool = need(tx, name)
    at_work = keeping.busy(tx, pool)
    if at_work is not None and at_work["kind"] == "terminate" and not (force and not keeping.forced(at_work)):
        return int(at_work["id"])
    if at_work is not None:
        jobs.advance(tx, at_work["id"], call.now, state="superseded")
    job = jobs.submit(tx, call, keeping.subject(name), "terminate", force=force)
    _begin(tx, call, pool, job, "terminating", target=None, before=None)
    _tell(tx, call, name, "terminated", f"job {job}")
    return job


def terminate_component(
    tx: Transaction, call: Call, name: str, path: str, options: Mapping[str, Any] | None = None
) -> int:
    """Take one component down with all inside it; what is around follows, unless it is detached first."""
    chosen = dict(options or {})
    if set(chosen) - {"detach"} or not isinstance(chosen.get("detach", False), bool):
        raise Invalid("options are wrong", "the only one is detach, true or false")
    pool = need(tx, name)
    _check_idle(tx, pool)
    where = spelled(path)
    if not where:
        raise Invalid("that is the whole description", "TerminateDescription takes it down")
    standing = keeping.standing_of(tx, pool, where)
    if standing is None or not standing.there:
        raise NotFound(f"there is no component {path} in {name}", "GetComponents lists them")
    detach = chosen.get("detach", False)
    job = jobs.submit(tx, call, keeping.subject(name), "end", path=list(where), detach=detach)
    _begin(tx, call, pool, job, "updating")
    _tell(tx, call, name, "component terminated", f"{path}, job {job}")
    return job


def set_attribute(tx: Transaction, call: Call, name: str, path: str, value: Any) -> int:
    """Set an attribute of a component that is deployed, also a new one."""
    return _set(tx, call, name, path, {"value": value})


def remove_attribute(tx: Transaction, call: Call, name: str, path: str) -> int:
    """Remove one: its default counts again."""
    return _set(tx, call, name, path, None)


def _set(tx: Transaction, call: Call, name: str, path: str, change: Mapping[str, Any] | None) -> int:
    pool = need(tx, name)
    _check_idle(tx, pool)
    component, _, attribute = path.rpartition(":")
    where = spelled(component)
    old = _deployed(tx, pool, where, name)
    if keeping.standing_of(tx, pool, (*where, attribute)) is not None:
        raise Invalid(f"{path} is a component", f"name an attribute of it, as {path}:memory")
    if change is None and attribute not in old.part.attributes:
        raise NotFound(f"{spell(where)} has no attribute {attribute}", "GetComponents lists them")
    if change is not None:
        change = {"value": _long(old.part.kind, attribute, change["value"])}
    new_part = keeping.changed_part(old.part, {attribute: change})
    effect = _checked_change(tx, call, old, new_part, attribute)
    remarks = [*_odd(old.part, new_part, attribute), *_mended_with(tx, pool, old, attribute)]
    less, more = allowing.uses([old.part]), allowing.uses([new_part])
    uses = {word: pool["uses"].get(word, 0) - less[word] + count for word, count in more.items()}
    allowing.check_limits(tx, call, name, uses)
    number = pool["revision"] + 1
    kept = [item for item in pool["set"] if (tuple(item[0]), item[1]) != (where, attribute)]
    job = jobs.submit(
        tx,
        call,
        keeping.subject(name),
        "set",
        path=list(where),
        attribute=attribute,
        effect=effect,
        remarks=remarks,
        revision=number,
    )
    _begin(
        tx,
        call,
        pool,
        job,
        "updating",
        revision=number,
        target=number,
        set=[*kept, [list(where), attribute, change]],
        uses=uses,
        tags=together(
            keeping.claimed(tx, pool), tags_of([(new_part.kind, new_part.host, new_part.attributes)])
        ),
    )
    _tell(
        tx,
        call,
        name,
        "attribute set" if change else "attribute removed",
        f"{path}: {'; '.join((COUNTS[effect], *remarks))}, job {job}",
    )
    return job


def _odd(old: Part, part: Part, attribute: str) -> list[str]:
    """What is warned of an attribute that is new, as it is of descriptions."""
    given = part.attributes if attribute not in old.attributes else {}
    new = {name: value for name, value in given.items() if name == attribute}
    return [f"{one.level}: {one.words}" for one in unknown(replace(part, attributes=new))]


def _mended_with(reader: Reader, pool: Record, old: Standing, attribute: str) -> Iterator[str]:
    """What of the component was changed by hand, and is put back by the way."""
    standings = {old.part.path: old}
    around = old.part.parent if old.part.kind in OF_GROUPS else None
    while around is not None and (standing := keeping.standing_of(reader, pool, around)) is not None:
        standings[around], around = standing, standing.part.parent
    name = name_of(pool["record_key"])
    if words := reality.mended_with(reader, name, standings, old.part.path, attribute):
        yield f"what was changed by hand is put back with it: {words}"


def _checked_change(reader: Reader, call: Call, old: Standing, part: Part, attribute: str) -> Effect:
    """When the change counts.

    Invalid or Denied when the component may not be like that, Conflict when it had to be made anew.
    """
    if not attribute or attribute == "sfClass":
        raise Invalid(f"{attribute or 'nothing'} cannot be set", "name an attribute of the component")
    value = part.attributes.get(attribute)
    if not _is_plain(value):
        raise Invalid(f"{attribute} cannot be that", UNWRITABLE)
    wrong = [one for one in _findings(part) if one.level == "error" and one not in _findings(old.part)]
    refuse(wrong)
    refuse(list(allowing.findings(reader, call, [part])), denied=True)
    effect = effect_of(old, attribute, value)
    if effect == "refused":
        raise Conflict(
            f"{attribute} of {spell(part.path)} cannot be {value!r}: {COUNTS[effect]}",
            "leave it as it is, or describe another component",
        )
    if effect == "replace":
        raise Conflict(
            f"{attribute} of {spell(part.path)} cannot change while it is there",
            "change the description and apply it: the component is made anew",
        )
    return effect


def _long(kind: str, attribute: str, value: Any) -> Any:
    """The value; as an int where one is wanted that the wire carries as a double, for its ints are short."""
    known = KINDS[kind].known.get(attribute) if kind in KINDS else None
    wide = isinstance(value, float) and value.is_integer() and MAX_INT < abs(value) < 2**63
    return int(value) if wide and known is not None and known.type in ("Integer", "Long") else value


def _findings(part: Part) -> list[Finding]:
    return of_one(replace(part, needs={}))


def _is_plain(value: Any) -> bool:
    if isinstance(value, list):
        return all(_is_plain(item) for item in value)
    return value is None or isinstance(value, bool | int | float | str)


def _deployed(reader: Reader, pool: Record, path: Path, name: str) -> Standing:
    standing = keeping.standing_of(reader, pool, path)
    if standing is None or not standing.up:
        raise NotFound(
            f"no component {spell(path)} runs in {name}",
            "write COMPONENT:ATTRIBUTE, as a:b:memory; GetComponents lists the components",
        )
    return standing


def inspect_domains(tx: Transaction, call: Call, host: str, names: Sequence[Any] = ()) -> int:
    """Let the domains of a host be looked at; the job's result is a list of Existing.struct()."""
    if tx.get(record_key("host", host)) is None:
        raise NotFound(f"no host {host}", "GetHosts lists them")
    wrong = next((name for name in names if not isinstance(name, str) or not name.isprintable()), None)
    if wrong is not None:
        raise Invalid(f"{str(wrong)[:70]!r} is no domain's name", "name domains as virsh list does")
    return jobs.submit(tx, call, f"domains:{host}", "inspect", names=list(names))


# ---- what they have in common


def need(reader: Reader, name: str) -> Record:
    """The pool of that name; NotFound."""
    pool = keeping.find(reader, name)
    if pool is None:
        raise NotFound(f"no description {name}", "GetDescriptions lists them")
    return pool


def _check_idle(reader: Reader, pool: Record) -> None:
    name = name_of(pool["record_key"])
    at_work = keeping.busy(reader, pool)
    if at_work is not None:
        raise Conflict(
            f"description {name} is {pool['state']} (job {at_work['id']})",
            "wait for that job, or terminate the description",
        )
    if pool["state"] not in (*keeping.GONE, "running"):
        raise Conflict(f"description {name} is {pool['state']}", "wait until it runs, or terminate it")


def _begin(tx: Transaction, call: Call, pool: Record, job: int, state: str, **fields: Any) -> None:
    """Note what is to be, and how to go back where it turns out that it cannot be."""
    before = {key: pool[key] for key in keeping.BEFORE} if pool["state"] == "running" else None
    own = {"before": before, **fields, "job": job, "state": state, "error": None}
    tx.put(changed(pool, call.now, **own))


def _new_pool(call: Call, name: str) -> Record:
    owner = {"name": call.caller.name, "uid": call.caller.uid}
    return new(
        "pool",
        name,
        call.now,
        None,
        owner=owner,
        created=call.now,
        revision=0,
        target=None,
        deployed=None,
        text=None,
        set=[],
        before=None,
        state="absent",
        job=None,
        error=None,
        count=0,
        lives=0,
        options={},
        uses={},
        tags=[],
    )


def _kept(call: Call, options: Mapping[str, Any], pool: Record, host: str) -> dict[str, Any]:
    """The options that go with the target."""
    return {
        "reference": options.get("reference") is True,
        "host": host,
        "adopt": adopts(call, options, pool),
        "folders": list(allowing.folders_of(call)),
    }


def _tell(tx: Transaction, call: Call, name: str, what: str, detail: str) -> None:
    tx.tell(Event(call.caller.name, f"pool {name}", what, detail))
