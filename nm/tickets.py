"""Tickets: a sliver's record, signed by somebody whom the site trusts, and given to a node by anybody.

The text that is signed is an answer of XML-RPC in the form of GetSlivers, with just one sliver. A ticket of
ours also says for which `node` it is, until when (`expires`), and a `nonce` by which it is used once. One of
the historical form says none of the three: where a site accepts it at all, it ends some time after its
timestamp, and the digest of what it says stands in for the nonce. Pure.
"""

import hashlib
import json
import math
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from xmlrpc.client import Fault

from nm import marshal, signatures
from nm.errors import Conflict, Denied, Invalid
from nm.records import Record, is_name, new, record_key
from nm.signatures import Trusted
from nm.store import Reader, Transaction

DAY = 86400
LONGEST = 30 * DAY  # that a ticket may be good for
SHORTEST_NONCE = 16
REMEMBERED = DAY  # longer than it is good for, lest a clock that is set back makes it good again
LATEST = 1 << 37  # seconds since 1970: in the year 6325
OURS = ("node", "nonce", "expires")


@dataclass(frozen=True)
class Rules:
    """What a site accepts. Times in seconds."""

    nodes: frozenset[str]  # the names by which tickets may mean this node
    keys: Trusted = field(default_factory=Trusted)
    old: bool = False  # whether tickets of the historical form count
    old_life: int = DAY  # for so long after their timestamp
    longest: int = LONGEST  # that one may still be good for; for so long it is remembered
    skew: int = 300  # that the signer's clock may be ahead


@dataclass(frozen=True)
class Ticket:
    """What a ticket says, now that it was found to be good."""

    reply: Record  # in the form of GetSlivers, as it came; what is said of the ticket itself is taken out
    signer: str  # the fingerprint of the key
    nonce: str
    timestamp: int  # of the sliver's record
    expires: int
    old: bool

    @property
    def sliver(self) -> str:
        """The name of its one sliver."""
        return str(self.reply["slivers"][0]["name"])


# ---- reading


def verify(text: str, now: float, rules: Rules) -> Ticket:
    """The ticket, when it is good now and here. Whether it was used before, `spend` knows.

    Invalid when it is malformed, Denied when it is not signed by a trusted key, not for here or not for now.
    """
    signed = signatures.opened(text, rules.keys, now)
    reply, timestamp = _one(signed.payload)
    if timestamp > now + rules.skew:
        raise Denied(f"the ticket begins {_when(timestamp)}", "set the clocks of signer and node right")
    given = [key for key in OURS if key in reply]
    if given and len(given) < len(OURS):
        raise _malformed(f"it says {' and '.join(given)}, and must say all of {', '.join(OURS)}, or none")
    read = _ours if given else _old
    ticket = read(reply, signed.signer, timestamp, rules)
    if ticket.expires <= now:
        raise Denied(f"the ticket ended {_when(ticket.expires)}", "ask for a new one")
    if ticket.expires > now + rules.longest:
        hint = f"this site remembers tickets for {rules.longest // DAY} days: have it signed for less"
        raise Denied(f"the ticket ends {_when(ticket.expires)}, which is too late", hint)
    return ticket


def _ours(reply: Record, signer: str, timestamp: int, rules: Rules) -> Ticket:
    node, nonce, expires = reply["node"], reply["nonce"], _seconds(reply, "expires")
    if not isinstance(nonce, str) or not is_name(nonce) or len(nonce) < SHORTEST_NONCE:
        raise _malformed(f"its nonce is not {SHORTEST_NONCE} to 64 letters and digits")
    if not isinstance(node, str):
        raise _malformed("its node is no name")
    if node not in rules.nodes:
        raise Denied(f"the ticket is for node {node[:70]!r}", f"this is {', '.join(sorted(rules.nodes))}")
    rest = {key: value for key, value in reply.items() if key not in OURS}
    return Ticket(rest, signer, nonce, timestamp, expires, old=False)


