"""The database: all records in memory under one global lock, and every change durable before its answer.

Operations, workers and doors use it through the face in nm/store.py; only nm/daemon.py opens it.

A transaction runs outside the lock on the newest state and notes what it read. Under the lock it is checked
that this is still so, and the change is queued; a transaction that collided three times runs under the lock.
Whoever holds the turn writes and syncs what has gathered, then publishes it: `get`, `range`, subscribers and
answers see published state only. The turn is the journal thread's, or a caller's who found it free: that
saves a lone caller two changes of threads, a tenth of its time. Reads take no lock: they rely on single dict
operations being atomic, and on records never being changed in place.

The newest state is the published one with `_ahead` on top: what is queued and not yet published. Two orders
keep lock-free readers right: a change is in the published records before it leaves `_ahead`, and readers look
at `_ahead` first; a kind's stamp changes after its records, and readers take the stamp first.
"""

import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from itertools import count
from pathlib import Path
from typing import TypeVar

from nm.disk import Disk, explained, failed
from nm.errors import Conflict, DeviceFailed
from nm.folder import Folder, Loaded
from nm.journal import Journal
from nm.lock import Lock, LockHolds
from nm.pickles import Changes, dump
from nm.records import Record, kind_of
from nm.snapshot import FORMAT, STEPS, Head, Kinds, Step, apply, write_snapshot
from nm.store import Event, Published, Transaction, check_writes

T = TypeVar("T")
log = logging.getLogger(__name__)

_COLLISIONS = 3
_REMEMBERED = 1000  # publications that `changes` can still tell
_RETRY_AFTER = 1.0  # seconds of read-only before a failed disk is tried again
_JOURNAL_LIMIT = 8 << 20  # bytes of journal after which a new snapshot is written


class _Attempt:
    """One run of an operation: a Transaction that notes what it read."""

    def __init__(self, database: "Database") -> None:
        self._database = database
        self.reads: dict[str, Record | None] = {}
        self.ranges: dict[str, tuple[int, dict[str, Record]]] = {}
        self.writes: Changes = {}
        self.events: list[Event] = []
        self.pickled = b""
        self.error: Exception | None = None

    def get(self, key: str) -> Record | None:
        if key in self.writes:
            return self.writes[key]
        if key not in self.reads:
            self.reads[key] = self._database._newest(key)
        return self.reads[key]

    def range(self, kind: str) -> Iterator[Record]:
        if kind not in self.ranges:
            self.ranges[kind] = self._database._newest_range(kind)
        records = self.ranges[kind][1]
        own = {key: record for key, record in self.writes.items() if kind_of(key) == kind}
        merged = {**records, **own} if own else records
        return iter([record for record in merged.values() if record is not None])

    def put(self, record: Record) -> None:
        self.writes[record["record_key"]] = record

    def delete(self, key: str) -> None:
        self.writes[key] = None

    def tell(self, event: Event) -> None:
        self.events.append(event)

    def run(self, operation: Callable[[Transaction], T]) -> T | None:
        """Run the operation; what it raised is kept in `error`: it may come of reads that no longer hold."""
        try:
            answer = operation(self)
            check_writes(len(self.writes))
            if self.writes or self.events:
                self.pickled = dump(self.writes)
        except Exception as error:  # noqa: BLE001 - transact raises it again, if the reads still hold
            self.error = error
            self.writes, self.events = {}, []
            return None
        return answer


class _Queued:
    """A transaction that waits for the journal thread; without a change it waits for what it read."""

    __slots__ = ("attempt", "done", "error")

    def __init__(self, attempt: _Attempt) -> None:
        self.attempt = attempt
        self.error: DeviceFailed | None = None
        self.done = threading.Lock()  # held until the journal thread has dealt with it
        self.done.acquire()


