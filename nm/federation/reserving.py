"""Allocate: nodes are looked for, and taken for a slice; nothing is wired. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from nm import groups, views
from nm.errors import Invalid, NMError
from nm.federation import changing, looking, marks, names, states, telling, terms, userkeys
from nm.federation.answers import Answer
from nm.federation.visits import Visit
from nm.geni.refusals import Busy, NodesLacking, Refused
from nm.geni.rspec import matching, request
from nm.geni.rspec.matching import Existing, Placement
from nm.geni.rspec.request import Request
from nm.geni.rspec.vocabulary import NM, REQUEST, RSPEC
from nm.records import Record, in_order, name_of, new, record_key
from nm.specs import FreeVlans
from nm.store import Reader, Transaction

LONGEST = 1 << 20  # characters of all requests of a slice
MOST = 20  # requests of a slice, of which something is left


class TakenMeanwhile(Busy):
    """What was found is not there any more: somebody was faster, or has changed the slice. Look again."""


@dataclass(frozen=True)
class Wanted:
    """What is asked for."""

    slice: str
    text: str  # the request RSpec
    asked: Request  # what it says
    until: float | None = None  # the end that is asked for, seconds since 1970


@dataclass(frozen=True)
class Found:
    """What a request would get, and what the slice had when that was looked for."""

    wanted: Wanted
    placement: Placement
    head: str | None  # the slice's head node, or the one that it gets
    had: Existing | None


def text_of(numbers: Sequence[int]) -> str:
    """The request for the nodes of these numbers."""
    if not numbers or not all(type(number) is int and number >= 0 for number in numbers):
        raise Invalid("the nodes are not a list of their numbers", "ListResources tells them, as id")
    nodes = (f'<node client_id="node-{one}"><node xmlns="{NM}" id="{one}"/></node>' for one in numbers)
    return f'<rspec xmlns="{RSPEC}" type="{REQUEST}">{"".join(nodes)}</rspec>'


def read(visit: Visit, slice: str, text: str, until: float | None) -> Wanted:
    """What a guest asks for. Invalid or Unsupported when the request or the end will not do."""
    terms.end(visit, until, visit.now)
    return Wanted(slice, text, request.read(text, visit.rules.aggregate), until)


def find(reader: Reader, visit: Visit, wanted: Wanted) -> Found:
    """What the request would get; the errors are those of Allocate, as nm/allocating.py tells them.

    It looks at the whole pool: for readers of what was published, outside of transactions.
    """
    old = _slice(reader, wanted.slice)
    _check_texts(old, wanted.text)
    placement, head = _placed(reader, visit, wanted.asked, old)
    return Found(wanted, _with_vlans(reader, placement), head, _existing(old))


def take(tx: Transaction, visit: Visit, found: Found) -> Answer:
    """Give it to the slice, which is made when it has nothing yet. TakenMeanwhile when it cannot be."""
    wanted, placement = found.wanted, found.placement
    ends, old = terms.end(visit, wanted.until, visit.now + visit.rules.allocated), _slice(tx, wanted.slice)
    _check_there(tx, found, old)
    chosen = tuple(placement.nodes.values())
    terms.check_limits(tx, visit, old, chosen)
    word = marks.word(tx, visit.now)
    field = _born(visit, wanted.slice, word) if old is None else changing.forgotten(tx, old, chosen)
    part = {
        "request": word,
        "length": len(wanted.text),
        "placement": placement.record(),
        "at": int(visit.now),
    }
    people = [{"urn": user.urn or user.login, "keys": list(user.keys)} for user in wanted.asked.users]
    field = {
        **marks.with_marks(field, {node: marks.marked(word, ends) for node in chosen}),
        "parts": [*field["parts"], part],
        "users": userkeys.merged(field["users"], userkeys.parse(people)),
    }
    if old is None:
        group = _made(tx, visit, wanted.slice, placement, found.head, field)
    else:
        group = changing.grown(tx, visit.call, old, placement, field)
    tx.put(new("request", word, visit.now, group=group["record_key"], text=wanted.text))
    mail = telling.told(tx, visit, group, "allocated", "nodes allocated for", chosen)
    return states.answer(tx, visit, group, chosen, mail, as_manifest=True)


def _check_there(reader: Reader, found: Found, old: Record | None) -> None:
    """TakenMeanwhile unless all that was found is free, and the slice is as it was."""
    nodes = [reader.get(record_key("node", node)) for node in found.placement.nodes.values()]
    numbers = [entry["vlan"] for entry in found.placement.networks.values()]
    vlans = [reader.get(record_key("vlan", vlan)) for vlan in numbers]
    head = reader.get(record_key("headnode", found.head)) if found.head is not None else None
    free = all(node is not None and _is_node_free(reader, node) for node in nodes)
    free &= all(vlan is not None and (vlan["shared"] or vlan["group"] is None) for vlan in vlans)
    free &= old is not None or found.head is None or (head is not None and _is_free(reader, head))
    if not free or _existing(old) != found.had:
        raise TakenMeanwhile("others are taking nodes at this very moment", "try again")


def _is_node_free(reader: Reader, node: Record) -> bool:
    return node["group"] is None and views.node_state(reader, node) == "free"


def _slice(reader: Reader, slice: str) -> Record | None:
    """The slice's group, to which more may come; None when there is none."""
    old = names.find(reader, slice)
    if old is not None:
        names.check_open(old)
        if old["destroying"]:
            raise Busy("what the slice had here is still being taken back", "try again in a minute")
    return old


