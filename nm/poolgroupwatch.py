"""Whether a description's groups are still there: an end of a lease, or a hand, may have destroyed one. Pure.

A helper of the pool's worker, which is woken when a group of its own is being destroyed. Such a component has
ended: well, when its lease was over, else badly.
"""

from collections.abc import Iterator

from nm import poolgroups
from nm.poolbook import Book
from nm.pools.grouping import GROUP
from nm.pools.lifecycle import Event
from nm.pools.tree import Path
from nm.records import Record, record_key
from nm.store import Reader


def ended(reader: Reader, book: Book, now: float) -> Iterator[Event]:
    """The Groups that ran and are no more, or go."""
    for path, entry in book.state.items():
        runs = entry.get("state") == "running" and "doing" not in entry and "going" not in entry
        if not runs or path not in book.tree.parts or book.tree.parts[path].kind != GROUP:
            continue
        if (found := _end(reader, book, path, now)) is not None:
            yield found


def _end(reader: Reader, book: Book, path: Path, now: float) -> Event | None:
    brief = book.brief(book.part(path, "stop"), "stop")
    group: Record | None = reader.get(record_key("group", brief.group_name))
    if group is not None and poolgroups.owned(brief, group) and not group["destroying"]:
        return None
    over = group is not None and group["expiry"] is not None and group["expiry"] <= now
    words = (
        f"the lease of group {brief.group_name} is over"
        if over
        else f"group {brief.group_name} was destroyed"
    )
    return Event("ended", path, status="normal" if over else "abnormal", words=words)
