"""The shell's interpreter at work on a whole nm in this process, through its socket."""

import io
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from nm.shell.output import Output
from nm.shell.session import Choice, Session
from nm.shell.spl.interpreter import Interpreter
from tests.rack import Rack, rack
from tests.shell.conftest import Ran

READERS = ("GetGroups", "GetNodes", "GetHeadNodes", "GetVlans", "GetSwitches", "GetPorts", "GetTrunks",
           "GetHosts", "GetDelegates")  # fmt: skip
OBSERVED = ("seen", "read_at", "model", "running")  # written when a device is read, whenever that is


@dataclass
class Spl:
    """A shell, and the rack that it works on."""

    rack: Rack
    shell: Interpreter

    def run(self, line: str) -> Ran:
        """Carry out one line."""
        out, err = io.StringIO(), io.StringIO()
        output = self.shell.session.output
        output.stdout, output.stderr = out, err
        status = self.shell.attempt(line)
        return Ran(status, out.getvalue(), err.getvalue())

    def does(self, line: str) -> Ran:
        """Carry out one line that succeeds."""
        ran = self.run(line)
        assert ran.status == 0, (line, ran)
        return ran

    def one(self, method: str, **wanted: Any) -> Any:
        """The only struct that a Get... answers for the filter."""
        [found] = self.rack.call(method, wanted)
        return found

    def world(self) -> Any:
        """All that the API tells, but for what was read of devices."""
        return {
            method: [
                {key: value for key, value in struct.items() if key not in OBSERVED}
                for struct in self.rack.call(method, {})
            ]
            for method in READERS
        }


@contextmanager
def spl_on(made: Rack) -> Iterator[Spl]:
    """A shell for that rack."""
    session = Session(Choice(made.config.api.socket), Output(io.StringIO(), io.StringIO()))
    try:
        yield Spl(made, Interpreter(session))
    finally:
        session.close()


@pytest.fixture
def spl(tmp_path: Path) -> Iterator[Spl]:
    """A shell with a rack of two switches and six nodes."""
    with rack(tmp_path, nodes=6, management=True) as made, spl_on(made) as shell:
        yield shell
