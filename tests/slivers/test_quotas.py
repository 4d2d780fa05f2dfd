"""Bytes a day: what is counted, whose it is, when the rate falls, and what is told of it."""

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nm import quotas
from nm.database import Database
from nm.quotas import DAY, Account
from nm.records import changed
from tests.memory_store import MemoryStore
from tests.slivers.making import NOW, record

KIB = 1024
RSPEC: dict[str, Any] = {
    "net_min": 1000, "net_max": 10_000_000, "net_max_kbyte": 1000, "net_thresh_kbyte": 800,
    "net2_max_kbyte": 5000, "net2_thresh_kbyte": 4000,
}  # fmt: skip


def opened(index: int = 3, now: float = NOW, **sent: int) -> Account:
    return quotas.moved(quotas.opened("x", now), index, sent)


def used(account: Account) -> tuple[int, int]:
    return account.meters["net"].used, account.meters["net2"].used


def at(account: Account, now: float, net: int, net2: int = 0) -> tuple[Account, list[str], dict[str, int]]:
    """The account after a look: what it tells, and the rates that it leaves."""
    account = quotas.counted(account, {"net": net, "net2": net2}, now)
    account, events = quotas.judged(account, RSPEC)
    return account, [event.what for event in events], quotas.limits(account, RSPEC, now)


