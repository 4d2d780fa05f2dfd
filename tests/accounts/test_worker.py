"""The accounts' worker with the real tools, item by item: what goes first, and how long anybody waits."""

import os
import time
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest

from nm import delegates, groups, jobs, people
from nm.accounts import LOOKS
from nm.accountwork import BITE, AccountsWorker, Settle, Survey
from nm.calls import Call, Caller, Site
from nm.converge import Tools
from nm.export import ExportHand
from nm.facts import Order, Outcome
from nm.passwd import Entry, read_passwd
from nm.records import Record, record_key
from nm.store import Published, Transaction
from nm.unixaccounts import FORWARD, Places, System
from nm.workers import Crew, Errand, Job, Reading, Worker
from tests.accounts import CALLS, FIRST, LAST
from tests.accounts.logins import Login
from tests.accounts.test_in_rack import break_tools, mend_tools
from tests.memory_store import MemoryStore

KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIHG9PQ9B8t1vHzn9pYc0R0nGzqXhUjBq0jXo3aJfY1xL alice"
OTHER = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIHG9PQ9B8t1vHzn9pYc0R0nGzqXhUjBq0jXo3aJfY1xM bob"
MANY = 2 * BITE + 5
NOW = 1_000_000.0
UP = 100.0  # at the start of a test; then it is the test that lets the time pass


class Desk:
    """Operations on a store, and the worker that is handed what they call for, when the test says so."""

    def __init__(self, places: Places) -> None:
        self.places = places
        self.store = MemoryStore()
        self.events: list[str] = []
        self.store.subscribe(self._listen)
        self.up = UP
        self.system = System(places, lambda: time.clock_gettime(time.CLOCK_BOOTTIME) + self.up - UP)
        self.worker = self.fresh()
        site = Site(uids=(places.first_uid, places.last_uid))
        self._call = Call(Caller(0, "root", admin=True), "", NOW, site)

    def fresh(self) -> AccountsWorker:
        """Another daemon's worker."""
        export = ExportHand(self.places.root / "export")
        return AccountsWorker(
            self.system, Tools(self.store, lambda *_: None, export, lambda: NOW, lambda: self.up)
        )

    def _listen(self, publication: Published) -> None:
        self.events += [f"{event.subject}: {event.detail}" for event in publication.events]

    def do(self, operation: Callable[..., Any], *arguments: Any) -> Any:
        def act(tx: Transaction) -> Any:
            return operation(tx, self._call, *arguments)

        return self.store.transact(act)

    def create(self, count: int, prefix: str = "d") -> list[int]:
        names = [f"{prefix}{at}" for at in range(count)]
        return [self.do(delegates.create_delegate, name, [KEY], []) for name in names]

    def handle(self, *items: Any) -> float | None:
        return self.worker.handle([Job(item) if isinstance(item, int) else item for item in items])

    def finish(self, *items: Any) -> None:
        pause = self.handle(*items)
        while pause is not None:
            self.up += pause
            pause = self.handle()

    def states(self, numbers: list[int]) -> list[str]:
        return [self.get(record_key("job", number))["state"] for number in numbers]

    def get(self, key: str) -> Record:
        record = self.store.get(key)
        assert record is not None
        return record

    @property
    def found(self) -> dict[str, Entry]:
        there = read_passwd(self.places.root)
        return {name: entry for name, entry in there.items() if FIRST <= entry.uid <= LAST}

    def keys(self, name: str) -> list[str]:
        path = self.places.root / "homes" / name / ".ssh" / "authorized_keys"
        return path.read_text().splitlines()

    def group(self, name: str) -> Record:
        """A group whose account has been made."""
        self.do(groups.create_group, name, {"keys": [KEY], "vlan": 101})
        account = self.get(people.account_key(name))
        order = Order(f"account/{name}", {"uid": account["uid"], "id": account["id"]})
        self.finish(Errand([order], lambda _: None))
        self.store.transact(lambda tx: tx.put({**account, "_made": True}))
        return account

    def new_keys(self, name: str, *keys: str) -> int:
        self.do(groups.set_keys, name, list(keys))
        return int(self.get("meta_jobs")["last"])


