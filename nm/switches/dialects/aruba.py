"""HPE and Aruba: AOS-CX, and ArubaOS-Switch that was ProCurve."""

import re
from collections.abc import Sequence
from typing import ClassVar

from nm.switch import PortState
from nm.switches.conversation import Say
from nm.switches.dialect import Dialect, Lines, Reading, Seen, modeless
from nm.switches.dialects.membership import Membership
from nm.switches.parsing import is_shut, numbers, port_list, sections, value

CARRYING = ("vlan access", "vlan trunk")


class ArubaCx(Dialect):
    """AOS-CX. What is allowed on a trunk is added to, and a trunk without VLANs would carry all."""

    name = "aruba_aoscx"
    title = "Aruba AOS-CX"
    login = "aruba_aoscx"
    rejections = (*Dialect.rejections, r"(?i)invalid ", r"(?i)not allowed", r"^Ambiguous", r"does not exist")
    home = 1
    make_vlans: ClassVar[Lines] = ("vlan {vlans}", "exit")
    remove_vlans: ClassVar[Lines] = ("no vlan {vlans}",)
    several: ClassVar[Lines] = ("interface {ports}",)
    span = "{prefix}{first}-{prefix}{last}"
    clean: ClassVar[Lines] = (Say("no routing", optional=True), "vlan access 1")  # some have no routing
    access: ClassVar[Lines] = (*clean, "vlan access {vlan}")
    tagged: ClassVar[Lines] = (*clean, "vlan trunk native 1", "vlan trunk allowed {vlans}")
    both: ClassVar[Lines] = (*clean, "vlan trunk native {vlan}", "vlan trunk allowed {all}")
    empty: ClassVar[Lines] = ()
    add: ClassVar[Lines] = ("vlan trunk allowed {vlans}",)
    remove: ClassVar[Lines] = ("no vlan trunk allowed {vlans}",)
    no_native: ClassVar[Lines] = ("no vlan trunk allowed {own}", "vlan trunk native 1")
    reads: ClassVar[Lines] = ("show running-config",)
    version: ClassVar[Lines] = ("show system",)
    model = r"(?m)^Product Name\s*: (.+)$"
    save: ClassVar[Lines] = ("write memory",)
    saved = r"(?i)success"
    numbering = r"\d+/\d+/\d+(?::\d+)?|lag \d+"

    @classmethod
    def parse(cls, answers: Sequence[str]) -> Reading:
        """A port that routes and has no address carries nothing; the others that route are left out."""
        heading = r"interface (lag \d+|\d+/\d+/\d+(?::\d+)?)"
        ports = {
            port: Seen(cls._state(lines), is_shut(lines, by_default=True), cls._is_trunk(lines))
            for port, lines in sections(answers[0], heading).items()
            if not any(re.match(r"lag \d|(ip|ipv6) address|vrf attach", line) for line in lines)
        }
        made = re.findall(r"(?m)^vlan ([\d,-]+)\s*$", answers[0])
        return Reading(ports, frozenset({1}.union(*map(numbers, made))))

    @classmethod
    def _is_trunk(cls, lines: Sequence[str]) -> bool:
        return any(line.startswith("vlan trunk ") for line in lines)

    @classmethod
    def _state(cls, lines: Sequence[str]) -> PortState:
        if not any(line.startswith(CARRYING) for line in lines):
            return PortState(1) if "no routing" in lines else PortState()
        access = value(lines, "vlan access")
        if access is not None:
            return PortState(int(access))
        allowed = value(lines, "vlan trunk allowed") or "all"
        native, _, tag = (value(lines, "vlan trunk native") or "1").partition(" ")
        own = None if tag else int(native)
        if allowed == "all":
            return PortState(own, open=True)
        vlans = {vlan for line in lines if line.startswith("vlan trunk allowed ") for vlan in numbers(line)}
        own = own if own in vlans else None
        return PortState(own, tuple(sorted(vlans - {own})))


class ArubaSwitch(Membership):
    """ArubaOS-Switch and ProCurve: a port is on VLAN 1 when it is on no other, so such a one is shut."""

    name = "hp_procurve"
    title = "ArubaOS-Switch or HP ProCurve"
    login = "hp_procurve"
    home = 1
    rejections = (
        r"^(?i:invalid|incomplete|ambiguous) input",
        r"(?i)invalid port|inconsistent value|not allowed|not supported|must be|cannot",
        r"^(?i:error|unable|commit failed)",
    )
    remove_vlan: ClassVar[Lines] = (Say("no vlan {vlan}", answers=((r"\[y/n\]\s*\??", "y"),)),)
    several: ClassVar[Lines] = ("interface {ports}",)
    span = "{prefix}{first}-{prefix}{last}"
    shut: ClassVar[Lines] = ("disable",)
    open: ClassVar[Lines] = ("enable",)
    reads: ClassVar[Lines] = ("show running-config",)
    version: ClassVar[Lines] = ("show running-config",)
    model = r"(?m)^; (\S+) Configuration Editor"
    save: ClassVar[Lines] = ("write memory",)  # says nothing
    numbering = r"(?:\d+/)?[A-Z]?\d+|Trk\d+"

    @classmethod
    def port_name(cls, name: str) -> str | None:
        """In capitals, but for trunks, which bundle ports here."""
        return super().port_name(name.upper().replace("TRK", "Trk"))

    @classmethod
    def parse(cls, answers: Sequence[str]) -> Reading:
        """Each port that switches is in the list of some VLAN."""
        (text,) = answers
        vlans = sections(text, r"vlan (\d+)\s*$")
        said = sections(text, r"interface (\S+)\s*$")
        untagged: dict[str, int] = {}
        tagged: dict[str, set[int]] = {}
        for vlan, lines in vlans.items():
            for port in port_list(value(lines, "untagged") or ""):
                untagged[port] = int(vlan)
            for port in port_list(value(lines, "tagged") or ""):
                tagged.setdefault(port, set()).add(int(vlan))
        ports = {
            port: modeless(
                PortState(untagged.get(port), tuple(sorted(tagged.get(port, ())))),
                "disable" in said.get(port, ()),
            )
            for port in {**untagged, **tagged}
            if port and "routing" not in said.get(port, ())
        }
        return Reading(ports, frozenset(map(int, vlans)))
