"""One line after the other: find its row, make nmctl's command of it, carry that out."""

import shlex
import time
from collections.abc import Iterable, Sequence
from functools import cached_property

from nm.shell import guide, main
from nm.shell.failures import OK, Failure, Usage
from nm.shell.run import error_document, run
from nm.shell.session import Session
from nm.shell.spl import own
from nm.shell.spl.grammar import Grammar
from nm.shell.spl.names import Names
from nm.shell.spl.rows import ROWS, of_nmctl
from nm.shell.spl.sketch import Sketch
from nm.shell.table import Command

# How the methods begin that leave things as they are; so do commands that have none of their own.
_READING = ("Get", "Plan", "Wait", "WhoAmI", "Help", "system.", "InspectSwitch")

LONGEST = 1 << 16  # characters of a line: shlex takes the square of a word's length


class Interpreter:
    """What a shell remembers from one line to the next."""

    def __init__(self, session: Session) -> None:
        self.session = session
        self.names = Names(session)
        self.sketch = Sketch()
        self.changed = False
        self._always = (session.output.json, session.output.quiet)
        self._commands = {
            tuple(command.words.split()): command for command in (*own.COMMANDS, *self.sketch.commands)
        }

    @cached_property
    def grammar(self) -> Grammar:
        """SPL's rows, then nmctl's."""
        return Grammar((*ROWS, *of_nmctl()))

    def script(self, lines: Iterable[str], keep_going: bool = False, numbered: bool = True) -> int:
        """Carry out lines until one fails; the status of the first that failed."""
        status = OK
        try:
            for number, line in enumerate(lines, 1):
                found = self.attempt(line, f"line {number}: " if numbered else "")
                status = status or found
                if found and not keep_going:
                    break
        except own.Leave:
            pass
        if self.changed and (left := self.left()):
            self.session.output.note(left)
        return status

    def attempt(self, line: str, place: str = "") -> int:
        """Carry out a line and tell what was wrong with it; its status."""
        output = self.session.output
        try:
            return self.carry_out(split(line))
        except SystemExit:  # argparse has shown its help
            return OK
        except Failure as failure:
            if output.json:
                output.document({"ok": False, "error": error_document(failure)})
            else:
                output.finish()
                output.failure(place + failure.message, failure.hint)
            return failure.status
        finally:
            output.finish()

    def carry_out(self, words: Sequence[str]) -> int:
        """Carry out the words of a line; whatever goes wrong is a Failure."""
        output = self.session.output
        output.json, output.quiet = self._always
        output.json |= "--json" in words
        if not words:
            return OK
        command, rest = self.command(words)
        with output.writing():  # argparse writes help by itself
            options = main.parser_of(command, time.time()).parse_intermixed_args(rest)
        output.quiet |= "quiet" in options
        _refuse_another_daemon(vars(options))
        try:
            status = run(self.session, command, options)
            self.changed |= bool(command.method) and not command.method.startswith(_READING)
        finally:
            self.names.forget()
        return status

    def command(self, words: Sequence[str]) -> tuple[Command, list[str]]:
        """The command that the words mean, and its arguments."""
        options = next((number for number, word in enumerate(words) if word.startswith("-")), len(words))
        argv = self.grammar.match(words[:options]).words(self.names.expand)
        argv += words[options:]
        for count in (2, 1):
            if command := self._commands.get(tuple(argv[:count])):
                return command, argv[count:]
        found, rest = guide.find(argv)
        if found is None:
            raise Usage(f"{argv[0]}: a word is missing", f"`help {argv[0]}` lists the forms")
        return found, rest

    def left(self) -> str:
        """What is neither deployed nor recorded, in words; empty when there is nothing. Asks the daemon."""
        try:
            pending = own.pending(self.session)
        except Failure:
            pending = []
        parts = []
        if pending:
            parts.append(f"not deployed: {', '.join(pending)} (stays staged; `deploy` makes it real)")
        if loose := self.sketch.unrecorded():
            parts.append(f"not recorded, and forgotten now: {', '.join(loose)}")
        return "; ".join(parts)


def split(line: str) -> list[str]:
    """The words of a line. What begins with # is a remark; `nmctl` before a command says nothing."""
    if line.lstrip().startswith("#"):
        return []
    if len(line) > LONGEST:
        said = f"the line has {len(line)} characters, {LONGEST} are the most"
        raise Usage(said, "name fewer things a line; `import` takes a whole site from a file")
    try:
        words = shlex.split(line)
    except ValueError:
        raise Usage("a quotation mark is never closed", "write \\' for the mark itself") from None
    remark = next((number for number, word in enumerate(words) if word.startswith("#")), len(words))
    return words[1:remark] if words[:1] == ["nmctl"] else words[:remark]


def _refuse_another_daemon(options: dict[str, object]) -> None:
    for name in ("address", "lab", "timeout", "identity"):
        if name in options:
            raise Usage(f"--{name} cannot change in a shell", f"leave, and start nmctl --{name} ... shell")
