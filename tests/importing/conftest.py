"""A whole nm with nothing in it, and a machine that has the accounts alice and bob but no others."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from nm import config
from nm.records import KINDS, Record
from tests.rack import Rack
from tests.shell.conftest import Ran, run

PEOPLE = {"root": 0, "alice": 1001, "bob": 1002}


class Office:
    """nmctl and nm, beginning with an empty database."""

    def __init__(self, folder: Path, shell: str = "") -> None:
        etc = folder / "etc"
        etc.mkdir(parents=True)
        lines = [f"{name}:x:{uid}:{uid}::/home/{name}:/bin/sh\n" for name, uid in PEOPLE.items()]
        (etc / "passwd").write_text("".join(lines))
        (etc / "group").write_text("")
        self.rack = Rack(folder, 0, 0, accounts=config.Accounts(root=str(folder), shell=shell))
        self.rack.until(lambda: self.rack.service is not None and self._store.get("meta_clock") is not None)

    @property
    def _store(self) -> Any:
        assert self.rack.service is not None
        return self.rack.service.database

    def nmctl(self, *words: str, status: int = 0) -> Ran:
        """Run nmctl here; it must end with that status."""
        ran = run("--address", str(self.rack.folder / "api.sock"), *words)
        assert ran.status == status, ran
        return ran

    def call(self, method: str, *arguments: Any) -> Any:
        return self.rack.call(method, *arguments)

    def records(self) -> dict[str, Record]:
        """All records but nm's own counters and clock, and jobs."""
        kinds = [kind for kind in KINDS if kind not in ("meta", "job")]
        return {record["record_key"]: record for kind in kinds for record in self._store.range(kind)}

    @property
    def revision(self) -> int:
        return int(self._store.revision)


@pytest.fixture
def office(tmp_path: Path) -> Iterator[Office]:
    made = Office(tmp_path / "nm")
    try:
        yield made
    finally:
        made.rack.stop()


@pytest.fixture(scope="module")
def untouched(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Office]:
    """One for many tests that change nothing."""
    made = Office(tmp_path_factory.mktemp("office") / "nm")
    try:
        yield made
    finally:
        made.rack.stop()
