"""The plan: target minus deployed, as readable steps in stages. Pure.

Stages: 1 leave, confirm, wipe; 2 VLANs, trunks and bridges; 3 prepare and join; 4 export, head node and
account; 5 clear away. A step waits for just the steps it depends on (`needs`: they must have succeeded;
`after`: they must be over), so that a switch that hangs holds up only what goes through it. Called by
operations (PlanDeploy) and by the group's worker.
"""

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from nm import debts, doormark, facts, hooks, listfiles, machinelist, paths, people, planwords, specs, views
from nm.errors import Conflict, NMError, NotFound
from nm.facts import Value
from nm.records import Record, name_of, port_key, record_key
from nm.specs import Spec
from nm.store import Reader

Facts = dict[str, Value]


@dataclass(frozen=True)
class Step:
    """One thing to do. `value` None takes the fact away; `subject` is whose worker does it."""

    id: str
    stage: int
    subject: str
    hand: str
    target: str
    action: str
    text: str
    fact: str
    value: Value | None
    old: Value | None
    needs: frozenset[str] = frozenset()
    after: frozenset[str] = frozenset()

    def public(self) -> dict[str, Any]:
        """The step as PlanDeploy tells it."""
        return {
            "stage": self.stage,
            "hand": self.hand,
            "target": self.target,
            "action": self.action,
            "text": self.text,
        }


def doubt(*values: Value | None) -> Value:
    """The value of a fact of which only this is known: it is one of those (None: absent), or half of one."""
    flat: list[Value | None] = []
    for value in values:
        for one in value["doubt"] if value and "doubt" in value else [value]:
            if one not in flat:
                flat.append(one)
    return {"doubt": flat}


def doubted(deployed: Facts, attempted: Facts) -> Facts:
    """Deployed, with everything that may have been attempted and was not recorded put in doubt.

    Workers act on the target only, so this is called when a target is replaced before it was reached: what
    it was to make may be there, what it was to take away may be gone.
    """
    result = dict(deployed)
    for fact in deployed.keys() | attempted.keys():
        if deployed.get(fact) != attempted.get(fact):
            result[fact] = doubt(deployed.get(fact), attempted.get(fact))
    return result


# ---- from a spec to facts


def expand(reader: Reader, group: str, spec: Spec | None) -> Facts:
    """The facts of a group whose target is `spec`. NotFound or Conflict when it cannot be made.

    Nothing is asked of a switch that is in debt: what the group has there comes when the debt is paid.
    """
    return debts.without(reader, whole(reader, group, spec))


def waits_for(reader: Reader, group: str, spec: Spec | None) -> str | None:
    """Why not all of that target is made now, in words; None when all of it is, or nobody can tell."""
    if not any("switch" in debt for debt in reader.range("debt")):
        return None
    try:
        everything = whole(reader, group, spec)
    except NMError:
        return None
    left_out = everything.keys() - debts.without(reader, everything).keys()
    names = sorted({str(facts.switch_of(fact)) for fact in left_out})
    return f"what is on switch {', '.join(names)} waits until it is read back as isolated" if names else None


def whole(reader: Reader, group: str, spec: Spec | None) -> Facts:
    """The same, with what is on switches in debt."""
    if not spec or not spec["networks"]:
        return {}
    result: Facts = {}
    nodes = [_record(reader, "node", name) for name in spec["nodes"]]
    for node in nodes:
        result[facts.name("node", node["name"])] = {"power": node["management"] is not None}
        _expand_nics(node, spec, result)
    if spec["headnode"]:
        _expand_head(reader, group, spec, result)
    trunks = list(reader.range("trunk"))
    for name, network in spec["networks"].items():
        places = _places(reader, spec, name)
        others = _places_of_others(reader, group, network["vlan"])
        if places and others:
            places |= paths.reachable(trunks, min(places), others)
        for host in specs.hosts_of(spec, name):
            result[facts.name("bridge", host, network["vlan"])] = {}
        _expand_network(network["vlan"], places, trunks, result)
    told = result[facts.name("export", group)] = machinelist.value(reader, group, spec, nodes)
    for fact, value in [*result.items()]:
        if fact.startswith("head/"):
            place = {"host": value["host"], "domain": value["domain"]}
            given = {**place, "group": group, "digest": listfiles.digest(told)}
            result[facts.name("list", facts.split(fact)[1])] = given
    for account in people.accounts_of(reader, group, spec["headnode"]):
        result[facts.name("account", account["account"])] = facts.of_account(account)
    return result


