"""The log: one line an event whatever is in it, no secrets, files that may be moved away."""

import io
import logging
import os
import re
import select
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from subprocess import PIPE

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nm import logs

LOG = logging.getLogger("nm.workers")


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "log" / "nmd.log"


@pytest.fixture
def log(file: Path) -> Iterator[logs.Log]:
    log = logs.start(str(file), "debug")
    yield log
    log.close()


def lines(file: Path) -> list[str]:
    return file.read_text(encoding="utf-8").splitlines()


def line(text: str, guard: logs.Guard | None = None, **details: object) -> str:
    record = logging.LogRecord("nm.workers", logging.INFO, __file__, 1, text, None, None)
    vars(record).update(details)
    return logs.Lines(guard or logs.Guard()).format(record)


def test_key_and_value(file: Path, log: logs.Log) -> None:
    LOG.warning("deploy of %s failed", "alpha", extra={"group": "alpha", "job": 7, "why": "no answer"})
    (written,) = lines(file)
    time, rest = written.split(" ", 1)
    assert re.fullmatch(r"time=\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", time)
    assert (
        rest == 'level=warning room=workers text="deploy of alpha failed" group=alpha job=7 why="no answer"'
    )


def test_a_trace_is_in_its_line(file: Path, log: logs.Log) -> None:
    try:
        raise ValueError("first\nsecond")
    except ValueError:
        LOG.exception("failed")
    (written,) = lines(file)
    assert 'text="failed" trace="Traceback (most recent call last):\\n' in written
    assert 'ValueError: first\\nsecond"' in written


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a\nlevel=error", '"a\\nlevel=error"'),
        ('a" level=error', '"a\\" level=error"'),
        ("a\\", '"a\\\\"'),
        ("a\rb\tc\0", '"a\\u000db\\u0009c\\u0000"'),
        ("\x1b[31m", '"\\u001b[31m"'),
        ("a\u2028b\u0085c", '"a\\u2028b\\u0085c"'),
        ("\u202egnp", '"\\u202egnp"'),
        ("\udcff", '"\\udcff"'),
        ("\U000e0001", '"\\U000e0001"'),
        ("grün 木", '"grün 木"'),
    ],
)
def test_what_does_not_print_is_escaped(text: str, shown: str) -> None:
    assert line(text).endswith(f"text={shown}")
    assert line("", detail=text).endswith(f"detail={shown}")


@given(st.text())
def test_no_text_makes_a_second_line_or_leaves_its_quotes(text: str) -> None:
    written = line(text, detail=text)
    assert len(written.splitlines()) == 1
    assert written.isprintable()
    assert re.sub(r'"(\\.|[^"\\])*"', "Q", written).split(" ")[3] == "text=Q"


def test_known_secrets_are_struck_out(file: Path, log: logs.Log) -> None:
    for secret in ('pa"ss\nword', "pa", "word", "pa55", "pa55word"):
        log.guard.hide(secret)
    LOG.info("login with %s", 'pa"ss\nword', extra={"line": "user pa55word"})
    try:
        raise ValueError("password pa55")
    except ValueError:
        LOG.exception("pa")
    first, second = lines(file)
    assert first.endswith('text="login with (secret)" line="user (secret)"')
    assert 'text="pa"' in second, "what is too short is left, or no text would be"
    assert "ValueError: pass(secret) (secret)" in second


def test_level(file: Path, log: logs.Log) -> None:
    log.set_level("warning")
    LOG.info("not this")
    LOG.warning("this")
    log.set_level("debug")
    LOG.debug("and this")
    assert [re.findall('text="(.*)"', written)[0] for written in lines(file)] == ["this", "and this"]


def test_opened_anew_where_it_was_moved_away(file: Path, log: logs.Log) -> None:
    LOG.info("one")
    old = file.rename(file.with_suffix(".1"))
    LOG.info("two")
    log.reopen()
    LOG.info("three")
    assert [len(lines(old)), len(lines(file))] == [2, 1]


def test_stays_with_the_old_file_when_the_new_one_cannot_be_opened(file: Path, log: logs.Log) -> None:
    old = file.rename(file.with_suffix(".1"))
    file.symlink_to("/dev/null")
    log.reopen()
    LOG.info("on")
    assert "cannot be opened anew" in lines(old)[0]
    assert 'text="on"' in lines(old)[1]


def test_files_mode_and_folder(file: Path, log: logs.Log) -> None:
    mask = os.umask(0)
    os.umask(mask)
    assert file.stat().st_mode & 0o777 == 0o640 & ~mask
    assert file.parent.is_dir()


