"""Which components would take a domain that is there already, by what was seen on hosts. Pure.

A plan looks at no host. Who wants to know asks InspectDomains what `to_ask` says, and gives the ids of these
jobs with the next plan.
"""

from collections.abc import Iterator, Sequence
from typing import Any

from nm.calls import Call
from nm.errors import Invalid
from nm.pools.guests import domain_name
from nm.pools.kinds import DOMAINS
from nm.pools.places import host_of
from nm.pools.plan import Plan
from nm.pools.tree import Path, Tree
from nm.records import Record, name_of, record_key
from nm.store import Reader


def to_ask(reader: Reader, tree: Tree, plan: Plan) -> list[Record]:
    """What may be there of all that a plan makes: {host, names} each."""
    made = {change.path for change in plan.changes if change.action == "create"}
    asked: dict[str, list[str]] = {}
    for path, host, name in _domains(reader, tree):
        if path in made:
            asked.setdefault(host, []).append(name)
    return [{"host": host, "names": sorted(names)} for host, names in sorted(asked.items())]


def adopted(reader: Reader, call: Call, tree: Tree, numbers: Sequence[Any]) -> frozenset[Path]:
    """The components whose domains were there, and nobody's, when the jobs of these ids looked."""
    free = {found for number in numbers for found in _found(reader, call, number)}
    if not free:
        return frozenset()
    return frozenset(path for path, host, name in _domains(reader, tree) if (host, name) in free)


def _domains(reader: Reader, tree: Tree) -> Iterator[tuple[Path, str, str]]:
    """Each with the name of its host's record, and its own, as far as they are known."""
    hosts: dict[str, str | None] = {}
    for path, part in tree.parts.items():
        if part.kind not in DOMAINS:
            continue
        if part.host not in hosts:
            record = host_of(reader, part.host)
            hosts[part.host] = name_of(record["record_key"]) if record is not None else None
        host, name = hosts[part.host], domain_name({**part.attributes, **tree.worths(part)})
        if host is not None and name:
            yield path, host, name


def _found(reader: Reader, call: Call, number: Any) -> Iterator[tuple[str, str]]:
    """The host and the name of each domain that was nobody's. Invalid when that job has not looked."""
    job = reader.get(record_key("job", number)) if type(number) is int else None
    kind, _, host = job["subject"].partition(":") if job is not None else ("", "", "")
    mine = job is not None and (call.caller.admin or call.caller.is_(job["who"]))
    if job is None or not mine or (kind, job["kind"], job["state"]) != ("domains", "inspect", "done"):
        raise Invalid(f"{number!r} is no job that has looked at domains", "InspectDomains begins one")
    yield from ((host, one["name"]) for one in job["result"] if not one["nm"])
