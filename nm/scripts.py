"""The hand of described pools' scripts on one machine, this one or one that is reached by SSH.

What a Script says is read by its shell, a process of its own for each stage, as the unprivileged account that
the site names. It is kept (nm/kept.py): bounded in time and in what it says, and none of it outlives nmd or
the connection. Behind a crash it is run again, from its beginning. Orders are those of nm/poolcarriers.py.
Called by threads of nm/scriptwork.py, several at once, for it has nothing of its own that changes.
"""

import logging
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from nm import kept
from nm.configdescriptions import Descriptions
from nm.errors import DeviceFailed, NMError
from nm.facts import Order, Outcome
from nm.hostlogin import Login
from nm.keptat import keep_at
from nm.pools.briefs import Brief, brief_in, called_off, what_in
from nm.pools.scripting import SCRIPTS, TIMEOUT, Shell, script_text, shell_of
from nm.pools.tree import spell

log = logging.getLogger("nm.scripts")

PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
CHECKS = ("construct", "prepare")


class ScriptHand:
    """Scripts on a machine.

    settings: what the site says now. locks: a folder for files of runs on this machine. login: how another
    machine is logged in to now; None: it is this one. ends: asked whether nmd is about to end.
    """

    def __init__(
        self,
        settings: Callable[[], Descriptions],
        locks: Path,
        login: Callable[[], Login | None],
        ends: Callable[[], bool],
    ) -> None:
        self._settings, self._locks, self._login, self._ends = settings, locks, login, ends

    # ---- a hand's face

    def run(self, orders: Sequence[Order], epoch: int) -> list[Outcome]:
        """One after the other, each by itself."""
        return [self._outcome(order) for order in orders]

    def read(self, facts: Sequence[str]) -> list[Outcome]:
        """What a script did is not nm's to know."""
        return [Outcome(seen={}) for _ in facts]

    def close(self) -> None:
        """Nothing is open."""

    # ---- one order

    def _outcome(self, order: Order) -> Outcome:
        if order.moot():
            return Outcome(moot=True)

        def unwanted() -> bool:
            return self._ends() or order.moot() or called_off(order)

        try:
            self._act(what_in(order), brief_in(order), unwanted)
        except NMError as error:
            return Outcome(error=error)
        return Outcome(seen={})

    def _act(self, what: str, brief: Brief, unwanted: Callable[[], bool]) -> None:
        if what in CHECKS:
            self._check(brief)
        elif (said := brief.attributes.get(SCRIPTS.get(what, ""))) is None:
            return
        elif what != "terminate":
            self._run(what, brief, said, unwanted)
        elif brief.deployed:
            self._clear_up(brief, said, unwanted)

    def _check(self, brief: Brief) -> None:
        """Invalid for what could never be run."""
        _shell(brief)
        for name in SCRIPTS.values():
            if name in brief.attributes:
                script_text(brief.attributes[name])

    def _clear_up(self, brief: Brief, said: object, unwanted: Callable[[], bool]) -> None:
        """The script at the end: when it fails, the part goes all the same. What may pass is tried again."""
        try:
            self._run("terminate", brief, said, unwanted)
        except NMError as error:
            if isinstance(error, DeviceFailed) and error.passing:
                raise
            log.warning("a script failed at the end", extra={"part": brief.name, "why": str(error)})

    def _run(self, stage: str, brief: Brief, said: object, unwanted: Callable[[], bool]) -> None:
        """Run it to its end. DeviceFailed when that is not a good one."""
        settings = self._settings()
        if not settings.shells:
            raise DeviceFailed("no commands are run on hosts", "descriptions.shells allows it", passing=False)
        shell = _shell(brief)
        run = kept.Run(
            command=shell.command,
            environment=_environment(stage, brief, shell),
            input=script_text(said),
            seconds=min(float(brief.worth(TIMEOUT)), settings.script_seconds),
            lock=brief.identity,
            folder=shell.folder,
            user=settings.user,
        )
        ended = keep_at(self._login(), self._locks, run, unwanted)
        if (failure := plain(ended).failure(run.seconds)) is not None:
            hint = f"see what {SCRIPTS[stage]} of {spell(brief.path)} does"
            raise DeviceFailed(f"{SCRIPTS[stage]} {failure}", hint, passing=ended.how == "busy")


def _shell(brief: Brief) -> Shell:
    return shell_of(brief.shell.attributes if brief.shell is not None else {})


def _environment(stage: str, brief: Brief, shell: Shell) -> dict[str, str]:
    """Nothing of nmd's own."""
    told = {"NM_POOL": brief.pool, "NM_COMPONENT": spell(brief.path), "NM_STAGE": stage}
    return {"PATH": PATH, "LANG": "C.UTF-8", **told, **shell.environment}


def plain(ended: kept.Ended) -> kept.Ended:
    """The same without what a terminal might act on."""
    said = ["".join(c if c.isprintable() or c == "\n" else " " for c in text) for text in ended.said]
    return replace(ended, said=said)
