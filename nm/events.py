"""The event log: what happened, one line of JSON each, in files with limits of size and age.

It subscribes to what the database publishes, so an event is written only when its transaction is
durable. `record` is called by the one publishing thread and writes at once, without a thread of its
own: an append to the page cache costs microseconds, and a disk that stalls has stalled the journal,
and so the publisher, already. Lines are synced once a start and every 256 ids only; the database, not
this log, is what must survive a power cut. `read` may be called by any thread.

The lock `_lock` covers the list of segments and the appending; readers hold it just to copy that list.
Files are named by the id that they begin with, and ids grow in them, so that reading from an id is a
binary search. Ids grow across restarts and power cuts: at most one block of 256 ids can be lost
unsynced, so each start leaves out the rest of its block and the next one.
"""

import bisect
import itertools
import json
import logging
import os
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from nm.counted import counted
from nm.records import Record
from nm.store import Event, Published

log = logging.getLogger(__name__)

BLOCK = 256  # ids between two syncs
SEGMENTS = 8  # files that the limits of size and age are spread over
MOST_WAITING = 10_000  # events kept in memory while the disk takes none
_NAMES = f"events-{'[0-9]' * 10}.jsonl"
_LONGEST_DETAIL = 2000  # characters
_LONGEST_LINE = 32768  # bytes; far more than an event has
_TAIL = 2 * BLOCK * 4096  # bytes at a file's end in which its last whole line must be


@dataclass
class _Segment:
    path: Path
    size: int  # bytes of whole lines; behind them may lie what a failed write left
    began: int | None  # the time of its first event


class EventLog:
    """Events on disk, in memory while the disk takes none."""

    def __init__(self, folder: Path, max_bytes: float, max_age: float) -> None:
        self._folder = folder
        self._max_bytes = max_bytes
        self._max_age = max_age
        self._lock = threading.Lock()
        self._waiting: list[Record] = []
        self._lost = 0
        self._failing = False
        self._fd: int | None = None
        self._synced = False  # whether anything of this start was synced
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        opened = [_opened(path) for path in sorted(folder.glob(_NAMES))]
        self._segments = [segment for segment, _ in opened]
        newest = max((newest for _, newest in opened), default=None)
        self._next = 1 if newest is None else (newest // BLOCK + 2) * BLOCK

    def reload(self, max_bytes: float, max_age: float) -> None:
        """Keep so much, and so long, from the next event on."""
        with self._lock:
            self._max_bytes, self._max_age = max_bytes, max_age

    # ---- writing

    def record(self, published: Published, now: float) -> None:
        """Append the events of a publication."""
        if not published.events:
            return
        with self._lock:
            if self._waiting:  # make room before an event finds none
                self._write(now)
            for event in published.events:
                self._add(event, now)
            self._write(now)

    def close(self) -> None:
        """Write what still waits, and let go of the file."""
        with self._lock:
            if self._waiting:
                self._write(self._waiting[-1]["time"])
            if self._waiting:
                log.error("events lost at the end count=%d", len(self._waiting) + self._lost)
            self._let_go()

    def _add(self, event: Event, now: float) -> None:
        if len(self._waiting) >= MOST_WAITING:
            self._lost += 1
            return
        detail = event.detail
        if len(detail) > _LONGEST_DETAIL:
            detail = detail[:_LONGEST_DETAIL] + "…"
        line = {"id": self._next, "time": int(now), "who": event.who, "subject": event.subject}
        self._waiting.append({**line, "what": event.what, "detail": detail, "group": event.group})
        self._next += 1

    def _write(self, now: float) -> None:
        """Write what waits, and tell how many events found no room while the disk took none."""
        try:
            self._append(now)
            if self._lost:
                lost, self._lost = self._lost, 0
                self._add(Event("nm", "events", "lost", f"{counted(lost, 'event')}: the disk took none"), now)
                self._append(now)
        except OSError as error:
            if not self._failing:
                log.error("events cannot be written, kept in memory reason=%r", error.strerror)
            self._failing = True
        else:
            if self._failing:
                log.warning("events are written again")
            self._failing = False

    def _append(self, now: float) -> None:
        """Write everything that waits behind the newest segment's whole lines."""
        fd, segment = self._current(now)
        data = b"".join(json.dumps(line, separators=(",", ":")).encode() + b"\n" for line in self._waiting)
        written = 0
        while written < len(data):
            written += os.pwrite(fd, data[written:], segment.size + written)
        first, last = self._waiting[0]["id"], self._waiting[-1]["id"]
        if first // BLOCK != (last + 1) // BLOCK or not self._synced:
            os.fdatasync(fd)
            self._synced = True
        segment.size += len(data)
        if segment.began is None:
            segment.began = int(now)
        self._waiting = []

    def _current(self, now: float) -> tuple[int, _Segment]:
        """The newest segment, open for writing; a new one when it is full or old."""
        newest = self._segments[-1] if self._segments else None
        if newest is None or self._is_over(newest, now):
            newest = self._begin(now)
        if self._fd is None:
            self._fd = os.open(newest.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
            os.ftruncate(self._fd, newest.size)
        return self._fd, newest

    def _is_over(self, segment: _Segment, now: float) -> bool:
        old = segment.began is not None and now - segment.began > self._max_age / SEGMENTS
        return old or segment.size >= self._max_bytes / SEGMENTS

    def _begin(self, now: float) -> _Segment:
        """A new segment. The oldest go: those over the limit of size, and one that is over that of age.

        One only, so that a clock that jumps takes no more than that with it.
        """
        self._let_go()
        path = self._folder / f"events-{self._waiting[0]['id']:010d}.jsonl"
        os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600))
        _sync_folder(self._folder)
        self._synced = False
        segment = _Segment(path, 0, None)
        self._segments.append(segment)
        ended = self._segments[1].began if len(self._segments) > 1 else None
        if ended is not None and now - ended > self._max_age:
            self._drop_oldest()
        room = self._max_bytes * (1 - 1 / SEGMENTS)
        while len(self._segments) > 1 and sum(one.size for one in self._segments) > room:
            self._drop_oldest()
        return segment

    def _drop_oldest(self) -> None:
        self._segments.pop(0).path.unlink(missing_ok=True)

    def _let_go(self) -> None:
        if self._fd is not None:
            os.close(self._fd)
            self._fd = None

    # ---- reading

    def read(self, after: int, limit: int, visible: Callable[[Record], bool] | None = None) -> list[Record]:
        """The oldest `limit` events with an id greater than `after`, and for which `visible` is true.

        Each is {id, time, who, subject, what, detail, group}.
        """
        found = (event for event in self._after(after) if visible is None or visible(event))
        return list(itertools.islice(found, max(0, limit)))

    def _after(self, after: int) -> Iterator[Record]:
        with self._lock:
            files = [(one.path, one.size) for one in self._segments]
            waiting = list(self._waiting)
        begins = [_named_id(path) for path, _ in files]
        for path, size in files[max(0, bisect.bisect_right(begins, after + 1) - 1) :]:
            try:
                yield from _read(path, size, after)
            except FileNotFoundError:  # it was the oldest, and has made room since
                continue
        yield from (event for event in waiting if event["id"] > after)