@pytest.fixture
def desk(places: Places) -> Desk:
    made = Desk(places)
    made.store.transact(lambda tx: tx.put({**_vlan(), "record_key": "vlan_101"}))
    return made


def _vlan() -> Record:
    return {"timestamp": 0, "expiry": None, "id": 101, "shared": False, "group": None, "available": True,
            "groups": []}  # fmt: skip


def test_many_are_made_in_bites_and_each_is_told_when_it_is_done(desk: Desk) -> None:
    numbers = desk.create(MANY)
    assert desk.handle(*numbers) == 0.0
    assert len(desk.found) == BITE
    assert desk.states(numbers) == ["done"] * BITE + ["queued"] * (MANY - BITE)
    desk.finish()
    assert len(desk.found) == MANY and set(desk.states(numbers)) == {"done"}
    assert desk.system.reads == 2 * 3


def test_what_takes_access_away_goes_before_what_is_being_made(desk: Desk) -> None:
    desk.group("alpha")
    desk.finish(*desk.create(2, "old"))
    waiting = desk.create(MANY)
    desk.handle(*waiting)
    keys, gone = desk.new_keys("alpha", OTHER), desk.do(delegates.destroy_delegate, "old0")
    desk.handle(keys, gone)
    assert desk.keys("alpha") == [f"{CALLS} {OTHER}"]
    desk.handle()
    assert "old0" not in desk.found and "old1" in desk.found
    assert desk.states([keys, gone]) == ["done", "done"] and desk.states(waiting).count("done") == BITE
    desk.finish()
    assert len(desk.found) == MANY + 2


def test_who_was_coming_in_when_a_key_went_is_ended_without_a_job(
    desk: Desk, logins: Callable[[], Login]
) -> None:
    account = desk.group("alpha")
    assert account["uid"] == FIRST
    late = logins()
    keys = desk.new_keys("alpha", OTHER)
    pause = desk.handle(keys)
    assert desk.states([keys]) == ["done"] and pause is not None and 0 < pause <= LOOKS[0]
    assert desk.worker.depth == 1
    late.enter()
    assert desk.handle() and late.stays()
    desk.up += LOOKS[0]
    pause = desk.handle()
    assert not late.stays() and pause is not None and pause > LOOKS[0]
    desk.finish()
    assert desk.worker.depth == 0 and desk.get("group_alpha")["error"] is None


def test_a_look_that_was_far_off_comes_sooner_when_another_key_goes(desk: Desk) -> None:
    account = desk.group("alpha")
    desk.handle(desk.new_keys("alpha", OTHER))
    desk.up += LOOKS[0]
    assert (desk.handle() or 0) > LOOKS[0]
    desk.do(groups.set_keys, "alpha", [])
    order = Order("account/alpha", {"uid": account["uid"], "id": account["id"]})
    assert 0 < (desk.handle(Errand([order], lambda _: None)) or 0) <= LOOKS[0]


def test_the_next_daemon_ends_who_was_coming_in(desk: Desk, logins: Callable[[], Login]) -> None:
    desk.finish(*desk.create(1))
    late = logins()
    desk.handle(desk.do(delegates.set_delegate_keys, "d0", [OTHER]))
    late.enter()
    desk.worker = desk.fresh()
    desk.up += LOOKS[0]
    assert desk.handle(Survey()) is not None and not late.stays()
    desk.finish()
    assert not (desk.places.root / "homes/d0/.ssh/.ending").exists()


