"""What a pool may have left on a host that did not answer when it was taken down by force, as records. Pure.

    leftover_IDENTITY   pool, path, part (its kind), host (a record's name), born, life, attributes (those by
                        which a hand finds it), network (of a group, on which it was, or ""), half (of Brief),
                        tags (on which VLANs it may be: all that its pool claims there), owner, error (why it
                        could not be taken away), since

Made in the name of nm/poolwork.py, and paid by nm/leftoverwork.py. The identity is that of a life of a part
(nm/pools/briefs.py), so nothing that came later is ever taken for it.
"""

from typing import Any

from nm.pools.briefs import Brief
from nm.pools.kinds import DOMAINS
from nm.pools.places import host_of
from nm.pools.tags import Tag
from nm.pools.tree import spell
from nm.records import Record, new, record_key
from nm.store import Event, Reader, Transaction

SUBJECT = "leftovers:"
FOUND_BY = (
    "hostname", "domainName", "mac", "shutdownTimeout",
    "baseImage", "inPlace", "imageDir", "volumeGroup", "thinPool", "swapSize", "keepOnTerminate",
)  # fmt: skip


def key(brief: Brief) -> str:
    """The key of what may be left of that life of a part."""
    return record_key("leftover", brief.identity)


def owe(tx: Transaction, pool: Record, brief: Brief, host: str, error: str, now: float) -> None:
    """Note that it is to be taken away when its host is there again."""
    attributes = {name: brief.attributes[name] for name in FOUND_BY if name in brief.attributes}
    if brief.user is not None and brief.user.attributes.get("keepOnTerminate") is True:
        attributes["keepOnTerminate"] = True  # the disk of a domain that stays
    tx.put(
        new(
            "leftover",
            brief.identity,
            now,
            pool=brief.pool,
            path=list(brief.path),
            part=brief.kind,
            host=host,
            born=brief.born,
            life=brief.life,
            attributes=attributes,
            network=brief.network,
            half=brief.half,
            tags=_tags(tx, pool, host) if brief.kind in DOMAINS else [],
            owner=pool["owner"],
            error=error,
            since=int(now),
        )
    )
    tx.tell(Event("nm", f"pool {brief.pool}", "left behind", f"{said(brief.path)} on host {host}: {error}"))


def _tags(reader: Reader, pool: Record, host: str) -> list[Tag]:
    """Those of the pool's on that host: what was just being changed may be on either."""
    found = (reader.get(pool["record_key"]) or pool).get("tags", [])
    key = record_key("host", host)
    return [tag for tag in found if (there := host_of(reader, tag[0])) and there["record_key"] == key]


def brief_of(record: Record) -> Brief:
    """The brief by which a hand takes it away."""
    return Brief(
        record["pool"],
        record["born"],
        tuple(record["path"]),
        record["part"],
        record["life"],
        record["attributes"],
        network=record["network"],
        half=record.get("half", False),
    )


def stays(tx: Transaction, record_key: str, error: str) -> None:
    """It could not be taken away this time either."""
    record = tx.get(record_key)
    if record is not None and record["error"] != error:
        tx.put({**record, "error": error})


def paid(tx: Transaction, record_key: str) -> None:
    """It is not there any more."""
    _gone(tx, record_key, "taken away later")


def forgotten(tx: Transaction, record_key: str) -> None:
    """Its host is none of nm's any more."""
    _gone(tx, record_key, "forgotten")


def _gone(tx: Transaction, record_key: str, how: str) -> None:
    record = tx.get(record_key)
    if record is not None:
        tx.delete(record_key)
        text = f"{said(record['path'])} on host {record['host']}"
        tx.tell(Event("nm", f"pool {record['pool']}", how, text))


def of_pool(reader: Reader, pool: str, born: float) -> list[dict[str, Any]]:
    """What may be left of a pool, for a job's result."""
    return [
        {**_told(one), "host": one["host"]}
        for one in reader.range("leftover")
        if (one["pool"], one["born"]) == (pool, born)
    ]


def on_host(reader: Reader, host: str) -> list[dict[str, Any]]:
    """What pools may have left on a host, for its struct."""
    return [
        {"pool": one["pool"], **_told(one), "since": one["since"]}
        for one in reader.range("leftover")
        if one["host"] == host
    ]


def _told(record: Record) -> dict[str, Any]:
    return {"path": said(record["path"]), "kind": record["part"], "error": record["error"]}


def said(path: Any) -> str:
    """A part's path for people."""
    return spell(tuple(path))