def _record(reader: Reader, kind: str, name: str) -> Record:
    record = reader.get(record_key(kind, name))
    if record is None:
        raise NotFound(f"no {kind} {name}", "it is not in the pool any more; take it out of the group")
    return {"name": name, **record}


def _places(reader: Reader, spec: Spec, network: str) -> set[str]:
    """Where the network is needed: at its nodes' switches, hosts of domains, for main the head node's."""
    nodes = [_record(reader, "node", name) for name in spec["nodes"]]
    found = {
        f"switch:{nic['switch']}"
        for node in nodes
        for nic in views.wired(node)
        if views.in_network(node["name"], nic, spec["networks"][network])
    }
    if network == "main" and spec["headnode"]:
        found.add(f"host:{_record(reader, 'headnode', spec['headnode'])['host']}")
    for host in specs.hosts_of(spec, network):
        _record(reader, "host", host)
        found.add(f"host:{host}")
    return found


def _places_of_others(reader: Reader, group: str, vlan: int) -> set[str]:
    """Where a shared VLAN is needed by other groups: it is one network, so the trunks join all of them."""
    record = reader.get(record_key("vlan", vlan))
    found: set[str] = set()
    for name in record["groups"] if record is not None else ():
        other = reader.get(record_key("group", name)) if name != group else None
        spec: Spec = (other or {}).get("target") or {"networks": {}}
        for network, entry in spec["networks"].items():
            if entry["vlan"] == vlan:
                found |= _places(reader, spec, network)
    return found


def _expand_nics(node: Record, spec: Spec, result: Facts) -> None:
    for nic in views.wired(node):
        value = views.port_value(node["name"], nic, spec)
        if value is None:
            continue
        result[views.port_fact(nic)] = value
        joined = [
            name for name, network in spec["networks"].items() if views.in_network(node["name"], nic, network)
        ]
        if sum(not spec["networks"][name]["tagged"] for name in joined) > 1:
            raise Conflict(
                f"NIC {nic['name']} of node {node['name']} is untagged in networks {' and '.join(joined)}",
                "let it join all but one of them tagged",
            )


def _expand_head(reader: Reader, group: str, spec: Spec, result: Facts) -> None:
    head = _record(reader, "headnode", spec["headnode"])
    vlan = spec["networks"]["main"]["vlan"]
    result[facts.name("bridge", head["host"], vlan)] = {}
    made = {"domain": head["domain"]}
    if head["image"] is not None:
        made = {"domain": facts.made_domain(head["name"]), "image": head["image"]}
    door = doormark.wanted(reader, people.head_account(reader, group, head["name"]))
    told = {"door": door} if door is not None else {}
    result[facts.name("head", head["name"])] = {"host": head["host"], **made, "vlan": vlan, **told}


def _expand_network(vlan: int, places: set[str], trunks: list[Record], result: Facts) -> None:
    switches = {place.partition(":")[2] for place in places if place.startswith("switch:")}
    for trunk in paths.spanning(trunks, places):
        if vlan == trunk["native"]:
            raise Conflict(
                f"VLAN {vlan} is the native VLAN of trunk {trunk['record_key']}", "choose another VLAN"
            )
        for end in trunk["ends"]:
            if "switch" in end:
                switches.add(end["switch"])
                result[facts.name("trunk", end["switch"], vlan, end["port"])] = {"native": trunk["native"]}
    for switch in sorted(switches):
        result[facts.name("vlan", switch, vlan)] = {}


# ---- from two sets of facts to steps


