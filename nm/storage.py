"""A host's volumes by libvirt's storage API, on this machine or another: overlays, copies, small disks.

Stands behind nm.hypervisor.Storage, and shares the connection of nm.libvirt_host. Where a host
names no pool, nm makes one of its own, a plain folder. Called by the host's one worker thread.
"""

import os
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import PurePosixPath
from typing import BinaryIO, Protocol, TypeVar
from urllib.parse import quote
from xml.sax.saxutils import escape

import libvirt

from nm.errors import DeviceFailed
from nm.hypervisor import Volume
from nm.machine_xml import CONSOLES

T = TypeVar("T")

POOL, FOLDER = "nm-disks", "/var/lib/nm-disks"
CONSOLES_POOL = "nm-consoles"
FOLDERS, GROUPS = "nm-folder", "nm-group-"  # begin the names of pools that nm makes of what is there
BASES = "nm-images"  # begins the names of the pools through which bases are copied
COPY_SECONDS = 1800.0  # for a whole copy
_CHUNK = 1 << 16
_GONE = (libvirt.VIR_ERR_NO_STORAGE_VOL,)
_FORMAT = re.compile(r"<target>.*?<format type='([^']+)'/>.*?</target>", re.DOTALL)
_PLAIN = {"raw": ("iso",)}  # what libvirt calls plain data, too
_stand_ins: dict[str, bytearray] = {}  # what volumes of libvirt's test driver hold: it has no streams
_PRIVATE = "<permissions><mode>0600</mode></permissions>"


class Connected(Protocol):
    """Runs an action on a host's connection, bounded in time."""

    def __call__(self, action: Callable[[libvirt.virConnect], T], seconds: float | None = None) -> T:
        """What the action answers."""


