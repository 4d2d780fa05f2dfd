"""What a Script says, and the shell that it says it to, out of their attributes. Pure.

A shell is a program that reads commands from its standard input. The reference keeps one open for all of its
scripts; here each is a run of its own, so nothing but files passes from one to the next.
"""

import posixpath
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from nm.errors import Invalid
from nm.pools.attributes import Value, is_component, is_lazy

SCRIPTS: Mapping[str, str] = {  # stage of a life -> the attribute that says what is run then
    "deploy": "deployScript",
    "start": "startScript",
    "terminate": "terminateScript",
}
EXEC, TIMEOUT = "exec", "timeout"
CMD, DIR, ENVIRONMENT = "cmd", "dir", "envProperties"
BASH = ("/bin/bash",)
WRITE = "write a string, a list of lines, or DATA whose attributes are lines"


@dataclass(frozen=True)
class Shell:
    """The program that reads the commands, where it runs, and what it finds in its environment."""

    command: tuple[str, ...] = BASH
    folder: str = "/"
    environment: Mapping[str, str] = field(default_factory=dict, repr=False)


def script_text(value: Value) -> str:
    """The lines of a script, each ended. Invalid when it is none.

    A line that is a list is its words with blanks between them. Of a component the values are scripts.
    """
    return "".join(f"{line}\n" for line in _lines(value))


def _lines(value: Value) -> list[str]:
    if is_component(value):
        return [line for inner in value["attributes"].values() for line in _lines(inner)]
    if isinstance(value, list):
        return [" ".join(map(_word, item if isinstance(item, list) else [item])) for item in value]
    return [_word(value)]


def _word(value: Value) -> str:
    if is_lazy(value):
        raise Invalid(f"it has {str(value['reference'])[:70]}, which leads to no value", "link to a value")
    if isinstance(value, bool):
        return str(value).lower()
    if not isinstance(value, str | int | float):
        raise Invalid("it is no script", WRITE)
    if "\0" in str(value):
        raise Invalid("it has a character of code 0", WRITE)
    return str(value)


def shell_of(attributes: Mapping[str, Any]) -> Shell:
    """What `exec` of a shell says. Invalid when that is no shell."""
    said = attributes.get(EXEC)
    given: Mapping[str, Value] = said["attributes"] if said is not None and is_component(said) else {}
    command, folder = given.get(CMD, list(BASH)), given.get(DIR, "/")
    words = command if isinstance(command, list) else [command]
    if not words or not all(_is_text(word) and word for word in words):
        raise Invalid(f"{EXEC}:{CMD} is no command", 'write [| "/bin/bash" |]: a program and its arguments')
    if not _is_text(folder) or not posixpath.isabs(folder):
        raise Invalid(f"{EXEC}:{DIR} is no folder", "write its whole path")
    return Shell(tuple(words), folder, _environment(given.get(ENVIRONMENT)))


def _environment(value: Value) -> dict[str, str]:
    """NAME=VALUE, one or a list of them."""
    pairs = value if isinstance(value, list) else [] if value is None else [value]
    split = [pair.partition("=") if _is_text(pair) else ("", "", "") for pair in pairs]
    if not all(name and sign for name, sign, _ in split):
        raise Invalid(f"{EXEC}:{ENVIRONMENT} is no list of variables", 'write ["NAME=VALUE"]')
    return {name: text for name, _, text in split}


def _is_text(value: Value) -> bool:
    return isinstance(value, str) and "\0" not in value
