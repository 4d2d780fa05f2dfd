"""The tables of docs/geni.md say what the code has."""

import re
from collections.abc import Iterator
from pathlib import Path

from nm.configgeni import Federation
from nm.geni.amcalls import METHODS
from nm.geni.codes import _CODES, Code
from nm.geni.privileges import DEFAULTS, EVERY, GRANTS, NEEDED
from nm.geni.rspec.opstates import STATES
from nm.shell import guide
from nm.shell.geni import calls

PAGE = (Path(__file__).parents[2] / "docs" / "geni.md").read_text(encoding="utf-8")


def table(head: str) -> Iterator[list[str]]:
    """The rows of the table with that head."""
    lines = PAGE[PAGE.index(f"\n| {head} |") :].splitlines()[3:]
    for line in lines:
        if not line.startswith("|"):
            return
        yield [cell.strip() for cell in line.strip("|").split("|")]


def words(cell: str) -> set[str]:
    return set(re.findall(r"[\w*]+", cell))


def test_states_and_their_actions() -> None:
    told = {state.strip("`"): words(actions) for state, _, actions in table("state")}
    assert told == {name: set(state.actions) for name, state in STATES.items()}


def test_codes_are_those_that_are_answered() -> None:
    told = {cells[0] for cells in table("code")}
    answered = {Code.SUCCESS, Code.ERROR, *(code for _, code in _CODES)}
    assert told == {f"{int(code)} {code.name}" for code in answered}


def test_rights() -> None:
    told = {
        call: (words(needed), words(having))
        for calls_, needed, having in table("call")
        for call in calls_.split(", ")
        if having
    }
    every = {name for one in DEFAULTS["slice"] for name in GRANTS[one]}
    granted = {**GRANTS, EVERY: every}
    assert told == {
        call: (set(needed), {name for name, gives in granted.items() if gives & needed})
        for call, needed in NEEDED.items()
        if needed
    }


def test_commands_and_calls() -> None:
    told = {cells[0].strip("`").split()[0]: words(cells[1]) for cells in table("command")}
    assert told.keys() == {command.words.split()[1] for command in calls.COMMANDS}
    assert set().union(*told.values()) >= set(METHODS)


def test_every_command_is_named() -> None:
    verbs = {command.words for command in guide.commands() if command.words.startswith("geni ")}
    client = {command.words for command in calls.COMMANDS}
    assert [one for one in sorted(verbs - client) if f"nmctl {one}" not in PAGE] == []
    options = {name for arg in calls._COMMON for name in (arg.name, arg.short) if name}
    assert [name for name in ("-a", "-V", "-o", "-p", "-r", "--devmode") if name not in options] == []


def test_rules_are_keys_of_the_configuration() -> None:
    told = {key for cells in table("key of `[federation]`") for key in words(cells[0])}
    assert told <= set(Federation.__dataclass_fields__)
