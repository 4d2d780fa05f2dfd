"""Lines from -c and from stdin: where a script stops, what it says, and its status."""

import io
import json
from collections.abc import Iterable
from typing import Any

import pytest

from nm.calls import Caller
from nm.errors import NMError
from nm.shell.failures import Usage, of_fault
from nm.shell.main import Parser
from nm.shell.output import Output
from nm.shell.session import Choice, Session
from nm.shell.spl.grammar import Grammar, Slot
from nm.shell.spl.interpreter import Interpreter
from nm.shell.spl.rows import ROWS
from nm.shell.table import Arg, add_arguments
from tests.shell.conftest import Nmctl, Ran, run


def script(monkeypatch: pytest.MonkeyPatch, lines: Iterable[str], *words: str) -> Ran:
    monkeypatch.setattr("sys.stdin", io.StringIO("".join(f"{line}\n" for line in lines)))
    return run(*words, "shell")


LINES = ["# two groups", "", "create group alpha vlan 101", "add n0 of alpha", "create group beta vlan 102"]


def groups(nmctl: Nmctl) -> list[str]:
    return [group["name"] for group in nmctl.rack.call("GetGroups", {})]


def test_the_first_line_that_fails_ends_a_script(nmctl: Nmctl, monkeypatch: pytest.MonkeyPatch) -> None:
    ran = script(monkeypatch, LINES)
    assert ran.status == 2
    assert ran.err == (
        "nmctl: line 4: add: `to` is missing\nhint: as: add 1,4 to alpha\n"
        "not deployed: alpha (stays staged; `deploy` makes it real)\n"
    )
    assert groups(nmctl) == ["alpha"]


def test_keep_going(nmctl: Nmctl, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO("\n".join([*LINES, "destroy group gamma"])))
    ran = run("shell", "--keep-going")
    assert ran.status == 2, "the status is that of the first that failed"
    assert "line 6: no group gamma" in ran.err
    assert groups(nmctl) == ["alpha", "beta"]


def test_exit_ends_a_script_without_asking(nmctl: Nmctl, monkeypatch: pytest.MonkeyPatch) -> None:
    ran = script(monkeypatch, ["create group alpha", "node create 7", "exit", "create group beta"])
    assert ran.status == 0
    assert "not deployed: alpha" in ran.err
    assert "forgotten now: node 7" in ran.err
    assert groups(nmctl) == ["alpha"]


def test_looking_tells_nothing_of_what_is_pending(nmctl: Nmctl) -> None:
    nmctl.rack.call("CreateGroup", "alpha", {})
    assert nmctl("shell", "-c", "show group").err == ""


def test_json_of_one_line_and_of_all(nmctl: Nmctl, monkeypatch: pytest.MonkeyPatch) -> None:
    ran = nmctl("shell", "-c", "show node --json", "-c", "show host")
    first, rest = ran.out.split("\n", 1)
    assert [node["name"] for node in json.loads(first)["result"]] == ["n0", "n1", "n2", "n3"]
    assert "test:///default" in rest
    ran = script(monkeypatch, ["show all", "create group alpha", "deploy", "nic create 1"], "--json")
    everything, created, deployed, refused = map(json.loads, ran.out.splitlines())
    assert everything["result"].keys() >= {"groups", "nodes", "vlans", "switches", "delegates"}
    assert created == {"ok": True, "result": 1}
    assert deployed["result"][0]["state"] == "done"
    assert refused["error"]["code"] == 2
    assert refused["error"]["hint"].startswith("as: nic create")


def test_quotation_marks(nmctl: Nmctl) -> None:
    nmctl("shell", "-c", "change node n0 location='rack 4, left'")
    assert nmctl.one("GetNodes", name="n0")["location"] == "rack 4, left"
    assert "never closed" in nmctl("shell", "-c", "show node 'n0", status=2).err


def test_another_daemon_is_not_reached_by_an_option(nmctl: Nmctl) -> None:
    assert "cannot change in a shell" in nmctl("shell", "-c", "show node --address /x", status=2).err


