"""What a script's attributes say, and those of its shell."""

from typing import Any

import pytest

from nm.errors import Invalid
from nm.pools.checking import findings
from nm.pools.scripting import Shell, script_text, shell_of
from tests.pools.world import pool


def data(**attributes: Any) -> dict[str, Any]:
    return {"attributes": attributes, "data": True, "tags": {}}


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("date", "date\n"),
        ("one\ntwo", "one\ntwo\n"),
        ([], ""),
        (["one", "two"], "one\ntwo\n"),
        (["one", ["two", 2, 1.5, True, "x y"]], "one\ntwo 2 1.5 true x y\n"),
        (data(), ""),
        (data(b="first", a=["second", "third"], c=data(d="fourth")), "first\nsecond\nthird\nfourth\n"),
        (5, "5\n"),
    ],
)
def test_lines_of_a_script(value: Any, text: str) -> None:
    assert script_text(value) == text


@pytest.mark.parametrize(
    "value",
    [None, b"x", [None], [["a", ["b"]]], data(x=None), "a\0b", {"reference": "LAZY x"}, {"tbd": True}],
)
def test_what_is_no_script(value: Any) -> None:
    with pytest.raises(Invalid):
        script_text(value)


def test_a_shell_is_bash_unless_it_says_otherwise() -> None:
    assert shell_of({}) == shell_of({"exec": None}) == shell_of({"exec": data()}) == Shell()
    told = data(cmd=["/usr/bin/awk", "-f"], dir="/srv", envProperties=["A=1", "B=x=y", "C="], echoCmd="echo")
    expected = Shell(("/usr/bin/awk", "-f"), "/srv", {"A": "1", "B": "x=y", "C": ""})
    assert shell_of({"exec": told}) == expected
    assert shell_of({"exec": data(cmd="/bin/sh", envProperties="A=1")}) == Shell(
        ("/bin/sh",), "/", {"A": "1"}
    )


@pytest.mark.parametrize(
    "told",
    [{"cmd": []}, {"cmd": [""]}, {"cmd": [1]}, {"cmd": "a\0"}, {"dir": "srv"}, {"dir": 5}, {"dir": "/a\0"},
     {"envProperties": ["=1"]}, {"envProperties": ["A"]}, {"envProperties": [["A=1"]]}],
)  # fmt: skip
def test_what_is_no_shell(told: dict[str, Any]) -> None:
    with pytest.raises(Invalid):
        shell_of({"exec": data(**told)})


def said(inside: str) -> list[str]:
    return [f"{':'.join(one.path)}: {one.text}" for one in findings(pool(inside))]


def test_what_could_never_be_run_is_found_before_anything_is_made() -> None:
    assert said(
        's extends BashShell; a extends Script { shell LAZY ATTRIB s; startScript [["a", [1]]]; }'
    ) == ["a: startScript: it is no script"]
    assert said("s extends Prim; a extends Script { shell LAZY ATTRIB s; }") == ["a: shell leads to a Prim"]
    assert said("s extends BashShell { exec:cmd 5; }") == ["s: exec:cmd is no command"]
    far = 's extends BashShell { sfProcessHost "h1"; } a extends Script { shell LAZY ATTRIB s; }'
    assert said(far) == ["a: its shell is on h1"]
    good = """
    s extends BashShell; line "date";
    a extends Script {
      shell LAZY ATTRIB s; autoTerminate true; timeout 5;
      startScript extends DATA { x LAZY PARENT:PARENT:line; y [line, 5]; }
      terminateScript LAZY ATTRIB line;
    }
    """
    assert said(good) == []
