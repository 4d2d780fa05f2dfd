"""What an import would do, and all that stands in its way: the site tried on a scratch. Pure."""

from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace

from nm import people, settings
from nm.calls import Call
from nm.errors import Conflict, Invalid, NMError, NotFound
from nm.imports.forms import Entry, Notes, entries, sections
from nm.imports.steps import Step, tried
from nm.keys import parse_keys
from nm.pool.common import spelled, spoken
from nm.records import Record, kind_of, name_of, port_key
from nm.scratch import Scratch
from nm.specs import FreeVlans
from nm.store import Reader


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


def check_import(reader: Reader, call: Call, site: str) -> Record:
    """What Import would do: its Verdict but for the steps."""
    verdict = judge(reader, call, site)
    return {
        "add": verdict.add,
        "same": verdict.same,
        "notices": verdict.notices,
        "problems": verdict.problems,
    }


def judge(reader: Reader, call: Call, text: str) -> Verdict:
    """Try the whole site on a scratch. Invalid when the text is no site at all."""
    verdict = Verdict()
    world = Scratch(reader)
    call = replace(call, choose_vlan=FreeVlans().choose)
    missing: list[str] = []  # what later problems would say of things that are refused themselves
    found = entries(reader, call, sections(text), Notes(verdict.notices, verdict.refuse))
    for entry in (_spelled_out(world, call, entry) for entry in found):
        there = reader.get(entry.key)
        if there is not None and not there.get("destroying"):
            _compare(reader, call, entry, there, verdict)
            continue
        try:
            if world.get(entry.key) is not there:
                raise Invalid(f"{_spoken(entry)} is there twice", "leave one of them out")
            attempt = tried(world, call, entry.steps)
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


def _spelled_out(reader: Reader, call: Call, entry: Entry) -> Entry:
    """A port's entry by its switch's own spelling; as it is where that cannot be known."""
    if kind_of(entry.key) != "port":
        return entry
    method, switch, port, told = entry.steps[0]
    with suppress(NMError):  # told when it is tried
        port = spelled(reader, call, switch, port)
    return replace(entry, key=port_key(switch, port), steps=[[method, switch, port, told]])


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


def _compare(reader: Reader, call: Call, entry: Entry, there: Record, verdict: Verdict) -> None:
    """What is there already must be what would be made; else it is a problem."""
    try:
        wanted = _as_told(reader, call, entry, there)
    except NMError as error:
        verdict.refuse(entry.place, error)
        return
    known = settings.of(there)
    keys = sorted(key for key in known.keys() | wanted.keys() if known.get(key) != wanted.get(key))
    if not keys:
        verdict.same += 1
        return
    hint = "change it by its own command, or leave it out; an import only adds"
    said = f"{_spoken(entry)} is there already, with other {', '.join(keys)}"
    verdict.refuse(entry.place, Conflict(said, hint))


def _as_told(reader: Reader, call: Call, entry: Entry, there: Record) -> Record:
    """The settings that the thing would have if it were made now, and were not there."""
    if kind_of(entry.key) == "account":
        return _account_as_told(entry, there)
    if kind_of(entry.key) == "group":
        entry = _with_what_was_chosen(entry, there)
    # A group's account is there as well; and its lease may have ended, which was held back.
    call = replace(call, now=0.0, site=replace(call.site, uids=None), choose_vlan=None)
    told: Record = settings.of(tried(Without(reader, entry.key), call, entry.steps).writes[entry.key] or {})
    return told


def _with_what_was_chosen(entry: Entry, there: Record) -> Entry:
    """A group's VLANs and owner, where the site leaves them to the daemon, are those that it has."""
    method, name, told = entry.steps[0]
    networks = told.get("networks") or {"main": {}}
    if not isinstance(networks, dict):
        return entry
    filled = dict(networks)
    for network, one in networks.items():
        named = one.get("vlan") if isinstance(one, dict) else 0
        known = there["wanted"]["networks"].get(network)
        if known is not None and named is None and not (network == "main" and told.get("vlan") is not None):
            filled[network] = {**one, "vlan": known["vlan"]}
    told = {"owner": there["owner"]["name"], **told, "networks": filled}
    return replace(entry, steps=[[method, name, told], *entry.steps[1:]])


def _account_as_told(entry: Entry, there: Record) -> Record:
    method, name, *_, rights = entry.steps[0]
    if (there["type"], there["name"]) != (people.UNIX if method == "SetRights" else people.DELEGATE, name):
        said = f"account {there['account']} exists already, for {there['type']} {there['name']}"
        raise Conflict(said, "choose another name")
    granted = people.public_rights(people.parse_rights(rights))
    if method == "SetRights":
        return granted
    keys = parse_keys(entry.steps[0][2])
    return {**({"keys": keys} if keys else {}), **({"rights": granted} if granted else {})}


class Without:
    """The world as if one thing had never been made: what it holds is nobody's, and nothing is owed."""

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
        own = kind_of(key) == "claim" and record["owner"] == self._key
        if key == self._key or own or kind_of(key) == "debt":
            return None
        if self._kind in ("node", "trunk", "group") and record.get(self._kind) == self._name:
            return {**record, self._kind: None}
        return record
