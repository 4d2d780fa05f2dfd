"""What is ordered for the groups of a description, as calls in the name of its owner. Pure.

`carry_out` edits what is wanted of a group: idempotently, so an order may come again after a crash, and with
the rights and limits that the owner has then. Deploying it is a step of its own, for all that was ordered
together; `became` says what came of an order. A group that a description made has the mark `described`:

    pool, part   the description, and the path of its component
    identity     nm/pools/briefs.Brief.identity of that: this life of it, and no other
    expires      the text that its lease follows, as far as that was carried out

A group of that name with another mark, or none, is somebody else's: it is refused, and never touched.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from nm import facts, groups, jobs, lending, recording, rights, specs
from nm.calls import Call
from nm.errors import Conflict, DeviceFailed, NMError, NotFound
from nm.pools.briefs import Brief
from nm.pools.ends import end_of
from nm.pools.grouping import GROUP, HEADNODE, HOSTS, MAIN, NODE, VLAN
from nm.pools.places import host_of
from nm.pools.tree import spell
from nm.records import Record, changed, name_of, record_key
from nm.scratch import Scratch
from nm.store import Reader, Transaction

SUBJECT = "described:"
CHECKS = ("construct", "prepare")
EDITS = ("deploy", "start", "change")  # let the group be as it is described
AGAIN = "apply the description anew"
FOLLOWED = ("start", "change", "terminate")  # done when the group's worker has done it


def subject(group: str) -> str:
    """The subject of orders for that group."""
    return f"{SUBJECT}{group}"


# ---- whose a group is


def owned(brief: Brief, group: Record | None) -> bool:
    """Whether it is the group that this life of the description's component made."""
    mark = (group or {}).get("described")
    return mark is not None and brief.group is not None and mark["identity"] == brief.group.identity


def concerned(record: Record) -> str | None:
    """The description that has something to do with what became of its group; None when none has.

    Its group has come to where it was to be, or not (a domain may be in the way), or goes.
    """
    mark = record.get("described")
    if mark is None:
        return None
    rests = record["revision"] == record["deployed_revision"]
    return str(mark["pool"]) if rests or record["destroying"] or record["error"] else None


def woken(reader: Reader, job: Record) -> str | None:
    """The group whose orders a job that is over may have to do with, of those that descriptions made."""
    name = job["group"]
    group = reader.get(record_key("group", name)) if name is not None else None
    if name is None or (group is not None and "described" not in group):
        return None
    return str(name) if group is not None or job["kind"] == "destroy" else None


def group_of(reader: Reader, brief: Brief) -> Record | None:
    """The group that the brief has to do with, as far as it is there and the description's own."""
    group = reader.get(record_key("group", brief.group_name))
    return group if owned(brief, group) else None


def vlan_at(reader: Reader, brief: Brief, host: str) -> int:
    """The VLAN of the network on which a domain of that host is to be. DeviceFailed while it is not there.

    It counts only as long as the group's target has that network on that host: then nobody takes it away.
    """
    group = group_of(reader, brief)
    target: specs.Spec = (group or {}).get("target") or specs.EMPTY
    if group is not None and host in specs.hosts_of(target, brief.network):
        vlan = int(target["networks"][brief.network]["vlan"])
        if facts.name("bridge", host, vlan) in group["deployed"]:
            return vlan
    raise DeviceFailed(
        f"the network {brief.network} of group {brief.group_name} is not on host {host}",
        "GetStatus tells how it stands with the group; apply the description anew when it has changed",
    )


# ---- orders


def check(scratch: Scratch, call: Call, brief: Brief) -> None:
    """Whether it could be made, on top of what was tried there before: as the call would be refused."""
    attempt = Scratch(scratch)
    try:
        _let_be(attempt, call, brief)
    except Conflict:
        if not _comes_from_own(scratch, brief):
            raise
    else:
        attempt.apply(scratch)


def _comes_from_own(reader: Reader, brief: Brief) -> bool:
    """Whether it is a node or head node that another group of the same description has, and may let go of."""
    kind = {NODE: "node", HEADNODE: "headnode"}.get(brief.kind)
    thing = reader.get(record_key(kind, str(_named(brief)))) if kind is not None else None
    holder = reader.get(record_key("group", thing["group"])) if thing is not None and thing["group"] else None
    mark = (holder or {}).get("described")
    other = holder is not None and holder["record_key"] != record_key("group", brief.group_name)
    return mark is not None and mark["pool"] == brief.pool and other


