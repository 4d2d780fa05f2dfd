"""Huawei VRP and HPE Comware, which once were one: families, whose recipes ngs.py has."""

import re
from collections.abc import Sequence
from typing import ClassVar

from nm.switch import PortState
from nm.switches.conversation import Say
from nm.switches.dialect import Lines, Reading, Seen
from nm.switches.dialects.family import Family
from nm.switches.parsing import numbers, sections, value

UNSAVED = ((r"\[Y/N(?:/C)?\]:?", "n"),)
SURE = ((r"(?i)\[Y/N\]:?", "y"),)
ROUTED = ("undo portswitch", "port link-mode route", "ip address", "eth-trunk ", "port link-aggregation ")


def _vlans(text: str) -> set[int]:
    """Of a list such as "101 to 103 105"."""
    return numbers(text.replace(" to ", "-"))


class HuaweiVrp(Family):
    """VRP 5. A port whose link type nobody said may turn into a trunk."""

    title = "Huawei VRP"
    login = "huawei"
    unsaid: ClassVar[PortState] = PortState(1, open=True)  # what a port carries of which nothing is said
    passes: ClassVar[str] = "port trunk allow-pass vlan"
    pvid: ClassVar[str] = "port default vlan"
    factory = unsaid
    rejections = (r"^\s*(?i:error)\b", r"^\s*\^\s*$", r"^\s*% ")
    enter: ClassVar[Lines] = ("system-view",)
    leave: ClassVar[Lines] = (Say("return", answers=UNSAVED),)
    done: ClassVar[Lines] = ("quit",)
    open: ClassVar[Lines] = ("undo shutdown",)
    clean: ClassVar[Lines] = (  # a trunk must be as it was at the factory before it is anything else
        Say("undo port trunk allow-pass vlan 2 to 4094", optional=True),
        Say("port trunk allow-pass vlan 1", optional=True),
        Say("undo port trunk pvid vlan", optional=True),
        "port link-type access",
        "undo port default vlan",
    )
    reads: ClassVar[Lines] = ("display current-configuration",)
    version: ClassVar[Lines] = ("display version",)
    model = r"(?mi)^\s*(?:HUAWEI|H3C|HPE?) (\S+).* uptime"
    save: ClassVar[Lines] = (Say("save", answers=SURE),)
    saved = r"(?i)success"
    kinds: ClassVar[Sequence[str]] = ("GigabitEthernet", "XGigabitEthernet", "Ethernet", "Eth-Trunk")

    @classmethod
    def parse(cls, answers: Sequence[str]) -> Reading:
        """Ports that route or belong to a bundle are left out."""
        (text,) = answers
        ports = {
            name: Seen(cls._state(lines), "shutdown" in lines, "port link-type trunk" in lines)
            for name, lines in sections(text, r"interface (\S+)").items()
            if cls.port_name(name) == name and not any(line.startswith(ROUTED) for line in lines)
        }
        made = re.findall(r"(?m)^vlan (?:batch )?(\d[\d to]*?)\s*$", text)
        return Reading(ports, frozenset({1}.union(*map(_vlans, made))))

    @classmethod
    def _state(cls, lines: Sequence[str]) -> PortState:
        mode = value(lines, "port link-type")
        if mode == "access" or (mode is None and not cls.unsaid.open):
            return PortState(int(value(lines, cls.pvid) or 1))
        if mode != "trunk":
            return cls.unsaid if mode is None else PortState(1, open=True)
        said = [line for line in lines if line.startswith(cls.passes)]
        if any(line.endswith(" all") for line in said):
            return PortState(int(value(lines, "port trunk pvid vlan") or 1), open=True)
        passed = set().union(*(_vlans(line[len(cls.passes) :]) for line in said))
        passed |= set() if f"undo {cls.passes} 1" in lines else {1}
        own = int(value(lines, "port trunk pvid vlan") or 1)
        return PortState(own if own in passed else None, tuple(sorted(passed - {own})))


class HuaweiVrp8(HuaweiVrp):
    """VRP 8, as on CloudEngines: what was said becomes true by `commit`, here after every port."""

    title = "Huawei VRP 8"
    login = "huawei_vrpv8"
    unsaid = factory = PortState(1)
    settle: ClassVar[Lines] = ("commit",)
    done: ClassVar[Lines] = ("commit", "quit")
    kinds: ClassVar[Sequence[str]] = ()
    numbering = r"(?:(?:\d+|X?Gigabit)(?:GE|Ethernet)|GE)\d+/\d+/\d+(?::\d+)?|Eth-Trunk\d+"


class HpeComware(HuaweiVrp):
    """Comware 5 and 7."""

    title = "HPE Comware"
    login = "hp_comware"
    unsaid = factory = PortState(1)
    passes = "port trunk permit vlan"
    pvid = "port access vlan"
    clean: ClassVar[Lines] = ("port link-type access", "undo port access vlan")
    save: ClassVar[Lines] = (Say("save force", answers=SURE),)
    kinds: ClassVar[Sequence[str]] = (
        "GigabitEthernet",
        "Ten-GigabitEthernet",
        "Twenty-FiveGigE",
        "FortyGigE",
        "HundredGigE",
        "Bridge-Aggregation",
    )
