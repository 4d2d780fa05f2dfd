"""What a switch can do, without saying how: the driver's face, and the registry of kinds.

A driver knows one kind of switch. It is called by the switch's executor only
(nm/switches/executor.py), one call at a time, and holds no lock of nm's.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Protocol

from nm.errors import DeviceFailed, Invalid

SHORTEST_TIMEOUT, LONGEST_TIMEOUT = 0.1, 3600.0  # seconds
LONGEST_PORT_NAME = 128  # characters


@dataclass(frozen=True)
class PortState:
    """What a port carries. The default is an isolated port: on no VLAN, shut or parked."""

    untagged: int | None = None
    tagged: tuple[int, ...] = ()  # ascending
    open: bool = False  # carries VLANs beyond those named, as a factory-new trunk does

    @property
    def isolated(self) -> bool:
        """True when no frame of any group can pass."""
        return self == PortState()


@dataclass(frozen=True)
class SetPort:
    """Let the port carry exactly this; whatever else it carried is gone."""

    port: str
    state: PortState


@dataclass(frozen=True)
class SetTrunk:
    """Let the trunk port carry the VLAN, or no longer; its other VLANs stay as they are."""

    port: str
    vlan: int
    present: bool
    native: int = 1  # the trunk's native VLAN, which carries nothing of nm's


@dataclass(frozen=True)
class SetVlan:
    """Let the VLAN exist on the switch, or no longer."""

    vlan: int
    present: bool


Change = SetPort | SetTrunk | SetVlan


def successor(change: SetPort | SetTrunk, state: PortState) -> PortState:
    """The port's state after the change. An open trunk names its VLANs from its first change on."""
    if isinstance(change, SetPort):
        return change.state
    tagged = {*state.tagged} | {change.vlan} if change.present else {*state.tagged} - {change.vlan}
    native = state.untagged if state.untagged == change.native else None
    return PortState(native, tuple(sorted(tagged)))


@dataclass(frozen=True)
class SwitchState:
    """What was read from a switch. `vlans` is None for kinds that keep no table of VLANs."""

    vlans: frozenset[int] | None
    ports: Mapping[str, PortState]
    model: str = ""


class Driver(Protocol):
    """One kind of switch. Constructed with the switch's name, its settings and its secrets.

    A kind whose ports have several spellings has a static `port_name(settings, name)` too: it answers the
    switch's own full spelling, as GigabitEthernet1/0/1 of Gi1/0/1, or raises Invalid; it asks no device.
    One of whose settings only some values are known has a static `choices()` too: {setting: [values]}.
    """

    kind: ClassVar[str]
    settings: ClassVar[Mapping[str, type]]  # keys of RegisterSwitch's settings beside `driver`
    required: ClassVar[frozenset[str]]
    identity: ClassVar[tuple[str, ...]]  # the settings that say which device it is; () when none does
    parking: ClassVar[int | None]  # the VLAN that it parks isolated ports on, if it needs one of 2 to 4094

    def __init__(self, name: str, settings: Mapping[str, Any], secrets: Mapping[str, str]) -> None: ...

    @staticmethod
    def canonical(settings: Mapping[str, Any]) -> dict[str, Any]:
        """The (typed and complete) settings as all spellings of them are claimed; Invalid says what is wrong.

        Pure: asks no device and no name server. A driver without it takes its settings as they are.
        """

    def open(self) -> Mapping[str, str]:
        """Log in. Answers what the device shows itself by, as {"host_key": TEXT}; {} when by nothing.

        Called once, before anything else. Raises DeviceFailed.
        """

    def apply(self, changes: Sequence[Change], epoch: int) -> dict[Change, DeviceFailed]:
        """Make the changes in one session, in order; answer those that were rejected.

        Raises DeviceFailed when the whole session failed.
        """

    def read(self, ports: Iterable[str] | None = None) -> SwitchState:
        """Read the ports named (all: None) and the VLANs. DeviceFailed when it cannot."""

    def save(self) -> None:
        """Let the device come back as it is now after a power cut. Does nothing when it would already.

        Raises DeviceFailed: what was applied is not saved.
        """

    def close(self) -> None:
        """End the session, if one is open. DeviceFailed when what `save` put off could not be saved now."""


def vlans_of(change: SetPort | SetTrunk) -> tuple[int, ...]:
    """The VLANs that the change names."""
    if isinstance(change, SetTrunk):
        return (change.vlan,)
    untagged = () if change.state.untagged is None else (change.state.untagged,)
    return (*untagged, *change.state.tagged)


def is_port_name(value: object) -> bool:
    """Whether a switch may call a port so: printable characters, and no spaces at its ends."""
    return (
        isinstance(value, str)
        and 0 < len(value) <= LONGEST_PORT_NAME
        and value.isprintable()
        and value == value.strip()
    )


def check_timeout(settings: Mapping[str, Any]) -> None:
    """Invalid when `timeout` is there and no time to wait for a switch."""
    timeout = settings.get("timeout", 10)
    if not SHORTEST_TIMEOUT <= timeout <= LONGEST_TIMEOUT:
        raise Invalid(f"timeout is {timeout:g} s", f"use {SHORTEST_TIMEOUT:g} to {LONGEST_TIMEOUT:g} seconds")


@dataclass
class Registry:
    """The kinds of switch that this daemon can drive, by name."""

    kinds: dict[str, type[Driver]] = field(default_factory=dict)

    def register(self, driver: type[Driver]) -> None:
        """Add a kind; a second one of the same name is an error."""
        if self.kinds.setdefault(driver.kind, driver) is not driver:
            raise Invalid(f"switch driver {driver.kind} is registered twice")

    def find(self, kind: str) -> type[Driver]:
        """The driver of that kind; Invalid names the kinds there are."""
        if kind not in self.kinds:
            raise Invalid(f"no switch driver {kind!r}", f"use one of: {', '.join(sorted(self.kinds))}")
        return self.kinds[kind]

    def canonical(self, kind: str, settings: Mapping[str, Any]) -> dict[str, Any]:
        """What the driver of that kind makes of the settings; as they are when it has no say in it."""
        driver = self.find(kind)
        own = {key: settings[key] for key in driver.settings if key in settings}
        return driver.canonical(own) if hasattr(driver, "canonical") else own

    def told(self) -> dict[str, dict[str, Any]]:
        """What each kind needs: {kind: {settings: {name: type}, required, choices}}, kinds by name."""
        return {kind: _told(driver) for kind, driver in sorted(self.kinds.items())}

    def port_name(self, kind: str, settings: Mapping[str, Any], name: str) -> str:
        """How the switch itself spells that port's name in full; Invalid when it can have no such port."""
        driver = self.kinds.get(kind)
        spell = getattr(driver, "port_name", None)
        return str(spell(settings, name)) if spell else name


_SPOKEN = {str: "text", int: "int", float: "number", bool: "boolean", list: "list", dict: "struct"}


def _told(driver: type[Driver]) -> dict[str, Any]:
    needed = driver.required
    names = sorted(driver.settings, key=lambda name: name not in needed)  # what is needed first
    return {
        "settings": {name: _SPOKEN[driver.settings[name]] for name in names},
        "required": [name for name in names if name in needed],
        "choices": getattr(driver, "choices", dict)(),
    }
