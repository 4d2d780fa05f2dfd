"""A Linux bridge with VLAN filtering as a switch, on this machine or on another one over SSH.

Called by the switch's executor as any driver is; holds no lock. An isolated port is on no VLAN at all: the
bridge then drops whatever comes in by it and gives it nothing. Links stay up or down as they are. The bridge
must filter VLANs and put new ports on none (`vlan_default_pvid 0`): only then does a port that comes anew, as
all do at a reboot, come isolated. Nothing of the bridge as a whole is ever changed.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, ClassVar

from nm.errors import DeviceFailed, Invalid
from nm.keys import canonical_key
from nm.remote import SSH_PORT, Remote
from nm.switch import Change, SwitchState, check_timeout
from nm.switches import addresses
from nm.switches.bridge import INTERFACE, Refusal, Way, blame, model, plan, port_state
from nm.switches.iproute2 import There
from nm.switches.netlink import Here

REMOTE = ("port", "user", "host_key")  # settings that only another machine has
RIGHTS = "look at the port; nmd needs CAP_NET_ADMIN here, the user root's rights on another machine"
_USER = re.compile(r"[a-z_][a-z0-9_-]{0,31}")


class LinuxBridge:
    """Drives one bridge of a Linux kernel."""

    kind: ClassVar[str] = "linux"
    settings: ClassVar[Mapping[str, type]] = {
        "bridge": str,
        "address": str,
        "port": int,
        "user": str,
        "host_key": str,
        "timeout": float,
    }
    required: ClassVar[frozenset[str]] = frozenset({"bridge"})
    identity: ClassVar[tuple[str, ...]] = ("address", "port", "bridge")
    parking: ClassVar[int | None] = None  # an isolated port is on no VLAN

    def __init__(self, name: str, settings: Mapping[str, Any], secrets: Mapping[str, str]) -> None:
        self._name = name
        self._bridge = settings["bridge"]
        who = f"switch {name}"
        self._way: Way = (
            There(who, self._bridge, Remote(who, settings, secrets))
            if "address" in settings
            else Here(who, self._bridge)
        )

    @staticmethod
    def canonical(settings: Mapping[str, Any]) -> dict[str, Any]:
        """The settings, with address, port and host key in their one spelling."""
        check_timeout(settings)
        _check_interface(settings["bridge"], "bridge")
        if "address" not in settings:
            if given := [key for key in REMOTE if key in settings]:
                raise Invalid(f"{given[0]} without an address", "name the host's address, or leave it out")
            return dict(settings)
        if not _USER.fullmatch(settings.get("user", "root")):
            raise Invalid(f"{settings['user']!r} is no Unix account", "use the name of an account there")
        key = {}
        if "host_key" in settings:  # of two bridges of one machine each has it under its own name
            key["host_key"] = f"{canonical_key(settings['host_key'])} {settings['bridge']}"
        place = {
            "address": addresses.canonical(settings["address"]),
            "port": addresses.check_port(settings.get("port", SSH_PORT)),
        }
        return {**settings, **place, **key}

    @staticmethod
    def port_name(settings: Mapping[str, Any], name: str) -> str:
        """An interface has one name."""
        del settings
        return _check_interface(name, "port")

    def open(self) -> Mapping[str, str]:
        """Log in, where the bridge is another machine's."""
        return self._way.open()

    def apply(self, changes: Sequence[Change], epoch: int) -> dict[Change, DeviceFailed]:
        """Make the changes: what is taken away first, what is added then, all at one go."""
        del epoch  # what is to be taken away and added follows from what is there
        edits, refused = plan(self._way.look(), changes)
        for edit, words in (self._way.edit(edits) if edits else {}).items():
            refused |= dict.fromkeys(blame(edit, changes), Refusal(words, RIGHTS))
        return {change: self._rejected(change, refusal) for change, refusal in refused.items()}

    def read(self, ports: Iterable[str] | None = None) -> SwitchState:
        """The ports' states as the kernel has them."""
        bridge = self._way.look()
        names = bridge.ports if ports is None else [port for port in ports if port in bridge.ports]
        return SwitchState(None, {name: port_state(bridge, name) for name in names}, model(bridge))

    def save(self) -> None:
        """A kernel keeps nothing over a reboot; then its ports come isolated, and are joined by a repair."""

    def close(self) -> None:
        """Log out."""
        self._way.close()

    def _rejected(self, change: Any, refusal: Refusal) -> DeviceFailed:
        words = f"switch {self._name} rejected port {change.port}: {refusal.words}"
        return DeviceFailed(words, refusal.hint, passing=False)


def _check_interface(name: str, what: str) -> str:
    if not INTERFACE.fullmatch(name):
        raise Invalid(
            f"{what} {name!r} is no network interface that nm drives",
            "use 1 to 15 letters, digits and ._+- as `ip link` shows them",
        )
    return name
