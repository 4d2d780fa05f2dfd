"""The source's worker: asks it when that is due, or when told to, and has what it says taken in.

The handler of "plc:". It waits for the source in that subject's own thread, so nobody else does. Readers
look at the record that it writes after each try (sources.py). What was remembered of the last run is taken in
first, when nothing newer is known; it removes nobody.
"""

import logging
import os
import posixpath
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from nm import conffiles, delivery, jobs, leases, nodekeys, plchand, sources
from nm.config import Config
from nm.disk import Disk
from nm.errors import Conflict, DeviceFailed, NMError
from nm.exchange import Cut, Limits, parse_place
from nm.lastgood import LastGood
from nm.plc import Login, Source, Standing, Watch, open_source, read_node_id, reading_of
from nm.records import Record, record_key
from nm.slices import Reading, Reply, few
from nm.store import Event, Store
from nm.workers import Job

log = logging.getLogger("nm.plcwork")

PAUSE = 5.0  # seconds until a database that took no writes is tried again
SILENCE = 30.0  # seconds
FILE_LIMITS = Limits(SILENCE, 60.0, plchand.LARGEST)
KEPT = "plc.json"  # in the database's folder: the last good reply


_OLDER = "nothing was changed; see its clock, or timestamp; if it is right, AskSource with the option older"


class Look:
    """See whether it is time to ask."""


