"""Wrong command lines: exit status 2, what is wrong and what to do on stderr, nothing done."""

import io
import json
from pathlib import Path

import pytest

from nm.shell import guide
from nm.shell.failures import Usage
from nm.shell.main import common as parser_common
from nm.shell.main import main
from nm.shell.output import Output
from nm.shell.session import choose_address
from tests.shell.conftest import Nmctl, Terminal, run

WRONG = [
    "nod list",
    "node lst",
    "node",
    "node list --fre",
    "node list n1,,n2",
    "node list n1 name=n2",
    "vlan list main",
    "job list deploy",
    "node show",
    "node show n1 n2",
    "node register",
    "node register n1 --nic boot",
    "node register n1 --id seven",
    "node register n1 location=a location=b",
    "node update n1 x",
    "node connect n1 boot sw0",
    "switch register sw0",
    "switch register sw0 --driver",
    "switch reset sw0",
    "switch reset sw0 p1 --all",
    "port register sw0",
    "trunk register t1",
    "trunk register t1 --end switch=sw0,port=t",
    "trunk register t1 --end switch=sw0 --end host=h,device=d",
    "vlan register",
    "vlan register 5-3",
    "vlan register 101,x",
    "vlan show x",
    "headnode register h1",
    "group create",
    "group create alpha --vlan x",
    "group create alpha --expires soon",
    "group create alpha --expires -2d",
    "group create alpha --expires=-2d",
    "group create alpha --expires 2020-01-01",
    "group renew alpha -2d",
    "--timeout 0 whoami",
    "--timeout soon whoami",
    "--timeout nan whoami",
    "group create alpha --network main",
    "group add alpha",
    "group add alpha n1,n1",
    "group set-networks alpha main",
    "group renew alpha never",
    "group keys alpha",
    "group keys alpha --none /etc/hosts",
    "group delegations alpha",
    "power n1 explode",
    "power n1",
    "deploy",
    "deploy alpha --if-plan",
    "expiry confirm",
    "expiry confirm g1 --all",
    "job show x",
    "job wait",
    "events --after x",
    "help --all Deploy",
    "call",
    'call GetNodes {"free"',
    "backup",
    "database check",
    "sf check",
    "sf resolve x --phase later",
    "database show",
    "database",
    "--nonsense",
    "--address /x --lab y whoami",
    "--lab ../x whoami",
    "--address ftp://x whoami",
]


