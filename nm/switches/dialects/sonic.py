"""SONiC as the community makes it: a shell, and `config` behind sudo."""

from collections.abc import Iterator, Mapping, Sequence
from typing import ClassVar

from nm.switch import PortState
from nm.switches.conversation import Say
from nm.switches.dialect import Block, Lines, Move, Reading, Seen, filled
from nm.switches.dialects.membership import Membership
from nm.switches.parsing import document

ROLE = Say("sudo config switchport mode trunk {ports}", optional=True)
ROUTED = ("INTERFACE", "PORTCHANNEL_INTERFACE", "VLAN_SUB_INTERFACE")
ASKED = ((r"password for .*:", ""),)  # then sudo gives up, and says so


class Sonic(Membership):
    """The user must be allowed to sudo without a password, or the secret `enable` is that password."""

    name = "sonic"
    title = "SONiC"
    login = "linux"
    enables = False  # its commands say sudo
    factory = PortState()
    rejections = (r"^Error", r"^Traceback", r"^sudo: ", r"command not found")
    harmless: ClassVar[Sequence[str]] = (r"already exists", r"already a member", r"is not a member")
    enter: ClassVar[Lines] = ()
    leave: ClassVar[Lines] = ()
    make_vlan: ClassVar[Lines] = ("sudo config vlan add {vlan}",)
    make_vlans: ClassVar[Lines] = ("sudo config vlan add -m {vlans}",)  # older ones know one at a time
    remove_vlan: ClassVar[Lines] = ("sudo config vlan del {vlan}",)
    port: ClassVar[Lines] = ()
    done: ClassVar[Lines] = ()
    span = ""
    most_pieces = 24
    at_once = 1
    shut: ClassVar[Lines] = ("sudo config interface shutdown {ports}",)
    open: ClassVar[Lines] = ("sudo config interface startup {ports}",)
    into: ClassVar[Lines] = ()
    untag: ClassVar[Lines] = ("sudo config vlan member add -u {vlan} {ports}",)
    tag: ClassVar[Lines] = ("sudo config vlan member add {vlan} {ports}",)
    no_untag: ClassVar[Lines] = ("sudo config vlan member del {vlan} {ports}",)
    no_tag: ClassVar[Lines] = no_untag
    reads: ClassVar[Lines] = (Say("sudo show runningconfiguration all", ASKED),)
    model = r"HwSKU: (\S+)"
    save: ClassVar[Lines] = ("sudo config save -y && sync && echo it is saved",)  # says nothing of its end
    saved = r"(?m)^it is saved$"
    kinds: ClassVar[Sequence[str]] = ("Ethernet", "PortChannel")
    numbering = r"\d+"

    @classmethod
    def prepared(cls, moves: Sequence[Move]) -> Iterator[Block]:
        """Newer ones ask that a port be a switch's port first; a trunk may carry untagged frames too."""
        for move in moves:
            yield from cls.at_ports([move], filled((ROLE,)))

    @classmethod
    def parse(cls, answers: Sequence[str]) -> Reading:
        """The tables of its database. A port that routes is in INTERFACE; nothing but a VLAN carries."""
        tables = document(answers[0])
        bundled = {key.split("|")[1] for key in tables.get("PORTCHANNEL_MEMBER", {})}
        routed = {key.split("|")[0] for table in ROUTED for key in tables.get(table, {})}
        on: dict[str, dict[int, bool]] = {}
        for key, member in tables.get("VLAN_MEMBER", {}).items():
            vlan, _, port = key.partition("|")
            on.setdefault(port, {})[int(vlan[4:])] = member.get("tagging_mode") == "tagged"
        ports = {
            port: _seen(on.get(port, {}), said)
            for table in ("PORT", "PORTCHANNEL")
            for port, said in tables.get(table, {}).items()
            if port not in bundled | routed
        }
        return Reading(ports, frozenset(int(key[4:]) for key in tables.get("VLAN", {})))


def _seen(on: dict[int, bool], said: Mapping[str, str]) -> Seen:
    trunk = any(on.values()) or said.get("mode") == "trunk"
    return Seen(_state(on), said.get("admin_status", "down") != "up", trunk)


def _state(on: dict[int, bool]) -> PortState:
    """Of VLANs, and whether they are tagged. A port that is untagged in several is open."""
    plain = sorted(vlan for vlan, tagged in on.items() if not tagged)
    rest = sorted({*on} - {*plain[:1]})
    return PortState(plain[0] if plain else None, tuple(rest), open=len(plain) > 1)
