"""The tree of classes that holds slivers to their network rates: what is wanted, what to change. Pure.

One tree a node (HTB). Under its root are a class for what counts, which carries the node's own cap, and
one for exempt networks, which the cap does not count; under each a leaf for every sliver and one for the
host itself. A leaf gets its least always, its most at most, and what is left by its weight.

Frames find their leaf by their sender's MAC, in a table hashed by its last byte; those to exempt networks
are sorted out before. What matches nothing is the host's. All of it is a function of the records: a sliver's
index is in the numbers of its leaves and filters, so that these are nobody else's.

A tree is a dict of its parts. Rates in here are bytes a second, as in the kernel; in records they are bit/s.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from ipaddress import ip_network
from itertools import islice
from typing import Any, NamedTuple

from nm.errors import Invalid
from nm.records import Record
from nm.rspec import complete

MAJOR = 0x6E6D  # "nm": the number of our root, by which it is told from a stranger's
COUNTED, EXEMPT = 1, 2  # the two inner classes
HOST = 0  # the index of the host's own leaves
MOST = 4094  # the largest index: as many filters may be in a bucket
MOST_EXEMPT = 2000  # networks: each takes two of the root's 4,095 filters
LINE = 4_000_000_000  # bytes/s; no cap that is felt

_LEAVES = 16  # the first leaf's number
_TABLES = {COUNTED: 1, EXEMPT: 2}  # the table of senders in front of each inner class
_LAST = 0xFFE  # the root's last filter
_BUCKETS = 256
# Bytes of one share at a turn. With less than the largest frame that a guest hands over (64 KiB, to be cut
# into segments, with their headers), each turn is one frame whatever the weight.
_QUANTUM = 70_000
_LARGEST_QUANTUM = _QUANTUM * 1000
_HOST_WEIGHT = 5
_HOST_LEAST = 1_000_000  # bit/s, of which the cap may leave less: whoever mends the host gets through

CLASS, FILTER = "class", "filter"


class Key(NamedTuple):
    """Which part of a tree."""

    kind: str  # CLASS or FILTER
    number: int  # a class's minor number, a filter's handle


@dataclass(frozen=True)
class Class:
    """A class. `parent`: its number, 0 for the root. Bytes a second; `quantum`: bytes at a turn."""

    parent: int
    rate: int
    ceil: int
    quantum: int = _QUANTUM


@dataclass(frozen=True)
class Match:
    """32 bits of a frame, `offset` bytes behind where its network header begins."""

    value: int
    mask: int
    offset: int


@dataclass(frozen=True)
class Filter:
    """A table (it has buckets), a way into a table (`link`, by the sender's last byte), or one to a class."""

    matches: tuple[Match, ...] = ()
    target: int = 0
    link: int = 0
    buckets: int = 0

    @property
    def rank(self) -> int:
        """What has a lower one is made before, and taken away after."""
        return 0 if self.buckets else 2 if self.link else 1


Part = Class | Filter
Tree = dict[Key, Part]


@dataclass(frozen=True)
class Clear:
    """Take the whole tree away, and begin with an empty one."""


@dataclass(frozen=True)
class Drop:
    """Take a part away."""

    key: Key


@dataclass(frozen=True)
class Put:
    """Make a part; a class that is there is changed."""

    key: Key
    part: Part


Step = Clear | Drop | Put


@dataclass(frozen=True)
class Share:
    """What a leaf is given, in bit/s, and its weight."""

    least: int
    most: int
    weight: int


@dataclass(frozen=True)
class Sliver:
    """What the tree needs to know of a sliver."""

    index: int
    mac: str
    counted: Share
    exempt: Share


@dataclass(frozen=True)
class Caps:
    """The node's own limits: bit/s or None for none, and the networks to which they do not apply."""

    cap: int | None = None
    exempt: tuple[str, ...] = ()


NO_CAPS = Caps()


# ---- what is wanted, of records


def caps_of(record: Record | None) -> Caps:
    """What rspec.node_caps wrote down. Invalid with too many networks."""
    if record is None:
        return NO_CAPS
    if len(record["exempt"]) > MOST_EXEMPT:
        raise Invalid(
            f"{len(record['exempt'])} exempt networks", f"at most {MOST_EXEMPT}: write neighbours as one"
        )
    return Caps(record["cap"], tuple(record["exempt"]))


def is_seen(record: Record) -> bool:
    """Whether it sends, or is about to."""
    return bool(record.get("_index")) and record.get("_state") not in (None, "absent", "stopped")


def sliver_of(record: Record, mac: str, limits: Mapping[str, int]) -> Sliver:
    """A sliver's record with its loans; `limits`: `net` or `net2` -> bit/s, where its quota leaves less."""
    rspec = complete(record.get("_rspec") or record.get("rspec") or {})
    return Sliver(record["_index"], mac, _share(rspec, "net", limits), _share(rspec, "net2", limits))


def _share(rspec: Mapping[str, Any], name: str, limits: Mapping[str, int]) -> Share:
    most = rspec[f"{name}_max"]
    return Share(rspec[f"{name}_min"], min(most, limits.get(name, most)), rspec[f"{name}_share"])


# ---- the parts


def leaf(index: int, inner: int) -> int:
    """The number of a sliver's leaf under one of the two inner classes."""
    return _LEAVES + 2 * index + inner - COUNTED


def place_of(number: int) -> tuple[int, int] | None:
    """Index and inner class of a leaf; None when that number is no leaf's."""
    index, inner = divmod(number - _LEAVES, 2)
    return (index, inner + COUNTED) if 0 <= index <= MOST else None


def scale_of(least: int, caps: Caps) -> Fraction:
    """How much of their least all get: together no more than the cap, for a leaf's least breaks any cap."""
    if caps.cap is None or least + _host_least(caps) <= caps.cap:
        return Fraction(1)
    return Fraction(caps.cap - _host_least(caps), least)


def trunk(caps: Caps) -> Tree:
    """What is there without any sliver."""
    host = Share(_host_least(caps), LINE * 8, _HOST_WEIGHT)
    cap = LINE if caps.cap is None else _bytes(caps.cap)
    tree: Tree = {
        Key(CLASS, COUNTED): Class(0, cap, cap),
        Key(CLASS, leaf(HOST, COUNTED)): _leaf(COUNTED, host),
        # Both tables stay, for one that is unlinked is in use until the kernel has forgotten the link.
        **{Key(FILTER, table << 20): Filter(buckets=_BUCKETS) for table in _TABLES.values()},
        Key(FILTER, _LAST): Filter((Match(0, 0, 0),), link=_TABLES[COUNTED]),
    }
    if not caps.exempt:
        return tree
    tree[Key(CLASS, EXEMPT)] = Class(0, LINE, LINE)
    tree[Key(CLASS, leaf(HOST, EXEMPT))] = _leaf(EXEMPT, host)
    for number, network in enumerate(islice(caps.exempt, MOST_EXEMPT)):
        matches = _to(network)
        tree[Key(FILTER, 2 * number + 1)] = Filter(matches, link=_TABLES[EXEMPT])
        tree[Key(FILTER, 2 * number + 2)] = Filter(matches, target=leaf(HOST, EXEMPT))
    return tree


def branch(sliver: Sliver, caps: Caps, scale: Fraction) -> Tree:
    """A sliver's own parts. `scale`: how much of its least it gets of what counts."""
    tree: Tree = {}
    parts = [(COUNTED, sliver.counted, scale)]
    if caps.exempt:
        parts.append((EXEMPT, sliver.exempt, Fraction(1)))
    octets = bytes.fromhex(sliver.mac.replace(":", ""))
    sender = (
        Match(int.from_bytes(octets[:4]), 0xFFFFFFFF, -8),
        Match(int.from_bytes(octets[4:]) << 16, 0xFFFF0000, -4),
    )
    for inner, share, part in parts:
        number = leaf(sliver.index, inner)
        tree[Key(CLASS, number)] = _leaf(inner, share, part)
        handle = _TABLES[inner] << 20 | octets[5] << 12 | sliver.index
        tree[Key(FILTER, handle)] = Filter(sender, target=number)
    return tree


def _leaf(inner: int, share: Share, scale: Fraction = Fraction(1)) -> Class:
    most = _bytes(share.most)
    quantum = min(_QUANTUM * max(share.weight, 1), _LARGEST_QUANTUM)
    return Class(inner, min(_bytes(int(share.least * scale)), most), most, quantum)


def _bytes(bits: int) -> int:
    return min(max(bits // 8, 1), LINE)


def _host_least(caps: Caps) -> int:
    return _HOST_LEAST if caps.cap is None else min(_HOST_LEAST, caps.cap // 4)


def _to(network: str) -> tuple[Match, ...]:
    """The frames to that network."""
    to = ip_network(network)
    ethertype, offset = (0x0800, 16) if to.version == 4 else (0x86DD, 24)
    words = to.max_prefixlen // 32
    shifts = [32 * (words - 1 - word) for word in range(words)]
    address, mask = int(to.network_address), int(to.netmask)
    there = [
        Match(address >> shift & 0xFFFFFFFF, mask >> shift & 0xFFFFFFFF, offset + 4 * word)
        for word, shift in enumerate(shifts)
    ]
    return (Match(ethertype, 0xFFFF, -4), *(match for match in there if match.mask))


# ---- the whole, and what changes


@dataclass
class Shape:
    """The tree that is wanted, kept up by what changes: a change costs its own sliver and not all."""

    caps: Caps = NO_CAPS
    tree: Tree = field(default_factory=dict)
    slivers: dict[str, Sliver] = field(default_factory=dict)
    faults: dict[str, str] = field(default_factory=dict)  # sliver -> why it is not in it
    _owners: dict[int, str] = field(default_factory=dict)  # index -> name
    _least: int = 0  # bit/s, of all slivers together

    def __post_init__(self) -> None:
        self._grow()

    def cap(self, caps: Caps) -> Iterable[Key]:
        """The node's own limits changed; the keys of what may differ now."""
        if caps == self.caps:
            return ()
        self.caps = caps
        return self._grow()

    def put(self, changes: Mapping[str, Sliver | None]) -> Iterable[Key]:
        """Slivers came, changed, or went (None); the keys of what may differ now.

        Their numbers may change hands. One whose index is too large, or another's, is left out, and in
        `faults`.
        """
        before = self._scale
        gone = [old for name in changes if (old := self._take(name)) is not None]
        come = [new for name, new in changes.items() if new is not None and self._add(name, new)]
        return self._grow() if self._scale != before else self._regrow(gone, come)

    def _take(self, name: str) -> Sliver | None:
        self.faults.pop(name, None)
        old = self.slivers.pop(name, None)
        if old is not None:
            del self._owners[old.index]
            self._least -= old.counted.least
        return old

    def _add(self, name: str, sliver: Sliver) -> bool:
        fault = self._fault(name, sliver)
        if fault is not None:
            self.faults[name] = fault
            return False
        self.slivers[name], self._owners[sliver.index] = sliver, name
        self._least += sliver.counted.least
        return True

    @property
    def _scale(self) -> Fraction:
        return scale_of(self._least, self.caps)

    def _fault(self, name: str, sliver: Sliver) -> str | None:
        owner = self._owners.get(sliver.index, name)
        if owner != name:
            return f"{name} has number {sliver.index}, which is {owner}'s: no rate of it is enforced"
        if not 0 < sliver.index <= MOST:
            return f"{name} has number {sliver.index}: no rate is enforced of any above {MOST}"
        return None

    def _grow(self) -> list[Key]:
        before = self.tree
        self.tree = trunk(self.caps)
        for sliver in self.slivers.values():
            self.tree |= branch(sliver, self.caps, self._scale)
        return [*before, *self.tree]

    def _regrow(self, gone: Iterable[Sliver], come: Iterable[Sliver]) -> list[Key]:
        keys = [key for sliver in gone for key in branch(sliver, self.caps, self._scale)]
        for key in keys:
            del self.tree[key]
        for sliver in come:
            new = branch(sliver, self.caps, self._scale)
            self.tree |= new
            keys += new
        return keys


def difference(
    now: Mapping[Key, Part], wanted: Mapping[Key, Part], keys: Iterable[Key] | None = None
) -> list[Step]:
    """The steps from one tree to the other, in an order that the kernel takes.

    `keys`: of the parts that may differ; None for all.
    """
    among = dict.fromkeys([*now, *wanted] if keys is None else keys)
    if now and not wanted:
        return [Clear()]
    differing = [key for key in among if now.get(key) != wanted.get(key)]
    if any(_is_fixed(now.get(key), wanted.get(key)) for key in differing):
        return [Clear(), *_puts(wanted)]
    gone = [key for key in differing if key in now and not (key.kind == CLASS and key in wanted)]
    come = {key: wanted[key] for key in differing if key in wanted}
    drops = sorted(gone, key=lambda key: (key.kind == CLASS, -_depth(now, key)))
    return [*(Drop(key) for key in drops), *_puts(come)]


def _puts(parts: Mapping[Key, Part]) -> list[Step]:
    ordered = sorted(parts, key=lambda key: (key.kind == FILTER, _depth(parts, key)))
    return [Put(key, parts[key]) for key in ordered]


def _is_fixed(old: Part | None, new: Part | None) -> bool:
    """Whether the kernel can only make the whole anew: a class stays under its parent, a table has users."""
    if isinstance(old, Class) and isinstance(new, Class):
        return old.parent != new.parent
    return isinstance(old, Filter) and isinstance(new, Filter) and bool(old.buckets or new.buckets)


def _depth(tree: Mapping[Key, Part], key: Key) -> int:
    """Before how many others it is to be dropped, after how many it is to be put."""
    part = tree.get(key)
    if isinstance(part, Filter):
        return part.rank
    depth = 0
    while isinstance(part, Class) and depth < 8:  # the kernel's limit, so a ring of parents ends, too
        depth, part = depth + 1, tree.get(Key(CLASS, part.parent))
    return depth
