"""Which component of a description has a domain, is on a host, or is made from an image. Pure.

Nobody takes these away from it. What is yet to be made counts as well: its turn in a Sequence may come.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from nm.pools import chunks, keeping
from nm.pools.guests import domain_name
from nm.pools.kinds import DISKS, DOMAINS, ON_HOSTS
from nm.pools.places import host_of
from nm.pools.tree import spell
from nm.records import name_of
from nm.store import Reader


def holder(reader: Reader, host: str, domain: str) -> str | None:
    """The component whose domain that is, in words, also when it is yet to be taken away; None: of none."""
    for called, item in _components(reader):
        if _is_it(reader, item, host, domain):
            return called
    for left in reader.range("leftover"):
        if left["host"] == host and left["part"] in DOMAINS and domain_name(left["attributes"]) == domain:
            return f"{spell(tuple(left['path']))} of description {left['pool']}, which was ended by force"
    return None


def on_host(reader: Reader, host: str) -> str | None:
    """A component on that host, in words; None: none is.

    What was left there by force is none: it is looked for where the host is then, or forgotten with it.
    """
    names: dict[str, bool] = {}  # as descriptions call hosts -> whether that is meant
    for called, item in _components(reader):
        if item["part"]["kind"] in ON_HOSTS:
            named = item["part"]["host"]
            if named not in names:
                names[named] = _is_on(reader, named, host)
            if names[named]:
                return called
    return None


def made_from(reader: Reader, image: str) -> str | None:
    """A component whose disk is made from that image, in words; None: none is."""
    for called, item in _components(reader):
        part = item["part"]
        if part["kind"] in DISKS and part["attributes"].get("baseImage") == image:
            return called
    return None


def _components(reader: Reader) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """All components of which something is there, or will be, in words, and their items in pieces."""
    for pool in reader.range("pool"):
        if pool["state"] in keeping.GONE:
            continue
        name = name_of(pool["record_key"])
        for _, item in chunks.items(reader.get, "piece", name, pool["count"]):
            if item["part"] is not None:
                yield f"{spell(tuple(item['path']))} of description {name}", item


def _is_on(reader: Reader, named: str, host: str) -> bool:
    place = host_of(reader, named)
    return place is not None and name_of(place["record_key"]) == host


def _is_it(reader: Reader, item: Mapping[str, Any], host: str, domain: str) -> bool:
    part = item["part"]
    called = domain_name({**part["attributes"], **(item.get("worth") or {})})
    if part["kind"] not in DOMAINS or called != domain:
        return False
    return _is_on(reader, part["host"], host)
