"""How each kind of answer looks as a table. Pure: functions from structs to blocks.

Callers without the right to see a thing whole get structs that lack keys; their cells are empty.
"""

import base64
import hashlib
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from nm.shell import times, wording
from nm.shell.output import Block, Fields, Line, Table
from nm.shell.table import Scene, Show

Struct = Mapping[str, Any]
Cell = Callable[[Struct, float], str]
EVERY_OTHER = "every other VLAN too"
MOMENTS = frozenset(
    (
        *("expires", "written", "started", "finished", "created", "at", "read_at", "retry_at", "time"),
        *("until", "deleted_at", "tried", "received", "offline_since", "timestamp"),
    )
)


def text(value: Any) -> str:
    """Any value of the API in one line for people."""
    if value is None or value == "" or value == [] or value == {}:
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, dict):
        return ", ".join(f"{key}={text(item)}" for key, item in value.items())
    if isinstance(value, list):
        inner = "; " if any(isinstance(item, dict | list) for item in value) else ", "
        return inner.join(text(item) for item in value)
    return str(value)


def labelled(key: str, value: Any, now: float) -> str:
    """The value under that key; times as people read them."""
    if key in MOMENTS and isinstance(value, int | float) and not isinstance(value, bool):
        return times.human(value, now)
    if key == "owner" and isinstance(value, dict):
        return str(value.get("name", "-"))
    if key == "error":
        return wording.spoken(text(value.get("text") if isinstance(value, dict) else value))
    return text(value)


def key(name: str) -> Cell:
    """A cell that shows that key."""
    return lambda struct, now: labelled(name, struct.get(name), now)


def joined(*names: str) -> Cell:
    """A cell that shows the first of those keys that has a value."""
    return lambda struct, now: next(
        (labelled(n, struct[n], now) for n in names if struct.get(n) not in (None, "")), "-"
    )


def spoken(*names: str) -> Cell:
    """The same, with commands in the place of the daemon's methods."""
    cell = joined(*names)
    return lambda struct, now: wording.spoken(cell(struct, now))


def _state(node: Struct, _now: float) -> str:
    """Its state; who may not see that is told whether it is free."""
    if "state" in node or "free" not in node:
        return text(node.get("state"))
    return "free" if node["free"] else "taken"


def _nics(node: Struct, _now: float) -> str:
    return "  ".join(
        f"{nic['name']} {nic['switch']}:{nic['port']}" if nic.get("switch") else str(nic["name"])
        for nic in node.get("nics", ())
    )


def _ends(trunk: Struct, _now: float) -> str:
    return " -- ".join(
        f"{end['switch']}:{end['port']}" if "switch" in end else f"{end['host']}:{end['device']}"
        for end in trunk.get("ends", ())
    )


def _port_owner(port: Struct, _now: float) -> str:
    if port.get("node"):
        return f"{port['node']} {port['nic']}"
    return f"trunk {port['trunk']}" if port.get("trunk") else "-"


def carries(seen: Struct | None) -> str:
    """What a port carries, as it was read."""
    if seen is None:
        return "never read"
    parts = [f"untagged {seen['untagged']}"] if seen.get("untagged") is not None else []
    if seen.get("tagged"):
        parts.append("tagged " + ", ".join(map(str, seen["tagged"])))
    if seen.get("open"):
        parts.append(EVERY_OTHER)
    return ", ".join(parts) or "isolated"


def fact(value: Any) -> str:
    """What is wanted or seen of a port, a trunk, a head node ..., as an audit tells it."""
    if not isinstance(value, dict):
        return wording.spoken(text(value))
    if "untagged" in value:
        return carries(value)
    return ", ".join(filter(None, (_part(name, item) for name, item in value.items()))) or "there"


def _part(name: str, value: Any) -> str:
    if name == "open":
        return EVERY_OTHER if value else ""
    if name == "vlan":
        return "off the network" if value is None else f"VLAN {value}"
    return f"{name}={text(value)}"


def _fact(name: str) -> Cell:
    return lambda struct, _now: fact(struct.get(name))


def _seen(port: Struct, _now: float) -> str:
    return carries(port.get("seen")) if "seen" in port else "-"


def _users(vlan: Struct, _now: float) -> str:
    return text(vlan.get("groups") or vlan.get("group"))


def _steps(job: Struct, _now: float) -> str:
    return f"{job.get('done')}/{job['total']}" if job.get("total") else "-"


