"""The demo on simulated switches; that it sees what is wrong, and that it cleans up."""

import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Collection, Mapping
from pathlib import Path

import pytest
from rich.console import Console

from nm.demo.show import Show
from nm.demo.story import Story
from nm.demo.tables import TableWorld
from nm.lab.layout import Node
from nm.switches.simulated import edit_table

DEMO = [sys.executable, "-m", "nm.demo"]
NOBODY = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"]


class Tampered(TableWorld):
    """A rack in which somebody sets ports by hand before each look: n8 onto beta's VLAN, n1 onto none."""

    def reached(self, asked: Mapping[str, Collection[str]]) -> dict[str, set[str] | None]:
        self._set_port(self._layout.rack[7], 102)
        self._set_port(self._layout.rack[0], None)
        return super().reached(asked)

    def _set_port(self, node: Node, vlan: int | None) -> None:
        with edit_table(self._table(node.switch)) as table:
            table["ports"][node.port] = {"untagged": vlan, "tagged": [], "open": False}


def test_a_leak_and_a_missing_connection_are_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("nm.demo.story.SETTLING", 0.2)
    world = Tampered()
    with open(os.devnull, "w") as nowhere:
        console = Console(file=nowhere, record=True, width=120)
        try:
            good = Story(world, Show(console)).play()
        finally:
            world.close()
    text = console.export_text()
    assert not good
    assert "LEAK: h2 -> n8" in text
    assert "MISSING: h1 -> n1" in text


def test_an_interrupted_demo_cleans_up(tmp_path: Path) -> None:
    environment = {**os.environ, "TMPDIR": str(tmp_path), "PYTHONUNBUFFERED": "1"}
    command = [*DEMO, "--simulated"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as demo:
        assert demo.stdout is not None
        for line in demo.stdout:
            if line.startswith("b. "):
                break
        demo.send_signal(signal.SIGINT)
        assert "Interrupted; everything is cleaned up." in demo.stdout.read()
    assert demo.returncode == 130
    assert list(tmp_path.iterdir()) == []


def test_without_root_it_says_so_and_all_acts_show_what_they_must() -> None:
    become = NOBODY if os.geteuid() == 0 else []
    if subprocess.run(
        [*become, sys.executable, "-c", "import nm"], capture_output=True, check=False
    ).returncode:
        pytest.skip("other accounts may not read this checkout")
    with tempfile.TemporaryDirectory() as folder:
        os.chmod(folder, 0o777)
        done = subprocess.run(
            [*become, *DEMO], env={**os.environ, "TMPDIR": folder},
            capture_output=True, text=True, timeout=55, check=False,
        )  # fmt: skip
        assert os.listdir(folder) == []
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.startswith("No real rack: a lab needs root")
    assert done.stdout.count("As it must be") == 6
    assert "Every cell was as it must be." in done.stdout
