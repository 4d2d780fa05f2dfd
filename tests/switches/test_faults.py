"""Switches that fail, on the simulated one, where faults can be set."""

import json
import threading
import time
from pathlib import Path

import pytest

from nm.errors import DeviceFailed, Invalid, NMError
from nm.switch import PortState
from nm.switches import builtin
from nm.switches.executor import make_executor
from nm.switches.simulated import FACTORY, edit_table, set_faults
from tests.switches.benches import (
    EPOCH,
    SimulatedBench,
    done,
    executor_of,
    join,
    leave,
    no_vlan,
    port_value,
    trunk,
    vlan,
)


@pytest.fixture
def bench(simulated: SimulatedBench) -> SimulatedBench:
    """Isolated ports, VLANs 101 and 102."""
    simulated.executor.isolate(simulated.ports, EPOCH)
    done(simulated, vlan(101), vlan(102))
    return simulated


def failure(error: NMError | None) -> DeviceFailed:
    assert isinstance(error, DeviceFailed)
    return error


def test_a_rejected_change_fails_alone_and_in_the_devices_words(bench: SimulatedBench) -> None:
    a, b, c, *_ = bench.ports
    set_faults(bench.file, reject=[b])
    outcomes = bench.executor.run([join(a, 101), join(b, 101), trunk(c, 101)], EPOCH)
    assert [outcome.error is None for outcome in outcomes] == [True, False, True]
    error = failure(outcomes[1].error)
    assert not error.passing
    assert "% Command rejected" in error.message
    assert b in error.message
    assert (bench.table()[a], bench.table()[b]) == (PortState(101), PortState())


def test_joining_a_vlan_that_the_switch_does_not_know_is_rejected(bench: SimulatedBench) -> None:
    a, b, *_ = bench.ports
    outcomes = bench.executor.run([join(a, 300), trunk(b, 300)], EPOCH)
    assert ["does not exist" in str(outcome.error) for outcome in outcomes] == [True, True]
    assert bench.table()[a] == PortState()


def test_a_join_that_fails_leaves_the_port_isolated(bench: SimulatedBench) -> None:
    a, *_ = bench.ports
    done(bench, join(a, 101))
    set_faults(bench.file, reject=["102"])
    (outcome,) = bench.executor.run([join(a, 102)], EPOCH)
    assert f"port {a} is isolated" in failure(outcome.error).message
    assert outcome.seen is None
    assert bench.table()[a] == PortState()


def test_a_port_that_says_yes_and_does_nothing_is_noticed(bench: SimulatedBench) -> None:
    a, b, *_ = bench.ports
    done(bench, join(a, 101))
    set_faults(bench.file, lie=[a])
    outcomes = bench.executor.run([leave(a), join(b, 101)], EPOCH)
    error = failure(outcomes[0].error)
    assert "said yes and did nothing" in error.message
    assert "wanted isolated" in error.message
    assert "seen VLAN 101 untagged" in error.message
    assert outcomes[0].seen == port_value(101)
    assert outcomes[1].error is None


def test_a_lying_join_tells_that_the_port_could_not_be_isolated(bench: SimulatedBench) -> None:
    a, *_ = bench.ports
    done(bench, join(a, 101))
    set_faults(bench.file, lie=[a])
    (outcome,) = bench.executor.run([join(a, 102)], EPOCH)
    assert "could not be isolated" in failure(outcome.error).message
    assert outcome.seen == port_value(101)


def test_a_switch_that_is_down_answers_every_order_with_a_passing_error(bench: SimulatedBench) -> None:
    a, *_ = bench.ports
    set_faults(bench.file, down=True)
    outcomes = [
        *bench.executor.run([join(a, 101), no_vlan(102)], EPOCH),
        *bench.executor.read([f"port/sw0/{a}"]),
    ]
    assert all(failure(outcome.error).passing for outcome in outcomes)
    assert all(isinstance(result, DeviceFailed) for result in bench.executor.isolate([a], EPOCH).values())
    with pytest.raises(DeviceFailed, match="cannot be reached"):
        bench.executor.inspect()
    set_faults(bench.file, down=False)
    bench.executor.breaker.reset()
    done(bench, join(a, 101))


def test_a_hanging_switch_gives_an_error_within_its_timeout(bench: SimulatedBench) -> None:
    set_faults(bench.file, hang=60)
    begin = time.monotonic()
    (outcome,) = bench.executor.run([join(bench.ports[0], 101)], EPOCH)
    assert failure(outcome.error).passing
    assert "did not answer" in failure(outcome.error).message
    assert 0.3 <= time.monotonic() - begin < 5
    assert bench.table()[bench.ports[0]] == PortState()


