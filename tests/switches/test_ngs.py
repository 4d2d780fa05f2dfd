"""The dialects of networking-generic-switch, as nm has them: on fakes, and in what they refuse."""

import importlib.metadata
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from nm.errors import DeviceFailed, Invalid
from nm.facts import Order, Outcome
from nm.switch import PortState, SetPort, SetTrunk, SetVlan
from nm.switches import builtin, dialects
from nm.switches.dialect import Move, Seen
from nm.switches.dialects import cisco, ngs
from nm.switches.hearsay import Hearsay
from tests.switches.benches import EPOCH, SWITCH, CliBench, done, join, leave, no_vlan, trunk, vlan
from tests.switches.fakes import FakeSwitch, start

ISOLATED = PortState()
FILES = Path(__file__).with_name("ngs_answers")
SETTINGS = {"address": "192.0.2.1", "user": "admin"}


@pytest.fixture(scope="module")
def vrp_switch() -> Iterator[FakeSwitch]:
    with start("huawei_vrp", ports=5) as switch:
        yield switch


@pytest.fixture
def vrp(vrp_switch: FakeSwitch) -> Iterator[CliBench]:
    bench = CliBench(vrp_switch, "ngs:netmiko_huawei")
    try:
        yield bench
    finally:
        bench.executor.close()
        vrp_switch.mend()
        vrp_switch.reset()


def error_of(outcome: Outcome) -> DeviceFailed:
    assert isinstance(outcome.error, DeviceFailed)
    return outcome.error


# ---- what there is


def test_each_of_its_types_is_a_dialect_or_is_refused_with_words() -> None:
    points = {point.name for point in importlib.metadata.entry_points(group=ngs.POINTS)}
    assert points == {*ngs.FAMILIES} | {*ngs.OTHERS}
    assert ngs.names() == sorted(ngs.PREFIX + name for name in ngs.FAMILIES)
    for name in ngs.OTHERS:
        with pytest.raises(Invalid) as refused:
            builtin().canonical("cli", {**SETTINGS, "dialect": ngs.PREFIX + name})
        assert ngs.OTHERS[name] in refused.value.message
        assert "use one of: ngs:netmiko_arista_eos" in refused.value.hint


@pytest.mark.parametrize("name", sorted(ngs.FAMILIES))
def test_each_makes_vlans_and_joins_ports_by_its_own_commands(name: str) -> None:
    dialect = dialects.find(ngs.PREFIX + name)
    assert any("{vlan}" in str(line) for line in dialect.make_vlan)
    assert any("{vlan}" in str(line) or "{name}" in str(line) for line in dialect.remove_vlan)
    move = Move("p", Seen(PortState(1)), PortState(101), (SetPort("p", PortState(101)),))
    said = [say.line for block in dialect.blocks([move]) for say in (*block.place, *block.lines)]
    assert any("101" in line for line in said)
    assert not [line for line in said if "{" in line]
    assert builtin().canonical("cli", {**SETTINGS, "dialect": ngs.PREFIX + name})["port"] == 22


def test_it_is_read_and_not_run() -> None:
    code = """if True:
        import sys, threading, paramiko
        before = paramiko.PKey.get_fingerprint
        from nm.switches import dialects
        from nm.switches.dialects import ngs
        for name in ngs.names():
            dialects.find(name)
        strange = {"networking_generic_switch", "oslo_config", "oslo_log", "eventlet", "tooz", "stevedore"}
        assert not strange & {*sys.modules}, strange & {*sys.modules}
        assert paramiko.PKey.get_fingerprint is before
        assert threading.active_count() == 1
    """
    subprocess.run([sys.executable, "-W", "error", "-c", code], check=True, timeout=60)


def test_without_the_package_it_says_how_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ngs, "POINTS", "nobody.has.these")
    assert ngs.names() == []
    ngs.find.cache_clear()
    with pytest.raises(Invalid) as refused:
        dialects.find("ngs:netmiko_huawei")
    assert "is not installed" in refused.value.message
    assert 'pip install "networking-generic-switch>=10.2,<11"' in refused.value.hint


# ---- what its commands cannot do


LACKING = {  # what of the requests below fails, for there are no commands for it
    "aruba_aoscx": ({3}, "an untagged VLAN beside tagged ones"),
    "cisco_nxos": ({3}, "an untagged VLAN beside tagged ones"),
    "dell_powerconnect": ({3, 4}, "tagged VLANs on a port"),
    "juniper_junos": ({3, 4}, "tagged VLANs on a port"),
}


