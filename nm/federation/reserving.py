"""Allocate: nodes are taken for a slice, and nothing is wired. Pure."""

from collections.abc import Sequence
from dataclasses import replace

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
from nm.records import Record, in_order, name_of, record_key
from nm.store import Reader, Transaction

LONGEST = 1 << 20  # characters of all requests of a slice


def allocate(tx: Transaction, visit: Visit, slice: str, text: str, wish: float | None = None) -> Answer:
    """Take what a request RSpec asks for, all or nothing; the slice is made when it has nothing yet.

    `wish`: the end that is asked for, seconds since 1970; a later one than may be had is cut. Invalid,
    Unsupported, NodesLacking, VlanUnavailable say what is in the way of the request, Refused which limit
    of the site's, Busy that the slice's last reservation is still going. The answer has a manifest of these.
    """
    asked = request.read(text, visit.rules.aggregate)
    ends = terms.end(visit, wish, visit.now + visit.rules.allocated)
    old = _slice(tx, slice)
    _check_texts(old, text)
    placement, head = _placed(tx, visit, asked, old)
    chosen = tuple(placement.nodes.values())
    terms.check_limits(tx, visit, old, chosen)
    word = marks.word(tx, visit.now)
    field = marks.need(old) if old is not None else _born(visit, slice, word)
    part = {"text": text, "placement": placement.record(), "at": int(visit.now)}
    people = [{"urn": user.urn or user.login, "keys": list(user.keys)} for user in asked.users]
    field = {
        **marks.with_marks(field, {node: marks.marked(word, ends) for node in chosen}),
        "parts": [*field["parts"], part],
        "users": userkeys.merged(field["users"], userkeys.parse(people)),
    }
    if old is None:
        group = _made(tx, visit, slice, placement, head, field)
    else:
        group = changing.grown(tx, visit.call, old, placement, field)
    groups.tell(tx, visit.call, name_of(group["record_key"]), "allocated", ", ".join(chosen))
    mail = telling.mailed(tx, visit, group, "nodes allocated for", chosen)
    return states.answer(tx, visit, group, chosen, mail, as_manifest=True)


def allocate_nodes(
    tx: Transaction, visit: Visit, slice: str, numbers: Sequence[int], wish: float | None = None
) -> Answer:
    """The same of the nodes of these numbers, as BOWL asks for them."""
    if not numbers or not all(type(number) is int and number >= 0 for number in numbers):
        raise Invalid("the nodes are not a list of their numbers", "ListResources tells them, as id")
    nodes = (f'<node client_id="node-{one}"><node xmlns="{NM}" id="{one}"/></node>' for one in numbers)
    text = f'<rspec xmlns="{RSPEC}" type="{REQUEST}">{"".join(nodes)}</rspec>'
    return allocate(tx, visit, slice, text, wish)


def _slice(reader: Reader, slice: str) -> Record | None:
    """The slice's group, to which more may come; None when there is none."""
    old = names.find(reader, slice)
    if old is not None:
        names.check_open(old)
        if old["destroying"]:
            raise Busy("what the slice had here is still being taken back", "try again in a minute")
    return old


def _check_texts(old: Record | None, text: str) -> None:
    """Refused when the slice's requests, which are all kept, would become too long together."""
    kept = old["federation"]["parts"] if old is not None else ()
    if len(text) + sum(len(part["text"]) for part in kept) > LONGEST:
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
