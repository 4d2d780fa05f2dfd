"""Junos: what is typed has effect when it is committed, and not before."""

import json
from collections.abc import Iterator

import pytest
from netmiko import ConnectHandler
from netmiko.base_connection import BaseConnection

from nm.switch import PortState
from tests.switches.fakes import FakeSwitch, start
from tests.switches.fakes.junos_tree import Tree, compared, insert, remove, set_lines
from tests.switches.fakes.keyboard import Keyboard
from tests.switches.fakes.state import Carried, Port

P0, P1, P2 = "ge-0/0/0", "ge-0/0/1", "ge-0/0/2"
FAMILY = "unit 0 family ethernet-switching"
VLANS = ("set vlans v101 vlan-id 101", "set vlans v102 vlan-id 102")
ACCESS = (
    f"set interfaces {P0} {FAMILY} interface-mode access",
    f"set interfaces {P0} {FAMILY} vlan members v101",
)
TRUNK = (
    f"set interfaces {P1} native-vlan-id 101",
    f"set interfaces {P1} {FAMILY} interface-mode trunk",
    f"set interfaces {P1} {FAMILY} vlan members [ v101 v102 ]",
)
FACTORY = Carried(1, (), mode="access")
ON_101 = Carried(101, (), mode="access")


@pytest.fixture
def switch() -> Iterator[FakeSwitch]:
    with start("juniper_junos", ports=8) as found:
        yield found


@pytest.fixture
def keyboard(switch: FakeSwitch) -> Iterator[Keyboard]:
    with Keyboard(switch) as found:
        found.type("set cli screen-length 0")
        yield found


def test_netmiko_logs_in_configures_and_commits(switch: FakeSwitch) -> None:
    connection: BaseConnection = ConnectHandler(
        device_type=switch.cli.device_type,
        host="127.0.0.1",
        port=switch.port,
        username=switch.user,
        password=switch.password,
        global_delay_factor=0.1,
    )
    try:
        assert connection.find_prompt().endswith("admin@sw1>")
        connection.send_config_set([*VLANS, *ACCESS], exit_config_mode=False)
        assert switch.ports()[P0] == FACTORY
        assert "commit complete" in connection.commit()
        connection.exit_config_mode()
        shown = connection.send_command("show configuration | display set")
    finally:
        connection.disconnect()
    assert switch.ports()[P0] == switch.startup_ports()[P0] == ON_101
    assert set(VLANS + ACCESS) <= set(str(shown).splitlines())
    assert switch.counts.saves == 1


def test_prompts_and_errors_at_the_line(keyboard: Keyboard) -> None:
    assert keyboard.prompt == "admin@sw1> "
    assert keyboard.type("frobnicate").strip("\n").splitlines()[1] == "unknown command."
    assert keyboard.type("configure private").endswith("\n{master:0}[edit]\n")
    assert keyboard.prompt == "admin@sw1# "
    caret, words, *_ = keyboard.type("set vlans v101 vlan-idd 5").splitlines()
    assert (caret.index("^"), words) == (len("admin@sw1# set vlans v101 "), "syntax error.")
    assert "not within range (1..4094)" in keyboard.type("set vlans v101 vlan-id 5000")
    assert "invalid interface type in 'eth0'" in keyboard.type("set interfaces eth0 disable")
    assert "missing argument." in keyboard.type("set vlans v101 vlan-id")
    assert "warning: statement not found" in keyboard.type("delete vlans v7")
    keyboard.type(f"edit interfaces {P0}")
    assert keyboard.type("set disable").endswith(f"[edit interfaces {P0}]\n")
    assert "disable;" in keyboard.type("top", f"show interfaces {P0}")


def test_a_commit_is_running_and_persistent(switch: FakeSwitch) -> None:
    with Keyboard(switch) as keyboard:
        keyboard.type("configure exclusive", *VLANS, *ACCESS, *TRUNK, f"set interfaces {P2} disable")
        assert 101 not in switch.vlans()
        assert "configuration check succeeds" in keyboard.type("commit check")
        assert 101 not in switch.vlans()
        assert "commit complete" in keyboard.type("commit")
        keyboard.type(f"delete interfaces {P0}")
        switch.reboot()
    assert switch.ports()[P0] == ON_101
    assert switch.ports()[P1] == Carried(101, (102,), mode="trunk")
    assert switch.ports()[P2].shut
    assert switch.vlans() == {1: "default", 101: "v101", 102: "v102"}


