"""The circuit breaker of a switch: one that did not answer several times in a row is left alone for a while.

Without it every order would wait for the same time-out again, and a wrong password would be tried until the
switch locks the account. While it is open orders fail at once, with the words of the failure that opened it;
when its time is over one session tries.

A switch that was given up at a change may carry it out later, and undo what another session has made and read
back meanwhile. So nothing is changed before it must be over, whoever asks; it may be read.

Called by the switch's worker only; it outlives the executor, which is let go of whenever there is no work.
"""

from collections.abc import Callable
from dataclasses import dataclass, field

from nm.errors import DeviceFailed, NMError, Unanswered

MOST_FAILURES = 3  # in a row, before it opens


@dataclass
class Breaker:
    """`up`: a clock in seconds that nobody can set. The pauses, in seconds, double with every failed try."""

    up: Callable[[], float]
    first_pause: float = 1.0
    longest_pause: float = 60.0
    failures: int = 0  # sessions in a row that came to nothing
    error: NMError | None = field(default=None)  # of the last of them
    _until: float = 0.0
    _given_up: Unanswered | None = field(default=None, repr=False)
    _settled: float = 0.0  # when that must be over
    _device: object = None  # of which it knows this

    @property
    def pause(self) -> float:
        """For how many more seconds nothing is tried; 0 when something may be."""
        return max(self._until - self.up(), 0.0)

    def check(self) -> None:
        """DeviceFailed while the switch is left alone."""
        if self.pause and self.error is not None:
            raise DeviceFailed(
                f"{self.error.message} (failed {self.failures} times, tried again in {self.pause:.0f} s)",
                self.error.hint,
            )

    @property
    def unsettled(self) -> float:
        """For how many more seconds a change that was given up may still be carried out."""
        return max(self._settled - self.up(), 0.0)

    def check_settled(self) -> None:
        """DeviceFailed while what is changed now could be undone by what was given up."""
        if self.unsettled and self._given_up is not None:
            raise DeviceFailed(
                f"{self._given_up.message}, and may yet carry it out: nothing is changed there "
                f"for {self.unsettled:.0f} s",
                self._given_up.hint,
            )

    def gave_up(self, error: Unanswered) -> None:
        """A session was left while the switch was at a change."""
        self._given_up, self._settled = error, self.up() + error.seconds

    def serve(self, device: object) -> None:
        """Begin anew where that is another device than before, or is reached in another way."""
        if device != self._device:
            self._device = device
            self.went_well()

    def reset(self) -> None:
        """Somebody asks for a try now."""
        self._until = 0.0

    def went_well(self) -> None:
        """The switch has answered."""
        self.failures, self.error, self._until = 0, None, 0.0

    def failed(self, error: NMError) -> None:
        """A session came to nothing."""
        self.failures, self.error = self.failures + 1, error
        doublings = self.failures - MOST_FAILURES
        if doublings >= 0:
            self._until = self.up() + min(self.first_pause * 2.0 ** min(doublings, 16), self.longest_pause)
