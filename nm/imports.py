"""Imports: a whole site taken in, all of it or nothing. Pure.

A site's text becomes *steps*, calls of the operations that people use for single things, in an order in which
each finds what it needs. They are tried on a scratch; whatever stands in the way of any of them is a problem,
and with a problem nothing is imported. A transaction holds 100 writes, so a worker (nm/importwork.py) takes
the steps in bites, each tried anew on the state of that moment. Where the world has moved so that one is
refused, all that was added is taken back, last things first. How far it came is in the job, so a restart goes
on where it was.
"""

import json
import math
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from nm import delegates, groups, jobs, people, pool, recording, settings, specs
from nm.calls import Call
from nm.errors import Conflict, Invalid, NMError, NotFound
from nm.keys import parse_keys
from nm.pool.common import spoken
from nm.records import Record, changed, check_name, kind_of, name_of, new, port_key, record_key
from nm.scratch import Scratch
from nm.store import Event, Reader, Transaction

RUNNING = "meta_import"  # the record of the import that is going on: its job, and its steps
SUBJECT = "import:"
ROOM = 90  # writes that the steps of one bite may have, beside the job's own
NODES_A_STEP = 60  # so that making a group with them fits into a bite

Step = list[Any]  # the API's word for a call: a method's name and its arguments


@dataclass(frozen=True)
class Entry:
    """One thing of a site: where it stands there, the key of its record, the steps that make it."""

    place: tuple[str, ...]
    key: str
    steps: list[Step]


@dataclass
class Verdict:
    """What an import would do, and what stands in its way."""

    steps: list[Step] = field(default_factory=list)
    add: list[Record] = field(default_factory=list)
    same: int = 0
    problems: list[Record] = field(default_factory=list)
    notices: list[str] = field(default_factory=list)

    def refuse(self, place: Sequence[str], error: NMError) -> None:
        """One more problem."""
        told = {"path": list(place), "code": error.code, "message": error.message, "hint": error.hint}
        self.problems.append(told)


# ---- what the API offers


def check_import(reader: Reader, call: Call, site: str) -> Record:
    """What Import would do: its Verdict but for the steps."""
    verdict = judge(reader, call, site)
    return {
        "add": verdict.add,
        "same": verdict.same,
        "notices": verdict.notices,
        "problems": verdict.problems,
    }


def import_site(tx: Transaction, call: Call, site: str) -> int:
    """Begin an import. Answers the job that carries it out."""
    if (running := tx.get(RUNNING)) is not None:
        raise Conflict(f"an import is going on (job {running['job']})", "wait until that job is over")
    verdict = judge(tx, call, site)
    if verdict.problems:
        first, more = verdict.problems[0], len(verdict.problems) - 1
        words = f"{'.'.join(first['path'])}: {first['message']}" + (f" (and {more} more)" if more else "")
        refusal = Conflict if first["code"] == Conflict.code else Invalid
        raise refusal(words, first["hint"] or "CheckImport tells all that is wrong")
    number = jobs.submit(tx, call, SUBJECT, "import")
    jobs.advance(tx, number, call.now, total=len(verdict.steps), result={"same": verdict.same})
    tx.put(new("meta", name_of(RUNNING), call.now, job=number, steps=verdict.steps))
    tx.tell(Event(call.caller.name, "pool", "import begun", f"{len(verdict.add)} things"))
    return number


# ---- judging


def judge(reader: Reader, call: Call, text: str) -> Verdict:
    """Try the whole site on a scratch. Invalid when the text is no site at all."""
    verdict = Verdict()
    world = Scratch(reader)
    missing: list[str] = []  # what later problems would say of things that are refused themselves
    for entry in _entries(reader, call, _sections(text), verdict):
        if reader.get(entry.key) is not None:
            _compare(reader, call, entry, verdict)
            continue
        try:
            if world.get(entry.key) is not None:
                raise Invalid(f"{_spoken(entry)} is there twice", "leave one of them out")
            attempt = _tried(world, call, entry.steps)
        except NMError as error:
            if not (isinstance(error, NotFound) and error.message in missing):
                verdict.refuse(entry.place, error)
            missing.append(_missing(entry))
            continue
        attempt.apply(world)
        verdict.steps += entry.steps
        told = next((event.detail for event in attempt.events if event.detail), "")
        verdict.add.append({"kind": kind_of(entry.key), "name": name_of(entry.key), "text": told})
    return verdict


def _tried(reader: Reader, call: Call, steps: Sequence[Step]) -> Scratch:
    scratch = Scratch(reader)
    for step in steps:
        _take(scratch, call, step)
    return scratch


