"""Operations on groups: staged edits, Deploy, and what happens at once. Pure.

Each function is one API method (or one act of the daemon's own) inside one transaction: it checks who
calls, then the values, then writes. A group has three states: `wanted` is what calls edit, `target`
what was deployed and workers act on, `deployed` the facts that hands made true.
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from nm import facts, groupvalues, jobs, people, plan, planwords, promises, specs, views
from nm.calls import Call, is_shut
from nm.errors import Conflict, Invalid, NotFound
from nm.facts import Value
from nm.keys import parse_keys
from nm.processor import ACTIONS
from nm.records import Record, changed, check_name, name_of, new, port_key, record_key
from nm.scratch import Scratch
from nm.store import Event, Reader, Transaction

SETTINGS = (
    "alias", "delegations", "expires", "headnode", "image", "images", "keys", "networks", "nodes", "owner",
    "vlan",
)  # fmt: skip


# ---- making and editing


def create_group(tx: Transaction, call: Call, name: str, settings: Mapping[str, Any]) -> int:
    """A new group, staged: nothing is connected before Deploy."""
    return make_group(tx, call, name, settings)


def make_group(
    tx: Transaction,
    call: Call,
    name: str,
    settings: Mapping[str, Any],
    as_it_is: bool = False,
    of_slice: bool = False,
    described: Mapping[str, Any] | None = None,
) -> int:
    """The same; `as_it_is` (an import's): of things that may be unverified, dirty or out of service.

    `of_slice`: it belongs to the slice of that name (nm/slicegroups.py), whose account is that of its sliver;
    `described`: the mark of the description's component that it is (nm/poolgroups.py).
    """
    check_name(name, "group")
    if unknown := set(settings) - set(SETTINGS):
        raise Invalid(f"unknown setting {min(unknown)!r}", f"a group has {', '.join(SETTINGS)}")
    if (there := find(tx, name)) is not None:
        hint = "wait until it is gone" if there["destroying"] else "choose another name, or destroy it first"
        raise Conflict(
            f"group {name} {'is being destroyed' if there['destroying'] else 'exists already'}", hint
        )
    plain: specs.Spec = {
        "networks": groupvalues.networks(tx, call, settings, None),
        "nodes": groupvalues.nodes(settings.get("nodes", [])),
        "headnode": groupvalues.headnode(settings.get("headnode")),
    }
    born = {"target": None, "wanted": specs.EMPTY, "created": call.now, "revision": 0}
    spec = specs.dated(born, specs.with_images(plain, *specs.parse_images(tx, settings)))
    owner, keys = groupvalues.owner(tx, call, settings.get("owner")), parse_keys(settings.get("keys", []))
    group = new(
        "group",
        name,
        call.now,
        groupvalues.expires(tx, call, settings.get("expires"), owner),
        owner=owner,
        reserved=not call.caller.admin,
        alias=groupvalues.alias(tx, settings.get("alias"), name, call.now),
        delegations=people.parse_delegations(tx, call, settings.get("delegations", [])),
        keys=keys,
        wanted=spec,
        target=None,
        revision=0,
        deployed={},
        deployed_revision=0,
        destroying=False,
        job=None,
        error=None,
        created=call.now,
        checks={},
        account=None if of_slice else _account(tx, call, name, keys),
        **({"slice": name} if of_slice else {"described": described} if described else {}),
        _audit=None,
    )
    people.check_limits(tx, call, None, group)
    people.own(tx, owner, name, call.now)
    specs.save(tx, None, group, call.now, as_it_is)
    people.enroll_head(tx, call, name, group["wanted"]["headnode"])
    tell(tx, call, name, "created", "VLAN " + ", ".join(map(str, sorted(specs.vlans(spec)))))
    return 1


def add_nodes(tx: Transaction, call: Call, group: str, nodes: list[str], image: str | None = None) -> int:
    """Stage nodes into the group: all of them or none. `image`: what just these boot."""
    old = editable(tx, call, group)
    added = groupvalues.nodes(nodes)
    for node in added:
        if node in old["wanted"]["nodes"]:
            raise Conflict(f"node {node} is in group {group} already", "name only nodes that are to be added")
    wanted = specs.with_nodes(old["wanted"], [*old["wanted"]["nodes"], *added])
    if (chosen := specs.check_image(tx, image)) is not None:
        wanted = specs.with_image(wanted, chosen, added)
    _edit(tx, call, old, "nodes added", ", ".join(added), wanted)
    return 1


def remove_nodes(tx: Transaction, call: Call, group: str, nodes: list[str]) -> int:
    """Stage nodes out of the group; what was deployed stays the group's until it is isolated."""
    old = editable(tx, call, group)
    removed = groupvalues.nodes(nodes)
    for node in removed:
        if node not in old["wanted"]["nodes"]:
            raise NotFound(f"no node {node} in group {group}", "GetStatus lists the group's nodes")
    left = [node for node in old["wanted"]["nodes"] if node not in removed]
    _edit(tx, call, old, "nodes removed", ", ".join(removed), specs.with_nodes(old["wanted"], left))
    return 1


def set_vlan(tx: Transaction, call: Call, group: str, vlan: int) -> int:
    """Stage another VLAN for the group's main network."""
    old = editable(tx, call, group)
    specs.check_vlan(vlan)
    given = {**old["wanted"]["networks"], "main": {**old["wanted"]["networks"]["main"], "vlan": vlan}}
    networks = specs.parse_networks(given, lambda: vlan)
    _edit(tx, call, old, "VLAN set", str(vlan), {**old["wanted"], "networks": networks})
    return 1


def set_networks(tx: Transaction, call: Call, group: str, networks: Mapping[str, Any]) -> int:
    """Stage the group's networks; one that keeps its name and names no VLAN keeps its VLAN."""
    old = editable(tx, call, group)
    if "main" not in networks:
        raise Invalid("networks have no main", 'name one of them "main": it is the one that vlan means')
    wanted = groupvalues.networks(tx, call, {"networks": networks}, old["wanted"]["networks"])
    _edit(tx, call, old, "networks set", ", ".join(wanted), {**old["wanted"], "networks": wanted})
    return 1


def set_head_node(tx: Transaction, call: Call, group: str, name: str | None) -> int:
    """Stage another head node, or none."""
    old = editable(tx, call, group)
    _edit(
        tx,
        call,
        old,
        "head node set",
        name or "none",
        {**old["wanted"], "headnode": groupvalues.headnode(name)},
    )
    return 1


def set_hosts(tx: Transaction, call: Call, group: str, network: str, hosts: list[str]) -> int:
    """Stage on which hosts that network is, for domains of the description that made the group."""
    old = editable(tx, call, group)
    wanted = specs.with_hosts(old["wanted"], network, hosts)
    _edit(tx, call, old, "hosts set", f"{network}: {', '.join(sorted(hosts)) or 'none'}", wanted)
    return 1


def set_image(
    tx: Transaction, call: Call, group: str, image: str | None, nodes: list[str] | None = None
) -> int:
    """Stage what the group's nodes boot, or just these of them; nil: what they would without it."""
    old = editable(tx, call, group)
    chosen, named = specs.check_image(tx, image), groupvalues.nodes(nodes or [])
    if stranger := next((node for node in named if node not in old["wanted"]["nodes"]), None):
        raise NotFound(f"no node {stranger} in group {group}", "GetStatus lists the group's nodes")
    detail = " ".join([chosen or "none", *(["for", ", ".join(named)] if named else [])])
    _edit(tx, call, old, "image set", detail, specs.with_image(old["wanted"], chosen, named))
    return 1


def _edit(tx: Transaction, call: Call, old: Record, what: str, detail: str, wanted: specs.Spec) -> None:
    group = changed(old, call.now, wanted=specs.dated(old, wanted))
    people.check_limits(tx, call, old, group)
    specs.save(tx, old, group, call.now)
    people.enroll_head(tx, call, name_of(old["record_key"]), wanted["headnode"])
    tell(tx, call, name_of(old["record_key"]), what, detail)


# ---- deploying


def plan_deploy(reader: Reader, call: Call, group: str) -> dict[str, Any]:
    """What Deploy would do now."""
    record = need(reader, call, group)
    name = name_of(record["record_key"])
    steps = planned(reader, record)
    return {
        "hash": plan.fingerprint(steps),
        "steps": [step.public() for step in steps],
        "changes": changes(_deployed_to(reader, record), record, plan.expand(reader, name, record["wanted"])),
    }


def changes(reader: Reader, group: Record, target: plan.Facts) -> list[dict[str, Any]]:
    """What of the group becomes what, in words; where an audit saw something else than nm made, from that."""
    drift = {fact: seen for fact, seen in drifted(group).items() if seen != target.get(fact)}
    known = {**attempted(reader, group), **drift}
    there = {fact: value for fact, value in known.items() if value is not None}
    mine = plan.own(reader, name_of(group["record_key"]), target, there)
    return planwords.changes(target, mine, drift)


def drifted(group: Record) -> dict[str, Value | None]:
    """What the last audit saw of deployed facts that differ, None for nothing at all.

    What could not be read is not known to differ.
    """
    differences = group["_audit"]["differences"] if group["_audit"] else ()
    found = {facts.of(one): None if one["seen"] == facts.ABSENT else one["seen"] for one in differences}
    return {
        fact: seen for fact, seen in found.items() if fact in group["deployed"] and not isinstance(seen, str)
    }


def planned(reader: Reader, group: Record) -> list[plan.Step]:
    """The steps from what is deployed (or was attempted) to what is wanted."""
    name = name_of(group["record_key"])
    wanted = plan.expand(reader, name, group["wanted"])
    if unverified := plan.unverified_trunks(reader, wanted):
        raise Conflict(
            f"the trunk at switch {unverified[0]} is unverified",
            "ResetPorts or AdoptPorts on that switch first",
        )
    return plan.plan(_deployed_to(reader, group), name, wanted, _starting(reader, group))


def _deployed_to(reader: Reader, group: Record) -> Reader:
    """The records as they will be when what is wanted is the target: what others need depends on that."""
    after = Scratch(reader)
    after.put({**group, "target": group["wanted"]})
    return after


def _starting(reader: Reader, group: Record) -> plan.Facts:
    """What a Deploy begins with.

    The head node runs at its end, whoever stopped it: its host's part is done again, and so is all that an
    audit found to differ. A node of an imported group may be unverified: its ports carry who knows what, so
    they are isolated before they join.
    """
    drift = drifted(group)
    known = {
        fact: plan.doubt(value) if fact in drift or fact.startswith(("head/", "bridge/", "list/")) else value
        for fact, value in attempted(reader, group).items()
    }
    return {**dict.fromkeys(_unverified(reader, group), plan.doubt(None)), **known}


def _unverified(reader: Reader, group: Record) -> list[str]:
    """The ports, as facts, of the group's nodes for which neither reset nor adopt was chosen."""
    return [
        views.port_fact(nic)
        for name in group["wanted"]["nodes"]
        if (node := reader.get(record_key("node", name))) is not None
        for nic in views.wired(node)
        if (port := reader.get(port_key(nic["switch"], nic["port"]))) is None or not port["_verified"]
    ]


def attempted(reader: Reader, group: Record) -> plan.Facts:
    """What is deployed, with doubts where the current target may be half made."""
    if group["deployed_revision"] == group["revision"]:
        return dict(group["deployed"])
    name = name_of(group["record_key"])
    return plan.doubted(group["deployed"], plan.expand(reader, name, group["target"]))


def standing(group: Record) -> specs.Spec | None:
    """The group's target; of one that was never deployed what it has adopted, None when that is nothing."""
    target: specs.Spec | None = group["target"]
    if target is not None or not group["deployed"]:
        return target
    adopted = [node for node in group["wanted"]["nodes"] if f"node/{node}" in group["deployed"]]
    return {**group["wanted"], "nodes": adopted, "headnode": None}


def deploy(tx: Transaction, call: Call, group: str, options: Mapping[str, Any] | None = None) -> int:
    """Make what is wanted the target; the worker does the rest. A newer Deploy supersedes an older."""
    old = editable(tx, call, group)
    unknown = set(options or {}) - {"if_plan"}
    if unknown:
        raise Invalid(f"unknown option {min(unknown)!r}", "Deploy knows if_plan")
    if is_shut(old):
        raise Conflict(f"the slice of group {group} was shut down", "GeniReopen wires its nodes again")
    steps = planned(tx, old)
    if not call.caller.admin and (unverified := _unverified(tx, old)):
        raise Conflict(
            f"{min(unverified)} is unverified",
            "an administrator resets or adopts it, or deploys this group, which isolates it first",
        )
    if options and options.get("if_plan") != plan.fingerprint(steps):
        raise Conflict("the plan is another one by now", "look at PlanDeploy again")
    return retarget(tx, call, old, old["wanted"], "deploy", deployed=_starting(tx, old))


def retarget(
    tx: Transaction,
    call: Call,
    old: Record,
    target: specs.Spec,
    kind: str,
    parent: int | None = None,
    **fields: Any,
) -> int:
    """A new target, a new revision and a job; whatever the old target may have begun is put in doubt.

    `parent`: a job that is over only when this one is.
    """
    name = name_of(old["record_key"])
    if old["job"] is not None:
        jobs.advance(tx, old["job"], call.now, state="superseded", step="a newer command took over")
    of = {} if parent is None else {"parent": parent}
    job = jobs.submit(tx, call, f"group:{name}", kind, group=name, **of)
    if "deployed" not in fields:
        fields["deployed"] = attempted(tx, old)
    group = changed(old, call.now, target=target, revision=old["revision"] + 1, job=job, error=None, **fields)
    specs.save(tx, old, group, call.now)
    tell(tx, call, name, f"{kind} called", f"job {job}, revision {group['revision']}")
    return job


def destroy_group(tx: Transaction, call: Call, name: str, force: bool = False) -> int:
    """Take everything back; the group is gone when all its nodes are isolated again.

    `force`: also of a description, whose component it is ends then.
    """
    old = need(tx, call, name)
    pool = description(tx, old)
    if pool is not None and not force:
        raise Conflict(
            f"group {name} is a component of description {pool}",
            f"take it out of the description, or TerminateDescription {pool}; force destroys it all the same",
        )
    return _destroy(tx, call, old)


def description(reader: Reader, group: Record) -> str | None:
    """The description that is there and made the group; None when none did."""
    mark = group.get("described")
    if mark is None or reader.get(record_key("pool", mark["pool"])) is None:
        return None
    return str(mark["pool"])


def _destroy(tx: Transaction, call: Call, old: Record) -> int:
    if old["destroying"] and _under_way(tx, old["job"]):
        return int(old["job"])
    # Nodes that were never deployed leave by the worker too: a group may hold more than one
    # transaction can free.
    staged = {
        f"node/{node}": {"power": False, "given": False}
        for node in old["wanted"]["nodes"]
        if f"node/{node}" not in old["deployed"]
    }
    deployed = {**staged, **attempted(tx, old)}
    return retarget(
        tx, call, old, specs.EMPTY, "destroy", wanted=specs.EMPTY, destroying=True, deployed=deployed
    )


def _under_way(reader: Reader, number: int | None) -> bool:
    job = reader.get(record_key("job", number)) if number is not None else None
    return job is not None and job["state"] not in jobs.OVER


def expire_group(tx: Transaction, call: Call, name: str) -> int | None:
    """Destroy a group whose lease is over. None when it has been renewed or is going already."""
    old = tx.get(record_key("group", name))
    if old is None or old["destroying"] or old["expiry"] is None or old["expiry"] > call.now:
        return None
    tell(tx, call, name, "expired", f"its lease ended at {old['expiry']}")
    return _destroy(tx, call, old)


# ---- at once


def set_delegations(tx: Transaction, call: Call, group: str, delegations: list[Any]) -> int:
    """Who may act for the group: names (all methods) or structs {name, method}."""
    old = need(tx, call, group)
    tx.put(changed(old, call.now, delegations=people.parse_delegations(tx, call, delegations)))
    tell(tx, call, name_of(old["record_key"]), "delegations set", f"{len(delegations)} of them")
    return 1


def set_keys(tx: Transaction, call: Call, group: str, keys: list[str]) -> int:
    """The public SSH keys of the group's people."""
    old = need(tx, call, group)
    given = parse_keys(keys)
    tx.put(changed(old, call.now, keys=given))
    if (account := people.account_of(tx, name_of(old["record_key"]))) is not None:
        tx.put(changed(account, call.now, keys=given))
        jobs.submit(tx, call, f"account:{account['account']}", "keys", group=name_of(old["record_key"]))
    tell(tx, call, name_of(old["record_key"]), "keys set", f"{len(keys)} of them")
    return 1


def renew_group(tx: Transaction, call: Call, group: str, expires: float) -> int:
    """A new end of the lease; for all but administrators bounded by the site's longest lease."""
    old = need(tx, call, group)
    if old["destroying"]:
        raise Conflict(f"group {group} is being destroyed", "create another one")
    tx.put(
        changed(
            old,
            call.now,
            expiry=groupvalues.expires(tx, call, expires, old["owner"], old.get("reserved", False)),
        )
    )
    until = datetime.fromtimestamp(int(expires), UTC)
    tell(tx, call, name_of(old["record_key"]), "renewed", f"until {until:%Y-%m-%d %H:%M} UTC")
    return 1


# ---- looking


def get_groups(reader: Reader, call: Call, wanted: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The groups that the caller may see."""
    found = views.find(reader, "group", dict(wanted), lambda group: view(reader, group))
    return [struct for struct in found if views.sees_group(reader, call, struct["name"])]


def view(reader: Reader, group: Record) -> dict[str, Any]:
    """A group's struct as api.md has it."""
    spec, account = group["wanted"], group["account"]
    main = spec["networks"].get("main")
    return {
        "name": name_of(group["record_key"]),
        "alias": group["alias"],
        "vlan": main["vlan"] if main else None,
        "networks": spec["networks"],
        "headnode": spec["headnode"],
        "nodes": spec["nodes"],
        "image": spec.get("image"),
        "images": spec.get("images", {}),
        "owner": group["owner"],
        "account": account["name"] if account is not None else None,
        "slice": group.get("slice"),
        "description": description(reader, group),
        "expires": group["expiry"],
        "delegations": group["delegations"],
        "state": state(reader, group),
        "pending": pending(group),
        "revision": group["revision"],
        "job": group["job"],
        "error": group["error"],
        "lent": promises.told(reader, group.get("lent", ()), "borrower"),
        "borrowed": promises.told(reader, group.get("borrowed", ()), "lender"),
        "drift": len(group["_audit"]["differences"]) if group["_audit"] else 0,
    }


def pending(group: Record) -> bool:
    """Wanted is not target, or target is not deployed."""
    return bool(group["wanted"] != group["target"] or group["revision"] != group["deployed_revision"])


def state(reader: Reader, group: Record) -> str:
    """staged, deploying, deployed, failed or destroying."""
    if group["destroying"]:
        return "destroying"
    if group["target"] is None:
        return "staged"
    if group["revision"] == group["deployed_revision"]:
        return "deployed"
    return "deploying" if _under_way(reader, group["job"]) else "failed"


def find(reader: Reader, name: str) -> Record | None:
    """The group of that name or alias."""
    group = reader.get(record_key("group", name))
    if group is None and (claim := reader.get(record_key("claim", f"alias:{name}"))) is not None:
        group = reader.get(claim["owner"])
    return group


def need(reader: Reader, call: Call, name: str) -> Record:
    """The group of that name or alias; who may not know of it was told the same before."""
    group = find(reader, name)
    if group is None:
        raise call.no_group(name)
    return group


# ---- power


def power_node(tx: Transaction, call: Call, node: str, action: str) -> int:
    """Switch a node on or off, ask its state, or choose what it boots from next.

    A node that leaves is nobody's any more; the site's program that wipes it acts as an administrator.
    """
    record = tx.get(record_key("node", node))
    if record is None:
        raise NotFound(f"no node {node}", "GetNodes lists the pool's nodes")
    if action not in ACTIONS:
        raise Invalid(f"{action!r} is no power action", f"use one of {', '.join(ACTIONS)}")
    leaving = views.is_leaving(tx, record)
    if leaving and not (call.caller.admin and views.is_isolated(tx, record)):
        raise Conflict(
            f"node {node} is leaving its group",
            "wait until it is free; an administrator may switch it as soon as it is isolated",
        )
    if record["management"] is None:
        raise Conflict(f"node {node} has no management to switch its power", "give it one with UpdateNode")
    asked = {"action": action, **({"leaving": True} if leaving else {})}
    return jobs.submit(tx, call, f"node:{node}", "power", group=record["group"], **asked)


# ---- checks of values


def editable(tx: Reader, call: Call, name: str) -> Record:
    """The same, for a change of what it has; Conflict when it is being destroyed."""
    group = need(tx, call, name)
    if group["destroying"]:
        raise Conflict(f"group {name} is being destroyed", "create another one")
    return group


def _account(tx: Transaction, call: Call, group: str, keys: list[str]) -> dict[str, Any] | None:
    """The group's own Unix account, made when it is deployed; None where nm makes no accounts."""
    if call.site.uids is None:
        return None
    return people.person(people.enroll(tx, call, people.GROUP, group, keys=keys))


def tell(tx: Transaction, call: Call, group: str, what: str, detail: str) -> None:
    """Let the event log say that the caller did this to the group."""
    tx.tell(Event(call.caller.name, f"group {group}", what, detail, group))
