"""The prompt: lines from somebody at a keyboard, with editing, history and completion by readline."""

import os
import readline
import sys
import termios
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

from nm.shell.failures import OK, USAGE
from nm.shell.spl.completion import candidates
from nm.shell.spl.interpreter import Interpreter
from nm.shell.spl.own import Leave

PROMPT = "spl> "
KEPT = 2000  # lines of history


def history_path(environment: Mapping[str, str]) -> Path:
    """Where the history is kept."""
    state = environment.get("XDG_STATE_HOME") or os.path.expanduser("~/.local/state")
    return Path(state) / "nm" / "history"


class Editor:
    """Reads lines. A history that cannot be kept is no reason to stop."""

    def __init__(self, shell: Interpreter, history: Path) -> None:
        self._shell = shell
        self._history = history
        self._found: list[str] = []
        readline.set_auto_history(False)
        readline.set_completer(self._complete)
        readline.set_completer_delims(" \t\n,")
        readline.parse_and_bind("tab: complete")
        with suppress(OSError):
            history.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            os.close(os.open(history, os.O_CREAT | os.O_WRONLY, 0o600))
            history.chmod(0o600)
            readline.read_history_file(history)
            readline.set_history_length(KEPT)

    def _complete(self, text: str, number: int) -> str | None:
        """Readline's way to ask: the candidates one by one."""
        if number == 0:
            self._found = candidates(self._shell, readline.get_line_buffer()[: readline.get_endidx()])
        return f"{self._found[number]} " if number < len(self._found) else None

    def remember(self, line: str) -> None:
        """Keep a line in the history."""
        readline.add_history(line)
        with suppress(OSError):
            readline.append_history_file(1, self._history)


def ask(question: str) -> str:
    """What somebody types. Raises EOFError, and KeyboardInterrupt."""
    with _keys_kept():
        return input(question)


@contextmanager
def _keys_kept() -> Iterator[None]:
    """Lets Ctrl-C drop what was typed when it is noticed, not before.

    Left to itself the terminal drops it at once, also the key that readline has just been told of: readline
    would wait for another, and hear no further Ctrl-C till then.
    """
    terminal = sys.stdin.fileno()
    before = termios.tcgetattr(terminal)
    input_, output, control, local, *more = before
    termios.tcsetattr(terminal, termios.TCSANOW, [input_, output, control, local | termios.NOFLSH, *more])
    try:
        yield
    except KeyboardInterrupt:
        termios.tcflush(terminal, termios.TCIFLUSH)
        raise
    finally:
        termios.tcsetattr(terminal, termios.TCSANOW, before)


def converse(shell: Interpreter, editor: Editor) -> int:
    """Read and carry out lines until somebody leaves. Ctrl-C never leaves, whenever it comes."""
    while True:
        try:
            if _turn(shell, editor):
                return OK
        except KeyboardInterrupt:
            shell.session.output.say("")


def _turn(shell: Interpreter, editor: Editor) -> bool:
    """Read and carry out a line; whether that was the last one."""
    try:
        line = ask(PROMPT)
    except EOFError:
        shell.session.output.say("")
        return _may_leave(shell)
    try:
        return _carry_out(shell, editor, line)
    except KeyboardInterrupt:
        shell.session.output.say("")
        shell.session.output.note("interrupted")
        return False


def _carry_out(shell: Interpreter, editor: Editor, line: str) -> bool:
    """Whether that was the last line."""
    line = line.strip()
    if not line:
        return False
    try:
        status = shell.attempt(line)
    except Leave:
        editor.remember(line)
        return _may_leave(shell)
    if not (status == USAGE and _holds_password(line)):
        editor.remember(line)
    return False


def _holds_password(line: str) -> bool:
    """Whether that could be SPL's `create user NAME PASSWORD`, which belongs in no file."""
    return line.split()[:2] in (["create", "user"], ["user", "create"])


def _may_leave(shell: Interpreter) -> bool:
    """Tell what would be left undone, and ask."""
    if not (left := shell.left()):
        return True
    shell.session.output.note(left)
    with suppress(EOFError):
        return ask("leave all the same? [Y/n] ").strip().lower() not in ("n", "no")
    return True
