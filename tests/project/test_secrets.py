"""Secrets: read only where nobody else could have read or written them, and never shown."""

import os
import pickle
from collections.abc import Callable
from pathlib import Path

import pytest

from nm.errors import Invalid
from nm.secrets import SecretError, Secrets, variable

CONTENT = "Tr0ub4dor&3"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    path = tmp_path / "secrets"
    path.mkdir(mode=0o700)
    return path


def put(folder: Path, name: str = "sw0", content: bytes = CONTENT.encode(), mode: int = 0o600) -> Path:
    path = folder / name
    path.write_bytes(content)
    path.chmod(mode)
    return path


def lookup(folder: Path, name: str = "sw0", **environment: str) -> str:
    return Secrets(folder, environment).lookup(name)


def refusal(folder: Path, **environment: str) -> SecretError:
    with pytest.raises(SecretError) as refused:
        lookup(folder, **environment)
    assert refused.value.hint
    assert CONTENT not in str(refused.value)
    assert refused.value.__cause__ is None
    return refused.value


@pytest.mark.parametrize(
    ("content", "secret"),
    [
        (CONTENT.encode(), CONTENT),
        (b"a b\n", "a b"),
        (b"a\r\n", "a"),
        (b"a\n\n", "a\n"),
        (b" a \n", " a "),
        ("schlüssel\n".encode(), "schlüssel"),
        (b"x" * 65536, "x" * 65536),
    ],
)
def test_read_from_its_file(folder: Path, content: bytes, secret: str) -> None:
    put(folder, content=content)
    assert lookup(folder) == secret


@pytest.mark.parametrize("mode", [0o400, 0o600, 0o700])
def test_private_modes(folder: Path, mode: int) -> None:
    put(folder, mode=mode)
    assert lookup(folder) == CONTENT


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620, 0o602, 0o610, 0o666])
def test_others_must_not_reach_the_file(folder: Path, mode: int) -> None:
    path = put(folder, mode=mode)
    refused = refusal(folder, NM_SECRET_SW0="x")
    assert f"{path} has mode {mode:04o}" in refused.message
    assert f"chmod 0600 {path}" in refused.hint


@pytest.mark.parametrize("mode", [0o720, 0o702, 0o1777])
def test_others_must_not_write_the_folder(folder: Path, mode: int) -> None:
    put(folder)
    folder.chmod(mode)
    assert f"{folder} can be written by others" in refusal(folder).message


def link(path: Path) -> None:
    path.symlink_to(put(path.parent, "real"))


@pytest.mark.parametrize(
    ("prepare", "message"),
    [
        (link, "cannot be opened"),
        (Path.mkdir, "is no regular file"),
        (os.mkfifo, "is no regular file"),
        (lambda path: put(path.parent, content=b""), "is empty"),
        (lambda path: put(path.parent, content=b"\n"), "is empty"),
        (lambda path: put(path.parent, content=b"\xff\xfe"), "is not UTF-8"),
        (lambda path: put(path.parent, content=b"x" * 65537), "is longer than"),
    ],
    ids=["link", "folder", "fifo", "empty", "line", "binary", "huge"],
)
def test_what_is_no_secret(folder: Path, prepare: Callable[[Path], object], message: str) -> None:
    prepare(folder / "sw0")
    refused = refusal(folder, NM_SECRET_SW0="x")
    assert str(folder / "sw0") in refused.message
    assert message in refused.message


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
def test_anothers_file_and_folder(folder: Path) -> None:
    path = put(folder)
    os.chown(path, 4711, 0)
    assert f"{path} belongs to somebody else" in refusal(folder).message
    os.chown(path, 0, 0)
    os.chown(folder, 4711, 0)
    assert f"{folder} belongs to somebody else" in refusal(folder).message


def test_from_the_environment_where_there_is_no_file(folder: Path) -> None:
    assert variable("sw0.example-1") == "NM_SECRET_SW0_EXAMPLE_1"
    assert lookup(folder, "sw0.example-1", NM_SECRET_SW0_EXAMPLE_1=CONTENT) == CONTENT
    put(folder)
    assert lookup(folder, NM_SECRET_SW0="other") == CONTENT


def test_missing(tmp_path: Path, folder: Path) -> None:
    for place in (folder, tmp_path / "none"):
        refused = refusal(place, NM_SECRET_SW1="x", NM_SECRET_SW0="")
        assert f"no file {place / 'sw0'} and no variable NM_SECRET_SW0" in refused.message


@pytest.mark.parametrize("name", ["", "../sw0", "a/b", ".hidden", "a\nb", "x" * 65])
def test_names_stay_in_the_folder(folder: Path, name: str) -> None:
    put(folder.parent)
    with pytest.raises(Invalid, match="is not a legal name"):
        lookup(folder, name)


def test_a_changed_secret_is_read_anew(folder: Path) -> None:
    secrets = Secrets(folder, {})
    put(folder)
    assert secrets.lookup("sw0") == CONTENT
    put(folder, content=b"new")
    assert secrets.lookup("sw0") == "new"


def test_not_shown_and_not_stored(folder: Path) -> None:
    put(folder)
    told: list[str] = []
    secret = Secrets(folder, {}, told.append).lookup("sw0")
    assert CONTENT not in repr(secret)
    assert CONTENT not in repr({"password": secret})
    assert told == [CONTENT]
    with pytest.raises(TypeError, match="a secret is not stored"):
        pickle.dumps({"password": secret})


def test_no_descriptor_stays_open(folder: Path) -> None:
    put(folder)
    os.mkfifo(folder / "fifo", 0o600)
    secrets = Secrets(folder, {})
    before = len(os.listdir("/proc/self/fd"))
    assert secrets.lookup("sw0")
    for name in ("fifo", "none"):
        with pytest.raises(SecretError):
            secrets.lookup(name)
    assert len(os.listdir("/proc/self/fd")) == before
