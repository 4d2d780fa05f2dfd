"""Commands on another machine that are held for long, over SSH, while that is cut off without a word."""

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from nm import remote
from nm.errors import Unanswered
from nm.remote import Remote
from tests.switches.bridges import own_network
from tests.switches.sshd import HOST, Sshd, missing

pytestmark = pytest.mark.real


@pytest.fixture
def sshd(tmp_path: Path) -> Iterator[Sshd]:
    if problem := missing():
        pytest.skip(problem)
    with own_network(), Sshd(tmp_path) as running:
        yield running


class Held:
    """A command that is held; its sshd is stopped as soon as it runs."""

    def __init__(self, sshd: Sshd, file: Path) -> None:
        self._settings = {"address": HOST, "port": sshd.port, "timeout": 1}
        self._key, self._file = sshd.key, file
        self._stopped: list[int] = []

    def hold(self, wanted: bool) -> None:
        """Wait for its end. wanted: whether it still is when nobody answers any more."""
        machine = Remote("host vm", self._settings, {"key": self._key})
        machine.open()
        try:
            command = f"echo $$ > {self._file}; exec cat"
            machine.hold(command, b"", 600.0, lambda: self._stop() and not wanted, 1.5)
        finally:
            for pid in self._stopped:
                os.kill(pid, signal.SIGCONT)
            assert not machine.is_open

    def _stop(self) -> bool:
        if not self._stopped and self._file.exists() and self._file.read_text().endswith("\n"):
            self._stopped.append(_serving(int(self._file.read_text())))
            os.kill(self._stopped[0], signal.SIGSTOP)
        return bool(self._stopped)


def _serving(pid: int) -> int:
    """The process of sshd below which that one runs."""
    while not Path(f"/proc/{pid}/comm").read_text().startswith("sshd"):
        pid = int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
    return pid


def test_what_is_not_wanted_any_more_is_waited_for_only_so_long(sshd: Sshd, tmp_path: Path) -> None:
    with pytest.raises(Unanswered, match=r"no answer within 1\.5 s"):
        Held(sshd, tmp_path / "pid").hold(wanted=False)


def test_who_says_nothing_any_more_is_given_up(
    sshd: Sshd, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(remote, "LOOKS_ALIVE", 5)
    with pytest.raises(Unanswered, match="no answer within 2 s"):
        Held(sshd, tmp_path / "pid").hold(wanted=True)
