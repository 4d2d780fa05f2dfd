"""The database's folder: which files lie there, in what order they are replaced, how they are read.

    database.pickle           the snapshot             database.pickle.previous   the one before
    database.journal          what changed since       database.lock              held by who uses the folder

A snapshot says which generation of a journal may go on top of it, and a journal which revision it begins
behind. So a snapshot can be put in place before its new journal is, and every state in between is whole:

    journal older than the snapshot's generation    all that was answered is in the snapshot: ignored
    journal begins at or before the snapshot        its later changes go on top
    journal begins behind the snapshot              changes are missing: refused

`database.pickle` is never absent once it was there, and so is `database.journal`: one of them missing is
refused. Used by the database and its offline tools; holds no lock but the folder's flock.
"""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from nm.disk import Disk
from nm.errors import DeviceFailed
from nm.journal import Journal, read_journal, read_journal_head
from nm.snapshot import (
    FORMAT,
    STEPS,
    Head,
    Kinds,
    Step,
    apply,
    migrate,
    read_snapshot,
    write_snapshot,
)


@dataclass(frozen=True)
class Loaded:
    """What a folder holds. `generation` is the newest that any file bears; 0: there is no database yet."""

    kinds: Kinds
    revision: int = 0
    epoch: int = 0
    generation: int = 0
    format: int = FORMAT
    torn: int = 0  # bytes of an unanswered entry at the journal's end


class Folder:
    """The files of one database."""

    def __init__(self, path: Path, disk: Disk) -> None:
        self.path = path
        self.disk = disk
        self.pickle = path / "database.pickle"
        self.previous = path / "database.pickle.previous"
        self.journal = path / "database.journal"
        self._lock = -1

    def hold(self) -> None:
        """Make the folder where it is missing and hold it against others."""
        self.disk.make_folder(self.path)
        self._lock = self.disk.lock(self.path / "database.lock")

    def release(self) -> None:
        """Let others use the folder."""
        self.disk.close(self._lock)

    def load(self, steps: Mapping[int, Step] = STEPS) -> Loaded:
        """Read everything, change nothing. NMError when the files are not whole."""
        if not self.disk.exists(self.pickle):
            self._check_new()
            return Loaded({})
        if not self.disk.exists(self.journal):
            raise self._missing(self.journal)
        head, kinds = read_snapshot(self.disk, self.pickle)
        journal = read_journal_head(self.disk, self.journal)
        revision, torn = head.revision, 0
        if journal.generation >= head.generation:
            revision, torn = self._replay(kinds, revision)
        kinds = migrate(kinds, self.pickle, head.format, steps)
        generation = max(head.generation, journal.generation)
        return Loaded(kinds, revision, head.epoch, generation, head.format, torn)

    def _replay(self, kinds: Kinds, revision: int) -> tuple[int, int]:
        """Put the journal's changes behind `revision` on top; the last revision, and the torn bytes."""
        entries = read_journal(self.disk, self.journal)
        base = entries.head.base
        if base > revision:  # asked of what was read: without the lock it may be a newer file
            raise DeviceFailed(
                f"{self.journal} begins behind revision {base}, {self.pickle} ends at {revision}",
                "put the snapshot back that belongs to the journal, or restore a backup",
                passing=False,
            )
        for number, changes in entries.changes:
            if number > revision:
                apply(kinds, changes)
        last = entries.changes[-1][0] if entries.changes else revision
        return max(revision, last), entries.torn

    def _check_new(self) -> None:
        """Without a snapshot: refuse unless there never was an answered write here."""
        if self.disk.exists(self.previous):
            raise self._missing(self.pickle)
        if self.disk.exists(self.journal):
            entries = read_journal(self.disk, self.journal)
            if entries.head.generation > 1 or entries.changes:
                raise self._missing(self.pickle)

    def _missing(self, path: Path) -> DeviceFailed:
        return DeviceFailed(
            f"{path} is missing, but other files of the database are there",
            f"put it back, or restore a backup; {self.previous.name}, if it is there, is one",
            passing=False,
        )

    def keep(self, suffix: str) -> None:
        """Keep what is there under other names as well: both files with the suffix, numbered if taken."""
        number, names = 1, self._kept(suffix)
        while any(map(self.disk.exists, names)):
            number += 1
            names = self._kept(f"{suffix}.{number}")
        for path, name in zip((self.pickle, self.journal), names, strict=True):
            if self.disk.exists(path):
                self.disk.link(path, name)
        self.disk.sync_folder(self.path)

    def _kept(self, suffix: str) -> tuple[Path, Path]:
        return Path(f"{self.pickle}{suffix}"), Path(f"{self.journal}{suffix}")

    def create(self, head: Head) -> Journal:
        """The first files. The journal comes first: alone and empty it is no database (see load)."""
        journal = self.new_journal(head.generation, head.revision)
        self.replace_snapshot(head, {})
        return journal

    def replace(self, head: Head, kinds: Kinds, *, keep_previous: bool = True) -> Journal:
        """A new snapshot and a new journal, of the head's generation; what lies there has no say any more."""
        self.replace_snapshot(head, kinds, keep_previous=keep_previous)
        return self.new_journal(head.generation, head.revision)

    def replace_snapshot(self, head: Head, kinds: Kinds, *, keep_previous: bool = True) -> None:
        """Put a snapshot in place."""
        temporary = Path(f"{self.pickle}.new")
        with _Cleaning(self.disk, temporary):
            write_snapshot(self.disk, temporary, head, kinds)
            if keep_previous:
                self._keep_previous()
            self.disk.rename(temporary, self.pickle)
            self.disk.sync_folder(self.path)

    def _keep_previous(self) -> None:
        """A second name, so that `database.pickle` is there at every moment."""
        if self.disk.exists(self.pickle):
            second = Path(f"{self.previous}.new")
            self.disk.remove(second)
            self.disk.link(self.pickle, second)
            self.disk.rename(second, self.previous)

    def new_journal(self, generation: int, base: int, changes: Sequence[bytes] = ()) -> Journal:
        """Put a journal in place that already holds these changes."""
        temporary = Path(f"{self.journal}.new")
        with _Cleaning(self.disk, temporary):
            journal = Journal(self.disk, temporary, generation, base)
            try:
                if changes:
                    journal.append(base + 1, changes)
                self.disk.rename(temporary, self.journal)
                self.disk.sync_folder(self.path)
            except OSError:
                journal.close()
                raise
        return journal


class _Cleaning:
    """Takes a temporary file away when its making failed: on a full disk its room is needed."""

    def __init__(self, disk: Disk, path: Path) -> None:
        self._disk = disk
        self._path = path

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: type[BaseException] | None, *rest: object) -> None:
        if kind is not None:
            with suppress(OSError):
                self._disk.remove(self._path)
