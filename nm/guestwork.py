"""The handler of "guests:": one hand for all guests of slivers, which also says which of them run."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, cast

from nm.errors import DeviceFailed, NMError
from nm.facts import Hand
from nm.workers import HandWorker

SUBJECT = "guests:"


@dataclass(frozen=True)
class Seen:
    """What a look at all guests has found.

    `running`: sliver -> whether its guest runs, of those that have one. `notes`: sliver -> resource -> why it
    does not get what it should. `enforcers`: words of rspec.ENFORCERS, of what guests can be held to here.
    """

    running: Mapping[str, bool]
    notes: Mapping[str, Mapping[str, str]]
    enforcers: Sequence[str]


Found = Seen | NMError


class Guests(Hand, Protocol):
    """The hand of the facts `sliver/NAME`."""

    def states(self) -> Mapping[str, bool]:
        """As Seen.running; by one question."""

    def notes(self) -> Mapping[str, Mapping[str, str]]:
        """As Seen.notes, as of the last run."""

    def enforcers(self) -> Sequence[str]:
        """As Seen.enforcers."""


@dataclass(frozen=True)
class States:
    """Which guests are there, and which run? Answered by what was found, or why it could not be."""

    reply: Callable[[Found], None]


class GuestsWorker(HandWorker):
    """It has no jobs."""

    def __init__(self, open_hand: Callable[[], Guests], epoch: int) -> None:
        super().__init__(open_hand, epoch, lambda hand, number: None, lambda number, error: None)

    def handle(self, batch: Sequence[Any]) -> float | None:
        """Run the orders first, so that what is said of all is not older than they are."""
        questions = [item for item in batch if isinstance(item, States)]
        super().handle([item for item in batch if not isinstance(item, States)])
        if questions:
            found = self._look()
            for question in questions:
                question.reply(found)
        return None

    def _look(self) -> Found:
        try:
            hand = cast("Guests", self._opened())
            return Seen(hand.states(), hand.notes(), hand.enforcers())
        except NMError as error:
            return error

    def failed(self, batch: Sequence[Any], words: str) -> None:
        """Nobody waits for ever."""
        super().failed(batch, words)
        for item in batch:
            if isinstance(item, States):
                item.reply(DeviceFailed(words, "it is tried again"))
