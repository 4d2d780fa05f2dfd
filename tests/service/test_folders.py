"""Folders that nmd makes for everybody."""

import os
from pathlib import Path

from tests.core.test_daemon import Daemon


def test_everybody_gets_to_the_socket_whatever_the_umask_is(tmp_path: Path) -> None:
    nmd = Daemon(tmp_path)
    nmd.socket = tmp_path / "run/nm/api.sock"
    text = nmd.config.read_text()
    for name in ("api.sock", "lock"):
        text = text.replace(f"{tmp_path}/{name}", f"{tmp_path}/run/nm/{name}")
    nmd.config.write_text(text)
    before = os.umask(0o077)
    try:
        nmd.start()
    finally:
        os.umask(before)
    try:
        nmd.wait_ready()
        assert [path.stat().st_mode & 0o777 for path in (tmp_path / "run", tmp_path / "run/nm")] == [
            0o755
        ] * 2
    finally:
        nmd.end()
