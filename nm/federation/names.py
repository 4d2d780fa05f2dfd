"""What slices and slivers are called here, and which of them a call is about. Pure."""

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass

from nm.errors import Denied, Invalid, NotFound
from nm.federation import marks
from nm.federation.visits import BOWL, Visit
from nm.geni import urns
from nm.geni.rspec.aggregate import Aggregate
from nm.geni.urns import SLICE, SLIVER, Urn
from nm.records import Record, record_key
from nm.store import Reader

LONGEST = 200  # bytes of what BOWL calls a slice


@dataclass(frozen=True)
class Chosen:
    """What a call is about: a slice that is there, and those of its nodes that are meant."""

    group: Record
    nodes: tuple[str, ...]
    whole: bool  # the slice was named, and not its slivers


def alias_of(slice: str) -> str:
    """One spelling of a slice's name: URNs are compared without case, BOWL's strings as they are."""
    if urns.is_geni(slice):
        urn = urns.parse(slice)
        if urn.type != SLICE:
            raise Invalid(f"{slice[:80]!r} names no slice", "as urn:publicid:IDN+AUTHORITY+slice+NAME")
        return str(Urn(urn.key[0], SLICE, urn.key[2]))
    if not slice.isprintable() or not slice.strip() or len(slice.encode()) > LONGEST:
        raise Invalid("the slice is not a text of 1 to 200 bytes", "give its URN, or a short name")
    return slice


def group_of(alias: str) -> str:
    """The name of a slice's group: a likeness of its last part, which a Unix account can have, and a hash."""
    last = urns.parse(alias).name if urns.is_geni(alias) else alias
    alike = re.sub("[^a-z0-9]+", "-", last.lower()).strip("-")[:20]
    alike = alike if alike[:1].isalpha() else f"s-{alike}".rstrip("-")
    return f"{alike}-{hashlib.sha256(alias.encode()).hexdigest()[:8]}"


def find(reader: Reader, slice: str) -> Record | None:
    """The group of that slice; None when it has none. One that was made by hand is no slice's."""
    claim = reader.get(record_key("claim", f"alias:{alias_of(slice)}"))
    group = reader.get(claim["owner"]) if claim is not None else None
    return group if group is not None and marks.of(group) is not None else None


def sliver(aggregate: Aggregate, group: str, node: str, since: str) -> str:
    """The URN of a sliver. `since`: a word that no other sliver of that node in that group ever had."""
    return aggregate.sliver(group, node, since)


def read_sliver(aggregate: Aggregate, text: str) -> tuple[str, str, str]:
    """Group, node and word of a sliver's URN. Invalid when it is none, NotFound when it is not ours."""
    urn = urns.parse(text)
    if urn.type != SLIVER:
        raise Invalid(
            f"{text[:80]!r} names neither a slice nor a sliver", "give one slice, or slivers of one"
        )
    group, _, rest = urn.name.partition(".")
    node, _, since = rest.rpartition(".")
    if urn.key[0] != aggregate.authority.lower() or not (group and node and since):
        raise _no_sliver(text)
    return group, node, since


def slice_of(reader: Reader, aggregate: Aggregate, given: Sequence[str], door: str) -> str:
    """The slice that these are about: itself, or that of the slivers; for doors, before they ask for rights.

    Invalid when it is not just one, NotFound when there are no such slivers.
    """
    if not given:
        raise Invalid("no URN is given", "give one slice, or slivers of one slice")
    if len(given) == 1 and _is_slice(given[0], door):
        alias_of(given[0])
        return given[0]
    named = {text: read_sliver(aggregate, text)[0] for text in given}
    if len(set(named.values())) > 1:
        raise Invalid("these slivers are of several slices", "call for one slice after the other")
    group = reader.get(record_key("group", named[given[0]]))
    if group is None or (field := marks.of(group)) is None:
        raise _no_sliver(given[0])
    return str(field["slice"])


def pick(reader: Reader, visit: Visit, given: Sequence[str]) -> Chosen:
    """What a call is about. NotFound when there is no such thing, Denied when the slice was shut down."""
    named = slice_of(reader, visit.rules.aggregate, given, visit.guest.door)
    group = find(reader, named)
    if group is None or group["destroying"]:
        raise NotFound(f"slice {named[:120]} has nothing here", "Allocate gives it nodes")
    check_open(group)
    there = marks.slivers(group, visit.now)
    if _is_slice(given[0], visit.guest.door):
        return Chosen(group, tuple(there), True)
    nodes = []
    for text in dict.fromkeys(given):
        _, node, since = read_sliver(visit.rules.aggregate, text)
        if node not in there or there[node]["since"] != since:
            raise _no_sliver(text)
        nodes.append(node)
    return Chosen(group, tuple(dict.fromkeys(nodes)), False)


def check_any(chosen: Chosen) -> None:
    """NotFound when nothing is meant."""
    if not chosen.nodes:
        raise NotFound("the slice has no slivers here", "Allocate gives it some")


def check_open(group: Record) -> None:
    """Denied when the slice was shut down: nobody but an operator does anything with it then."""
    shut = (marks.of(group) or {}).get("shut")
    if shut is not None:
        raise Denied(
            "the slice was shut down, and nothing is done with it until an operator opens it again",
            "ask the people of this aggregate",
        )


def _is_slice(text: str, door: str) -> bool:
    if not urns.is_geni(text):
        return door == BOWL
    return urns.parse(text).type != SLIVER


def _no_sliver(text: str) -> NotFound:
    return NotFound(f"there is no sliver {text[:120]}", "it was deleted, or its time is over")
