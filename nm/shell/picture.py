"""The picture of the rack: what the map and the page draw, made of the API's answers. Pure.

A picture is lists of structs by kind (KINDS), each struct with an `id` that is its own within its kind, so
that two pictures can be compared (`difference`). Whoever may not see a thing whole gets structs with less in
them; they are drawn all the same.
"""

import itertools
import re
import zlib
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from nm.shell import columns

Struct = dict[str, Any]
Structs = Sequence[Mapping[str, Any]]
Picture = dict[str, list[Struct]]

KINDS = (
    "rack",
    "switches",
    "ports",
    "trunks",
    "hosts",
    "headnodes",
    "nodes",
    "vlans",
    "groups",
    "pools",
    "jobs",
    "events",
)

OF_POOL = (
    "name",
    "owner",
    "state",
    "revision",
    "error",
    "job",
    "components",
    "domains",
    "consoles",
    "may_set",
)

# Fill and ink of a group's colour: Okabe and Ito's, which every kind of eye can tell apart, and one more.
COLOURS = (
    ("#0072b2", "#ffffff"),
    ("#e69f00", "#000000"),
    ("#009e73", "#000000"),
    ("#cc79a7", "#000000"),
    ("#f0e442", "#000000"),
    ("#56b4e9", "#000000"),
    ("#d55e00", "#000000"),
    ("#882255", "#ffffff"),
)
PATTERNS = 4  # plain, and three kinds of stripes and dots, when there are more groups than colours
MOVING = ("joining", "leaving")
TROUBLED = ("failed", "dirty")
_PIECES = re.compile(r"(\d+)")
SHORT = 4  # characters of a port's name that fit over it
_NUMBER = re.compile(r"\d+$")
_LONG_WORD = re.compile(r"[A-Za-z][A-Za-z-]{4,}")


@dataclass(frozen=True)
class Mark:
    """How a group is told from the others: by one or two letters, a colour, a pattern."""

    label: str
    colour: int
    pattern: int = 0


@dataclass(frozen=True)
class Answers:
    """What the daemon answered. `sees`: to a reader, who sees all. `drift`: by group, "" for no group's."""

    who: str = ""
    daemon: str = ""
    sees: bool = True
    switches: Structs = ()
    ports: Structs = ()
    trunks: Structs = ()
    hosts: Structs = ()
    nodes: Structs = ()
    headnodes: Structs = ()
    vlans: Structs = ()
    groups: Structs = ()
    pools: Structs = ()  # described ones
    jobs: Structs = ()
    events: Structs = ()
    drift: Mapping[str, Structs] = field(default_factory=dict)
    audited: int = 0  # when everything was last looked at


def natural(text: str) -> list[tuple[int, str, int]]:
    """A key that sorts p2 before p10."""
    return [(0, "", int(part)) if part.isdecimal() else (1, part, 0) for part in _PIECES.split(text) if part]


# ---- marks