class LibvirtStorage:
    """The volumes of one host; nm.hypervisor.Storage says what the methods promise."""

    def __init__(self, call: Connected) -> None:
        self._call = call

    def find(self, pool: str | None, names: Sequence[str]) -> list[Volume]:
        """As the pool has them after a look at what is really there."""

        def look(found: libvirt.virStoragePool) -> list[Volume]:
            found.refresh()
            there = {volume.name(): volume for volume in found.listAllVolumes()}
            return [_told(there[name]) for name in names if name in there]

        return self._in(pool, look)

    def make_from(self, pool: str | None, name: str, base: str, kind: str) -> Volume:
        """An overlay costs nothing; a copy takes as long as it takes."""

        def make(found: libvirt.virStoragePool) -> Volume:
            if _kind(found) == "logical":
                return _told(_copy(found, name, base, kind))
            backing = f"<backingStore><path>{escape(base)}</path><format type='{kind}'/></backingStore>"
            target = f"<target><format type='qcow2'/>{_PRIVATE}</target>"
            size = "<capacity>0</capacity>" if found.connect().getType() == "TEST" else ""  # the base's
            return _told(found.createXML(f"<volume><name>{name}</name>{size}{target}{backing}</volume>"))

        return self._in(pool, make, COPY_SECONDS)

    def copy(
        self, pool: str | None, name: str, base: str, kind: str, to: str, size: int | None = None
    ) -> Volume:
        """As long as it takes; libvirt removes what it could not fill, as on a full disk."""

        def make(found: libvirt.virStoragePool) -> Volume:
            if _kind(found) == "logical":
                return _told(_copy(found, name, base, kind, size))
            source = _as_volume(found.connect(), base, kind)
            target = f"<target><format type='{to}'/>{_PRIVATE}</target>"
            least = max(int(source.info()[1]), size or 0)
            sizes = f"<capacity>{least}</capacity><allocation>0</allocation>"
            made = found.createXMLFrom(f"<volume><name>{name}</name>{sizes}{target}</volume>", source)
            if int(made.info()[1]) < least:  # what is converted has its source's size
                made.resize(least)
            return _told(made)

        return self._in(pool, make, COPY_SECONDS)

    def snapshot(self, pool: str, name: str, base: str) -> Volume:
        """What is written to either takes room of its own, of which there is as much as the base has."""

        def make(found: libvirt.virStoragePool) -> Volume:
            source = found.connect().storageVolLookupByPath(base)
            capacity = f"<capacity>{int(source.info()[1])}</capacity>"
            backing = f"<backingStore><path>{escape(base)}</path></backingStore>"
            return _told(found.createXML(f"<volume><name>{name}</name>{capacity}{backing}</volume>"))

        return self._in(pool, make, COPY_SECONDS)

    def folder(self, path: str) -> str:
        """A pool that goes when the host ends, where none is that folder."""

        def find(connection: libvirt.virConnect) -> str:
            known = _pool_at(connection, "dir", path)
            name = known or _named(FOLDERS, path)
            if known is None:
                _passing_pool(connection, name, path)
            return name

        return self._call(find)

    def volume_group(self, name: str) -> str:
        """The same."""

        def find(connection: libvirt.virConnect) -> str:
            known = _pool_at(connection, "logical", f"/dev/{name}")
            if known is not None:
                return known
            source = f"<source><name>{escape(name)}</name></source>"
            target = f"<target><path>/dev/{escape(name)}</path></target>"
            connection.storagePoolCreateXML(
                f"<pool type='logical'><name>{GROUPS}{escape(name)}</name>{source}{target}</pool>"
            )
            return f"{GROUPS}{name}"

        return self._call(find)

    def grow(self, pool: str | None, name: str, size: int) -> int:
        """Never smaller: what is behind would be lost."""

        def enlarge(volume: libvirt.virStorageVol) -> int:
            if int(volume.info()[1]) < size:
                volume.resize(size)
            return int(volume.info()[1])

        return self._of(pool, name, enlarge) or 0

    def write(self, pool: str | None, name: str, content: bytes) -> Volume:
        """Made, then filled."""

        def make(found: libvirt.virStoragePool) -> Volume:
            target = f"<target><format type='raw'/>{_PRIVATE}</target>" if _kind(found) != "logical" else ""
            size = f"<capacity>{len(content)}</capacity>"
            volume = found.createXML(f"<volume><name>{name}</name>{size}{target}</volume>")
            if not target:
                _blank(volume, len(content))
            fill(volume, content)
            return _told(volume)

        return self._in(pool, make)

    def remove(self, pool: str | None, names: Sequence[str]) -> None:
        """Those that there are."""

        def clear(found: libvirt.virStoragePool) -> None:
            found.refresh()
            for name in names:
                try:
                    volume = found.storageVolLookupByName(name)
                    _stand_ins.pop(volume.path(), None)
                    volume.delete()
                except libvirt.libvirtError as error:
                    if error.get_error_code() not in _GONE:
                        raise

        self._in(pool, clear)

    def make_empty(self, pool: str | None, name: str, size: int) -> Volume:
        """Sparse, where it is a file."""

        def make(found: libvirt.virStoragePool) -> Volume:
            target = f"<target><format type='raw'/>{_PRIVATE}</target>"
            if _kind(found) == "logical":
                target = ""
            sparse = "<allocation>0</allocation>" if target else ""
            volume = found.createXML(
                f"<volume><name>{name}</name><capacity>{size}</capacity>{sparse}{target}</volume>"
            )
            if not target:
                _blank(volume, 0)
            return _told(volume)

        return self._in(pool, make, COPY_SECONDS)

    def size(self, pool: str | None, name: str) -> int:
        """As libvirt has it."""
        return self._of(pool, name, lambda volume: int(volume.info()[1])) or 0

    def put(self, pool: str | None, name: str, offset: int, content: BinaryIO) -> None:
        """By libvirt's stream, on this machine as on others."""

        def upload(volume: libvirt.virStorageVol) -> None:
            with _stream(volume.connect()) as stream:
                start = content.tell()
                length = content.seek(0, os.SEEK_END) - start
                content.seek(start)
                if stream is None:
                    _stand_in_puts(volume.path(), offset, content.read())
                    return
                volume.upload(stream, offset, length)
                while chunk := content.read(_CHUNK):
                    while chunk:
                        chunk = chunk[stream.send(chunk) :]
                stream.finish()

        self._of(pool, name, upload, COPY_SECONDS)

    def get(self, pool: str | None, name: str, length: int) -> bytes:
        """By libvirt's stream."""

        def download(volume: libvirt.virStorageVol) -> bytes:
            if volume.connect().getType() == "TEST":
                return bytes(_stand_ins.get(volume.path(), b"")[:length])
            return _content(volume, 0, length)

        return self._of(pool, name, download) or b""

    def _of(
        self,
        pool: str | None,
        name: str,
        action: Callable[[libvirt.virStorageVol], T],
        seconds: float | None = None,
    ) -> T | None:
        """What the action says of the volume; None when there is none."""

        def act(found: libvirt.virStoragePool) -> T | None:
            try:
                return action(found.storageVolLookupByName(name))
            except libvirt.libvirtError as error:
                if error.get_error_code() not in _GONE:
                    raise
                return None

        return self._in(pool, act, seconds)

    def read_console(self, name: str, offset: int, count: int) -> tuple[bytes, int]:
        """Through a pool of the folder, so that it works on another machine as it does on this one."""

        def read(connection: libvirt.virConnect) -> tuple[bytes, int]:
            pool = _passing_pool(connection, CONSOLES_POOL, CONSOLES)
            try:
                volume = pool.storageVolLookupByName(name)
            except libvirt.libvirtError as error:
                if error.get_error_code() not in _GONE:
                    raise
                return b"", 0
            size = int(volume.info()[1])
            return _content(volume, offset, min(count, size - offset)), size

        return self._call(read)

    def forget_console(self, name: str) -> None:
        """Virtlogd numbers the older parts."""

        def forget(connection: libvirt.virConnect) -> None:
            pool = _passing_pool(connection, CONSOLES_POOL, CONSOLES)
            for volume in pool.listAllVolumes():
                if volume.name() == name or re.fullmatch(re.escape(name) + r"\.[0-9]+", volume.name()):
                    volume.delete()

        self._call(forget)

    def _in(
        self, pool: str | None, action: Callable[[libvirt.virStoragePool], T], seconds: float | None = None
    ) -> T:
        def act(connection: libvirt.virConnect) -> T:
            return action(_own_pool(connection) if pool is None else _pool(connection, pool))

        return self._call(act, seconds)