class Database:
    """The records of one folder. See nm/store.py for the face."""

    def __init__(
        self,
        folder: Folder,
        journal: Journal,
        loaded: Loaded,
        *,
        writer: str,
        now: Callable[[], float],
        clock: Callable[[], float],
        journal_limit: int,
    ) -> None:
        """Use `Database.open`."""
        self._folder, self._journal = folder, journal
        self._writer, self._now, self._clock = writer, now, clock
        self._journal_limit = self._snapshot_at = journal_limit
        self._epoch, self._generation = loaded.epoch, loaded.generation
        self._lock = Lock()
        self._published: Kinds = loaded.kinds
        self._revision = self._newest_revision = loaded.revision
        self._ahead: dict[str, dict[str, tuple[int, Record | None]]] = {}
        self._stamps: dict[str, int] = {}
        self._next_stamp = count(1)
        self._queue: list[_Queued] = []
        self._turn = threading.Lock()  # held by who writes to the journal
        self._publisher = 0  # the thread that is telling the subscribers
        self._bell = threading.Lock()  # released when there is work for the journal thread
        self._bell.acquire()
        self._rung = False
        self._closing = self._closed = False
        self._broken: DeviceFailed | None = None
        self._retry_at = 0.0
        self._tail: list[bytes] | None = None  # changes since the snapshot that is being written
        self._written: bool | None = None  # whether that snapshot is in place
        self._writing: threading.Thread | None = None  # the last thread that wrote a snapshot
        self._snapshot_revision = 0
        self._log: deque[Published] = deque(maxlen=_REMEMBERED)
        self._listeners: list[Callable[[Published], None]] = []
        self._thread = threading.Thread(target=self._run, name="journal", daemon=True)
        self._thread.start()

    @classmethod
    def open(
        cls,
        path: Path | str,
        *,
        writer: str = "nm",
        now: Callable[[], float] = time.time,
        clock: Callable[[], float] = time.monotonic,
        journal_limit: int = _JOURNAL_LIMIT,
        disk: Disk | None = None,
        steps: Mapping[int, Step] = STEPS,
    ) -> "Database":
        """Load the database in that folder, or make one where there is none.

        `writer`: who writes, for the files' headers. `now`: the time of day, `clock`: monotonic time.
        Conflict when somebody else has it open; DeviceFailed when the files are not whole (then nothing
        has changed) or the disk fails.
        """
        folder = Folder(Path(path), disk or Disk())
        with explained(f"the database in {path} cannot be opened"):
            folder.hold()
            opened = False
            try:
                loaded = folder.load(steps)
                journal, loaded = _start(folder, loaded, writer, now())
                opened = True
            finally:
                if not opened:
                    folder.release()
        return cls(folder, journal, loaded, writer=writer, now=now, clock=clock, journal_limit=journal_limit)

    @property
    def epoch(self) -> int:
        return self._epoch

    @property
    def revision(self) -> int:
        return self._revision

    @property
    def failure(self) -> DeviceFailed | None:
        """Why the database is read-only now, or None."""
        return self._broken

    def get(self, key: str) -> Record | None:
        records = self._published.get(kind_of(key))
        return records.get(key) if records else None

    def range(self, kind: str) -> Iterator[Record]:
        records = self._published.get(kind)
        return iter(list(records.values()) if records else ())

    def lock_holds(self) -> LockHolds:
        """How long the global lock was held."""
        return self._lock.holds()

    def changes(self, after: int) -> list[Published] | None:
        with self._lock.hold("changes"):
            known = list(self._log)
            revision = self._revision
        first = known[0].revision if known else revision + 1
        return known[after + 1 - first :] if first - 1 <= after <= revision else None

    def subscribe(self, listener: Callable[[Published], None]) -> None:
        self._listeners = [*self._listeners, listener]

    # Transactions, in the caller's thread

    def transact(self, operation: Callable[[Transaction], T]) -> T:
        if threading.get_ident() == self._publisher:
            raise RuntimeError("a subscriber must not transact: it would wait for itself")
        for _ in range(_COLLISIONS):
            attempt = _Attempt(self)
            answer = attempt.run(operation)
            with self._lock.hold("commit"):
                valid, queued = self._commit(attempt)
            if valid:
                break
        else:
            with self._lock.hold("operation"):
                attempt = _Attempt(self)
                answer = attempt.run(operation)
                _, queued = self._commit(attempt)
        if queued is not None:
            self._see_to_it()
            queued.done.acquire()
            if queued.error:
                raise queued.error
        if attempt.error:
            raise attempt.error
        return answer  # type: ignore[return-value]  # None only beside an error

    def _newest(self, key: str) -> Record | None:
        kind = kind_of(key)
        ahead = self._ahead.get(kind)
        entry = ahead.get(key) if ahead else None
        if entry is not None:
            return entry[1]
        records = self._published.get(kind)
        return records.get(key) if records else None

    def _newest_range(self, kind: str) -> tuple[int, dict[str, Record]]:
        """The kind's stamp and its records."""
        stamp = self._stamps.get(kind, 0)
        ahead = dict(self._ahead.get(kind, ()))
        records = dict(self._published.get(kind, ()))
        for key, (_, record) in ahead.items():
            if record is None:
                records.pop(key, None)
            else:
                records[key] = record
        return stamp, records

    def _commit(self, attempt: _Attempt) -> tuple[bool, _Queued | None]:
        """Whether what was read still holds; then also what to wait for, if anything. Under the lock."""
        unpublished = False
        for key, seen in attempt.reads.items():
            if self._newest(key) is not seen:
                return False, None
            unpublished = unpublished or key in self._ahead.get(kind_of(key), ())
        for kind, (stamp, _) in attempt.ranges.items():
            if self._stamps.get(kind, 0) != stamp:
                return False, None
            unpublished = unpublished or bool(self._ahead.get(kind))
        if attempt.pickled:
            self._refuse_when_broken()
            self._put_ahead(attempt.writes)
        elif not unpublished:
            return True, None
        queued = _Queued(attempt)
        self._queue.append(queued)
        return True, queued

    def _put_ahead(self, writes: Changes) -> None:
        self._newest_revision += 1
        for key, record in writes.items():
            kind = kind_of(key)
            self._ahead.setdefault(kind, {})[key] = (self._newest_revision, record)
            self._stamps[kind] = next(self._next_stamp)

    def _refuse_when_broken(self) -> None:
        if self._closing:
            raise DeviceFailed("the database is closed", "start the daemon again")
        if self._broken and self._clock() < self._retry_at:
            raise self._broken

    def _ring(self) -> None:
        """Tell the journal thread that there is work. Under the lock."""
        if not self._rung:
            self._rung = True
            self._bell.release()

    # Whoever holds the turn

    def _see_to_it(self) -> None:
        """Have the queue written: here if the turn is free, else by its holder or the journal thread."""
        if threading.current_thread() is threading.main_thread():  # a signal may raise anywhere in it
            with self._lock.hold("ring"):
                self._ring()
        elif self._turn.acquire(blocking=False):
            self._take_turn()

    def _take_turn(self) -> None:
        """With the turn held: write what has gathered, pass the turn on."""
        with self._lock.hold("gather"):
            batch, self._queue = self._queue, []
        stored = not batch
        try:
            if batch:
                self._store(batch)
                stored = True
            self._look_after_files()
        finally:
            if not stored:
                self._fail(batch, DeviceFailed("the change was not written", "see the daemon's log"))
            self._turn.release()
        # Who found the turn taken relies on this look, which comes after the turn is free.
        with self._lock.hold("look"):
            if self._queue:
                self._ring()

    def _run(self) -> None:
        try:
            while self._serve():
                pass
        finally:
            self._closing = True
            self._fail([], DeviceFailed("the journal thread has ended", "restart the daemon"))

    def _patience(self) -> float:
        """How long the journal thread may wait for work; while the disk is bad it also looks by itself."""
        return min(max(self._retry_at - self._clock(), 0.1), _RETRY_AFTER) if self._broken else -1

    def _serve(self) -> bool:
        """Wait for work and do it; False when the database is closed and everything is done."""
        if self._bell.acquire(timeout=self._patience()):
            with self._lock.hold("wake"):
                self._rung = False
        self._turn.acquire()
        self._take_turn()
        with self._lock.hold("look"):
            if not self._closing or self._queue or self._tail is not None:
                return True
        with self._turn:
            self._finish()
        return False

    def _store(self, batch: list[_Queued]) -> None:
        """Make a batch durable, publish and answer it; or fail it and all that came behind."""
        pickled = [queued.attempt.pickled for queued in batch if queued.attempt.pickled]
        try:
            if pickled and self._broken:
                self._repair()
            if pickled:
                self._journal.append(self._revision + 1, pickled)
        except OSError as error:
            log.error("database: %s", failed("the journal could not be written", error))
            doubt = "the change has not happened; after a crash before the disk is good again it may be there"
            self._fail(batch, failed(doubt, error), failed("nothing can be written now", error))
            return
        if self._tail is not None:
            self._tail += pickled
        published = self._publish(batch)
        self._publisher = threading.get_ident()
        for publication in published:
            self._tell(publication)
        self._publisher = 0
        for queued in batch:
            queued.done.release()

    def _publish(self, batch: list[_Queued]) -> list[Published]:
        """Move what is durable from `_ahead` to the published records."""
        published = []
        with self._lock.hold("publish"):
            revision = self._revision
            for attempt in (queued.attempt for queued in batch if queued.attempt.pickled):
                revision += 1
                apply(self._published, attempt.writes)
                for key in attempt.writes:
                    ahead = self._ahead[kind_of(key)]
                    if ahead[key][0] == revision:
                        del ahead[key]
                published.append(Published(revision, attempt.writes, tuple(attempt.events)))
            self._revision = revision
            self._log.extend(published)
        return published

    def _tell(self, publication: Published) -> None:
        for listener in self._listeners:
            try:
                listener(publication)
            except Exception:  # a listener's fault must not end the journal thread
                log.exception("database: a subscriber failed at revision %d", publication.revision)

    def _fail(
        self, batch: list[_Queued], error: DeviceFailed, everybody_else: DeviceFailed | None = None
    ) -> None:
        """Everything unpublished has not happened; read-only until `_repair` succeeds."""
        reason = everybody_else or error
        with self._lock.hold("fail"):
            behind, self._queue = self._queue, []
            for kind in self._ahead:
                self._stamps[kind] = next(self._next_stamp)
            self._ahead = {}
            self._newest_revision = self._revision
            self._broken = reason
            self._retry_at = self._clock() + _RETRY_AFTER
            self._ring()  # the journal thread tries again when it is time
        for told, waiting in ((error, batch), (reason, behind)):
            for queued in waiting:
                queued.error = told
                queued.done.release()

    # Snapshots

    def _head(self, generation: int) -> Head:
        return Head(self._revision, self._epoch, generation, self._writer, self._now())

    def _copy(self, purpose: str) -> tuple[Head, Kinds]:
        """The published state as it is now, to go with the journal in use."""
        with self._lock.hold(purpose):
            return self._head(self._generation), {k: dict(v) for k, v in self._published.items()}

    def _repair(self) -> None:
        """A fresh snapshot and journal; the journal that failed has no say any more."""
        if self._writing:
            self._writing.join()  # two must not write snapshots at the same time
        self._tail = None
        self._generation += 1
        journal = self._folder.replace(self._head(self._generation), self._published)
        self._use(journal)
        self._broken = None

    def _try_repair(self) -> None:
        """Without waiting for the next change: what failed may stand in the journal until this succeeds."""
        try:
            self._repair()
        except OSError as error:
            log.error("database: %s", failed("the disk is still not good", error))
            self._fail([], failed("nothing can be written now", error))

    def _use(self, journal: Journal) -> None:
        old, self._journal = self._journal, journal
        self._snapshot_at = self._journal_limit
        try:
            old.close()
        except OSError as error:
            log.error("database: %s", failed("the journal before could not be closed", error))

    def _look_after_files(self) -> None:
        """What is stored is stored, whatever goes wrong here: its callers must not hear of it."""
        try:
            self._rotate()
        except Exception:  # any fault; which files are in place is then uncertain, so they are made anew
            log.exception("database: the files could not be looked after")
            self._fail([], DeviceFailed("nothing can be written now", "see the daemon's log"))

    def _rotate(self) -> None:
        """Begin a snapshot when the journal has grown; go over to a new journal when it is in place."""
        if self._broken and not self._closing and self._clock() >= self._retry_at:
            self._try_repair()
        if self._tail is None:
            if self._journal.end > self._snapshot_at and not self._broken and not self._closing:
                self._begin_snapshot()
            return
        if self._written is None:
            return
        tail, self._tail = self._tail, None
        self._snapshot_at = self._journal.end + self._journal_limit
        if self._written and not self._broken:
            self._switch(tail)

    def _begin_snapshot(self) -> None:
        """Start the thread that writes it; if that fails, the next try comes after as much journal again."""
        self._snapshot_at = self._journal.end + self._journal_limit
        head, kinds = self._copy("snapshot")
        self._snapshot_revision, self._written = head.revision, None
        writing = threading.Thread(target=self._write, args=(head, kinds), name="snapshot", daemon=True)
        try:
            writing.start()
        except RuntimeError as error:  # the machine has no thread left
            log.error("database: no snapshot could be begun, the journal grows: %s", error)
            return
        self._writing, self._tail = writing, []

    def _switch(self, tail: list[bytes]) -> None:
        """Go over to a journal that begins behind the new snapshot."""
        self._generation += 1
        try:
            self._use(self._folder.new_journal(self._generation, self._snapshot_revision, tail))
        except OSError as error:
            log.error("database: %s", failed("a new journal could not be made", error))
            self._fail([], failed("the journal could not be replaced", error))

    def _write(self, head: Head, kinds: Kinds) -> None:
        """Put a snapshot in place while writers go on; in its own thread."""
        written = False
        try:
            self._folder.replace_snapshot(head, kinds)
            written = True
        except OSError as error:
            log.error("database: %s", failed("no snapshot could be written, the journal grows", error))
        finally:
            with self._lock.hold("snapshot"):
                self._written = written
                self._ring()

    def _finish(self) -> None:
        """At close: leave a snapshot and an empty journal, so that the next start is quick."""
        try:
            if self._broken or not self._journal.empty:
                self._repair()
        except OSError as error:
            log.error("database: %s", failed("no snapshot at close; the journal has everything", error))
        self._journal.close()

    def close(self) -> None:
        """Finish what is queued, write a snapshot, let go of the folder. Again: nothing."""
        with self._lock.hold("close"):
            closed, self._closed = self._closed, True
            self._closing = True
            self._ring()
        self._thread.join()
        if not closed:
            self._folder.release()

    def backup(self, path: Path | str) -> None:
        """Write a consistent snapshot to a new file, in the caller's thread; others go on meanwhile.

        Conflict when there is a file of that name: a backup never replaces another.
        """
        target, disk = Path(path), self._folder.disk
        temporary = target.with_name(f".{target.name}.{disk.salt().hex()}")
        taken = Conflict(f"{target} exists", "name a new file, or remove that one first")
        with explained(f"the backup {target} could not be written"):
            if disk.exists(target):
                raise taken
            head, kinds = self._copy("backup")
            try:
                write_snapshot(disk, temporary, head, kinds)
                disk.link(
                    temporary, target
                )  # unlike a rename, it fails when the name has been taken meanwhile
                disk.sync_folder(target.parent)
            except FileExistsError:
                raise taken from None
            finally:
                disk.remove(temporary)


def _start(folder: Folder, loaded: Loaded, writer: str, now: float) -> tuple[Journal, Loaded]:
    """Make the next epoch durable, in a snapshot and a journal of a new generation."""
    if loaded.torn:
        log.warning("database: %d bytes of an unfinished change are cut off the journal", loaded.torn)
    if loaded.format < FORMAT:
        folder.keep(f".format-{loaded.format}")
    head = Head(loaded.revision, loaded.epoch + 1, loaded.generation + 1, writer, now)
    journal = folder.replace(head, loaded.kinds) if loaded.generation else folder.create(head)
    return journal, replace(loaded, epoch=head.epoch, generation=head.generation)
