"""What can go wrong with a fake switch, set by a test while the switch runs."""

import re
from dataclasses import dataclass
from typing import Literal

Kind = Literal[
    "refuse",  # nobody listens: connections are refused
    "password",  # no password and no key is right
    "silence",  # the line is not executed, and the session never answers again
    "cut",  # the connection ends before the line is executed; with after=True, when it was, unanswered
    "reject",  # the line is answered as a syntax error, and does nothing
    "lie",  # the line is answered as if all were well, and does nothing
    "slow",  # the line is executed, and answered `seconds` later
    "late",  # the line is executed `seconds` later, not before the fault is gone, and even if nobody waits
    "save",  # saving fails, in the vendor's words
    "noise",  # log messages of the switch in the middle of the line's answer
    "chatter",  # log messages without end instead of the line's answer, one each `seconds`
    "trail",  # a log message after the prompt that follows the line's answer
]


@dataclass
class Fault:
    """One fault, and the lines it hits.

    `line` counts the session's configuration lines from 1 (0 is the log-in, for silence and slowness);
    `like` is searched in the line, whatever its number. With neither, every line is hit.
    """

    kind: Kind
    line: int | None = None
    like: str | None = None
    after: bool = False
    seconds: float = 0
    times: int | None = None  # hits left; None: without end

    def hits(self, line: str, number: int | None) -> bool:
        """Whether it hits; number is None for a line that configures nothing."""
        if self.times == 0:
            return False
        if self.line is not None and self.line != number:
            return False
        if self.like is not None and not re.search(self.like, line):
            return False
        if self.times is not None:
            self.times -= 1
        return True


class Faults(list[Fault]):
    """The faults that a switch has now."""

    def find(
        self, kind: Kind, line: str = "", number: int | None = None, after: bool = False
    ) -> Fault | None:
        """The first of that kind that hits."""
        candidates = [fault for fault in self if fault.kind == kind and fault.after == after]
        return next((fault for fault in candidates if fault.hits(line, number)), None)
