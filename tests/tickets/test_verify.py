"""What a ticket must be to be good, whichever way it is signed."""

import math
from dataclasses import replace
from typing import Any

import pytest

from nm import marshal, signatures, tickets
from nm.errors import Conflict, Denied, Invalid, NMError
from nm.signatures import Trusted
from tests.memory_store import MemoryStore
from tests.tickets.signers import NODE, NONCE, NOW, SLIVER, fresh, payload, rules, signer, ticket

pytestmark = pytest.mark.parametrize("way", ["openpgp", "xml"])


def refusal(text: str, now: float = NOW, given: tickets.Rules | None = None) -> NMError:
    with pytest.raises(NMError) as caught:
        tickets.verify(text, now, given or rules())
    assert caught.value.hint
    return caught.value


def test_a_good_one_says_what_was_signed(way: str) -> None:
    found = tickets.verify(ticket(way), NOW, rules())
    assert found.reply == {"timestamp": NOW, "slivers": [SLIVER]}
    assert (found.sliver, found.nonce, found.timestamp, found.expires) == ("demo_web", NONCE, NOW, NOW + 3600)
    assert not found.old
    assert found.signer == tickets.verify(ticket(way, node="1"), NOW, rules()).signer


def test_what_was_made_by_payload_verifies(way: str) -> None:
    text = tickets.payload({"slivers": [SLIVER]}, NODE, NONCE, NOW, NOW + 60)
    assert tickets.verify(signer(way).sign(text), NOW, rules()).expires == NOW + 60


def test_times_past_2038_fit(way: str) -> None:
    late = 2**31 + 1000
    given = replace(rules(), longest=late)
    assert tickets.verify(ticket(way, expires=late), NOW, given).expires == late


def test_only_trusted_keys_count(way: str) -> None:
    assert isinstance(refusal(fresh(way).sign(payload())), Denied)
    assert isinstance(refusal(ticket(way), given=replace(rules(), keys=Trusted())), Denied)


def test_more_keys_than_one_may_be_trusted(way: str) -> None:
    other = fresh(way)
    keys = signatures.trusted([("a", signer(way).public), ("b", other.public)])
    given = replace(rules(), keys=keys)
    first = tickets.verify(ticket(way), NOW, given)
    second = tickets.verify(other.sign(payload()), NOW, given)
    assert first.signer != second.signer


def test_a_key_of_one_way_does_not_open_the_other(way: str) -> None:
    other = "xml" if way == "openpgp" else "openpgp"
    assert isinstance(refusal(ticket(way), given=replace(rules(), keys=signer(other).trusted)), Denied)


def test_for_another_node(way: str) -> None:
    said = refusal(ticket(way, node="node2.example.org"))
    assert isinstance(said, Denied)
    assert "node2.example.org" in said.message and NODE in said.hint


def test_it_ends(way: str) -> None:
    text = ticket(way)
    tickets.verify(text, NOW + 3599, rules())
    said = refusal(text, NOW + 3600)
    assert isinstance(said, Denied) and "ended on 20" in said.message


def test_it_lives_no_longer_than_the_site_allows(way: str) -> None:
    longest = rules().longest
    tickets.verify(ticket(way, expires=NOW + longest), NOW, rules())
    assert isinstance(refusal(ticket(way, expires=NOW + longest + 1)), Denied)


def test_one_of_the_future_cannot_outlive_what_is_delivered_later(way: str) -> None:
    skew = rules().skew
    tickets.verify(ticket(way, timestamp=NOW + skew), NOW, rules())
    assert isinstance(refusal(ticket(way, timestamp=NOW + skew + 1)), Denied)


@pytest.mark.parametrize("missing", tickets.OURS)
def test_all_of_node_nonce_and_end_or_none(way: str, missing: str) -> None:
    assert isinstance(refusal(ticket(way, **{missing: None})), Invalid)
    assert isinstance(refusal(ticket(way, **{missing: None}), given=replace(rules(), old=True)), Invalid)


