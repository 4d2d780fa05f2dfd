"""A node that is itself a domain of some libvirt, as in a lab."""

from collections.abc import Callable, Mapping
from typing import Any, ClassVar

from nm import hypervisor, libvirt_host
from nm.errors import DeviceFailed
from nm.processor import Settings

Connect = Callable[[str], hypervisor.Hypervisor]


def _check(management: Mapping[str, Any]) -> None:
    hypervisor.check_uri(management["uri"])


class LibvirtPower:
    """The power button of a domain."""

    kind: ClassVar[str] = "libvirt"
    settings: ClassVar[Settings] = Settings(
        {"uri": str, "domain": str}, frozenset({"uri", "domain"}), check=_check
    )

    def __init__(
        self,
        management: Mapping[str, Any],
        secrets: Mapping[str, str],
        connect: Connect = libvirt_host.connect,
    ) -> None:
        self._domain = management["domain"]
        self._hypervisor = connect(management["uri"])

    def is_on(self) -> bool:
        """Whether the domain runs."""
        state = self._hypervisor.state(self._domain)
        if state is None:
            raise DeviceFailed(
                f"there is no domain {self._domain} to switch", "see the node's management", passing=False
            )
        return state.running

    def switch(self, on: bool) -> None:
        """Start it, or take its power away."""
        if on:
            self._hypervisor.start(self._domain)
        else:
            self._hypervisor.stop(self._domain)

    def ask_to_stop(self) -> None:
        """Press the power button; what its system makes of it is seen by its state."""
        self._hypervisor.ask_to_stop(self._domain)

    def boot_from(self, device: str) -> None:
        """Change what its next start boots from."""
        self._hypervisor.set_boot(self._domain, "network" if device == "pxe" else "hd")

    def boots_from(self) -> str | None:
        """What its next start boots from."""
        found = self._hypervisor.boots_from(self._domain)
        return found and {"network": "pxe", "hd": "disk"}.get(found, "")

    def close(self) -> None:
        """Close libvirt's connection."""
        self._hypervisor.close()