COLUMNS: dict[str, Sequence[tuple[str, Cell]]] = {
    "switches": [("NAME", key("name")), ("DRIVER", key("driver")), ("ADDRESS", key("address")),
                 ("MODEL", key("model")), ("AVAILABLE", key("available")),
                 ("NOTE", joined("error", "reason"))],
    "ports": [("SWITCH", key("switch")), ("PORT", key("port")), ("USED BY", _port_owner),
              ("VERIFIED", key("verified")), ("CARRIES", _seen)],
    "trunks": [("NAME", key("name")), ("ENDS", _ends), ("NATIVE", key("native"))],
    "hosts": [("NAME", key("name")), ("URI", key("uri")), ("NETWORK", key("network")),
              ("AVAILABLE", key("available")), ("NOTE", joined("error", "reason"))],
    "nodes": [("NAME", key("name")), ("STATE", _state), ("GROUP", key("group")), ("NICS", _nics),
              ("ADDRESS", joined("ip", "hostname")), ("NOTE", joined("error", "reason"))],
    "images": [("NAME", key("name")), ("KIND", key("kind")),
               ("FROM", joined("disk", "root", "kernel", "profile"))],
    "vlans": [("ID", key("id")), ("FREE", key("free")), ("GROUP", _users), ("SHARED", key("shared")),
              ("NOTE", key("reason"))],
    "headnodes": [("NAME", key("name")), ("STATE", key("state")), ("GROUP", key("group")),
                  ("HOST", key("host")), ("DOMAIN", joined("domain", "image")), ("RUNNING", key("running")),
                  ("NOTE", key("reason"))],
    "groups": [("NAME", key("name")), ("STATE", key("state")), ("PENDING", key("pending")),
               ("VLAN", key("vlan")), ("NODES", key("nodes")), ("HEAD NODE", key("headnode")),
               ("OWNER", key("owner")), ("EXPIRES", key("expires")), ("ERROR", key("error"))],
    "descriptions": [("NAME", key("name")), ("STATE", key("state")), ("REVISION", key("revision")),
                     ("COMPONENTS", key("components")), ("DOMAINS", key("domains")),
                     ("OWNER", key("owner")), ("JOB", key("job")), ("ERROR", key("error"))],
    "delegates": [("NAME", key("name")), ("ACCOUNT", key("account")), ("UID", key("uid")),
                  ("TYPE", key("type")), ("STATE", key("state")), ("RIGHTS", key("rights")),
                  ("ERROR", key("error"))],
    "jobs": [("ID", key("id")), ("SUBJECT", key("subject")), ("KIND", key("kind")), ("STATE", key("state")),
             ("STEPS", _steps), ("STARTED", key("started")), ("NOW", spoken("error", "step"))],
    "events": [("ID", key("id")), ("TIME", key("time")), ("WHO", key("who")), ("SUBJECT", key("subject")),
               ("WHAT", key("what")), ("DETAIL", key("detail"))],
    "holds": [("GROUP", key("group")), ("SLIVER", key("sliver")), ("WHAT", key("what")),
              ("EXPIRES", key("expires")), ("REASON", key("reason"))],
    "slivers": [("NAME", key("name")), ("STATE", key("state")), ("INSTANTIATION", key("instantiation")),
                ("ACCOUNT", key("account")), ("EXPIRES", key("expires")),
                ("NOTE", joined("error", "why", "note"))],
    "reservations": [("SLIVER", key("sliver")), ("SLICE", key("slice")), ("NODE", key("node")),
                     ("ALLOCATION", key("allocation")), ("STATE", key("operational")),
                     ("EXPIRES", key("expires")), ("NOTE", key("error"))],
    "loans": [("TO", key("recipient")), ("RESOURCE", key("resource")), ("AMOUNT", key("amount")),
              ("IN FORCE", key("in_force")), ("REASON", key("reason"))],
    "problems": [("SUBJECT", key("subject")), ("PROBLEM", spoken("problem"))],
    "differences": [("HAND", key("hand")), ("TARGET", key("target")), ("WANTED", _fact("wanted")),
                    ("SEEN", _fact("seen"))],
}  # fmt: skip
COLUMNS["drift"] = [("GROUP", key("group")), *COLUMNS["differences"]]
EMPTY = {
    "holds": "no end is held back",
    "problems": "all is well",
    "vlans": "no VLANs",
    "headnodes": "no head nodes",
}


