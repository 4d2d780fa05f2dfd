"""VLANs on which descriptions put domains by their tag, on the bridge that a host shares with nm. Pure.

A *tag* is [host as its part has it, bridge, VLAN]; VLAN None: a domain is on all of that bridge. Which are
claimed tells nm/pools/claims.py. Whether its bridge is one that is shared is asked each time: hosts change.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from nm import views
from nm.calls import Call
from nm.pools.attributes import Wrong, is_lazy
from nm.pools.kinds import DOMAINS
from nm.pools.places import host_of
from nm.records import record_key
from nm.store import Reader

Tag = list[Any]
NETWORK_HINT = "let network lead to a Group or Vlan of the description"


def tags_of(parts: Iterable[tuple[str, str, Mapping[str, Any]]]) -> list[Tag]:
    """The tags of parts of that kind, on that host, with these attributes; each once."""
    return together(
        [host, given["bridge"], given.get("vlan")]
        for kind, host, given in parts
        if kind in DOMAINS and isinstance(given.get("bridge"), str) and not is_lazy(given.get("vlan"))
    )


def together(*tags: Iterable[Tag]) -> list[Tag]:
    """All of these, each once."""
    every = {tuple(tag) for some in tags for tag in some}
    return [list(tag) for tag in sorted(every, key=lambda tag: (*tag[:2], tag[2] or 0))]


def is_shared(reader: Reader, host: str, bridge: str) -> bool:
    """Whether that bridge is the host's own of Open vSwitch, on which are all VLANs."""
    found = host_of(reader, host)
    network = found["network"] if found is not None else {}
    return network.get("kind") == "ovs" and network.get("device") == bridge


def why_not(reader: Reader, call: Call, tag: Tag) -> Wrong | None:
    """Wrong no domain may be there."""
    host, bridge, vlan = tag
    if not is_shared(reader, host, bridge):
        return None
    if vlan is None:
        return f"on bridge {bridge} without a VLAN it would be on all of them", "write vlan"
    if reader.get(record_key("vlan", vlan)) is not None:
        return f"VLAN {vlan} on bridge {bridge} is one that nm gives to groups", NETWORK_HINT
    return reserved(reader, call, vlan)


def reserved(reader: Reader, call: Call, vlan: int) -> Wrong | None:
    """Wrong nobody's machine may be on that VLAN: what belongs to no group is there."""
    for trunk in reader.range("trunk"):
        if trunk["native"] == vlan:
            hint = "use another VLAN; a native one must carry nothing of a group's"
            return f"VLAN {vlan} is the native VLAN of trunk {views.named(trunk)}", hint
    parking = {kind for kind, driver in call.site.drivers.kinds.items() if driver.parking == vlan}
    for switch in reader.range("switch") if parking else ():
        if switch["driver"] in parking:
            return f"switch {views.named(switch)} parks isolated ports on VLAN {vlan}", "use another VLAN"
    return None
