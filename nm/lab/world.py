"""What is outside of the lab's machine: a bridge whose uplink leads to the world, a namespace with addresses.

It is the network of slivers, and there the federation's experimenters are. One address lies in a network that
the lab's PLC calls exempt. The host has an address on the bridge, too, and reaches the world, where that PLC
is, by the same uplink. Called by rack.
"""

from nm.lab.layout import WORLD
from nm.lab.running import run

BRIDGE, UPLINK = "slivers0", "uplink0"
NETWORK = "10.77.0.0/16"
GATEWAY = "10.77.0.1/16"  # the world's end of the uplink
HOST = "10.77.0.2"  # this machine on the bridge: where sshd and the doors of federation are
FAR = "10.88.0.1"  # in the world
_MAC = "52:54:00:09:02:01"  # of the bridge: else it is that of some port, and changes as slivers come and go
EXEMPT, EXEMPT_NETWORK = "10.99.0.1", "10.99.0.0/16"


def build() -> None:
    """All of it."""
    run("ip", "netns", "add", WORLD)
    here = (
        f"link add {BRIDGE} address {_MAC} type bridge mcast_snooping 0",
        f"link add {UPLINK} type veth peer name eth0 netns {WORLD}",
        f"link set {UPLINK} master {BRIDGE} up",
        f"link set {BRIDGE} up",
        f"address add {HOST}/16 dev {BRIDGE}",
    )
    run("ip", "-batch", "-", said="\n".join(here))
    there = (
        "link set lo up",
        "link set eth0 up",
        f"address add {GATEWAY} dev eth0",
        f"address add {FAR}/32 dev lo",
        f"address add {EXEMPT}/32 dev lo",
    )
    run("ip", "-n", WORLD, "-batch", "-", said="\n".join(there))
    run("ip", "route", "add", "default", "via", GATEWAY.partition("/")[0])
