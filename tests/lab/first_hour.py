"""Follows docs/first-hour.md, as root in namespaces that test_first_hour has made; the status tells how.

What the page takes for granted is made here: Open vSwitch, and nmctl and nmd on the PATH. All of it ends with
the namespaces.
"""

import os
import shlex
import subprocess
import sys
from pathlib import Path

from nm.lab.place import PATH
from tests.docs.site import SOURCE, in_shell, troubles
from tests.docs.transcript import Step, steps

PAGE = SOURCE / "docs" / "first-hour.md"
SCHEMA = "/usr/share/openvswitch/vswitch.ovsschema"
OVS = "/run/openvswitch"
PROGRAMS = {"nmctl": "nm.shell.main", "nmd": "nm.daemon"}
BOOTED = """
import time
from nm.lab import probe
from nm.lab.place import Lab
while not probe.answers(Lab("lab"), "h1"):
    time.sleep(0.05)
"""


class Machine:
    """The machine of whoever reads the page."""

    def __init__(self) -> None:
        self._folder = Path("/run/first-hour")
        programs = self._folder / "bin"
        programs.mkdir(parents=True)
        for name, module in PROGRAMS.items():
            (programs / name).write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} -m {module} "$@"\n')
            (programs / name).chmod(0o755)
        self._environment = {**os.environ, "PATH": f"{programs}:{PATH}", "PYTHONPATH": str(SOURCE)}

    def carry_out(self, step: Step) -> tuple[int, str]:
        """A shell does it."""
        if "group destroy alpha" in step.command:
            # Who reads is slower than a test: a head node that has not booted is given 20 s to shut down.
            self._run(sys.executable, "-c", BOOTED)
        return in_shell(step.command, self._folder, self._environment)

    def meanwhile(self, words: str) -> None:
        """Nothing happens behind the reader's back."""
        raise AssertionError(words)

    def start_open_vswitch(self) -> None:
        """As its package does."""
        Path(OVS).mkdir()
        self._run("ovsdb-tool", "create", f"{OVS}/conf.db", SCHEMA)
        quiet = ("--pidfile", "--detach", "--no-chdir", "-vconsole:off")
        self._run("ovsdb-server", f"{OVS}/conf.db", f"--remote=punix:{OVS}/db.sock", *quiet)
        self._run("ovs-vsctl", "--no-wait", "init")
        self._run("ovs-vswitchd", *quiet)

    def _run(self, *command: str) -> None:
        subprocess.run(command, env=self._environment, stdin=subprocess.DEVNULL, check=True, timeout=60)


if __name__ == "__main__":
    machine = Machine()
    machine.start_open_vswitch()
    found = troubles(machine, steps(PAGE.read_text(encoding="utf-8")))
    print("\n".join(found))
    sys.exit(1 if found else 0)
