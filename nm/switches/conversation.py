"""One line at a time to a command line, and everything it answers: no fixed sleeps, every prompt awaited.

The log-in (nm/switches/login.py) is netmiko's, which also finds the prompt; from then on nm talks to the
channel itself, for netmiko's loop adds 11 to 40 ms to each command. Called by a driver, by one thread.
"""

import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from nm.errors import DeviceFailed, Unanswered

LULL = 0.2  # seconds of quiet after which a prompt counts that something was printed behind
LONGEST = 20  # times a step's patience for all of an answer, however slowly it comes
LARGEST = 1 << 23  # characters of an answer
TAIL = 1 << 10  # characters at its end in which a prompt or a question stands


class Channel(Protocol):
    """Where the command line is: an SSH channel, a telnet connection."""

    def send(self, text: str) -> None:
        """Send all of it. OSError or EOFError when the other side has gone."""

    def receive(self, seconds: float) -> str:
        """What has come; waits so long for the first of it at most, and is empty when nothing came.

        OSError or EOFError when the other side has gone.
        """

    def close(self) -> None:
        """Hang up. Raises nothing."""


@dataclass(frozen=True)
class Say:
    """One line, and how to go on."""

    line: str
    answers: tuple[tuple[str, str], ...] = ()  # what it may ask, as a pattern, and what is answered
    patience: int = 1  # times the switch's time-out
    optional: bool = False  # some models do not know the line, and do without


class Conversation:
    """With one switch, from its prompt on.

    `prompt`: a pattern of what begins each prompt; `plain`: takes terminal sequences out; `timeout`: for how
    many seconds the switch may be silent.
    """

    def __init__(
        self, name: str, channel: Channel, prompt: str, plain: Callable[[str], str], timeout: float
    ) -> None:
        self._name = name
        self._channel = channel
        self._timeout = timeout
        self._plain = plain
        prompt = rf"(?:<|\[[~*]?)?{prompt}"  # Huawei's stands in brackets
        self._at_prompt = re.compile(rf"(?:^|[\r\n])[^\S\r\n]*{prompt}[^\r\n]{{0,80}}?[#>$%\]]\s?$")
        self._nothing_but_prompts = re.compile(rf"(?:\s*{prompt}[^\r\n]{{0,80}}?[#>$%\]])*\s*")
        self._was_prompt = re.compile(rf"(?:^|[\r\n])[^\S\r\n]*{prompt}[^\r\n]{{0,80}}?[#>$]\s?[\r\n]")

    def say(self, say: Say) -> str:
        """Send the line; what it answered, without echo and prompt.

        Unanswered when it does not; DeviceFailed when the other side has gone.
        """
        try:
            self._forget()
            self._channel.send(say.line + "\n")
            return self._answer(say)
        except (OSError, EOFError) as error:
            raise DeviceFailed(
                f"switch {self._name} closed the connection at {say.line!r}", "it is tried again"
            ) from error

    def _forget(self) -> None:
        """What came unasked, as a line of the switch's log, belongs to no answer."""
        came = 0
        while more := self._channel.receive(0):
            came = self._bounded(came + len(more))

    def _bounded(self, came: int) -> int:
        """Unanswered when it says more than any answer is: it never comes to an end."""
        if came > LARGEST:
            raise Unanswered(
                f"switch {self._name} says more than {LARGEST} characters, and goes on",
                "look whether somebody has left debugging on; it is tried again",
                self._timeout,
            )
        return came

    def _answer(self, say: Say) -> str:
        patience = self._timeout * say.patience
        begun = last = time.monotonic()
        heard, answered = Heard(say.line, self._plain), 0
        while True:
            more = self._channel.receive(LULL)
            now = time.monotonic()
            if more:
                self._hear(heard, more)
                last = now
            if self._done(heard, quiet=not more):
                late = self._channel.receive(0)
                if not late:
                    return self._without_frame(heard.text, say)
                self._hear(heard, late)
            answered = self._reply(heard, answered, say)
            if now - last > patience or now - begun > patience * LONGEST:
                raise Unanswered(
                    f"switch {self._name} did not answer {say.line!r} within {patience:g} s",
                    "look whether it is busy; it is tried again",
                    self._timeout,
                )

    def _hear(self, heard: "Heard", more: str) -> None:
        self._bounded(len(heard) + len(more))
        heard.add(more)

    def _done(self, heard: "Heard", quiet: bool) -> bool:
        """Whether it is at its prompt again; one before the echo may have been on its way for long."""
        if quiet:
            return self._prompted(heard.tail) is not None or self._overprinted(heard)
        return heard.echoed and self._prompted(heard.tail) is not None

    def _prompted(self, text: str) -> re.Match[str] | None:
        return self._at_prompt.search(text, max(len(text) - TAIL, 0))

    def _overprinted(self, heard: "Heard") -> bool:
        """Whether the prompt came and a line of the switch's log behind it."""
        return self._was_prompt.search(heard.text.partition(heard.line)[2]) is not None

    def _reply(self, heard: "Heard", answered: int, say: Say) -> int:
        """Answer what is asked at the end of it; where the unanswered rest begins."""
        rest = heard.tail[-min(len(heard) - answered, TAIL) :] if len(heard) > answered else ""
        for question, answer in say.answers:
            if re.search(question + r"\s*$", rest):
                self._channel.send(answer + "\n")
                return len(heard)
        return answered

    def _without_frame(self, text: str, say: Say) -> str:
        found = self._prompted(text) or self._was_prompt.search(text)
        body = text[: found.start()] if found else text
        before, echo, behind = body.partition(say.line)
        begins = echo and self._nothing_but_prompts.fullmatch(before)
        return (behind if begins else body).replace("\r", "").strip("\n")


class Heard:
    """What a line was answered by now. Only its end may have come in pieces; the rest is done with.

    So a piece costs its own length and that of a tail, however much came before it.
    """

    def __init__(self, line: str, plain: Callable[[str], str]) -> None:
        self.line = line
        self.tail = ""
        self.echoed = False  # whether the line was in it
        self._plain = plain
        self._kept = max(TAIL, 2 * len(line))
        self._before: list[str] = []
        self._length = 0  # of what came before the tail

    def __len__(self) -> int:
        return self._length + len(self.tail)

    @property
    def text(self) -> str:
        """All of it."""
        return "".join([*self._before, self.tail])

    def add(self, more: str) -> None:
        """More has come."""
        recent = self._plain(self.tail + more)
        self.echoed = self.echoed or self.line in recent
        rest, self.tail = recent[: -self._kept], recent[-self._kept :]
        if rest:
            self._before.append(rest)
            self._length += len(rest)
