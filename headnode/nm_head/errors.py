"""The one family of errors, and how the programs tell what they do."""

from __future__ import annotations

import sys
from typing import Callable


class HeadError(Exception):
    """What stands in the way, and what to do about it."""

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.args[0]} ({self.hint})" if self.hint else str(self.args[0])


def say(text: str) -> None:
    """Tell the journal, or whoever looks."""
    sys.stderr.write(f"{text}\n")
    sys.stderr.flush()


def told(act: Callable[[], object]) -> int:
    """Tell what went wrong: 1 for that, else 0."""
    try:
        act()
    except HeadError as error:
        say(f"linky: {error}")
        return 1
    return 0
