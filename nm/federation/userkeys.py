"""The people of a slice, whose keys are those of its group. Pure."""

from collections.abc import Mapping, Sequence
from typing import Any

from nm import groups, people
from nm.calls import Call
from nm.errors import Invalid
from nm.keys import parse_keys
from nm.records import Record, name_of
from nm.store import Transaction

Users = list[dict[str, Any]]

MOST, LONGEST = 100, 1000  # keys of one slice; characters of a name
TOGETHER = 1 << 16  # characters of all of a slice's: they are part of a record that is written often


def parse(given: object) -> Users:
    """People as callers name them: [{urn, keys}]. Invalid when it is not that, or not keys."""
    if given is None:
        return []
    if not isinstance(given, Sequence) or isinstance(given, str):
        raise _malformed()
    found = []
    for user in given:
        urn = user.get("urn", "") if isinstance(user, Mapping) else None
        if not isinstance(urn, str) or len(urn) > LONGEST:
            raise _malformed()
        listed = user.get("keys", [])
        found.append({"urn": urn, "keys": parse_keys([listed] if isinstance(listed, str) else listed)})
    merged([], found)  # which says so when they are too many
    return found


def merged(known: Users, more: Users) -> Users:
    """Those of `more` as they are told there, and the others of `known`; who has no key is left out."""
    found = [user for user in {user["urn"]: user for user in [*known, *more]}.values() if user["keys"]]
    if len(listed := keys(found)) > MOST:
        raise Invalid(f"the slice would have more than {MOST} keys", "give those of a few people")
    if sum(len(user["urn"]) for user in found) + sum(map(len, listed)) > TOGETHER:
        raise Invalid(
            f"the slice's people and their keys would have more than {TOGETHER} characters",
            "give a few, or ed25519",
        )
    return found


def keys(users: Users) -> list[str]:
    """All their keys, each once."""
    return list(dict.fromkeys(key for user in users for key in user["keys"]))


def install(tx: Transaction, call: Call, group: Record, listed: list[str]) -> tuple[Record, int | None]:
    """The group with these keys, and the job that installs them; None when there is nothing to do."""
    if group["keys"] == listed:
        return group, None
    name = name_of(group["record_key"])
    groups.set_keys(tx, call, name, listed)
    counter, account = tx.get("meta_jobs"), people.account_of(tx, name)
    job = int(counter["last"]) if counter is not None and account is not None else None
    return groups.need(tx, call, name), job


def _malformed() -> Invalid:
    return Invalid(
        "geni_users is not a list of people", "as [{urn: ..., keys: [an SSH public key, ...]}, ...]"
    )