def test_what_a_port_carries(switch: FakeSwitch, keyboard: Keyboard) -> None:
    keyboard.type("configure", *VLANS, f"delete interfaces {P0} unit 0", *TRUNK)
    keyboard.type(f"delete interfaces {P1} {FAMILY} vlan members v101", "commit")
    assert switch.ports()[P0] == Carried()
    assert switch.ports()[P1] == Carried(None, (102,), mode="trunk")  # the native VLAN is no member
    keyboard.type(f"set interfaces {P1} {FAMILY} vlan members 101-102", "commit")
    assert switch.ports()[P1] == Carried(101, (102,), mode="trunk")
    keyboard.type(f"set interfaces {P1} {FAMILY} vlan members all", "commit")
    assert switch.ports()[P1].open
    keyboard.type(f"delete interfaces {P1} {FAMILY} vlan", f"delete interfaces {P1} native-vlan-id")
    keyboard.type(f"set interfaces {P1} {FAMILY} interface-mode access", "commit")
    assert switch.ports()[P1] == FACTORY


@pytest.mark.parametrize(
    ("lines", "words"),
    [
        (
            [f"set interfaces {P1} {FAMILY} interface-mode trunk"],
            [
                f"[edit interfaces {P1} unit 0 family]",
                "  'ethernet-switching'",
                "    For trunk interface, please",
            ],
        ),
        (
            [f"set interfaces {P1} native-vlan-id 101"],
            [f"[edit interfaces {P1}]", "  'native-vlan-id'", "with interface-mode trunk"],
        ),
        (
            [f"set interfaces {P1} {FAMILY} vlan members 101-102"],
            ["  'members 101-102'", "    Vlan range format not supported if interface-mode is access"],
        ),
        (
            [f"set interfaces {P1} {FAMILY} vlan members 999"],
            [f"No vlan matches vlan tag 999 for interface {P1}.0"],
        ),
        ([f"set interfaces {P1} {FAMILY} vlan members v999"], ["vlan v999 is not defined"]),
        ([f"set interfaces {P1} {FAMILY} vlan members [ v101 v102 ]"], ["one vlan member only"]),
        (["delete vlans v101"], ["vlan v101 is not defined"]),
        (["set vlans other vlan-id 102"], ["[edit vlans other]", "already used by vlan v102"]),
    ],
)
def test_a_contradiction_is_told_by_the_commit(
    switch: FakeSwitch, keyboard: Keyboard, lines: list[str], words: list[str]
) -> None:
    keyboard.type("configure private", *VLANS, *ACCESS, "commit")
    before = switch.dump()["running"]
    for line in lines:
        assert keyboard.type(line).strip("\n") == "{master:0}[edit]"
    for what in ("commit check", "commit"):
        answer = keyboard.type(what)
        assert all(word in answer for word in words)
        assert "failed: (statements constraint check failed)" in answer
    assert switch.dump()["running"] == before
    assert "load complete" in keyboard.type("rollback 0")
    assert "commit complete" in keyboard.type("commit")


def test_a_confirmed_commit_is_undone_unless_confirmed(switch: FakeSwitch, keyboard: Keyboard) -> None:
    keyboard.type("configure private", *VLANS, *ACCESS)
    assert "automatically rolled back in 2 minutes unless confirmed" in keyboard.type("commit confirmed 2")
    assert switch.ports()[P0] == ON_101
    assert switch.startup_ports()[P0] == FACTORY
    assert "rollback pending" in keyboard.type("run show system commit")
    switch.let_pass(119)
    assert switch.ports()[P0] == ON_101
    switch.let_pass(1)
    assert switch.ports()[P0] == FACTORY
    assert 101 not in switch.vlans()
    assert switch.counts.saves == 0


@pytest.mark.parametrize("how", ["commit", "commit check"])
def test_a_commit_or_its_check_confirms(switch: FakeSwitch, keyboard: Keyboard, how: str) -> None:
    keyboard.type("configure private", *VLANS, *ACCESS, "commit confirmed 1")
    answer = keyboard.type(how)
    assert "will be rolled back" not in answer
    switch.let_pass(10_000)
    assert switch.ports()[P0] == switch.startup_ports()[P0] == ON_101


def test_who_comes_later_may_confirm(switch: FakeSwitch) -> None:
    with Keyboard(switch) as one:
        one.type("configure private", *VLANS, *ACCESS, "commit confirmed 1")
    with Keyboard(switch) as two:
        assert "# commit confirmed will be rolled back in 1 minute\n" in two.greeting
        two.type("configure", "commit and-quit")
        assert two.prompt == "admin@sw1> "
    switch.let_pass(60)
    assert switch.startup_ports()[P0] == ON_101


