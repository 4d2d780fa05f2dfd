"""What a fake switch knows: ports, VLANs, and the running and the startup configuration made of them."""

import copy
import dataclasses
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import groupby
from typing import Any, NamedTuple

from nm.switch import PortState

ALL = frozenset(range(1, 4095))  # every VLAN: what a trunk allows unless told otherwise


@dataclass
class Vlan:
    name: str
    shut: bool = False


@dataclass
class Port:
    """Everything that a dialect may write of a port; which of it has effect is the mode's matter."""

    name: str
    mode: str = "access"
    access: int | None = 1
    native: int | None = 1
    allowed: frozenset[int] = ALL
    untagged: frozenset[int] = frozenset()  # where membership is the port's own list (general, hybrid)
    tagged: frozenset[int] = frozenset()
    voice: int | None = None
    shut: bool = False
    description: str = ""
    extra: dict[str, Any] = field(default_factory=dict)  # what one dialect alone knows


@dataclass
class Config:
    hostname: str
    ports: dict[str, Port]
    vlans: dict[int, Vlan] = field(default_factory=lambda: {1: Vlan("default")})
    extra: dict[str, Any] = field(default_factory=dict)

    def copy(self) -> "Config":
        return copy.deepcopy(self)


class Carried(NamedTuple):
    """What a port carries on the wire by its configuration."""

    untagged: int | None = None
    tagged: tuple[int, ...] = ()
    shut: bool = False
    mode: str = ""
    open: bool = False  # carries VLANs beyond those named

    @property
    def state(self) -> PortState:
        """The same in nm's words: what is shut carries nothing."""
        return PortState() if self.shut else PortState(self.untagged, self.tagged, self.open)


def trunk(port: Port, mode: str = "trunk") -> Carried:
    """A trunk as most vendors have it: one native VLAN, and a list of what is allowed."""
    native = port.native if port.native in port.allowed else None
    if port.allowed == ALL:
        return Carried(native, (), port.shut, mode, open=True)
    return Carried(native, tuple(sorted(port.allowed - {port.native})), port.shut, mode)


def general(port: Port, pvid: int | None) -> Carried:
    """A port with lists of its own: untagged frames come in on the PVID, and leave from every VLAN that it is
    an untagged member of. Where these are not one and the same, it is open."""
    leaks = bool(port.untagged - {pvid}) or pvid in port.tagged
    untagged = pvid if pvid in port.untagged else None
    return Carried(untagged, tuple(sorted(port.tagged)), port.shut, "general", open=leaks)


def parse_ids(text: str, lowest: int = 1) -> frozenset[int]:
    """`1,3-5` as a set; ValueError when it is no list of VLANs, or of numbers from `lowest` on."""
    ids: set[int] = set()
    for piece in text.split(","):
        first, dash, last = piece.partition("-")
        low, high = int(first), int(last if dash else first)
        if not lowest <= low <= high <= 4094:
            raise ValueError(text)
        ids.update(range(low, high + 1))
    return frozenset(ids)


def runs(ids: Iterable[int]) -> Iterator[tuple[int, int]]:
    """Runs of neighbours in a set of numbers, as first and last."""
    for _, group in groupby(enumerate(sorted(ids)), lambda pair: pair[1] - pair[0]):
        members = [number for _, number in group]
        yield members[0], members[-1]


def format_ids(ids: Iterable[int], shortest: int = 3) -> str:
    """The set as `1,2,5-7`; a run is written with a dash when it has `shortest` members or more."""
    pieces: list[str] = []
    for low, high in runs(ids):
        if high - low + 1 >= max(shortest, 2):
            pieces.append(f"{low}-{high}")
        else:
            pieces += [str(number) for number in range(low, high + 1)]
    return ",".join(pieces)


def as_json(config: Config) -> dict[str, Any]:
    """The configuration as builtin types; sets of VLANs as text."""

    def plain(value: Any) -> Any:
        if isinstance(value, dict):
            return {str(key): plain(inner) for key, inner in value.items()}
        if isinstance(value, list | tuple):
            return [plain(inner) for inner in value]
        if isinstance(value, set | frozenset):
            numbers = all(isinstance(inner, int) for inner in value)
            return format_ids(value) if numbers else sorted(map(str, value))
        return value

    return {key: plain(value) for key, value in dataclasses.asdict(config).items()}