def _spoken(entry: Entry) -> str:
    kind, name = kind_of(entry.key), name_of(entry.key)
    if kind == "port":
        return f"port {entry.steps[0][2]} of switch {entry.steps[0][1]}"
    return spoken(kind, name)


def _missing(entry: Entry) -> str:
    """How operations say that this is not there."""
    if kind_of(entry.key) == "port":
        return f"switch {entry.steps[0][1]} has no port {entry.steps[0][2]}"
    return f"no {_spoken(entry)}"


def _compare(reader: Reader, call: Call, entry: Entry, verdict: Verdict) -> None:
    """What is there already must be what would be made; else it is a problem."""
    there = reader.get(entry.key)
    try:
        wanted = _as_told(reader, call, entry)
    except NMError as error:
        verdict.refuse(entry.place, error)
        return
    known = settings.of(there) if there is not None else {}
    keys = sorted(key for key in known.keys() | wanted.keys() if known.get(key) != wanted.get(key))
    if not keys:
        verdict.same += 1
        return
    hint = "change it by its own command, or leave it out; an import only adds"
    said = f"{_spoken(entry)} is there already, with other {', '.join(keys)}"
    verdict.refuse(entry.place, Conflict(said, hint))


def _as_told(reader: Reader, call: Call, entry: Entry) -> Record:
    """The settings that the thing would have if it were made now, and were not there."""
    if kind_of(entry.key) == "account":
        return _account_as_told(entry)
    call = replace(call, site=replace(call.site, uids=None))  # a group's account is there as well
    told: Record = settings.of(_tried(Without(reader, entry.key), call, entry.steps).writes[entry.key] or {})
    return told


def _account_as_told(entry: Entry) -> Record:
    method, *_, rights = entry.steps[0]
    granted = people.public_rights(people.parse_rights(rights))
    if method == "SetRights":
        return granted
    keys = parse_keys(entry.steps[0][2])
    return {**({"keys": keys} if keys else {}), **({"rights": granted} if granted else {})}


class Without:
    """The world as it would be if one thing had never been made: what it holds is nobody's."""

    def __init__(self, reader: Reader, key: str) -> None:
        self._reader = reader
        self._key, self._kind, self._name = key, kind_of(key), name_of(key)

    def get(self, key: str) -> Record | None:
        """The record as it would be."""
        record = self._reader.get(key)
        return None if record is None else self._seen(record)

    def range(self, kind: str) -> Iterator[Record]:
        """The records of a kind as they would be."""
        seen = (self._seen(record) for record in self._reader.range(kind))
        return (record for record in seen if record is not None)

    def _seen(self, record: Record) -> Record | None:
        key = record["record_key"]
        if key == self._key or (kind_of(key) == "claim" and record["owner"] == self._key):
            return None
        if self._kind in ("node", "trunk", "group") and record.get(self._kind) == self._name:
            return {**record, self._kind: None}
        return record


# ---- from a site's text to entries

SECTIONS = (
    "switches", "ports", "hosts", "vlans", "trunks", "nodes", "headnodes",
    "delegates", "rights", "users", "groups",
)  # fmt: skip
_SIMPLE = {
    "switches": ("switch", "RegisterSwitch"),
    "hosts": ("host", "RegisterHost"),
    "trunks": ("trunk", "RegisterTrunk"),
    "nodes": ("node", "RegisterNode"),
    "headnodes": ("headnode", "RegisterHeadNode"),
}
_RANGES = re.compile(r"[0-9]{1,4}(-[0-9]{1,4})?(,[0-9]{1,4}(-[0-9]{1,4})?)*")
_UNSENDABLE = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")
_LARGEST = 2**31


def parse(text: str) -> dict[str, Any]:
    """A site's text as a struct; Invalid when it is no JSON, or says a thing twice."""
    try:
        found = json.loads(text, object_pairs_hook=_struct)
    except (ValueError, RecursionError) as error:
        said = str(error) if isinstance(error, json.JSONDecodeError) else "nested too deeply"
        raise Invalid(f"the site is not JSON: {said}", "send what json.dumps makes of a struct") from None
    if not isinstance(found, dict):
        raise Invalid("the site is not a struct of sections", f"sections are {', '.join(SECTIONS)}")
    return found