def marks(names: Iterable[str], before: Mapping[str, Mark] | None = None) -> dict[str, Mark]:
    """A mark for each name, no two alike as long as marks last; those of `before` keep theirs."""
    known = before or {}
    wanted = sorted(names, key=natural)
    found = {name: known[name] for name in wanted if name in known}
    labels = {mark.label for mark in found.values()}
    slots = {mark.colour + len(COLOURS) * mark.pattern for mark in found.values()}
    for name in wanted:
        if name not in found:
            label = next((label for label in _labels(name) if label not in labels), name[:2])
            slot = _slot(name, slots)
            labels.add(label)
            slots.add(slot)
            found[name] = Mark(label, slot % len(COLOURS), slot // len(COLOURS))
    return found


def _labels(name: str) -> Iterator[str]:
    """Labels for a group of that name, the best first."""
    first = name[:1].upper()
    rest = [letter for letter in name[1:] if letter.isalnum()]
    number = _NUMBER.search(name)
    yield first
    if number:
        yield first + number[0].lstrip("0") if len(number[0].lstrip("0")) < 2 else number[0][-2:]
    yield from (first + letter.lower() for letter in rest)
    every = "0123456789abcdefghijklmnopqrstuvwxyz"
    yield from (first + letter for letter in every)
    yield from (letter.upper() + other for letter in every[10:] for other in every)


def _slot(name: str, taken: set[int]) -> int:
    """A colour by the name, or the next that is free; then the same with a pattern."""
    preferred = zlib.crc32(name.encode())
    every = [
        (preferred + step) % len(COLOURS) + len(COLOURS) * pattern
        for pattern in range(PATTERNS)
        for step in range(len(COLOURS))
    ]
    return next((slot for slot in every if slot not in taken), every[len(taken) % len(every)])


# ---- the picture


def build(answers: Answers, before: Mapping[str, Mark] | None = None) -> tuple[Picture, dict[str, Mark]]:
    """The picture, and the groups' marks, which the next picture is given."""
    found = marks((group["name"] for group in answers.groups), before)
    wired = _wired(answers)
    drift = _drift(answers.drift)
    ways = _ways(answers.trunks)
    picture = {
        "rack": [_rack(answers)],
        "switches": [_switch(switch, drift) for switch in _sorted(answers.switches)],
        "ports": _ports(answers, wired, drift),
        "trunks": [_trunk(trunk) for trunk in _sorted(answers.trunks)],
        "hosts": [_host(host, ways, drift) for host in _sorted(answers.hosts)],
        "headnodes": [_head(head, ways, drift) for head in _sorted(answers.headnodes)],
        "nodes": [_node(node) for node in _sorted(answers.nodes)],
        "vlans": [_vlan(vlan) for vlan in sorted(answers.vlans, key=lambda vlan: int(vlan["id"]))],
        "groups": [_group(group, found, answers.drift) for group in _sorted(answers.groups)],
        "pools": [{"id": pool["name"], **{key: pool[key] for key in OF_POOL}} for pool in answers.pools],
        "jobs": [_job(job) for job in answers.jobs],
        "events": [dict(event) for event in answers.events],
    }
    return picture, found


def _rack(answers: Answers) -> Struct:
    """What belongs to nothing else. A switch that is silent says so itself."""
    homeless = [one for one in answers.drift.get("", ()) if not _place(one) and one["hand"] != "switch"]
    return {
        "id": "rack",
        "daemon": answers.daemon,
        "who": answers.who,
        "sees": answers.sees,
        "audited": answers.audited or None,
        "drift": [_told(difference) for difference in homeless],
        "trouble": "",  # why the picture is old (`aged`)
        "as_of": None,
    }


def aged(found: Picture, trouble: str, as_of: float) -> Picture:
    """The picture with a note of why it is not kept up to date, and when it was last true."""
    return {**found, "rack": [{**found["rack"][0], "trouble": trouble, "as_of": as_of}]}


def _sorted(structs: Structs) -> list[Mapping[str, Any]]:
    return sorted(structs, key=lambda struct: natural(struct["name"]))


def port_id(switch: str, port: str) -> str:
    """The `id` of a port's struct."""
    return f"{switch}:{port}"


def _wired(answers: Answers) -> dict[str, tuple[str, str]]:
    """For each port the node and NIC behind it, as far as the caller may see nodes."""
    return {
        port_id(nic["switch"], nic["port"]): (node["name"], nic["name"])
        for node in answers.nodes
        for nic in node.get("nics", ())
        if nic.get("switch")
    }


def _ways(trunks: Structs) -> dict[str, list[str]]:
    """For each host the ports that its trunks lead to."""
    found: dict[str, list[str]] = {}
    for trunk in trunks:
        ends = trunk.get("ends", ())
        ports = [port_id(end["switch"], end["port"]) for end in ends if "switch" in end]
        for end in ends:
            if "host" in end:
                found.setdefault(end["host"], []).extend(ports)
    return found


def _drift(known: Mapping[str, Structs]) -> dict[str, str]:
    """What audits found, by kind and id of what it hangs on: ports:sw0:p1, switches:sw0 ..."""
    return {_place(difference): _told(difference) for found in known.values() for difference in found}


def _told(difference: Mapping[str, Any]) -> str:
    wanted, seen = columns.fact(difference["wanted"]), columns.fact(difference["seen"])
    return f"{difference['hand']} {difference['target']}: wanted {wanted}, seen {seen}"


def _place(difference: Mapping[str, Any]) -> str:
    parts = str(difference["target"]).split("/", 2)
    match difference["hand"], parts:
        case "port", [switch, *port]:
            return f"ports:{port_id(switch, '/'.join(port))}"
        case "trunk", [switch, _, port]:
            return f"ports:{port_id(switch, port)}"
        case "vlan", [switch, *_]:
            return f"switches:{switch}"
        case "bridge", [host, *_]:
            return f"hosts:{host}"
        case "head" | "list", [head]:
            return f"headnodes:{head}"
    return ""


def _switch(switch: Mapping[str, Any], drift: Mapping[str, str]) -> Struct:
    name = switch["name"]
    state = "out" if not switch["available"] else "trouble" if switch.get("error") else "ok"
    return {
        "id": name,
        "name": name,
        "state": state,
        "note": str(switch.get("error") or switch.get("reason") or ""),
        "model": switch.get("model") or switch.get("driver") or "",
        "read_at": switch.get("read_at"),
        "drift": drift.get(f"switches:{name}", ""),
    }


def _ports(answers: Answers, wired: Mapping[str, tuple[str, str]], drift: Mapping[str, str]) -> list[Struct]:
    nodes = {node["name"]: node for node in answers.nodes}
    groups = {group["name"]: group for group in answers.groups}
    ordered = sorted(answers.ports, key=lambda port: (natural(port["switch"]), natural(port["port"])))
    found = []
    for port, (module, label) in _labelled(ordered):
        name, nic = wired.get(port_id(port["switch"], port["port"]), (port.get("node"), port.get("nic")))
        node = nodes.get(name, {}) if name else {}
        group = groups.get(node.get("group", ""), {})
        place = {"module": module, "label": label}
        found.append(place | _port(port, name and (name, nic), node, group, drift))
    return found


def _labelled(ports: Structs) -> Iterator[tuple[Mapping[str, Any], tuple[str, str]]]:
    """The ports with their modules and labels, those of a module beside each other."""
    for _, those in itertools.groupby(ports, key=lambda port: port["switch"]):
        on_switch = list(those)
        found = labels([port["port"] for port in on_switch])
        modules = list(dict.fromkeys(module for module, _ in found.values()))
        for port in sorted(on_switch, key=lambda port: modules.index(found[port["port"]][0])):
            yield port, found[port["port"]]


def labels(names: Sequence[str]) -> dict[str, tuple[str, str]]:
    """For each port of a switch its module, such as `Gi1/0/`, and its label there. No two are alike.

    The module is "" where the label alone tells the port: on a switch of one module, and of single ports.
    """
    if all(len(name) <= SHORT for name in names):
        return {name: ("", name) for name in names}
    stems = Counter(_NUMBER.sub("", name) for name in names)
    found = {name: _label(name, stems) for name in names}
    if len(set(found.values())) < len(found):
        return {name: ("", name) for name in names}
    return found


def _label(name: str, stems: Mapping[str, int]) -> tuple[str, str]:
    stem = _NUMBER.sub("", name)
    if stems[stem] == 1 or stem == name:
        return "", _abbreviated(name)
    return _abbreviated(stem) if len(stems) > 1 else "", name[len(stem) :]


def _abbreviated(name: str) -> str:
    """Long words by their first two letters, as switches' own commands take them."""
    return _LONG_WORD.sub(lambda word: word[0][:2], name)


def _port(
    port: Mapping[str, Any],
    behind: Any,
    node: Mapping[str, Any],
    group: Mapping[str, Any],
    drift: Mapping[str, str],
) -> Struct:
    seen = port.get("seen") or {}
    name = port_id(port["switch"], port["port"])
    state = _port_state(port, behind, node, seen)
    strays = state == "joined" and _strays(seen, group)
    return {
        "id": name,
        "switch": port["switch"],
        "name": port["port"],
        "state": state,
        "group": node.get("group"),
        "node": behind[0] if behind else None,
        "nic": behind[1] if behind else None,
        "trunk": port.get("trunk"),
        "vlan": seen.get("untagged"),
        "tagged": seen.get("tagged", []),
        "carries": columns.carries(port["seen"]) if "seen" in port else "",
        "drift": drift.get(f"ports:{name}") or (f"carries {columns.carries(seen)}" if strays else ""),
    }


def _port_state(
    port: Mapping[str, Any], behind: Any, node: Mapping[str, Any], seen: Mapping[str, Any]
) -> str:
    """A node's state, `parked` when it is in a group without this port; or trunk, unused, taken, out."""
    if not port["available"]:
        return "out"
    if port.get("trunk"):
        return "trunk"
    if not behind:
        return "unused" if port["free"] else "taken"
    state = str(node.get("state", "taken"))
    if state == "joined" and not (seen.get("untagged") or seen.get("tagged") or seen.get("open")):
        return "parked"
    return "taken" if state == "promised" else state


def _strays(seen: Mapping[str, Any], group: Mapping[str, Any]) -> bool:
    """Whether a port carries what none of its group's networks is, and nobody is about to change that."""
    if not group or group.get("pending"):
        return False
    mine = set(_vlans_of(group))
    carried = {*seen.get("tagged", ()), *([seen["untagged"]] if seen.get("untagged") is not None else [])}
    return bool(seen.get("open")) or not carried <= mine


def _vlans_of(group: Mapping[str, Any]) -> list[int]:
    return [network["vlan"] for network in (group.get("networks") or {}).values() if network.get("vlan")]


def _trunk(trunk: Mapping[str, Any]) -> Struct:
    ends = trunk.get("ends", ())
    ports = [port_id(end["switch"], end["port"]) for end in ends if "switch" in end]
    return {"id": trunk["name"], "name": trunk["name"], "ports": ports,
            "host": next((end["host"] for end in ends if "host" in end), None)}  # fmt: skip


def _host(host: Mapping[str, Any], ways: Mapping[str, list[str]], drift: Mapping[str, str]) -> Struct:
    name = host["name"]
    return {
        "id": name,
        "name": name,
        "state": "ok" if host["available"] else "out",
        "note": str(host.get("error") or host.get("reason") or ""),
        "ports": ways.get(name, []),
        "drift": drift.get(f"hosts:{name}", ""),
    }


def _head(head: Mapping[str, Any], ways: Mapping[str, list[str]], drift: Mapping[str, str]) -> Struct:
    name = head["name"]
    return {
        "id": name,
        "name": name,
        "state": _machine_state(head),
        "group": head.get("group"),
        "host": head.get("host"),
        "running": head.get("running"),
        "note": str(head.get("reason") or ""),
        "ports": ways.get(head.get("host", ""), []),
        "drift": drift.get(f"headnodes:{name}", ""),
    }


def _node(node: Mapping[str, Any]) -> Struct:
    nics = [nic for nic in node.get("nics", ()) if nic.get("switch")]
    return {
        "id": node["name"],
        "name": node["name"],
        "state": _machine_state(node),
        "group": node.get("group"),
        "note": str(node.get("error") or node.get("reason") or ""),
        "ports": [port_id(nic["switch"], nic["port"]) for nic in nics],
    }


def _machine_state(machine: Mapping[str, Any]) -> str:
    """Its state; to who may not see that: free, taken or out."""
    if "state" in machine:
        return "taken" if machine["state"] == "promised" else str(machine["state"])
    return "out" if not machine["available"] else "free" if machine["free"] else "taken"


def _vlan(vlan: Mapping[str, Any]) -> Struct:
    users = vlan.get("groups") or ([vlan["group"]] if vlan.get("group") else [])
    return {"id": str(vlan["id"]), "vlan": vlan["id"], "groups": list(users), "shared": vlan["shared"],
            "free": vlan["free"]}  # fmt: skip


def _group(group: Mapping[str, Any], found: Mapping[str, Mark], drift: Mapping[str, Structs]) -> Struct:
    mark = found[group["name"]]
    return {
        "id": group["name"],
        "name": group["name"],
        "label": mark.label,
        "colour": mark.colour,
        "pattern": mark.pattern,
        "state": group["state"],
        "pending": group["pending"],
        "networks": [
            {"name": name, "vlan": network["vlan"]} for name, network in (group["networks"] or {}).items()
        ],
        "nodes": sorted(group["nodes"], key=natural),
        "headnode": group["headnode"],
        "owner": (group["owner"] or {}).get("name", ""),
        "expires": group["expires"],
        "error": columns.labelled("error", group["error"], 0) if group["error"] else "",
        "drift": [_told(difference) for difference in drift.get(group["name"], ())],
    }


def _job(job: Mapping[str, Any]) -> Struct:
    kept = ("id", "subject", "kind", "group", "state", "done", "total", "step", "started", "finished")
    error = columns.labelled("error", job["error"], 0) if job["error"] else ""
    return {**{key: job[key] for key in kept}, "error": error}


# ---- from one picture to the next


def difference(old: Picture, new: Picture) -> dict[str, dict[str, list[Struct]]]:
    """What a holder of the old picture must be told by kind: {"set": those that changed, "all": lists}.

    A list in which something came, went or moved is told whole.
    """
    told: dict[str, dict[str, list[Struct]]] = {"set": {}, "all": {}}
    for kind, structs in new.items():
        before = old.get(kind, [])
        if [struct["id"] for struct in before] != [struct["id"] for struct in structs]:
            told["all"][kind] = structs
        elif changed := [
            struct for one, struct in zip(before, structs, strict=True) if one is not struct and one != struct
        ]:
            told["set"][kind] = changed
    return told
