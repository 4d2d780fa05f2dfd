"""The desk at which tickets are handed in: looked at outside of any transaction, used and delivered in one.

Anybody may hand one in, so what it costs is bounded: few are looked at at a time, and whoever comes meanwhile
waits for a while. Called by the door.
"""

import contextlib
import socket
import threading
from collections.abc import Callable
from functools import partial
from pathlib import Path

from nm import delivery, slices, tickets
from nm.calls import Call
from nm.config import Config
from nm.departures import observed
from nm.errors import Conflict, Invalid, LimitReached, NMError
from nm.plc import read_node_id, reading_of
from nm.records import Record, record_key
from nm.slices import DELEGATED, Reading, Reply, read_reply
from nm.store import Event, Reader, Store, Transaction
from nm.ticketkeys import TicketKeys
from nm.tickets import Rules, Ticket

AT_ONCE = 2
PATIENCE = 20.0  # seconds
SKEW = 300.0  # seconds that an administrator's clock may be ahead


def open_desk(store: Store, config: Callable[[], Config]) -> "TicketDesk":
    """The desk of an installation. Its configuration, and the files that it names, may change."""
    keys = TicketKeys(config().tickets.keys)

    def rules() -> Rules:
        found = config()
        names = {socket.gethostname(), *found.tickets.nodes}
        with contextlib.suppress(NMError):  # no PLC, no id
            names.add(str(read_node_id(Path(found.plc.node_id_file))))
        return Rules(frozenset(names), keys.now(), found.tickets.old)

    return TicketDesk(store, rules, lambda: reading_of(config(), None))


class TicketDesk:
    """Takes tickets. `rules` and `reading` are asked for each; the former may read keys anew."""

    def __init__(self, store: Store, rules: Callable[[], Rules], reading: Callable[[], Reading]) -> None:
        self._store = store
        self._rules = rules
        self._reading = reading
        self._gate = threading.BoundedSemaphore(AT_ONCE)

    def take(self, call: Call, text: str) -> int:
        """A signed ticket: Invalid, Denied, or Conflict when it was used before or is stale; else 1."""
        if not self._gate.acquire(timeout=PATIENCE):
            raise LimitReached("too many tickets are being looked at", "hand it in again later")
        try:
            ticket = tickets.verify(text, call.now, self._rules())
            told = _only(read_reply(ticket.reply, self._how()))
        finally:
            self._gate.release()
        self._store.transact(partial(accept, ticket=ticket, told=told, call=call))
        return 1

    def take_unsigned(self, call: Call, text: str) -> int:
        """What an administrator vouches for: any number of slivers. It removes nobody."""
        reply = read_reply(tickets.unsigned(text), self._how())
        if reply.problems:
            raise Invalid("; ".join(reply.problems), "nothing was changed")
        if reply.timestamp > call.now + SKEW:
            raise Invalid("it is as of a time to come", "nothing that its source says later would count")
        told = list(reply.records.values())
        for one in told:
            delivery.check(self._store, one)
            if self._is_ignored(one, call.now):
                hint = "give it a newer timestamp"
                raise Conflict(f"sliver {one['name']} is known otherwise as of the same time", hint)
        delivery.deliver_all(self._store, told, call.now, created)
        return 1

    def _is_ignored(self, told: Record, now: float) -> bool:
        """Whether it is no news by its time alone."""
        old, known = self._store.get(told["record_key"]), delivery.newest(self._store, told["record_key"])
        if old is None or told["timestamp"] != known:
            return False
        return delivery.delivered(old, told, now, older=True) is not None

    def _how(self) -> Reading:
        """Read as the source's replies are, with the defaults that it told last."""
        reading = self._reading()
        known = self._store.get(record_key("sliver", slices.default_slice(reading)))
        return reading if known is None else slices.with_defaults(reading, known["tags"])


def _only(reply: Reply) -> Record:
    for record in reply.records.values():
        return record
    raise Invalid(f"this is no ticket: {'; '.join(reply.problems)}", "have it signed anew")


def accept(tx: Transaction, ticket: Ticket, told: Record, call: Call) -> None:
    """Use the ticket, and have its sliver. One that is known better already is made as it is known.

    A source tells of delegated slivers all the time; that one is older than what it said last is no fault
    of who brings it.
    """
    tickets.spend(tx, call.now, ticket)
    if not _is_known(tx, told):
        delivery.deliver(tx, told, call.now)
    created(tx, told["record_key"])
    detail = f"by {call.caller.name}, signed by {ticket.signer}"
    tx.tell(Event(call.caller.name, f"sliver {told['name']}", "ticket used", detail))


def created(tx: Transaction, key: str) -> None:
    """A delegated sliver is to be there, as by Create."""
    record = tx.get(key)
    if record is not None and record["instantiation"] == DELEGATED and not record.get("_created"):
        tx.put(observed(record, _created=True, _stopped=False))


def _is_known(reader: Reader, told: Record) -> bool:
    """Whether it is there to be created, as of the ticket's time or later."""
    old = reader.get(told["record_key"])
    if old is None or old.get("_gone") or old["instantiation"] != DELEGATED:
        return False
    return bool(told["timestamp"] <= delivery.newest(reader, told["record_key"]))
