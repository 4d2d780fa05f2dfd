"""A host's own network: how a VLAN gets from the host's trunk to a head node's NIC.

Kind linux: an 802.1q link on the trunk device and a bridge that holds it, both named after the VLAN.
Neither gets an address, so that a group's frames never reach the host itself. Kind ovs: one Open
vSwitch bridge for all VLANs; the tag comes with the domain's NIC, there is nothing to make.

Links are made on this machine by netlink, on another one by iproute2 over SSH (nm/links/). Called by
nm/vm.py, on the host's one worker thread; holds no lock.
"""

from collections.abc import Callable, Mapping
from typing import ClassVar, Protocol

from nm.errors import DeviceFailed
from nm.hostlogin import Login
from nm.hypervisor import check_network, check_uri, is_remote
from nm.links import Add, Delete, Link, Up, Way
from nm.links.here import Here
from nm.records import Record

_BRIDGE = "nmbr"
_LINK = "nmv"


class HostNetwork(Protocol):
    """What a host's network can do for one VLAN. DeviceFailed when it cannot."""

    def make(self, vlan: int) -> None:
        """Let the VLAN reach the host's domains."""

    def unmake(self, vlan: int) -> None:
        """Take the VLAN's own things away; refuses while something hangs on them."""

    def present(self, vlan: int) -> bool:
        """Whether the VLAN can reach the host's domains."""

    def place(self, vlan: int) -> tuple[str, int | None]:
        """Bridge and tag of a NIC on that VLAN."""

    def close(self) -> None:
        """Let go of connections; the next call opens them again."""

    def vlan_at(self, bridge: str | None, tag: int | None) -> int | None:
        """The VLAN of a NIC with that bridge and tag; None when it is on no VLAN of this network."""


class OvsNetwork:
    """One Open vSwitch bridge whose uplink carries every VLAN; ports have tags."""

    def __init__(self, device: str) -> None:
        self._device = device

    def make(self, vlan: int) -> None:
        """Nothing: libvirt gives the NIC's port its tag."""

    def unmake(self, vlan: int) -> None:
        """Nothing: the tag went with the NIC's port."""

    def present(self, vlan: int) -> bool:
        """Always; the bridge carries every VLAN."""
        return True

    def place(self, vlan: int) -> tuple[str, int | None]:
        """The one bridge, and the tag."""
        return self._device, vlan

    def close(self) -> None:
        """Nothing is open."""

    def vlan_at(self, bridge: str | None, tag: int | None) -> int | None:
        """The tag, on this bridge."""
        return tag if bridge == self._device else None


class LinuxNetwork:
    """An 802.1q link and a bridge a VLAN, as nmv101 and nmbr101."""

    def __init__(self, device: str, way: Way | None = None) -> None:
        self._device = device
        self._way = way or Here()

    def make(self, vlan: int) -> None:
        """Link and bridge, the link a port of the bridge, both up."""
        bridge, link = f"{_BRIDGE}{vlan}", f"{_LINK}{vlan}"
        there = self._way.look()
        self._check(there, vlan)
        wanted = [Add(link, "vlan", (vlan, self._device)), Add(bridge, "bridge")]
        self._way.edit([add for add in wanted if add.name not in there])
        self._way.without_addresses([link, bridge])
        self._way.edit([Up(self._device), Up(link, bridge), Up(bridge)])

    def unmake(self, vlan: int) -> None:
        """Remove both, unless a port that is not ours hangs on the bridge."""
        bridge, link = f"{_BRIDGE}{vlan}", f"{_LINK}{vlan}"
        there = self._way.look()
        foreign = sorted(name for name, one in there.items() if one.master == bridge and name != link)
        if foreign:
            raise DeviceFailed(
                f"bridge {bridge} stays: {', '.join(foreign)} still hangs on it",
                f"take it off VLAN {vlan} (stop its domain), then nm removes the bridge",
            )
        ours = [(link, "vlan"), (bridge, "bridge")]
        self._way.edit([Delete(name) for name, kind in ours if name in there and there[name].kind == kind])

    def present(self, vlan: int) -> bool:
        """Both there, connected, up, and on the right trunk device."""
        there = self._way.look()
        bridge, link = there.get(f"{_BRIDGE}{vlan}"), there.get(f"{_LINK}{vlan}")
        return (
            self._device in there
            and link == Link("vlan", True, f"{_BRIDGE}{vlan}", (vlan, self._device))
            and bridge is not None
            and bridge.up
        )

    def place(self, vlan: int) -> tuple[str, int | None]:
        """The bridge of that VLAN; no tag."""
        return f"{_BRIDGE}{vlan}", None

    def vlan_at(self, bridge: str | None, tag: int | None) -> int | None:
        """The number in the bridge's name."""
        digits = (bridge or "").removeprefix(_BRIDGE)
        is_ours = bridge is not None and bridge.startswith(_BRIDGE) and digits.isdigit() and tag is None
        return int(digits) if is_ours else None

    def close(self) -> None:
        """Let go of the way."""
        self._way.close()

    def _check(self, there: Mapping[str, Link], vlan: int) -> None:
        """Nothing of a stranger's is in the way."""
        if self._device not in there:
            raise DeviceFailed(
                f"{self._way.machine} has no network device {self._device}",
                "name the host's trunk NIC in its network.device (UpdateHost)",
                passing=False,
            )
        for name, kind in ((f"{_LINK}{vlan}", "vlan"), (f"{_BRIDGE}{vlan}", "bridge")):
            if name in there and there[name].kind != kind:
                raise DeviceFailed(
                    f"{self._way.machine} has an interface {name} already, which is no {kind}",
                    "rename or remove it",
                    passing=False,
                )
        link = there.get(f"{_LINK}{vlan}")
        if link is not None and link.vlan != (vlan, self._device):
            raise DeviceFailed(
                f"{self._way.machine} has a link {_LINK}{vlan} already, "
                f"which is not VLAN {vlan} of {self._device}",
                f"remove it (ip link delete {_LINK}{vlan}), or give the host one trunk device only",
                passing=False,
            )


class NoNetwork(LinuxNetwork):
    """For libvirt's test driver: its domains have no real NICs, so nothing real is made.

    What was made is remembered as long as those domains are: until the process ends.
    """

    _made: ClassVar[set[tuple[str, int]]] = set()  # device, VLAN

    def make(self, vlan: int) -> None:
        """Remember it."""
        self._made.add((self._device, vlan))

    def unmake(self, vlan: int) -> None:
        """Forget it."""
        self._made.discard((self._device, vlan))

    def present(self, vlan: int) -> bool:
        """As remembered."""
        return (self._device, vlan) in self._made


def network_of(
    host: Record,
    who: str = "host",
    secret: Callable[[str], str] = str,
    meet: Callable[[str], None] = lambda key: None,
) -> HostNetwork:
    """The network of a host's record.

    Of another machine: `who` is what messages call it, `secret` looks a secret up, `meet` is told its key.
    """
    check_uri(host["uri"])
    network = check_network(host["network"])
    if network["kind"] == "ovs":
        return OvsNetwork(network["device"])
    if host["uri"].startswith("test:"):
        return NoNetwork(network["device"])
    login = Login(host, who, secret, meet)
    return LinuxNetwork(network["device"], _there(login) if is_remote(host["uri"]) else None)


def _there(login: Login) -> Way:
    """SSH's library is loaded where a host needs it."""
    from nm.links.there import There

    return There(login.who, login.machine(), login.meet)