def test_options_of_nmctl_behind_a_line(nmctl: Nmctl) -> None:
    ran = nmctl("shell", "-c", "create group alpha vlan 105 --nodes n0,n1 --dry-run")
    assert "alpha" in ran.out
    assert groups(nmctl) == []
    nmctl("shell", "-c", "create group alpha --nodes n0,n1 --vlan 105")
    assert nmctl.one("GetGroups", name="alpha")["vlan"] == 105


def test_what_is_being_destroyed_is_not_pending(nmctl: Nmctl) -> None:
    nmctl.rack.call("CreateGroup", "alpha", {"nodes": ["n0"]})
    nmctl.rack.deploy("alpha")
    nmctl.rack.set_faults("sw0", down=True)
    nmctl.rack.call("DestroyGroup", "alpha")
    assert nmctl("shell", "-c", "deploy").out == "nothing is pending\n"
    nmctl.rack.set_faults("sw0")


def test_who_may_not_see_all_sees_the_rest(nmctl: Nmctl) -> None:
    class AsBob(Session):
        def call(self, method: str, *parameters: Any) -> Any:
            try:
                return nmctl.rack.call(method, *parameters, caller=Caller(4000, "bob"))
            except NMError as error:
                raise of_fault(error.code, str(error)) from None

    out = io.StringIO()
    shell = Interpreter(AsBob(Choice("nowhere"), Output(out, io.StringIO())))
    assert shell.attempt("show all") == 0
    assert "Nodes" in out.getvalue()
    assert "Users" not in out.getvalue()
    assert shell.attempt("show user") == 4


def test_several_deploys_go_on_when_one_fails(nmctl: Nmctl) -> None:
    for name, node in (("alpha", "n0"), ("beta", "n1")):
        nmctl.rack.call("CreateGroup", name, {"nodes": [node]})
    nmctl.rack.set_faults("sw0", reject=["p0"])
    ran = nmctl("shell", "-c", "deploy", status=9)
    assert "deploy beta: done" in ran.out
    assert "nmctl: alpha: job" in ran.err
    assert nmctl.one("GetGroups", name="beta")["state"] == "deployed"
    assert "not deployed: alpha" in ran.err


def test_a_line_that_is_too_long_is_refused_and_the_longest_is_not(nmctl: Nmctl) -> None:
    ran = nmctl("shell", "-c", f"show node x={'y' * 65_527}", status=2)
    assert "the line has 65539 characters, 65536 are the most" in ran.err
    assert "import" in ran.err
    assert "65536" not in nmctl("shell", "-c", f"show node x={'y' * 65_524}", status=2).err
    assert "the line" not in nmctl("shell", "-c", f"# {'y' * 1_000_000}").err


def test_a_word_that_is_wrong_is_not_repeated_without_end(nmctl: Nmctl) -> None:
    for line in ("{}", "show {}", "show node n0 {}", "show group =={}", "help {}", "node {}"):
        ran = nmctl("shell", "-c", line.format("x" * 60_000), status=2)
        assert len(ran.err) < 1000, line


def test_a_word_costs_the_same_however_many_a_line_has() -> None:
    """What a reading has taken is shared with the readings that go on from it, not copied."""
    grammar = Grammar(ROWS)
    (before,) = grammar.read(["destroy", "vlan", "101", "102"])
    (after,) = [reading for reading in before.next() if isinstance(reading.token, Slot)]
    longer = after.after("103")
    assert longer.taken is not None
    assert longer.taken.before is before.taken
    assert longer.values == {"vlans": ["101", "102", "103"]}


class Compared:
    """A name that counts how often it is compared."""

    count = 0

    def __init__(self, text: str) -> None:
        self.text = text

    def __hash__(self) -> int:
        return hash(self.text)

    def __eq__(self, other: object) -> bool:
        Compared.count += 1
        return isinstance(other, Compared) and self.text == other.text


def test_names_given_twice_are_found_without_comparing_each_with_each() -> None:
    parser = Parser()
    add_arguments(parser, [Arg("nodes", parse=lambda text: [Compared(text)], count="+", flat=True)], 0.0)
    given = [f"n{number}" for number in range(1000)]
    assert len(parser.parse_args(given).nodes) == 1000
    assert Compared.count < 1000
    with pytest.raises(Usage, match="is given twice"):
        parser.parse_args([*given, "n7"])
