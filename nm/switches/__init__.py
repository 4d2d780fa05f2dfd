"""The kinds of switch that nm can drive: one file a kind, named here once.

Imported by the daemon only, which hands the registry on; nothing here holds state.
"""

from importlib.metadata import entry_points

from nm.errors import Invalid
from nm.switch import Driver, Registry
from nm.switches.cli import CommandLine
from nm.switches.linux import LinuxBridge
from nm.switches.none import NoDriver
from nm.switches.ovs import OpenVSwitch
from nm.switches.simulated import Simulated
from nm.switches.snmp.driver import Snmp

ENTRY_POINTS = "nm.switches"  # packages of others name their driver classes in this group

KINDS: tuple[type[Driver], ...] = (CommandLine, LinuxBridge, NoDriver, OpenVSwitch, Simulated, Snmp)


def builtin() -> Registry:
    """A new registry of nm's own kinds and those of other packages; one name twice is an error."""
    registry = Registry()
    for kind in KINDS:
        registry.register(kind)
    for point in entry_points(group=ENTRY_POINTS):
        try:
            registry.register(point.load())
        except (ImportError, AttributeError) as error:
            raise Invalid(
                f"switch driver {point.value} cannot be loaded: {error}",
                "install its package anew or remove it",
            ) from error
    return registry
