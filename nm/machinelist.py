"""A group's list of machines: what its head node is told of them. Pure.

Called by nm/plan.py: it makes the value of the fact `export/GROUP` of a spec and its nodes' records. What
files are made of it says nm/listfiles.py.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from nm import views
from nm.facts import Value
from nm.listfiles import boot_path, boot_sources
from nm.records import Record, record_key
from nm.store import Reader

VERSION = 1


def value(reader: Reader, group: str, spec: Mapping[str, Any], nodes: Sequence[Record]) -> Value:
    """The value of the group's fact `export/`. `nodes`: the spec's, with their names."""
    return {"machines": machines(nodes), "document": _document(reader, group, spec, nodes)}


def machines(nodes: Iterable[Record]) -> list[list[str]]:
    """The lines of machines.txt: [MAC of the boot NIC, management address] a node."""
    return [[nic["mac"], _management(node) or str(node.get("ip") or "")] for node, nic in _booting(nodes)]


def _booting(nodes: Iterable[Record]) -> list[tuple[Record, Record]]:
    return [(node, nic) for node in nodes for nic in node["nics"] if nic["role"] == "boot"]


def _management(node: Record) -> str:
    return str((node["management"] or {}).get("address") or "")


def _document(reader: Reader, group: str, spec: Mapping[str, Any], nodes: Sequence[Record]) -> dict[str, Any]:
    networks = {
        name: {"vlan": one["vlan"], "tagged": one["tagged"]} for name, one in spec["networks"].items()
    }
    listed = [_machine(reader, spec, node, nic["mac"]) for node, nic in _booting(nodes)]
    return {"version": VERSION, "group": group, "networks": networks, "machines": listed}


def _machine(reader: Reader, spec: Mapping[str, Any], node: Record, mac: str) -> dict[str, Any]:
    since = spec.get("since", {}).get(node["name"])
    return {
        "name": node["name"],
        **({"since": since} if since else {}),
        "mac": mac,
        "address": _management(node),
        "ip": node["ip"],
        "hostname": node["hostname"],
        "image": _image(reader, image_of(spec, node)),
        "nics": [_nic(node["name"], nic, spec["networks"]) for nic in node["nics"] if nic["role"] != "none"],
    }


def _nic(node: str, nic: Record, networks: Mapping[str, Any]) -> dict[str, Any]:
    joined = [name for name, network in networks.items() if views.in_network(node, nic, network)]
    return {"name": nic["name"], "mac": nic["mac"], "role": nic["role"], "networks": joined}


def image_of(spec: Mapping[str, Any], node: Record) -> str | None:
    """The image that a node of the group boots: asked for just that node, the group's, or the node's own."""
    return spec.get("images", {}).get(node["name"]) or spec.get("image") or node["image"] or None


def _image(reader: Reader, name: str | None) -> dict[str, Any] | None:
    """What the head node is told of an image. A name that nobody registered is that of a profile."""
    if name is None:
        return None
    record = reader.get(record_key("image", name))
    sources = boot_sources(record)
    if not sources:
        return {"name": name, "profile": (record or {}).get("profile") or name}
    paths = {file: boot_path(name, file) for file in sources}
    return {"name": name, **paths, "cmdline": (record or {}).get("cmdline") or ""}
