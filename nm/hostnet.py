"""A host's own network: how a VLAN gets from the host's trunk to a head node's NIC.

Kind linux: an 802.1q link on the trunk device and a bridge that holds it, both named after the VLAN.
Neither gets an address, so that a group's frames never reach the host itself. Kind ovs: one Open
vSwitch bridge for all VLANs; the tag comes with the domain's NIC, there is nothing to make.

Called by nm/vm.py, on the host's one worker thread; holds no lock. pyroute2 is imported here only.
"""

import errno
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, ClassVar, Protocol

from pyroute2 import IPRoute
from pyroute2.netlink.exceptions import NetlinkError

from nm.errors import DeviceFailed
from nm.hypervisor import check_network, check_uri
from nm.records import Record

_BRIDGE = "nmbr"
_LINK = "nmv"
_IPV6 = Path("/proc/sys/net/ipv6/conf")
_ABSENT = (errno.ENODEV, errno.ENOENT)


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

    def vlan_at(self, bridge: str | None, tag: int | None) -> int | None:
        """The tag, on this bridge."""
        return tag if bridge == self._device else None


class LinuxNetwork:
    """An 802.1q link and a bridge a VLAN, as nmv101 and nmbr101."""

    def __init__(self, device: str) -> None:
        self._device = device

    def make(self, vlan: int) -> None:
        """Link and bridge, the link a port of the bridge, both up."""
        bridge, link = f"{_BRIDGE}{vlan}", f"{_LINK}{vlan}"
        with _kernel() as kernel:
            trunk = _index(kernel, self._device)
            if trunk is None:
                raise DeviceFailed(
                    f"this machine has no network device {self._device}",
                    "name the host's trunk NIC in its network.device (UpdateHost)",
                    passing=False,
                )
            _ensure(kernel, link, "vlan", "modprobe 8021q", link=trunk, vlan_id=vlan)
            self._check_link(kernel, vlan, trunk)
            _ensure(kernel, bridge, "bridge", "modprobe bridge")
            kernel.link("set", index=trunk, state="up")
            kernel.link("set", index=_index(kernel, link), master=_index(kernel, bridge), state="up")
            kernel.link("set", index=_index(kernel, bridge), state="up")

    def unmake(self, vlan: int) -> None:
        """Remove both, unless a port that is not ours hangs on the bridge."""
        bridge, link = f"{_BRIDGE}{vlan}", f"{_LINK}{vlan}"
        with _kernel() as kernel:
            foreign = sorted(_ports(kernel, bridge) - {link})
            if foreign:
                raise DeviceFailed(
                    f"bridge {bridge} stays: {', '.join(foreign)} still hangs on it",
                    f"take it off VLAN {vlan} (stop its domain), then nm removes the bridge",
                )
            _remove(kernel, link, "vlan")
            _remove(kernel, bridge, "bridge")

    def present(self, vlan: int) -> bool:
        """Both there, connected, up, and on the right trunk device."""
        bridge, link = f"{_BRIDGE}{vlan}", f"{_LINK}{vlan}"
        with _kernel() as kernel:
            trunk = _index(kernel, self._device)
            message = _message(kernel, link)
            return (
                trunk is not None
                and message is not None
                and _vlan_of(message) == (vlan, trunk)
                and link in _ports(kernel, bridge)
                and _is_up(message)
                and _is_up(_message(kernel, bridge))
            )

    def place(self, vlan: int) -> tuple[str, int | None]:
        """The bridge of that VLAN; no tag."""
        return f"{_BRIDGE}{vlan}", None

    def vlan_at(self, bridge: str | None, tag: int | None) -> int | None:
        """The number in the bridge's name."""
        digits = (bridge or "").removeprefix(_BRIDGE)
        is_ours = bridge is not None and bridge.startswith(_BRIDGE) and digits.isdigit() and tag is None
        return int(digits) if is_ours else None

    def _check_link(self, kernel: Any, vlan: int, trunk: int) -> None:
        link = f"{_LINK}{vlan}"
        if _vlan_of(_message(kernel, link)) != (vlan, trunk):
            raise DeviceFailed(
                f"there is a link {link} already, which is not VLAN {vlan} of {self._device}",
                f"remove it (ip link delete {link}), or give the host one trunk device only",
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


def network_of(host: Record) -> HostNetwork:
    """The network of a host's record."""
    network = check_network(check_uri(host["uri"]), host["network"])
    if network["kind"] == "ovs":
        return OvsNetwork(network["device"])
    kind: Callable[[str], HostNetwork] = NoNetwork if host["uri"].startswith("test:") else LinuxNetwork
    return kind(network["device"])


@contextmanager
def _kernel() -> Iterator[Any]:
    """A netlink socket for one use; the kernel's refusals become DeviceFailed."""
    try:
        with IPRoute() as kernel:
            yield kernel
    except NetlinkError as error:
        raise DeviceFailed(
            f"the kernel refused a change of the host's network: {error}",
            "nmd needs CAP_NET_ADMIN on this machine",
            passing=error.code not in (errno.EPERM, errno.EACCES),
        ) from error


def _message(kernel: Any, name: str) -> Any | None:
    """What the kernel says of that interface; None when there is none."""
    try:
        return kernel.link("get", ifname=name)[0]
    except NetlinkError as error:
        if error.code in _ABSENT:
            return None
        raise


def _index(kernel: Any, name: str) -> int | None:
    message = _message(kernel, name)
    return None if message is None else int(message["index"])


def _kind_of(message: Any) -> str | None:
    info = message.get_attr("IFLA_LINKINFO")
    return None if info is None else info.get_attr("IFLA_INFO_KIND")


def _vlan_of(message: Any) -> tuple[int, int] | None:
    """VLAN and parent's index of an 802.1q link."""
    if message is None or _kind_of(message) != "vlan":
        return None
    data = message.get_attr("IFLA_LINKINFO").get_attr("IFLA_INFO_DATA")
    return int(data.get_attr("IFLA_VLAN_ID")), int(message.get_attr("IFLA_LINK"))


def _is_up(message: Any | None) -> bool:
    return message is not None and bool(message["flags"] & 1)


def _ports(kernel: Any, bridge: str) -> set[str]:
    index = _index(kernel, bridge)
    if index is None:
        return set()
    return {
        message.get_attr("IFLA_IFNAME")
        for message in kernel.get_links()
        if message.get_attr("IFLA_MASTER") == index
    }


def _ensure(kernel: Any, name: str, kind: str, hint: str, **settings: Any) -> None:
    """Let there be a link of that kind, without addresses, still down when it is new."""
    try:
        if _index(kernel, name) is None:
            kernel.link("add", ifname=name, kind=kind, **settings)
    except NetlinkError as error:
        if error.code != errno.EOPNOTSUPP:
            raise
        raise DeviceFailed(f"this kernel has no links of kind {kind}", hint, passing=False) from error
    if _kind_of(_message(kernel, name)) != kind:
        raise DeviceFailed(
            f"there is an interface {name} already, which is no {kind}", "rename or remove it", passing=False
        )
    _without_addresses(name)


def _without_addresses(name: str) -> None:
    """Keep IPv6 from giving the link an address by itself; that would let the VLAN reach the host."""
    switch = _IPV6 / name / "disable_ipv6"
    try:
        if switch.exists() and switch.read_text().strip() != "1":
            switch.write_text("1")
    except OSError as error:
        raise DeviceFailed(
            f"cannot switch IPv6 off on {name}: {error.strerror}",
            "let nmd write /proc/sys/net (ReadWritePaths= in its unit)",
            passing=False,
        ) from error


def _remove(kernel: Any, name: str, kind: str) -> None:
    message = _message(kernel, name)
    if message is not None and _kind_of(message) == kind:
        kernel.link("del", index=message["index"])
