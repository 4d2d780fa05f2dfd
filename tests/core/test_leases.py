"""Ends of leases: at their time, after a sleep, and not when the clock is wrong or too many end at once.

Time is an argument here: the clocks are two numbers that the tests move.
"""

from dataclasses import dataclass

import pytest

from nm import groups, leases
from nm.calls import Call, Caller
from nm.records import new, record_key
from nm.store import Transaction
from nm.timekeeper import Timekeeper
from tests.memory_store import MemoryStore

ADMIN = Caller(uid=0, name="root", admin=True)
RULES = leases.Rules(grace=3600, jump=120, mass_share=0.25, mass_floor=3)


@dataclass
class Times:
    now: float = 1_000_000.0
    up: float = 500.0

    def pass_(self, seconds: float) -> None:
        self.now += seconds
        self.up += seconds


@pytest.fixture
def times() -> Times:
    return Times()


@pytest.fixture
def store() -> MemoryStore:
    made = MemoryStore()

    def add(tx: Transaction) -> None:
        for vlan in range(101, 141):
            tx.put(
                new(
                    "vlan",
                    vlan,
                    0,
                    id=vlan,
                    shared=False,
                    group=None,
                    groups=[],
                    available=True,
                    reason="",
                )
            )

    made.transact(add)
    return made


def keeper(store: MemoryStore, times: Times, boot: str = "boot-1") -> Timekeeper:
    made = Timekeeper(store, leases.Clocks(lambda: times.now, lambda: times.up, boot), RULES)
    made.handle([])
    return made


def lease(store: MemoryStore, times: Times, name: str, seconds: int) -> None:
    call = Call(ADMIN, "CreateGroup", times.now)
    store.transact(lambda tx: groups.create_group(tx, call, name, {"expires": int(times.now) + seconds}))


def ended(store: MemoryStore) -> set[str]:
    return {group["record_key"][6:] for group in store.range("group") if group["destroying"]}


def look(kept: Timekeeper, store: MemoryStore) -> float | None:
    return kept.handle([leases.Look(leases.ending(store.range("group")))])


def test_a_group_ends_at_its_time_and_not_before(store: MemoryStore, times: Times) -> None:
    kept = keeper(store, times)
    lease(store, times, "a", 100)
    assert look(kept, store) == 60
    times.pass_(99)
    kept.handle([])
    assert ended(store) == set()
    times.pass_(1)
    kept.handle([])
    assert ended(store) == {"a"}


def test_a_group_ends_after_the_daemon_slept_through_it(store: MemoryStore, times: Times) -> None:
    keeper(store, times)
    lease(store, times, "a", 100)
    times.pass_(5000)
    keeper(store, times)
    assert ended(store) == {"a"}


def test_a_renewed_group_lives_on(store: MemoryStore, times: Times) -> None:
    kept = keeper(store, times)
    lease(store, times, "a", 100)
    look(kept, store)
    call = Call(ADMIN, "RenewGroup", times.now)
    store.transact(lambda tx: groups.renew_group(tx, call, "a", times.now + 500))
    times.pass_(200)
    kept.handle([])
    assert ended(store) == set()
    look(kept, store)
    times.pass_(300)
    kept.handle([])
    assert ended(store) == {"a"}


def test_a_clock_that_jumps_ends_nothing_before_the_grace_is_over(store: MemoryStore, times: Times) -> None:
    kept = keeper(store, times)
    lease(store, times, "a", 1000)
    look(kept, store)
    times.now += 86400
    kept.handle([])
    assert ended(store) == set()
    held = leases.get_holds(store, Call(ADMIN, "GetHolds", times.now))
    assert [(entry["group"], entry["reason"]) for entry in held] == [("a", "the clock jumped")]
    times.pass_(3500)
    kept.handle([])
    assert ended(store) == set()
    times.pass_(200)
    kept.handle([])
    assert ended(store) == {"a"}


def test_a_restart_does_not_end_the_doubt(store: MemoryStore, times: Times) -> None:
    kept = keeper(store, times)
    lease(store, times, "a", 1000)
    look(kept, store)
    times.now += 86400
    kept.handle([])
    assert ended(store) == set()
    times.pass_(60)
    keeper(store, times)
    assert ended(store) == set()