def test_accounts_of_an_older_nm_get_what_is_made_now(desk: Desk) -> None:
    desk.group("alpha")
    desk.finish(*desk.create(2))
    files = [desk.places.root / f"homes/{name}/.ssh/authorized_keys" for name in ("d0", "alpha")]
    for file in files:
        file.write_text(f"restrict {KEY}\n")
    desk.worker = desk.fresh()
    desk.finish(Survey())
    assert [file.read_text() for file in files] == [f"{CALLS} {KEY}\n"] * 2
    runs = desk.system.runs
    locked = desk.places.root / "homes/d1/.ssh/authorized_keys"
    locked.write_text("")  # by somebody's hand, who had a reason: an audit tells
    desk.finish(Survey())
    assert desk.system.runs == runs and not desk.worker.depth and locked.read_text() == ""


def test_what_is_gathered_counts_as_waiting(desk: Desk) -> None:
    numbers = desk.create(BITE + 5)
    desk.handle(*numbers)
    crew = Crew(lambda _: desk.worker)
    worker = Worker(people.SUBJECT, desk.worker, lambda _: True)
    assert worker.depth == desk.worker.depth == 5
    crew._workers[people.SUBJECT] = worker
    assert crew.depths() == {people.SUBJECT: 5}


def test_keys_do_not_wait_for_many_removals(desk: Desk) -> None:
    desk.group("alpha")
    desk.finish(*desk.create(BITE + 5))
    gone = [desk.do(delegates.destroy_delegate, f"d{at}") for at in range(BITE + 5)]
    keys = desk.new_keys("alpha", OTHER)
    assert desk.handle(*gone, keys) == 0.0
    assert desk.keys("alpha") == [f"{CALLS} {OTHER}"] and len(desk.found) > 1
    desk.finish()
    assert list(desk.found) == ["alpha"]


@pytest.mark.parametrize("count", [2, BITE])
def test_the_cost_of_one_account_does_not_grow(desk: Desk, count: int) -> None:
    numbers = desk.create(count)
    system = desk.system
    desk.finish(*numbers)
    assert (system.reads, system.processes.scans, system.runs) == (2, 0, count)
    numbers = [desk.do(delegates.destroy_delegate, f"d{at}") for at in range(count)]
    desk.finish(*numbers)
    assert (system.reads, system.processes.scans, system.runs) == (4, 1, 2 * count)
    assert desk.found == {}


def test_one_that_cannot_be_made_holds_up_nobody(desk: Desk) -> None:
    numbers = desk.create(2)
    home = desk.places.root / "homes/d0"
    home.mkdir(parents=True)
    os.chown(home, 0, FIRST)
    (home / ".ssh").write_text("in the way")
    pause = desk.handle(*numbers)
    assert pause is not None and pause > 0
    assert desk.states(numbers) == ["running", "done"] and desk.get("account_d0")["error"]
    assert desk.handle() == pause  # not before its time
    (home / ".ssh").unlink()
    desk.up += pause
    assert desk.handle() is None
    assert desk.states(numbers) == ["done", "done"] and desk.get("account_d0")["error"] is None


def test_an_account_that_is_left_over_is_made_though_its_job_is_forgotten(desk: Desk) -> None:
    [number] = desk.create(1)
    break_tools(desk.places.root)
    desk.handle(number)
    mend_tools(desk.places.root)
    desk.store.transact(lambda tx: tx.delete(record_key("job", number)))
    [record] = [one for one in desk.store.range("account") if people.unsettled(one)]
    desk.worker = desk.fresh()
    desk.finish(Settle(record["account"]))
    assert "d0" in desk.found and desk.get("account_d0")["_made"]
    assert not people.unsettled(desk.get("account_d0"))


