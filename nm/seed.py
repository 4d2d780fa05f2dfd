"""The seed of a head node: a small ISO 9660 image that tells a guest who it is when it starts.

For cloud-init it is a NoCloud source (label cidata): hostname, addresses, the group's keys. Beside that, in
the folder nm/, lie the same things for guests without cloud-init: head.json, and what leads to nm's door
(door.json, key, known_hosts). It holds a private key, so its bytes go to a volume and nowhere else. Pure.

As a list's disk it begins with a line, `NM-SEED` and a JSON struct: to which door it leads (by a mark, see
nm/doormark.py), how long it is, and the checksum of all from the 33rd KiB on.
"""

import hashlib
import io
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from nm import iso

LABEL = "cidata"  # what cloud-init looks for
PLAIN_LABEL = "NMHEAD"  # of a seed that is not for cloud-init
MARK = b"NM-SEED "  # begins the line
UNIT = 1 << 20  # bytes; it is filled up to that, so that another one fits into its place
FOLDER = "/etc/nm-head"  # where a guest keeps what is in nm/
_FILE_MODE, _FOLDER_MODE = 0o400, 0o500


@dataclass(frozen=True)
class Door:
    """How a head node reaches nm: sshd's place, the account that it has there, and its private key."""

    host: str
    port: int
    account: str
    key: str = field(repr=False)
    known_hosts: str
    mark: str  # by which it is told from another one


@dataclass(frozen=True)
class Seed:
    """What a head node is told. `address` has its prefix; `management_mac`: of the NIC that leads to nm."""

    instance: str
    hostname: str
    group: str
    mac: str
    address: str
    management_mac: str | None = None
    keys: tuple[str, ...] = ()
    door: Door | None = None


def image(seed: Seed, cloud: bool = True) -> bytes:
    """The image; `cloud`: of a head node that nm makes, else there is just the door on it."""
    files = {f"nm/{name}": text for name, (text, _) in _own(seed).items() if cloud or name != "head.json"}
    if cloud:
        files |= _no_cloud(seed)
    mark = seed.door.mark if seed.door is not None else ""
    return packed(LABEL if cloud else PLAIN_LABEL, files, {"group": seed.group, "door": mark})


def packed(label: str, files: Mapping[str, str], told: Mapping[str, Any]) -> bytes:
    """An image with these files, path to text; `told` stands in its line."""
    contents = {path: text.encode() for path, text in files.items()}
    listed = {
        path: iso.File(io.BytesIO(content), len(content), _FILE_MODE) for path, content in contents.items()
    }
    written = io.BytesIO()
    iso.write(written, label, listed, _FOLDER_MODE)
    return _marked(told, written.getvalue())


def _marked(told: Mapping[str, Any], content: bytes) -> bytes:
    """With the line, and filled up."""
    head = {
        "version": 1,
        **told,
        "length": len(content),
        "sha256": hashlib.sha256(content[iso.SYSTEM_AREA :]).hexdigest(),
    }
    line = MARK + json.dumps(head, sort_keys=True).encode() + b"\n"
    return (line.ljust(iso.SYSTEM_AREA, b"\0") + content[iso.SYSTEM_AREA :]).ljust(
        -(-len(content) // UNIT) * UNIT, b"\0"
    )


def door_of(head: bytes) -> str | None:
    """The mark of the door to which a disk leads that begins so; None when to none."""
    line, _, _ = head.partition(b"\n")
    try:
        told = json.loads(line.removeprefix(MARK)) if line.startswith(MARK) else {}
        return str(told["door"]) if told.get("door") else None
    except (ValueError, AttributeError):
        return None


def _own(seed: Seed) -> dict[str, tuple[str, str]]:
    """What lies in nm/: the text of each file, and its mode in the guest."""
    head = {
        "hostname": seed.hostname,
        "group": seed.group,
        "mac": seed.mac,
        "address": seed.address,
        "management_mac": seed.management_mac,
        "keys": list(seed.keys),
    }
    files = {"head.json": (_json(head), "0644")}
    if (door := seed.door) is not None:
        told = {"host": door.host, "port": door.port, "account": door.account, "group": seed.group}
        files |= {
            "door.json": (_json(told), "0644"),
            "key": (door.key, "0600"),
            "known_hosts": (door.known_hosts, "0644"),
        }
    return files


def _no_cloud(seed: Seed) -> Mapping[str, str]:
    """The three files of NoCloud. All JSON is YAML."""
    keys = list(seed.keys)
    user = {
        "hostname": seed.hostname,
        "ssh_authorized_keys": keys,
        "disable_root": False,
        "users": ["default", {"name": "root", "ssh_authorized_keys": keys}],
        "write_files": [
            {"path": f"{FOLDER}/{name}", "content": text, "permissions": mode, "owner": "root:root"}
            for name, (text, mode) in _own(seed).items()
        ],
    }
    return {
        "meta-data": _json({"instance-id": seed.instance, "local-hostname": seed.hostname}),
        "user-data": f"#cloud-config\n{_json(user)}",
        "network-config": _json({"version": 2, "ethernets": dict(_nics(seed))}),
    }


def _nics(seed: Seed) -> Iterator[tuple[str, dict[str, Any]]]:
    """NICs are told apart by their MACs; in the group's network there is nobody to ask for an address."""
    yield (
        "group",
        {
            "match": {"macaddress": seed.mac},
            "addresses": [seed.address],
            "dhcp4": False,
            "dhcp6": False,
            "accept-ra": False,
        },
    )
    if seed.management_mac is not None:
        yield "management", {"match": {"macaddress": seed.management_mac}, "dhcp4": True}


def _json(value: object) -> str:
    return json.dumps(value, indent=1) + "\n"
