"""What each dialect says: closing, joining, trunks and VLANs as blocks of lines. No switch is asked."""

import re
from collections.abc import Iterable

import pytest

from nm.switch import Change, PortState, SetPort, SetTrunk, SetVlan
from nm.switches import dialects
from nm.switches.dialect import Block, Dialect, Move, Seen, filled
from nm.switches.dialects import DIALECTS
from tests.switches.test_dialects import FILES, NAMES, READINGS, answers, shut, up

ACCESS, MIXED, TAGGED = PortState(101), PortState(101, (102, 103)), PortState(None, (102, 103))
BEFORE = [up(1), shut(1), up(55, 56), up(None, 57), shut(), up(58, 59, more=True)]


def said(blocks: Iterable[Block]) -> list[str]:
    return [say.line for block in blocks for say in (*block.place, *block.lines)]


def first_ports(dialect: type[Dialect]) -> list[str]:
    return [
        port
        for port in READINGS[dialect.name][1]
        if not re.match(r"(?i)port-?ch|Po\d|bond|lag|ae|Fast|Trk", port)
    ]


def move(port: str, before: Seen, after: PortState, *changes: Change) -> Move:
    return Move(port, before, after, changes or (SetPort(port, after),))


@pytest.mark.parametrize("before", BEFORE, ids=str)
@pytest.mark.parametrize("after", [ACCESS, MIXED, TAGGED, PortState()], ids=str)
@pytest.mark.parametrize("dialect", DIALECTS, ids=NAMES)
def test_a_port_is_shut_before_its_vlans_change(
    dialect: type[Dialect], after: PortState, before: Seen
) -> None:
    """And stays so: opening is another step. What was shut is not shut again to join."""
    port = first_ports(dialect)[0]
    lines = said(dialect.blocks([move(port, before, after)]))
    (closing,) = [say.line for say in filled(filled(dialect.shut), ports=port)]
    if not before.shut:
        changed = [lines.index(line) for line in lines if re.search("vlan|bridge|native", line)]
        assert lines.index(closing) < min(changed, default=len(lines))
    (opening,) = [say.line for say in filled(filled(dialect.open[:1]), ports=port)]
    assert opening not in lines
    assert opening in said(dialect.opening([move(port, before, ACCESS)]))


@pytest.mark.parametrize("tagged", [(101,), ()], ids=["joins", "leaves"])
@pytest.mark.parametrize("name", ["arista_eos", "cisco_ios", "cisco_nxos"])
def test_a_port_that_is_up_has_its_list_before_it_is_a_trunk(name: str, tagged: tuple[int, ...]) -> None:
    """It may be a trunk already. Cut off in between, it would carry every VLAN there is."""
    dialect = dialects.find(name)
    port = first_ports(dialect)[0]
    change = SetTrunk(port, 101, present=bool(tagged))
    lines = said(dialect.blocks([move(port, up(7, more=True), PortState(None, tagged), change)]))
    (list_,) = (at for at, line in enumerate(lines) if "allowed vlan" in line)
    assert list_ < lines.index("switchport mode trunk")


@pytest.mark.parametrize("dialect", DIALECTS, ids=NAMES)
def test_an_access_port_is_shut_to_become_a_trunk(dialect: type[Dialect]) -> None:
    port = first_ports(dialect)[0]
    one = move(port, up(102), PortState(None, (101,)), SetTrunk(port, 101, True))
    (closing,) = [say.line for say in filled(filled(dialect.shut), ports=port)]
    assert one.joins
    assert closing in said(dialect.blocks([one]))


@pytest.mark.parametrize("dialect", DIALECTS, ids=NAMES)
def test_a_trunk_that_carries_its_native_vlan_alone_stays_up(dialect: type[Dialect]) -> None:
    """The session itself may run over it."""
    port = first_ports(dialect)[0]
    one = move(port, up(1, trunk=True), PortState(1, (101,)), SetTrunk(port, 101, True))
    (closing,) = [say.line for say in filled(filled(dialect.shut), ports=port)]
    assert not one.joins
    assert closing not in said(dialect.blocks([one]))


@pytest.mark.parametrize("dialect", DIALECTS, ids=NAMES)
def test_a_trunk_keeps_its_other_vlans_while_it_loses_what_was_untagged(dialect: type[Dialect]) -> None:
    """Where lines become true together, what stays may be said anew."""
    port = first_ports(dialect)[0]
    one = move(port, up(104, 105), PortState(None, (103, 105)), SetTrunk(port, 103, True))
    (closing,) = [say.line for say in filled(filled(dialect.shut), ports=port)]
    lines = said(dialect.blocks([one]))
    assert closing not in lines
    assert any(re.search(r"\b104\b|native|untagged none|no switchport access", line) for line in lines)
    assert dialect.commit or not any(
        re.search(r"\b105\b|allowed vlan none|vlan access", line) for line in lines
    )