def test_a_conflict_is_told_and_may_be_asked_for_again(desk: Desk) -> None:
    [number] = desk.create(1)
    passwd = desk.places.root / "etc/passwd"
    before = passwd.read_text()
    passwd.write_text(before + "d0:x:1234:1234::/home/d0:/bin/sh\n")
    assert desk.handle(number) is None
    assert desk.states([number]) == ["failed"]
    assert "nm did not make" in desk.get("account_d0")["error"]
    passwd.write_text(before)
    again = desk.do(delegates.create_delegate, "d0", [OTHER], ["spy"])
    desk.finish(again)
    assert desk.states([again]) == ["done"] and desk.keys("d0") == [f"{CALLS} {OTHER}"]
    with pytest.raises(Exception, match="exists already"):
        desk.do(delegates.create_delegate, "d0", [], [])


def test_keys_that_cannot_be_set_are_the_groups_error_until_they_are(desk: Desk) -> None:
    desk.group("alpha")
    ssh = desk.places.root / "homes/alpha/.ssh"
    ssh.rename(ssh.with_name("away"))
    ssh.write_text("in the way")
    pause = desk.handle(desk.new_keys("alpha", OTHER))
    assert "alpha" in desk.get("group_alpha")["error"]
    assert any(event.startswith("account alpha: ") for event in desk.events)
    ssh.unlink()
    ssh.with_name("away").rename(ssh)
    desk.up += pause or 0
    desk.finish()
    assert desk.get("group_alpha")["error"] is None and desk.keys("alpha") == [f"{CALLS} {OTHER}"]


def test_a_living_groups_account_never_goes(desk: Desk) -> None:
    account = desk.group("alpha")
    said: list[Outcome] = []
    order = Order("account/alpha", None, {"uid": account["uid"], "id": account["id"]})
    desk.finish(Errand([order], said.extend))
    assert said[0].error is not None and "alpha" in desk.found
    assert desk.keys("alpha") == [f"{CALLS} {KEY}"]
    desk.do(groups.destroy_group, "alpha")
    desk.finish(Errand([order], said.extend))
    assert said[1] == Outcome() and desk.found == {}


def test_all_who_want_to_know_are_answered_from_one_look(desk: Desk) -> None:
    desk.finish(*desk.create(3))
    reads, said = desk.system.reads, list[Outcome]()
    desk.handle(*(Reading([f"account/d{at}"], said.extend) for at in range(3)))
    assert [outcome.seen and outcome.seen["uid"] for outcome in said] == [FIRST, FIRST + 1, FIRST + 2]
    assert desk.system.reads == reads + 1


def test_strangers_are_told_of_and_left_alone(desk: Desk) -> None:
    desk.finish(*desk.create(1))
    passwd = desk.places.root / "etc/passwd"
    with passwd.open("a") as file:
        file.write(f"ours:x:{LAST}:{LAST}::/nowhere:/bin/sh\n")
        file.write(f"alike:x:1234:1234:nm delegate alike:/nowhere:{FORWARD}\nother:x:1235:1235:nm::/bin/sh\n")
    before = passwd.read_bytes()
    desk.handle(Survey())
    [event] = [event for event in desk.events if event.startswith("accounts: ")]
    assert f"ours ({LAST})" in event and "alike (1234)" in event
    assert "d0" not in event and "other" not in event
    assert passwd.read_bytes() == before


def test_an_unforeseen_error_is_answered_and_the_accounts_are_made_later(desk: Desk) -> None:
    numbers, said = desk.create(2), list[Outcome]()
    desk.worker._errands.append(Errand([Order("account/x", {})], said.extend))
    desk.worker._take(Job(numbers[0]))
    desk.worker.failed([], "something unforeseen")
    assert [str(outcome.error) for outcome in said] == ["something unforeseen; it is tried again"]
    desk.finish(numbers[1])
    assert desk.states(numbers) == ["done", "done"]


def test_a_job_that_is_over_stays_as_it_is(desk: Desk) -> None:
    [number] = desk.create(1)
    desk.store.transact(partial(jobs.advance, number=number, now=NOW, state="failed"))
    desk.finish(number)
    assert desk.states([number]) == ["failed"] and "d0" in desk.found
