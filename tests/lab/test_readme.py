"""README.md's "A first hour", run as it is printed against a real lab.

The lab is called what README calls it, so all happens behind a /run/nm-lab of the test's own, in namespaces
that end with the test and take the lab with them.
"""

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from nm.lab.place import FOLDER, SOURCE, obstacle

pytestmark = pytest.mark.real
NMCTL = f"{shlex.quote(sys.executable)} -m nm.shell.main"
SECONDS = 100
BOOTED = """
import time
from nm.lab import probe
from nm.lab.place import Lab
while not probe.answers(Lab("lab"), "h1"):
    time.sleep(0.05)
"""
PRIVATE = f"mount --make-rprivate / && mount -t tmpfs tmpfs {FOLDER} && exec sh -exc"
UNSHARE = ("unshare", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc")


def blocks(title: str) -> list[str]:
    """The indented blocks of that section of README.md."""
    text = (SOURCE / "README.md").read_text()
    section = text.partition(f"\n## {title}\n")[2].partition("\n## ")[0]
    found = re.findall(r"(?:^    .*\n)+", section, re.MULTILINE)
    return [re.sub(r"^    ", "", block, flags=re.MULTILINE) for block in found]


def script() -> str:
    """The commands, then the Python inside the lab, where it finds an nmd, then the lab's end."""
    printed = blocks("A first hour")
    assert printed, "README.md has no blocks in A first hour"
    commands = [line for block in printed if "nmctl" in block for line in block.splitlines()]
    programs = [block for block in printed if "nmctl" not in block]
    assert commands[0].split()[:3] == [".venv/bin/nmctl", "lab", "up"]
    assert commands[-1].split() == [".venv/bin/nmctl", "lab", "down"]
    python = f"{NMCTL} lab exec lab -- {shlex.quote(sys.executable)} -c"
    commands[-1:-1] = [f"{python} {shlex.quote(program)}" for program in programs]
    # Who reads is slower than a test: a head node that has not booted is given 20 s to shut down.
    destroy = next(at for at, command in enumerate(commands) if "group destroy" in command)
    commands.insert(destroy, f"{shlex.quote(sys.executable)} -c {shlex.quote(BOOTED)}")
    return "\n".join(command.replace(".venv/bin/nmctl", NMCTL) for command in commands)


def test_a_first_hour_goes_as_printed() -> None:
    if (why := obstacle()) is not None:
        pytest.skip(str(why))
    Path(FOLDER).mkdir(mode=0o755, exist_ok=True)
    ran = subprocess.run(
        [*UNSHARE, "sh", "-c", f"{PRIVATE} {shlex.quote(script())}"],
        cwd=SOURCE, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        text=True, timeout=SECONDS, check=False,
    )  # fmt: skip
    assert ran.returncode == 0, ran.stdout[-3000:]
    assert "lab lab is up" in ran.stdout
    assert "1 received" in ran.stdout
    assert "no differences" in ran.stdout
    assert "lab lab is gone" in ran.stdout
