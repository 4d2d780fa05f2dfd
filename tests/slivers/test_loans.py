"""Loans: the rules one by one, what is said to both sides, and what a call may look like."""

from typing import Any

import pytest

from nm import loans
from nm.errors import Invalid
from nm.rspec import MINIMUMS
from tests.memory_store import MemoryStore
from tests.slivers.making import NOW, lend, place, record, settle, take_away

README = ["princeton_eisentest", "nm_cpu_guaranteed_share", 200]


@pytest.fixture
def store() -> MemoryStore:
    made = MemoryStore()
    place(made, "a", cpu_min=300, cpu_share=32)
    place(made, "b", cpu_min=100, cpu_share=32)
    place(made, "c", cpu_min=0, cpu_share=32)
    return made


def has(store: MemoryStore, resource: str = "cpu_min") -> dict[str, int]:
    """What each sliver has in effect."""
    return {each["name"]: loans.get_effective_rspec(store, each["name"])[resource] for each in slivers(store)}


def slivers(store: MemoryStore) -> list[Any]:
    found = (one for one in store.range("sliver") if loans.has_resources(one))
    return sorted(found, key=lambda one: str(one["name"]))


def reasons(store: MemoryStore, lender: str) -> list[str]:
    states = loans.get_loan_states(store, lender)
    assert [state["in_force"] for state in states] == [not state["reason"] for state in states]
    return [state["reason"] for state in states]


def said(store: MemoryStore) -> list[tuple[str, str, str, str]]:
    """The events of the last transaction that had any."""
    last = next(one for one in reversed(store.changes(0) or []) if one.events)
    return [(event.who, event.subject, event.what, event.detail) for event in last.events]


# ---- the call


def test_the_readmes_call_word_for_word() -> None:
    store = MemoryStore()
    place(store, "princeton_sirius", cpu_min=200)
    place(store, "princeton_eisentest")
    lend(store, "princeton_sirius", README)
    assert loans.get_loans(store, "princeton_sirius") == [["princeton_eisentest", "cpu_min", 200]]
    assert has(store) == {"princeton_eisentest": 200, "princeton_sirius": 0}
    assert loans.get_rspec(store, "princeton_sirius")["cpu_min"] == 200


def test_a_flat_triple_is_a_list_of_one_and_aliases_have_their_own_units() -> None:
    assert loans.parse("x", README) == loans.parse("x", [README]) == loans.parse("x", (tuple(README),))
    given = [["b", "cpu_pct", 20], ["b", "net_max_rate", 2], ["b", "net_i2_min_rate", 1]]
    assert loans.parse("a", given) == [["b", "cpu_min", 200], ["b", "net_max", 2000], ["b", "net2_min", 1000]]


def test_just_the_minimums_can_be_lent() -> None:
    for name in MINIMUMS:
        assert loans.parse("a", ["b", name, 0]) == [["b", name, 0]]
    wrong: list[object] = [
        "disk_max",
        "enabled",
        "memory",
        "cpu_cores",
        "net2_share",
        "nonsense",
        7,
        None,
        [],
    ]
    for given in wrong:
        with pytest.raises(Invalid, match="nothing that can be lent; one of cpu_min, cpu_share, net_min"):
            loans.parse("a", [["b", given, 1]])


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ("b cpu_min 1", "the loans are not a list"),
        ({}, "the loans are not a list"),
        (None, "the loans are not a list"),
        ([["b", "cpu_min"]], "loan 1 is not a recipient, a resource and an amount"),
        (["b", "cpu_min"], "loan 1 is not a recipient"),
        ([["b", "cpu_min", 1], "x"], "loan 2 is not a recipient"),
        ([[5, "cpu_min", 1]], "loan 1: recipient '5' is not a legal name"),
        ([["b/../c", "cpu_min", 1]], "loan 1: recipient 'b/../c' is not a legal name"),
        ([["b", "cpu_min", True]], "loan 1: the amount is not an int"),
        ([["b", "cpu_min", 1.0]], "loan 1: the amount is not an int"),
        ([["b", "cpu_min", "1"]], "loan 1: the amount is not an int"),
        ([["b", "cpu_min", -1]], "loan 1: '-1' is not a number"),
        ([["b", "cpu_pct", 2**53]], "loan 1: '9007199254740992' is too large"),
        ([["b", "cpu_min", 1]] * 101, "101 loans in one list"),
        ([[f"s{n}", "cpu_min", 1] for n in range(25)], "a would lend to 25 other slivers"),
    ],
)
def test_what_is_no_list_of_loans(store: MemoryStore, given: object, message: str) -> None:
    lend(store, "a", ["b", "cpu_min", 5])
    before = dict(store.get("sliver_a") or {})
    with pytest.raises(Invalid, match=message):
        lend(store, "a", given)
    assert store.get("sliver_a") == before