def test_others_are_told_of_a_jump_before_it_was_looked_at(store: MemoryStore, times: Times) -> None:
    kept = keeper(store, times)
    told = []
    for off in (0, 86400, -86400):
        times.now += off
        told.append(kept.doubts)
    assert told == [False, True, False]


def test_a_copy_that_was_taken_up_is_doubted_over_a_restart(store: MemoryStore, times: Times) -> None:
    keeper(store, times)
    lease(store, times, "a", 1000)
    times.pass_(86400)
    store.transact(lambda tx: tx.put(new("meta", "restored", times.now)))
    killed = Timekeeper(store, leases.Clocks(lambda: times.now, lambda: times.up, "boot-1"), RULES)
    store.transact(killed.take_up_copy)
    assert keeper(store, times).doubts
    assert ended(store) == set()
    times.pass_(RULES.grace + 1)
    keeper(store, times)
    assert ended(store) == {"a"}


def test_a_clock_that_jumped_while_the_daemon_was_down_is_noticed(store: MemoryStore, times: Times) -> None:
    keeper(store, times)
    lease(store, times, "a", 1000)
    times.now += 86400
    keeper(store, times)
    assert ended(store) == set()


def test_a_clock_set_right_again_lets_the_hold_go(store: MemoryStore, times: Times) -> None:
    kept = keeper(store, times)
    lease(store, times, "a", 1000)
    look(kept, store)
    times.now += 86400
    kept.handle([])
    times.now -= 86400
    times.pass_(1)
    kept.handle([])
    assert ended(store) == set() and leases.held(store) == {}


def test_an_administrator_confirms(store: MemoryStore, times: Times) -> None:
    kept = keeper(store, times)
    lease(store, times, "a", 1000)
    look(kept, store)
    times.now += 86400
    kept.handle([])
    call = Call(ADMIN, "ConfirmExpiry", times.now)
    store.transact(lambda tx: leases.confirm_expiry(tx, call, ["a"]))
    kept.handle([leases.Look()])
    assert ended(store) == {"a"} and leases.held(store) == {}


def test_too_many_at_once_wait_for_an_administrator(store: MemoryStore, times: Times) -> None:
    kept = keeper(store, times)
    for number in range(10):
        lease(store, times, f"g{number}", 100)
    lease(store, times, "long", 100_000)
    look(kept, store)
    times.pass_(100)
    kept.handle([])
    assert ended(store) == set() and len(leases.held(store)) == 10
    times.pass_(7200)
    kept.handle([])
    assert ended(store) == set()
    call = Call(ADMIN, "ConfirmExpiry", times.now)
    store.transact(lambda tx: leases.confirm_expiry(tx, call, []))
    kept.handle([leases.Look()])
    assert len(ended(store)) == 10


def test_what_was_held_back_stays_so_however_few_are_left(store: MemoryStore, times: Times) -> None:
    kept = keeper(store, times)
    for number in range(5):
        lease(store, times, f"g{number}", 100)
    look(kept, store)
    times.pass_(101)
    kept.handle([])
    call = Call(ADMIN, "ConfirmExpiry", times.now)
    store.transact(lambda tx: leases.confirm_expiry(tx, call, ["g0", "g1"]))
    kept.handle([leases.Look()])
    assert ended(store) == {"g0", "g1"}
    times.pass_(7200)
    kept.handle([])
    assert ended(store) == {"g0", "g1"} and set(leases.held(store)) == {"g2", "g3", "g4"}


def test_a_few_at_once_just_end(store: MemoryStore, times: Times) -> None:
    kept = keeper(store, times)
    for number in range(3):
        lease(store, times, f"g{number}", 100)
    look(kept, store)
    times.pass_(101)
    kept.handle([])
    assert len(ended(store)) == 3


def test_finished_jobs_are_forgotten_after_a_week(store: MemoryStore, times: Times) -> None:
    kept = keeper(store, times)
    job = new("job", 1, times.now, int(times.now) + 7 * 86400, id=1, state="done")
    store.transact(lambda tx: tx.put(job))
    kept.handle([leases.Look(leases.ending([job]))])
    times.pass_(7 * 86400 - 1)
    kept.handle([])
    assert store.get(record_key("job", 1)) is not None
    times.pass_(2)
    kept.handle([])
    assert store.get(record_key("job", 1)) is None
