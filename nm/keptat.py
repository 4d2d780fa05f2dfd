"""A kept run on a host's machine: this one, or another that is logged in to for it. Called by hands."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from nm.facts import never
from nm.hostlogin import Login, log_in
from nm.kept import Ended, Run, keep


def keep_at(login: Login | None, locks: Path, run: Run, unwanted: Callable[[], bool] = never) -> Ended:
    """As `kept.keep`; on this machine the run's `lock` is in that folder. login: of another machine."""
    if login is None:
        return keep(replace(run, lock=str(locks / run.lock)), unwanted)
    from nm.keptthere import keep_there  # SSH's library is loaded where a host needs it

    machine = login.machine()
    try:
        log_in(machine, login.meet)
        return keep_there(machine, run, unwanted)
    finally:
        machine.close()
