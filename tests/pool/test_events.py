"""The event log: order, limits, restarts, torn ends, and a disk that takes nothing."""

import resource
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nm import events
from nm.events import BLOCK, MOST_WAITING, EventLog
from nm.store import Event, Published
from tests.memory_store import MemoryStore

LARGE = 1 << 20
LONG = 1e9
NOW = 1_000_000.0


def tell(log: EventLog, *details: str, now: float = NOW, group: str | None = None) -> None:
    told = tuple(Event("root", "switch sw0", "changed", detail, group) for detail in details)
    log.record(Published(1, {}, told), now)


def details(log: EventLog, after: int = 0, limit: int = 100_000) -> list[str]:
    found = log.read(after, limit)
    ids = [event["id"] for event in found]
    assert ids == sorted(set(ids))
    assert all(number > after for number in ids)
    return [event["detail"] for event in found]


def files(folder: Path) -> list[Path]:
    return sorted(folder.iterdir())


@contextmanager
def opened(folder: Path, max_bytes: float = LARGE, max_age: float = LONG) -> Iterator[EventLog]:
    log = EventLog(folder, max_bytes, max_age)
    try:
        yield log
    finally:
        log.close()


@contextmanager
def no_room(size: int) -> Iterator[None]:
    """No file may grow beyond that size: to a writer, a disk that is full."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_what_is_published_is_read(tmp_path: Path) -> None:
    with opened(tmp_path / "new" / "folder") as log:
        store = MemoryStore()
        store.subscribe(lambda published: log.record(published, NOW + 0.7))
        store.transact(lambda tx: tx.tell(Event("alice", "group alpha", "created", "VLAN 101", "alpha")))
        store.transact(lambda tx: tx.put({"record_key": "vlan_101", "timestamp": 0, "expiry": None}))
        assert log.read(0, 10) == [
            {
                "id": 1, "time": int(NOW), "who": "alice", "subject": "group alpha", "what": "created",
                "detail": "VLAN 101", "group": "alpha",
            }
        ]  # fmt: skip
        assert log.read(1, 10) == []


def test_after_and_limit(tmp_path: Path) -> None:
    with opened(tmp_path, max_bytes=8 * 2000) as log:
        for at in range(1, 101):
            tell(log, str(at))
        assert len(files(tmp_path)) > 4
        oldest = int(details(log)[0])
        for after in (oldest - 1, *range(oldest, 103)):
            for limit in (0, 1, 7, 1000):
                expected = [str(at) for at in range(after + 1, 101)][:limit]
                assert details(log, after, limit) == expected
        assert log.read(0, -1) == []


def test_only_what_is_visible_counts(tmp_path: Path) -> None:
    with opened(tmp_path) as log:
        for at in range(100):
            tell(log, str(at), group="alpha" if at % 10 == 0 else None)
        found = log.read(0, 3, lambda event: event["group"] == "alpha")
        assert [event["detail"] for event in found] == ["0", "10", "20"]
        found = log.read(found[-1]["id"], 3, lambda event: event["group"] == "alpha")
        assert [event["detail"] for event in found] == ["30", "40", "50"]


def test_ids_grow_across_restarts(tmp_path: Path) -> None:
    newest = 0
    for start in range(5):
        with opened(tmp_path) as log:
            tell(log, f"{start}a", f"{start}b")
            ids = [event["id"] for event in log.read(newest, 10)]
            assert len(ids) == 2
            assert ids[0] > newest
            newest = ids[1]
    with opened(tmp_path) as log:
        assert details(log) == [f"{start}{part}" for start in range(5) for part in "ab"]


def test_an_id_that_was_seen_never_comes_again_after_a_power_cut(tmp_path: Path) -> None:
    """All that is not synced is lost: at most what was written since the block began."""
    with opened(tmp_path) as log:
        tell(log, *(str(at) for at in range(BLOCK * 2 + 17)))
        seen = log.read(0, LARGE)[-1]["id"]
    (path,) = files(tmp_path)
    lines = path.read_bytes().splitlines(keepends=True)
    synced = [line for line in lines if events._parsed(line)["id"] < BLOCK * 2]  # type: ignore[index]
    path.write_bytes(b"".join(synced))
    with opened(tmp_path) as log:
        tell(log, "new")
        assert log.read(seen, 10)[0]["detail"] == "new"


@pytest.mark.parametrize(
    "rubbish", [b'{"id":9,"ti', b"\x00" * 5000, b'{"id":99999}', b"\n\n", b'["x"]\n', b'{"a":1}\n']
)
def test_a_torn_end_is_cut(tmp_path: Path, rubbish: bytes) -> None:
    with opened(tmp_path) as log:
        tell(log, "a", "b")
    (path,) = files(tmp_path)
    path.write_bytes(path.read_bytes() + rubbish)
    with opened(tmp_path) as log:
        assert details(log) == ["a", "b"]
        tell(log, "c")
        assert details(log) == ["a", "b", "c"]
    assert path.read_bytes().count(b"\n") == 3
    assert path.read_bytes().endswith(b'"detail":"c","group":null}\n')
    with opened(tmp_path) as log:
        assert details(log) == ["a", "b", "c"]


def test_rubbish_in_the_middle_is_left_out(tmp_path: Path) -> None:
    with opened(tmp_path) as log:
        for at in range(50):
            tell(log, str(at))
    (path,) = files(tmp_path)
    data = bytearray(path.read_bytes())
    begin, end = data.index(b'"20"') - 20, data.index(b'"25"') + 2
    data[begin:end] = b"\x00" * (end - begin)
    path.write_bytes(data)
    with opened(tmp_path) as log:
        left = details(log)
        assert left == [str(at) for at in range(50) if not 20 <= at <= 25]
        assert details(log, 10) == left[10:]
        assert details(log, 40) == left[34:]


def test_a_file_of_rubbish_alone(tmp_path: Path) -> None:
    (tmp_path / "events-0000000500.jsonl").write_bytes(b"\x00" * 300)
    (tmp_path / "notes.txt").write_text("mine")
    with opened(tmp_path) as log:
        assert details(log) == []
        tell(log, "a")
        assert log.read(500, 1)[0]["detail"] == "a"
    assert (tmp_path / "notes.txt").read_text() == "mine"


def test_the_limit_of_size(tmp_path: Path) -> None:
    limit = 40_000
    with opened(tmp_path, max_bytes=limit) as log:
        for at in range(2000):
            tell(log, f"{at} {'x' * (at % 50)}")
            assert sum(path.stat().st_size for path in files(tmp_path)) <= limit + 300
        kept = details(log)
        assert kept[-1].startswith("1999")
        assert 150 < len(kept) < 1000
    with opened(tmp_path, max_bytes=limit) as log:
        assert details(log) == kept


def test_the_limit_of_age(tmp_path: Path) -> None:
    with opened(tmp_path, max_age=80.0) as log:
        for second in range(1000):
            tell(log, str(second), now=NOW + second)
        kept = [int(detail) for detail in details(log)]
        assert kept == list(range(kept[0], 1000))
        assert 80 <= len(kept) <= 120


def test_a_clock_that_jumps_takes_one_file_only(tmp_path: Path) -> None:
    with opened(tmp_path, max_age=800.0) as log:
        for second in range(750):
            tell(log, str(second), now=NOW + second)
        before = len(files(tmp_path))
        tell(log, "later", now=NOW + 1e8)
        assert len(files(tmp_path)) == before
        assert len(details(log)) > 600


def test_a_long_detail_is_cut(tmp_path: Path) -> None:
    with opened(tmp_path) as log:
        tell(log, "ü" * 100_000, "next")
        long, short = details(log)
        assert long == "ü" * 2000 + "…"
        assert short == "next"


def test_a_full_disk_loses_nothing_and_says_so(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with opened(tmp_path) as log:
        tell(log, "before")
        with no_room(files(tmp_path)[0].stat().st_size + 30):
            for at in range(20):
                tell(log, str(at))
            assert details(log) == ["before", *map(str, range(20))]
            assert details(log, 5, 3) == ["4", "5", "6"]
        tell(log, "after")
        expected = ["before", *map(str, range(20)), "after"]
        assert details(log) == expected
    assert [record.message for record in caplog.records] == [
        "events cannot be written, kept in memory reason='File too large'",
        "events are written again",
    ]
    with opened(tmp_path) as log:
        assert details(log) == expected


def test_what_found_no_room_is_counted(tmp_path: Path) -> None:
    with opened(tmp_path, max_bytes=64 * LARGE) as log:
        with no_room(0):
            tell(log, *map(str, range(MOST_WAITING - 1)))
            tell(log, "last", "lost", "lost")
            assert len(details(log)) == MOST_WAITING
        tell(log, "after")
        assert details(log)[-4:] == [str(MOST_WAITING - 2), "last", "2 events: the disk took none", "after"]


def test_closing_tries_again(tmp_path: Path) -> None:
    with opened(tmp_path) as log, no_room(0):
        tell(log, "a")
    with opened(tmp_path) as log:
        assert details(log) == ["a"]


def test_readers_beside_the_writer(tmp_path: Path) -> None:
    """While files come and go, a reader sees ids that grow and misses none but those that went."""
    with opened(tmp_path, max_bytes=60_000) as log:
        over = threading.Event()
        wrong: list[Any] = []

        def watch() -> None:
            after, seen = 0, 0
            while not over.is_set() or log.read(after, 1):
                found = log.read(after, 50)
                numbers = [int(event["detail"]) for event in found]
                if any(number < seen for number in numbers) or numbers != sorted(numbers):
                    wrong.append(numbers)
                if found:
                    after, seen = found[-1]["id"], numbers[-1] + 1
            if seen != 3000:
                wrong.append(seen)

        readers = [threading.Thread(target=watch) for _ in range(3)]
        for reader in readers:
            reader.start()
        for at in range(3000):
            tell(log, str(at))
        over.set()
        for reader in readers:
            reader.join(20)
        assert wrong == []


steps = st.lists(
    st.one_of(
        st.tuples(st.just("tell"), st.integers(1, 300)),
        st.tuples(st.just("restart"), st.just(0)),
        st.tuples(st.just("tear"), st.integers(1, 200)),
    ),
    max_size=15,
)


@settings(max_examples=40, deadline=None)
@given(steps)
def test_any_life(steps: list[tuple[str, int]]) -> None:
    """What was told is there in order, whatever torn ends and restarts came; no id comes twice."""
    told: list[str] = []
    newest = 0
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        log = EventLog(folder, LARGE, LONG)
        for step, count in steps:
            if step == "tell":
                told += (some := [f"{len(told) + at}" for at in range(count)])
                tell(log, *some)
                found = log.read(newest, LARGE)
                assert [event["detail"] for event in found] == some
                newest = found[-1]["id"]
                continue
            log.close()
            if step == "tear" and files(folder):
                path = files(folder)[-1]
                path.write_bytes(path.read_bytes() + b'{"id":1,"detail":"torn' * count)
            log = EventLog(folder, LARGE, LONG)
        assert details(log) == told
        log.close()
