"""Asks the daemon what the picture is made of: seldom, and no more than has to be asked.

Events tell that something happened, so they are asked for most often; while jobs run, and when there was an
event, everything is asked for, at most once a second. Readers learn of nearly everything by events; who gets
none, or only a few groups', looks more often. Used by one thread, for so is the session.
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
AUDITS = 50  # groups asked for their audits each time
GOING = ("queued", "running")


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
        self._audited: dict[str, Mapping[str, Any]] = {}

    def tick(self) -> bool:
        """Ask for what is due; whether the picture is another one now. Failure when nobody answers."""
        now = self._clock()
        if self._last is None:
            self._begin()
        news = self._hear()
        if news or now >= self._due.jobs or self._going():
            news |= self._ask_for_jobs(now)
        self._stale |= news
        if now >= self._due.whole or ((self._stale or self._going()) and now >= self._due.earliest):
            self._ask_for_all(now)
        elif not news:
            return False
        return self._draw()

    def trouble(self, words: str) -> bool:
        """Note on the picture why it is not up to date; whether that is new. "" when it is again."""
        if not self.picture:
            self.picture = {kind: [] for kind in picture.KINDS} | {"rack": [{"id": "rack", "trouble": ""}]}
        rack = self.picture["rack"][0]
        if rack["trouble"] == words:
            return False
        self.picture = {**self.picture, "rack": [{**rack, "trouble": words}]}
        return True

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

    def _ask_for_all(self, now: float) -> None:
        call = self._session.call
        self._stale = False
        self._answers = replace(
            self._answers,
            switches=call("GetSwitches", {}),
            ports=call("GetPorts", {}),
            trunks=call("GetTrunks", {}),
            hosts=call("GetHosts", {}),
            nodes=call("GetNodes", {}),
            headnodes=call("GetHeadNodes", {}),
            vlans=call("GetVlans", {}),
            groups=call("GetGroups", {}),
        )
        self._ask_for_audits()
        took = self._clock() - now
        self._due.earliest = now + max(LEAST, took / SHARE)
        self._due.whole = now + max(WHOLE[self._answers.sees], took / SHARE)

    def _ask_for_audits(self) -> None:
        """Ask for the audits of some groups, those first that were asked for longest ago."""
        names = [group["name"] for group in self._answers.groups]
        known = {name: audit for name, audit in self._audited.items() if name in set(names)}
        oldest = [*(name for name in names if name not in known), *known][:AUDITS]
        for name in oldest:
            known.pop(name, None)
            try:
                known[name] = self._session.call("GetAudit", name)  # at the end: asked last
            except Failure as failure:
                if failure.status != NOT_FOUND:  # the group is gone since
                    raise
        self._audited = known

    def _draw(self) -> bool:
        answers = replace(self._answers, audits=self._audited)
        old = self.picture
        self.picture, self._marks = picture.build(answers, self._marks)
        told = picture.difference(old, self.picture)
        return bool(told["set"] or told["all"])
