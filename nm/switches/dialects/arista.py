"""Arista EOS."""

from collections.abc import Sequence
from typing import ClassVar

from nm.switches.dialect import Dialect, Lines, Reading, Seen
from nm.switches.parsing import TRUNK, column, is_shut, sections, switches, switchport


class AristaEos(Dialect):
    """EOS."""

    name = "arista_eos"
    title = "Arista EOS"
    login = "arista_eos"
    make_vlans: ClassVar[Lines] = ("vlan {vlans}", "exit")
    remove_vlans: ClassVar[Lines] = ("no vlan {vlans}",)
    several: ClassVar[Lines] = ("interface {ports}",)
    save: ClassVar[Lines] = ("write memory",)
    saved = r"Copy completed successfully"
    model = r"(?m)^(Arista \S+)"
    kinds: ClassVar[Sequence[str]] = ("Ethernet", "Port-Channel")

    @classmethod
    def parse(cls, answers: Sequence[str]) -> Reading:
        """A port without a mode is an access port."""
        vlans, configuration = answers
        ports = {
            name: Seen(switchport(lines), is_shut(lines), TRUNK in lines)
            for name, lines in sections(configuration, r"interface (\S+)").items()
            if name.startswith(tuple(cls.kinds)) and switches(lines)
        }
        return Reading(ports, column(vlans, r"(\d+) "))