def test_a_day_of_a_sliver() -> None:
    account, events, rates = at(opened(), NOW + 60, 799 * KIB)
    assert (events, rates) == ([], {})
    account, events, rates = at(account, NOW + DAY / 2, 900 * KIB)
    assert events == ["rate limited"]
    assert rates == {"net": 1000}  # never below net_min
    account, events, rates = at(account, NOW + DAY - 10, 900 * KIB)
    assert (events, rates) == ([], {"net": 100 * KIB * 8 // 10})
    account, events, rates = at(account, NOW + DAY - 1, 2000 * KIB)
    assert (events, rates) == ([], {"net": 1000})
    account, events, rates = at(account, NOW + DAY + 59, 2000 * KIB)
    assert (events, rates) == (["rate limit ended"], {})
    assert account.since == NOW + DAY
    account, events, rates = at(account, NOW + DAY + 100, 2900 * KIB)
    assert events == ["rate limited"]


def test_the_rate_that_is_left_is_no_more_than_its_most() -> None:
    _, _, rates = at(opened(), NOW + DAY - 0.01, 800 * KIB)
    assert rates == {"net": 200 * KIB * 8}
    assert quotas.limits(at(opened(), NOW + 1, 1000 * KIB)[0], {**RSPEC, "net_max": 500}, NOW) == {"net": 500}


def test_exempt_networks_have_a_limit_of_their_own() -> None:
    account, events, rates = at(opened(), NOW + DAY / 2, 700 * KIB, 4500 * KIB)
    assert events == ["rate limited"]
    assert list(rates) == ["net2"]
    account, events, _ = at(account, NOW + DAY / 2 + 60, 900 * KIB, 4500 * KIB)
    assert events == ["rate limited"]


def test_a_limit_that_comes_and_goes_is_told_once_a_period() -> None:
    told = []
    account = opened()
    for minute, limit in enumerate([1000, 1000, 5000, 1000, 5000, 1000]):
        account = quotas.counted(account, {"net": 900 * KIB}, NOW + 60 * minute)
        account, events = quotas.judged(
            account, {**RSPEC, "net_max_kbyte": limit, "net_thresh_kbyte": limit - 200}
        )
        told += [event.what for event in events]
    assert told == ["rate limited", "rate limit ended"]
    assert account.meters["net"].limited
    account, events = quotas.judged(quotas.counted(account, {"net": 900 * KIB}, NOW + DAY), RSPEC)
    assert not events  # its end was told already


@given(st.lists(st.tuples(st.integers(0, 10**6), st.booleans(), st.booleans()), max_size=20))
def test_nothing_is_lost_and_nothing_counted_twice(life: list[tuple[int, bool, bool]]) -> None:
    """Bytes between looks; then the class is lost (the device went), or nm restarts from its records."""
    counter, total, account = 0, 0, opened()
    for minute, (sent, lost, restarted) in enumerate(life):
        counter, total = counter + sent, total + sent
        account = quotas.counted(account, {"net": counter}, NOW + minute)
        if lost:
            counter = 0
            account = quotas.counted(account, {}, NOW + minute)  # a look that finds none, and makes it anew
        if restarted:
            account = quotas.from_record(quotas.to_record(account, NOW))
    assert used(account) == (total, 0)


def test_a_counter_that_begins_anew_unseen_counts_for_what_it_says() -> None:
    account = quotas.counted(opened(), {"net": 500}, NOW + 1)
    assert used(quotas.counted(account, {"net": 200}, NOW + 2)) == (700, 0)


def test_a_number_that_changes_hands_charges_nobody_twice() -> None:
    first = quotas.counted(opened(3), {"net": 500}, NOW + 1)
    first = quotas.moved(first, None, {})
    second = quotas.moved(quotas.opened("y", NOW + 1), 3, {"net": 500})
    assert used(quotas.counted(second, {"net": 600}, NOW + 2)) == (100, 0)
    assert used(quotas.counted(first, {}, NOW + 2)) == (500, 0)
    again = quotas.moved(first, 4, {"net": 70})
    assert used(quotas.counted(again, {"net": 80}, NOW + 3)) == (510, 0)


def test_what_was_sent_across_the_end_of_a_period_is_shared_out() -> None:
    account = quotas.counted(opened(), {"net": 500}, NOW + DAY - 30)
    account = quotas.counted(account, {"net": 900}, NOW + DAY + 10)
    assert used(account) == (100, 0)
    later = quotas.counted(account, {"net": 1000}, NOW + 4 * DAY + 100)
    assert later.since == NOW + 4 * DAY
    assert used(later)[0] < 100


def test_a_clock_that_is_set_back_makes_no_day_longer() -> None:
    account = quotas.counted(opened(), {"net": 500}, NOW - 10 * DAY)
    assert account.until == NOW - 9 * DAY
    assert used(account) == (500, 0)


def test_an_account_outlives_its_sliver_until_its_period_is_over() -> None:
    account = quotas.counted(opened(), {"net": 900 * KIB}, NOW + 60)
    assert not quotas.is_over(account, NOW + 2 * DAY)  # it has a class
    gone = quotas.moved(account, None, {})
    assert not quotas.is_over(gone, NOW + DAY - 1)
    assert quotas.is_over(gone, NOW + DAY)
    back = quotas.moved(gone, 7, {})
    assert at(back, NOW + 120, 0)[2]  # it is limited as it was


def test_looking_alone_is_no_news() -> None:
    account = quotas.counted(opened(), {"net": 500}, NOW + 60)
    assert quotas.is_news(None, account)
    assert not quotas.is_news(account, quotas.counted(account, {"net": 500}, NOW + 120))
    assert quotas.is_news(account, quotas.counted(account, {"net": 501}, NOW + 120))


def test_what_is_told() -> None:
    store = MemoryStore()
    assert quotas.told(store, "x", NOW) == {}
    account, _, _ = at(opened(), NOW + DAY / 2, 900 * KIB)
    store.transact(lambda tx: tx.put(quotas.to_record(account, NOW)))
    store.transact(lambda tx: tx.put(changed(record("x", **RSPEC), NOW)))
    assert quotas.told(store, "x", NOW + DAY - 10) == {
        "since": NOW,
        "until": NOW + DAY,
        "net": {
            "used_kbyte": 900, "max_kbyte": 1000, "thresh_kbyte": 800, "limited": True, "rate": 81920
        },
        "net2": {"used_kbyte": 0, "max_kbyte": 5000, "thresh_kbyte": 4000, "limited": False, "rate": None},
    }  # fmt: skip
    assert quotas.accounts(store) == {"x": account}


@pytest.mark.parametrize("rest", [0.0, -5.0])
def test_the_last_moment_divides_by_no_zero(rest: float) -> None:
    account, _, _ = at(opened(), NOW + 1, 900 * KIB)
    assert quotas.limits(account, RSPEC, NOW + DAY - rest) == {"net": 100 * KIB * 8}


def test_accounts_outlive_the_daemon(tmp_path: Path) -> None:
    account, _, _ = at(opened(), NOW + DAY / 2, 900 * KIB)
    database = Database.open(tmp_path)
    database.transact(lambda tx: tx.put(quotas.to_record(account, NOW)))
    database.close()
    again = Database.open(tmp_path)
    assert quotas.accounts(again) == {"x": account}
    again.close()
