"""Which component of a description has a domain of a host: nobody else takes that. Pure."""

from collections.abc import Mapping
from typing import Any

from nm.pools import chunks, keeping
from nm.pools.guests import domain_name
from nm.pools.kinds import DOMAINS
from nm.pools.places import host_of
from nm.pools.tree import spell
from nm.records import name_of
from nm.store import Reader


def holder(reader: Reader, host: str, domain: str) -> str | None:
    """The component whose domain that is, in words, also when it is yet to be taken away; None: of none."""
    for pool in (pool for pool in reader.range("pool") if pool["state"] not in keeping.GONE):
        name = name_of(pool["record_key"])
        for _, item in chunks.items(reader.get, "piece", name, pool["count"]):
            if item["part"] is not None and _is_it(reader, item, host, domain):
                return f"{spell(tuple(item['path']))} of description {name}"
    for left in reader.range("leftover"):
        if left["host"] == host and left["part"] in DOMAINS and domain_name(left["attributes"]) == domain:
            return f"{spell(tuple(left['path']))} of description {left['pool']}, which was ended by force"
    return None


def _is_it(reader: Reader, item: Mapping[str, Any], host: str, domain: str) -> bool:
    part = item["part"]
    called = domain_name({**part["attributes"], **(item.get("worth") or {})})
    if part["kind"] not in DOMAINS or called != domain:
        return False
    place = host_of(reader, part["host"])
    return place is not None and name_of(place["record_key"]) == host