class PlcWorker:
    """Asks. `secret`: name to text; `up`: a clock that nobody sets; `chance`: from 0 to 1."""

    def __init__(
        self,
        store: Store,
        config: Config,
        secret: Callable[[str], str],
        clock: Callable[[], float],
        up: Callable[[], float],
        chance: Callable[[], float],
    ) -> None:
        self._store = store
        self.config = config  # replaced when it is read anew; its address and whom to trust stay
        self._secret = secret
        self._clock, self._up, self._chance = clock, up, chance
        self._last = LastGood(Path(config.daemon.database) / KEPT, Disk())
        self._watch: Watch | None = None
        self._source: Source | None = None
        self._opened_for: object = None
        self._node_id: int | None = None
        self._jobs: list[int] = []
        self._cut = Cut()
        self._asked: float | None = None  # when, by `up`
        self._luck = 0.0

    def handle(self, batch: Sequence[Any]) -> float | None:
        """Ask if somebody wants it or it is time; seconds until it is time again."""
        self._jobs += [item.number for item in batch if isinstance(item, Job)]
        try:
            if not self.config.plc.address:
                self._over(self._jobs, Conflict("there is no source to ask any more"))
                return None
            if self._jobs or self._left() <= 0:
                self._ask(self._begun())
        except DeviceFailed as error:  # of the database: the jobs wait
            log.error("what the source says cannot be written down", extra={"why": str(error)})
            return PAUSE
        return self._left()

    def _left(self) -> float:
        """Seconds until it is time to ask."""
        if self._asked is None:
            return 0.0
        plc = self.config.plc
        return max(self._asked + pause(plc.period_seconds, plc.jitter_seconds, self._luck) - self._up(), 0.0)

    def end(self) -> None:
        """Wait for the source no longer: the daemon ends. From any thread."""
        self._cut.make()

    # ---- the source

    def _begun(self) -> Watch:
        """The watch over it; the first time what was remembered is taken in."""
        if self._watch is None:
            watch = Watch(self._opened, self._last, _standing(self._store.get(sources.STANDING)))
            remembered = watch.remembered()
            if remembered is not None:
                changed = delivery.recall(self._store, remembered, self._clock())
                log.info("remembered what the source said last", extra={"changed": len(changed)})
            self._watch = watch
        return self._watch

    def _opened(self) -> tuple[Source, Reading]:
        """The source as it is to be asked now: the node's id may have come, or be another one."""
        plc = self.config.plc
        self._node_id = None
        self._node_id = node_id = read_node_id(Path(plc.node_id_file))
        wanted = (node_id, plc.timeout_seconds)
        if self._source is None or wanted != self._opened_for:
            login = Login(node_id, self._lookup(plc.node_key), self._lookup(plc.session))
            limits = Limits(min(SILENCE, plc.timeout_seconds), plc.timeout_seconds, cut=self._cut)
            self._source = open_source(plc.address, plc.ca or None, login, self._clock, limits)
            self._opened_for = wanted
        return self._source, reading_of(self.config, node_id)

    def _lookup(self, name: str) -> Callable[[], str] | None:
        return partial(self._secret, name) if name else None

    # ---- asking

    def _ask(self, watch: Watch) -> None:
        numbers = list(self._jobs)
        older = any(self._wants_older(number) for number in numbers)
        for number in numbers:
            self._advance(number, state="running", total=1)
        self._asked, self._luck = self._up(), self._chance()
        reply = watch.ask(self._clock())
        if self._cut.made:
            return  # nobody knows how it stands; the jobs go on with the next daemon
        outcome, refusal = None, None
        done = plchand.Done()
        if reply is not None:
            outcome, refusal = self._taken(reply, older)
            self._obey(done)
        self._note(watch.standing, refusal, done)
        if outcome is None:
            refusal = refusal or DeviceFailed(str(watch.standing.error))
        self._over(numbers, refusal, outcome)

    def _taken(self, reply: Reply, older: bool) -> tuple[delivery.Outcome | None, NMError | None]:
        """What the reply led to, and why it does not count."""
        found = self.config.leases
        rules = leases.Rules(
            found.grace_seconds, found.clock_jump_seconds, found.mass_share, found.mass_floor
        )
        known = delivery.minimum(self._store)
        try:
            outcome = delivery.update(
                self._store, reply, self._clock(), rules, self.config.slivers.grace_seconds, older=older
            )
        except DeviceFailed:
            raise
        except NMError as error:
            return None, error
        if outcome.stale and reply.timestamp < known:
            return outcome, Conflict(f"the reply is as of {reply.timestamp}, and {known} is known", _OLDER)
        if outcome.stale and delivery.differs(self._store, reply, self._clock()):
            return outcome, Conflict(
                f"the reply is as of {known}, as the last one, and is not the same", _OLDER
            )
        return outcome, None

    def _obey(self, done: plchand.Done) -> None:
        """Files and keys of this machine, as far as the site allows. One of both holds up no other."""
        for what, act in (("files", self._have_files), ("accounts", self._have_keys)):
            try:
                act(done)
            except NMError as error:
                done.problems.append(f"{what}: {error}")

    def _have_files(self, done: plchand.Done) -> None:
        plc = self.config.plc
        if not plc.conf_folders:
            return
        told = delivery.section(self._store, "conf_files")
        files, problems = conffiles.wanted(told, plc.conf_folders, _own_places(self.config))
        done.problems += problems
        if files:
            place = parse_place(plc.address, plc.ca or None)
            fetch = plchand.fetcher(place, replace(FILE_LIMITS, cut=self._cut))
            plchand.write_files(files, fetch, Path(self.config.accounts.root), done)

    def _have_keys(self, done: plchand.Done) -> None:
        found = self.config.accounts
        if not self.config.plc.accounts:
            return
        told = delivery.section(self._store, "accounts")
        keys, problems = nodekeys.wanted(told, self.config.plc.accounts)
        done.problems += problems
        plchand.write_keys(keys, Path(found.root), range(found.first_uid, found.last_uid + 1), done)

    # ---- what is written down

    def _note(self, standing: Standing, refusal: NMError | None, done: plchand.Done) -> None:
        events = [Event(sources.WHO, *news) for news in done.news]
        told: dict[str, Any] = {
            "online": standing.online,
            "tried": standing.tried,
            "received": standing.received,
            "as_of": standing.timestamp,
            "error": str(refusal) if refusal is not None else standing.error,
            "offline_since": standing.offline_since,
            "node_id": self._node_id,
        }
        if standing.online:  # else they are as they were
            told["problems"] = list(few(done.problems))
        self._store.transact(partial(sources.note, now=self._clock(), events=events, **told))

    def _wants_older(self, number: int) -> bool:
        job = self._store.get(record_key("job", number))
        return job is not None and bool(job["arguments"].get("older"))

    def _over(
        self, numbers: Sequence[int], refusal: NMError | None, outcome: delivery.Outcome | None = None
    ) -> None:
        """These jobs are over."""
        for number in list(numbers):
            if refusal is not None:
                error = {"code": refusal.code, "text": str(refusal)}
                self._advance(number, state="failed", error=error)
            elif outcome is not None:
                self._advance(number, state="done", done=1, result=_result(outcome))
            self._jobs.remove(number)

    def _advance(self, number: int, **fields: Any) -> None:
        now = self._clock()
        self._store.transact(lambda tx: jobs.advance(tx, number, now, **fields))

    def failed(self, batch: Sequence[Any], words: str) -> None:
        """Who waits and who looks is told; the source is asked again when that is due."""
        self._store.transact(partial(sources.note, now=self._clock(), error=words))
        self._over(self._jobs, DeviceFailed(words))

    def close(self) -> None:
        """Nothing to let go of: each question has a connection of its own."""


def pause(period: float, jitter: float, chance: float) -> float:
    """Seconds between two questions, so that not all nodes ask at once."""
    return period + chance * jitter


def _standing(record: Record | None) -> Standing:
    """How it stood when the last daemon ended, so that nobody is told twice."""
    if record is None:
        return Standing()
    names = ("online", "tried", "received", "error", "offline_since")
    return Standing(timestamp=record["as_of"], **{name: record[name] for name in names})


def _own_places(config: Config) -> frozenset[str]:
    """Folders and files where nobody but an administrator writes, also by their names without links."""
    found = (
        "/etc/nm", "/run/nm", "/usr/lib/nm", config.daemon.database, config.secrets.folder,
        config.tickets.keys, config.power.programs, config.hooks.before_give, config.hooks.after_return,
        *config.images.folders, config.export.folder, config.accounts.homes, config.plc.ca,
        config.plc.node_id_file,
    )  # fmt: skip
    named = [one for one in found if one]
    return frozenset({*map(posixpath.normpath, named), *map(os.path.realpath, named)})


def _result(outcome: delivery.Outcome) -> Record:
    return {
        "changed": len(outcome.changed),
        "removed": len(outcome.removed),
        "held": len(outcome.held),
        "stale": outcome.stale,
    }
