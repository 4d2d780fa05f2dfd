"""What a guest of a described pool is told when it starts: a NoCloud source, as its attributes say. Pure.

cloud-init applies it once for each life of the domain. userData and metaData are taken as they are written.
"""

import json
from dataclasses import dataclass, field
from typing import Any

from nm import seed


@dataclass(frozen=True)
class Told:
    """What a guest is told. address has its prefix; None: it asks for one."""

    instance: str
    hostname: str
    mac: str
    address: str | None = None
    gateway: str | None = None
    keys: tuple[str, ...] = ()
    user_data: str | None = field(default=None, repr=False)
    meta_data: str | None = field(default=None, repr=False)


def image(told: Told) -> bytes:
    """The disk."""
    about = {
        "hostname": told.hostname, "mac": told.mac, "address": told.address, "gateway": told.gateway
    }  # fmt: skip
    files = {
        "nm/guest.json": _json(about),
        "nm/authorized_keys": "".join(f"{key}\n" for key in told.keys),
        "meta-data": _meta_data(told),
        "user-data": told.user_data or _user_data(told),
        "network-config": _json({"version": 2, "ethernets": {"nic": _nic(told)}}),
    }
    return seed.packed(seed.LABEL, files, {"domain": told.instance})


def _meta_data(told: Told) -> str:
    """All JSON is YAML; what is written in other words gets what has to be in it."""
    if told.meta_data is None:
        return _json({"instance-id": told.instance, "local-hostname": told.hostname})
    if "instance-id" in told.meta_data:
        return told.meta_data
    return f"instance-id: {told.instance}\n{told.meta_data}"


def _user_data(told: Told) -> str:
    keys = list(told.keys)
    user: dict[str, Any] = {
        "hostname": told.hostname,
        "ssh_authorized_keys": keys,
        "disable_root": False,
        "users": ["default", {"name": "root", "ssh_authorized_keys": keys}],
    }
    return f"#cloud-config\n{_json(user)}"


def _nic(told: Told) -> dict[str, Any]:
    nic: dict[str, Any] = {"match": {"macaddress": told.mac}, "dhcp4": told.address is None}
    if told.address is not None:
        nic |= {"addresses": [told.address], "dhcp6": False, "accept-ra": False}
        if told.gateway is not None:
            to = "::/0" if ":" in told.gateway else "0.0.0.0/0"
            nic["routes"] = [{"to": to, "via": told.gateway, "on-link": True}]
    return nic


def _json(value: object) -> str:
    return json.dumps(value, indent=1) + "\n"
