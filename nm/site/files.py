"""The files that hold a site: TOML or JSON documents, SPL's data files, and folders of them.

The one part of this room that reads files.
"""

import errno
import os
import stat
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from nm.site import document, spl
from nm.site.places import BadFiles, Loaded, Origin, Problem, merged

NAMES = ("site.toml", "site.json")  # what a folder's document may be called
DOCUMENTS = (".toml", ".json")
LARGEST = 16 << 20  # bytes of a file


def load(paths: Sequence[str | Path], host: str | None = None) -> Loaded:
    """Read documents, and folders or files of SPL's. BadFiles when any of it cannot be read.

    `host`: who runs the VMs that SPL's files name.
    """
    try:
        return _loaded(paths, host)
    except OSError as error:
        origin, reason = Origin(str(error.filename), 1), (error.strerror or str(error)).lower()
        raise BadFiles([Problem(origin, reason, "name a file that can be read")]) from None


def _loaded(paths: Sequence[str | Path], host: str | None) -> Loaded:
    parts: list[Loaded] = []
    found: dict[str, str] = {}
    notices: list[str] = []
    for path in _files(paths, notices):
        text = decode(_bytes_of(path), str(path))
        if path.name in spl.FORMS:
            _refuse_second(found, path)
            found[str(path)] = text
        else:
            parse = document.parse_json if path.suffix == ".json" else document.parse_toml
            parts.append(parse(text, str(path)))
    if found:
        parts.append(spl.parse(found, host))
    whole = merged(parts)
    whole.notices[:0] = notices
    return whole


def _bytes_of(path: Path) -> bytes:
    """A file's bytes. OSError for what is no plain file: a pipe would be waited for, a device has no end."""
    with open(os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC), "rb") as file:
        found = os.fstat(file.fileno())
        if not stat.S_ISREG(found.st_mode):
            raise OSError(errno.EINVAL, "not a plain file", str(path))
        if found.st_size > LARGEST:
            raise OSError(errno.EFBIG, f"larger than {LARGEST >> 20} megabytes", str(path))
        return file.read()


def decode(data: bytes, file: str) -> str:
    """The text of a file. BadFiles names the line that is not UTF-8."""
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise BadFiles([Problem(Origin(file, line), "not text in UTF-8", "save it as UTF-8")]) from None


def _files(paths: Sequence[str | Path], notices: list[str]) -> Iterator[Path]:
    """The files to read: those named, and of a folder those that are known."""
    for path in map(Path, paths):
        if not path.is_dir():
            if path.name not in spl.FORMS and path.suffix not in DOCUMENTS:
                hint = f"use a .toml or .json file, or SPL's: {', '.join(spl.FORMS)}"
                raise BadFiles([Problem(Origin(str(path), 1), "it is no kind of file that nm imports", hint)])
            yield path
            continue
        known = [path / name for name in (*NAMES, *spl.FORMS) if (path / name).exists()]
        if not known:
            hint = f"put a site.toml there, or SPL's files: {', '.join(spl.FORMS)}"
            raise BadFiles([Problem(Origin(str(path), 1), "the folder has no file that nm imports", hint)])
        others = sorted(set(path.glob("*.txt")) - set(known))
        notices += [f"{other} was not read: it is none of the files that nm imports" for other in others]
        yield from known


def _refuse_second(found: Mapping[str, str], path: Path) -> None:
    for other in found:
        if Path(other).name == path.name:
            problem = Problem(Origin(str(path), 1), f"{other} is given already", "name one of them")
            raise BadFiles([problem])
