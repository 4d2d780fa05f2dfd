"""The hand on what a PLC may write on this machine: configuration files, and SSH keys of named accounts.

Whatever is as it should be is not written again. One that cannot be is told of and holds nobody else up, but
for a PLC that does not answer: it is not asked for the rest. Called by the source's worker only.
"""

import errno
import os
import stat
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from nm import nodekeys, nolinks
from nm.conffiles import ConfFile
from nm.errors import DeviceFailed, NMError
from nm.exchange import Limits, Place, exchange, parse_place
from nm.passwd import Entry, Files, read_files

LARGEST = 1 << 20  # bytes of a file
OTHERS_WRITE = 0o022

Fetch = Callable[[str], bytes]  # a file's source to its content


@dataclass
class Done:
    """What was done, as (subject, what, detail), and what was not, in words."""

    news: list[tuple[str, str, str]] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)


def fetcher(place: Place, limits: Limits) -> Fetch:
    """Fetches from the PLC of that place, by the same certificates, and from nowhere else."""

    def fetch(source: str) -> bytes:
        if "://" in source:
            there = parse_place(source, place.ca)
            if (there.host, there.port) != (place.host, place.port):
                raise NMError(f"{there} is not the PLC", "files come from its own host only")
        else:
            there = Place(place.host, place.port, f"/{source.lstrip('/')}", place.ca)
        return exchange(there, limits).body

    return fetch


# ---- configuration files


def write_files(files: Sequence[ConfFile], fetch: Fetch, root: Path, done: Done) -> None:
    """Have these files. `root`: below which /etc/passwd says whose they may be."""
    known = read_files(root)
    for number, file in enumerate(files):
        try:
            owner = _owner(file, known)
            if _put(file, fetch(file.source), owner):
                done.news.append((f"file {file.dest}", "written", f"{file.owner} {file.mode:03o}"))
        except OSError as error:
            done.problems.append(f"file {file.dest!r}: {_words(error)}")
        except NMError as error:
            done.problems.append(f"file {file.dest!r}: {error}")
            if isinstance(error, DeviceFailed) and error.passing and (left := len(files) - number - 1):
                done.problems.append(f"{left} more files were not asked for: they wait for the next time")
                return


def _owner(file: ConfFile, known: Files) -> tuple[int, int]:
    account, group = known.accounts.get(file.owner), known.groups.get(file.group)
    if account is None:
        raise NMError(f"there is no account {file.owner}", "it is left as it is")
    if group is None:
        raise NMError(f"there is no Unix group {file.group}", "it is left as it is")
    return account.uid, group


def _put(file: ConfFile, content: bytes, owner: tuple[int, int]) -> bool:
    """Write it unless it is as it should be."""
    place = PurePosixPath(file.dest)
    with nolinks.folder(Path(place.parent), make_below=Path(file.folder)) as fd:
        old = nolinks.read(fd, place.name, LARGEST)
        if old is not None:
            there = old[1]
            if old[0] == content and (there.st_uid, there.st_gid) == owner and _mode(there) == file.mode:
                return False
        nolinks.replace(fd, place.name, content, file.mode, owner)
    return True


def _mode(status: os.stat_result) -> int:
    return stat.S_IMODE(status.st_mode)


# ---- keys


def write_keys(wanted: Mapping[str, Sequence[str]], root: Path, own: range, done: Done) -> None:
    """Have these keys in these accounts, beside others. `own`: uids of accounts that nm makes."""
    accounts = read_files(root).accounts if wanted else {}
    for name, keys in wanted.items():
        try:
            entry = accounts.get(name)
            if entry is None:
                raise NMError("there is no such account on this machine")
            if entry.uid in own:
                raise NMError("it is one that nm makes", "its keys are set by calls")
            if _put_keys(entry, keys, root):
                done.news.append((f"account {name}", "keys set", f"{len(keys)} from the source"))
        except OSError as error:
            done.problems.append(f"account {name}: {_words(error)}")
        except NMError as error:
            done.problems.append(f"account {name}: {error}")


def _put_keys(entry: Entry, keys: Sequence[str], root: Path) -> bool:
    home = PurePosixPath(entry.home)
    if not home.is_absolute() or len(home.parts) < 2:
        raise NMError("it has no home folder of its own")
    owner = (entry.uid, entry.gid)
    with nolinks.folder(root / home.relative_to("/")) as fd:
        _check(os.fstat(fd), entry, "its home")
        ssh = _ssh_folder(fd, owner, make=bool(keys))
        if ssh is None:
            return False
        try:
            _check(os.fstat(ssh), entry, ".ssh")
            return _merge(ssh, entry, keys)
        finally:
            os.close(ssh)


def _ssh_folder(home: int, owner: tuple[int, int], make: bool) -> int | None:
    try:
        return os.open(".ssh", os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=home)
    except FileNotFoundError:
        if not make:
            return None
    made = nolinks.make_folder(home, ".ssh", 0o700)
    os.fchown(made, *owner)
    return made


def _merge(ssh: int, entry: Entry, keys: Sequence[str]) -> bool:
    old = nolinks.read(ssh, "authorized_keys", LARGEST)
    content, mode, owner = b"", 0o600, (entry.uid, entry.gid)
    if old is not None:
        content, there = old
        _check(there, entry, "authorized_keys")
        if there.st_nlink > 1 or len(content) > LARGEST:
            raise NMError("authorized_keys has another name, or is very large", "make it a file of its own")
        mode, owner = _mode(there) & 0o777, (there.st_uid, there.st_gid)
    text = content.decode("utf-8", "surrogateescape")
    new = nodekeys.merged(text, keys)
    if (nodekeys.BEGIN not in text and not keys) or new == text:
        return False
    nolinks.replace(ssh, "authorized_keys", new.encode("utf-8", "surrogateescape"), mode, owner)
    return True


def _check(status: os.stat_result, entry: Entry, what: str) -> None:
    """It is the account's or root's, and nobody else may write to it; sshd heeds no other either."""
    if status.st_uid not in (0, entry.uid) or status.st_mode & OTHERS_WRITE:
        raise NMError(f"{what} is somebody else's, or others may write to it", "sshd would not heed it")


def _words(error: OSError) -> str:
    return "a part of its path is a link, or no folder" if _is_link(error) else str(error.strerror)


def _is_link(error: OSError) -> bool:
    return isinstance(error, NotADirectoryError) or error.errno == errno.ELOOP