def test_a_slow_switch_takes_its_time_once_a_session(bench: SimulatedBench) -> None:
    set_faults(bench.file, delay=0.2)
    begin = time.monotonic()
    done(bench, *(join(port, 101) for port in bench.ports))
    assert 0.2 <= time.monotonic() - begin < 2


def test_a_switch_that_fails_twice_serves_the_third_time(bench: SimulatedBench) -> None:
    a, *_ = bench.ports
    set_faults(bench.file, fail_times=2)
    errors = [bench.executor.run([join(a, 101)], EPOCH)[0].error for _ in range(3)]
    assert [error is None for error in errors] == [False, False, True]
    assert bench.table()[a] == PortState(101)


def test_an_isolation_that_the_switch_rejects_is_no_success(bench: SimulatedBench) -> None:
    a, b, *_ = bench.ports
    done(bench, join(a, 101))
    set_faults(bench.file, reject=[a])
    result = bench.executor.isolate([a, b, "nowhere"], EPOCH)
    assert isinstance(result[a], DeviceFailed)
    assert result[b] == PortState()
    assert isinstance(result["nowhere"], DeviceFailed)
    assert bench.table()[a] == PortState(101)


def test_vlans_are_taken_off_the_table_or_named(bench: SimulatedBench) -> None:
    set_faults(bench.file, reject=["102"])
    assert bench.executor.remove_vlans([], EPOCH) == {}
    failed = bench.executor.remove_vlans([101, 102], EPOCH)
    assert set(failed) == {102}
    assert bench.state().vlans == frozenset({1, 102})
    (outcome,) = bench.executor.run([no_vlan(1)], EPOCH)
    assert "may not be deleted" in str(outcome.error)


def test_unknown_faults_are_refused(bench: SimulatedBench) -> None:
    with pytest.raises(ValueError, match="dealy"):
        set_faults(bench.file, dealy=3)


def test_a_file_that_is_damaged_is_an_error_that_does_not_pass(bench: SimulatedBench) -> None:
    bench.file.write_text("{")
    (outcome,) = bench.executor.run([join(bench.ports[0], 101)], EPOCH)
    assert not failure(outcome.error).passing
    assert str(bench.file) in str(outcome.error)


def test_a_file_in_no_folder_is_an_error(tmp_path: Path) -> None:
    executor = executor_of(driver="simulated", file=str(tmp_path / "none" / "sw0.json"))
    with pytest.raises(DeviceFailed, match="cannot be locked"):
        executor.inspect()


def test_a_missing_file_becomes_a_factory_new_switch(tmp_path: Path) -> None:
    executor = executor_of(driver="simulated", file=str(tmp_path / "sw0.json"), ports=["1", "2"])
    assert executor.inspect().ports == {"1": FACTORY, "2": FACTORY}


def test_readers_never_see_a_half_written_file(bench: SimulatedBench) -> None:
    with edit_table(bench.file) as table:
        table["model"] = "changed"
        assert json.loads(bench.file.read_text())["model"] != "changed"
    assert json.loads(bench.file.read_text())["model"] == "changed"
    assert {path.name for path in bench.file.parent.iterdir()} == {bench.file.name, f"{bench.file.name}.lock"}


def test_those_who_edit_the_file_at_once_lose_nothing(bench: SimulatedBench) -> None:
    def count(key: str) -> None:
        for _ in range(50):
            with edit_table(bench.file) as table:
                table[key] = table.get(key, 0) + 1
                table["all"] = table.get("all", 0) + 1

    threads = [threading.Thread(target=count, args=[key]) for key in "abc"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    table = json.loads(bench.file.read_text())
    assert [table[key] for key in ("a", "b", "c", "all")] == [50, 50, 50, 150]


def test_a_switch_of_an_unknown_kind_answers_every_order() -> None:
    executor = executor_of(driver="telepathic")
    (outcome,) = executor.run([join("1", 101)], EPOCH)
    assert isinstance(outcome.error, Invalid)
    assert "simulated" in str(outcome.error)


def test_secrets_are_looked_up_by_name_and_only_when_needed(tmp_path: Path) -> None:
    asked = []

    def secret(name: str) -> str:
        asked.append(name)
        return "s3cret"

    record = {
        "record_key": "switch_sw0",
        "driver": "simulated",
        "file": str(tmp_path / "f"),
        "secrets": {"password": "sw"},
    }
    executor = make_executor(record, builtin(), secret)
    assert asked == []
    executor.inspect()
    assert asked == ["sw"]
