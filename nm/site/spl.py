"""SPL's data files as a site: one space-separated record a line.

    node.txt     id mac ip              switch.txt   id script           user.txt   name password type
    vm.txt       name                   port.txt     id switch number
    network.txt  ids vlan               connect.txt  node port

A node's one NIC is called `boot` and connected to the port that connect.txt says. A switch's script is none
of nm's drivers, so the switch is out of service until it is given one. SPL ran its VMs on the machine that it
ran on; they become head nodes of the host `local`, which is out of service, unless a host is named. Passwords
are dropped, and no message repeats more of user.txt than a legal name. Pure.
"""

import posixpath
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from nm.records import is_name
from nm.site.places import BadFiles, Loaded, Origin, Place, Problem

HOST = "local"
_NO_HOST = {
    "uri": "qemu:///system",
    "network": {"kind": "linux", "device": "eth5"},  # what SPL's vm-vlan script used
    "available": False,
    "reason": "imported from SPL: see that uri and network are right",
}
_IDS = re.compile(r"[0-9]{1,4}(-[0-9]{1,4})?(,[0-9]{1,4}(-[0-9]{1,4})?)*")
LARGEST_ID = 2**31 - 1


@dataclass
class _Reading:
    """What was read so far."""

    host: str | None
    loaded: Loaded = field(default_factory=Loaded)
    ports: dict[str, tuple[str, str]] = field(default_factory=dict)  # SPL's id -> switch, port
    connected: dict[str, Origin] = field(default_factory=dict)  # NODE or port ID -> the line that connects it

    def refuse(self, origin: Origin, message: str, hint: str) -> None:
        self.loaded.problems.append(Problem(origin, message, hint))


Fields = list[str]
Take = Callable[[_Reading, Fields, Origin], None]


def parse(texts: Mapping[str, str], host: str | None = None) -> Loaded:
    """The site of the files, by their paths. BadFiles with every bad line."""
    reading = _Reading(host)
    by_name = {posixpath.basename(path): (path, text) for path, text in texts.items()}
    for name, (form, take) in FORMS.items():
        if name in by_name:
            path, text = by_name[name]
            for fields, origin in _lines(reading, path, text, form):
                take(reading, fields, origin)
    if reading.loaded.problems:
        raise BadFiles(reading.loaded.problems)
    return reading.loaded


def _lines(reading: _Reading, path: str, text: str, form: str) -> Iterator[tuple[Fields, Origin]]:
    """The records of a file, each with as many fields as its form has."""
    wanted = form.split()
    least = len([word for word in wanted if not word.startswith("[")])
    for number, line in enumerate(text.split("\n"), 1):
        origin, fields = Origin(path, number), line.split()
        if not fields or fields[0].startswith("#"):
            continue
        if not all(field.isprintable() for field in fields):
            reading.refuse(origin, "it has characters that cannot be printed", "save it as plain text")
        elif not least <= len(fields) <= len(wanted):
            reading.refuse(origin, f"{len(fields)} fields where `{form}` is expected", "one record a line")
        else:
            yield fields, origin


def _named(reading: _Reading, what: str, name: str, origin: Origin) -> bool:
    if is_name(name):
        return True
    hint = "use 1 to 64 of A-Z a-z 0-9 _ . - and begin with a letter or digit"
    reading.refuse(origin, f"{what} {name[:70]!r} is not a legal name", hint)
    return False


def _add(reading: _Reading, what: str, place: Place, value: Any, origin: Origin) -> None:
    if _named(reading, what, place[1], origin):
        reading.loaded.add(place, value, origin)


def _take_switch(reading: _Reading, fields: Fields, origin: Origin) -> None:
    name, script = fields
    settings = {
        "driver": "none",
        "available": False,
        "reason": f"SPL drove it by {script[:200]}: give it a driver",
    }
    _add(reading, "switch", ("switches", name), settings, origin)


