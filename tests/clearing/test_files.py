"""Files are whole or not there, and nobody's is lost."""

import os
import stat
from pathlib import Path

import pytest

from nm.clearing import files
from nm.errors import Conflict, DeviceFailed, NotFound


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_a_file_is_created_once_and_for_its_owner_only(tmp_path: Path) -> None:
    path = tmp_path / "key"
    files.create(path, b"first")
    assert mode(path) == 0o600
    with pytest.raises(Conflict, match="there is a"):
        files.create(path, b"second")
    assert path.read_bytes() == b"first"
    assert os.listdir(tmp_path) == ["key"]


@pytest.mark.parametrize("write", [files.create, files.replace])
@pytest.mark.parametrize("broken", ["fsync", "link", "replace"])
def test_one_that_fails_half_way_leaves_what_was_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, write: object, broken: str
) -> None:
    def fails(*_: object) -> None:
        raise OSError(28, "No space left on device")

    old = tmp_path / "old"
    old.write_bytes(b"first")
    path = old if write is files.replace else tmp_path / "new"
    monkeypatch.setattr(os, broken, fails)
    if (write, broken) not in ((files.create, "replace"), (files.replace, "link")):
        with pytest.raises(DeviceFailed, match=r"No space left.*make room"):
            write(path, b"second")  # type: ignore[operator]
    assert os.listdir(tmp_path) == ["old"] and old.read_bytes() == b"first"


def test_a_key_that_others_may_read_is_not_taken(tmp_path: Path) -> None:
    path = tmp_path / "key"
    files.create(path, b"secret")
    path.chmod(0o640)
    with pytest.raises(Conflict, match="open to others"):
        files.read(path, private=True)
    assert files.read(path) == b"secret"


def test_what_is_missing_or_too_long_is_told(tmp_path: Path) -> None:
    with pytest.raises(NotFound):
        files.read(tmp_path / "none")
    with pytest.raises(NotFound):
        files.remove(tmp_path / "none")
    (tmp_path / "long").write_bytes(b"x" * (files.SIZE + 1))
    with pytest.raises(Conflict, match="longer"):
        files.read(tmp_path / "long")
