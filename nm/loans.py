"""Loans between slivers: who lends what to whom, which loans are in force, and what each then has. Pure.

The rules: a lender's loans are looked at in the order of its list. Each is in force when its recipient is a
sliver here and the amount is no more than what is left of what *the lender itself was given*, less the
minimum that it keeps; what it was lent is not lent on. A loan to oneself changes nothing but what is left.
A loan that is not in force stays in the list, with the reason, and comes into force when it can.

What is derived is kept in the sliver's record: `_why_not` (beside each of `_loans`: None where it is in
force, else the reason), `_borrowed` (resource -> what others lend it) and `_rspec` (effective: given, less
lent, plus borrowed). It is moved by differences, so a change costs what the loans concerned cost, however
many slivers there are. `meta_lenders:NAME` has those who name a sliver in their loans, whether or not it
exists. When one comes or goes they are to be looked at again, one a transaction (`settle`): until then a
loan to one who has just come is not in force, and what was lent to one who has gone is nobody's.
`meta_loans` says how far that is, so a crash loses nothing of it.

Every record of a sliver is written by `place` and removed by `take_away`, so that this stays true. Who may
call is decided before (nm/rights.py). A sliver's `timestamp` is its source's, so nothing here touches it.
One that is to go lends and borrows until its record is deleted: nothing is lost if its source lists it again.
"""

from bisect import bisect_right, insort
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from nm.calls import Call
from nm.counted import counted
from nm.errors import Invalid
from nm.records import Record, check_name, name_of, new, record_key
from nm.rspec import MINIMUMS, NAMES, Rspec, complete, worded
from nm.store import Event, Reader, Transaction

Loan = list[Any]  # [recipient, resource, amount], as the API has it
Lent = Counter[tuple[str, str]]  # (recipient, resource) -> amount in force

MOST_LOANS = 100  # in one list
MOST_RECIPIENTS = (
    24  # of one list: the old one's and the new one's records, and their indexes, are one transaction
)
DUE = "meta_loans"


# ---- what is asked for


def set_loans(tx: Transaction, call: Call, lender: str, given: object) -> int:
    """The sliver lends this and nothing else from now on."""
    record = sliver(tx, lender)
    _store(tx, record, {**record, "_loans": parse(lender, given)}, call.caller.name)
    return 1


def parse(lender: str, given: object) -> list[Loan]:
    """Loans as records keep them: resources by their own names and units. A flat triple is a list of one."""
    if not isinstance(given, list | tuple):
        raise Invalid("the loans are not a list", _AS)
    if len(given) == 3 and isinstance(given[0], str):
        given = [given]
    if len(given) > MOST_LOANS:
        raise Invalid(
            f"{counted(len(given), 'loan')} in one list", f"at most {MOST_LOANS}; put some together"
        )
    loans = [_parse_one(f"loan {number}", entry) for number, entry in enumerate(given, start=1)]
    if len(_named(lender, loans)) > MOST_RECIPIENTS:
        raise Invalid(
            f"{lender} would lend to {counted(len(_named(lender, loans)), 'other sliver')}",
            f"one sliver lends to at most {MOST_RECIPIENTS}",
        )
    return loans


_AS = 'give a list as [["princeton_eisentest", "cpu_min", 200]]; [] ends all loans'


def _parse_one(what: str, entry: object) -> Loan:
    if not isinstance(entry, list | tuple) or len(entry) != 3:
        raise Invalid(f"{what} is not a recipient, a resource and an amount", _AS)
    recipient, resource, amount = entry
    check_name(recipient, f"{what}: recipient")
    row, per = NAMES.get(resource, (None, 1)) if isinstance(resource, str) else (None, 1)
    if row is None or row.name not in MINIMUMS:
        raise Invalid(
            f"{what}: {str(resource)[:70]!r} is nothing that can be lent", f"one of {', '.join(MINIMUMS)}"
        )
    if type(amount) is not int:
        raise Invalid(f"{what}: the amount is not an int", f"give a whole number of {row.unit}")
    try:
        return [recipient, row.name, row.read(amount, per)]
    except Invalid as wrong:
        raise Invalid(f"{what}: {wrong.message}", wrong.hint) from None


def get_loans(reader: Reader, name: str) -> list[Loan]:
    """What the sliver means to lend, in force or not."""
    return [list(loan) for loan in _loans(sliver(reader, name))]


def get_loan_states(reader: Reader, name: str) -> list[dict[str, Any]]:
    """The same, and of each whether it is in force and why not."""
    record = sliver(reader, name)
    return [
        {
            "recipient": to,
            "resource": resource,
            "amount": amount,
            "in_force": why is None,
            "reason": why or "",
        }
        for (to, resource, amount), why in zip(_loans(record), _reasons(record), strict=True)
    ]