def test_private_candidates_are_merged_or_in_conflict(switch: FakeSwitch) -> None:
    with Keyboard(switch) as one, Keyboard(switch) as two:
        one.type("configure private", *VLANS, *ACCESS)
        two.type("configure private", "set vlans v103 vlan-id 103", f"set interfaces {P1} disable", "commit")
        assert "commit complete" in one.type("commit")
        assert (switch.ports()[P0], switch.ports()[P1].shut) == (ON_101, True)
        one.type(f"set interfaces {P2} description one")
        two.type("rollback 0", f"set interfaces {P2} description two", "commit")
        assert "conflicts" in one.type("commit")
        assert switch.running.ports[P2].description == "two"
        one.type("rollback 0", f"set interfaces {P2} description one", "commit")
        assert switch.running.ports[P2].description == "one"


def test_an_exclusive_lock_keeps_others_out_until_the_session_ends(switch: FakeSwitch) -> None:
    with Keyboard(switch) as two:
        with Keyboard(switch) as one:
            one.type("configure exclusive")
            for line in ("configure private", "configure exclusive"):
                assert "configuration database locked by:\n  admin terminal" in two.type(line)
                assert two.prompt == "admin@sw1> "
            assert "Users currently editing" in two.type("configure")
            assert "locked by" in two.type("set vlans v7 vlan-id 7")
            assert "locked by" in two.type("commit")
            two.type("exit")
            one.type("exit", "exit", until="> $|$")
        switch.options["locked_by"] = "alice"
        assert "alice terminal" in two.type("configure private")
        switch.options.clear()
        assert "Entering configuration mode" in two.type("configure private")


def test_the_shared_candidate_stays_when_its_session_ends(switch: FakeSwitch) -> None:
    with Keyboard(switch) as one:
        one.type("configure", "set vlans v7 vlan-id 7")
        one.type("exit", until=r"\(yes\) $")
        one.type("yes")
        assert one.prompt == "admin@sw1> "
    with Keyboard(switch) as two:
        assert "error: shared configuration database modified" in two.type("configure private")
        assert "error: configuration database modified" in two.type("configure exclusive")
        assert "changed but not committed" in two.type("configure")
        assert "[edit vlans]\n+   v7 {\n+       vlan-id 7;\n+   }" in two.type("show | compare")
        two.type("commit")
        assert switch.vlans()[7] == "v7"


def test_a_reboot_forgets_what_nobody_committed(switch: FakeSwitch) -> None:
    with Keyboard(switch) as keyboard:
        keyboard.type("configure", *VLANS, "commit confirmed 1", "set vlans v7 vlan-id 7", "commit check")
        assert set(switch.startup_vlans()) == {1, 101, 102}
        switch.reboot()
    with Keyboard(switch) as keyboard:
        assert "Entering configuration mode" in keyboard.type("configure private")
    assert set(switch.vlans()) == {1, 101, 102}


def test_a_private_candidate_goes_with_its_session(switch: FakeSwitch) -> None:
    with Keyboard(switch) as one:
        one.type("configure private", *VLANS)
        one.type("exit", until=r"Discard uncommitted changes\? \[yes,no\] \(yes\) $")
        assert "Exiting configuration mode" in one.type("")
        one.type("configure private", *VLANS)
    with Keyboard(switch) as two:
        assert "v101" not in two.type("configure private", "show vlans")
        two.type("commit")
    assert 101 not in switch.vlans()


def test_the_configuration_in_three_shapes(keyboard: Keyboard) -> None:
    keyboard.type(
        "configure private", *VLANS, *ACCESS, *TRUNK, f"set interfaces {P2} disable", "commit and-quit"
    )
    text = keyboard.type("show configuration")
    assert "            family ethernet-switching {" in text
    assert "                    members [ v101 v102 ];" in text
    shown = keyboard.type("show configuration | display json").partition("\n{master")[0]
    found = json.loads(shown)["configuration"]
    first, second, third, *_ = found["interfaces"]["interface"]
    assert third["disable"] == [None]
    assert first["unit"][0]["family"]["ethernet-switching"]["vlan"]["members"] == ["v101"]
    assert second["native-vlan-id"] == 101
    assert found["vlans"]["vlan"] == [
        {"name": "default", "vlan-id": "1"},
        {"name": "v101", "vlan-id": "101"},
        {"name": "v102", "vlan-id": "102"},
    ]
    only = keyboard.type("show configuration interfaces | display set | match native")
    assert only.splitlines()[0] == f"set interfaces {P1} native-vlan-id 101"
    shown = keyboard.type("show vlans")
    assert f"default-switch          v102                  102      \n{'':59}{P1}.0\n" in shown
    assert "Model: ex4300-48t" in keyboard.type("show version")


