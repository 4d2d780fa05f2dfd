"""What may stand where the cursor is: words of the grammar, names that exist, options of the command."""

from collections.abc import Iterable

from nm.shell import completion, main
from nm.shell.failures import Failure
from nm.shell.spl.grammar import Slot, expected
from nm.shell.spl.interpreter import Interpreter
from nm.shell.spl.names import METHODS

# Which names complete the arguments of nmctl's own commands, by the arguments' names.
ARGUMENTS = {
    "group": "group", "groups": "group", "node": "node", "nodes": "node", "switch": "switch", "vlan": "vlan",
    "headnode": "headnode", "--headnode": "headnode", "trunk": "trunk", "host": "host", "--host": "host",
    "name": "user", "--nodes": "node",
}  # fmt: skip


def candidates(shell: Interpreter, line: str) -> list[str]:
    """What completes the last word of the line; of a list with commas, its last name."""
    words = line.split()
    typed = words.pop() if words and not line[-1].isspace() else ""
    if words[:1] == ["nmctl"]:
        words = words[1:]
    before, comma, last = typed.rpartition(",")
    given = [name for name in before.split(",") if name]
    return sorted(
        {one for one in _candidates(shell, words, last) if one.startswith(last) and one not in given}
        if not comma or given
        else ()
    )


def _candidates(shell: Interpreter, words: list[str], typed: str) -> Iterable[str]:
    if typed.startswith("-"):
        return _options(shell, words)
    found: list[str] = []
    for token in expected(shell.grammar, [word for word in words if not word.startswith("-")]):
        if not isinstance(token, Slot):
            spelled = [name for name in token.names if typed and name.startswith(typed)]
            found += spelled[:1] if typed else token.names[:1]
        elif token.name == "rest":
            found += _arguments(shell, words)
        else:
            found += [*token.kind.choices, *(shell.names.of(token.kind.source) if token.kind.source else ())]
    return found


def _options(shell: Interpreter, words: list[str]) -> Iterable[str]:
    try:
        command, _ = shell.command(words)
    except Failure:
        return []
    return [
        name for name in completion.of_parser(main.parser_of(command, 0.0)).options if name.startswith("--")
    ]


def _arguments(shell: Interpreter, words: list[str]) -> Iterable[str]:
    """Names and fixed choices for the arguments of a command of nmctl's own."""
    try:
        command, _ = shell.command(words)
    except Failure:
        return []
    found: list[str] = []
    for arg in command.args:
        if arg.named:
            found += next(
                (shell.names.of(kind) for kind, known in METHODS.items() if known[0] == command.method), ()
            )
        elif not arg.name.startswith("--"):
            found += [*arg.choices, *shell.names.of(ARGUMENTS.get(arg.name, "none"))]
    return found