def test_lenders_are_slivers(store: MemoryStore) -> None:
    place(store, "boss", "controller")
    for name in ("nobody", "boss"):
        with pytest.raises(Invalid, match=f"{name} is no sliver"):
            lend(store, name, [])
        with pytest.raises(Invalid, match=f"{name} is no sliver"):
            loans.get_effective_rspec(store, name)


def test_as_many_as_a_list_may_name_fit_in_one_transaction(store: MemoryStore) -> None:
    names = [f"s{number}" for number in range(2 * loans.MOST_RECIPIENTS)]
    for name in names:
        place(store, name)
    first, second = names[: loans.MOST_RECIPIENTS], names[loans.MOST_RECIPIENTS :]
    for half in (first, second):
        lend(store, "a", [[name, "cpu_min", 1] for name in half])
    assert [name for name, amount in has(store).items() if amount == 1] == sorted(second)
    take_away(store, "a")
    assert not any(has(store)[name] for name in names)


# ---- the rules


def test_in_list_order(store: MemoryStore) -> None:
    lend(store, "a", [["b", "cpu_min", 200], ["c", "cpu_min", 200], ["c", "cpu_min", 100]])
    assert has(store) == {"a": 0, "b": 300, "c": 100}
    assert reasons(store, "a") == [
        "", "that is more than the 100 that a can lend: 300 given, 200 lent before, 0 to keep", "",
    ]  # fmt: skip


def test_the_whole_list_is_replaced(store: MemoryStore) -> None:
    lend(store, "a", [["b", "cpu_min", 200]])
    lend(store, "a", [["c", "cpu_min", 50]])
    assert has(store) == {"a": 250, "b": 100, "c": 50}
    lend(store, "a", [])
    assert has(store) == {"a": 300, "b": 100, "c": 0}
    assert not list(store.range("meta"))


def test_what_was_borrowed_is_not_lent_on(store: MemoryStore) -> None:
    lend(store, "a", [["b", "cpu_min", 300]])
    lend(store, "b", [["c", "cpu_min", 101]])
    assert has(store) == {"a": 0, "b": 400, "c": 0}
    lend(store, "b", [["c", "cpu_min", 100]])
    assert has(store) == {"a": 0, "b": 300, "c": 100}


def test_a_minimum_stays(store: MemoryStore) -> None:
    lend(store, "a", [["b", "cpu_share", 17]])
    assert has(store, "cpu_share")["a"] == 32
    assert reasons(store, "a") == ["that is more than the 16 that a can lend: 32 given, 16 to keep"]
    lend(store, "a", [["b", "cpu_share", 16]])
    assert has(store, "cpu_share") == {"a": 16, "b": 48, "c": 32}


def test_who_has_less_than_the_minimum_lends_nothing(store: MemoryStore) -> None:
    place(store, "a", cpu_share=10)
    lend(store, "a", [["b", "cpu_share", 0]])
    assert reasons(store, "a") == ["that is more than the 0 that a can lend: 10 given, 16 to keep"]


def test_a_loan_to_oneself_changes_what_is_left_and_nothing_else(store: MemoryStore) -> None:
    lend(store, "a", [["a", "cpu_min", 200], ["b", "cpu_min", 200], ["b", "cpu_min", 100]])
    assert has(store) == {"a": 200, "b": 200, "c": 0}
    assert [reason == "" for reason in reasons(store, "a")] == [True, False, True]


def test_a_stranger_gets_it_when_it_comes(store: MemoryStore) -> None:
    lend(store, "a", [["later", "cpu_min", 200], ["b", "cpu_min", 200]])
    assert reasons(store, "a") == ["there is no sliver later on this node", ""]
    assert has(store) == {"a": 100, "b": 300, "c": 0}
    place(store, "later")
    assert has(store) == {"a": 100, "b": 100, "c": 0, "later": 200}
    take_away(store, "later")
    assert has(store) == {"a": 100, "b": 300, "c": 0}


