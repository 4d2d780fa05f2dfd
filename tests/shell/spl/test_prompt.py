"""The prompt as somebody at a keyboard meets it: editing, history, completion, Ctrl-C, leaving, asking."""

import contextlib
import socket
import sys
import threading
from pathlib import Path

from tests.rack import Rack
from tests.shell.conftest import Nmctl
from tests.shell.spl.terminal import CTRL_C, PROMPT, keyboard

CTRL_A, CTRL_D, UP, BACKSPACE, TAB = "\x01", "\x04", "\x1b[A", "\x7f", "\t"


def test_editing_completing_and_remembering(nmctl: Nmctl, tmp_path: Path) -> None:
    history = tmp_path / "nm" / "history"
    history.parent.mkdir()
    history.touch(0o644)
    with keyboard(tmp_path, "shell") as user:
        assert "Tab completes" in user.sees(PROMPT)
        assert "n3    free" in user.does(f"how nodex{BACKSPACE}{CTRL_A}s")
        user.type(f"cre{TAB}gr{TAB}alpha vl{TAB}10{TAB}5 head{TAB}h2")
        user.sees("create group alpha vlan 105 head-node h2")
        user.type("\n")
        assert "group alpha created" in user.sees(PROMPT)
        user.type(f"add n0,n{TAB}{TAB}")  # what is in the list already is not offered
        offered = user.sees(f"{PROMPT}add n0,n")
        assert "n1" in offered and "n3" in offered and "n0" not in offered.split("n0,n", 1)[1]
        user.type(f"1 to al{TAB}\n")
        assert "added to alpha: n0, n1" in user.sees(PROMPT)
        user.does("create user bob hunter2")
        assert "deploy alpha: done" in user.does("deploy")
        user.type("exit\n")
        assert user.ends() == 0
    assert nmctl.one("GetGroups", name="alpha")["nodes"] == ["n0", "n1"]
    assert nmctl.one("GetGroups", name="alpha")["state"] == "deployed"
    kept = history.read_text().splitlines()
    assert kept[:3] == ["show node", "create group alpha vlan 105 head-node h2", "add n0,n1 to alpha"]
    assert "hunter2" not in history.read_text()
    assert history.stat().st_mode & 0o777 == 0o600
    with keyboard(tmp_path, "shell") as user:
        user.sees(PROMPT)
        user.type(f"{UP}{UP}{UP}{CTRL_A}sh")
        user.sees("add n0,n1 to alpha")
    with keyboard(tmp_path, "shell") as user:
        user.sees(PROMPT)
        user.type(f"{UP}{UP}\n")
        assert "nothing is pending" in user.sees(PROMPT)


def test_ctrl_c_clears_the_line_and_leaving_asks(nmctl: Nmctl, tmp_path: Path) -> None:
    nmctl.rack.call("CreateGroup", "alpha", {"nodes": ["n0"]})
    with keyboard(tmp_path, "shell") as user:
        user.sees(PROMPT)
        user.type("destroy group alpha")
        user.sees("alpha")
        user.interrupts()
        assert nmctl.one("GetGroups", name="alpha")["state"] == "staged"
        user.does("node create 7")
        user.type("exit\n")
        warned = user.sees("[Y/n] ")
        assert "not deployed: alpha (stays staged" in warned
        assert "not recorded, and forgotten now: node 7" in warned
        user.type("n\n")
        user.sees(PROMPT)
        user.type(CTRL_D)
        user.sees("[Y/n] ")
        user.interrupts()
        user.type(CTRL_D)
        user.sees("[Y/n] ")
        user.type("\n")
        assert user.ends() == 0


def test_ctrl_c_takes_no_key_from_under_readline(nmctl: Nmctl, tmp_path: Path) -> None:
    """It would wait for another one, deaf to every further Ctrl-C. While a command runs all is as ever."""
    with keyboard(tmp_path, "shell") as user:
        user.sees(PROMPT)
        assert user.keeps_keys()
        user.type("events --follow\n")
        user.sees("switch sw1  reset asked for")
        assert not user.keeps_keys()
        user.type(f"show vlan\n{CTRL_C}")
        user.sees(PROMPT)
        shown = user.does("show node")
        assert "n3    free" in shown and "SHARED" not in shown  # the line before Ctrl-C is gone
        user.type("exit\n")
        assert user.ends() == 0
        assert not user.keeps_keys()


