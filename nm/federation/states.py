"""How a sliver is, and how a slice is told: derived from what groups, jobs and marks say. Pure."""

from collections.abc import Iterable, Mapping
from typing import Any

from nm import groups, views
from nm.errors import NotFound
from nm.federation import marks, names
from nm.federation.answers import Answer, Sliver
from nm.federation.marks import CYCLE, OFF, ON, USERS, Mark
from nm.federation.visits import Visit
from nm.geni.rspec import manifest
from nm.geni.rspec.aggregate import Aggregate
from nm.geni.rspec.opstates import BUSY, CONFIGURING, FAILED, NOT_READY, PENDING, READY, STOPPING, UPDATING
from nm.records import Record, name_of, record_key
from nm.store import Reader

WORDS = 500  # characters of an error

_DOING = {ON: CONFIGURING, OFF: STOPPING, CYCLE: BUSY, USERS: UPDATING}


def operational(reader: Reader, group: Record, name: str) -> tuple[str, str]:
    """The operational state of a node of a reservation, and why it is failed."""
    mark: Mark = group["federation"]["nodes"][name]
    if not marks.is_target(group, name):
        return (PENDING if mark["awaiting"] else NOT_READY), ""
    node = reader.get(record_key("node", name))
    if node is None:
        return FAILED, "the node is not in the pool any more"
    if (why := trouble(reader, group, node)) is not None:
        return FAILED, why[:WORDS]
    if not is_wired(group, node):
        return (STOPPING if mark["doing"] == OFF else CONFIGURING), ""
    return _switched(reader, mark)


def trouble(reader: Reader, group: Record, node: Record) -> str | None:
    """Why a node of the target cannot be set up, when nobody is at it any more."""
    if (why := views.failure(node)) is not None:
        return str(why)
    if not is_wired(group, node) and groups.state(reader, group) == "failed":
        return str(group["error"] or "its deploy failed")
    return None


def is_wired(group: Record, node: Record) -> bool:
    """Whether all its ports were read back as the group's target has them."""
    return views.state_in(group, node) == "joined"


def _switched(reader: Reader, mark: Mark) -> tuple[str, str]:
    job = reader.get(record_key("job", mark["job"])) if mark["job"] is not None else None
    if mark["doing"] is not None and job is not None and job["state"] == "failed":
        return FAILED, failure_of(job)
    if mark["doing"] is not None:
        return _DOING[mark["doing"]], ""
    if mark["error"] is not None:
        return FAILED, mark["error"][:WORDS]
    return (NOT_READY if mark["power"] == OFF else READY), ""


def failure_of(job: Record) -> str:
    """What a failed job says."""
    return str((job["error"] or {}).get("text") or "it was not done")[:WORDS]


# ---- what is answered


def told(reader: Reader, aggregate: Aggregate, group: Record, node: str, mark: Mark) -> Sliver:
    """A sliver of a slice."""
    state, why = operational(reader, group, node)
    urn = names.sliver(aggregate, name_of(group["record_key"]), node, mark["since"])
    return Sliver(urn, node, mark["ends"], marks.allocation(group, node), state, why)


def answer(
    reader: Reader,
    visit: Visit,
    group: Record,
    nodes: Iterable[str],
    mail: int | None = None,
    as_manifest: bool = False,
) -> Answer:
    """These slivers of a slice, as they are now."""
    known = marks.all_of(group)
    found = tuple(told(reader, visit.rules.aggregate, group, node, known[node]) for node in nodes)
    described = slice_told(reader, visit, group, found) if as_manifest else None
    return Answer(str(group["federation"]["slice"]), found, described, mail)


def slice_told(reader: Reader, visit: Visit, group: Record, found: Iterable[Sliver]) -> manifest.Slice:
    """What a manifest tells of these slivers."""
    field, name = group["federation"], name_of(group["record_key"])
    slivers = {one.node: _sliver_told(reader, visit, group, one) for one in found}
    return manifest.Slice(
        [_part(reader, part) for part in field["parts"]],
        slivers,
        {network: entry["vlan"] for network, entry in group["wanted"]["networks"].items()},
        _head(visit, group),
        f"{name}.{field['word']}",
    )


def _part(reader: Reader, part: Mapping[str, Any]) -> manifest.Part:
    """A request as it came, and what became of it."""
    record = reader.get(record_key("request", part["request"]))
    if record is None:
        raise NotFound("a request of the slice's is not there any more", "it was deleted just now; ask again")
    return manifest.Part(record["text"], part["placement"])


def _sliver_told(reader: Reader, visit: Visit, group: Record, sliver: Sliver) -> manifest.Sliver:
    record = reader.get(record_key("node", sliver.node))
    struct = views.node(reader, visit.call, record) if record is not None else {"name": sliver.node}
    host = struct.get("hostname") or struct.get("ip")
    logins = (manifest.Login(host, visit.rules.login),) if host else ()
    power = group["federation"]["nodes"][sliver.node]["power"] or ""
    return manifest.Sliver(sliver.urn, struct, logins, power)


def _head(visit: Visit, group: Record) -> manifest.Head | None:
    """The head node, and the way to it: by SSH to this machine, as the group's account."""
    head, account = group["wanted"]["headnode"], group["account"]
    if head is None:
        return None
    known = account is not None and visit.rules.hostname
    return manifest.Head(head, (manifest.Login(visit.rules.hostname, account["name"]),) if known else ())
