import contextlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.switches.benches import Bench, OvsBench, SimulatedBench
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


@pytest.fixture(params=["simulated", *REAL])
def bench(request: pytest.FixtureRequest) -> Bench:
    """Each kind of switch in turn."""
    found: Bench = request.getfixturevalue(request.param)
    return found