def table(kind: str, structs: Sequence[Struct], now: float, title: str = "", empty: str = "") -> Table:
    """The structs as a table of that kind."""
    columns = COLUMNS[kind]
    rows = [[cell(struct, now) for _, cell in columns] for struct in structs]
    return Table([heading for heading, _ in columns], rows, title, empty or EMPTY.get(kind, f"no {kind}"))


def listed(kind: str) -> Show:
    """Shows a list of structs as a table of that kind."""
    return lambda answer, scene: [table(kind, answer, scene.now)]


def fields(struct: Struct, now: float, leave: Sequence[str] = ()) -> Fields:
    """All keys of a struct, one a line."""
    pairs = [(name, labelled(name, value, now)) for name, value in struct.items() if name not in leave]
    return Fields(pairs)


def detailed(answer: Any, scene: Scene) -> Sequence[Block]:
    """Shows any answer: a struct by its keys, else as text."""
    if isinstance(answer, dict):
        return [fields(answer, scene.now)]
    return (
        [Line(line) for line in str(answer).splitlines()] if isinstance(answer, str) else [Line(text(answer))]
    )


def node(answer: Struct, scene: Scene) -> Sequence[Block]:
    """A node and its NICs."""
    nics = [
        [text(nic.get(k)) for k in ("name", "mac", "switch", "port", "role")]
        for nic in answer.get("nics", ())
    ]
    return [
        fields(answer, scene.now, ["nics"]),
        Table(["NIC", "MAC", "SWITCH", "PORT", "ROLE"], nics, empty="no NICs"),
    ]


_HEALTH = ("host_key", "unsaved", "failures", "retry_at")


def switch(answer: Struct, scene: Scene) -> Sequence[Block]:
    """A switch: how it is reached, and in plain words what its health is."""
    rest = fields(answer, scene.now, _HEALTH)
    if "failures" not in answer:
        return [rest]
    unsaved = answer["unsaved"]
    health = [
        ("host key", fingerprint(answer["host_key"])),
        ("saved", "yes" if unsaved is None else f"no: {wording.spoken(unsaved)}"),
        ("sessions", _sessions(answer, scene.now)),
    ]
    return [Fields([*rest.pairs, *health])]


def fingerprint(key: str | None) -> str:
    """A host key as `ssh-keygen -l` tells it."""
    if not key:
        return "-"
    kind, _, encoded = key.partition(" ")
    digest = hashlib.sha256(base64.b64decode(encoded)).digest()
    return f"{kind} SHA256:{base64.b64encode(digest).decode().rstrip('=')}"


def _sessions(switch: Struct, now: float) -> str:
    failures, retry_at = switch["failures"], switch["retry_at"]
    if not failures:
        return "never asked" if switch.get("read_at") is None else "well"
    words = f"{failures} in a row came to nothing"
    if retry_at is None or retry_at <= now:
        return f"{words}; it is tried again"
    return f"{words}; it is left alone until {times.human(retry_at, now)}, or until it is inspected"


def drivers(answer: Mapping[str, Struct], _scene: Scene) -> Sequence[Block]:
    """The kinds of switches, and what each needs; what may be left out stands in brackets."""
    rows = [
        [kind, " ".join(name if name in told["required"] else f"[{name}]" for name in told["settings"])]
        for kind, told in answer.items()
    ]
    return [Table(["DRIVER", "SETTINGS"], rows)]


def switch_state(answer: Struct, scene: Scene) -> Sequence[Block]:
    """VLANs and ports of a switch as last read."""
    read_at = answer.get("read_at")
    blocks: list[Block] = [Line(f"read {times.human(read_at, scene.now)}" if read_at else "never read")]
    if answer.get("vlans") is not None:
        blocks.append(Line(f"VLANs: {text(answer['vlans'])}"))
    return [*blocks, _ports(answer.get("ports") or {})]


def _ports(ports: Mapping[str, Struct | None]) -> Table:
    rows = [[name, carries(seen)] for name, seen in ports.items()]
    return Table(["PORT", "CARRIES"], rows, empty="no ports")


def status(answer: Struct, scene: Scene) -> Sequence[Block]:
    """A group: its struct, what is wanted and what is there, and what was read of its ports."""
    parts = ("wanted", "target", "deployed", "node_states", "ports", "networks", "nodes", *LOANS)
    ports = [
        [text(p.get("node")), text(p.get("nic")), f"{p.get('switch')}:{p.get('port')}",
         carries(p.get("seen")), times.human(p["read_at"], scene.now) if p.get("read_at") else "never"]
        for p in answer.get("ports", ())
    ]  # fmt: skip
    return [
        fields(answer, scene.now, parts),
        _networks(answer.get("networks") or {}),
        Table(
            ["NODE", "STATE"],
            [[k, str(v)] for k, v in (answer.get("node_states") or {}).items()],
            empty="no nodes",
        ),
        Table(["NODE", "NIC", "PORT", "CARRIES", "READ"], ports, empty="no ports"),
        *_loans(answer, scene.now),
    ]