def test_a_controller_gets_nothing(store: MemoryStore) -> None:
    place(store, "boss", "controller")
    lend(store, "a", [["boss", "cpu_min", 100]])
    assert reasons(store, "a") == ["boss is a controller, which has no use for it"]
    place(store, "boss", "sliver.LXC")
    assert has(store) == {"a": 200, "b": 100, "boss": 100, "c": 0}
    place(store, "a", "controller", cpu_min=300)
    assert has(store) == {"b": 100, "boss": 0, "c": 0}
    place(store, "a", cpu_min=300)
    assert has(store)["boss"] == 100


def test_a_new_rspec_of_the_lender(store: MemoryStore) -> None:
    lend(store, "a", [["b", "cpu_min", 200], ["c", "cpu_min", 50]])
    place(store, "a", cpu_min=100)
    assert has(store) == {"a": 50, "b": 100, "c": 50}
    place(store, "a", cpu_min=1000)
    assert has(store) == {"a": 750, "b": 300, "c": 50}


def test_loans_of_one_who_goes_end(store: MemoryStore) -> None:
    lend(store, "a", [["b", "cpu_min", 200], ["d", "cpu_min", 1]])
    take_away(store, "a")
    assert has(store) == {"b": 100, "c": 0}
    assert not list(store.range("meta"))
    place(store, "a", cpu_min=300)
    assert has(store) == {"a": 300, "b": 100, "c": 0}


# ---- between two transactions


def test_gone_and_back_before_anybody_looked(store: MemoryStore) -> None:
    lend(store, "a", [["b", "cpu_min", 200]])
    store.transact(lambda tx: loans.take_away(tx, "b", NOW))
    store.transact(lambda tx: loans.place(tx, record("b", cpu_min=100)))
    assert has(store) == {"a": 100, "b": 300, "c": 0}
    settle(store)
    assert has(store) == {"a": 100, "b": 300, "c": 0}


def test_what_is_to_be_looked_at_is_in_the_records(store: MemoryStore) -> None:
    """So a crash between two transactions loses nothing, and each is small."""
    lend(store, "a", [["d", "cpu_min", 10]])
    lend(store, "b", [["d", "cpu_min", 10]])
    store.transact(lambda tx: loans.place(tx, record("d")))
    assert has(store)["d"] == 0
    assert (store.get(loans.DUE) or {})["recipients"] == {"d": ""}
    assert store.transact(loans.settle)
    assert has(store)["d"] == 10
    assert (store.get(loans.DUE) or {})["recipients"] == {"d": "a"}
    settle(store)
    assert has(store)["d"] == 20
    assert store.get(loans.DUE) is None


def test_a_delivery_keeps_what_is_derived_and_touches_no_timestamp(store: MemoryStore) -> None:
    lend(store, "a", [["b", "cpu_min", 200]])
    assert (store.get("sliver_a") or {})["timestamp"] == NOW
    place(store, "b", cpu_min=7)
    assert has(store)["b"] == 207
    revision = store.revision
    store.transact(
        lambda tx: loans.place(tx, {**record("b", cpu_min=7), "_rspec": {}, "_borrowed": {"x": 1}})
    )
    assert not (store.changes(revision) or [])[0].changes


# ---- notices


def test_both_sides_are_told(store: MemoryStore) -> None:
    lend(store, "a", [["b", "cpu_min", 200], ["later", "cpu_min", 1]])
    to_b, to_later = (f"cpu_min {amount} (thousandths of a processor)" for amount in (200, 1))
    why = "there is no sliver later on this node"
    assert said(store) == [
        ("me", "sliver b", "borrows", f"a lends {to_b}, before 0"),
        ("me", "sliver a", "lends", f"{to_b} to b: in force; {to_later} to later: not in force, {why}"),
    ]
    place(store, "a", cpu_min=100)
    assert [(who, subject) for who, subject, _, _ in said(store)] == [("nm", "sliver b"), ("nm", "sliver a")]
    assert said(store)[0][3] == "a lends cpu_min 0 (thousandths of a processor), before 200"
    assert "to b: not in force, that is more than the 100 that a can lend" in said(store)[1][3]
    lend(store, "a", [])
    assert said(store) == [("me", "sliver a", "lends", "nothing")]


def test_nobody_is_told_of_nothing(store: MemoryStore) -> None:
    lend(store, "a", [["b", "cpu_min", 200]])
    revision = store.revision
    lend(store, "a", [["b", "cpu_min", 200]])
    place(store, "a", cpu_min=300, cpu_share=99)
    published = store.changes(revision) or []
    assert published
    assert not [event for one in published for event in one.events]