@pytest.mark.parametrize("line", WRONG)
def test_wrong_forms(line: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NM_ADDRESS", str(tmp_path / "no-daemon.sock"))  # were it asked, the status would be 8
    ran = run(*line.split(" "))
    assert ran.status == 2, ran
    assert ran.err.startswith("nmctl: ")
    assert "\nhint: " in ran.err
    assert ran.out == ""


@pytest.mark.parametrize("command", [command.words for command in guide.commands()])
def test_every_command_refuses_an_unknown_option(command: str) -> None:
    ran = run(*command.split(), "--nonsense=1", "--json")
    assert ran.status == 2
    assert ran.json["ok"] is False
    assert ran.json["error"].keys() == {"code", "message", "hint"}
    assert f"nmctl {command} --help" in ran.json["error"]["hint"]


@pytest.mark.parametrize(
    ("words", "missing"),
    [
        ("audit", "GROUP, or --all"),
        ("group audit --wait", "GROUP, or --all"),
        ("repair", "GROUP, or --all, or --switch, or --port"),
        ("group repair", "GROUP, or --all, or --switch, or --port"),
        ("deploy", "GROUP"),
    ],
)
def test_what_is_missing_and_what_would_do_instead(words: str, missing: str) -> None:
    assert run(*words.split()).err.startswith(f"nmctl: missing: {missing}\n")


def test_a_word_nearly_right_is_named() -> None:
    assert "did you mean node?" in run("nod", "list").err
    assert "did you mean register?" in run("switch", "regster").err


@pytest.mark.parametrize("words", [("--expires", "-2d"), ("--expires=-2d",), ("--expires", "2020-01-01")])
def test_a_lease_does_not_end_in_the_past(words: tuple[str, ...]) -> None:
    ran = run("group", "create", "alpha", *words)
    assert f"{words[-1].removeprefix('--expires=')} is in the past" in ran.err
    assert all(form in ran.err for form in ("+2h", "2027-01-31", "seconds since 1970"))


def test_a_method_nearly_right_is_named_and_not_all_of_them(nmctl: Nmctl) -> None:
    assert run("call", "GetNode").err == (
        "nmctl: no method 'GetNode'\n"
        "hint: did you mean GetNodes or GetHeadNodes or SetHeadNode? `nmctl methods` lists all\n"
    )
    assert "did you mean GetNodes" in run("help", "getnodes").err
    assert run("call", "Xyzzy").err.endswith("hint: `nmctl methods` lists all\n")


def test_hints_name_commands_in_the_place_of_methods(nmctl: Nmctl) -> None:
    refused = run("group", "create", "alpha", "--headnode", "none-such")
    assert "nmctl headnode" in refused.err
    assert "HeadNode" not in refused.err


def test_what_the_daemon_refuses(nmctl: Nmctl) -> None:
    for line, status, code in (
        ("group show none", 5, 106),
        ("deploy none", 5, 106),
        ("node unregister nowhere", 5, 106),
        ("node list free", 5, 106),
        ("vlan list 4000 free=true", 5, 106),
        ("vlan register 101", 6, 105),
        ("vlan register 5000", 2, 102),
        ("call Nothing", 1, 100),
        ("call GetNodes", 2, 101),
    ):
        refused = run(*line.split())
        assert refused.status == status, refused
        assert "\nhint: " in refused.err
        assert run(*line.split(), "--json").json["error"]["code"] == code


def test_no_daemon(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NM_ADDRESS", str(tmp_path / "none.sock"))
    ran = run("whoami")
    assert ran.status == 8
    assert "hint: " in ran.err
    assert json.loads(run("whoami", "--json").out)["error"]["code"] == 8
    monkeypatch.setenv("NM_ADDRESS", "nonsense")
    assert run("whoami").status == 3
    assert run("--lab", "no-such-lab", "whoami").status == 8


def test_which_daemon_is_meant() -> None:
    assert choose_address("/a", None, {"NM_ADDRESS": "/b"}).address == "/a"
    assert choose_address(None, "one", {"NM_ADDRESS": "/b"}).address == "/run/nm-lab/one/api.sock"
    assert choose_address(None, None, {"NM_ADDRESS": "/b"}).address == "/b"
    assert choose_address(None, None, {}).address == "/run/nm/api.sock"
    with pytest.raises(Usage):
        choose_address("/a", "one", {})


def test_host_is_another_word_for_address(nmctl: Nmctl, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NM_ADDRESS")
    address = nmctl.rack.config.api.socket
    assert nmctl("--host", address, "whoami").out == nmctl("whoami", "--host", address).out
    words = ("--host", address, "headnode", "register", "h9", "--host", "there", "--domain", "d")
    assert "there" in nmctl(*words, status=5).err


def test_no_command_hides_another_option_of_all() -> None:
    options = {word for action in parser_common()._actions for word in action.option_strings}
    hidden = {
        (command.words, arg.name)
        for command in guide.commands()
        for arg in command.args
        if arg.name in options
    }
    assert hidden == {("headnode register", "--host")}


def test_it_says_which_daemon_it_talks_to_to_somebody_at_a_terminal(
    nmctl: Nmctl, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    address = nmctl.rack.config.api.socket
    said = {}
    for word in ("", "--quiet", "--json"):
        main(["whoami", *word.split()], Output(io.StringIO(), err := Terminal()))
        said[word] = err.getvalue()
    assert said == {"": f"nmctl: talking to the daemon at {address}\n", "--quiet": "", "--json": ""}
    assert nmctl("whoami").err == ""