def _named_id(path: Path) -> int:
    """The id that a segment begins with."""
    return int(path.stem.partition("-")[2])


def _parsed(line: bytes) -> Record | None:
    """The event of a line; None when it is no whole line of an event."""
    if not line.endswith(b"}\n"):
        return None
    try:
        event = json.loads(line)
    except ValueError:
        return None
    return event if isinstance(event, dict) and isinstance(event.get("id"), int) else None


def _read(path: Path, size: int, after: int) -> Iterator[Record]:
    with path.open("rb") as file:
        file.seek(_place(file, size, after))
        while file.tell() < size:
            event = _parsed(file.readline(_LONGEST_LINE))
            if event is not None and event["id"] > after:
                yield event


def _place(file: BinaryIO, size: int, after: int) -> int:
    """Where the line of the first id greater than `after` begins: a binary search, as ids grow."""
    low, high = 0, size
    while low < high:
        middle = (low + high) // 2
        event, end = _line_from(file, middle, high)
        if event is None or event["id"] > after:
            high = middle
        else:
            low = end
    return low


def _line_from(file: BinaryIO, start: int, limit: int) -> tuple[Record | None, int]:
    """The first whole event that begins at `start` or later and before `limit`, and where it ends."""
    file.seek(max(0, start - 1))
    if start > 0:
        file.readline(_LONGEST_LINE)
    while file.tell() < limit:
        if (event := _parsed(file.readline(_LONGEST_LINE))) is not None:
            return event, file.tell()
    return None, limit


def _opened(path: Path) -> tuple[_Segment, int]:
    """A segment as a former daemon left it, without a torn end, and its newest id."""
    size = path.stat().st_size
    with path.open("rb") as file:
        began, _ = _line_from(file, 0, size)
        for start in (max(0, size - _TAIL), 0):
            file.seek(start)
            tail = file.read()
            while (end := tail.rfind(b"\n") + 1) > 0:
                begin = tail.rfind(b"\n", 0, end - 1) + 1
                if (event := _parsed(tail[begin:end])) is not None:
                    return _Segment(path, start + end, None if began is None else began["time"]), event["id"]
                tail = tail[:begin]
    return _Segment(path, 0, None), _named_id(path)


def _sync_folder(folder: Path) -> None:
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
