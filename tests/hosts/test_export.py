import os
import signal
import stat
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from nm.errors import DeviceFailed, Invalid, NMError
from nm.export import ExportHand
from nm.facts import Order, Value

MACHINES = [["52:54:00:bb:00:01", "10.1.1.11"], ["52:54:00:bb:00:02", "10.1.1.12"]]
TEXT = "52:54:00:bb:00:01 10.1.1.11\n52:54:00:bb:00:02 10.1.1.12\n"


def run(folder: Path, value: Value | None, group: str = "alpha") -> Value | NMError | None:
    [outcome] = ExportHand(folder).run([Order(f"export/{group}", value)], 1)
    return outcome.error or outcome.seen


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_the_list_comes_changes_and_goes(tmp_path: Path) -> None:
    folder = tmp_path / "run" / "headnodes"
    file = folder / "alpha" / "machines.txt"
    before = os.umask(0o077)
    try:
        assert run(folder, {"machines": MACHINES}) == {"machines": MACHINES}
    finally:
        os.umask(before)
    assert file.read_text() == TEXT
    assert (mode(file), mode(file.parent)) == (0o644, 0o755)
    assert run(folder, {"machines": MACHINES}) == {"machines": MACHINES}
    assert run(folder, {"machines": MACHINES[:1]}) == {"machines": MACHINES[:1]}
    assert ExportHand(folder).read(["export/alpha", "export/beta"])[0].seen == {"machines": MACHINES[:1]}
    assert ExportHand(folder).read(["export/alpha", "export/beta"])[1].seen is None
    assert [path.name for path in file.parent.iterdir()] == ["machines.txt"]
    assert run(folder, None) is None
    assert list(folder.iterdir()) == []
    assert run(folder, None) is None


def test_an_empty_list_and_a_machine_without_an_address(tmp_path: Path) -> None:
    assert run(tmp_path, {"machines": []}) == {"machines": []}
    assert run(tmp_path, {"machines": [["52:54:00:bb:00:01", ""]]}) == {
        "machines": [["52:54:00:bb:00:01", ""]]
    }


@pytest.mark.parametrize("group", ["..", ".", "a/../../etc", "", "-x", "a b", "a" * 65])
def test_a_group_stays_below_the_folder(group: str, tmp_path: Path) -> None:
    assert isinstance(run(tmp_path / "in", {"machines": MACHINES}, group), Invalid)
    assert isinstance(run(tmp_path / "in", None, group), Invalid)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("word", ["10.0.0.1\n52:54:00:bb:00:09", "a b", "a\x00", "\u2028"])
def test_a_word_is_one_word(word: str, tmp_path: Path) -> None:
    assert isinstance(run(tmp_path, {"machines": [["52:54:00:bb:00:01", word]]}), Invalid)
    assert list(tmp_path.iterdir()) == []


def test_links_are_not_followed(tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    precious = elsewhere / "machines.txt"
    precious.write_text("precious")
    folder = tmp_path / "headnodes"
    folder.mkdir()
    (folder / "alpha").symlink_to(elsewhere)
    for value in ({"machines": MACHINES}, None):
        failed = run(folder, value)
        assert isinstance(failed, DeviceFailed)
        assert not failed.passing
    assert isinstance(ExportHand(folder).read(["export/alpha"])[0].error, DeviceFailed)
    (folder / "alpha").unlink()
    (folder / "alpha").mkdir()
    for name in ("machines.txt", ".machines.txt.new"):
        (folder / "alpha" / name).symlink_to(precious)
    assert run(folder, {"machines": MACHINES}) == {"machines": MACHINES}
    assert precious.read_text() == "precious"
    assert not (folder / "alpha" / "machines.txt").is_symlink()


def test_what_a_crash_left_behind_is_replaced_or_removed(tmp_path: Path) -> None:
    (tmp_path / "alpha").mkdir()
    left = tmp_path / "alpha" / ".machines.txt.new"
    left.write_text("52:54:00:bb")
    assert ExportHand(tmp_path).read(["export/alpha"])[0].seen is None
    assert run(tmp_path, {"machines": MACHINES}) == {"machines": MACHINES}
    assert not left.exists()
    left.write_text("52:54:00:bb")
    assert run(tmp_path, None) is None
    assert list(tmp_path.iterdir()) == []


def test_files_that_are_not_ours_stay(tmp_path: Path) -> None:
    run(tmp_path, {"machines": MACHINES})
    (tmp_path / "alpha" / "notes").write_text("mine")
    assert run(tmp_path, None) is None
    assert [path.name for path in (tmp_path / "alpha").iterdir()] == ["notes"]


def test_a_reader_sees_the_old_list_or_the_new_one(tmp_path: Path) -> None:
    many = [
        [f"52:54:00:bb:{number >> 8:02x}:{number & 255:02x}", f"10.1.0.{number % 250}"]
        for number in range(2000)
    ]
    run(tmp_path, {"machines": many})
    over = threading.Event()
    seen: set[int] = set()

    def look() -> None:
        while not over.is_set():
            seen.add(len((tmp_path / "alpha" / "machines.txt").read_text().splitlines()))

    reader = threading.Thread(target=look)
    reader.start()
    for number in range(20):
        run(tmp_path, {"machines": many if number % 2 else MACHINES})
    over.set()
    reader.join()
    assert seen <= {len(many), len(MACHINES)}


def test_a_writer_that_is_killed_leaves_a_whole_list(tmp_path: Path) -> None:
    script = (
        "from pathlib import Path; from nm.export import ExportHand; from nm.facts import Order\n"
        "import sys\n"
        "lists = [[['52:54:00:bb:00:01', 'x' * 60]] * size for size in (1, 3000)]\n"
        "while True:\n"
        "    for machines in lists:\n"
        "        ExportHand(Path(sys.argv[1])).run([Order('export/alpha', {'machines': machines})], 1)\n"
        "        print('.', flush=True)\n"
    )
    for kills in range(5):
        writer = subprocess.Popen([sys.executable, "-c", script, tmp_path], stdout=subprocess.PIPE, text=True)
        assert writer.stdout is not None
        with writer.stdout:
            for _ in range(3 + kills):
                writer.stdout.readline()
            writer.send_signal(signal.SIGKILL)
        writer.wait()
        lines = (tmp_path / "alpha" / "machines.txt").read_text().splitlines()
        assert lines == ["52:54:00:bb:00:01 " + "x" * 60] * (1 if len(lines) == 1 else 3000)
    assert run(tmp_path, {"machines": MACHINES}) == {"machines": MACHINES}


def test_a_folder_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    failed = run(tmp_path / "file" / "below", {"machines": MACHINES})
    assert isinstance(failed, DeviceFailed)
    assert "below/alpha" in failed.message
