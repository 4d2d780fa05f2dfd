"""What the door reads of consoles, and the copies of those on other machines."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from nm import consoles, machine_xml
from nm.consoles import Consoles, ConsoleWorker, Look
from nm.errors import Conflict, DeviceFailed, NotFound
from nm.hypervisor import Hypervisor
from nm.records import Record, new
from tests.memory_store import MemoryStore


def put(store: MemoryStore, record: Record) -> None:
    store.transact(lambda tx: tx.put(record))


@pytest.fixture
def store() -> MemoryStore:
    made = MemoryStore()
    for host, uri in (("here", "qemu:///system"), ("far", "qemu+ssh://nm@far.example/system")):
        put(made, new("host", host, 0.0, uri=uri))
        put(made, new("headnode", f"on-{host}", 0.0, host=host, image="i", group="alpha"))
    put(made, new("headnode", "old", 0.0, host="here", image=None, group=None))
    for number, group in enumerate(("alpha", "beta")):
        put(made, new("group", group, 0.0, created=float(number)))
    return made


@pytest.fixture
def said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(machine_xml, "CONSOLES", str(tmp_path))
    return tmp_path / "nm-on-here+console.log"


@pytest.fixture
def door(store: MemoryStore, tmp_path: Path) -> Callable[..., Any]:
    return Consoles(store, tmp_path / "copies", lambda subject, item: None).read


def test_it_is_read_on_from_where_one_was(said: Path, door: Callable[..., Any]) -> None:
    assert door("on-here") == door("on-here", 7) == {"text": "", "next": 0}
    said.write_text("first\r\nsecond\r\n")
    assert door("on-here", 0) == {"text": "first\nsecond\n", "next": 15}
    assert door("on-here", 15) == {"text": "", "next": 15}
    assert door("on-here", 0, 5) == {"text": "first", "next": 5}
    assert door("on-here", None, 8) == {"text": "second\n", "next": 15}
    said.write_text("anew\n")  # virtlogd began another file
    assert door("on-here", 15) == {"text": "anew\n", "next": 5}


def test_what_xml_cannot_carry_is_left_out(said: Path, door: Callable[..., Any]) -> None:
    said.write_bytes(b"\x1b[1;32mok\x1b[0m\x00\x07 \xff\xc3\xa9\ttab\n")
    assert door("on-here")["text"] == "ok \ufffd\u00e9\ttab\n"


def test_an_answer_is_bounded(said: Path, door: Callable[..., Any]) -> None:
    said.write_bytes(b"x" * 200_000)
    assert len(door("on-here")["text"]) == len(door("on-here", 0, 10**9)["text"]) == consoles.MOST


@pytest.mark.parametrize("trick", ["link", "fifo", "folder"])
def test_only_a_plain_file_is_read(said: Path, door: Callable[..., Any], trick: str) -> None:
    if trick == "link":
        said.symlink_to("/etc/passwd")
    elif trick == "fifo":
        os.mkfifo(said)
    else:
        said.mkdir()
    with pytest.raises(DeviceFailed, match="cannot read"):
        door("on-here")


def test_what_is_not_kept_is_told(door: Callable[..., Any]) -> None:
    with pytest.raises(Conflict, match="existing domain"):
        door("old")
    with pytest.raises(NotFound):
        door("nobody")


class Far:
    """A host whose log is here: it answers from `log`, or hangs up."""

    def __init__(self) -> None:
        self.log = b""
        self.storage = self
        self.fails = False

    def read_console(self, name: str, offset: int, count: int) -> tuple[bytes, int]:
        if self.fails:
            raise DeviceFailed("it hangs")
        assert name == "nm-on-far+console.log"
        return self.log[offset : offset + count], len(self.log)

    def close(self) -> None:
        pass


def test_of_another_machine_there_is_a_copy(store: MemoryStore, tmp_path: Path) -> None:
    far = Far()

    def connect(uri: str) -> Hypervisor:
        assert uri == "qemu+ssh://nm@far.example/system"
        return far  # type: ignore[return-value]

    worker = ConsoleWorker("far", store, tmp_path / "copies", connect)
    sent: list[Any] = []

    def send(subject: str, item: Any) -> None:
        assert subject == "console:far"
        sent.append(item)

    door = Consoles(store, tmp_path / "copies", send).read
    far.log = b"one\n"
    assert door("on-far", 0) == {"text": "", "next": 0} and sent == [Look("on-far")]
    worker.handle(sent)
    assert door("on-far", 0) == {"text": "one\n", "next": 4}
    far.log += b"two\n"
    worker.handle(sent)
    assert door("on-far", 4) == {"text": "two\n", "next": 8}
    far.fails = True
    worker.handle(sent)
    assert door("on-far", 4) == {"text": "two\n", "next": 8}
    far.fails, far.log = False, b"new\n"
    worker.handle(sent)
    assert door("on-far", 8) == {"text": "new\n", "next": 4}

    put(store, new("headnode", "on-far", 0.0, host="far", image="i", group=None))
    assert door("on-far", 0) == {"text": "", "next": 0}
    put(store, new("headnode", "on-far", 0.0, host="far", image="i", group="beta"))
    assert door("on-far", 0) == {"text": "", "next": 0}  # what it said to alpha is not for beta
    far.log = b"longer than what was known\n"
    worker.handle(sent)
    assert door("on-far", 0)["text"] == "longer than what was known\n"
    assert [path.name for path in (tmp_path / "copies").iterdir()] == ["on-far+beta.1"]
    worker.close()
