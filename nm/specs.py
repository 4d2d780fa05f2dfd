"""What a group is made of: its spec, the claims that follow from it, and how claims are kept. Pure.

A spec is {"networks": {"main": {"vlan", "nics", "tagged"}, ...}, "nodes": [names], "headnode": name
or None}, with "image" (what its nodes boot) and "images" ({node: what just that one boots}) where some are
asked for, "since" ({node: a word that is another one each time it comes}), and "hosts" ({network: [hosts]}),
on which it is for domains of the description that made the group. A group has three: wanted, target, and (as
facts) deployed. What any of the three speaks of is claimed: the claim is the owner field of
the claimed thing's own record. Called by operations and by the workers' recording, inside transactions only.
"""

from collections.abc import Callable, Collection, Iterable, Mapping
from typing import Any

from nm import debts, facts, promises
from nm.errors import Conflict, Invalid, NotFound
from nm.records import Record, changed, check_name, kind_of, name_of, record_key
from nm.store import Reader, Transaction
from nm.views import head_node_state, node_state

Spec = dict[str, Any]

EMPTY: Spec = {"networks": {}, "nodes": [], "headnode": None}
NODES_A_CALL = 70  # one transaction holds 100 writes
NETWORKS = 16


def network(vlan: int, nics: Iterable[str] = ("boot",), tagged: bool = False) -> dict[str, Any]:
    """One network of a spec. `nics`: those that join it, as views.callings names them."""
    return {"vlan": vlan, "nics": list(nics), "tagged": tagged}


def with_images(spec: Spec, image: str | None, images: Mapping[str, str]) -> Spec:
    """The spec with these images, of its own nodes only."""
    rest = {key: part for key, part in spec.items() if key not in ("image", "images")}
    own = {node: name for node, name in images.items() if node in spec["nodes"]}
    return {**rest, **({"image": image} if image else {}), **({"images": own} if own else {})}


def with_nodes(spec: Spec, nodes: list[str]) -> Spec:
    """The spec with these nodes; what was asked for of others is forgotten."""
    left = with_since({**spec, "nodes": nodes}, spec.get("since", {}))
    return with_images(left, spec.get("image"), spec.get("images", {}))


def with_since(spec: Spec, since: Mapping[str, str]) -> Spec:
    """The spec with the words of when its nodes came, of its own nodes only."""
    rest = {key: part for key, part in spec.items() if key != "since"}
    own = {node: word for node, word in since.items() if node in spec["nodes"]}
    return {**rest, **({"since": own} if own else {})}


def dated(group: Record, wanted: Spec) -> Spec:
    """What is wanted of the group, with a word for each node that comes.

    A node that is still in the target never left. What was out of it comes back by a later revision, and a
    group of the same name is of another birth, so no word comes twice.
    """
    target = group["target"] or EMPTY
    before = {**target.get("since", {}), **wanted.get("since", {})}
    old = {*group["wanted"]["nodes"], *target["nodes"]}
    word = f"{int(group['created'] * 1000)}.{group['revision'] + 1}"
    return with_since(wanted, {**dict.fromkeys((n for n in wanted["nodes"] if n not in old), word), **before})


def with_hosts(spec: Spec, network: str, hosts: Iterable[str]) -> Spec:
    """The spec with that network on these hosts, and on no others."""
    rest = {key: part for key, part in spec.items() if key != "hosts"}
    every = {**spec.get("hosts", {}), network: sorted(set(hosts))}
    kept = {name: found for name, found in every.items() if found}
    return {**rest, **({"hosts": kept} if kept else {})}


def hosts_of(spec: Spec | None, network: str) -> list[str]:
    """The hosts that carry that network of the spec for domains; none when it has no such network."""
    if not spec or network not in spec["networks"]:
        return []
    return list(spec.get("hosts", {}).get(network, ()))


def with_image(spec: Spec, image: str | None, nodes: Collection[str]) -> Spec:
    """The spec with that image for these nodes; for the group when none is named."""
    images = spec.get("images", {})
    if not nodes:
        return with_images(spec, image, images)
    kept = {node: name for node, name in images.items() if node not in nodes}
    asked = dict.fromkeys(nodes, image) if image else {}
    return with_images(spec, spec.get("image"), {**kept, **asked})


def check_image(reader: Reader, name: object) -> str | None:
    """The name of an image that nodes can boot, or None."""
    if name is None:
        return None
    record = reader.get(record_key("image", check_name(name, "image")))
    if record is None:
        raise NotFound(f"no image {name}", "GetImages lists what there is")
    if record["kind"] != "netboot":
        raise Invalid(f"head nodes are made from image {name}", "nodes boot images of kind netboot")
    return str(name)