def _take_port(reading: _Reading, fields: Fields, origin: Origin) -> None:
    number, switch, port = fields
    if number in reading.ports:
        reading.refuse(origin, f"port {number} is there twice", "give each port its own id")
        return
    if not _named(reading, "switch", switch, origin):
        return
    ports = reading.loaded.site.setdefault("ports", {}).setdefault(switch, {})
    if port in ports:
        first = reading.loaded.origins["ports", switch, port]
        reading.refuse(
            origin, f"port {port} of switch {switch} is in {first} already", "leave one of them out"
        )
        return
    reading.ports[number] = (switch, port)
    ports[port] = {"description": f"SPL's port {number}"}
    reading.loaded.origins.setdefault(("ports", switch), origin)
    reading.loaded.origins["ports", switch, port] = origin


def _take_network(reading: _Reading, fields: Fields, origin: Origin) -> None:
    ids, technology = fields[0], (*fields[1:], "vlan")[0]
    if technology != "vlan":
        reading.refuse(
            origin, f"network {ids[:40]} is of the technology {technology[:40]!r}", "nm knows vlan only"
        )
    elif not _IDS.fullmatch(ids):
        reading.refuse(origin, f"{ids[:40]!r} is no VLAN id, nor a list of them", "as 101, or 100,105-110")
    else:
        reading.loaded.add(("vlans", ids), {}, origin)


def _take_vm(reading: _Reading, fields: Fields, origin: Origin) -> None:
    (name,) = fields
    if reading.host is None and HOST not in reading.loaded.site.get("hosts", {}):
        reading.loaded.add(("hosts", HOST), dict(_NO_HOST), origin)
        said = f"host {HOST} is to run the VMs of vm.txt; it is out of service: see to its uri and network"
        reading.loaded.notices.append(said)
    settings = {"host": reading.host or HOST, "domain": name}
    _add(reading, "head node", ("headnodes", name), settings, origin)


def _take_node(reading: _Reading, fields: Fields, origin: Origin) -> None:
    name, mac, ip = fields
    settings: dict[str, Any] = {"ip": ip, "nics": [{"name": "boot", "mac": mac, "role": "boot"}]}
    if name.isascii() and name.isdigit() and str(int(name)) == name and int(name) <= LARGEST_ID:
        settings["id"] = int(name)
    _add(reading, "node", ("nodes", name), settings, origin)


def _take_connection(reading: _Reading, fields: Fields, origin: Origin) -> None:
    node, number = fields
    there = reading.loaded.site.get("nodes", {}).get(node)
    if there is None:
        reading.refuse(
            origin, f"no node {node[:70]!r} in node.txt", "connect.txt has `node port` in each line"
        )
        return
    if number not in reading.ports:
        reading.refuse(origin, f"no port {number[:70]!r} in port.txt", "name one by its id there")
        return
    for what in (f"node {node}", f"port {number}"):
        if what in reading.connected:
            first = reading.connected[what]
            reading.refuse(origin, f"{what} is connected in {first} already", "leave one of them out")
            return
        reading.connected[what] = origin
    there["nics"][0]["switch"], there["nics"][0]["port"] = reading.ports[number]


def _take_user(reading: _Reading, fields: Fields, origin: Origin) -> None:
    name, _, kind = fields
    if kind not in ("admin", "plain"):
        reading.refuse(origin, "the type of the user is neither admin nor plain", "as `alice PASSWORD plain`")
        return
    if "users" not in reading.loaded.site:
        said = f"{origin.file}: passwords are dropped; nm knows people by their accounts on this machine"
        reading.loaded.notices.append(said)
    if not is_name(name):  # not repeated: a password may stand in its place
        reading.refuse(origin, "the name of the user is not a legal name", "as `alice PASSWORD plain`")
        return
    reading.loaded.add(("users", name), {"type": kind}, origin)


# In the order in which they are read: what others refer to comes first.
FORMS: dict[str, tuple[str, Take]] = {
    "switch.txt": ("id script", _take_switch),
    "port.txt": ("id switch number", _take_port),
    "network.txt": ("ids [technology]", _take_network),
    "vm.txt": ("name", _take_vm),
    "node.txt": ("id mac ip", _take_node),
    "connect.txt": ("node port", _take_connection),
    "user.txt": ("name password type", _take_user),
}