def test_the_shown_statements_typed_again_are_the_same(switch: FakeSwitch, keyboard: Keyboard) -> None:
    keyboard.type(
        "configure private", *VLANS, *ACCESS, *TRUNK, f"set interfaces {P2} disable", "commit and-quit"
    )
    lines = keyboard.type("show configuration | display set").splitlines()
    with start("juniper_junos", ports=8) as other, Keyboard(other) as typing:
        typing.type("configure private", *(line for line in lines if line.startswith("set ")), "commit")
        assert other.ports() == switch.ports()
        assert other.vlans() == switch.vlans()


@pytest.mark.parametrize(
    "state",
    [PortState(), PortState(101), PortState(None, (101, 102)), PortState(101, (102,)), PortState(open=True)],
)
def test_somebody_else_changes_a_port(switch: FakeSwitch, keyboard: Keyboard, state: PortState) -> None:
    switch.put(P0, PortState(101, (102,)))
    switch.put(P0, state)
    assert switch.ports()[P0].state == state
    assert "configuration check succeeds" in keyboard.type("configure private", "commit check")


def test_saving_fails_and_nothing_has_changed(switch: FakeSwitch, keyboard: Keyboard) -> None:
    switch.fault("save")
    assert "error: commit failed" in keyboard.type("configure private", *VLANS, "commit")
    assert 101 not in switch.vlans()
    switch.mend()
    assert "commit complete" in keyboard.type("commit")


def test_a_line_is_rejected_or_lied_about(switch: FakeSwitch, keyboard: Keyboard) -> None:
    switch.fault("reject", like="v101 vlan-id")
    switch.fault("lie", like="v102 vlan-id")
    keyboard.type("configure private")
    assert "syntax error." in keyboard.type(VLANS[0])
    keyboard.type(VLANS[1], "set vlans v103 vlan-id 103")
    switch.fault("lie", like="^commit$", times=1)
    assert "commit complete" in keyboard.type("commit")
    assert set(switch.vlans()) == {1}
    keyboard.type("commit")
    assert set(switch.vlans()) == {1, 103}


def test_output_stops_at_every_page(switch: FakeSwitch) -> None:
    switch.running.ports.update(
        {f"x{number}": Port(f"x{number}", extra={"config": {}}) for number in range(40)}
    )
    with Keyboard(switch) as keyboard:
        keyboard.send("show interfaces terse\n")
        keyboard.wait(r"---\(more\)---$")
        keyboard.send(" ")
        keyboard.wait(r"---\(more\)---$")
        keyboard.send("q")
        keyboard.wait()


def test_statements_in_a_tree() -> None:
    tree: Tree = {}
    for line in (
        "vlans a vlan-id 5",
        f"interfaces {P0} {FAMILY} vlan members [ a b ]",
        f"interfaces {P1} disable",
    ):
        insert(tree, line.split())
    assert set_lines(tree) == [
        "set vlans a vlan-id 5",
        f"set interfaces {P0} {FAMILY} vlan members a",
        f"set interfaces {P0} {FAMILY} vlan members b",
        f"set interfaces {P1} disable",
    ]
    assert remove(tree, f"interfaces {P0} {FAMILY} vlan members a".split())
    assert remove(tree, f"interfaces {P0} {FAMILY} vlan members b".split())
    assert not remove(tree, f"interfaces {P0} {FAMILY} vlan members b".split())
    assert set_lines(tree)[1] == f"set interfaces {P0} {FAMILY}"
    assert remove(tree, ["vlans", "a"])
    assert compared(
        {"vlans": {"a": {"vlan-id": "5"}, "b": {"vlan-id": "6"}}}, {"vlans": {"b": {"vlan-id": "7"}}}
    ) == [
        "[edit vlans]",
        "-   a {",
        "-       vlan-id 5;",
        "-   }",
        "[edit vlans b]",
        "-   vlan-id 6;",
        "+   vlan-id 7;",
    ]


def test_a_wildcard_range_says_a_statement_for_each_number(switch: FakeSwitch, keyboard: Keyboard) -> None:
    keyboard.type("configure exclusive", "wildcard range set interfaces ge-0/0/[0,2-3] disable", "commit")
    assert [port.shut for port in switch.ports().values()] == [True, False, True, True] + [False] * 4
    keyboard.type("delete interfaces ge-0/0/3 disable")
    missing = keyboard.type("wildcard range delete interfaces ge-0/0/[2-3] disable")
    assert missing.strip().startswith("warning: statement not found")
    keyboard.type("commit")
    assert [port.shut for port in switch.ports().values()] == [True] + [False] * 7
    assert "syntax error" in keyboard.type("wildcard range set interfaces ge-0/0/1 disable")
    assert "syntax error" in keyboard.type("wildcard range set interfaces ge-0/0/[1-2] nonsense")