class Slow:
    """Stands between a client and a daemon, and hands on what they say while it may."""

    def __init__(self, path: Path, daemon: str) -> None:
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(str(path))
        self.listener.listen()
        self.may, self.held = threading.Event(), threading.Event()
        self.may.set()
        self._daemon = daemon
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client = self.listener.accept()[0]
                daemon = socket.socket(socket.AF_UNIX)
                daemon.connect(self._daemon)
                for ends in ((client, daemon), (daemon, client)):
                    threading.Thread(target=self._hand_on, args=ends, daemon=True).start()

    def _hand_on(self, one: socket.socket, other: socket.socket) -> None:
        with contextlib.suppress(OSError), one, other:
            while data := one.recv(65536):
                if not self.may.is_set():
                    self.held.set()
                self.may.wait()
                other.sendall(data)
            other.shutdown(socket.SHUT_WR)  # the other thread receives from it, so closing would not end it


def test_ctrl_c_while_the_daemon_is_asked_what_is_left(nmctl: Nmctl, tmp_path: Path) -> None:
    slow = Slow(tmp_path / "slow.sock", nmctl.rack.config.api.socket)
    try:
        with keyboard(tmp_path, "shell", str(tmp_path / "slow.sock")) as user:
            user.sees(PROMPT)
            slow.may.clear()
            user.type(CTRL_D)
            assert slow.held.wait(10)
            user.interrupts()
            slow.may.set()
            assert "n3    free" in user.does("show node")
    finally:
        slow.may.set()
        slow.listener.close()


def test_ctrl_c_ends_the_watching_and_not_the_shell(nmctl: Nmctl, tmp_path: Path) -> None:
    nmctl.rack.call("CreateGroup", "alpha", {"nodes": ["n0"]})
    with nmctl.rack.edit("sw0") as table:
        table["faults"]["delay"] = 2
    with keyboard(tmp_path, "shell") as user:
        user.sees(PROMPT)
        user.type("deploy alpha\n")
        user.sees("deploy alpha ")  # of the progress bar
        user.type(CTRL_C)
        user.sees("stopped watching; job ")
        assert " goes on" in user.sees(PROMPT)
        user.type("events --follow\n")
        user.sees("deployed")
        user.type(CTRL_C)
        user.sees(PROMPT)
    assert nmctl.one("GetGroups", name="alpha")["pending"] is False


def test_it_asks_for_the_daemon_when_there_is_none(nmctl: Nmctl, tmp_path: Path) -> None:
    script = (
        "import sys; from nm.shell import main, session; session.DEFAULT = sys.argv.pop(1);"
        "session.choose_address.__globals__['DEFAULT'] = session.DEFAULT; sys.exit(main.main())"
    )
    program = (sys.executable, "-c", script, str(tmp_path / "none.sock"))
    with keyboard(tmp_path, "shell", program=program, NM_ADDRESS="") as user:
        user.sees("address of the daemon")
        user.type(f"{tmp_path / 'nor-here.sock'}\n")
        assert "hint: " in user.sees("address of the daemon")
        user.type(f"{nmctl.rack.config.api.socket}\n")
        user.sees(PROMPT)
        assert "n3    free" in user.does("show node")
        user.type(CTRL_D)
        assert user.ends() == 0
    with keyboard(tmp_path, "shell", program=program, NM_ADDRESS="") as user:
        user.sees("address of the daemon")
        user.type(CTRL_D)
        assert user.ends() == 8


def test_a_new_database_is_asked_for_its_files(tmp_path: Path) -> None:
    site = tmp_path / "site"
    site.mkdir()
    (site / "network.txt").write_text("101 vlan\n102 vlan\n")
    empty = Rack(tmp_path)
    try:
        with keyboard(tmp_path, "shell", empty.config.api.socket) as user:
            user.sees("files or folder to import (Enter: none): ")
            user.type(f"{site}\n")
            user.sees("[y/N] ")
            user.type("y\n")
            assert "imported: 2 things" in user.sees(PROMPT)
            assert [vlan["id"] for vlan in empty.call("GetVlans", {})] == [101, 102]
        with keyboard(tmp_path, "shell", empty.config.api.socket) as user:
            assert "to import" not in user.sees(PROMPT)
    finally:
        empty.stop()


def test_the_daemon_that_is_named(nmctl: Nmctl, tmp_path: Path) -> None:
    with keyboard(tmp_path, "shell", nmctl.rack.config.api.socket, NM_ADDRESS="/no/where") as user:
        user.sees(PROMPT)
        assert "root" in user.does("whoami")