def _stand_in_puts(path: str, offset: int, content: bytes) -> None:
    held = _stand_ins.setdefault(path, bytearray())
    held[len(held) :] = bytes(max(offset - len(held), 0))
    held[offset : offset + len(content)] = content


def fill(volume: libvirt.virStorageVol, content: bytes) -> None:
    """Write the content at the volume's beginning."""
    with _stream(volume.connect()) as stream:
        if stream is None:
            _stand_in_puts(volume.path(), 0, content)
            return
        volume.upload(stream, 0, len(content))
        for start in range(0, len(content), _CHUNK):
            chunk = content[start : start + _CHUNK]
            while chunk:
                chunk = chunk[stream.send(chunk) :]
        stream.finish()


def _blank(volume: libvirt.virStorageVol, start: int) -> None:
    """Zeros from there to its end: a new volume of a logical pool holds what anybody left there."""
    _, capacity, allocation = volume.info()
    left = max(capacity, allocation) - start
    with _stream(volume.connect()) as stream:
        if stream is None or left <= 0:
            return
        volume.upload(stream, start, left)
        zeros = bytes(_CHUNK)
        while left > 0:
            left -= stream.send(zeros[:left])
        stream.finish()


def _content(volume: libvirt.virStorageVol, offset: int, count: int) -> bytes:
    """That part of the volume."""
    parts: list[bytes] = []
    with _stream(volume.connect()) as stream:
        if stream is None or count <= 0:
            return b""
        volume.download(stream, offset, count)
        while part := stream.recv(_CHUNK):
            parts.append(part)
        stream.finish()
    return b"".join(parts)


@contextmanager
def _stream(connection: libvirt.virConnect) -> Iterator[libvirt.virStream | None]:
    """A stream that is over in any case; None where the driver (the stand-in) has none."""
    if connection.getType() == "TEST":
        yield None
        return
    stream = connection.newStream()
    try:
        yield stream
    except libvirt.libvirtError:
        stream.abort()
        raise