def _old(reply: Record, signer: str, timestamp: int, rules: Rules) -> Ticket:
    """It is known again by what it says: signatures of texts hold whatever their lines end with."""
    if not rules.old:
        raise Denied(
            "the ticket says neither node nor nonce nor end, and this site accepts no such tickets",
            "have it signed with all three, or let an administrator allow old tickets",
        )
    digest = hashlib.sha256(json.dumps(reply, sort_keys=True).encode()).hexdigest()
    return Ticket(reply, signer, digest, timestamp, timestamp + rules.old_life, old=True)


def unsigned(text: str) -> Record:
    """What an administrator gives without a signature: an answer of GetSlivers, of any length."""
    return _reply(text.encode(errors="replace"))


def _one(payload: bytes) -> tuple[Record, int]:
    """An answer with just one sliver, and its timestamp."""
    reply = _reply(payload)
    if len(reply["slivers"]) != 1:
        raise _malformed(f"it has {len(reply['slivers'])} slivers, and must have one")
    return reply, _seconds(reply, "timestamp")


def _reply(payload: bytes) -> Record:
    """An answer of GetSlivers: builtin values only, each sliver a struct with a name."""
    try:
        reply = marshal.parse_answer(payload)
    except marshal.MalformedError as error:
        raise _malformed(str(error)) from None
    except Fault:
        raise _malformed("it is an answer that tells of a fault") from None
    if not isinstance(reply, dict) or not isinstance(reply.get("slivers"), list):
        raise _malformed("it is no struct with a list of slivers")
    for sliver in reply["slivers"]:
        if not isinstance(sliver, dict) or not isinstance(sliver.get("name"), str) or not sliver["name"]:
            raise _malformed("a sliver in it has no name")
    if not _is_plain(reply):
        raise _malformed("it holds something else than text, numbers, booleans, nil, lists and structs")
    return reply


def _is_plain(value: Any) -> bool:
    if isinstance(value, dict):
        return all(map(_is_plain, value.values()))
    if isinstance(value, list):
        return all(map(_is_plain, value))
    if isinstance(value, float):
        return math.isfinite(value)
    return value is None or isinstance(value, str | int)


def _seconds(reply: Record, key: str) -> int:
    """A time in seconds since 1970; a double where XML-RPC has no int for it."""
    value = reply.get(key)
    if isinstance(value, bool) or not isinstance(value, int | float) or value != int(value):
        raise _malformed(f"its {key} is no time in whole seconds since 1970")
    if not 0 < value < LATEST:
        raise _malformed(f"its {key} is no time that a calendar has")
    return int(value)


def _when(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("on %Y-%m-%d at %H:%M:%S UTC")


def _malformed(said: str) -> Invalid:
    return Invalid(f"this is no ticket: {said}", "give it whole, as it was signed")


# ---- using once


def spend(tx: Transaction, now: float, ticket: Ticket) -> None:
    """Remember that it was used. Conflict when it was used before."""
    if spent(tx, ticket):
        raise Conflict("this ticket was used already", "ask for a new one; a ticket is good once")
    until = ticket.expires + REMEMBERED
    tx.put(new("ticket", ticket.nonce, now, until, sliver=ticket.sliver, signer=ticket.signer))


def spent(reader: Reader, ticket: Ticket) -> bool:
    """Whether it was used already."""
    return reader.get(record_key("ticket", ticket.nonce)) is not None


def forget(tx: Transaction, now: float, keys: Iterable[str]) -> None:
    """Remove those of these records of tickets that are over, and need not be remembered any more."""
    for key in keys:
        if (record := tx.get(key)) is not None and record["expiry"] <= now:
            tx.delete(key)


# ---- making


def payload(reply: Record, node: str, nonce: str, now: float, expires: int) -> bytes:
    """The text to sign: the reply's one sliver, for that node, until then, once."""
    if expires <= now:
        raise Invalid("the ticket would end before it begins", "give a later end")
    whole = {"timestamp": int(now), **reply, "node": node, "nonce": nonce, "expires": expires}
    try:
        text = marshal.answer(whole)
    except TypeError as error:
        raise Invalid(f"this cannot be said in a ticket: {error}", "give what GetSlivers answers") from None
    _one(text)
    return text
