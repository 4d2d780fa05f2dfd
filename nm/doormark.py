"""By what a head node's way to nm's door is told from another one: a digest without anything secret. Pure.

What the site has to do with it (where its sshd is, by which keys that is known, of which secret head nodes'
keys are made) is in the record `meta_door`, written when nmd starts; the rest is the account and its
incarnation. So a plan knows whether a head node's seed leads in, and the hand reads the same from the disk.
"""

import hashlib
import json

from nm.records import Record, new, record_key
from nm.store import Reader, Transaction

_KEY = record_key("meta", "door")


def configure(tx: Transaction, site: str | None, now: float) -> None:
    """Write down the site's part; None where head nodes have no door."""
    there = tx.get(_KEY)
    if (there or {}).get("site") == site:
        return
    if site is not None:
        tx.put(new("meta", "door", now, site=site))
    else:
        tx.delete(_KEY)


def of(site: str, account: Record) -> str:
    """The mark of the way that an account has."""
    told = [site, account["account"], account["id"], account["group"]]
    return hashlib.sha256(json.dumps(told).encode()).hexdigest()


def wanted(reader: Reader, account: Record | None) -> str | None:
    """The mark that a head node's seed is to have; None where it has no door."""
    site = reader.get(_KEY)
    return None if site is None or account is None else of(site["site"], account)
