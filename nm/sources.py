"""How it stands with the source of slices: a record that is read without asking it; and its methods. Pure.

`meta_standing` is there when the configuration names a source. It is written by the source's worker
(plcwork.py) after every try, and is all that is written when the source says nothing new.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from nm import delivery, departures, jobs, leases
from nm.calls import Call
from nm.errors import Conflict, Invalid
from nm.records import Record, name_of, new
from nm.store import Event, Reader, Transaction

SUBJECT = "plc:"
STANDING = "meta_standing"
WHO = "source"  # in events
TOLD = 5  # problems in one event

_BLANK: Mapping[str, Any] = {
    "online": False,
    "tried": None,
    "received": None,
    "as_of": None,
    "error": None,
    "offline_since": None,
    "node_id": None,
    "problems": [],
}


def configure(tx: Transaction, address: str, now: float) -> None:
    """There is that source, or none for ""; of another one than before nothing is known yet."""
    old = tx.get(STANDING)
    if not address:
        tx.delete(STANDING)
    elif old is None or old["address"] != address:
        tx.put(new("meta", name_of(STANDING), now, address=address, **_BLANK))


def note(tx: Transaction, now: float, events: Iterable[Event] = (), **told: Any) -> None:
    """Write down how it stands now; `told`: what is not as before. A source that comes or goes is told of."""
    old = tx.get(STANDING)
    if old is None:  # it was taken out of the configuration meanwhile
        return
    record = {**old, **told, "timestamp": int(now)}
    tx.put(record)
    for event in (*_news(old, record), *events):
        tx.tell(event)


def _news(old: Record, record: Record) -> Iterable[Event]:
    subject = f"source {record['address']}"
    if record["online"] and not old["online"]:
        yield Event(WHO, subject, "online")
    if not record["online"] and record["offline_since"] is not None and old["offline_since"] is None:
        yield Event(WHO, subject, "offline", str(record["error"]))
    if record["online"] and record["error"] is not None and record["error"] != old["error"]:
        yield Event(WHO, subject, "error", str(record["error"]))
    fresh = [problem for problem in record["problems"] if problem not in old["problems"]]
    if fresh:
        more = f"; and {len(fresh) - TOLD} more" if len(fresh) > TOLD else ""
        yield Event(WHO, subject, "problems", "; ".join(fresh[:TOLD]) + more)


# ---- methods


def get_source(reader: Reader, call: Call) -> Record:
    """How it stands; nil where there is nothing to tell."""
    standing = reader.get(STANDING) or {"address": "", **_BLANK}
    taken = reader.get(delivery.SOURCE) or {"sections": [], "problems": []}
    received = standing["received"]
    return {
        "address": standing["address"],
        "online": standing["online"],
        "tried": _seconds(standing["tried"]),
        "received": _seconds(received),
        "age": None if received is None else max(int(call.now - received), 0),
        "timestamp": standing["as_of"],
        "error": standing["error"],
        "offline_since": _seconds(standing["offline_since"]),
        "node_id": standing["node_id"],
        "problems": [*taken["problems"], *standing["problems"]],
        "held": sorted(leases.held(reader, departures.REMOVALS)),
        "sections": list(taken["sections"]),
    }


def _seconds(time: float | None) -> int | None:
    return None if time is None else int(time)


def ask_source(tx: Transaction, call: Call, options: Mapping[str, Any] | None = None) -> int:
    """Have it asked now; the job's id."""
    options = options or {}
    for name, value in options.items():
        if name != "older" or not isinstance(value, bool):
            raise Invalid(f"{name[:40]!r} is no option of AskSource", 'there is {"older": true}')
    if tx.get(STANDING) is None:
        raise Conflict("there is no source to ask", "name one by plc.address in the configuration")
    return jobs.submit(tx, call, SUBJECT, "ask", older=options.get("older", False))