@pytest.mark.parametrize("dialect", DIALECTS, ids=NAMES)
def test_a_join_says_all_and_forgets_what_was(dialect: type[Dialect]) -> None:
    port = first_ports(dialect)[0]
    lines = said(dialect.blocks([move(port, up(55, 56), MIXED)]))
    lines = [re.sub(rf" {re.escape(port)}(?= |$)", " PORT", line) for line in lines]
    assert lines == answers(FILES.with_name("dialect_joins.txt"))[dialect.name].split("\n")[:-1]


@pytest.mark.parametrize("dialect", DIALECTS, ids=NAMES)
def test_neighbours_go_out_together_and_one_by_one_when_that_fails(dialect: type[Dialect]) -> None:
    ports = first_ports(dialect)[:2]
    moves = [move(port, shut(), ACCESS) for port in ports]
    blocks = list(dialect.blocks(moves))
    assert {change for block in blocks for change in block.changes} == {one.changes[0] for one in moves}
    for block in blocks:
        parts = block.parts or (block,)
        assert sorted(map(str, block.changes)) == sorted(
            str(change) for part in parts for change in part.changes
        )
        assert all(len(part.changes) == 1 for part in parts)


@pytest.mark.parametrize("dialect", DIALECTS, ids=NAMES)
def test_a_trunk_stays_up_while_its_vlans_come_and_go(dialect: type[Dialect]) -> None:
    """Where lines become true together, what stays may be said anew."""
    port = first_ports(dialect)[0]
    add = move(port, up(None, 102), PortState(None, (101, 102)), SetTrunk(port, 101, True))
    drop = move(port, up(None, 101, 102), PortState(None, (102,)), SetTrunk(port, 101, False))
    (closing,) = [say.line for say in filled(filled(dialect.shut), ports=port)]
    for one in (add, drop):
        lines = said(dialect.blocks([one]))
        assert closing not in lines
        assert dialect.commit or any(re.search(r"\b101\b", line) for line in lines)
        assert dialect.commit or not any(re.search(r"\b102\b", line) for line in lines)


@pytest.mark.parametrize("dialect", DIALECTS, ids=NAMES)
def test_vlans_are_made_and_removed(dialect: type[Dialect]) -> None:
    changes: dict[int, Change] = {vlan: SetVlan(vlan, True) for vlan in (101, 102, 105)}
    for present in (True, False):
        blocks = list(dialect.vlan_blocks(changes, present, {}))
        assert {change for block in blocks for change in block.changes} == set(changes.values())
        assert re.search(r"101", " ".join(said(blocks)))


def test_a_vlan_lists_its_ports_by_ranges() -> None:
    ports = [f"TenGigabitEthernet 0/{number}" for number in (1, 2, 3, 7)] + ["fortyGigE 0/48"]
    moves = [move(port, shut(), ACCESS) for port in ports]
    lines = said(dialects.find("dell_os9").blocks(moves))
    assert lines[-5:] == [
        "interface vlan 101",
        "untagged TenGigabitEthernet 0/1-3",
        "untagged TenGigabitEthernet 0/7",
        "untagged fortyGigE 0/48",
        "exit",
    ]


def test_a_port_of_os9_is_on_no_vlan_while_its_mode_changes() -> None:
    """Also not on one that it stays on."""
    port = "TenGigabitEthernet 0/1"
    lines = said(dialects.find("dell_os9").blocks([move(port, up(101, 102), ACCESS)]))
    assert lines.index(f"no untagged {port}") < lines.index("no switchport") < lines.index(f"untagged {port}")


def test_procurve_moves_a_port_home_and_away_from_there() -> None:
    """A port is on VLAN 1 when it is on no other, so what carries tagged frames only is taken off it last."""
    procurve = dialects.find("hp_procurve")
    assert said(procurve.blocks([move("1", shut(1), TAGGED)]))[-3:] == ["vlan 1", "no untagged 1", "exit"]
    assert said(procurve.blocks([move("1", up(101, 102), PortState())])) == [
        *("interface 1", "disable", "exit"),
        *("vlan 1", "untagged 1", "exit"),
        *("vlan 102", "no tagged 1", "exit"),
    ]


def test_what_was_isolated_needs_no_more() -> None:
    """Of a port that was read to be on no VLAN nothing is taken away: such a line would be empty."""
    tplink, os10 = dialects.find("tplink_jetstream"), dialects.find("dell_os10")
    lines = said(tplink.blocks([move("gigabitEthernet 1/0/1", shut(), ACCESS)]))
    assert not any(line.startswith("no switchport general") for line in lines)
    lines = said(os10.blocks([move("ethernet1/1/1", shut(1), ACCESS)]))
    assert not any("trunk allowed vlan " in line for line in lines)
