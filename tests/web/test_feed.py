"""What is shown while the daemon does not answer: that it is old, since when, and for how long."""

from collections.abc import Iterator
from typing import Any

import pytest

from nm.shell.feed import LATE, SILENT, Feed
from nm.shell.lookout import Lookout
from tests.web.world import Clock, Laboratory, Seat

PAUSE = 0.05  # s that a test waits for a change at a time
TRUE_AT = 5_000_000.0


@pytest.fixture
def seat(lab: Laboratory) -> Seat:
    return Seat(lab)


@pytest.fixture
def feed(seat: Seat, clock: Clock) -> Iterator[Feed]:
    """A feed that somebody watches."""
    look = Lookout(seat)
    look.refresh()
    made = Feed(look, clock, now=lambda: TRUE_AT + clock.now)
    made.start()
    with made.watching():
        yield made
    seat.open.set()
    made.stop()


def told(feed: Feed, trouble: str) -> dict[str, Any]:
    """The rack's struct as soon as it tells of that trouble."""
    revision, found = feed.current()
    changes = feed.changes(revision, PAUSE)
    while found["rack"][0]["trouble"] != trouble:
        found = (next(changes) or (revision, found))[1]
    return found["rack"][0]


def hang(lab: Laboratory, seat: Seat) -> None:
    """Let the daemon hang, and be asked."""
    seat.asked.clear()
    seat.open.clear()
    lab.until(lambda: bool(seat.asked))


def test_a_picture_is_old_when_the_daemon_is_silent_and_new_when_it_speaks(
    lab: Laboratory, seat: Seat, feed: Feed, clock: Clock
) -> None:
    hang(lab, seat)
    revision, _ = feed.current()
    clock.now += LATE - 1
    assert feed.after(revision, PAUSE) is None
    clock.now += 1
    assert told(feed, SILENT)["as_of"] == TRUE_AT + 1000.0
    clock.now += 100
    assert feed.current()[1]["rack"][0]["as_of"] == TRUE_AT + 1000.0
    lab.retire("node18", "dusty")
    seat.open.set()
    assert told(feed, "")["as_of"] is None
    changes = feed.changes(0, PAUSE)
    while next(node for node in feed.current()[1]["nodes"] if node["id"] == "node18")["note"] != "dusty":
        next(changes)


def test_what_the_session_says_is_told_as_it_is(
    lab: Laboratory, seat: Seat, feed: Feed, clock: Clock
) -> None:
    seat.refusal = "no way"
    assert told(feed, "no way")["as_of"] == TRUE_AT + 1000.0
    assert len(feed.current()[1]["ports"]) == 48
    hang(lab, seat)
    clock.now += LATE
    revision, _ = feed.current()
    assert feed.after(revision, PAUSE) is None  # told already
    seat.refusal = ""
    seat.open.set()
    told(feed, "")


def test_who_comes_while_the_daemon_hangs_is_told_at_once(
    lab: Laboratory, seat: Seat, feed: Feed, clock: Clock
) -> None:
    hang(lab, seat)
    clock.now += LATE
    told(feed, SILENT)
    clock.now += 1000
    assert feed.current()[1]["rack"][0]["trouble"] == SILENT


def test_the_end_does_not_wait_for_a_daemon_that_hangs(lab: Laboratory, seat: Seat, feed: Feed) -> None:
    hang(lab, seat)
    feed.stop()
    assert list(feed.changes(0, PAUSE)) == []
