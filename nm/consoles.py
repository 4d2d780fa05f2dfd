"""What head nodes that nm made said on their serial consoles, as virtlogd keeps it in a file on their host.

The door only ever reads a file. Of a host on this machine that is virtlogd's own; of another one a copy here,
which the worker of `console:HOST` brings up to date after each question, so a host that hangs holds nobody.
virtlogd bounds its file by beginning it anew; so do the copies. Nothing here is locked: one worker writes a
host's copies, and a reader that meets a half-written line sees its rest with the next question.
"""

import os
import re
import stat
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nm import facts, libvirt_host, machine_xml
from nm.errors import Conflict, DeviceFailed, NMError, NotFound
from nm.hypervisor import Hypervisor, Storage, is_remote
from nm.records import Record, record_key
from nm.store import Reader

MOST = 1 << 16  # bytes in one answer
AT_ONCE = 1 << 20  # bytes that one look brings from another machine
_CONTROLS = re.compile(
    r"\x1b\[[0-9;?]*[ -/]*[@-~]|\x1b[@-_]|[^\t\n\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]"
)


@dataclass(frozen=True)
class Look:
    """Somebody wants to know what this head node said lately."""

    headnode: str


class Consoles:
    """Answers the door. `folder` holds the copies; `send` gives an item to a subject's worker."""

    def __init__(self, reader: Reader, folder: Path, send: Callable[[str, Any], None]) -> None:
        self._reader = reader
        self._folder = folder
        self._send = send

    def read(self, headnode: str, offset: int | None = None, count: int | None = None) -> Record:
        """{text, next}: what it said from that byte on; without one, the newest. Controls are left out.

        Only what it said to the group that has it now: a copy of what it said before is another file.
        """
        record = self._reader.get(record_key("headnode", headnode))
        if record is None:
            raise NotFound(f"no head node {headnode}", "GetHeadNodes lists them")
        if record["image"] is None:
            raise Conflict(
                f"head node {headnode} is an existing domain, and nm does not keep its console",
                "on its host: virsh console",
            )
        life = _life(self._reader, record)
        if life is None:
            return {"text": "", "next": 0}
        host = self._reader.get(record_key("host", record["host"]))
        path = Path(machine_xml.console(facts.made_domain(headnode)))
        if host is not None and is_remote(host["uri"]):
            self._send(f"console:{record['host']}", Look(headnode))
            path = self._folder / _copy_name(headnode, life)
        return _read(path, offset, min(count or MOST, MOST))


def _life(reader: Reader, headnode: Record) -> str | None:
    """The group that has the head node, told from all others that ever had its name; None when none has."""
    group = reader.get(record_key("group", headnode["group"])) if headnode["group"] is not None else None
    return f"{headnode['group']}.{int(group['created'])}" if group is not None else None


def _copy_name(headnode: str, life: str) -> str:
    """The name of a copy's file; no name of a head node has a + in it."""
    return f"{headnode}+{life}"


def _read(path: Path, offset: int | None, count: int) -> Record:
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except FileNotFoundError:
        return {"text": "", "next": 0}
    except OSError as error:
        raise DeviceFailed(f"cannot read {path}: {error.strerror}", "it is to be a plain file") from None
    found = os.fstat(descriptor)
    if not stat.S_ISREG(found.st_mode):
        os.close(descriptor)
        raise DeviceFailed(f"cannot read {path}: it is no file", "it is to be a plain file")
    with open(descriptor, "rb") as file:
        if offset is None:
            offset = max(0, found.st_size - count)
        elif offset > found.st_size:
            offset = 0  # it was begun anew
        file.seek(offset)
        said = file.read(count)
    return {"text": plain(said.decode(errors="replace")), "next": offset + len(said)}


def plain(said: str) -> str:
    """The text without what moves cursors and changes colours, and all else that XML cannot carry."""
    return _CONTROLS.sub("", said.replace("\r\n", "\n"))


class ConsoleWorker:
    """The handler of "console:HOST", which is another machine. Called by that subject's thread only."""

    def __init__(
        self,
        host: str,
        reader: Reader,
        folder: Path,
        connect: Callable[[str], Hypervisor] = libvirt_host.connect,
    ) -> None:
        self._host = host
        self._reader = reader
        self._folder = folder
        self._connect = connect
        self._hypervisor: Hypervisor | None = None
        self._uri = ""

    def handle(self, batch: Sequence[Any]) -> float | None:
        """One look at each of the head nodes."""
        for headnode in dict.fromkeys(item.headnode for item in batch):
            try:
                self._bring(headnode, self._connected().storage)
            except NMError:
                continue  # it is asked again with the next question; what is known is answered meanwhile
        return None

    def _connected(self) -> Hypervisor:
        """Connected to where the host is by its record now."""
        host = self._reader.get(record_key("host", self._host))
        if host is None:
            raise NotFound(f"no host {self._host}", "GetHosts lists them")
        if self._hypervisor is None or host["uri"] != self._uri:
            self.close()
            self._hypervisor, self._uri = self._connect(host["uri"]), host["uri"]
        return self._hypervisor

    def _bring(self, headnode: str, storage: Storage) -> None:
        """Append to the copy what the file has more; begin anew when it has less."""
        record = self._reader.get(record_key("headnode", headnode))
        life = _life(self._reader, record) if record is not None else None
        self._folder.mkdir(mode=0o700, exist_ok=True)
        copy = self._folder / _copy_name(headnode, life or "")
        for old in self._folder.glob(f"{headnode}+*"):  # what it said to others
            if old != copy:
                old.unlink()
        if life is None:
            return
        name = machine_xml.console_name(facts.made_domain(headnode))
        known = copy.stat().st_size if copy.exists() else 0
        said, size = storage.read_console(name, known, AT_ONCE)
        if size < known:
            copy.unlink()
            known = 0
            said, size = storage.read_console(name, 0, AT_ONCE)
        if said:
            with copy.open("ab") as file:
                file.write(said)

    def failed(self, batch: Sequence[Any], words: str) -> None:
        """Nobody waits for an answer."""

    def close(self) -> None:
        """Let go of the connection."""
        hypervisor, self._hypervisor = self._hypervisor, None
        if hypervisor is not None:
            hypervisor.close()