def plan(reader: Reader, group: str, target: Facts, deployed: Facts) -> list[Step]:
    """The group's steps that make `target` of `deployed`, in an order in which they could be done one by one.

    `target` is the group's target in `reader`, too: what others need depends on it.
    """
    gone = {fact: value for fact, value in deployed.items() if fact not in target}
    changes = {fact: value for fact, value in target.items() if deployed.get(fact) != value}
    kept = [fact for fact in gone if needed_by_others(reader, group, fact)]
    steps: dict[str, Step] = {}
    _leave(reader, gone, changes, deployed, steps)
    _open_ways(changes, deployed, steps)
    _prepare(reader, changes, deployed, steps)
    _join(reader, changes, deployed, steps)
    _serve(changes, deployed, steps)
    _clear_away({fact: value for fact, value in gone.items() if fact not in kept}, steps)
    _leave_to_others({fact: gone[fact] for fact in kept}, steps)
    _let_in(gone, changes, deployed, steps)
    return sorted(steps.values(), key=lambda step: step.stage)


def needed_by_others(reader: Reader, group: str, fact: str) -> bool:
    """Whether another group of a shared VLAN relies on the fact (vlan/, trunk/ or bridge/), or is to."""
    kind, *parts = facts.split(fact)
    vlan = reader.get(record_key("vlan", parts[1])) if kind in ("vlan", "trunk", "bridge") else None
    for name in (vlan or {}).get("groups", ()):
        other = reader.get(record_key("group", name)) if name != group else None
        if other is not None and _targets(reader, other, fact):
            return True
    return False


def _targets(reader: Reader, group: Record, fact: str) -> bool:
    if group["revision"] == group["deployed_revision"] and fact in group["deployed"]:
        return True
    try:
        return fact in expand(reader, name_of(group["record_key"]), group["target"])
    except NMError:
        return True  # what cannot be told is kept


def own(reader: Reader, group: str, target: Facts, deployed: Facts) -> Facts:
    """Of what is deployed, that which is there for the group alone, or is to stay the group's."""
    return {
        fact: value
        for fact, value in deployed.items()
        if fact in target or not needed_by_others(reader, group, fact)
    }