LOANS = ("lent", "borrowed")


def _loans(group: Struct, now: float) -> list[Block]:
    """The nodes that the group lent or borrowed, where there are some."""
    rows = [
        [text(loan["node"]), f"{what} {loan['group']}", times.human(loan["until"], now)]
        for field, what in zip(LOANS, ("lent to", "borrowed from"), strict=True)
        for loan in group.get(field, ())
    ]
    return [Table(["NODE", "LOAN", "UNTIL"], rows)] if rows else []


def _networks(networks: Struct) -> Table:
    rows = [
        [name, *(text(entry.get(k)) for k in ("vlan", "nics", "tagged"))] for name, entry in networks.items()
    ]
    return Table(["NETWORK", "VLAN", "NICS", "TAGGED"], rows, empty="no networks")


def group(answer: Struct, scene: Scene) -> Sequence[Block]:
    """A group's struct."""
    shown = fields(answer, scene.now, ["networks", *LOANS])
    return [shown, _networks(answer.get("networks") or {}), *_loans(answer, scene.now)]


def audit(answer: Struct, scene: Scene) -> Sequence[Block]:
    """The last audit of a group."""
    if not answer["at"]:
        return [Line("never audited: nmctl audit GROUP --wait")]
    found = table("differences", answer["differences"], scene.now, empty="no differences")
    return [Line(f"audited {times.human(answer['at'], scene.now)}"), found]


NEVER = "never audited as a whole: nmctl audit --all --wait"


def drift(answer: Struct, scene: Scene) -> Sequence[Block]:
    """All that is known to differ; what has no group is the pool's."""
    rows = [{"group": name, **one} for name, found in answer["groups"].items() for one in found]
    rows += [{"group": None, **one} for one in answer["pool"]]
    when = f"audited {times.human(answer['at'], scene.now)}" if answer["at"] else NEVER
    return [Line(when), table("drift", rows, scene.now, empty="no differences")]


def job(answer: Struct, scene: Scene) -> Sequence[Block]:
    """A job, its result, and the runs of the site's programs."""
    runs = answer.get("hooks") or []
    return [
        fields(answer, scene.now, ["result", "hooks"]),
        *outcome(answer, scene.now),
        *(line for run in runs for line in _run(run)),
    ]


def _run(run: Struct) -> Iterator[Line]:
    """One run of a program: how it ended, and what it said."""
    how = run["error"] or f"done in {run['seconds']} s"
    yield Line(f"node {run['node']}: {run['moment']} {how}")
    yield from (Line(f"    {line}") for line in run["output"].splitlines())


def outcome(job: Struct, now: float) -> Sequence[Block]:
    """What a job's result says, but for how many steps it took; ports and differences as tables."""
    result = job.get("result")
    if not isinstance(result, dict):
        return [Line(f"result: {text(result)}")] if result is not None else []
    blocks: list[Block] = []
    apart = ("ports", "differences", "steps")
    simple = {name: value for name, value in result.items() if name not in apart and value not in (None, [])}
    if simple:
        blocks.append(fields(simple, now))
    if isinstance(result.get("ports"), dict):
        blocks.append(_ports(result["ports"]))
    if isinstance(result.get("differences"), list):
        rows = [[text(difference)] for difference in result["differences"]]
        blocks.append(Table(["DIFFERENCES"], rows, empty="no differences"))
    return blocks


def raw(answer: Any, _scene: Scene) -> Sequence[Block]:
    """Any answer as JSON for people."""
    return [Line(line) for line in json.dumps(answer, indent=2, ensure_ascii=False).splitlines()]


def lines(answer: Sequence[str], _scene: Scene) -> Sequence[Block]:
    """A list of texts, one a line."""
    return [Line(line) for line in answer]


def signatures(answer: Sequence[Sequence[str]], _scene: Scene) -> Sequence[Block]:
    """What a method answers and takes, one line for each number of arguments."""
    return [Line(f"({', '.join(takes)}) -> {gives}") for gives, *takes in answer]
