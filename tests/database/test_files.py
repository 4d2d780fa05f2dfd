"""The files: torn, damaged, hostile, foreign, old and missing. What is refused is left as it was."""

import hashlib
import pickle
import struct
import zlib
from pathlib import Path

import pytest

from nm.database import Database
from nm.errors import DeviceFailed, Invalid, NMError
from nm.folder import Folder
from nm.pickles import dump, load
from nm.records import new
from nm.snapshot import FORMAT, Damaged, Head, Kinds, group, read_snapshot, write_snapshot
from tests.database import ledger
from tests.database.conftest import Opener
from tests.database.simulated_disk import Files, SimulatedDisk

DB = Path("/db")
PICKLE, JOURNAL = DB / "database.pickle", DB / "database.journal"
FIXTURES = Path(__file__).parent / "fixtures"


def killed(changes: int = 3) -> Files:
    """The files of a database that was killed after that many changes."""
    disk = SimulatedDisk()
    database = Database.open(DB, disk=disk, now=lambda: 1.0)
    for number in range(1, changes + 1):
        ledger.write(database, "w", number)
    files = disk.files()
    database.close()
    return files


def closed(records: int) -> Files:
    disk = SimulatedDisk()
    database = Database.open(DB, disk=disk, now=lambda: 1.0)
    for number in range(records):
        ledger.write(database, f"w{number}", 1)
    database.close()
    return disk.files()


def number_in(files: Files) -> int:
    """What a start on these files finds; and a second start finds the same."""
    disk = SimulatedDisk(files)
    found = []
    for _ in range(2):
        database = Database.open(DB, disk=disk, now=lambda: 1.0)
        node, vlan = database.get("node_w"), database.get("vlan_w")
        database.close()
        assert (node is None) == (vlan is None)
        found.append(node["number"] if node else 0)
        assert node is None or vlan is None or node["number"] == vlan["number"]
    assert found[0] == found[1]
    return int(found[0])


def refuse(files: Files, match: str) -> NMError:
    """Opening fails with that message and a hint, and has changed nothing."""
    disk = SimulatedDisk(files)
    before = disk.files()
    with pytest.raises(NMError, match=match) as caught:
        Database.open(DB, disk=disk)
    assert disk.files() == before
    assert caught.value.hint
    return caught.value


def entries(files: Files) -> list[int]:
    """Where the journal's entries begin, and where the last ends."""
    data, found, at = files[JOURNAL], [], 512
    while data[at : at + 4] == b"nm:e":
        found.append(at)
        at += 24 + struct.unpack_from("<I", data, at + 4)[0]
    return [*found, at]


def test_torn_at_every_byte_of_the_last_entry() -> None:
    files = killed()
    *_, start, end = entries(files)
    data = files[JOURNAL]
    assert end - start > 100
    for cut in range(start, end):
        assert number_in({**files, JOURNAL: data[:cut]}) == 2, "cut off"
        assert number_in({**files, JOURNAL: data[:cut] + bytes(len(data) - cut)}) == 2, "zeros behind"
    for missing in range(start, end, 16):
        holed = data[:start] + bytes(missing - start) + data[missing:]
        assert number_in({**files, JOURNAL: holed}) == (3 if missing == start else 2), "the beginning missing"
    assert number_in({**files, JOURNAL: data[:end]}) == 3


def test_flipped_bytes_in_the_journal() -> None:
    files = killed()
    first, _, third, end = entries(files)
    data = files[JOURNAL]
    for position in [*range(first, third), *range(44)]:
        flipped = bytearray(data)
        flipped[position] ^= 0x40
        refuse({**files, JOURNAL: bytes(flipped)}, "damaged|has format")
    for position in range(third, end):  # cannot be told from what a crash tears
        flipped = bytearray(data)
        flipped[position] ^= 0x40
        assert number_in({**files, JOURNAL: bytes(flipped)}) == 2


def test_flipped_bytes_in_the_snapshot() -> None:
    files = closed(3)
    for position in range(len(files[PICKLE])):
        flipped = bytearray(files[PICKLE])
        flipped[position] ^= 0x01
        refuse({**files, PICKLE: bytes(flipped)}, "damaged|has format")


def test_a_snapshot_cut_anywhere_or_grown_is_refused() -> None:
    files = closed(3)
    data = files[PICKLE]
    for cut in range(len(data)):
        refuse({**files, PICKLE: data[:cut]}, "damaged")
    refuse({**files, PICKLE: data + b"\0"}, "damaged")


def test_chunks_exchanged_are_refused() -> None:
    kinds: Kinds = group({f"node_{number}": new("node", number, 1.0) for number in range(400)})
    disk = SimulatedDisk()
    write_snapshot(disk, PICKLE, Head(1, 1, 1, "test", 1.0), kinds)
    data = disk.files()[PICKLE]
    first = data.index(b"part")
    second = data.index(b"part", first + 4)
    end = data.index(b"ends")
    exchanged = data[:first] + data[second:end] + data[first:second] + data[end:]
    with pytest.raises(Damaged, match="checksum"):
        read_snapshot(SimulatedDisk({PICKLE: exchanged}), PICKLE)
    missing = data[:first] + data[first:second] + data[end:]
    with pytest.raises(Damaged):
        read_snapshot(SimulatedDisk({PICKLE: missing}), PICKLE)
    assert read_snapshot(SimulatedDisk({PICKLE: data}), PICKLE)[1] == kinds