def carry_out(tx: Transaction, call: Call, what: str, brief: Brief) -> None:
    """Edit what is wanted, as ordered. NMError when that call is refused."""
    if what in EDITS:
        _let_be(tx, call, brief)
    elif what == "terminate" and (group := group_of(tx, brief)) is not None:
        _let_go(tx, call, brief, group)


def deploy(tx: Transaction, call: Call, name: str) -> None:
    """Deploy what is wanted of the group; nothing when that is deployed, or its worker is at it."""
    group = tx.get(record_key("group", name))
    if group is None or group["destroying"]:
        return
    if group["wanted"] != group["target"] or recording.stuck(tx, group):
        groups.deploy(tx, _allowed(tx, call, "Deploy", name), name)


def became(reader: Reader, what: str, brief: Brief) -> NMError | bool:
    """What came of an order that was carried out: done, not yet, or why it comes to nothing."""
    group = group_of(reader, brief)
    if what not in FOLLOWED or (what == "terminate" and _is_off(group, brief)):
        return True
    name = brief.group_name
    if group is None or (group["destroying"] and what != "terminate"):
        return DeviceFailed(f"group {name} was destroyed", AGAIN, passing=False)
    if what != "terminate" and not recording.unfinished(group) and group["target"] is not None:
        words = f"{spell(brief.path)} was taken out of group {name}"
        return True if _is_in(group, brief) else DeviceFailed(words, AGAIN, passing=False)
    job = reader.get(record_key("job", group["job"])) if group["job"] is not None else None
    if job is not None and job["state"] not in jobs.OVER:
        return False
    words = group["error"] or "its deploy was given up"
    return DeviceFailed(f"group {name}: {words}", "`nmctl status` tells more of it", passing=False)


def _is_off(group: Record | None, brief: Brief) -> bool:
    """Whether nothing of it is the group's any more; what goes with its group goes when that does."""
    if group is None:
        return True
    if brief.kind == GROUP:
        return False
    if brief.ending or _is_main(brief):
        return True
    if brief.kind == NODE:
        return record_key("node", str(_named(brief))) not in specs.claims(group)
    return not recording.unfinished(group) and not _is_in(group, brief)


def _is_in(group: Record, brief: Brief) -> bool:
    """Whether the group's target has it."""
    target = group["target"] or specs.EMPTY
    if brief.kind == NODE:
        return bool(_named(brief) in target["nodes"])
    if brief.kind == HEADNODE:
        return bool(_named(brief) == target["headnode"])
    return bool(brief.kind == GROUP or brief.network in target["networks"])


def _is_main(brief: Brief) -> bool:
    """Whether it is the network that every group has."""
    return brief.kind == VLAN and brief.network == MAIN


# ---- as it is described


def _let_be(tx: Transaction, call: Call, brief: Brief) -> None:
    """The group is there, and has this."""
    name = brief.group_name
    group = tx.get(record_key("group", name))
    if group is None:
        _make(tx, call, brief, name)
    elif not owned(brief, group):
        raise Conflict(f"there is a group {name} that is not this description's", "choose another groupName")
    elif group["destroying"]:
        raise Conflict(f"group {name} is being destroyed", "wait until it is gone")
    SHAPES[brief.kind](tx, call, brief, name)


def _make(tx: Transaction, call: Call, brief: Brief, name: str) -> None:
    made = brief.group or brief
    text, vlan = made.attributes.get("expires"), made.attributes.get("vlan")
    settings = {"keys": list(brief.keys), **({"vlan": vlan} if vlan is not None else {})}
    if text is not None:
        settings["expires"] = end_of(text, call.now)
    mark = {"pool": brief.pool, "part": spell(made.path), "identity": made.identity, "expires": text}
    allowed = _allowed(tx, call, "CreateGroup", name, settings)
    groups.make_group(tx, allowed, name, settings, described=mark)


def _shape_group(tx: Transaction, call: Call, brief: Brief, name: str) -> None:
    _set_vlan(tx, call, brief, name)
    _set_hosts(tx, call, brief, name)
    group, text = groups.need(tx, call, name), brief.attributes.get("expires")
    if text is not None and text != group["described"]["expires"]:
        end = end_of(text, call.now)
        groups.renew_group(tx, _allowed(tx, call, "RenewGroup", name), name, float(end or 0))
        group = groups.need(tx, call, name)
        tx.put(changed(group, call.now, described={**group["described"], "expires": text}))