@pytest.mark.parametrize(
    "changes",
    [
        {"slivers": []},
        {"slivers": [SLIVER, SLIVER]},
        {"slivers": None},
        {"slivers": "demo_web"},
        {"slivers": [{"slice_id": 1}]},
        {"slivers": [{"name": ""}]},
        {"slivers": [{"name": 5}]},
        {"slivers": ["demo_web"]},
        {"timestamp": None},
        {"timestamp": "soon"},
        {"timestamp": True},
        {"timestamp": 1262304000.5},
        {"timestamp": 0},
        {"timestamp": -5},
        {"expires": float(2**50)},
        {"nonce": "short"},
        {"nonce": "../../../../etc/passwd"},
        {"nonce": "x" * 65},
        {"nonce": 1234567890123456},
        {"node": 1},
    ],
)
def test_what_makes_no_sense(way: str, changes: dict[str, Any]) -> None:
    assert isinstance(refusal(ticket(way, **changes)), Invalid)


def test_what_no_ticket_holds(way: str) -> None:
    good = payload()
    for wrong in (
        good.replace(b"methodResponse", b"methodCall"),
        good.replace(b"<int>1</int>", b"<dateTime.iso8601>20100101T00:00:00</dateTime.iso8601>"),
        good.replace(b"<int>1</int>", b"<base64>AAAA</base64>"),
        good.replace(b"<int>1</int>", b"<double>inf</double>"),
        good.replace(b"<int>1</int>", b"<int>one</int>"),
        good.replace(b"<name>slice_id</name>", b"<name>name</name>"),
        b"<?xml version='1.0'?><methodResponse><params></params></methodResponse>",
        marshal.fault(1, "no"),
        b"<a/>",
    ):
        assert wrong != good
        assert isinstance(refusal(signer(way).sign(wrong)), Invalid), wrong


def test_numbers_that_are_none(way: str) -> None:
    wrong = payload().replace(f"<int>{NOW}</int>".encode(), b"<double>nan</double>")
    assert isinstance(refusal(signer(way).sign(wrong)), Invalid)
    assert not math.isnan(NOW)


def test_old_ones_count_where_the_site_says_so(way: str) -> None:
    text = ticket(way, node=None, nonce=None, expires=None)
    assert isinstance(refusal(text), Denied)
    given = replace(rules(), old=True)
    found = tickets.verify(text, NOW, given)
    assert found.old and found.expires == NOW + given.old_life
    assert isinstance(refusal(text, NOW + given.old_life, given), Denied)


def test_it_is_used_once(way: str) -> None:
    store = MemoryStore()
    for changes in ({}, {"node": None, "nonce": None, "expires": None}):
        found = tickets.verify(ticket(way, **changes), NOW, replace(rules(), old=True))
        store.transact(lambda tx: tickets.spend(tx, NOW, found))  # noqa: B023
        again = tickets.verify(ticket(way, **changes), NOW + 1, replace(rules(), old=True))
        with pytest.raises(Conflict):
            store.transact(lambda tx: tickets.spend(tx, NOW + 1, again))  # noqa: B023


def test_what_was_used_is_remembered_until_it_is_over(way: str) -> None:
    store = MemoryStore()
    found = tickets.verify(ticket(way), NOW, rules())
    store.transact(lambda tx: tickets.spend(tx, NOW, found))
    key = f"ticket_{NONCE}"
    record = store.get(key)
    assert record is not None and record["sliver"] == "demo_web" and record["signer"] == found.signer
    assert record["expiry"] > found.expires
    store.transact(lambda tx: tickets.forget(tx, record["expiry"] - 1, [key, "ticket_none"]))
    assert tickets.spent(store, found)
    store.transact(lambda tx: tickets.forget(tx, record["expiry"], [key]))
    assert not tickets.spent(store, found)
    assert isinstance(refusal(ticket(way), record["expiry"]), Denied)


def test_one_that_is_too_long(way: str) -> None:
    long = {**SLIVER, "attributes": [{"tagname": "x", "value": "y" * (1 << 20)}]}
    assert isinstance(refusal(ticket(way, slivers=[long])), Invalid)
    fits = {**SLIVER, "attributes": [{"tagname": "x", "value": "y" * (1 << 19)}]}
    assert tickets.verify(ticket(way, slivers=[fits]), NOW, rules()).reply["slivers"] == [fits]
