"""The same face over every kind of switch, so that one suite of behaviours runs over each."""

import itertools
import json
from pathlib import Path
from typing import Protocol

from nm.facts import Order, Outcome, Value
from nm.records import Record
from nm.switch import PortState, SwitchState
from nm.switches import builtin, dialects
from nm.switches.executor import Executor, make_executor
from nm.switches.ovs import port_state
from nm.switches.reach import reaches
from nm.switches.simulated import edit_table, new_table, read_table, state_of
from tests.switches.fakes import FakeSwitch
from tests.switches.ovs_rack import OvsRack

SWITCH = "sw0"
EPOCH = 1
_numbers = itertools.count()


def executor_of(natives: dict[str, int] | None = None, **record: object) -> Executor:
    """An executor by way of a switch's record, as the daemon makes it."""
    return make_executor({"record_key": f"switch_{SWITCH}", **record}, builtin(), lambda name: name, natives)


def vlan(number: int) -> Order:
    return Order(f"vlan/{SWITCH}/{number}", {})


def no_vlan(number: int) -> Order:
    return Order(f"vlan/{SWITCH}/{number}", None, {})


def join(port: str, untagged: int | None = None, *tagged: int) -> Order:
    return Order(f"port/{SWITCH}/{port}", port_value(untagged, *tagged))


def leave(port: str) -> Order:
    return Order(f"port/{SWITCH}/{port}", None)


def trunk(port: str, number: int, native: int = 1) -> Order:
    return Order(f"trunk/{SWITCH}/{number}/{port}", {"native": native})


def no_trunk(port: str, number: int, native: int = 1) -> Order:
    return Order(f"trunk/{SWITCH}/{number}/{port}", None, {"native": native})


def port_value(untagged: int | None = None, *tagged: int) -> Value:
    return {"untagged": untagged, "tagged": list(tagged)}


class Bench(Protocol):
    """A switch with an executor, and means to see what the switch does, past the executor."""

    executor: Executor
    record: Record  # the driver's settings in it
    ports: list[str]
    factory: PortState  # what a port of a new switch carries
    opens: bool  # whether a port can carry VLANs beyond those named

    def table(self) -> dict[str, PortState]:
        """What each port carries, by the switch's own means."""

    def put(self, port: str, state: PortState) -> None:
        """Let somebody else change a port."""

    def reaches(self, port: str, *tags: int) -> set[str]:
        """The ports out of which a broadcast with those tags comes that is sent into `port`."""

    def sessions(self) -> int:
        """Sessions of changes so far."""


def done(bench: Bench, *orders: Order) -> list[Outcome]:
    """Run the orders; all must succeed."""
    outcomes = bench.executor.run(orders, EPOCH)
    errors = [str(outcome.error) for outcome in outcomes if outcome.error]
    assert errors == [], errors  # pytest does not take apart what this file asserts
    return outcomes


class SimulatedBench:
    """A simulated switch, factory-new."""

    factory = PortState(1, open=True)
    opens = True

    def __init__(self, folder: Path, ports: int = 5) -> None:
        self.file = folder / f"{SWITCH}.json"
        self.ports = [f"eth0/{number}" for number in range(ports)]
        self.record: Record = {"driver": "simulated", "file": str(self.file), "timeout": 0.3}
        with edit_table(self.file) as table:
            table.update(new_table(self.ports))
        self.executor = executor_of(**self.record)

    def state(self) -> SwitchState:
        return state_of(read_table(self.file))

    def table(self) -> dict[str, PortState]:
        return dict(self.state().ports)

    def put(self, port: str, state: PortState) -> None:
        with edit_table(self.file) as table:
            table["vlans"] = sorted({*table["vlans"], *state.tagged} | {state.untagged or 1})
            table["ports"][port] = {
                "untagged": state.untagged,
                "tagged": list(state.tagged),
                "open": state.open,
            }

    def reaches(self, port: str, *tags: int) -> set[str]:
        return {out for _, out in reaches({SWITCH: self.state()}, [], (SWITCH, port), tags)}

    def sessions(self) -> int:
        return int(read_table(self.file)["sessions"])


class OvsBench:
    """A bridge of its own in a private Open vSwitch, factory-new."""

    factory = PortState(open=True)
    opens = True

    def __init__(self, rack: OvsRack, ports: int = 5) -> None:
        number = next(_numbers)
        self.rack = rack
        self.bridge = f"b{number}"
        self.ports = [f"b{number}-{port}" for port in range(ports)]
        self.record: Record = {
            "driver": "ovs",
            "address": rack.address,
            "bridge": self.bridge,
            "timeout": 5.0,
        }
        rack.add_bridge(self.bridge, self.ports)
        self.executor = executor_of(**self.record)

    def table(self) -> dict[str, PortState]:
        text = self.rack.vsctl("--format=json", "list", "port")
        found = json.loads(text)
        rows = [dict(zip(found["headings"], row, strict=True)) for row in found["data"]]
        return {row["name"]: port_state(row) for row in rows if row["name"] in self.ports}

    def put(self, port: str, state: PortState) -> None:
        tagged = ",".join(map(str, state.tagged))
        mode = "native-untagged" if state.untagged and tagged else "trunk" if tagged else "access"
        self.rack.vsctl(
            "clear", "port", port, "tag", "trunks", "vlan_mode", "--", "set", "port", port, "protected=false"
        )
        if not state.open:
            values = [f"vlan_mode={mode}"] + ([f"trunks={tagged}"] if tagged else [])
            values += [f"tag={state.untagged}"] if state.untagged else []
            self.rack.vsctl("set", "port", port, *values)

    def reaches(self, port: str, *tags: int) -> set[str]:
        return {out for _, out in self.rack.trace(self.bridge, port, *tags)}

    def sessions(self) -> int:
        return int(self.rack.vsctl("get", "open_vswitch", ".", "next_cfg"))


class CliBench:
    """A fake switch with a command line, as its driver sees it: over SSH."""

    def __init__(self, switch: FakeSwitch, dialect: str | None = None) -> None:
        """`dialect`: of the driver, when it is not called as the fake's."""
        self.switch = switch
        self.ports = list(switch.running.ports)
        dialect = dialect or switch.cli.dialect
        self.factory = dialects.find(dialect).factory
        self.saves = switch.cli.saves  # by a command; else what is made true is saved at once
        self.opens = switch.cli.opens
        self.own_vlans = {*switch.vlans()}  # of a new switch
        self.record: Record = {
            "driver": "cli",
            "dialect": dialect,
            "address": "127.0.0.1",
            "port": switch.port,
            "user": switch.user,
            "timeout": 5.0,
            "secrets": {"password": switch.password},  # its name is the secret itself here: see executor_of
        }
        self.executor = executor_of(**self.record)

    def table(self) -> dict[str, PortState]:
        return {port: carried.state for port, carried in self.switch.ports().items()}

    def startup(self) -> dict[str, PortState]:
        """What each port would carry after a reboot."""
        return {port: carried.state for port, carried in self.switch.startup_ports().items()}

    def put(self, port: str, state: PortState) -> None:
        self.switch.put(port, state)

    def reaches(self, port: str, *tags: int) -> set[str]:
        return self.switch.reaches(port, *tags)

    def sessions(self) -> int:
        return self.switch.counts.saves  # each session of changes ends with one
