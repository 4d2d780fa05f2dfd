"""Asks the daemon what the picture is made of: seldom, and no more than has to be asked.

Events tell that something happened, so they are asked for most often. While jobs run, and when there was an
event, everything is asked for, at most once a second, one part after the other. Readers learn of nearly
everything by events; who gets none, or those of a few groups, looks more often. Used by one thread, for so is
the session.
"""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from nm.shell import picture, watch
from nm.shell.failures import NOT_FOUND, Failure
from nm.shell.picture import Answers, Mark, Picture
from nm.shell.session import Session

TICK = 0.5  # seconds between two questions for events
LEAST = 1.0  # between two whole pictures, however much happens
JOBS = 2.0  # between two questions for jobs while none is known
WHOLE = {True: 10.0, False: 3.0}  # between two whole pictures when nothing happens: to readers, to others
SHARE = 0.25  # of the time at most goes into whole pictures: large racks are asked for less often
EVENTS = 60  # kept
ENDED = 6  # jobs that were seen to run and are over, kept
GOING = ("queued", "running")
PARTS = {
    "groups": "GetGroups",
    "nodes": "GetNodes",
    "ports": "GetPorts",
    "switches": "GetSwitches",
    "trunks": "GetTrunks",
    "hosts": "GetHosts",
    "headnodes": "GetHeadNodes",
    "vlans": "GetVlans",
    "pools": "GetDescriptions",
}


@dataclass
class _Due:
    """When what is asked for next, by the clock."""

    whole: float = 0.0
    jobs: float = 0.0
    earliest: float = 0.0  # the next whole picture, if there is reason for one


class Lookout:
    """Keeps a picture up to date. `clock` gives seconds that never go back."""

    def __init__(self, session: Session, clock: Callable[[], float] = time.monotonic) -> None:
        self.picture: Picture = {}
        self._session = session
        self._clock = clock
        self._due = _Due()
        self._answers = Answers()
        self._marks: dict[str, Mark] = {}
        self._last: int | None = None  # the newest event's id
        self._stale = False  # something happened since the last whole picture
        self._left: list[str] = []  # the parts that a whole picture still needs
        self._parts: dict[str, Any] = {}  # those that are there
        self._began = 0.0

    @property
    def busy(self) -> bool:
        """Whether a whole picture is being asked for."""
        return bool(self._left)

    def refresh(self) -> bool:
        """Ask for everything that is due; whether the picture is another one now."""
        changed = self.tick()
        while self.busy:
            changed |= self.tick()
        return changed

    def tick(self) -> bool:
        """Ask for events, and one more thing if it is due; whether the picture is another one now.

        One more only, so that an event need not wait for all of a large rack. Failure when nobody answers.
        """
        now = self._clock()
        if self._last is None:
            self._begin()
        news = self._hear()
        if news or now >= self._due.jobs or (self._going() and not self.busy):
            news |= self._ask_for_jobs(now)
        self._stale |= news
        if not self.busy and self._is_due(now):
            self._left, self._parts, self._stale, self._began = list(PARTS), {}, False, now
        if not self.busy:
            return news and self._draw()
        news |= self._ask_for_part()
        return news and self._draw()

    def _is_due(self, now: float) -> bool:
        return now >= self._due.whole or ((self._stale or self._going()) and now >= self._due.earliest)

    def _begin(self) -> None:
        who = self._session.call("WhoAmI")
        sees = bool({"admin", "spy"} & set(who["rights"]))
        self._answers = Answers(who=who["name"], daemon=who["daemon"], sees=sees)
        self._last = max(0, watch.newest_event(self._session) - EVENTS)

    def _hear(self) -> bool:
        """Ask for events; whether there are new ones."""
        events = self._session.call("GetEvents", self._last, watch.PAGE)
        if not events:
            return False
        self._last = events[-1]["id"]
        self._answers = replace(self._answers, events=[*self._answers.events, *events][-EVENTS:])
        return True

    def _going(self) -> bool:
        return any(job["state"] in GOING for job in self._answers.jobs)

    def _ask_for_jobs(self, now: float) -> bool:
        """Ask for the jobs that run, and how those ended that ran; whether anything is new."""
        self._due.jobs = now + JOBS
        before = self._answers.jobs
        going = self._session.call("GetJobs", {"state": list(GOING)})
        ids = {job["id"] for job in going}
        over = [job for job in before if job["id"] not in ids]
        ended = [self._ended(job) if job["state"] in GOING else job for job in over]
        jobs = [*[job for job in ended if job is not None][-ENDED:], *going]
        self._answers = replace(self._answers, jobs=jobs)
        return jobs != list(before)

    def _ended(self, job: Mapping[str, Any]) -> Mapping[str, Any] | None:
        try:
            found: Mapping[str, Any] = self._session.call("GetJob", job["id"])
        except Failure as failure:
            if failure.status != NOT_FOUND:
                raise
            return None
        return found

    def _ask_for_part(self) -> bool:
        """Ask for one part of a whole picture; whether it was the last."""
        part = self._left[0]
        self._parts[part] = self._session.call(PARTS[part], {})
        self._left.pop(0)  # now that there was an answer
        if self._left:
            return False
        self._answers = replace(self._answers, **self._parts)
        self._ask_for_drift()
        now = self._clock()
        rest = (now - self._began) / SHARE
        self._due.earliest = self._began + max(LEAST, rest)
        self._due.whole = self._began + max(WHOLE[self._answers.sees], rest)
        return True

    def _ask_for_drift(self) -> None:
        """Ask for what audits found: readers by one call, others for those of their groups that drifted."""
        if self._answers.sees:
            known = self._session.call("GetDrift")
            drift = {**known["groups"], "": known["pool"]}
            self._answers = replace(self._answers, drift=drift, audited=known["at"])
            return
        drift = {}
        for name in (group["name"] for group in self._answers.groups if group["drift"]):
            try:
                drift[name] = self._session.call("GetAudit", name)["differences"]
            except Failure as failure:
                if failure.status != NOT_FOUND:  # the group is gone since
                    raise
        self._answers = replace(self._answers, drift=drift)

    def _draw(self) -> bool:
        old = self.picture
        self.picture, self._marks = picture.build(self._answers, self._marks)
        told = picture.difference(old, self.picture)
        return bool(told["set"] or told["all"])
