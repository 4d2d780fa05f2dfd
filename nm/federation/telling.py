"""What is told of reservations: to the log, and to administrators by mail. Pure."""

from collections.abc import Iterable, Sequence

from nm import groups, mails
from nm.federation.visits import Visit
from nm.geni import times
from nm.records import Record, name_of
from nm.store import Transaction


def told(
    tx: Transaction,
    visit: Visit,
    group: Record,
    done: str,
    what: str,
    nodes: Sequence[str],
    always: bool = False,
) -> int | None:
    """Tell the log, and by mail as `mailed` does, what was done to nodes; nothing when that was none."""
    if not nodes:
        return None
    groups.tell(tx, visit.call, name_of(group["record_key"]), done, ", ".join(nodes))
    return mailed(tx, visit, group, what, nodes, always)


def mailed(
    tx: Transaction, visit: Visit, group: Record, what: str, nodes: Iterable[str], always: bool = False
) -> int | None:
    """Tell them, when the site wants that for such calls (or `always`); the mail's number, see mails.post."""
    if not always and visit.method not in visit.rules.mails:
        return None
    field, listed = group["federation"], list(nodes)
    lines = {
        "Slice": field["slice"],
        "Group": name_of(group["record_key"]),
        "Nodes": ", ".join(listed) or "none",
        "Asked by": _person(visit),
        "At": times.render(visit.now),
        "Until": times.render(group["expiry"]) if group["expiry"] else "",
    }
    text = "".join(f"{key + ':':10}{_plain(value)}\n" for key, value in lines.items() if value)
    how = [f"nmctl geni ready {sliver}" for sliver in _awaiting(group, listed)]
    if how:
        text += "\nSet these up, then say so:\n\n" + "".join(f"    {line}\n" for line in how)
    line, name = f"{what} {_plain(field['slice'])[:80]}", name_of(group["record_key"])
    return mails.post(tx, visit.call, mails.ADMINS, f"nm: {line}", f"{line}\n\n{text}", name)


def _awaiting(group: Record, nodes: Iterable[str]) -> list[str]:
    known, name = group["federation"]["nodes"], name_of(group["record_key"])
    waiting = [node for node in nodes if node in known and known[node]["awaiting"]]
    return [f"{name}.{node}.{known[node]['since']}" for node in waiting]


def _person(visit: Visit) -> str:
    guest = visit.guest
    return " ".join(word for word in (guest.name, guest.email, f"({guest.urn})" if guest.urn else "") if word)


def _plain(text: str) -> str:
    """What others wrote, as one line that can be printed."""
    return "".join(one if one.isprintable() else " " for one in text)[:400]
