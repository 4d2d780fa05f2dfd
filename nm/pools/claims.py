"""Who claims which VLANs for domains, so that nobody gives them to groups. Pure.

A pool claims the tags (nm/pools/tags.py) of all domains that it has or is to have, as `tags` of its record:
from the transaction on in which it is applied, or an attribute is set, until its job is over and what went is
off. What was left behind by force claims its own. Whoever gives a VLAN to groups, to what is native or to
parked ports, and whoever says which bridge is a host's own, asks here in the same transaction: so of a domain
and such a call one is refused, whichever comes first.
"""

from collections.abc import Iterable, Iterator

from nm.calls import Call
from nm.errors import Conflict
from nm.pools.keeping import GONE, claimed
from nm.pools.tags import Tag, is_shared, why_not
from nm.records import name_of
from nm.store import Reader

LEAVE = "let it leave, or use another VLAN"


def check_free(reader: Reader, vlan: int) -> None:
    """Conflict while a description has, or is to have, a domain on that VLAN of a host's own bridge."""
    for who, (host, bridge, tag) in _claims(reader):
        if tag == vlan and is_shared(reader, host, bridge):
            raise Conflict(f"{who} is on VLAN {vlan}", LEAVE)


def check(reader: Reader, call: Call, tags: Iterable[Tag]) -> None:
    """Conflict when no domain may be there: the records have moved since that was looked at."""
    for tag in tags:
        if (why := why_not(reader, call, tag)) is not None:
            raise Conflict(*why)


def check_hosts(reader: Reader, call: Call) -> None:
    """Conflict when a domain is where none may be, now that a host's own bridge is another one."""
    for who, tag in _claims(reader):
        if (why := why_not(reader, call, tag)) is not None:
            raise Conflict(f"{who} is on its bridge {tag[1]}: {why[0]}", LEAVE)


def _claims(reader: Reader) -> Iterator[tuple[str, Tag]]:
    """The tags that are claimed, and in words for whom."""
    for pool in reader.range("pool"):
        if pool["state"] not in GONE:
            for tag in claimed(reader, pool):
                yield f"a domain of description {name_of(pool['record_key'])}", tag
    for left in reader.range("leftover"):
        for tag in left.get("tags", ()):
            yield f"a domain that description {left['pool']} may have left on host {left['host']}", tag