def _check_texts(old: Record | None, text: str) -> None:
    """Refused when the slice's requests, which are all kept, would become too many, or too long together."""
    kept = old["federation"]["parts"] if old is not None else ()
    if len(kept) >= MOST:
        raise Refused(
            f"the slice has nodes of {MOST} requests", "Delete those of one, or ask for more at once"
        )
    if len(text) + sum(part["length"] for part in kept) > LONGEST:
        raise Refused(f"the slice's RSpecs have more than {LONGEST} characters", "ask in fewer words")


def _placed(reader: Reader, visit: Visit, asked: Request, old: Record | None) -> tuple[Placement, str | None]:
    """The nodes, NICs and networks for the request, and the slice's head node."""
    pool, refusal = looking.pool_of(reader, visit), None
    for host, head in _heads(reader, visit, old).items():
        try:
            return matching.match(asked, replace(pool, host=host), _existing(old)), head
        except NMError as error:
            refusal = refusal or error
    raise refusal or NodesLacking("no head node is free, and each slice gets one here", "wait for one")


def _with_vlans(reader: Reader, placement: Placement) -> Placement:
    """The placement with a VLAN for each of its networks."""
    choice, networks = FreeVlans(), placement.networks
    taken = {entry["vlan"] for entry in networks.values() if "vlan" in entry}
    found = {}
    for name, entry in networks.items():
        vlan = entry["vlan"] if "vlan" in entry else choice.choose(reader, taken)
        taken.add(vlan)
        found[name] = {**entry, "vlan": vlan}
    return replace(placement, networks=found)


def _heads(reader: Reader, visit: Visit, old: Record | None) -> dict[str | None, str | None]:
    """Host -> head node that the slice has, or could get: the first that is free of each host."""
    if old is None and visit.rules.headnodes:
        free = [head for head in in_order(reader.range("headnode")) if _is_free(reader, head)]
        return {head["host"]: name_of(head["record_key"]) for head in reversed(free)}
    named = old["wanted"]["headnode"] if old is not None else None
    record = reader.get(record_key("headnode", named)) if named is not None else None
    return {record["host"] if record is not None else None: named}


def _is_free(reader: Reader, head: Record) -> bool:
    return head["group"] is None and views.head_node_state(reader, head) == "free"


def _existing(old: Record | None) -> Existing | None:
    if old is None:
        return None
    taken: set[str] = set()
    for part in old["federation"]["parts"]:
        networks = old["wanted"]["networks"]
        links = (link for link, network in part["placement"]["links"].items() if network in networks)
        taken |= {*part["placement"]["nodes"], *links}
    return Existing(old["wanted"]["networks"], old["wanted"]["nodes"], taken)


def _born(visit: Visit, slice: str, word: str) -> marks.Field:
    guest = visit.guest
    return marks.born(guest.door, {"urn": guest.urn, "email": guest.email, "name": guest.name}, slice, word)


def _made(
    tx: Transaction, visit: Visit, slice: str, placement: Placement, head: str | None, field: marks.Field
) -> Record:
    """The group of a new slice."""
    alias = names.alias_of(slice)
    name = names.group_of(alias)
    settings = {
        "alias": alias,
        "expires": marks.first_end(field),
        "headnode": head,
        "images": placement.images,
        "keys": userkeys.keys(field["users"]),
        "networks": placement.networks,
        "nodes": [*placement.nodes.values()],
        "owner": visit.rules.owner,
    }
    groups.make_group(tx, visit.call, name, settings)
    return changing.noted(tx, visit.call, groups.need(tx, visit.call, name), field)
