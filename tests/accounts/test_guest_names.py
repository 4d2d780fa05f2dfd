"""Accounts of slivers as records: their names, which clash with nobody's, their keys, what is told."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from nm import delegates, people
from nm.calls import Call, Caller, Site
from nm.errors import Conflict
from nm.records import Record, record_key
from nm.store import Transaction
from tests.memory_store import MemoryStore

SITE = Site(uids=(70_000, 79_999))
CALL = Call(Caller(0, "root", admin=True), "", 1000.0, SITE)
KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIHG9PQ9B8t1vHzn9pYc0R0nGzqXhUjBq0jXo3aJfY1xL alice"
QEMU, LXC, CONTROLLER = people.OF_SLIVERS


class Desk:
    """A store, and operations on it."""

    def __init__(self) -> None:
        self.store = MemoryStore()
        self.call = CALL

    def do(self, operation: Callable[..., Any], *arguments: Any) -> Any:
        return self.store.transact(lambda tx: operation(tx, self.call, *arguments))

    def group(self, name: str) -> str:
        return str(self.do(people.enroll, people.GROUP, name)["account"])

    def enroll(self, name: str, kind: str = LXC) -> str:
        return str(self.do(people.enroll_sliver, name, kind)["account"])

    def sliver(self, name: str, **fields: Any) -> None:
        record = {"name": name, "account": people.unix_name(name), "keys": [KEY], "enabled": 1, **fields}
        key = record_key("sliver", name)
        self.store.transact(lambda tx: tx.put({"record_key": key, "timestamp": 5, "expiry": None, **record}))

    def meant(self, account: str) -> Record:
        record = people.as_meant(self.store, account)
        assert record is not None
        return record

    def settle(self, account: str, error: str | None) -> None:
        seen = self.meant(account)
        self.store.transact(lambda tx: people.settled(tx, seen, error, 1001.0))


@pytest.fixture
def desk() -> Desk:
    return Desk()


@pytest.mark.parametrize("name", ["princeton_codeen", "Princeton_Co.DeeN", "a" * 64, "8bit_x"])
def test_a_group_and_a_sliver_may_have_the_same_name_whoever_comes_first(desk: Desk, name: str) -> None:
    other = Desk()
    first, second = desk.enroll(name), desk.group(name)
    assert (other.group(name), other.enroll(name)) == (first, people.unix_names(LXC, name)[1])
    assert first == people.unix_name(name) != second
    for one, sliver, group in ((desk, first, second), (other, people.unix_names(LXC, name)[1], first)):
        found = people.sliver_account(one.store, name), people.account_of(one.store, name)
        assert [record["account"] if record else None for record in found] == [sliver, group]
        assert len({sliver, group}) == 2 and max(map(len, (sliver, group))) <= 32


def test_the_name_is_the_slivers_own_wherever_possible(desk: Desk) -> None:
    assert desk.enroll("princeton_codeen") == "princeton_codeen"
    assert desk.enroll("princeton_codeen") == "princeton_codeen"  # there is one already
    assert len(list(desk.store.range("account"))) == 1


@pytest.mark.parametrize(
    "taken",
    [
        {"uid_of": {"web": 1}.get}, {"has_group": {"web"}.__contains__}, {"is_listed": {"web"}.__contains__},
    ],
)  # fmt: skip
def test_a_name_that_the_machine_knows_is_not_taken(desk: Desk, taken: dict[str, Any]) -> None:
    desk.call = replace(CALL, site=replace(SITE, **taken))
    assert desk.enroll("web") == people.unix_names(LXC, "web")[1] != "web"
    with pytest.raises(Conflict):
        desk.group("web")


def test_a_delegate_keeps_its_name_and_is_told_of_a_slivers(desk: Desk) -> None:
    desk.do(delegates.create_delegate, "web", [KEY], [])
    assert desk.enroll("web") != "web"
    desk.enroll("other")
    with pytest.raises(Conflict, match="sliver"):
        desk.do(delegates.create_delegate, "other", [KEY], [])
    names = [one["name"] for one in desk.do(delegates.get_delegates, {})]
    assert names == ["web"]  # slivers call nobody


def test_a_head_node_gives_way_to_a_slivers_name(desk: Desk) -> None:
    assert desk.enroll("head-h1") == "head-h1"
    assert desk.do(people.enroll, people.HEADNODE, "h1")["account"] == people.unix_names("headnode", "h1")[1]


def test_both_names_taken_is_a_conflict(desk: Desk) -> None:
    taken = set(people.unix_names(LXC, "web"))
    desk.call = replace(CALL, site=replace(SITE, has_group=taken.__contains__))
    with pytest.raises(Conflict, match="Unix group"):
        desk.enroll("web")
    desk.call = replace(CALL, site=replace(SITE, uids=None))
    with pytest.raises(Conflict, match="no accounts"):
        desk.enroll("web")


def test_a_successor_of_another_type_is_another_account(desk: Desk) -> None:
    desk.enroll("web")
    first = desk.meant("web")
    assert desk.enroll("web", QEMU) == "web"
    second = desk.meant("web")
    assert second["before"] == [{name: first[name] for name in ("uid", "id", "type")}]
    assert (second["uid"], second["type"]) == (first["uid"] + 1, QEMU)


def test_keys_are_the_slivers_and_go_with_it(desk: Desk) -> None:
    desk.sliver("web", _state="running", _index=3, _life=2)
    account = desk.enroll("web")
    meant = desk.meant(account)
    assert meant["keys"] == [KEY]
    assert meant["guest"] == {
        "state": "running", "why": None, "index": 3, "life": 2, "domain": "nm-sliver-web",
    }  # fmt: skip
    desk.sliver("web", enabled=0)
    assert desk.meant(account)["keys"] == [KEY]  # who comes is told why
    desk.sliver("web", _gone={"since": 1, "until": 2, "why": "it has expired"})
    assert (desk.meant(account)["keys"], desk.meant(account)["destroying"]) == ([], False)
    desk.sliver("web")
    desk.store.transact(lambda tx: people.recall(tx, desk.meant(account), 1.0))
    assert (desk.meant(account)["keys"], desk.meant(account)["destroying"]) == ([], True)
    desk.settle(account, None)
    assert people.as_meant(desk.store, account) is None


def test_an_account_is_there_when_it_was_made_and_its_error_is_the_slivers(desk: Desk) -> None:
    desk.sliver("web")
    account = desk.enroll("web")
    assert people.unsettled(desk.meant(account))
    desk.settle(account, "useradd: no")
    sliver = desk.store.get("sliver_web")
    assert sliver is not None and (sliver["_error"], sliver["timestamp"]) == ("useradd: no", 5)
    desk.settle(account, None)
    sliver = desk.store.get("sliver_web")
    assert sliver is not None and (sliver["_error"], sliver["timestamp"]) == (None, 5)
    assert not people.unsettled(desk.meant(account)) and people.at_start(desk.meant(account))
    desk.sliver("web", _error="no room for its disk")
    desk.settle(account, "useradd: no")
    sliver = desk.store.get("sliver_web")
    assert sliver is not None and sliver["_error"] == "no room for its disk"  # it was there first


def test_a_controller_may_be_given_rights(desk: Desk) -> None:
    desk.sliver("pl_conf")
    desk.enroll("pl_conf", CONTROLLER)
    desk.do(delegates.set_rights, "pl_conf", ["spy"])
    (found,) = desk.do(delegates.get_delegates, {})
    assert (found["type"], found["rights"], found["keys"]) == ("controller", {"spy": True}, [KEY])


def test_uids_are_given_out_once(desk: Desk) -> None:
    uids = []
    for _ in range(3):
        uids.append(desk.meant(desk.enroll("web"))["uid"])
        desk.store.transact(lambda tx: people.recall(tx, desk.meant("web"), 1.0))
        desk.settle("web", None)
    assert len(set(uids)) == 3


def leave(tx: Transaction, name: str) -> None:
    tx.delete(record_key("sliver", name))


def test_without_its_sliver_an_account_lets_nobody_in(desk: Desk) -> None:
    desk.sliver("web")
    account = desk.enroll("web")
    desk.store.transact(lambda tx: leave(tx, "web"))
    assert (desk.meant(account)["keys"], desk.meant(account)["guest"]) == ([], None)
