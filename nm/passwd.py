"""The files of accounts: passwd, group and shadow, read as a whole. Of the accounts' hand; holds no lock."""

from dataclasses import dataclass
from pathlib import Path

from nm.errors import DeviceFailed


@dataclass(frozen=True)
class Entry:
    """One line of passwd."""

    name: str
    uid: int
    gid: int
    comment: str
    home: str
    shell: str


@dataclass(frozen=True)
class Files:
    """What the files of accounts say now."""

    accounts: dict[str, Entry]
    groups: dict[str, int]  # Unix groups: name -> gid
    members: dict[str, set[str]]  # whom a Unix group names
    shadowed: set[str]  # who has a line in shadow


def read_files(root: Path) -> Files:
    """passwd, group and shadow below that root."""
    lines = [line for line in _lines(root, "group", 4) if line[2].isdecimal()]
    groups = {line[0]: int(line[2]) for line in lines}
    members = {line[0]: set(line[3].split(",")) for line in lines}
    return Files(read_passwd(root), groups, members, {line[0] for line in _lines(root, "shadow", 9)})


def read_passwd(root: Path = Path("/")) -> dict[str, Entry]:
    """All accounts below that root by name. Lines without numbers only say: ask a directory."""
    lines = [line for line in _lines(root, "passwd", 7) if line[2].isdecimal() and line[3].isdecimal()]
    return {line[0]: Entry(line[0], int(line[2]), int(line[3]), *line[4:7]) for line in lines}


def _lines(root: Path, name: str, fields: int) -> list[list[str]]:
    try:
        text = (root / "etc" / name).read_text(encoding="utf-8", errors="surrogateescape")
    except OSError as error:
        raise DeviceFailed(f"etc/{name}: {error.strerror}", "nothing was changed") from None
    return [line for line in (line.split(":") for line in text.splitlines()) if len(line) == fields]
