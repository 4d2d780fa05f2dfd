"""NVIDIA Cumulus Linux 5: NVUE, a candidate behind a shell."""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from nm.switch import PortState
from nm.switches.conversation import Say
from nm.switches.dialect import Dialect, Lines, Reading, Seen
from nm.switches.parsing import document, numbers, port_list

BRIDGE = "interface {ports} bridge domain br_default"
MINE = ("bridge", "domain", "br_default")
APPLY = "nv config apply -y"


class CumulusNvue(Dialect):
    """The one bridge br_default: a port outside carries nothing, one inside without VLANs carries all.

    Untagged frames are the bridge's `untagged` VLAN unless the port says another or none, whether or not
    that is among its VLANs (Cumulus Linux User Guide, VLAN-aware Bridge Mode, "Drop Untagged Frames").
    """

    name = "cumulus_nvue"
    title = "Cumulus Linux (NVUE)"
    login = "linux"
    enables = False  # its commands say sudo
    factory = PortState()
    rejections = (
        r"(?i)^error",
        r"(?i)invalid",
        r"command not found",
        r"is not a physical interface",
        r"Unable to restart services",
        r"Failure during apply",
        r"^(?i:apply|config).* (?:fail|conflict)",
    )
    enter: ClassVar[Lines] = ("nv config detach",)  # what a lost session left would be applied too
    leave: ClassVar[Lines] = ()
    commit: ClassVar[Lines] = (APPLY,)
    discard: ClassVar[Lines] = ("nv config detach",)
    make_vlan: ClassVar[Lines] = ("nv set bridge domain br_default vlan {vlan}",)
    make_vlans: ClassVar[Lines] = ("nv set bridge domain br_default vlan {vlans}",)
    remove_vlan: ClassVar[Lines] = ("nv unset bridge domain br_default vlan {vlan}",)
    port: ClassVar[Lines] = ()
    done: ClassVar[Lines] = ()
    most_pieces = 24
    shut: ClassVar[Lines] = ("nv set interface {ports} link state down",)
    open: ClassVar[Lines] = ("nv set interface {ports} link state up", APPLY)
    clean: ClassVar[Lines] = (Say(f"nv unset {BRIDGE}", optional=True),)  # it may be on none
    access: ClassVar[Lines] = (*clean, f"nv set {BRIDGE} access {{vlan}}")
    tagged: ClassVar[Lines] = (*clean, f"nv set {BRIDGE} untagged none", f"nv set {BRIDGE} vlan {{vlans}}")
    both: ClassVar[Lines] = (*clean, f"nv set {BRIDGE} untagged {{vlan}}", f"nv set {BRIDGE} vlan {{all}}")
    empty: ClassVar[Lines] = ()
    add: ClassVar[Lines] = (f"nv set {BRIDGE} vlan {{vlans}}",)
    remove: ClassVar[Lines] = (f"nv unset {BRIDGE} vlan {{vlans}}",)
    no_native: ClassVar[Lines] = (
        f"nv set {BRIDGE} untagged none",
        Say(f"nv unset {BRIDGE} vlan {{own}}", optional=True),  # it may be on the list, or not
    )
    reads: ClassVar[Lines] = ("nv show interface -o json", "nv config show -o json")
    version: ClassVar[Lines] = ("nv show platform",)
    model = r"product-name\s+(\S+)"
    save: ClassVar[Lines] = ("nv config save && sync",)
    saved = r"(?i)saved"
    kinds: ClassVar[Sequence[str]] = ("swp", "bond")
    numbering = r"\d+(?:s\d+)?"

    @classmethod
    def parse(cls, answers: Sequence[str]) -> Reading:
        """Ports that are there, and what was applied; ports alike are named together."""
        there, applied = (document(answer) for answer in answers)
        said: dict[str, Any] = {}
        for part in applied if isinstance(applied, list) else [applied]:
            said |= part.get("set", {})
        known: dict[str, list[Mapping[str, Any]]] = {name: [] for name in there}
        for names, lines in said.get("interface", {}).items():
            for name in port_list(names, short=True):
                known.setdefault(name, []).append(lines)
        bundled = {
            member
            for parts in known.values()
            for names in [*_at(parts, "bond", "member")]
            for member in port_list(names, short=True)
        }
        bridge = said.get("bridge", {}).get("domain", {}).get("br_default", {})
        ports = {
            name: Seen(
                cls._state(parts, bridge.get("untagged", 1)), _down(parts), bool(_at(parts, *MINE, "vlan"))
            )
            for name, parts in known.items()
            if name.startswith(tuple(cls.kinds)) and name not in bundled and not _at(parts, "ip", "address")
        }
        return Reading(ports, frozenset({1}.union(*map(numbers, bridge.get("vlan", {})))))

    @classmethod
    def _state(cls, parts: Sequence[Mapping[str, Any]], native: object) -> PortState:
        domains = _at(parts, "bridge", "domain")
        if not domains:
            return PortState()
        mine = _at(parts, *MINE)
        if "access" in mine and len(domains) == 1:
            return PortState(int(mine["access"]))
        said = str(mine.get("untagged", native))
        untagged = None if said == "none" else int(said)
        named = _at(parts, *MINE, "vlan")
        vlans = set().union(*map(numbers, named))
        strange = not vlans or "all" in named or len(domains) > 1
        return PortState(untagged, tuple(sorted(vlans - {untagged})), open=strange)


def _at(parts: Sequence[Mapping[str, Any]], *path: str) -> dict[str, Any]:
    """What all parts together say at that place."""
    found: dict[str, Any] = {}
    for part in parts:
        place: Any = part
        for word in path:
            place = place.get(word) or {}
            place = place if isinstance(place, Mapping) else {str(place): {}}
        found |= place
    return found


def _down(parts: Sequence[Mapping[str, Any]]) -> bool:
    return "down" in _at(parts, "link", "state")
