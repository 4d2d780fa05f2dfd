"""Fake switches with a command line, each in a process of its own, so that none takes nm's time."""

import contextlib
import json
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

PASSWORD = "letmein"


@dataclass
class Fake:
    """A fake switch. `dialect` is also the name of nm's."""

    dialect: str
    process: subprocess.Popen[str]
    port: int

    @property
    def settings(self) -> dict[str, Any]:
        """What nm is told of it, but for the secret."""
        return {
            "driver": "cli",
            "dialect": self.dialect,
            "address": "127.0.0.1",
            "port": self.port,
            "user": "admin",
        }

    def fault(self, kind: str, **more: Any) -> None:
        """From now on this goes wrong; see tests/switches/fakes/faults.py."""
        self._tell(f"fault {json.dumps({'kind': kind, **more})}")

    def mend(self) -> None:
        """Nothing goes wrong any longer, in sessions that begin from now on."""
        self._tell("mend")

    def let_go(self) -> None:
        """Drop every session."""
        self._tell("let go")

    def dump(self) -> dict[str, Any]:
        """All that the switch knows."""
        found: dict[str, Any] = json.loads(self._tell("dump"))
        return found

    def _tell(self, line: str) -> str:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(f"{line}\n")
        self.process.stdin.flush()
        return self.process.stdout.readline()


@contextlib.contextmanager
def fake(dialect: str, **settings: float) -> Iterator[Fake]:
    """Start one and end it. The settings are those of the process, as ports, latency, login, save."""
    words = [str(word) for key, value in settings.items() for word in (f"--{key}", value)]
    command = [sys.executable, "-m", "tests.switches.fakes", dialect, "--password", PASSWORD, *words]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            port = int(process.stdout.readline().split()[-1])
            process.stdout.readline()  # the host key, which nm learns by itself
            yield Fake(dialect, process, port)
        finally:
            process.terminate()