def get_rspec(reader: Reader, name: str) -> Rspec:
    """What the sliver was given."""
    return complete(sliver(reader, name)["rspec"])


def get_effective_rspec(reader: Reader, name: str) -> Rspec:
    """What the sliver has: what it was given, less what it lends, and what is lent to it."""
    return dict(sliver(reader, name)["_rspec"])


def sliver(reader: Reader, name: str) -> Record:
    """The record of a sliver that has resources; Invalid for any other name, as PlanetLab had it."""
    record = reader.get(record_key("sliver", name))
    if record is not None and not record["type"].startswith("sliver."):
        words = f"{name} is no sliver of this node but a controller, which has no guest and no resources"
        raise Invalid(words, "GetSlivers tells what each is")
    if record is None or not has_resources(record):
        raise Invalid(f"{name} is no sliver of this node", "GetXIDs lists those that have accounts here")
    return record


def has_resources(record: Record | None) -> bool:
    """Whether it can lend and be lent to. A controller has no guest, and so no use for either."""
    return record is not None and record["type"].startswith("sliver.") and "rspec" in record


# ---- slivers that come, change and go


def place(tx: Transaction, record: Record) -> Record:
    """Write a sliver's record, new or with new fields of its source, and what follows for loans.

    What is derived here is taken from the record that is there. Afterwards `settle` until it has done all.
    """
    name = name_of(record["record_key"])
    before = tx.get(record["record_key"])
    own = {key: value for key, value in (before or {}).items() if key in _DERIVED}
    after = {**{key: value for key, value in record.items() if key not in _DERIVED}, **own}
    if has_resources(after) != has_resources(before):
        after["_borrowed"] = _lent_to(tx, name) if has_resources(after) else {}
        _look_again(tx, name, record["timestamp"])
    return _store(tx, before, after, "nm")


_DERIVED = ("_loans", "_why_not", "_borrowed", "_rspec")


def take_away(tx: Transaction, name: str, now: float) -> None:
    """Delete a sliver's record; its loans end. Afterwards `settle` until it has done all."""
    before = tx.get(record_key("sliver", name))
    if before is None:
        return
    _move(tx, before, {**before, "_loans": [], "_why_not": []}, "nm")
    tx.delete(before["record_key"])
    if has_resources(before):
        _look_again(tx, name, now)


def settle(tx: Transaction) -> bool:
    """Look again at the loans of one lender for whom something has changed; False when there is none left."""
    due = tx.get(DUE)
    if due is None:
        return False
    name, last = next(iter(due["recipients"].items()))
    lenders = lenders_of(tx, name)
    position = bisect_right(lenders, last)
    rest = {key: value for key, value in due["recipients"].items() if key != name}
    if position < len(lenders):
        lender = lenders[position]
        record = tx.get(record_key("sliver", lender))
        if record is not None:
            _store(tx, record, record, "nm")
        rest = {**due["recipients"], name: lender}
    _put_due(tx, rest, due["timestamp"])
    return True


def lenders_of(reader: Reader, name: str) -> list[str]:
    """Who names the sliver in its loans, in order; also when there is no such sliver."""
    index = reader.get(_lenders_key(name))
    return list(index["lenders"]) if index is not None else []


def _lenders_key(name: str) -> str:
    return record_key("meta", f"lenders:{name}")


def _look_again(tx: Transaction, name: str, now: float) -> None:
    """Whoever names this sliver in its loans is to be looked at, from the first."""
    if lenders_of(tx, name):
        due = tx.get(DUE)
        _put_due(tx, {**(due["recipients"] if due else {}), name: ""}, now)


def _put_due(tx: Transaction, recipients: Mapping[str, str], now: float) -> None:
    """`recipients`: whose lenders are to be looked at -> the last lender that was."""
    if recipients:
        tx.put(new("meta", "loans", now, recipients=dict(recipients)))
    else:
        tx.delete(DUE)


def _lent_to(reader: Reader, name: str) -> dict[str, int]:
    """What is in force for the sliver by its lenders' records; these may be from before it went."""
    total: Counter[str] = Counter()
    for lender in lenders_of(reader, name):
        for (recipient, resource), amount in _lent(reader.get(record_key("sliver", lender))).items():
            if recipient == name:
                total[resource] += amount
    return dict(total)


# ---- the rules


def judge(
    name: str, given: Mapping[str, Any], loans: Iterable[Loan], who: Callable[[str], str]
) -> list[str | None]:
    """For each loan None when it is in force, else why not. `who`: what is wrong with a recipient, or ""."""
    left = dict(given)
    found: list[str | None] = []
    for recipient, resource, amount in loans:
        most = left[resource] - MINIMUMS[resource]
        why = who(recipient)
        if not why and amount > most:
            before = given[resource] - left[resource]
            why = (
                f"that is more than the {max(most, 0)} that {name} can lend: {given[resource]} given"
                f"{f', {before} lent before' if before else ''}, {MINIMUMS[resource]} to keep"
            )
        if not why:
            left[resource] -= amount
        found.append(why or None)
    return found