@pytest.mark.parametrize("fake", sorted(LACKING))
def test_what_it_has_no_commands_for_fails_alone_and_for_good(
    command_line: Callable[[str], CliBench], fake: str
) -> None:
    lacking, words = LACKING[fake]
    bench = CliBench(command_line(fake).switch, f"ngs:netmiko_{fake.removesuffix('_junos')}")
    a, b, c, *_ = bench.ports
    bench.executor.isolate(bench.ports, EPOCH)
    orders = [vlan(101), vlan(102), join(a, 101), join(b, 101, 102), join(c, None, 102)]
    outcomes = bench.executor.run(orders, EPOCH)
    assert {at for at, outcome in enumerate(outcomes) if outcome.error} == lacking
    assert words in str(error_of(outcomes[3]))
    assert not error_of(outcomes[3]).passing
    assert (bench.startup()[a], bench.startup()[b]) == (PortState(101), ISOLATED)
    assert bench.startup()[c] == (ISOLATED if 4 in lacking else PortState(None, (102,)))
    done(bench, leave(a))
    assert bench.startup()[a] == ISOLATED
    bench.executor.close()


# ---- Huawei's VRP, as a whole


def test_vrp_joins_leaves_and_saves(vrp: CliBench) -> None:
    a, b, c, *_ = vrp.ports
    assert vrp.executor.inspect().ports == dict.fromkeys(vrp.ports, PortState(1, open=True))
    assert vrp.executor.inspect().model == "S5720-52X-SI-AC"
    vrp.executor.isolate(vrp.ports, EPOCH)
    assert vrp.startup() == dict.fromkeys(vrp.ports, ISOLATED)
    done(vrp, vlan(101), vlan(102), vlan(103), join(a, 101), join(b, 101), join(c, 102))
    assert vrp.reaches(a) == {b}
    assert vrp.startup()[c] == PortState(102)
    assert {*vrp.switch.startup_vlans()} == {1, 101, 102, 103}
    done(vrp, leave(a), join(b, 102), no_vlan(101))
    assert [vrp.startup()[port] for port in (a, b, c)] == [ISOLATED, PortState(102), PortState(102)]
    assert {*vrp.switch.vlans()} == {1, 102, 103}


def test_vrp_takes_a_port_that_was_a_trunk(vrp: CliBench) -> None:
    a, b, *_ = vrp.ports
    vrp.put(a, PortState(105, (106, 107)))
    vrp.put(b, PortState(None, (106,)))
    seen = vrp.executor.inspect().ports
    assert (seen[a], seen[b]) == (PortState(105, (106, 107)), PortState(None, (106,)))
    done(vrp, vlan(101), join(a, 101), leave(b))
    assert (vrp.startup()[a], vrp.startup()[b]) == (PortState(101), ISOLATED)


def test_vrps_rejections_fail_what_caused_them(vrp: CliBench) -> None:
    a, b, *_ = vrp.ports
    vrp.executor.isolate(vrp.ports, EPOCH)
    vrp.switch.fault("reject", like="^vlan 102")
    outcomes = vrp.executor.run([vlan(102), vlan(103), join(a, 102), join(b, 103)], EPOCH)
    assert [outcome.error is None for outcome in outcomes] == [False, True, False, True]
    assert "Unrecognized command" in str(error_of(outcomes[0]))
    assert (vrp.table()[a], vrp.table()[b]) == (ISOLATED, PortState(103))


def test_vrps_lies_are_found_when_it_is_read_back(vrp: CliBench) -> None:
    a, *_ = vrp.ports
    vrp.executor.isolate(vrp.ports, EPOCH)
    vrp.switch.fault("lie", like="^port default vlan")
    outcomes = vrp.executor.run([vlan(101), join(a, 101)], EPOCH)
    assert "said yes" in str(error_of(outcomes[1]))
    assert vrp.table()[a] == ISOLATED


