"""A whole nm on simulated switches, and nmctl run against it in this process."""

import io
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from nm.shell.main import main
from nm.shell.output import Output
from tests.rack import Rack, rack


class Terminal(io.StringIO):
    """Somebody reads it."""

    def isatty(self) -> bool:
        return True


@dataclass
class Ran:
    """How one run of nmctl ended."""

    status: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


@dataclass
class Nmctl:
    """Runs nmctl against the rack and reads effects back through the API."""

    rack: Rack

    def __call__(self, *words: str, status: int = 0) -> Ran:
        ran = run(*words)
        assert ran.status == status, ran
        return ran

    def last_job(self) -> str:
        """The id of the newest job."""
        assert self.rack.service is not None
        counter = self.rack.service.database.get("meta_jobs")
        assert counter is not None
        return str(counter["last"])

    def one(self, method: str, **wanted: Any) -> Any:
        """The only struct that a Get... answers for the filter."""
        found = self.rack.call(method, wanted)
        assert len(found) == 1, found
        return found[0]


def run(*words: str) -> Ran:
    """Run nmctl in this process."""
    out, err = io.StringIO(), io.StringIO()
    status = main(words, Output(out, err))
    return Ran(status, out.getvalue(), err.getvalue())


@pytest.fixture
def nmctl(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Nmctl]:
    """nmctl with a rack of two switches and four nodes, named by NM_ADDRESS."""
    with rack(tmp_path, nodes=4, management=True) as made:
        monkeypatch.setenv("NM_ADDRESS", str(tmp_path / "api.sock"))
        yield Nmctl(made)
