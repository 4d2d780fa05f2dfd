"""What nm notes of a sliver in its record: its small number, its wishes, what was read back. Pure.

The number (`_index`) is unique among the slivers whose guest may be there, and small: names on the host and
addresses are made of it. Numbers that were given back are a chain of records, so that giving one out or back
costs the same however many there are. `_index` is there before the guest and until after it, so it also says
whether something of a guest may be here, whatever a daemon that was killed had just been doing.
"""

from typing import Any

from nm import departures, slivers
from nm.records import Record, new, record_key
from nm.store import Event, Reader, Transaction

NUMBERS = "meta_indexes"


def _freed(number: int) -> str:
    return record_key("meta", f"index:{number}")


def allot(tx: Transaction, record: Record, now: float) -> Record:
    """The sliver's record with a number."""
    if record.get("_index"):
        return record
    numbers = tx.get(NUMBERS) or new("meta", "indexes", now, last=0, free=0)
    number = int(numbers["free"])
    if number:
        freed = tx.get(_freed(number))
        numbers = {**numbers, "free": freed["then"] if freed is not None else 0}
        tx.delete(_freed(number))
    else:
        number = int(numbers["last"]) + 1
        numbers = {**numbers, "last": number}
    tx.put(numbers)
    # One that its source made here stays, should the source call it delegated later.
    record = departures.observed(record, _index=number, _created=True)
    tx.put(record)
    return record


def give_back(tx: Transaction, record: Record, now: float) -> Record:
    """The record without its number; the guest was read back as absent. The caller puts it."""
    number = record.get("_index")
    if not number:
        return record
    numbers = tx.get(NUMBERS) or new("meta", "indexes", now, last=number, free=0)
    tx.put(new("meta", f"index:{number}", now, then=numbers["free"]))
    tx.put({**numbers, "free": number})
    return departures.observed(record, _index=None)


def note(tx: Transaction, key: str, now: float, **fields: Any) -> Record | None:
    """Write down what was seen of a sliver; nothing where that is known. A change of state is an event."""
    record = tx.get(key)
    if record is None:
        return None
    after = departures.observed(record, **fields)
    if fields.get("_state") == "absent":
        after = give_back(tx, after, now)
    if all(record.get(name) == after[name] for name in after):
        return record
    tx.put(after)
    if after.get("_state") != record.get("_state"):
        tell(tx, after, str(after["_state"]), after.get("_why") or "")
    error = after.get("_error")
    if error and error != record.get("_error"):
        tell(tx, after, "error", error)
    return after


def tell(tx: Transaction, record: Record, what: str, detail: str = "", who: str = "nm") -> None:
    """An event of that sliver."""
    tx.tell(Event(who, f"sliver {record['name']}", what, detail))


# ---- writes of the slivers' worker, by a record's key


def allot_to(tx: Transaction, key: str, now: float) -> None:
    """The same of the record as it is now."""
    if (record := tx.get(key)) is not None:
        allot(tx, record, now)


def tell_of(tx: Transaction, key: str, what: str, detail: str) -> None:
    """An event of that sliver, if it is still there."""
    if (record := tx.get(key)) is not None:
        tell(tx, record, what, detail)


def put_enforcers(tx: Transaction, words: list[str], now: float) -> None:
    """What guests can be held to here."""
    record = tx.get(slivers.ENFORCERS) or new("meta", "enforcers", now)
    tx.put({**record, "guests": words})


def with_guests(reader: Reader) -> list[Record]:
    """The slivers of whose guests something may be here."""
    return [record for record in reader.range("sliver") if record.get("_index")]