def test_text_that_looks_like_an_entry_is_text() -> None:
    """A caller's text that is a whole entry, torn after it: the tail is cut, the start is not refused."""
    disk = SimulatedDisk()
    database = Database.open(DB, disk=disk)
    ledger.write(database, "w", 1)
    forged = disk.files()[JOURNAL][512:].rstrip(b"\0")
    other = Database.open(Path("/other"), disk=disk)
    other.transact(lambda tx: tx.put(new("node", "w", 1.0, text=forged)))
    other.close()
    ledger.write(database, "w", 2, padding=forged.decode("latin-1"))
    files = disk.files()
    database.close()
    *_, start, end = entries(files)
    data = files[JOURNAL]
    # The forged entry bears this journal's own salt: the worst case cannot come from outside; another's can.
    with_other_salt = forged[:20] + struct.pack("<I", zlib.crc32(forged)) + forged[24:]
    torn = data[:start] + data[start : end - 9].replace(forged, with_other_salt) + bytes(9)
    assert number_in({**files, JOURNAL: torn}) == 1


class Evil:
    def __reduce__(self) -> tuple[object, tuple[str]]:
        return eval, ("__import__('os').system('touch /tmp/nm-owned')",)


HOSTILE = {
    "reduce": pickle.dumps({"node_1": Evil()}),
    "class": pickle.dumps({"node_1": Path("/")}),
    "function": pickle.dumps({"node_1": len}),
    "module": b"cos\nsystem\n(S'true'\ntR.",
    "instance": b"(S'true'\nios\nsystem\n.",
    "stack global": b"\x80\x04\x8c\x02os\x8c\x06system\x93.",
    "extension": b"\x80\x02\x82\x01.",
    "persistent": b"Pnode\n.",
    "persistent binary": b"\x80\x02U\x04nodeQ.",
    "build": b"\x80\x02}}b.",
    "buffer": b"\x80\x05\x97.",
    "set": pickle.dumps({"node_1": {"record_key": "node_1", "x": {1}}}),
    "bytearray": pickle.dumps({"node_1": {"record_key": "node_1", "x": bytearray(b"x")}}, protocol=5),
    "complex": pickle.dumps({"node_1": {"record_key": "node_1", "x": 1j}}),
    "not a dict": pickle.dumps([1, 2]),
    "wrong key": pickle.dumps({"node_1": {"record_key": "node_2"}}),
    "no key": pickle.dumps({"node_1": {"timestamp": 2}}),
    "key without a kind": pickle.dumps({"node": {"record_key": "node"}}),
    "key a number": pickle.dumps({1: {"record_key": 1}}),
    "record a list": pickle.dumps({"node_1": ["record_key"]}),
    "circular": b"\x80\x02}q\x00U\x06node_1}q\x01(U\x0arecord_keyU\x06node_1U\x01xh\x01us.",
    "empty": b"",
    "cut": pickle.dumps({"node_1": {"record_key": "node_1"}})[:-4],
    "long length": b"\x80\x04\x8e\xff\xff\xff\xff\xff\xff\xff\x7fx.",
    "unknown opcode": b"\xff\xff\xff",
    "memo": b"\x80\x02h\x07.",
    "mark": b"\x80\x02t.",
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_pickles_are_refused(name: str) -> None:
    with pytest.raises(Invalid):
        load(HOSTILE[name])
    assert not Path("/tmp/nm-owned").exists()


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_pickles_with_good_checksums_are_refused(name: str) -> None:
    """As somebody would make them who can write the file."""
    files = killed(1)
    start, _ = entries(files)
    payload = struct.pack("<I", len(HOSTILE[name])) + HOSTILE[name]
    salt = files[JOURNAL][16:24]
    checksum = zlib.crc32(payload, zlib.crc32(struct.pack("<QI", 1, 1), zlib.crc32(salt)))
    entry = struct.pack("<4sIQII", b"nm:e", len(payload), 1, 1, checksum) + payload
    refuse({**files, JOURNAL: files[JOURNAL][:start] + entry + bytes(100)}, "damaged")
    data = files[PICKLE]
    at = data.index(b"ends")
    chunk = struct.pack("<4sII", b"part", len(HOSTILE[name]), zlib.crc32(HOSTILE[name])) + HOSTILE[name]
    refuse({**files, PICKLE: data[:at] + chunk + data[at:]}, "damaged")


def test_what_is_dumped_can_be_loaded() -> None:
    changes = {"node_1": new("node", 1, 1.0, x=[1, {"a": (None, b"")}]), "node_2": None}
    assert load(dump(changes)) == changes


def test_missing_files_are_never_an_empty_database() -> None:
    files = closed(1)
    without = {path: data for path, data in files.items() if path != PICKLE}
    refuse(without, "database.pickle is missing")
    refuse({path: data for path, data in files.items() if path != JOURNAL}, "database.journal is missing")
    files = killed()
    refuse({JOURNAL: files[JOURNAL]}, "database.pickle is missing")
    previous = DB / "database.pickle.previous"
    refuse({previous: files[PICKLE]}, "database.pickle is missing")


def test_an_older_snapshot_under_a_newer_journal_is_refused() -> None:
    disk = SimulatedDisk()
    database = Database.open(DB, disk=disk, journal_limit=100)
    for number in range(1, 30):
        ledger.write(database, "w", number)
    files = disk.files()
    database.close()
    first = killed(0)
    refuse({**files, PICKLE: first[PICKLE]}, "begins behind revision")


class ReplacedMeanwhile(SimulatedDisk):
    """Its journal is another's from the second time on that it is opened."""

    def open(self, path: Path, *, create: bool = False) -> int:
        fd = super().open(path, create=create)
        if path == JOURNAL:
            self.names[JOURNAL] = self.names[DB / "other"]
        return fd


def test_a_journal_that_is_replaced_while_it_is_read_is_refused() -> None:
    disk = SimulatedDisk()
    database = Database.open(DB, disk=disk, journal_limit=100)
    for number in range(1, 30):
        ledger.write(database, "w", number)
    newer = disk.files()[JOURNAL]
    database.close()
    with pytest.raises(DeviceFailed, match="begins behind revision"):
        Folder(DB, ReplacedMeanwhile({**killed(0), DB / "other": newer})).load()


def test_a_newer_format_is_refused() -> None:
    disk = SimulatedDisk()
    write_snapshot(disk, PICKLE, Head(1, 1, 1, "nm 9", 1.0, format=FORMAT + 1), {})
    files = {**killed(1), PICKLE: disk.files()[PICKLE]}
    error = refuse(files, f"has format {FORMAT + 1}")
    assert "install" in error.hint
    newer = bytearray(killed(1)[JOURNAL])
    newer[12:16] = struct.pack("<I", FORMAT + 1)
    refuse({**killed(1), JOURNAL: bytes(newer)}, "has format")


def old_database() -> Files:
    """A database of format 0, killed with a change in its journal."""
    disk = SimulatedDisk()
    records = group({"node_w": new("node", "w", 1.0, count=2), "vlan_w": new("vlan", "w", 1.0, count=2)})
    write_snapshot(disk, PICKLE, Head(0, 4, 1, "nm 0", 1.0, format=0), records)
    return {**killed(0), PICKLE: disk.files()[PICKLE]}


def step_0_to_1(kinds: Kinds) -> Kinds:
    """The made-up step: `count` became `number`."""

    def moved(record: dict[str, object]) -> dict[str, object]:
        return {"number" if key == "count" else key: value for key, value in record.items()}

    return {kind: {key: moved(record) for key, record in records.items()} for kind, records in kinds.items()}


def test_an_older_format_moves_by_steps_after_a_copy() -> None:
    files = old_database()
    disk = SimulatedDisk(files)
    database = Database.open(DB, disk=disk, steps={0: step_0_to_1})
    record = database.get("node_w")
    assert record is not None
    assert (record["number"], database.epoch) == (2, 5)
    after = disk.files()
    assert after[DB / "database.pickle.format-0"] == files[PICKLE]
    assert after[DB / "database.journal.format-0"] == files[JOURNAL]
    database.close()
    assert read_snapshot(SimulatedDisk(disk.files()), PICKLE)[0].format == FORMAT


def test_a_format_without_a_step_is_refused() -> None:
    refuse(old_database(), "no longer reads")


@pytest.mark.parametrize("number", range(1, FORMAT + 1))
def test_every_released_format_is_read(number: int, opener: Opener, tmp_path: Path) -> None:
    for name in ("database.pickle", "database.journal"):
        tmp_path.joinpath("db").mkdir(exist_ok=True)
        content = (FIXTURES / f"format-{number}" / name).read_bytes()
        (tmp_path / "db" / name).write_bytes(content)
    database = opener()
    node, vlan = database.get("node_n1"), database.get("vlan_101")
    assert node is not None
    assert vlan is not None
    assert (node["ip"], vlan["group"], database.revision, database.epoch) == ("10.0.0.1", "alpha", 3, 3)
    assert database.get("node_n2") is None


def digest(folder: Path) -> dict[str, str]:
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in sorted(folder.iterdir())}


@pytest.mark.parametrize("name", ["database.pickle", "database.journal"])
def test_a_refused_load_leaves_the_real_files_alone(name: str, opener: Opener, tmp_path: Path) -> None:
    database = opener()
    for number in (1, 2, 3):
        ledger.write(database, "w", number)
    database.close()
    path = tmp_path / "db" / name
    data = bytearray(path.read_bytes())
    data[20] ^= 1
    path.write_bytes(data)
    before = digest(tmp_path / "db")
    with pytest.raises(DeviceFailed, match="damaged"):
        opener()
    assert digest(tmp_path / "db") == before
    with pytest.raises(DeviceFailed, match="damaged"):  # not "in use": the folder was let go
        opener()
