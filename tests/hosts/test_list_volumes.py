"""The volumes of lists: what is not nm's stays, and what was half written is written anew."""

from collections.abc import Callable, Iterator
from contextlib import nullcontext
from itertools import count
from pathlib import Path
from typing import BinaryIO

import libvirt
import pytest

from nm import hands, listdisk, listfiles, storage
from nm.errors import DeviceFailed
from nm.export import ExportHand
from nm.facts import Order, Outcome, Value
from nm.libvirt_host import LibvirtHost
from nm.records import new
from nm.vm import HostHand
from nm.workers import Reading
from tests.memory_store import MemoryStore

URI = "test:///default"
HOST = {"uri": URI, "network": {"kind": "ovs", "device": "br0"}, "pool": "default-pool"}
A, B = "52:54:00:bb:00:01", "52:54:00:bb:00:02"
_numbers = count(1)


class Bench:
    """A domain on the stand-in, and the lists of one group."""

    def __init__(self, folder: Path) -> None:
        self.domain = f"listed-{next(_numbers)}"
        self.folder = folder
        self.host = LibvirtHost(URI)
        self.connection = libvirt.open(URI)
        self.pool = self.connection.storagePoolLookupByName("default-pool")
        record = {"domain": self.domain, "management": []}
        self.hand = HostHand("h", HOST, lambda _: record, lists=folder, connect=lambda _: self.host)
        self.export = ExportHand(folder)

    def write(self, mac: str) -> Value:
        """The files; answers what the domain is to have then."""
        document = {"version": 1, "group": "alpha", "networks": {}, "machines": []}
        told = {"machines": [[mac, ""]], "document": document}
        assert self.export.run([Order("export/alpha", told)], 1)[0].error is None
        return {"host": "h", "domain": self.domain, "group": "alpha", "digest": listfiles.digest(told)}

    def bring(self, value: Value | None) -> Outcome:
        old = {"host": "h", "domain": self.domain, "group": "alpha", "digest": ""}
        return self.hand.run([Order("list/h", value, old)], 1)[0]

    @property
    def name(self) -> str:
        return f"{self.domain}+list"

    def content(self) -> bytes:
        """What the volume holds."""
        return bytes(storage._stand_ins[self.pool.storageVolLookupByName(self.name).path()])


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    made = Bench(tmp_path)
    yield made
    made.host.storage.remove("default-pool", [made.name])
    made.host.undefine(made.domain)
    made.hand.close()
    made.connection.close()


def test_a_volume_that_is_not_nms_is_neither_written_nor_removed(bench: Bench) -> None:
    wanted = bench.write(A)
    path = bench.host.storage.make_empty("default-pool", bench.name, 1 << 20).path
    storage._stand_ins[path] = bytearray(b"\xebR\x90NTFS".ljust(4096, b"\0"))
    error = bench.bring(wanted).error
    assert isinstance(error, DeviceFailed) and not error.passing
    assert bench.bring(None).error is None
    assert bench.content().startswith(b"\xebR\x90NTFS")


def dies_in_the_middle(put: Callable[..., None]) -> Callable[..., None]:
    def half(pool: str | None, name: str, offset: int, content: BinaryIO) -> None:
        put(pool, name, offset, content)
        if offset == listdisk.IMAGE:
            raise DeviceFailed("libvirtd is gone")

    return half


def test_a_list_that_was_half_written_is_none_that_anybody_waits_for(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = bench.write(A)
    assert bench.bring(first).seen == first
    whole = bench.content()
    with monkeypatch.context() as patch:
        patch.setattr(bench.host.storage, "put", dies_in_the_middle(bench.host.storage.put))
        assert bench.bring(bench.write(B)).error is not None
    assert bench.content() != whole and bench.hand.read(["list/h"])[0].seen != first
    assert bench.write(A) == first
    assert bench.bring(first).seen == first == bench.hand.read(["list/h"])[0].seen
    head = listdisk.parsed(bench.content()[: listdisk.HEAD])
    assert head is not None and A.encode() in bench.content() and B.encode() not in bench.content()


def test_a_host_that_was_given_another_pool_is_looked_at_there() -> None:
    store = MemoryStore()
    store.transact(lambda tx: tx.put(new("host", "h", 0.0, **HOST)))
    store.transact(lambda tx: tx.put(new("headnode", "made", 0.0, host="h", image="i", domain=None)))
    worker = hands.host_worker("h", store, lambda name: "", hands.HeadSettings("", ()), nullcontext())
    found: list[Outcome] = []
    worker.handle([Reading(["list/made"], found.extend)])
    store.transact(lambda tx: tx.put(new("host", "h", 1.0, **{**HOST, "pool": "other"})))
    worker.handle([Reading(["list/made"], found.extend)])
    worker.close()
    assert found[0].error is None and "no storage pool other" in str(found[1].error)