def parse_images(reader: Reader, given: Mapping[str, Any]) -> tuple[str | None, dict[str, str]]:
    """The image of a new group, and those of single nodes, as its settings name them."""
    images, nodes = given.get("images") or {}, given.get("nodes") or []
    if not isinstance(images, Mapping):
        raise Invalid("images is not a struct of a node to its image", 'as {"n1": "debian"}')
    if stranger := next((node for node in images if node not in nodes), None):
        raise Invalid(f"images names node {stranger[:70]}, which is none of nodes", "name it there, too")
    checked = {node: check_image(reader, name) for node, name in images.items()}
    return check_image(reader, given.get("image")), {node: name for node, name in checked.items() if name}


def image_names(spec: Spec | None) -> set[str]:
    """The images that a spec names."""
    return {name for name in (spec.get("image"), *spec.get("images", {}).values()) if name} if spec else set()


def vlans(spec: Spec | None) -> set[int]:
    """The VLAN ids that a spec names."""
    return {entry["vlan"] for entry in spec["networks"].values()} if spec else set()


def parse_networks(given: Mapping[str, Any], choose: Callable[[], int]) -> dict[str, Any]:
    """Check networks as callers give them; `choose` picks a VLAN where none is named.

    main comes first and joins the boot NIC untagged, others join the data NICs, unless told otherwise.
    """
    if len(given) > NETWORKS:
        raise Invalid(f"{len(given)} networks in one group", f"a group may have {NETWORKS}")
    names = sorted(given, key=lambda name: (name != "main", name))
    networks = {}
    for name in names:
        networks[check_name(name, "network")] = _parse_network(name, given[name], choose)
    if names and names[0] != "main":
        raise Invalid("networks have no main", 'name one of them "main": it is the one that vlan means')
    _check_untagged(networks)
    return networks


def _parse_network(name: str, given: object, choose: Callable[[], int]) -> dict[str, Any]:
    if not isinstance(given, Mapping) or set(given) - {"vlan", "nics", "tagged"}:
        raise Invalid(
            f"network {name} is not a struct of vlan, nics and tagged", "see SetNetworks in docs/api.md"
        )
    nics = given.get("nics", ["boot"] if name == "main" else ["data"])
    if not isinstance(nics, list) or not nics or not all(isinstance(nic, str) for nic in nics):
        raise Invalid(
            f"network {name}: nics is not a list of NIC names or roles",
            'as ["boot"], ["eth0", "eth1"] or ["n1:eth0"]',
        )
    tagged = given.get("tagged", False)
    if not isinstance(tagged, bool):
        raise Invalid(f"network {name}: tagged is neither true nor false", "say True or False")
    vlan = given["vlan"] if given.get("vlan") is not None else choose()
    return network(check_vlan(vlan), nics, tagged)


def check_vlan(vlan: object) -> int:
    """A VLAN id: an int from 2 to 4094."""
    if isinstance(vlan, bool) or not isinstance(vlan, int) or not 2 <= vlan <= 4094:
        raise Invalid(f"{vlan!r} is not a VLAN id", "use an int from 2 to 4094")
    return vlan


def _check_untagged(networks: Mapping[str, Any]) -> None:
    used: dict[str, str] = {}
    seen: dict[int, str] = {}
    for name, entry in networks.items():
        if entry["vlan"] in seen:
            raise Invalid(
                f"networks {seen[entry['vlan']]} and {name} have the same VLAN", "give each its own"
            )
        seen[entry["vlan"]] = name
        for nic in () if entry["tagged"] else entry["nics"]:
            if nic in used:
                raise Invalid(
                    f"NIC {nic} is untagged in networks {used[nic]} and {name}",
                    "let it join one of them tagged",
                )
            used[nic] = name


class FreeVlans:
    """Chooses free VLANs, lowest first, for one group or for many in a row.

    The pool is searched once, at the first choice; so none may become free between two of them.
    """

    def __init__(self) -> None:
        self._left: list[int] | None = None  # highest first

    def choose(self, reader: Reader, taken: Collection[int] = ()) -> int:
        """The lowest free VLAN of the pool that is not in `taken`."""
        if self._left is None:
            free = {vlan["id"] for vlan in reader.range("vlan") if _may_be_chosen(vlan)}
            self._left = sorted(free - debts.vlans(reader).keys(), reverse=True)
        while self._left and not _may_be_chosen(reader.get(record_key("vlan", self._left[-1]))):
            self._left.pop()
        for vlan in reversed(self._left):
            if vlan not in taken:
                return vlan
        raise Conflict("no VLAN of the pool is free", "register more with RegisterVlan, or destroy a group")


def _may_be_chosen(vlan: Record | None) -> bool:
    return vlan is not None and bool(vlan["available"]) and vlan["group"] is None and not vlan["shared"]


def claims(group: Record | None) -> set[str]:
    """The keys of all records that the group holds: in wanted, in target, or deployed."""
    if group is None:
        return set()
    keys: set[str] = set()
    for spec in (group["wanted"], group["target"]):
        if spec:
            keys |= {record_key("vlan", vlan) for vlan in vlans(spec)}
            keys |= {record_key("node", node) for node in spec["nodes"]}
            if spec["headnode"]:
                keys.add(record_key("headnode", spec["headnode"]))
    for fact, value in group["deployed"].items():
        keys |= fact_claims(fact, value)
    return keys


