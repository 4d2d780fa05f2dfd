"""What a rack of a given size looks like: names, wiring, addresses. Pure.

Used by everything in the lab, so that the rack that is built, the pool that is registered and the
pings that are sent are one and the same. Switches form a chain, which is a tree in which a VLAN of
the outer switches crosses all others; the VM host hangs on the first one.
"""

from dataclasses import dataclass
from functools import cached_property

from nm.lab.errors import LabError

PREFIX = 16  # all addresses lie in one subnet: only VLANs decide who reaches whom
VLANS = range(101, 200)
HOST = "host0"  # the VM host's bridge, and its name in the pool
POOL = "nm-disks"  # libvirt's pool for disks: nm's own name for it, so that what names none is in the lab too
HEAD_ADDRESS = "10.9.254.1"  # of every head node that is made from an image; each is alone on its VLAN
BMCS = ("ipmi", "redfish", "virtualbmc")
OTHER = "host1"  # another VM host, by SSH, where a lab has described pools; also the name of its network
WORLD = "world"  # the network behind the outer bridge, where a lab has slivers or is federated
LIMITS = {"switches": (1, 32), "nodes": (0, 250), "headnodes": (0, 32)}


@dataclass(frozen=True)
class Node:
    """A machine of the rack with one NIC: a network namespace, or one that boots."""

    name: str
    switch: str
    port: str
    mac: str
    address: str
    bmc: str  # the address of its management processor; there is one in a rack that boots


@dataclass(frozen=True)
class HeadNode:
    """A domain of the VM host's libvirt."""

    name: str
    mac: str
    address: str


@dataclass(frozen=True)
class Trunk:
    """A link between two bridges, by the names of its two patch ports. An end may be the VM host."""

    name: str
    ends: tuple[tuple[str, str], tuple[str, str]]  # (bridge, port)


@dataclass(frozen=True)
class Layout:
    """A rack by its sizes.

    One that boots has machines as nodes, and makes its head nodes from an image; one with `slivers` also has
    what slices want of a machine; one with `geni` is an aggregate of GENI's; one with `pools` has what is
    wanted for described pools of domains.
    """

    switches: int = 2
    nodes: int = 8
    headnodes: int = 2
    boot: bool = False
    bmc: str = "ipmi"  # what kind the management processors are
    slivers: bool = False
    geni: bool = False
    pools: bool = False

    def __post_init__(self) -> None:
        for word, (lowest, highest) in LIMITS.items():
            if not lowest <= (value := getattr(self, word)) <= highest:
                raise LabError(f"{value} {word} is not possible", f"use {lowest} to {highest}")
        if self.bmc not in BMCS:
            raise LabError(f"{self.bmc[:40]!r} is no kind of BMC", f"use one of: {', '.join(BMCS)}")

    @cached_property
    def switch_names(self) -> list[str]:
        """sw0, sw1 ..."""
        return [f"sw{number}" for number in range(self.switches)]

    @cached_property
    def rack(self) -> list[Node]:
        """The nodes n1, n2 ... dealt to the switches in turn."""
        return [
            Node(
                name=f"n{number}",
                switch=(switch := f"sw{(number - 1) % self.switches}"),
                port=f"{switch}-p{(number - 1) // self.switches + 1}",
                mac=f"52:54:00:09:00:{number:02x}",
                address=f"10.9.0.{number}",
                bmc=f"127.9.0.{number}",
            )
            for number in range(1, self.nodes + 1)
        ]

    @cached_property
    def heads(self) -> list[HeadNode]:
        """The head nodes h1, h2 ... of the VM host."""
        return [
            HeadNode(name=f"h{number}", mac=f"52:54:00:09:01:{number:02x}", address=f"10.9.1.{number}")
            for number in range(1, self.headnodes + 1)
        ]

    @property
    def outside(self) -> bool:
        """Whether there is a world around it."""
        return self.slivers or self.geni

    @cached_property
    def places(self) -> list[str]:
        """The networks beside the lab's own: a node's each, the world, the second host."""
        nodes = [] if self.boot else [node.name for node in self.rack]
        return [*nodes, *([WORLD] if self.outside else []), *([OTHER] if self.pools else [])]

    @cached_property
    def trunks(self) -> list[Trunk]:
        """sw0-sw1, sw1-sw2 ... and host0-sw0."""
        pairs = [(HOST, "sw0"), *zip(self.switch_names, self.switch_names[1:], strict=False)]
        return [Trunk(f"{a}-{b}", ((a, f"{a}-{b}"), (b, f"{b}-{a}"))) for a, b in pairs]

    @cached_property
    def addresses(self) -> dict[str, str]:
        """Who has which address: nodes and head nodes by name."""
        nodes = {node.name: node.address for node in self.rack}
        return nodes | {head.name: head.address for head in self.heads}