def _struct(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise Invalid(f"the site has {twice[:70]!r} twice in one struct", "name each thing once")
    return found


def _sections(text: str) -> dict[str, dict[str, Any]]:
    found = parse(text)
    if found.pop("format", 1) != 1:
        raise Invalid("the site is of a format that is not known here", "this daemon knows format 1")
    for name, entries in found.items():
        if name not in SECTIONS:
            raise Invalid(f"a site has no section {name[:70]!r}", f"sections are {', '.join(SECTIONS)}")
        if not isinstance(entries, dict):
            raise Invalid(f"{name} is not a struct of names", 'as {"n1": {...}}')
    return found


def _entries(
    reader: Reader, call: Call, site: Mapping[str, dict[str, Any]], verdict: Verdict
) -> Iterator[Entry]:
    """All things of the site in the order in which they can be made."""
    for section in SECTIONS:
        for name, value in site.get(section, {}).items():
            place = (section, name)
            try:
                _check_plain(value, allow_long=section == "groups")
                yield from _FORMS[section](reader, call, name, value, verdict)
            except NMError as error:
                verdict.refuse(place, error)


def _check_plain(value: Any, allow_long: bool) -> None:
    """Invalid unless the API could have answered that value. Times in a group may be beyond 32 bits."""
    if isinstance(value, dict | list):
        for part in [*value, *value.values()] if isinstance(value, dict) else value:
            _check_plain(part, allow_long)
    elif isinstance(value, str) and _UNSENDABLE.search(value):
        raise Invalid("there is text with characters that XML cannot carry", "use printable text")
    elif isinstance(value, float) and not math.isfinite(value):
        raise Invalid("there is a number that is none", "use finite numbers")
    elif type(value) is int and not -_LARGEST <= value < _LARGEST and not (allow_long and 0 <= value < 2**53):
        raise Invalid("there is a number beyond 32 bits", "use smaller numbers, or text")


def _struct_of(what: str, value: Any) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise Invalid(f"{what} is not a struct of settings", "docs/import.md has an example")
    return value


def _simple(section: str) -> Callable[..., Iterator[Entry]]:
    kind, method = _SIMPLE[section]

    def entries(_reader: Reader, _call: Call, name: str, value: Any, _verdict: Verdict) -> Iterator[Entry]:
        step = [method, name, _struct_of(spoken(kind, name), value)]
        yield Entry((section, name), record_key(kind, name), [step])

    return entries


def _ports(_reader: Reader, _call: Call, switch: str, value: Any, _verdict: Verdict) -> Iterator[Entry]:
    """A switch's ports: a list of names, or a struct of name to settings."""
    if isinstance(value, list) and all(isinstance(port, str) for port in value):
        if len(set(value)) < len(value):
            raise Invalid(f"a port of switch {switch} is named twice", "name each port once")
        value = {port: {} for port in value}
    if not isinstance(value, dict):
        raise Invalid(f"the ports of switch {switch} are not a list of names", 'as ["p1", "p2"]')
    for port, told in value.items():
        step = ["RegisterPort", switch, port, _struct_of(f"port {port} of switch {switch}", told)]
        yield Entry(("ports", switch, port), port_key(switch, port), [step])


def _vlans(_reader: Reader, _call: Call, ids: str, value: Any, _verdict: Verdict) -> Iterator[Entry]:
    """One VLAN, or all of `100,105-110`."""
    told = _struct_of(f"VLAN {ids}", value)
    if not _RANGES.fullmatch(ids):
        raise Invalid(f"{ids[:70]!r} is no VLAN id, nor a list of them", "as 101, or 100,105-110")
    for part in ids.split(","):
        first, _, last = part.partition("-")
        if int(first) > int(last or first):
            raise Invalid(f"the range {part} runs backwards", "write the smaller number first")
        for vlan in range(int(first), int(last or first) + 1):
            yield Entry(("vlans", ids), record_key("vlan", vlan), [["RegisterVlan", vlan, told]])


def _delegates(_reader: Reader, _call: Call, name: str, value: Any, _verdict: Verdict) -> Iterator[Entry]:
    told = _struct_of(f"delegate {name}", value)
    if unknown := sorted(set(told) - {"keys", "rights"}):
        raise Invalid(f"delegate {name} has no {unknown[0][:70]!r}", "a delegate has keys and rights")
    step = ["CreateDelegate", name, told.get("keys") or [], told.get("rights") or {}]
    yield Entry(("delegates", name), people.account_key(people.unix_name(name)), [step])


def _rights(reader: Reader, _call: Call, name: str, value: Any, _verdict: Verdict) -> Iterator[Entry]:
    account = reader.get(people.account_key(people.unix_name(name)))
    if account is not None and account["type"] != people.UNIX:
        hint = f"put them under delegates.{name}"
        raise Conflict(f"{name} is {people.spoken(account)}: its rights stand with it", hint)
    yield Entry(("rights", name), people.account_key(name), [["SetRights", name, value]])


def _users(reader: Reader, call: Call, name: str, value: Any, verdict: Verdict) -> Iterator[Entry]:
    """People as SPL knew them: who has an account may reserve; who has none gets one that can only call."""
    kind = _struct_of(f"user {name}", value).get("type", "plain")
    key = people.account_key(people.unix_name(name))
    if kind not in ("admin", "plain"):
        raise Invalid(f"the type of user {name} is neither admin nor plain", 'as {"type": "plain"}')
    if kind == "admin":
        said = "administrators are root and the members of the Unix group nm-admin"
        verdict.notices.append(f"user {name}: {said}")
    elif reader.get(key) is not None:
        verdict.notices.append(f"user {name}: account {name} is known already and stays as it is")
    elif call.site.uid_of(name) is not None:
        yield Entry(("users", name), key, [["SetRights", name, {"reserve": True}]])
    elif call.site.uids is not None:
        verdict.notices.append(f"user {name}: becomes a delegate without keys, for there is no such account")
        yield Entry(("users", name), key, [["CreateDelegate", name, [], {"reserve": True}]])
    else:
        hint = "make it and call SetRights with the right reserve"
        verdict.notices.append(f"user {name}: there is no account {name} on this machine; {hint}")


def _groups(_reader: Reader, _call: Call, name: str, value: Any, _verdict: Verdict) -> Iterator[Entry]:
    told = _struct_of(f"group {name}", value)
    nodes = told.get("nodes") or []
    if not isinstance(nodes, list):
        raise Invalid(f"the nodes of group {name} are not a list of names", 'as ["n1", "n2"]')
    some = [nodes[at : at + NODES_A_STEP] for at in range(0, len(nodes), NODES_A_STEP)]
    steps: list[Step] = [["CreateGroup", name, {**told, "nodes": some[0] if some else []}]]
    steps += [["AddNodes", name, more] for more in some[1:]]
    yield Entry(("groups", name), record_key("group", name), steps)


_FORMS: Mapping[str, Callable[[Reader, Call, str, Any, Verdict], Iterator[Entry]]] = {
    **{section: _simple(section) for section in _SIMPLE},
    "ports": _ports,
    "vlans": _vlans,
    "delegates": _delegates,
    "rights": _rights,
    "users": _users,
    "groups": _groups,
}


# ---- carrying out


def carry_on(tx: Transaction, call: Call) -> bool:
    """One bite of the import that is going on, forwards or backwards. False when there is none any more.

    `call.caller` is replaced by who began it.
    """
    running = tx.get(RUNNING)
    job = tx.get(record_key("job", running["job"])) if running is not None else None
    if running is None or job is None:
        return False
    caller = replace(call.caller, uid=job["who"]["uid"], name=job["who"]["name"], admin=True)
    call = replace(call, caller=caller)
    act = _add if job["error"] is None else _take_back
    return act(tx, call, running["steps"], job)


def _add(tx: Transaction, call: Call, steps: list[Step], job: Record) -> bool:
    bite, done = Scratch(tx), job["done"]
    try:
        while done < len(steps):
            attempt = _tried(bite, call, [steps[done]])
            if not _fits(bite, attempt):
                break
            attempt.apply(bite)
            done += 1
    except NMError as error:
        said = {"code": error.code, "text": f"the world has moved, so nothing was imported: {error}"}
        step = "taking back what was added"
        jobs.advance(tx, job["id"], call.now, state="running", error=said, step=step)
        return True
    bite.apply(tx)
    if done < len(steps):
        step = " ".join(map(str, steps[done][:2]))
        jobs.advance(tx, job["id"], call.now, state="running", done=done, step=step)
        return True
    tx.delete(RUNNING)
    jobs.advance(tx, job["id"], call.now, state="done", done=done, step="")
    tx.tell(Event(call.caller.name, "pool", "imported", f"{done} steps"))
    return False


def _take_back(tx: Transaction, call: Call, steps: list[Step], job: Record) -> bool:
    """Undo the last steps that were done. What somebody uses by now stays, and is told."""
    bite, done, kept = Scratch(tx), job["done"], list(job["result"].get("kept", ()))
    while done:
        attempt, stays = _undone(bite, call, steps[done - 1])
        if not _fits(bite, attempt):
            break
        attempt.apply(bite)
        kept += stays
        done -= 1
    bite.apply(tx)
    result = {**job["result"], "kept": kept}
    if done:
        jobs.advance(tx, job["id"], call.now, done=done, result=result)
        return True
    tx.delete(RUNNING)
    error = job["error"]
    if kept:
        error = {**error, "text": f"{error['text']}; but these stay: {'; '.join(kept[:5])}"}
    jobs.advance(tx, job["id"], call.now, state="failed", done=0, step="", result=result, error=error)
    tx.tell(Event("nm", "pool", "import taken back", str(error["text"])))
    return False


def _fits(bite: Scratch, attempt: Scratch) -> bool:
    return not bite.writes or len(bite.writes.keys() | attempt.writes.keys()) <= ROOM


def _take(tx: Transaction, call: Call, step: Step) -> None:
    """Do one step. Accounts that were made in the same import can own groups before the machine has them."""
    method, *arguments = step
    operation, _ = _OPERATIONS[method]
    site = replace(call.site, uid_of=lambda name: _uid_of(tx, call, name))
    operation(tx, replace(call, site=site, method=method), *arguments)


def _uid_of(reader: Reader, call: Call, name: str) -> int | None:
    record = reader.get(people.account_key(name))
    known = record is not None and record["type"] == people.DELEGATE and people.is_live(record)
    return int(record["uid"]) if known and record is not None else call.site.uid_of(name)


def _undone(reader: Reader, call: Call, step: Step) -> tuple[Scratch, list[str]]:
    """The scratch in which a step is undone, and what stays all the same, in words."""
    method, *arguments = step
    _, undo = _OPERATIONS[method]
    attempt = Scratch(reader)
    try:
        undo(attempt, call, *arguments)
    except NotFound:
        return Scratch(reader), []  # somebody was quicker
    except NMError as error:
        return Scratch(reader), [error.message]
    return attempt, []


# ---- the steps, and how each is undone


def _create_group(tx: Transaction, call: Call, name: str, told: Record) -> int:
    """As it is: a node that was not reset yet, or is out of service, may be in it."""
    return groups.make_group(tx, call, name, told, as_it_is=True)


def _remove_group(tx: Transaction, call: Call, name: str, _told: Record) -> bool:
    group = _staged(tx, call, name)
    tx.put(changed(group, call.now, destroying=True))
    return recording.finish(tx, name, group["revision"], call.now)


def _staged(tx: Transaction, call: Call, name: str) -> Record:
    group = groups.need(tx, call, name)
    if group["target"] is not None:
        raise Conflict(f"group {name} was deployed meanwhile", "DestroyGroup")
    return group


def _add_nodes(tx: Transaction, call: Call, name: str, nodes: list[str]) -> None:
    group = groups.need(tx, call, name)
    if twice := next((node for node in nodes if node in group["wanted"]["nodes"]), None):
        raise Invalid(f"node {twice} is named twice", "name each node once")
    _set_nodes(tx, call, group, [*group["wanted"]["nodes"], *(check_name(node, "node") for node in nodes)])


def _drop_nodes(tx: Transaction, call: Call, name: str, nodes: list[str]) -> None:
    group = _staged(tx, call, name)
    _set_nodes(tx, call, group, [node for node in group["wanted"]["nodes"] if node not in nodes])


def _set_nodes(tx: Transaction, call: Call, group: Record, nodes: list[str]) -> None:
    after = changed(group, call.now, wanted={**group["wanted"], "nodes": nodes})
    specs.save(tx, group, after, call.now, as_it_is=True)


def _first(undo: Callable[..., Any], count: int = 1) -> Callable[..., Any]:
    """An operation that takes but the first arguments of the step that it undoes."""
    return lambda tx, call, *arguments: undo(tx, call, *arguments[:count])


_OPERATIONS: Mapping[str, tuple[Callable[..., Any], Callable[..., Any]]] = {
    "RegisterSwitch": (pool.register_switch, _first(pool.unregister_switch)),
    "RegisterPort": (pool.register_port, _first(pool.unregister_port, 2)),
    "RegisterHost": (pool.register_host, _first(pool.unregister_host)),
    "RegisterVlan": (pool.register_vlan, _first(pool.unregister_vlan)),
    "RegisterTrunk": (pool.register_trunk, _first(pool.unregister_trunk)),
    "RegisterNode": (pool.register_node, _first(pool.unregister_node)),
    "RegisterHeadNode": (pool.register_head_node, _first(pool.unregister_head_node)),
    "CreateDelegate": (delegates.create_delegate, _first(delegates.destroy_delegate)),
    "SetRights": (delegates.set_rights, lambda tx, call, name, _: delegates.set_rights(tx, call, name, [])),
    "CreateGroup": (_create_group, _remove_group),
    "AddNodes": (_add_nodes, _drop_nodes),
}
