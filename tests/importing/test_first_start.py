"""nmd --init: the first start imports a site before the doors open; later ones leave all as it is."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from nm.database import Database
from tests.core.test_daemon import Daemon
from tests.importing.samples import SPL, damaged, write


@pytest.fixture
def nmd(tmp_path: Path) -> Iterator[Daemon]:
    made = Daemon(tmp_path)
    made.write_config(f'[accounts]\nroot = "{tmp_path}"\n')
    write(tmp_path / "etc", {"passwd": "root:x:0:0::/root:/bin/sh\n", "group": ""})
    try:
        yield made
    finally:
        made.end()


def test_the_first_start_imports_and_the_next_goes_on(nmd: Daemon, tmp_path: Path) -> None:
    data = write(tmp_path / "data", SPL)
    first = nmd.start("--init", str(data))
    nmd.wait_ready()
    assert [node["name"] for node in nmd.call("GetNodes", {})] == ["1", "4", "6"]
    assert ("import", "done") in [(event["subject"], event["what"]) for event in nmd.call("GetEvents", 0, 99)]
    nmd.call("UnregisterNode", "6")
    first.terminate()
    first.communicate(timeout=20)
    (data / "node.txt").write_text("damaged\n")
    second = nmd.start("--init", str(data))
    nmd.wait_ready()
    assert [node["name"] for node in nmd.call("GetNodes", {})] == ["1", "4"]
    second.terminate()
    assert "--init imports nothing" in second.communicate(timeout=20)[1]


def test_a_bad_file_leaves_nothing_behind(nmd: Daemon, tmp_path: Path) -> None:
    data = write(tmp_path / "data", damaged("node.txt", 2, "4 00:23:ae:92:9f 10.0.0.4"))
    process = nmd.start("--init", str(data))
    said = process.communicate(timeout=20)[1]
    assert process.returncode == 3 and f"{data}/node.txt:2: " in said
    assert not (tmp_path / "db").exists()
    write(data, SPL)
    starter = nmd.start("--daemonize", "--init", str(data))
    assert starter.wait(timeout=20) == 0
    assert len(nmd.call("GetNodes", {})) == 3


def test_a_file_that_is_not_there(nmd: Daemon, tmp_path: Path) -> None:
    process = nmd.start("--init", str(tmp_path / "missing"))
    assert f"{tmp_path}/missing:1: " in process.communicate(timeout=20)[1]
    assert process.returncode == 3 and not (tmp_path / "db").exists()


def test_a_database_that_nothing_was_written_to_is_new(nmd: Daemon, tmp_path: Path) -> None:
    """As after a crash between making the files and importing."""
    Database.open(tmp_path / "db").close()
    nmd.start("--init", str(write(tmp_path / "data", SPL)))
    nmd.wait_ready()
    assert len(nmd.call("GetNodes", {})) == 3
