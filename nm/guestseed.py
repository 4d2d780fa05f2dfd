"""What a sliver's guest is told when it starts, as files on a small disk of its own. Pure.

A virtual machine gets them as nm/seed.py's disks are: a NoCloud source for cloud-init, which applies it anew
whenever it changed, and the same things as plain files in nm/. A container gets the plain files, and the
scripts by which it starts (nm/guestinit.py). Names of these files, and what is in them, are one for both.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from nm import seed

INITSCRIPT = "initscript"
PER_BOOT = "/var/lib/cloud/scripts/per-boot/nm-initscript"  # cloud-init runs it at each start


@dataclass(frozen=True)
class Told:
    """What a guest is told. `address` has its prefix; None: it asks for one. `user`: who is entered.

    `entry` is the line of nm's own key; `host_key` the guest's own one, private.
    """

    sliver: str
    life: int
    hostname: str
    mac: str
    address: str | None = None
    gateway: str | None = None
    keys: tuple[str, ...] = ()
    initscript: str | None = field(default=None, repr=False)
    user: str = "root"
    entry: str | None = None
    host_key: str | None = field(default=None, repr=False)
    host_public: str | None = None
    digest: str = ""


def files(told: Told) -> dict[str, tuple[str, int]]:
    """The plain files: name to text and mode."""
    about = {
        "sliver": told.sliver,
        "life": told.life,
        "hostname": told.hostname,
        "mac": told.mac,
        "address": told.address,
        "gateway": told.gateway,
        "user": told.user,
    }
    found = {
        "guest.json": (_json(about), 0o444),
        "hostname": (f"{told.hostname}\n", 0o444),
        "authorized_keys": ("".join(f"{key}\n" for key in _keys(told)), 0o400),
    }
    if told.initscript is not None:
        found[INITSCRIPT] = (told.initscript, 0o500)
    if told.host_key is not None:
        found["ssh_host_ed25519_key"] = (told.host_key, 0o400)
    return found


def image(told: Told) -> bytes:
    """The disk of a virtual machine."""
    plain = {f"nm/{name}": text for name, (text, _) in files(told).items()}
    return seed.packed(seed.LABEL, {**plain, **_no_cloud(told)}, {"sliver": told.sliver})


def _keys(told: Told) -> list[str]:
    return [*told.keys, *([told.entry] if told.entry else ())]


def _no_cloud(told: Told) -> Mapping[str, str]:
    """The three files of NoCloud. All JSON is YAML. What is another instance is applied anew."""
    instance = hashlib.sha256(f"{told.life} {told.digest}".encode()).hexdigest()[:16]
    keys = _keys(told)
    user: dict[str, Any] = {
        "hostname": told.hostname,
        "ssh_authorized_keys": keys,
        "disable_root": False,
        "users": ["default", {"name": told.user, "ssh_authorized_keys": keys}],
    }
    script = told.initscript if told.initscript is not None else "#!/bin/sh\n"
    user["write_files"] = [{"path": PER_BOOT, "content": script, "permissions": "0700", "owner": "root:root"}]
    if told.host_key is not None:
        user["ssh_deletekeys"] = True
        user["ssh_keys"] = {"ed25519_private": told.host_key, "ed25519_public": told.host_public or ""}
    return {
        "meta-data": _json({"instance-id": f"{told.sliver}.{instance}", "local-hostname": told.hostname}),
        "user-data": f"#cloud-config\n{_json(user)}",
        "network-config": _json({"version": 2, "ethernets": {"sliver": _nic(told)}}),
    }


def _nic(told: Told) -> dict[str, Any]:
    nic: dict[str, Any] = {"match": {"macaddress": told.mac}, "dhcp4": told.address is None}
    if told.address is not None:
        nic |= {"addresses": [told.address], "dhcp6": False, "accept-ra": False}
        if told.gateway is not None:
            nic["routes"] = [{"to": "::/0" if ":" in told.gateway else "0.0.0.0/0", "via": told.gateway}]
    return nic


def _json(value: object) -> str:
    return json.dumps(value, indent=1) + "\n"
