"""Somebody at a keyboard: nmctl shell on a pseudo-terminal, typed at and read."""

import os
import pty
import re
import select
import subprocess
import sys
import termios
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

PROGRAM = (sys.executable, "-m", "nm.shell.main")
PROMPT = "spl> "
CTRL_C = "\x03"
PATIENCE = 30.0  # seconds
_BEGUN = re.compile(r"(\r|\x1b(\[[0-9;?]*)?)?\Z")
_STEERING = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]|\x07|\x1b[=>]")


class Keyboard:
    """A program on a terminal."""

    def __init__(self, process: "subprocess.Popen[bytes]", terminal: int) -> None:
        self.process = process
        self._terminal = terminal
        self._shown = ""
        self._seen = 0
        self._begun = ""

    def type(self, keys: str) -> None:
        """Press keys."""
        os.write(self._terminal, keys.encode())

    def sees(self, text: str, again: str = "") -> str:
        """Wait until the text is shown behind what was waited for last; what was shown till then.

        `again`: keys to press once more when nothing happens, as people do with Ctrl-C: a signal that comes
        while readline is not waiting for a key is noticed at the next key only.
        """
        end = time.monotonic() + PATIENCE
        while (at := self._shown.find(text, self._seen)) < 0:
            left = end - time.monotonic()
            assert left > 0, f"{text!r} was not shown; this was: {self._shown[self._seen :]!r}"
            if select.select([self._terminal], [], [], min(left, 0.5) if again else left)[0]:
                self._read()
            else:
                self.type(again)
        shown, self._seen = self._shown[self._seen : at], at + len(text)
        return shown

    def interrupts(self, until: str = PROMPT) -> str:
        """Press Ctrl-C; what is shown until then."""
        self.type(CTRL_C)
        return self.sees(until, again=CTRL_C)

    def keeps_keys(self) -> bool:
        """Whether Ctrl-C leaves what was typed before it where it is."""
        return bool(termios.tcgetattr(self._terminal)[3] & termios.NOFLSH)

    def _read(self) -> None:
        try:
            data = os.read(self._terminal, 65536)
        except OSError:  # the other side is closed
            data = b""
        assert data, f"it ended; what was shown last: {self._shown[self._seen :]!r}"
        text = self._begun + data.decode(errors="replace")
        # What was shown stays as it is, else `_seen` would point somewhere else: so the beginning of a
        # sequence waits for its end.
        begun = _BEGUN.search(text)
        self._begun = begun[0] if begun else ""
        whole = text[: len(text) - len(self._begun)]
        self._shown += _STEERING.sub("", whole).replace("\r\n", "\n")

    def does(self, line: str) -> str:
        """Type a line; what is shown until the next prompt."""
        self.type(f"{line}\n")
        self.sees("\n")  # the echo of the line
        return self.sees(PROMPT)

    def ends(self) -> int:
        """The status that the program ends with."""
        return self.process.wait(30)


@contextmanager
def keyboard(home: Path, *words: str, program: tuple[str, ...] = PROGRAM, **more: str) -> Iterator[Keyboard]:
    """The program with its history below `home`; it is gone at the end."""
    ours, theirs = pty.openpty()
    environment: Mapping[str, str] = {
        **os.environ, "TERM": "xterm", "COLUMNS": "200", "NO_COLOR": "1", "XDG_STATE_HOME": str(home),
        "INPUTRC": "/dev/null", **more,
    }  # fmt: skip
    # setsid makes it the terminal that Ctrl-C comes from.
    command = ("setsid", "--ctty", *program, *words)
    process = subprocess.Popen(command, stdin=theirs, stdout=theirs, stderr=theirs, env=environment)
    os.close(theirs)
    try:
        yield Keyboard(process, ours)
    finally:
        process.kill()
        process.wait()
        os.close(ours)
