"""How answers are shown: aligned text, and nothing that could steer a terminal."""

import io
from typing import Any

import pytest

from nm.shell import columns, times
from nm.shell.failures import of_fault
from nm.shell.jobs import ended, progress, trouble
from nm.shell.output import Fields, Line, Output, Table, plain
from nm.shell.table import Options, Scene
from nm.shell.wording import spoken

NOW = 1_795_000_000.0


def test_tables_are_aligned_without_trailing_space() -> None:
    table = Table(["NAME", "STATE"], [["n1", "free"], ["longer", "-"]], "Nodes")
    assert plain(table) == ["Nodes", "NAME    STATE", "n1      free", "longer  -"]
    assert plain(Table(["NAME"], [], empty="no nodes")) == ["no nodes"]


def test_fields_and_lines() -> None:
    assert plain(Fields([("name", "n1"), ("location", "")])) == ["name      n1", "location"]
    assert plain(Line("done")) == ["done"]


@pytest.mark.parametrize("text", ["\x1b[31mred", "a\nb", "\u202eevil", "bell\x07"])
def test_what_would_steer_a_terminal_is_escaped(text: str) -> None:
    shown = "".join(plain(Table(["X"], [[text]])) + plain(Line(text)) + plain(Fields([("x", text)])))
    assert shown.isprintable()
    err = io.StringIO()
    Output(io.StringIO(), err).failure(text, text)
    assert "\x1b" not in err.getvalue()


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "-"),
        ("", "-"),
        ([], "-"),
        (True, "yes"),
        (False, "no"),
        (0, "0"),
        (["n1", "n2"], "n1, n2"),
        ({"driver": "x", "address": "y"}, "driver=x, address=y"),
        ([{"a": 1}, {"a": 2}], "a=1; a=2"),
    ],
)
def test_values_as_text(value: object, text: str) -> None:
    assert columns.text(value) == text


@pytest.mark.parametrize(
    ("seen", "text"),
    [
        (None, "never read"),
        ({"untagged": None, "tagged": [], "open": False}, "isolated"),
        ({"untagged": 101, "tagged": [], "open": False}, "untagged 101"),
        ({"untagged": 1, "tagged": [101, 102], "open": False}, "untagged 1, tagged 101, 102"),
        ({"untagged": None, "tagged": [], "open": True}, "every other VLAN too"),
    ],
)
def test_what_a_port_carries(seen: dict[str, object] | None, text: str) -> None:
    assert columns.carries(seen) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("absent", "absent"),
        ("unreadable: no answer; UpdateSwitch", "unreadable: no answer; `nmctl switch update`"),
        ({}, "there"),
        ({"untagged": 101, "tagged": [], "open": True}, "untagged 101, every other VLAN too"),
        ({"untagged": None, "tagged": []}, "isolated"),
        ({"native": 1, "open": True}, "native=1, every other VLAN too"),
        ({"host": "h0", "domain": "vm", "vlan": 101}, "host=h0, domain=vm, VLAN 101"),
        ({"host": "h0", "domain": "vm", "vlan": None}, "host=h0, domain=vm, off the network"),
    ],
)
def test_what_an_audit_compares(value: object, text: str) -> None:
    difference = {"hand": "port", "target": "sw0/p1", "wanted": {}, "seen": value}
    assert columns.table("differences", [difference], NOW).rows == [["port", "sw0/p1", "there", text]]


def test_methods_are_told_as_commands() -> None:
    assert spoken("ResetPorts or `AdoptPorts` first") == "`nmctl switch reset` or `nmctl switch adopt` first"
    assert spoken("GetNodes with free=True lists free ones") == "`nmctl node list free=true` lists free ones"
    assert spoken("Nothing with free=True") == "Nothing with free=True"
    assert spoken("look after the BMC of Node1, see GetAudit") == (
        "look after the BMC of Node1, see `nmctl audit`"
    )
    assert of_fault(105, "Deploy has not ended; ClearNode").message == "Deploy has not ended"
    assert columns.labelled("error", {"code": 107, "text": "no answer; GetNodes"}, NOW) == (
        "no answer; `nmctl node list`"
    )


