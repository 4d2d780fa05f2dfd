"""sliver_shell: what it hands on to sudo, which here is a program that says what it was told."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.forward.conftest import SOURCE, run_make

ENTER = "/usr/lib/nm/nm-enter"
ASKED = ["-n", "--", ENTER]
SAYS = """#!{python} -I
import json, os, sys
open_files = [os.readlink(entry.path) for entry in os.scandir("/proc/self/fd") if entry.is_file()]
print(json.dumps([sys.argv[1:], dict(os.environ), open_files]))
sys.exit(7)
"""

Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(params=["sliver_shell", "sanitized_session"], scope="module")
def shell(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("session")
    sudo = folder / "sudo"
    sudo.write_text(SAYS.format(python=sys.executable))
    sudo.chmod(0o755)
    target = "all" if request.param == "sliver_shell" else "sanitize"
    run_make([target], BUILD=str(folder), CPPFLAGS=f"-DSUDO='\"{sudo}\"'", PREFIX="/usr")
    return folder / str(request.param)


def run(shell: Path, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [shell, *arguments], env=environment, capture_output=True, text=True, timeout=30, check=False
    )


def asked(shell: Path, *arguments: str, **environment: str) -> tuple[list[str], dict[str, str]]:
    done = run(shell, *arguments, **environment)
    assert (done.returncode, done.stderr) == (7, "")
    words, variables, _ = json.loads(done.stdout)
    variables.pop("LC_CTYPE", None)  # Python's own
    return words, variables


@pytest.mark.parametrize(
    "command", ["hostname", "", "-n", "a b", "'", '"', "a\nb", "; id", "$(id)", "\\", "x" * 100_000, "enter "]
)
def test_a_command_is_one_argument(shell: Path, command: str) -> None:
    assert asked(shell, "-c", command)[0] == [*ASKED, "-c", command]
    assert asked(shell, "-c", "enter", SSH_ORIGINAL_COMMAND=command)[0] == [*ASKED, "-c", command]


def test_without_a_command_it_is_a_session(shell: Path) -> None:
    assert asked(shell)[0] == ASKED
    assert asked(shell, "-c", "enter")[0] == ASKED
    assert asked(shell, SSH_ORIGINAL_COMMAND="x")[0] == ASKED


def test_the_forced_command_alone_asks_for_the_original_one(shell: Path) -> None:
    assert asked(shell, "-c", "true", SSH_ORIGINAL_COMMAND="x")[0] == [*ASKED, "-c", "true"]


@pytest.mark.parametrize("arguments", [("-l",), ("-c",), ("a", "b", "c"), ("-c", "a", "b")])
def test_anything_else_is_refused(shell: Path, arguments: tuple[str, ...]) -> None:
    done = run(shell, *arguments)
    assert (done.returncode, done.stdout) == (126, "") and done.stderr.startswith("nm: ")


def test_words_of_terminal_and_language_come_along_and_nothing_else(shell: Path) -> None:
    kept = {"TERM": "xterm-256color", "LANG": "de_DE.UTF-8", "LC_ALL": "C.UTF-8", "LC_TIME": "de_DE@euro"}
    dropped = {
        "PATH": "/x", "LD_LIBRARY_PATH": "/x", "LANGUAGE": "de", "TERMINFO": "/x", "LC_X": "/etc",
        "LC_Y": "a b", "SUDO_UID": "0", "HOME": "/", "LC_Z": "x" * 101, "IFS": "x", "LANGX": "x",
        "LC_Q": "%s",
    }  # fmt: skip
    assert asked(shell, **kept, **dropped)[1] == kept
    many = {f"LC_{number}": "C" for number in range(100)}
    assert len(asked(shell, **many)[1]) == 16


def test_open_files_stay_behind(shell: Path) -> None:
    with (shell.parent / "held").open("w") as file:
        done = subprocess.run(
            [shell], pass_fds=[file.fileno()], env={}, capture_output=True, text=True, check=False
        )
    assert file.name not in json.loads(done.stdout)[2]


def test_without_sudo_it_says_so(tmp_path: Path) -> None:
    run_make(["all"], BUILD=str(tmp_path), CPPFLAGS="-DSUDO='\"/nonexistent/sudo\"'")
    done = run(tmp_path / "sliver_shell")
    assert (done.returncode, done.stdout) == (126, "")
    assert (
        done.stderr == "nm: /nonexistent/sudo: No such file or directory; tell this machine's administrator\n"
    )


def test_it_can_be_read_in_one_sitting_and_loads_nothing(shell: Path) -> None:
    lines = (SOURCE / "sliver_shell.c").read_text().splitlines()
    assert len(lines) <= 80 and max(map(len, lines)) <= 120
    if shell.name == "sliver_shell":
        told = subprocess.run(["readelf", "-Wld", shell], capture_output=True, text=True, check=True).stdout
        assert "INTERP" not in told and "NEEDED" not in told and "GNU_RELRO" in told