def _shape_node(tx: Transaction, call: Call, brief: Brief, name: str) -> None:
    wanted, node, image = _wanted(tx, name), str(_named(brief)), brief.attributes.get("image")
    if node not in wanted["nodes"]:
        groups.add_nodes(tx, _allowed(tx, call, "AddNodes", name), name, [node], image)
    elif image != wanted.get("images", {}).get(node):
        groups.set_image(tx, _allowed(tx, call, "SetImage", name), name, image, [node])


def _shape_vlan(tx: Transaction, call: Call, brief: Brief, name: str) -> None:
    if _is_main(brief):
        _set_vlan(tx, call, brief, name)
        return
    networks = _wanted(tx, name)["networks"]
    old = networks.get(brief.network, {})
    new = {"nics": list(brief.worth("nics")), "tagged": brief.worth("tagged") is True}
    vlan = brief.attributes.get("vlan", old.get("vlan"))
    new |= {"vlan": vlan} if vlan is not None else {}
    if new != old:
        allowed = _allowed(tx, call, "SetNetworks", name)
        groups.set_networks(tx, allowed, name, {**networks, brief.network: new})
    _set_hosts(tx, call, brief, name)


def _shape_head(tx: Transaction, call: Call, brief: Brief, name: str) -> None:
    if _wanted(tx, name)["headnode"] != _named(brief):
        groups.set_head_node(tx, _allowed(tx, call, "SetHeadNode", name), name, _named(brief))


SHAPES: Mapping[str, Callable[[Transaction, Call, Brief, str], None]] = {
    GROUP: _shape_group,
    NODE: _shape_node,
    VLAN: _shape_vlan,
    HEADNODE: _shape_head,
}


def _set_vlan(tx: Transaction, call: Call, brief: Brief, name: str) -> None:
    vlan = brief.attributes.get("vlan")
    if vlan is not None and vlan != _wanted(tx, name)["networks"][MAIN]["vlan"]:
        groups.set_vlan(tx, _allowed(tx, call, "SetVlan", name), name, vlan)


def _set_hosts(tx: Transaction, call: Call, brief: Brief, name: str) -> None:
    hosts = sorted({_host(tx, host) for host in brief.attributes.get(HOSTS) or ()})
    if hosts != specs.hosts_of(_wanted(tx, name), brief.network):
        allowed = _allowed(tx, call, "SetNetworks", name)
        groups.set_hosts(tx, allowed, name, brief.network, hosts)


def _host(reader: Reader, host: str) -> str:
    found = host_of(reader, host)
    if found is None:
        raise NotFound(f"no host {host or 'that nmd runs on'} is registered", "RegisterHost it")
    return name_of(found["record_key"])


def _named(brief: Brief) -> Any:
    """The node or head node that it is."""
    return brief.attributes.get("node" if brief.kind == NODE else "headNode")


def _wanted(reader: Reader, name: str) -> specs.Spec:
    group = reader.get(record_key("group", name))
    return group["wanted"] if group is not None else specs.EMPTY


def _allowed(reader: Reader, call: Call, method: str, *arguments: Any) -> Call:
    """The owner's call of that method, as it is allowed now."""
    return rights.authorize(reader, replace(call, method=method), arguments)


# ---- taking it away


def _let_go(tx: Transaction, call: Call, brief: Brief, group: Record) -> None:
    """The group has this no more. What goes with its group is left to that."""
    name, wanted = brief.group_name, group["wanted"]
    if brief.kind == GROUP:
        groups.destroy_group(tx, _allowed(tx, call, "DestroyGroup", name), name, force=True)
    elif brief.ending or group["destroying"]:
        return
    elif brief.kind == NODE and _named(brief) in wanted["nodes"]:
        lending.remove_nodes(tx, _allowed(tx, call, "RemoveNodes", name), name, [str(_named(brief))])
    elif brief.kind == HEADNODE and wanted["headnode"] == _named(brief):
        groups.set_head_node(tx, _allowed(tx, call, "SetHeadNode", name), name, None)
    elif brief.kind == VLAN and not _is_main(brief) and brief.network in wanted["networks"]:
        left = {key: entry for key, entry in wanted["networks"].items() if key != brief.network}
        groups.set_hosts(tx, _allowed(tx, call, "SetNetworks", name), name, brief.network, [])
        groups.set_networks(tx, _allowed(tx, call, "SetNetworks", name), name, left)
