"""What can be done with a database that no daemon has open: restore a backup, check the files, list records.

Called by nmctl on the machine itself, not over the API. `check` and `dump` only read; `restore` holds
the folder.
"""

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from nm.disk import Disk, explained
from nm.errors import Denied, NMError, NotFound
from nm.folder import Folder
from nm.journal import read_journal, read_journal_head
from nm.records import Record, in_order, new
from nm.snapshot import RESTORED, STEPS, Head, Kinds, Step, migrate, read_head, read_snapshot

T = TypeVar("T")
_TRIES = 3  # a daemon may replace the files while they are read


def restore(
    folder: Path | str,
    backup: Path | str,
    *,
    writer: str = "nm",
    now: Callable[[], float] = time.time,
    disk: Disk | None = None,
    steps: Mapping[int, Step] = STEPS,
) -> Head:
    """Put a backup (or any `database.pickle`) in the place of the database; the head of what was restored.

    What was there is kept with `.before-restore` at the end of its name. Cut short at any point it leaves the
    database as it was or as the backup has it, or (where none was) files that are refused until it is
    run again. Conflict when a daemon has the database open.
    """
    files, source = Folder(Path(folder), disk or Disk()), Path(backup)
    with _permitted(f"{source} could not be restored to {files.path}"):
        head, kinds = read_snapshot(files.disk, source)
        kinds = migrate(kinds, source, head.format, steps)
        files.hold()
        try:
            epoch, generation = _newest_marks(files)
            files.keep(".before-restore")
            marks = max(epoch, head.epoch) + 1, generation + 1
            kinds.setdefault("meta", {})[RESTORED] = new("meta", "restored", now())
            restored = Head(head.revision, *marks, writer, now())
            # The backup may be database.pickle.previous: it must not be replaced before this has succeeded.
            files.replace(restored, kinds, keep_previous=False).close()
        finally:
            files.release()
    return head


@contextmanager
def _permitted(what: str) -> Iterator[None]:
    """Turn the disk's errors into nm's: `what` could not be done, or not by this account."""
    with explained(what):
        try:
            yield
        except PermissionError as error:
            path = f" for {error.filename}" if error.filename else ""
            raise Denied(f"{what}: permission denied{path}", "run it as root") from error


def _newest_marks(files: Folder) -> tuple[int, int]:
    """The newest epoch and generation that the files of a folder name, as far as they can be read."""
    epoch = generation = 0
    for path in (files.pickle, files.previous):
        if head := _if_whole(files.disk, path, read_head):
            epoch, generation = max(epoch, head.epoch), max(generation, head.generation)
    if journal := _if_whole(files.disk, files.journal, read_journal_head):
        generation = max(generation, journal.generation)
    return epoch, generation


def _if_whole(disk: Disk, path: Path, read: Callable[[Disk, Path], T]) -> T | None:
    try:
        return read(disk, path) if disk.exists(path) else None
    except NMError:
        return None


@dataclass(frozen=True)
class Report:
    """What `check` found. `problems` says what is damaged and where; empty: all is well."""

    folder: Path  # or the one file that was checked
    head: Head | None = None  # of database.pickle
    revision: int = 0
    counts: dict[str, int] = field(default_factory=dict)  # records by kind
    sizes: dict[str, int] = field(default_factory=dict)  # bytes by file
    torn: int = 0  # bytes of an unanswered change at the journal's end; the next start cuts them off
    problems: list[str] = field(default_factory=list)


def check(place: Path | str, *, disk: Disk | None = None, steps: Mapping[int, Step] = STEPS) -> Report:
    """Read all files of a database, or one backup, and say how they are. Changes nothing.

    A daemon may be using the database.
    """
    files = Folder(Path(place), disk or Disk())
    with _permitted(f"the database in {files.path} could not be read"):
        if files.path.is_file():
            return _check_backup(files, steps)
        _must_exist(files)
        for _ in range(_TRIES):
            report = _check(files, steps)
            if not report.problems:
                break
    return report


def _must_exist(files: Folder) -> None:
    if not any(map(files.disk.exists, (files.pickle, files.journal, files.previous))):
        with suppress(FileNotFoundError, NotADirectoryError):
            files.pickle.lstat()  # a folder that may not be entered looks like an empty one
        raise NotFound(f"there is no database in {files.path}", "name the folder that nmd's --database names")


def _check_backup(files: Folder, steps: Mapping[int, Step]) -> Report:
    sizes = {files.path.name: _size(files.disk, files.path)}
    try:
        head, kinds = read_snapshot(files.disk, files.path)
        kinds = migrate(kinds, files.path, head.format, steps)
    except NMError as error:
        return Report(files.path, sizes=sizes, problems=[error.message])
    return Report(files.path, head, head.revision, _counts(kinds), sizes)


def _counts(kinds: Kinds) -> dict[str, int]:
    return {kind: len(records) for kind, records in sorted(kinds.items()) if records}


def _check(files: Folder, steps: Mapping[int, Step]) -> Report:
    problems: list[str] = []

    def told(read: Callable[[Disk, Path], T], path: Path) -> T | None:
        try:
            return read(files.disk, path) if files.disk.exists(path) else None
        except NMError as error:
            problems.append(error.message)
            return None

    snapshot = told(read_snapshot, files.pickle)
    told(read_journal, files.journal)
    told(read_snapshot, files.previous)
    sizes = {path.name: _size(files.disk, path) for path in (files.pickle, files.journal, files.previous)}
    head = snapshot[0] if snapshot else None
    if problems:
        return Report(files.path, head, sizes=sizes, problems=problems)
    try:
        loaded = files.load(steps)
    except NMError as error:
        return Report(files.path, head, sizes=sizes, problems=[error.message])
    return Report(files.path, head, loaded.revision, _counts(loaded.kinds), sizes, loaded.torn)


def _size(disk: Disk, path: Path) -> int:
    if not disk.exists(path):
        return 0
    fd = disk.open(path)
    try:
        return disk.size(fd)
    finally:
        disk.close(fd)


def dump(folder: Path | str, kind: str | None = None, *, disk: Disk | None = None) -> Iterator[Record]:
    """The records of a kind, or all, in order; also while a daemon uses the database. Changes nothing."""
    files = Folder(Path(folder), disk or Disk())
    with _permitted(f"the database in {files.path} could not be read"):
        _must_exist(files)
        kinds = _load(files)
    for name in sorted(kinds) if kind is None else [kind]:
        yield from in_order(kinds.get(name, {}).values())


def _load(files: Folder) -> Kinds:
    """Load, again if a daemon replaced the files meanwhile."""
    for _ in range(_TRIES - 1):
        with suppress(NMError):
            return files.load().kinds
    return files.load().kinds