def test_a_note_tells_commands_too() -> None:
    node = {"name": "n1", "error": "power stays on; ClearNode when it is off"}
    assert columns.table("nodes", [node], NOW).rows[0][-1] == (
        "power stays on; `nmctl node clear` when it is off"
    )


def test_structs_without_what_the_caller_may_not_see_are_shown() -> None:
    for kind in columns.COLUMNS:
        rows = columns.table(kind, [{"name": "x", "available": True, "free": False}], NOW).rows
        assert len(rows) == 1


JOB = {"id": 7, "state": "running", "done": 2, "total": 5, "step": "join n1", "started": 10, "finished": None}


def test_where_a_job_is() -> None:
    assert progress(JOB, "deploy alpha") == "job 7 deploy alpha: running 2/5: join n1"
    over = {**JOB, "state": "done", "done": 5, "finished": 75}
    assert progress(over, "deploy alpha") == "job 7 deploy alpha: done 5/5"
    assert ended(over, "deploy alpha") == "job 7 deploy alpha: done in 1m5s"
    assert trouble(over, "deploy alpha") is None


def test_how_a_job_fails() -> None:
    failed = {**JOB, "state": "failed", "error": {"code": 107, "text": "sw0 is silent; look at it"}}
    failure = trouble(failed, "deploy alpha")
    assert failure is not None
    assert (failure.status, failure.code, failure.hint) == (7, 107, "look at it")
    assert failure.message == "job 7 deploy alpha failed: sw0 is silent"
    superseded = trouble({**JOB, "state": "superseded", "error": None}, "deploy alpha")
    assert superseded is not None
    assert superseded.status == 6


@pytest.mark.parametrize(
    ("code", "status"),
    [(100, 1), (101, 2), (102, 2), (104, 1), (105, 6), (106, 5), (107, 7), (108, 4), (109, 6), (999, 1)],
)
def test_every_fault_has_its_exit_status(code: int, status: int) -> None:
    failure = of_fault(code, "what is wrong; what to do; and more")
    assert (failure.status, failure.code) == (status, code)
    assert (failure.message, failure.hint) == ("what is wrong", "what to do; and more")


KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIE6F1dQ5YtbLlJ0wTUlG0x0fMdyJmPY0Yr4hPvV6QkNw"
SOON = times.human(NOW + 60, NOW)
HEALTH = {"host_key": KEY, "unsaved": None, "failures": 0, "retry_at": None, "read_at": NOW}


@pytest.mark.parametrize(
    ("changes", "label", "words"),
    [
        ({}, "saved", "yes"),
        ({"unsaved": "no space left"}, "saved", "no: no space left"),
        ({}, "sessions", "well"),
        ({"read_at": None}, "sessions", "never asked"),
        ({"failures": 3}, "sessions", "3 in a row came to nothing; it is tried again"),
        (
            {"failures": 5, "retry_at": NOW + 60},
            "sessions",
            f"5 in a row came to nothing; it is left alone until {SOON}, or until it is inspected",
        ),
        ({"failures": 5, "retry_at": NOW - 1}, "sessions", "5 in a row came to nothing; it is tried again"),
        ({"host_key": None}, "host key", "-"),
        ({}, "host key", "ssh-ed25519 SHA256:QmJmF7mv96hywT+afqcdzLkmvBFdI3F51ojsPfvy084"),
    ],
)
def test_the_health_of_a_switch_in_words(changes: dict[str, Any], label: str, words: str) -> None:
    (block,) = columns.switch({"name": "sw0", **HEALTH, **changes}, Scene(Options(), NOW))
    assert isinstance(block, Fields)
    assert dict(block.pairs)[label] == words
    assert not {"host_key", "unsaved", "failures", "retry_at"} & {name for name, _ in block.pairs}


def test_who_may_not_see_a_switch_whole_is_shown_what_there_is() -> None:
    (block,) = columns.switch({"name": "sw0", "free": True}, Scene(Options(), NOW))
    assert isinstance(block, Fields)
    assert list(block.pairs) == [("name", "sw0"), ("free", "yes")]
