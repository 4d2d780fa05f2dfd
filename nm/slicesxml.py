"""slices.xml, by which slices came before there was GetSlivers, told as a reply of it.

The file speaks of all slices of all nodes: a slice has its nodes, its users with their keys, and a resource
specification. Read behind defusedxml's guard: no document type, no entity.
"""

import re
from typing import Any
from xml.etree.ElementTree import Element, ParseError

from defusedxml import ElementTree
from defusedxml.common import DefusedXmlException

from nm.errors import Invalid
from nm.slices import INSTANTIATIONS, PLC

RESOURCES = {
    "nm_cpu_share": "cpu_share",
    "nm_cpu_guaranteed_share": "cpu_min",
    "nm_disk_quota": "disk_max",
    "nm_enabled": "enabled",
    "nm_net_min_rate": "net_min",
    "nm_net_max_rate": "net_max",
    "nm_net_exempt_min_rate": "net2_min",
    "nm_net_exempt_max_rate": "net2_max",
    "nm_net_share": "net_share",
}
"""What the file calls resources -> what they are called now; the units are the same."""

_NUMBER = re.compile("[0-9]{1,18}")


def read_slices_xml(text: bytes, node_id: int, modified: int) -> dict[str, Any]:
    """The slices of that node as GetSlivers would tell them. `modified`: when the file names no time."""
    try:
        root = ElementTree.fromstring(text, forbid_dtd=True)
    except (ParseError, DefusedXmlException, ValueError) as error:
        why = (
            "it has a document type" if isinstance(error, DefusedXmlException) else "it is cut off, or no XML"
        )
        raise Invalid(f"slices.xml cannot be read: {why}", "nothing was changed") from None
    slices = list(root.iter("slice"))
    if not slices and root.tag != "slices":
        raise Invalid(f"<{root.tag[:40]}> is no slices.xml", "nothing was changed; see the source's address")
    keys = _keys(root)
    ours = [one for one in slices if any(_int(node, "id") == node_id for node in one.iter("node"))]
    told = _int(root, "timestamp")
    timestamp = modified if told is None else told
    return {"timestamp": timestamp, "node_id": node_id, "slivers": [_sliver(one, keys) for one in ours]}


def _int(element: Element, name: str) -> int | None:
    text = element.get(name, "")
    return int(text) if _NUMBER.fullmatch(text) else None


def _keys(root: Element) -> dict[str, list[dict[str, str]]]:
    """Everybody's keys, by the person's id: a key lies within its user, or names the person itself."""
    found: dict[str, list[dict[str, str]]] = {}
    for user in (*root.iter("user"), root):
        for key in user.iter("key"):
            person = key.get("person_id") or user.get("person_id")
            entry = {"key_type": key.get("type") or "ssh", "key": key.get("value") or ""}
            if person and entry not in found.setdefault(person, []):
                found[person].append(entry)
    return found


def _sliver(told: Element, keys: dict[str, list[dict[str, str]]]) -> dict[str, Any]:
    people = dict.fromkeys(user.get("person_id", "") for user in told.iter("user"))
    stamp = told.find("timestamp")
    sliver: dict[str, Any] = {
        "name": told.get("name"),
        "slice_id": _int(told, "id"),
        "instantiation": told.get("instantiation") if told.get("instantiation") in INSTANTIATIONS else PLC,
        "expires": told.get("expiry") if _int(told, "expiry") is None else _int(told, "expiry"),
        "keys": [key for person in people for key in keys.get(person, ())],
        "attributes": [_attribute(resource) for resource in told.iter("resource")],
    }
    own = None if stamp is None else _int(stamp, "value")
    return sliver if own is None else {**sliver, "timestamp": own}


def _attribute(resource: Element) -> dict[str, Any]:
    value, name = next(resource.iter("value"), None), resource.get("name")
    return {
        "name": RESOURCES.get(name or "", name),
        "value": (value.text or "").strip() if value is not None else "",
    }