def fact_claims(fact: str, value: facts.Value) -> set[str]:
    """The records that a deployed fact holds. A fact in doubt holds what each of its values would."""
    kind, *parts = facts.split(fact)
    if kind == "node":
        return {record_key("node", parts[0])}
    if kind in ("vlan", "trunk", "bridge"):
        return {record_key("vlan", parts[1])}
    values = [v for v in value["doubt"] if v] if "doubt" in value else [value]
    if kind == "port":
        return {record_key("vlan", vlan) for v in values for vlan in (v["untagged"], *v["tagged"]) if vlan}
    if kind == "list":
        return {record_key("headnode", parts[0])}
    if kind == "head":
        return {record_key("headnode", parts[0]), *(record_key("vlan", v["vlan"]) for v in values)}
    if kind == "account":  # nobody gets a head node while its last account is there
        return {record_key("headnode", v["head"]) for v in values if "head" in v}
    return set()


def save(tx: Transaction, old: Record | None, new: Record | None, now: float, as_it_is: bool = False) -> None:
    """Put (or, `new` None, delete) a group and bring the owner fields of what it claims in line.

    `as_it_is`: it may claim what is unverified, dirty, failed or out of service; never what is in debt.
    """
    key = (new or old or {})["record_key"]
    name = name_of(key)
    before, after = claims(old), claims(new)
    if new is not None:
        _check_promises(tx, old, new)
    for claimed in sorted(after - before):
        _claim(tx, claimed, name, now, as_it_is)
    for released in sorted(before - after):
        _release(tx, released, name, now)
    if new is None:
        tx.delete(key)
    else:
        tx.put(new)


def _check_promises(reader: Reader, old: Record | None, new: Record) -> None:
    """Conflict when somebody else is promised a node that comes, though this group may still have it."""
    for node in sorted(promises.newly_named(old, new)):
        record = reader.get(record_key("node", node))
        if record is not None and (promised := promises.refusal(record, new)) is not None:
            raise Conflict(f"node {node} is {promised}", FREE_HINTS[promises.STATE])


def _claim(tx: Transaction, key: str, group: str, now: float, as_it_is: bool) -> None:
    kind, name = kind_of(key), name_of(key)
    record = tx.get(key)
    if record is None:
        raise NotFound(f"no {WORDS[kind]} {name}", f"Get{PLURALS[kind]} lists what there is")
    if kind == "vlan" and record["shared"] and (record["available"] or as_it_is):
        tx.put(changed(record, now, groups=sorted({*record["groups"], group})))
        return
    if record["group"] is not None:
        raise Conflict(f"{WORDS[kind]} {name} is taken", f"Get{PLURALS[kind]} with free=True lists free ones")
    if problem := _indebted(tx, kind, record) or (None if as_it_is else _not_free(tx, kind, record)):
        raise Conflict(
            f"{WORDS[kind]} {name} cannot be given out: it is {problem}", FREE_HINTS.get(problem, "")
        )
    tx.put(changed(record, now, group=group))


def _indebted(reader: Reader, kind: str, record: Record) -> str | None:
    """Frames may still come out of what was taken back by force, so nobody gets it, whatever they know."""
    if kind == "vlan":
        owed = record["id"] in debts.vlans(reader)
    else:
        owed = kind == "node" and debts.of_node(reader, record) is not None
    return "still on a port that could not be reached" if owed else None


def _not_free(reader: Reader, kind: str, record: Record) -> str | None:
    if kind == "vlan":
        return None if record["available"] else "out"
    state = node_state(reader, record) if kind == "node" else head_node_state(reader, record)
    return None if state in ("free", promises.STATE) else state  # who is promised it was asked before


def _release(tx: Transaction, key: str, group: str, now: float) -> None:
    record = tx.get(key)
    if record is None:
        return
    if record.get("shared"):
        tx.put(changed(record, now, groups=[name for name in record["groups"] if name != group]))
    elif record["group"] == group and record.get("account") is not None:
        tx.delete(record_key("account", record["account"]))  # a head node's, which is gone or never was
        tx.put(changed(record, now, group=None, account=None))
    elif record["group"] == group:
        tx.put(changed(record, now, group=None))


WORDS = {"vlan": "VLAN", "node": "node", "headnode": "head node"}
PLURALS = {"vlan": "Vlans", "node": "Nodes", "headnode": "HeadNodes"}
FREE_HINTS = {
    "unverified": "ResetPorts or AdoptPorts on its switch first",
    "dirty": "clean it, then ClearNode or ClearHeadNode",
    "failed": "GetNodes tells why; ClearNode when it is good again",
    promises.STATE: "wait until the loan is over; its lender may call it back by LendNodes until 0",
    "out": "it was taken out of service; an administrator may set available again",
    "still on a port that could not be reached": "wait until the debt is paid, or choose another",
}