def fingerprint(steps: Iterable[Step]) -> str:
    """A hash by which `Deploy(if_plan=...)` knows that the plan is still the one that was shown."""
    text = json.dumps({step.id: [step.value, step.old] for step in steps}, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def carried(value: Value | None) -> set[int]:
    """The VLANs that a port's or head's value (or each value in doubt) means."""
    if value is None:
        return set()
    if "doubt" in value:
        return set().union(*(carried(one) for one in value["doubt"]))
    ids = (value.get("untagged"), value.get("vlan"), *value.get("tagged", ()))
    return {vlan for vlan in ids if vlan}


def _add(
    steps: dict[str, Step],
    stage: int,
    verb: str,
    fact: str,
    text: str,
    value: Value | None,
    old: Value | None,
    needs: Iterable[str] = (),
    after: Iterable[str] = (),
) -> None:
    kind, *parts = facts.split(fact)
    subject, hand = _BY_VERB.get(verb) or _whose(kind, parts, value or old)
    if hand == hooks.HAND:
        subject = hooks.subject(parts[0])
    wanted = frozenset(need for need in needs if need in steps)
    over = frozenset(one for one in after if one in steps)
    step = Step(
        f"{verb} {fact}", stage, subject, hand, "/".join(parts), verb, text, fact, value, old, wanted, over
    )
    steps[step.id] = step


_POOL, _HOOKS = ("", "pool"), ("", hooks.HAND)
_BY_VERB = {"give": _POOL, "free": _POOL, "keep": _POOL, "prepare": _HOOKS, "wipe": _HOOKS}


def _whose(kind: str, parts: list[str], value: Value | None) -> tuple[str, str]:
    if kind in ("vlan", "trunk", "port"):
        return f"switch:{parts[0]}", "switch"
    if kind == "bridge":
        return f"host:{parts[0]}", "host"
    if kind in ("head", "list"):
        known = next((one for one in (value or {}).get("doubt", [value]) if one), None)
        return f"host:{known['host'] if known else ''}", "host"
    if kind == "account":
        return people.SUBJECT, "accounts"
    return ("", "export") if kind == "export" else (f"node:{parts[0]}", "power")


def unverified_trunks(reader: Reader, target: Facts) -> list[str]:
    """The trunk ports that the facts need and that were neither reset nor adopted."""
    found = []
    for fact in target:
        kind, *parts = facts.split(fact)
        if kind == "trunk":
            port = reader.get(port_key(parts[0], parts[2]))
            if port is None or not port["_verified"]:
                found.append(f"{parts[0]} port {parts[2]}")
    return sorted(set(found))


def subject_of(fact: str, value: Value) -> str:
    """Whose worker reads or changes the fact; empty for what the group's own worker does."""
    kind, *parts = facts.split(fact)
    return _whose(kind, parts, value)[0]


def is_bookkeeping(step: Step) -> bool:
    """True for steps that only the database sees."""
    return step.hand == "pool"


def _leave(reader: Reader, gone: Facts, changes: Facts, deployed: Facts, steps: dict[str, Step]) -> None:
    for fact, value in gone.items():
        kind, *parts = facts.split(fact)
        if kind == "node" and powered(value):
            _add(steps, 1, "power-off", fact, f"node {parts[0]}: power off", None, value)
        elif kind == "head":
            removed = f", remove domain {facts.made_domain(parts[0])}" if _made_from(value) else ""
            text = f"head node {parts[0]}: off the network, stop{removed}"
            _add(steps, 1, "leave", fact, text, None, value)
    for fact in filter(_is_port, {**gone, **changes}):
        _isolate(reader, fact, deployed.get(fact), steps)
    _close(reader, {**gone, **changes}, deployed, steps)
    leaves = _leaves(reader, steps)
    for fact, value in gone.items():
        kind, *parts = facts.split(fact)
        if kind == "node":
            off, left = f"power-off {fact}", leaves.get(parts[0], ())
            if given(value) and hooks.configured(reader, hooks.AFTER):
                _add(steps, 1, "wipe", fact, f"node {parts[0]}: {hooks.AFTER}", None, value, left, [off])
            text = f"node {parts[0]}: back to the pool"
            _add(steps, 1, "free", fact, text, None, value, left, [off, f"wipe {fact}"])


def _leaves(reader: Reader, steps: Mapping[str, Step]) -> dict[str | None, list[str]]:
    """The steps that isolate ports, by node."""
    found: dict[str | None, list[str]] = {}
    for step in steps.values():
        if step.action == "leave" and _is_port(step.fact):
            found.setdefault(_node_of(reader, facts.split(step.fact)[1:]), []).append(step.id)
    return found


def _is_port(fact: str) -> bool:
    return fact.startswith("port/")


def _isolate(reader: Reader, fact: str, value: Value | None, steps: dict[str, Step]) -> None:
    """A port that joins leaves first, whatever it is believed to carry: somebody may have moved it since."""
    _, switch, port = facts.split(fact)
    left = f"leave {_words(value)}, " if value is not None else ""
    off = f"power-off node/{_node_of(reader, (switch, port))}"
    _add(steps, 1, "leave", fact, f"switch {switch} port {port}: {left}isolate", None, value, after=[off])


def _close(reader: Reader, moving: Facts, deployed: Facts, steps: dict[str, Step]) -> None:
    """The other ports of nodes that come or go: in no network of the group, and isolated all the same.

    A node that goes is free only once they are read back so. What was never reset or adopted stays as it is;
    its node is unverified then.
    """
    for fact in moving:
        kind, *parts = facts.split(fact)
        node = reader.get(record_key("node", parts[0])) if kind == "node" else None
        for nic in views.wired(node) if node is not None else ():
            port = reader.get(port_key(nic["switch"], nic["port"]))
            ours = views.port_fact(nic)
            left = ours in deployed or f"leave {ours}" in steps
            known = port is not None and views.is_known(port) and not debts.of_switch(reader, nic["switch"])
            if known and not left:
                _isolate(reader, ours, None, steps)


def powered(value: Value) -> bool:
    """Whether the node may be on and can be switched off."""
    return any(one is not None and one["power"] for one in value.get("doubt", [value]))


def given(value: Value) -> bool:
    """Whether the node may have been given out since it was last fit for the pool."""
    return any(map(_given, value.get("doubt", [value])))


def _surely_given(value: Value | None) -> bool:
    return value is not None and all(map(_given, value.get("doubt", [value])))


def _given(value: Value | None) -> bool:
    return value is not None and bool(value.get("given", True))


def _node_of(reader: Reader, port: Sequence[str]) -> str | None:
    record = reader.get(port_key(*port))
    return record["node"] if record else None


def _open_ways(changes: Facts, deployed: Facts, steps: dict[str, Step]) -> None:
    for fact, value in changes.items():
        kind, *parts = facts.split(fact)
        if kind == "vlan":
            _add(
                steps,
                2,
                "create",
                fact,
                f"switch {parts[0]}: create VLAN {parts[1]}",
                value,
                deployed.get(fact),
            )
        elif kind == "bridge":
            _add(
                steps,
                2,
                "create",
                fact,
                f"host {parts[0]}: network for VLAN {parts[1]}",
                value,
                deployed.get(fact),
            )
    for fact, value in changes.items():
        kind, *parts = facts.split(fact)
        if kind == "trunk":
            text = f"switch {parts[0]} trunk {parts[2]}: add VLAN {parts[1]}"
            _add(
                steps, 2, "add", fact, text, value, deployed.get(fact), [f"create vlan/{parts[0]}/{parts[1]}"]
            )


def _prepare(reader: Reader, changes: Facts, deployed: Facts, steps: dict[str, Step]) -> None:
    """A node that comes is given out by the site's program, where there is one, when it is isolated."""
    if not hooks.configured(reader, hooks.BEFORE):
        return
    leaves = _leaves(reader, steps)
    for fact, value in changes.items():
        kind, *parts = facts.split(fact)
        if kind == "node" and not _surely_given(deployed.get(fact)):
            text = f"node {parts[0]}: {hooks.BEFORE}, given out"
            _add(steps, 3, "prepare", fact, text, value, deployed.get(fact), leaves.get(parts[0], ()))


def _join(reader: Reader, changes: Facts, deployed: Facts, steps: dict[str, Step]) -> None:
    ways: dict[tuple[str, str], list[str]] = {}
    for step in steps.values():
        kind, *parts = facts.split(step.fact)
        if step.stage == 2 and kind in ("vlan", "trunk"):
            ways.setdefault((parts[0], parts[1]), []).append(step.id)
    for fact, value in changes.items():
        kind, *parts = facts.split(fact)
        if kind == "port":
            needs = [f"leave {fact}", f"prepare node/{_node_of(reader, parts)}"]
            for vlan in carried(value):
                needs += ways.get((parts[0], str(vlan)), [])
            text = f"switch {parts[0]} port {parts[1]}: join {_words(value)}"
            _add(steps, 3, "join", fact, text, value, deployed.get(fact), needs)
        elif kind == "node" and f"prepare {fact}" not in steps:
            _add(steps, 3, "give", fact, f"node {parts[0]}: given out", value, deployed.get(fact))


def _serve(changes: Facts, deployed: Facts, steps: dict[str, Step]) -> None:
    for fact, value in changes.items():
        kind, *parts = facts.split(fact)
        if kind == "export":
            _add(
                steps,
                4,
                "write",
                fact,
                f"machine list of {parts[0]}: {len(value['machines'])} machines",
                value,
                deployed.get(fact),
            )
    leaves = [step.id for step in steps.values() if step.action == "leave" and step.fact.startswith("head/")]
    writes = [step.id for step in steps.values() if step.action == "write"]
    for fact, value in changes.items():
        kind, *parts = facts.split(fact)
        if kind == "list":
            text = f"head node {parts[0]}: gets the machine list of {value['group']}"
            _add(steps, 4, "bring", fact, text, value, deployed.get(fact), [*leaves, *writes])
    for fact, value in changes.items():
        kind, *parts = facts.split(fact)
        if kind == "head":
            bridge = f"create {facts.name('bridge', value['host'], value['vlan'])}"
            made = f"made from image {image}, " if (image := _made_from(value)) else ""
            text = f"head node {parts[0]}: {made}on VLAN {value['vlan']}, running"
            needs = [bridge, f"bring list/{parts[0]}", *leaves, *writes]
            _add(steps, 4, "connect", fact, text, value, deployed.get(fact), needs)


def _let_in(gone: Facts, changes: Facts, deployed: Facts, steps: dict[str, Step]) -> None:
    """The accounts, the group's own and its head node's, come last and go first; nothing waits for them."""
    for fact, value in gone.items():
        kind, *parts = facts.split(fact)
        if kind == "account":
            _add(steps, 1, "remove", fact, f"account {parts[0]}: remove, end its connections", None, value)
    for fact, value in changes.items():
        kind, *parts = facts.split(fact)
        if kind == "account":
            whose = f"the key of head node {value['head']}" if "head" in value else "the group's keys"
            text = f"account {parts[0]}: with {whose}"
            _add(steps, 4, "make", fact, text, value, deployed.get(fact))


def _clear_away(gone: Facts, steps: dict[str, Step]) -> None:
    for fact, value in gone.items():
        kind, *parts = facts.split(fact)
        if kind == "list":
            left = [f"leave head/{parts[0]}"]
            _add(steps, 5, "remove", fact, f"head node {parts[0]}: no machine list", None, value, left)
        elif kind == "bridge":
            text = f"host {parts[0]}: no network for VLAN {parts[1]} any more"
            _add(steps, 5, "remove", fact, text, None, value, _leaving(steps, int(parts[1])))
        elif kind == "trunk":
            text = f"switch {parts[0]} trunk {parts[2]}: remove VLAN {parts[1]}"
            _add(steps, 5, "remove", fact, text, None, value, _leaving(steps, int(parts[1])))
    taken = [step.id for step in steps.values() if step.stage == 5 and step.fact.startswith("list/")]
    for fact, value in gone.items():
        kind, *parts = facts.split(fact)
        if kind == "export":
            text = f"machine list of {parts[0]}: remove"
            _add(steps, 5, "remove", fact, text, None, value, taken)
        elif kind == "vlan":
            trunks = [
                step.id
                for step in steps.values()
                if step.stage == 5 and step.fact.startswith(f"trunk/{parts[0]}/{parts[1]}/")
            ]
            text = f"switch {parts[0]}: delete VLAN {parts[1]}"
            _add(steps, 5, "remove", fact, text, None, value, [*_leaving(steps, int(parts[1])), *trunks])


def _leave_to_others(kept: Facts, steps: dict[str, Step]) -> None:
    """What is not the group's any more and stays where it is, because another group of the VLAN needs it."""
    for fact, value in kept.items():
        kind, place, vlan, *port = facts.split(fact)
        where = f"host {place}" if kind == "bridge" else " trunk ".join([f"switch {place}", *port])
        text = f"{where}: VLAN {vlan} stays, for others"
        _add(steps, 5, "keep", fact, text, None, value, _leaving(steps, int(vlan)))


def _leaving(steps: Mapping[str, Step], vlan: int) -> list[str]:
    """The steps after which nothing of the group is on the VLAN: leaves, and moves of its head node."""
    moves = [step for step in steps.values() if step.hand in ("switch", "host")]
    return [step.id for step in moves if step.action in ("leave", "connect") and vlan in carried(step.old)]


def _made_from(value: Value) -> str | None:
    """The image that a head node is, or may be, made from."""
    known = (one for one in value.get("doubt", [value]) if one)
    return next((one["image"] for one in known if "image" in one), None)


def _words(value: Value) -> str:
    return "whatever it carries" if "doubt" in value else planwords.port(value)
