"""Whether a description's groups are still there: an end of a lease, or a hand, may have destroyed one. Pure.

A helper of the pool's worker, which is woken when a group of its own is being destroyed. Such a component has
ended: well, when its lease was over, else badly. Before it the domains on its networks end, for the group
keeps its VLANs as long as one of them is there; and so do those that were just being started then, or are on
networks of a group that goes for another reason.
"""

from collections.abc import Iterable, Iterator

from nm import poolgroups
from nm.poolbook import Book
from nm.pools.grouping import GROUP, NETWORK, network_of
from nm.pools.life import Status, rests
from nm.pools.lifecycle import Event
from nm.pools.tree import Path, Tree, spell
from nm.records import Record, record_key
from nm.store import Reader


def ended(reader: Reader, book: Book, news: Iterable[Path], now: float) -> Iterator[Event]:
    """What ran and is no more, or goes: domains first, then their groups. news: what may be so since."""
    if not book.tree.groups:
        return
    parts = [part for path in news if (part := book.tree.parts.get(path)) is not None]
    groups = [part.path for part in parts if part.kind == GROUP]
    ends = {path: end for path in groups if (end := _end(reader, book, path, now)) is not None}
    going = ends | {path: end for path in groups if (end := _going(book, path)) is not None}
    parts += [book.tree.parts[path] for group in going for path in _connected(book.tree, group)]
    for part in {part.path: part for part in parts}.values():
        network = network_of(book.tree.parts, part)
        if network is not None and rests(book.state.get(part.path, {})):
            why = going.get(network[0]) or _going(book, network[0])
            if why is not None:
                yield Event("ended", part.path, status=why[0], words=why[1])
    for path, (status, words) in ends.items():
        yield Event("ended", path, status=status, words=words)


def _connected(tree: Tree, group: Path) -> Iterator[Path]:
    """The domains on networks of a group."""
    for path in tree.below(group):
        yield from tree.users(path, NETWORK)


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