def test_vrp_tells_what_it_did_not_save(vrp: CliBench) -> None:
    a, *_ = vrp.ports
    vrp.executor.isolate(vrp.ports, EPOCH)
    vrp.switch.fault("save")
    outcomes = vrp.executor.run([vlan(101), join(a, 101)], EPOCH)
    assert all("would forget it" in str(error_of(outcome)) for outcome in outcomes)
    vrp.switch.mend()
    done(vrp, vlan(101), join(a, 101))
    assert vrp.startup()[a] == PortState(101)


def test_vrp_has_no_commands_for_trunks(vrp: CliBench) -> None:
    uplink = vrp.ports[-1]
    vrp.executor.isolate(vrp.ports, EPOCH)
    outcomes = vrp.executor.run([vlan(101), trunk(uplink, 101)], EPOCH)
    assert [outcome.error is None for outcome in outcomes] == [True, False]
    assert "tagged VLANs" in str(error_of(outcomes[1]))
    assert vrp.table()[uplink] == ISOLATED


# ---- reading what nobody has a fake of


@pytest.mark.parametrize("file", sorted(FILES.glob("*.txt")), ids=lambda file: str(file.stem))
def test_answers_are_read(file: Path) -> None:
    """Sections: the answers to the dialect's `reads`, then what they say, one port a line."""
    dialect = dialects.find(f"ngs:{file.stem}")
    said = re.split(r"(?m)^===== (.+)\n", file.read_text())[1:]
    assert said[:-2:2] == [getattr(line, "line", line) for line in dialect.reads]
    reading = dialect.parse(said[1:-2:2])
    told = [
        f"{port}: {seen.state.untagged} {list(seen.state.tagged)}"
        f"{' open' if seen.state.open else ''}{' shut' if seen.shut else ''}"
        for port, seen in reading.ports.items()
    ]
    assert [*sorted(told), f"vlans {sorted(reading.vlans or [])}"] == said[-1].splitlines()


def test_an_answer_without_a_port_is_no_reading() -> None:
    with start("huawei_vrp", ports=0) as switch:
        bench = CliBench(switch, "ngs:netmiko_huawei")
        with pytest.raises(DeviceFailed, match="no port in it"):
            bench.executor.inspect()


# ---- what cannot be read back


def test_hearsay_knows_what_was_told_in_its_session_and_says_that_it_knows_no_more() -> None:
    one, two = SetPort("1", PortState(101)), SetPort("2", PortState(102))
    hearsay = Hearsay(SWITCH, "Pluribus Netvisor", str)
    before = hearsay.before([one, two, SetVlan(101, True), SetVlan(105, False)])
    assert {port: seen.now.open for port, seen in before.ports.items()} == {"1": True, "2": True}
    assert before.vlans == frozenset({105})  # so that 101 is made and 105 removed
    with pytest.raises(DeviceFailed, match="no parser for Pluribus") as unread:
        hearsay.recall(["1"])
    assert not unread.value.passing
    assert hearsay.recall([]) == {}


class Believed(cisco.CiscoIos):
    """IOS, without the means to read it."""

    reads = ()


def test_a_switch_that_cannot_be_read_is_driven_and_neither_inspected_nor_audited(
    command_line: Callable[[str], CliBench], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(dialects._BY_NAME, "cisco_ios", Believed)
    bench = command_line("cisco_ios")
    a, b, uplink, *_ = bench.ports
    assert bench.executor.isolate([a, b, uplink], EPOCH) == dict.fromkeys((a, b, uplink), ISOLATED)
    done(bench, vlan(101), join(a, 101), trunk(uplink, 101))
    assert bench.startup()[a] == PortState(101)
    assert bench.startup()[uplink] == PortState(None, (101,))
    bench.switch.fault("reject", like="^switchport access vlan 101")
    outcomes = bench.executor.run([join(b, 101)], EPOCH)
    assert "Invalid input" in str(error_of(outcomes[0]))
    assert bench.table()[b] == ISOLATED
    with pytest.raises(DeviceFailed, match="cannot be read"):
        bench.executor.inspect()
    bench.executor.close()
    (outcome,) = bench.executor.read([f"port/{SWITCH}/{a}"])
    assert "cannot be read" in str(error_of(outcome))
    done(bench, Order(f"port/{SWITCH}/{a}", None))
    assert bench.startup()[a] == ISOLATED


def test_a_trunk_change_of_such_a_switch_names_its_port() -> None:
    assert {*Hearsay(SWITCH, "x", str.upper).before([SetTrunk("e1", 5, True)]).ports} == {"E1"}
