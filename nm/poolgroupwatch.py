"""Whether a description's groups are still there: an end of a lease, or a hand, may have destroyed one. Pure.

A helper of the pool's worker, which is woken when a group of its own is being destroyed. Such a component has
ended: well, when its lease was over, else badly; and before it the domains on its networks, for the group
keeps its VLANs as long as one of them is there.
"""

from collections.abc import Iterator

from nm import poolgroups
from nm.poolbook import Book
from nm.pools.grouping import GROUP, network_of
from nm.pools.life import Entry, Status
from nm.pools.lifecycle import Event
from nm.pools.tree import Path
from nm.records import Record, record_key
from nm.store import Reader


def ended(reader: Reader, book: Book, now: float) -> Iterator[Event]:
    """What ran and is no more, or goes: domains first, then their groups."""
    groups = [path for path, part in book.tree.parts.items() if part.kind == GROUP]
    ends = {path: end for path in groups if (end := _end(reader, book, path, now)) is not None}
    if not ends:
        return
    for path, part in book.tree.parts.items():
        network = network_of(book.tree.parts, part)
        if network is not None and network[0] in ends and _runs(book.state.get(path, {})):
            yield Event("ended", path, status=ends[network[0]][0], words=ends[network[0]][1])
    for path, (status, words) in ends.items():
        yield Event("ended", path, status=status, words=words)


def _runs(entry: Entry) -> bool:
    return entry.get("state") == "running" and "doing" not in entry and "going" not in entry


def _end(reader: Reader, book: Book, path: Path, now: float) -> tuple[Status, str] | None:
    """How and why a Group ended; None when it did not, or goes already."""
    if not _runs(book.state.get(path, {})):
        return None
    brief = book.brief(book.part(path, "stop"), "stop")
    group: Record | None = reader.get(record_key("group", brief.group_name))
    if group is not None and poolgroups.owned(brief, group) and not group["destroying"]:
        return None
    if group is not None and group["expiry"] is not None and group["expiry"] <= now:
        return "normal", f"the lease of group {brief.group_name} is over"
    return "abnormal", f"group {brief.group_name} was destroyed"