def _pool(connection: libvirt.virConnect, name: str) -> libvirt.virStoragePool:
    """The pool of that name, started."""
    try:
        found = connection.storagePoolLookupByName(name)
    except libvirt.libvirtError as error:
        if error.get_error_code() != libvirt.VIR_ERR_NO_STORAGE_POOL:
            raise
        raise DeviceFailed(
            f"the host has no storage pool {name}",
            "define it there (virsh pool-define), or let UpdateHost name another one",
            passing=False,
        ) from error
    if not found.isActive():
        found.create()
    return found


def _own_pool(connection: libvirt.virConnect) -> libvirt.virStoragePool:
    """The folder that nm makes for itself, as a pool that starts with the host."""
    try:
        return _pool(connection, POOL)
    except DeviceFailed:
        target = f"<target><path>{FOLDER}</path><permissions><mode>0711</mode></permissions></target>"
        made = connection.storagePoolDefineXML(f"<pool type='dir'><name>{POOL}</name>{target}</pool>")
        made.build()
        made.create()
        made.setAutostart(1)
        return made


def _kind(pool: libvirt.virStoragePool) -> str:
    head = pool.XMLDesc().partition(">")[0]
    return "logical" if "'logical'" in head else "files"


def _told(volume: libvirt.virStorageVol) -> Volume:
    return Volume(volume.name(), volume.path(), volume.info()[0] == libvirt.VIR_STORAGE_VOL_BLOCK)


def _copy(
    pool: libvirt.virStoragePool, name: str, base: str, kind: str, size: int | None = None
) -> libvirt.virStorageVol:
    """The base's data in a volume as large at least. libvirt copies volumes only, so the base becomes one."""
    source = _as_volume(pool.connect(), base, kind)
    capacity = f"<capacity>{max(int(source.info()[1]), size or 0)}</capacity>"
    volume = pool.createXMLFrom(f"<volume><name>{name}</name>{capacity}</volume>", source)
    _blank(volume, source.info()[1])
    return volume


def _as_volume(connection: libvirt.virConnect, path: str, kind: str) -> libvirt.virStorageVol:
    """DeviceFailed when libvirt takes it for another kind.

    It goes by the data: whoever wrote a disk could have it follow what that names, any file of the host's.
    """
    found = _volume_at(connection, path)
    taken = _FORMAT.search(found.XMLDesc())
    if taken is not None and taken[1] not in (kind, *_PLAIN.get(kind, ())):
        raise DeviceFailed(
            f"{path} is to be {kind}, and what is in it is {taken[1]}",
            "convert it (qemu-img convert); a qcow2 file's name ends so",
            passing=False,
        )
    return found


def _volume_at(connection: libvirt.virConnect, path: str) -> libvirt.virStorageVol:
    try:
        return connection.storageVolLookupByPath(path)
    except libvirt.libvirtError as error:
        if error.get_error_code() not in _GONE:
            raise
    folder = str(PurePosixPath(path).parent)  # of which there may be a pool already, not up to date
    _passing_pool(connection, _pool_at(connection, "dir", folder) or _named(BASES, folder), folder)
    return connection.storageVolLookupByPath(path)


def _pool_at(connection: libvirt.virConnect, kind: str, path: str) -> str | None:
    """The name of a pool that is that folder or group, started."""
    for pool in connection.listAllStoragePools():
        described = pool.XMLDesc()
        if f"<pool type='{kind}'>" in described and f"<path>{escape(path)}</path>" in described:
            if not pool.isActive():
                pool.create()
            return str(pool.name())
    return None


def _named(begun: str, folder: str) -> str:
    """What the pool of a folder is called: no other folder's is."""
    return f"{begun}-{quote(folder, safe='')}"


def _passing_pool(connection: libvirt.virConnect, name: str, folder: str) -> libvirt.virStoragePool:
    """A folder that is there, as a pool that goes when the host ends; up to date."""
    try:
        found = connection.storagePoolLookupByName(name)
    except libvirt.libvirtError as error:
        if error.get_error_code() != libvirt.VIR_ERR_NO_STORAGE_POOL:
            raise
        target = f"<target><path>{escape(folder)}</path></target>"
        return connection.storagePoolCreateXML(f"<pool type='dir'><name>{escape(name)}</name>{target}</pool>")
    found.refresh()
    return found
