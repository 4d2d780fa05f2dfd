"""Keys as they are pressed, one by one, from a terminal that is given back as it was."""

import os
import select
import sys
import termios
import tty
from collections.abc import Iterator
from contextlib import contextmanager

_ESCAPED = {
    "[A": "up", "[B": "down", "[C": "right", "[D": "left",
    "OA": "up", "OB": "down", "OC": "right", "OD": "left",
    "[H": "home", "[F": "end", "OH": "home", "OF": "end", "[1~": "home", "[4~": "end",
    "[5~": "page up", "[6~": "page down",
}  # fmt: skip
_NAMED = {
    "\r": "enter", "\n": "enter", "\x7f": "backspace", "\x08": "backspace", "\x04": "q",
}  # fmt: skip
ESCAPE = "\x1b"
LONGEST = 4096  # bytes that are read at once


class Keyboard:
    """Made by `opened`."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    def pressed(self, seconds: float) -> list[str]:
        """The keys that were pressed, waited for so long at most; `q` when the terminal is gone."""
        ready, _, _ = select.select([self._descriptor], [], [], seconds)
        if not ready:
            return []
        data = os.read(self._descriptor, LONGEST)
        return keys(data.decode(errors="replace")) if data else ["q"]


@contextmanager
def opened() -> Iterator[Keyboard]:
    """Keys come one by one and are not shown; Ctrl-C is a KeyboardInterrupt, as ever."""
    descriptor = sys.stdin.fileno()
    before = termios.tcgetattr(descriptor)
    tty.setcbreak(descriptor, termios.TCSADRAIN)
    try:
        yield Keyboard(descriptor)
    finally:
        termios.tcsetattr(descriptor, termios.TCSADRAIN, before)


def keys(text: str) -> list[str]:
    """The keys that a terminal sent so much for; those that nothing is known of are left out."""
    found: list[str] = []
    while text:
        if text[0] != ESCAPE:
            found.append(_NAMED.get(text[0], text[0]))
            text = text[1:]
            continue
        rest = text[1:]
        sent = next((sent for sent in _ESCAPED if rest.startswith(sent)), None)
        if sent is not None:
            found.append(_ESCAPED[sent])
            text = rest[len(sent) :]
        elif rest[:1] in ("[", "O"):
            ends = (n for n, letter in enumerate(rest[1:], 1) if letter.isalpha() or letter == "~")
            text = rest[next(ends, len(rest)) + 1 :]
        else:
            found.append("escape")
            text = rest
    return found
