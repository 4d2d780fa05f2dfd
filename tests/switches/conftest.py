import contextlib
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from nm.switches import dialects
from tests.switches.benches import Bench, CliBench, OvsBench, SimulatedBench, executor_of
from tests.switches.fakes import DIALECTS, FakeSwitch, start
from tests.switches.ovs_rack import OvsRack, missing
from tests.switches.snmp import rack as snmp


@pytest.fixture(scope="session")
def rack() -> Iterator[OvsRack]:
    """One private Open vSwitch for all tests; each test takes a bridge of its own."""
    if problem := missing():
        pytest.skip(problem)
    with OvsRack() as running:
        yield running


@pytest.fixture
def ovs(rack: OvsRack) -> Iterator[OvsBench]:
    bench = OvsBench(rack)
    try:
        yield bench
    finally:
        bench.executor.close()
        rack.vsctl("--if-exists", "del-br", bench.bridge)


@pytest.fixture
def simulated(tmp_path: Path) -> SimulatedBench:
    return SimulatedBench(tmp_path)


# One dialect of each family of command lines runs in every test; NM_TEST_SWITCHES=all runs all. In the first,
# ports have modes; then VLANs have members, and a port is always on one; a candidate is committed; a shell.
FAMILIES = ["cisco_ios", "hp_procurve", "juniper_junos", "sonic"]
# Dialects of networking-generic-switch whose commands can do all that nm asks for, and who speaks each.
ELSEWHERE = {
    "ngs:netmiko_arista_eos": "arista_eos",
    "ngs:netmiko_cisco_ios": "cisco_ios",
    "ngs:netmiko_cumulus_nvue": "cumulus_nvue",
    "ngs:netmiko_dell_force10": "dell_os9",
    "ngs:netmiko_dell_os10": "dell_os10",
    "ngs:netmiko_sonic": "sonic",
}
ALL = sorted({*DIALECTS} & {dialect.name for dialect in dialects.DIALECTS}) + sorted(ELSEWHERE)
TRIED = ALL if os.environ.get("NM_TEST_SWITCHES") == "all" else FAMILIES


@pytest.fixture(scope="module")
def fakes() -> Iterator[dict[str, FakeSwitch]]:
    """The fake switches of a module's tests, by dialect."""
    started: dict[str, FakeSwitch] = {}
    try:
        yield started
    finally:
        for switch in started.values():
            switch.stop()


@pytest.fixture
def command_line(fakes: dict[str, FakeSwitch]) -> Iterator[Callable[[str], CliBench]]:
    """Makes the bench of a dialect: its fake switch is factory-new, and is again afterwards."""
    made: list[CliBench] = []

    def make(dialect: str) -> CliBench:
        fake = ELSEWHERE.get(dialect, dialect)
        if fake not in fakes:
            fakes[fake] = start(fake, ports=5)
        made.append(CliBench(fakes[fake], dialect))
        return made[-1]

    try:
        yield make
    finally:
        for bench in made:
            bench.executor.close()
            bench.switch.mend()
            bench.switch.reset()


@pytest.fixture(params=TRIED)
def cli(request: pytest.FixtureRequest, command_line: Callable[[str], CliBench]) -> CliBench:
    """Each command line in turn."""
    return command_line(request.param)


@pytest.fixture
def telnet(command_line: Callable[[str], CliBench]) -> CliBench:
    """A command line over telnet."""
    bench = command_line("tplink_jetstream")
    bench.record |= {"transport": "telnet", "port": bench.switch.telnet_port}
    bench.executor = executor_of(**bench.record)
    return bench


@pytest.fixture(scope="session")
def snmp_rack() -> Iterator[snmp.SnmpRack]:
    """One snmpd for all tests; each test begins with a factory-new switch."""
    if problem := snmp.missing():
        pytest.skip(problem)
    with snmp.SnmpRack() as running:
        yield running


@pytest.fixture
def qbridge(snmp_rack: snmp.SnmpRack) -> Iterator[snmp.SnmpBench]:
    with contextlib.closing(snmp.SnmpBench(snmp_rack, "qbridge")) as bench:
        yield bench


@pytest.fixture
def cisco(snmp_rack: snmp.SnmpRack) -> Iterator[snmp.SnmpBench]:
    with contextlib.closing(snmp.SnmpBench(snmp_rack, "cisco")) as bench:
        yield bench


REAL = [pytest.param(kind, marks=pytest.mark.real) for kind in ("ovs", "qbridge", "cisco")]


@pytest.fixture(params=["simulated", *REAL, *TRIED])
def bench(request: pytest.FixtureRequest, command_line: Callable[[str], CliBench]) -> Bench:
    """Each kind of switch in turn."""
    if request.param in TRIED:
        return command_line(request.param)
    found: Bench = request.getfixturevalue(request.param)
    return found
