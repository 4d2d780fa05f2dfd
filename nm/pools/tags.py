"""VLANs on which a description puts domains by their tag, on the bridge that a host shares with nm. Pure.

Nobody keeps groups from such a domain but these two questions: who describes one asks the first, and who
registers a VLAN both.
"""

from collections.abc import Mapping
from typing import Any

from nm import views
from nm.calls import Call
from nm.pools import chunks
from nm.pools.kinds import DOMAINS
from nm.pools.places import host_of
from nm.store import Reader

Why = tuple[str, str]  # and what to do


def reserved(reader: Reader, call: Call, vlan: int) -> Why | None:
    """Why nobody's machine may be on that VLAN: what belongs to no group is there."""
    for trunk in reader.range("trunk"):
        if trunk["native"] == vlan:
            hint = "use another VLAN; a native one must carry nothing of a group's"
            return f"VLAN {vlan} is the native VLAN of trunk {views.named(trunk)}", hint
    parking = {kind for kind, driver in call.site.drivers.kinds.items() if driver.parking == vlan}
    for switch in reader.range("switch") if parking else ():
        if switch["driver"] in parking:
            return f"switch {views.named(switch)} parks isolated ports on VLAN {vlan}", "use another VLAN"
    return None


def is_shared(reader: Reader, host: str, bridge: str) -> bool:
    """Whether that bridge is the host's own of Open vSwitch, on which are all VLANs."""
    found = host_of(reader, host)
    network = found["network"] if found is not None else {}
    return network.get("kind") == "ovs" and network.get("device") == bridge


def tagged(reader: Reader, vlan: int) -> str | None:
    """A description that has a domain on that VLAN by its tag; None: none has."""
    for record in reader.range("piece"):
        for item in record["items"].values():
            if item["part"] is not None and _is_on(reader, item["part"], vlan):
                return chunks.pool_of(record["record_key"])
    return None


def _is_on(reader: Reader, part: Mapping[str, Any], vlan: int) -> bool:
    given = part["attributes"]
    there = part["kind"] in DOMAINS and given.get("vlan") == vlan
    return there and is_shared(reader, part["host"], str(given.get("bridge")))
