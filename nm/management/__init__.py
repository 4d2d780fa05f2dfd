"""The kinds of management processor that nm can drive: one file a kind, named here once.

Hands: they speak with devices. A library or program that only one kind needs is loaded or run when a node
of that kind is acted on, and not before.
"""

from nm.management.amt import AmtPower
from nm.management.command import CommandPower
from nm.management.ipmi import IpmiPower
from nm.management.libvirt import LibvirtPower
from nm.management.redfish import RedfishPower
from nm.management.simulated import SimulatedPower
from nm.processor import Kinds, PowerDriver

_DRIVERS: tuple[type[PowerDriver], ...] = (
    AmtPower,
    CommandPower,
    IpmiPower,
    LibvirtPower,
    RedfishPower,
    SimulatedPower,
)

KINDS: Kinds = {driver.kind: driver for driver in _DRIVERS}
