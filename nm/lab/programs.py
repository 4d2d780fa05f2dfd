"""Programs of a running lab that are started, ended and started again: its nmd, and its PLC.

Each runs inside the namespaces and is adopted by the holder. Its process id there is written into the lab's
folder by the shell that becomes it.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from nm.lab.errors import LabError
from nm.lab.place import Lab
from nm.lab.running import INSIDE

PATIENCE = 15.0  # seconds for one to end
_START = (
    f'name=$1; shift; setsid "$@" < /dev/null >> {INSIDE}/log/$name.log 2>&1 & echo $! > {INSIDE}/$name.pid'
)


@dataclass(frozen=True)
class Program:
    """One of them. `module`: what Python runs; it is told by it."""

    lab: Lab
    name: str
    module: str

    def start(self, command: Sequence[str], place: str | None = None) -> None:
        """Start it, in that network when one is named; its log is appended to."""
        self.lab.run(["sh", "-c", _START, "sh", self.name, *command], node=place)

    @property
    def log(self) -> str:
        """The end of what it has said."""
        file = self.lab.folder / "log" / f"{self.name}.log"
        return file.read_text().strip()[-1500:] if file.exists() else "it was not started"

    def is_running(self) -> bool:
        """Whether the one that was started last lives."""
        try:
            process = Path(f"/proc/{self.lab.holder}/root/proc/{self._pid}")
            line = (process / "cmdline").read_bytes()
            # While one program gives way to another (exec) a living process has no command line.
            return self.module.encode() in line or (
                not line and b") Z " not in (process / "stat").read_bytes()
            )
        except OSError:
            return False

    @property
    def _pid(self) -> str:
        """Its process id inside the lab, "none" when none was ever started."""
        try:
            return (self.lab.folder / f"{self.name}.pid").read_text().strip() or "none"
        except OSError:
            return "none"

    def signal(self, signal: str) -> None:
        """Send it that signal, which ends it, and wait until it has. Does nothing when it does not run."""
        if not self.is_running():
            return
        self.lab.run(["sh", "-c", f"kill -s {signal} {self._pid}"])
        deadline = time.monotonic() + PATIENCE
        while self.is_running():
            if time.monotonic() > deadline:
                raise LabError(
                    f"{self.name} does not end on SIG{signal}", f"see {self.lab.folder}/log/{self.name}.log"
                )
            time.sleep(0.02)
