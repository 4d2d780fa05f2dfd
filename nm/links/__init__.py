"""Network links of a machine as plain data, and the face of the two ways to them.

nm/links/here.py is the way to this machine's, nm/links/there.py the one to another's. nm/hostnet.py says what
is to be made of them. Pure.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from nm.errors import DeviceFailed


@dataclass(frozen=True)
class Link:
    """A link as it is: its kind ("" for a real one), and for an 802.1q link its VLAN and what it is on."""

    kind: str
    up: bool
    master: str | None = None
    vlan: tuple[int, str] | None = None


@dataclass(frozen=True)
class Add:
    """Make a link, down; `vlan` is of one of that kind: its VLAN, and what it is on."""

    name: str
    kind: str
    vlan: tuple[int, str] | None = None


@dataclass(frozen=True)
class Up:
    """Set a link up, as a port of `master` when one is named."""

    name: str
    master: str | None = None


@dataclass(frozen=True)
class Delete:
    """Remove a link."""

    name: str


Edit = Add | Up | Delete


class Way(Protocol):
    """The way to a machine's links. DeviceFailed when it cannot."""

    machine: str  # as error messages call it

    def look(self) -> Mapping[str, Link]:
        """All links by name."""

    def edit(self, edits: Sequence[Edit]) -> None:
        """Make the edits in this order; none behind one that is refused."""

    def without_addresses(self, names: Sequence[str]) -> None:
        """Keep IPv6 from giving these an address by itself; that would let their frames reach the machine."""

    def close(self) -> None:
        """Let go of the connection; what comes next opens it again."""


def no_such_kind(machine: str, kind: str) -> DeviceFailed:
    """The kernel has no links of that kind."""
    module = {"vlan": "8021q"}.get(kind, kind)
    return DeviceFailed(
        f"the kernel of {machine} has no links of kind {kind}", f"modprobe {module} there", passing=False
    )
