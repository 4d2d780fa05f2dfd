"""nmctl as a process: what it loads, terminals, signals, pipes."""

import ast
import io
import json
import os
import pty
import select
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from nm.shell import guide, session
from nm.shell.main import main
from nm.shell.output import Output
from tests.shell.conftest import Nmctl, Terminal, run

PROGRAM = (sys.executable, "-m", "nm.shell.main")
DAEMON_ROOMS_ALLOWED = {"nm", "nm.client", "nm.counted"}


@contextmanager
def start(*words: str, stdout: int, stderr: int | None = None) -> Iterator[subprocess.Popen[str]]:
    """The program at work; it is gone at the end, however the test ends."""
    with subprocess.Popen((*PROGRAM, *words), text=True, stdout=stdout, stderr=stderr) as process:
        try:
            yield process
        finally:
            process.kill()


def loaded_by(*words: str) -> set[str]:
    """The modules that a fresh interpreter has loaded after this command."""
    script = (
        "import sys, json; from nm.shell.main import main\n"
        "status = main(sys.argv[1:]); print(json.dumps([status, sorted(sys.modules)]))"
    )
    ran = subprocess.run(
        [sys.executable, "-c", script, *words], capture_output=True, text=True, timeout=30, check=True
    )
    status, modules = json.loads(ran.stdout.splitlines()[-1])
    assert status == 0, ran.stderr
    return set(modules)


def test_it_imports_no_room_of_the_daemon(nmctl: Nmctl) -> None:
    loaded = loaded_by("node", "list")
    ours = {name for name in loaded if name.split(".")[0] == "nm" and not name.startswith("nm.shell")}
    assert ours == DAEMON_ROOMS_ALLOWED
    assert "rich" not in loaded


def test_help_loads_nothing_that_takes_time() -> None:
    assert not {
        "rich",
        "xmlrpc.client",
        "nm.client",
        "nm.lab",
        "nm.database_tools",
        "difflib",
        "nm.shell.picture",
        "nm.shell.rackmap",
        "nm.site",
    } & loaded_by("--help")


def test_a_terminal_that_has_room_needs_nothing_that_takes_time() -> None:
    """Neither for tables without a row nor for lines in colour."""
    script = """if True:
        import io, sys
        from nm.shell.output import Line, Output, Table
        class Terminal(io.StringIO):
            def isatty(self):
                return True
        shown = Terminal()
        Output(shown).show([Table(["NAME"], [], empty="none"), Line("bad", "red")])
        print([shown.getvalue(), "rich" in sys.modules])
    """
    ran = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert ast.literal_eval(ran.stdout) == ["none\n\x1b[31mbad\x1b[0m\n", False]


def test_a_process_of_its_own(nmctl: Nmctl) -> None:
    ran = subprocess.run(
        [*PROGRAM, "group", "create", "alpha", "--nodes", "n0", "--json"],
        capture_output=True, text=True, timeout=30, check=False,
    )  # fmt: skip
    assert (ran.returncode, json.loads(ran.stdout)) == (0, {"ok": True, "result": 1})
    assert nmctl.one("GetGroups", name="alpha")["nodes"] == ["n0"]
    again = subprocess.run(
        [*PROGRAM, "group", "create", "alpha"], capture_output=True, timeout=30, check=False
    )
    assert again.returncode == 6


def test_keys_from_stdin(nmctl: Nmctl) -> None:
    nmctl.rack.call("CreateGroup", "alpha", {})
    key = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIHG9PQ9B8t1vHzn9pYc0R0nGzqXhUjBq0jXo3aJfY1xL alice"
    subprocess.run(
        [*PROGRAM, "group", "keys", "alpha", "-"], input=f"{key}\n", text=True, timeout=30, check=True
    )
    assert nmctl.rack.service is not None
    stored = nmctl.rack.service.database.get("group_alpha")
    assert stored is not None
    assert stored["keys"] == [key]


# ---- help


