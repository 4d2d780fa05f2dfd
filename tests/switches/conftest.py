from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.switches.benches import Bench, OvsBench, SimulatedBench
from tests.switches.ovs_rack import OvsRack, missing


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


@pytest.fixture(params=["simulated", pytest.param("ovs", marks=pytest.mark.real)])
def bench(request: pytest.FixtureRequest) -> Bench:
    """Each kind of switch in turn."""
    found: Bench = request.getfixturevalue(request.param)
    return found
