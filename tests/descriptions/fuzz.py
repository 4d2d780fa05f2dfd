"""Descriptions at random: python -m tests.descriptions.fuzz SECONDS [SEED].

Texts are made from the grammar, or from good ones by cutting, doubling, splicing, and changing words and
bytes. Each goes through a phase, the layout, and what is made of a description. Nothing but nm's own error
may come of it, and no text may take more than a second for each 10 kB that are begun. What fails is told with
the number that makes it again.
"""

import random
import signal
import sys
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from types import FrameType
from typing import Any, TypeVar

from nm.descriptions.compiler import PHASES, Phase, behind
from nm.descriptions.compiler import compile as compile_description
from nm.descriptions.layout import laid_out
from nm.descriptions.limits import Limits
from nm.descriptions.problems import Flawed
from nm.descriptions.surroundings import Surroundings
from tests.descriptions.conformance import cases
from tests.descriptions.grammar import Grammar
from tests.descriptions.say import LIBRARY
from tests.descriptions.sound import description
from tests.descriptions.test_hostile import HOSTILE, WORDS

T = TypeVar("T")
LONGEST = 60.0  # seconds after which a text is given up
SHARE = 10_000  # characters for which there is a second
FILES = {"x.sf": "b extends { a 1; } c b:a;", "y.sf": '#include "x.sf" -- 1;'}
WORLD = Surroundings({"a": "5", "b": "[| 1 |]", "c": "a +"})
CORPUS = [case.description() for case in cases()] + list(LIBRARY.values())
KINDS = {"grammar": 40, "sound": 10, "mutant": 35, "words": 5, "bytes": 5, "hostile": 5}  # shares
LARGE = 40_000  # characters: what grows by mutation is cut there


class Hang(Exception):
    """A text took too long."""


def text_of(number: int) -> str:
    """The text that this number makes."""
    chance = random.Random(number)
    kind = chance.choices(list(KINDS), list(KINDS.values()))[0]
    if kind == "grammar":
        return Grammar(chance, chance.randint(1, 5), exact=chance.random() < 0.7).file()
    if kind == "sound":
        return description(number)
    if kind == "words":
        return " ".join(chance.choices(WORDS, k=chance.randint(0, 300)))
    if kind == "bytes":
        return chance.randbytes(chance.randint(0, 2000)).decode(
            chance.choice(["latin-1", "utf-8"]), "replace"
        )
    base = chance.choice(list(HOSTILE.values()) if kind == "hostile" else CORPUS)
    return mutated(base[:LARGE] if kind == "hostile" else base, chance)


def mutated(text: str, chance: random.Random) -> str:
    """The text with a few changes."""
    for _ in range(chance.randint(1, 6)):
        begin = chance.randint(0, len(text))
        end = min(len(text), begin + int(chance.expovariate(1 / 20)))
        text = (text[:begin] + _put(text[begin:end], chance) + text[end:])[:LARGE]
    return text


def _put(cut: str, chance: random.Random) -> str:
    """What stands instead of what is cut out."""
    other = chance.choice(CORPUS)
    start = chance.randint(0, len(other))
    put: list[Callable[[], str]] = [
        lambda: "",
        lambda: f" {chance.choice(WORDS)} ",
        lambda: cut * chance.choice([2, 2, 3, 50]),
        lambda: other[start : start + chance.randint(0, 200)],
        lambda: chr(chance.choice([0, 9, 10, 13, 34, 35, 92, 123, 125, 233, 0x3B1, 0xD800, 0xFEFF])),
        lambda: Grammar(chance, 2).file(),
    ]
    return chance.choice(put)()


@dataclass
class Trial:
    """Does with a text what one can. slowest: seconds of processor time that one thing took for SHARE."""

    text: str
    number: int
    limits: Limits | None = None
    slowest: float = 0.0

    def outcome(self) -> str:
        """What came of it, in a word."""
        chance = random.Random(self.number)
        try:
            laid = self._timed(laid_out, "fuzz", self.text, self.limits)
            assert laid_out("fuzz", laid, self.limits) == laid, "the layout of a layout is another"
            raw = self._stage(self.text, "raw")
            assert self._stage(laid, "raw") == raw, "the layout means something else"
            if chance.random() < 0.3:
                self._stage(self.text, chance.choice(PHASES))
            made = self._timed(compile_description, "fuzz", self.text, FILES, self.limits,
                               library=LIBRARY, surroundings=WORLD)  # fmt: skip
        except Flawed as error:
            assert error.problems
            assert str(error)
            return "refused"
        list(map(str, made.warnings))
        for use in (made.pieces, made.plain, made.text):
            self._timed(use)
        return "good"

    def _stage(self, text: str, phase: Phase) -> str:
        made = self._timed(
            behind, "fuzz", text, phase, FILES, self.limits, library=LIBRARY, surroundings=WORLD
        )
        said: str = self._timed(made.text)
        return said

    def _timed(self, work: Callable[..., T], *given: Any, **named: Any) -> T:
        begun = time.process_time()
        try:
            return work(*given, **named)
        finally:
            used = (time.process_time() - begun) / (1 + len(self.text) // SHARE)
            self.slowest = max(self.slowest, used)


def main() -> int:
    """Until the time is up; 1 when something failed."""
    seconds = float(sys.argv[1]) if len(sys.argv) > 1 else 600.0
    number = int(sys.argv[2]) if len(sys.argv) > 2 else time.time_ns() % 10**9
    signal.signal(signal.SIGALRM, _too_long)
    ended = time.monotonic() + seconds
    outcomes: Counter[str] = Counter()
    slowest = (0.0, number)
    print(f"{seconds:.0f} s, from number {number}", flush=True)
    while time.monotonic() < ended:
        trial = Trial(text_of(number), number)
        outcome = _of(trial)
        outcomes[outcome] += 1
        slowest = max(slowest, (trial.slowest, number))
        number += 1
    print(f"{sum(outcomes.values()):,} texts: {dict(outcomes)}")
    print(f"slowest: {slowest[0]:.2f} s for each 10 kB begun (number {slowest[1]})")
    return 1 if outcomes["FAILED"] else 0


def _of(trial: Trial) -> str:
    signal.setitimer(signal.ITIMER_REAL, LONGEST)
    try:
        outcome = trial.outcome()
        assert trial.slowest <= 1, f"{trial.slowest:.2f} s for each 10 kB begun"
    except Exception as error:  # noqa: BLE001 (whatever it is, it is what is looked for)
        said = f"{type(error).__name__}: {error}"
        print(
            f"number {trial.number}, {len(trial.text)} characters: {said}\n{trial.text[:1000]!r}", flush=True
        )
        return "FAILED"
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
    return outcome


def _too_long(_signal: int, _frame: FrameType | None) -> None:
    raise Hang(f"more than {LONGEST:.0f} s")


if __name__ == "__main__":
    sys.exit(main())