@pytest.mark.parametrize("command", [command.words for command in guide.commands()])
def test_every_command_explains_itself(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        run(*command.split(), "--help")
    assert ended.value.code == 0
    assert f"usage: nmctl {command}" in capsys.readouterr().out


def test_the_overview_names_every_command() -> None:
    overview = run("--help").out
    assert all(f"  {command.words} " in overview for command in guide.commands())
    assert max(map(len, overview.splitlines())) <= 110
    assert run().status == 2
    assert run("--version").out.startswith("nmctl ")
    assert "node connect" in run("node", "--help").out
    assert run("help").out == run("--help").out
    assert run("help", "node").out == run("node", "--help").out


def test_examples_are_command_lines_that_are_understood(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("NM_ADDRESS", str(tmp_path / "none.sock"))
    examples = [c.epilog for c in guide.commands() if c.epilog.startswith("nmctl ")]
    assert examples
    for example in examples:
        words = [word.strip("'") for word in example.replace("'{\"free\": true}'", "{}").split()[1:]]
        missing = {5, 8} if words[0] == "sf" else {8}  # as far as the daemon, or the file, which is not there
        assert run(*words).status in missing, example


# ---- terminals


def on_a_terminal(*words: str) -> tuple[int, str]:
    """Run it with stdout and stderr on a terminal of 200 columns."""
    ours, theirs = pty.openpty()
    environment = {**os.environ, "TERM": "xterm-256color", "COLUMNS": "200"}
    environment.pop("NO_COLOR", None)
    process = subprocess.Popen((*PROGRAM, *words), stdout=theirs, stderr=theirs, env=environment)
    os.close(theirs)
    shown = b""
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline and select.select([ours], [], [], 30)[0]:
        try:
            shown += os.read(ours, 65536)
        except OSError:  # the other side is closed
            break
    os.close(ours)
    return process.wait(30), shown.decode()


def test_tables_on_a_terminal_have_colour_and_never_markup(nmctl: Nmctl) -> None:
    nmctl("node", "update", "n0", "location=[red]attic[/red]", "available=false", "reason=[bold]x")
    status, shown = on_a_terminal("node", "list")
    assert status == 0
    assert "\x1b[1mNAME" in shown
    assert "\x1b[32mfree" in shown
    assert "[bold]x" in shown
    assert "\x1b[2mnmctl: talking to" in shown
    status, shown = on_a_terminal("node", "show", "n0")
    assert "[red]attic[/red]" in shown
    status, shown = on_a_terminal("node", "list", "--json")
    assert "\x1b" not in shown


def test_progress_on_a_terminal(nmctl: Nmctl) -> None:
    nmctl.rack.call("CreateGroup", "alpha", {"nodes": ["n0", "n1"]})
    with nmctl.rack.edit("sw0") as table:
        table["faults"]["delay"] = 0.3
    status, shown = on_a_terminal("deploy", "alpha", "--wait")
    assert status == 0
    assert "deploy alpha" in shown
    assert "━" in shown
    assert "done" in shown
    assert nmctl.one("GetGroups", name="alpha")["state"] == "deployed"


# ---- signals and pipes


def test_ctrl_c_ends_the_watching_and_not_the_job(nmctl: Nmctl) -> None:
    with nmctl.rack.edit("sw0") as table:
        table["faults"]["delay"] = 4
    with start(
        "switch", "reset", "sw0", "--all", "--wait", stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        assert process.stderr is not None
        line = process.stderr.readline()
        assert "running" in line or "queued" in line
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=30)
    assert process.returncode == 130
    number = int(line.split()[1])
    assert f"stopped watching; job {number} goes on" in said
    assert f"hint: nmctl job wait {number}" in said
    assert nmctl.rack.wait(number)["state"] == "done"


def test_following_events_until_ctrl_c(nmctl: Nmctl) -> None:
    with start("events", "--follow", "--json", "--limit", "1", stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        first = json.loads(process.stdout.readline())
        nmctl.rack.call("CreateGroup", "alpha", {})
        second = json.loads(process.stdout.readline())
        process.send_signal(signal.SIGINT)
        assert process.wait(30) == 130
    assert (second["subject"], second["what"]) == ("group alpha", "created")
    assert second["id"] > first["id"]


def test_a_reader_that_leaves_early_is_no_error(nmctl: Nmctl) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    with start("methods", stdout=writing, stderr=subprocess.PIPE) as process:
        os.close(writing)
        _, said = process.communicate(timeout=30)
    assert "Traceback" not in said
    assert "BrokenPipe" not in said


@pytest.mark.parametrize(
    "line", ["methods", "--help", "node list --help", "whoami --json", "nod", "nod --json"]
)
def test_a_full_disk_is_told_in_words(nmctl: Nmctl, line: str) -> None:
    with open("/dev/full", "wb") as full:
        ran = subprocess.run(
            [*PROGRAM, *line.split()], stdout=full, stderr=subprocess.PIPE, text=True, timeout=30, check=False
        )
    if line == "nod":
        assert (ran.returncode, ran.stderr.count("nmctl: ")) == (2, 1)
        return
    assert ran.returncode == 1
    assert ran.stderr.startswith("nmctl: the answer could not be written: No space left on device\nhint: ")
    assert len(ran.stderr.splitlines()) == 2


def test_stderr_that_takes_nothing(nmctl: Nmctl) -> None:
    with open("/dev/full", "wb") as full:
        command = [*PROGRAM, "methods"]
        ran = subprocess.run(command, stdout=full, stderr=full, timeout=30, check=False)
    assert ran.returncode == 1


# ---- daemons that are slow, or have no room


@contextmanager
def listening(path: Path) -> Iterator[socket.socket]:
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        listener.listen(5)
        yield listener


def test_a_daemon_without_room(tmp_path: Path) -> None:
    text = b"too many connections; try again later\n"
    head = f"HTTP/1.1 503 Service Unavailable\r\nContent-Length: {len(text)}\r\n\r\n".encode()
    with listening(tmp_path / "api.sock") as listener:
        address = ("--address", str(tmp_path / "api.sock"))
        with start("whoami", *address, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
            connection, _ = listener.accept()
            with connection:
                connection.sendall(head + text)
                connection.shutdown(socket.SHUT_WR)
                while connection.recv(65536):
                    pass
            _, said = process.communicate(timeout=30)
    assert process.returncode == 6
    assert "too many connections; try again later" in said
    assert "hint: close other connections, or raise api.max_connections\n" in said


def test_a_person_is_told_of_a_silent_daemon_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(session, "PATIENCE", 0.05)
    monkeypatch.setenv("NO_COLOR", "1")
    path = str(tmp_path / "api.sock")
    with listening(tmp_path / "api.sock"):
        for err, said in (
            (Terminal(), [f"nmctl: no answer yet from the daemon at {path}"]),
            (io.StringIO(), []),
        ):
            words = ["--address", path, "--timeout", "0.5", "whoami"]
            assert main(words, Output(io.StringIO(), err)) == 8
            lines = err.getvalue().splitlines()
            assert [line for line in lines if "yet" in line] == said
            assert any("did not answer: timed out" in line for line in lines)


def test_text_that_cannot_be_sent(nmctl: Nmctl) -> None:
    ran = subprocess.run(
        [*PROGRAM, "group", "create", b"\xff"], capture_output=True, text=True, timeout=30, check=False
    )
    assert ran.returncode == 2
    assert "hint: " in ran.stderr