def _who(reader: Reader, lender: Record) -> Callable[[str], str]:
    """What is wrong with a recipient of this lender's."""

    def problem(recipient: str) -> str:
        if not has_resources(lender):
            return "a controller has nothing to lend"
        key = record_key("sliver", recipient)
        record = lender if key == lender["record_key"] else reader.get(key)
        if record is None:
            return f"there is no sliver {recipient} on this node"
        return "" if has_resources(record) else f"{recipient} is a controller, which has no use for it"

    return problem


def effective(record: Record) -> Rspec:
    """What a sliver has: given, less lent, plus borrowed."""
    if not has_resources(record):
        return {}
    values = complete(record["rspec"])
    for (_, resource), amount in _lent(record).items():
        values[resource] -= amount
    for resource, amount in record.get("_borrowed", {}).items():
        values[resource] += amount
    return values


def _loans(record: Record | None) -> list[Loan]:
    return list(record.get("_loans", ())) if record is not None else []


def _reasons(record: Record | None) -> list[str | None]:
    return list(record.get("_why_not", ())) if record is not None else []


def _lent(record: Record | None) -> Lent:
    """What a sliver's record says that it lends to others."""
    total: Lent = Counter()
    if record is not None:
        for (recipient, resource, amount), why in zip(_loans(record), _reasons(record), strict=True):
            if why is None and recipient != name_of(record["record_key"]):
                total[recipient, resource] += amount
    return total


def _named(lender: str, loans: Iterable[Loan]) -> set[str]:
    """The others whom these loans name."""
    return {loan[0] for loan in loans} - {lender}


# ---- what is written


def _store(tx: Transaction, before: Record | None, after: Record, who: str) -> Record:
    """Write the record as the rules have it now, and what that changes for those whom it lends to."""
    name = name_of(after["record_key"])
    given = complete(after["rspec"]) if has_resources(after) else complete({})
    after = {"_borrowed": {}, **after, "_loans": _loans(after)}
    after["_why_not"] = judge(name, given, after["_loans"], _who(tx, after))
    after["_rspec"] = effective(after)
    _move(tx, before, after, who)
    if after != before:
        tx.put(after)
    return after


def _move(tx: Transaction, before: Record | None, after: Record, who: str) -> None:
    """Give the recipients what is lent more, take what is lent less; keep the index; tell both sides."""
    lender = name_of(after["record_key"])
    old, fresh = _lent(before), _lent(after)
    change = {key: fresh[key] - old[key] for key in {**old, **fresh} if fresh[key] != old[key]}
    for recipient in dict.fromkeys(name for name, _ in change):
        _lend(
            tx, recipient, {resource: more for (name, resource), more in change.items() if name == recipient}
        )
        said = [
            f"{lender} lends {worded(resource, fresh[to, resource])}, before {old[to, resource]}"
            for to, resource in change
            if to == recipient
        ]
        tx.tell(Event(who, f"sliver {recipient}", "borrows", "; ".join(said)))
    was, now = _named(lender, _loans(before)), _named(lender, _loans(after))
    for name in sorted(was ^ now):
        _put_lender(tx, name, lender, name in now, after["timestamp"])
    said_before = list(zip(_loans(before), _reasons(before), strict=True))
    said_now = list(zip(_loans(after), _reasons(after), strict=True))
    if said_before != said_now:
        tx.tell(Event(who, f"sliver {lender}", "lends", "; ".join(map(_told, said_now)) or "nothing"))


def _told(said: tuple[Loan, str | None]) -> str:
    (recipient, resource, amount), why = said
    return (
        f"{worded(resource, amount)} to {recipient}: {'in force' if why is None else f'not in force, {why}'}"
    )


def _lend(tx: Transaction, recipient: str, more: Mapping[str, int]) -> None:
    record = tx.get(record_key("sliver", recipient))
    if record is None or not has_resources(record):
        return  # it has gone, and what it was lent with it
    total = dict(record["_borrowed"])
    for resource, amount in more.items():
        total[resource] = total.get(resource, 0) + amount
    record = {**record, "_borrowed": {resource: amount for resource, amount in total.items() if amount}}
    tx.put({**record, "_rspec": effective(record)})


def _put_lender(tx: Transaction, name: str, lender: str, lends: bool, now: float) -> None:
    lenders = [other for other in lenders_of(tx, name) if other != lender]
    if lends:
        insort(lenders, lender)
    if lenders:
        tx.put(new("meta", f"lenders:{name}", now, lenders=lenders))
    else:
        tx.delete(_lenders_key(name))
