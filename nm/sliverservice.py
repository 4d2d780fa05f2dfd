"""What the service does for slivers: wakes their workers, and makes them. A part of nm/service.py.

Nothing of it runs, or costs anything, while there are no records of slivers and slivers.uri is empty; records
of a source and loans work without a libvirt all the same.
"""

import threading
import time
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from nm import facts, guestwork, machine_xml, people, shaping, slivermarks, slivers, sliverwork, startup
from nm.briefs import TYPES, bridge_of, host_of
from nm.calls import NM, Call, Site
from nm.config import Config
from nm.converge import Tools
from nm.guestmaking import HOST
from nm.guestwork import Guests, GuestsWorker
from nm.leases import Clocks
from nm.records import Record, kind_of, name_of, record_key
from nm.sliverwork import AccountChanged, Manner, SliversWorker, Wake
from nm.store import Published, Reader, Store, Transaction, portions
from nm.timekeeper import Timekeeper
from nm.workers import Handler

_FOR_ALL = (slivers.ENFORCERS, "meta_source:leases", "meta_source:reservation_policy")

OpenGuests = Callable[[Config, Store], Guests]


class Slivers:
    """All that the service has for slivers. `open_guests` opens the hand of their guests."""

    def __init__(
        self,
        config: Config,
        tools: Tools,
        timekeeper: Timekeeper,
        clocks: Clocks,
        site: Callable[[], Site],
        open_guests: OpenGuests,
    ) -> None:
        self.config = config
        self._store = tools.store
        self._send = tools.send
        self._open_guests = open_guests
        self._host = host_of(config)
        self._known = threading.Event()  # which guests run was read back since this daemon began
        manner = Manner(
            host=self._host,
            look=lambda: self.config.slivers.look_seconds,
            call=lambda: Call(NM, "Create", time.time(), site()),
            waits=startup.sliver_waits,
            grace=lambda: self.config.slivers.grace_seconds,
            doubted=lambda: timekeeper.doubts,
            looked=self._known.set,
        )
        self._worker = SliversWorker(tools, manner)
        self._shaping = shaping.Shaping(
            self._store, lambda: self.config.slivers, _mac, clocks, partial(bridge_of, config.slivers.uri)
        )

    # ---- waking

    def published(self, publication: Published) -> None:
        """Wake whom these changes concern; called for every publication, so it is quick."""
        names, everybody = [], False
        for key, record in publication.changes.items():
            kind = kind_of(key)
            if kind == "sliver":
                names.append(name_of(key))
            elif kind == "account" and (record is None or record["type"] in people.OF_SLIVERS):
                self._account_changed(name_of(key))
            elif kind == "image" or key in _FOR_ALL:
                everybody = True
        if everybody and self._any():
            self._send(sliverwork.SUBJECT, Wake())
        elif names:
            self._send(sliverwork.SUBJECT, Wake(tuple(names)))
        if self._shapes and (look := shaping.concerned(publication.changes)) is not None:
            self._send(shaping.SUBJECT, look)

    @property
    def _shapes(self) -> bool:
        return self._host.type is not None and bool(self.config.slivers.network)

    def _account_changed(self, account: str) -> None:
        if self._any():
            self._send(sliverwork.SUBJECT, AccountChanged(account))

    def _any(self) -> bool:
        first: Record | None = next(iter(self._store.range("sliver")), None)
        return first is not None

    def wake(self, job: Record) -> bool:
        """A job is queued: whether it is one of a sliver's, whose worker is told."""
        kind, _, name = str(job["subject"]).partition(":")
        if kind == "sliver":
            self._send(sliverwork.SUBJECT, Wake((name,), urgent=True))
        return kind == "sliver"

    def look(self) -> None:
        """Look at everything: at a start, and when the configuration was read again."""
        if self._host.type is not None or self._any():
            self._send(sliverwork.SUBJECT, Wake())
        if self._shapes:
            self._send(shaping.SUBJECT, shaping.Look())

    # ---- after a reboot

    def rebooted(self) -> None:
        """Nothing of them runs: that is known before anybody looks."""
        keys = [record["record_key"] for record in slivermarks.with_guests(self._store)]
        for few in portions(keys):
            self._store.transact(partial(_stopped, keys=few))

    def candidates(self) -> list[str]:
        """Those that are to run, as subjects of the line to be started; those that run will take no turn."""
        records = sorted(self._store.range("sliver"), key=lambda record: str(record["name"]))
        return [f"{startup.SLIVER}:{one['name']}" for one in records if self._runs(self._store, one)]

    def starts(self, reader: Reader, name: str) -> bool | None:
        """Whether the sliver is to run, and does not; None when nobody has looked yet."""
        record = reader.get(record_key("sliver", name))
        if record is None or not self._runs(reader, record):
            return False
        return slivers.state_of(record) != slivers.RUNNING if self._known.is_set() else None

    def _runs(self, reader: Reader, record: Record) -> bool:
        value = slivers.meant(reader, record, self._host, time.time()).value
        return value is not None and bool(value["running"])

    def begun(self, subject: str) -> None:
        """It is that one's turn to be started."""
        kind, _, name = subject.partition(":")
        if kind == startup.SLIVER:
            self._send(sliverwork.SUBJECT, Wake((name,), urgent=True))

    # ---- handlers

    def handler(self, subject: str) -> Handler | None:
        """The handler of a subject of slivers; None for others."""
        if subject == sliverwork.SUBJECT:
            return self._worker
        if subject == shaping.SUBJECT:
            return self._shaping
        if subject == guestwork.SUBJECT:
            return GuestsWorker(partial(self._open_guests, self.config, self._store), self._store.epoch)
        return None


def _mac(record: Record) -> str:
    """Of its NIC."""
    return machine_xml.mac_of(HOST, facts.sliver_domain(record["account"]))


def _stopped(tx: Transaction, keys: list[str]) -> None:
    for key in keys:
        record = tx.get(key)
        if record is not None:
            made: Mapping[str, Any] | None = record.get("_made")
            still = {**made, "running": False, "frozen": False} if made is not None else None
            slivermarks.note(tx, key, 0.0, _state=slivers.STOPPED, _made=still)


def site(config: Config) -> dict[str, Any]:
    """What a Site says of slivers."""
    return {"slivers": config.slivers.uri in TYPES}
