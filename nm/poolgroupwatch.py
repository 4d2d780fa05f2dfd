"""Whether a description's groups are still there: an end of a lease, or a hand, may have destroyed one. Pure.

A helper of the pool's worker, which is woken when a group of its own is being destroyed. Such a component has
ended: well, when its lease was over, else badly. Before it the domains on its networks end, for the group
keeps its VLANs as long as one of them is there; and so do those that were just being started then, or are on
networks of a group that goes for another reason.
"""

from collections.abc import Iterator

from nm import poolgroups
from nm.poolbook import Book
from nm.pools.grouping import network_of
from nm.pools.life import Status, rests
from nm.pools.lifecycle import Event
from nm.pools.tree import Path, spell
from nm.records import Record, record_key
from nm.store import Reader


def ended(reader: Reader, book: Book, now: float) -> Iterator[Event]:
    """What ran and is no more, or goes: domains first, then their groups."""
    ends = {path: end for path in book.tree.groups if (end := _end(reader, book, path, now)) is not None}
    going = ends | {path: end for path in book.tree.groups if (end := _going(book, path)) is not None}
    for path, part in book.tree.parts.items() if going else ():
        network = network_of(book.tree.parts, part)
        if network is not None and network[0] in going and rests(book.state.get(path, {})):
            status, words = going[network[0]]
            yield Event("ended", path, status=status, words=words)
    for path, (status, words) in ends.items():
        yield Event("ended", path, status=status, words=words)


def _going(book: Book, path: Path) -> tuple[Status, str] | None:
    """How and why a Group is just being taken away; None when it is not."""
    entry = book.state.get(path, {})
    if "going" not in entry or entry.get("doing") != "terminate":
        return None
    return entry["going"], entry.get("words") or f"{spell(path)} ends"


def _end(reader: Reader, book: Book, path: Path, now: float) -> tuple[Status, str] | None:
    """How and why a Group ended; None when it did not, or goes already."""
    if not rests(book.state.get(path, {})):
        return None
    brief = book.brief(book.part(path, "stop"), "stop")
    group: Record | None = reader.get(record_key("group", brief.group_name))
    if group is not None and poolgroups.owned(brief, group) and not group["destroying"]:
        return None
    if group is not None and group["expiry"] is not None and group["expiry"] <= now:
        return "normal", f"the lease of group {brief.group_name} is over"
    return "abnormal", f"group {brief.group_name} was destroyed"