def test_a_link_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "log").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(OSError, match="symbolic link"):
        logs.start(str(tmp_path / "log"))
    assert not (tmp_path / "elsewhere").exists()


def test_lines_of_many_threads_stay_whole(file: Path, log: logs.Log) -> None:
    def write() -> None:
        for number in range(200):
            LOG.info("x" * 500)
            if number % 50 == 0:
                log.reopen()

    threads = [threading.Thread(target=write) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    written = lines(file)
    assert len(written) == 1600
    assert all(text.endswith(f'text="{"x" * 500}"') for text in written)


SCRIPT = """
import logging, os, sys
from nm import logs
if sys.argv[1] == "journal":
    status = os.fstat(2)
    os.environ["JOURNAL_STREAM"] = f"{status.st_dev}:{status.st_ino}"
elif sys.argv[1] == "elsewhere":
    os.environ["JOURNAL_STREAM"] = "1:2"
logs.start("", "debug")
for level in (logging.DEBUG, logging.INFO, logging.WARNING, logging.ERROR, logging.CRITICAL):
    logging.getLogger("nm.x").log(level, "text")
"""


@pytest.mark.parametrize(
    ("stderr", "priorities"), [("journal", "<7><6><4><3><3>"), ("elsewhere", ""), ("none", "")]
)
def test_priorities_for_the_journal_alone(stderr: str, priorities: str) -> None:
    environment = {name: value for name, value in os.environ.items() if name != "JOURNAL_STREAM"}
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, stderr],
        capture_output=True,
        text=True,
        timeout=20,
        env=environment,
        check=True,
    )
    assert "".join(re.findall("^<[0-9]>", done.stderr, re.MULTILINE)) == priorities
    assert done.stderr.count("room=x") == 5


FLOOD = """
import logging, sys
from nm import logs
logs.WAITING = int(sys.argv[1])
log = logs.start()
for number in range(5000):
    logging.getLogger("nm.x").info("x" * 100, extra={"number": number})
print("all", flush=True)
sys.stdin.read(1)
logging.getLogger("nm.x").info("after", extra={"number": 5000})
if sys.argv[2:]:
    raise ValueError(sys.argv[2])
"""


@pytest.mark.parametrize("waiting", [100, 10_000])
def test_who_logs_does_not_wait_for_who_reads(waiting: int) -> None:
    """More than a pipe holds: what finds no room is counted, what finds some comes in its order."""
    command = (sys.executable, "-c", FLOOD, str(waiting), "the end")
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}
    with subprocess.Popen(
        command, stdin=PIPE, stdout=PIPE, stderr=PIPE, text=True, env=environment
    ) as process:
        assert process.stdin and process.stdout and process.stderr
        assert select.select([process.stdout], [], [], 20)[0], "it waits"
        assert process.stdout.readline() == "all\n"
        written: list[str] = []
        while not written or (waiting > 5000 and len(written) < 5000):
            written.append(process.stderr.readline())
        process.stdin.write("x")
        process.stdin.flush()
        written += process.stderr.readlines()
        assert process.wait(20) == 1
    numbers = [int(found[1]) for line in written if (found := re.search(r" number=(\d+)$", line))]
    lost = sum(int(found[1]) for line in written if (found := re.search(r" lost=(\d+)$", line)))
    assert numbers == sorted(numbers)
    assert len(numbers) + lost == 5001
    assert (lost > 0) == (waiting < 5000)
    assert "ValueError: the end\n" in written  # a crash's own words


def test_the_end_does_not_wait_for_who_never_reads() -> None:
    command = (sys.executable, "-c", FLOOD, "100")
    with subprocess.Popen(command, stdin=PIPE, stdout=PIPE, stderr=PIPE, text=True) as process:
        assert process.stdin and process.stdout
        process.stdout.readline()
        process.stdin.write("x")
        process.stdin.flush()
        assert process.wait(20) == 0


def test_nothing_is_left_behind(file: Path) -> None:
    before = list(logging.getLogger().handlers)
    logs.start(str(file)).close()
    assert logging.getLogger().handlers == before


def test_without_a_stderr_of_ones_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JOURNAL_STREAM", "1:2")
    stderr = io.StringIO()
    monkeypatch.setattr(sys, "stderr", stderr)
    log = logs.start()
    LOG.warning("here")
    log.close()
    assert stderr.getvalue().startswith("time=")
