"""Accounts as records: which names may be taken, what one learns of others, what rights leave behind."""

from dataclasses import replace

import pytest

from nm import groups, people, recording
from nm.calls import Caller
from nm.errors import Conflict, Denied, LimitReached, NotFound
from nm.facts import Outcome
from nm.records import Record
from tests.api.test_methods import LATER, UIDS, Bench
from tests.pool.world import NOW, ROOT

RESERVER = Caller(UIDS["bob"], "bob")


@pytest.fixture
def bench() -> Bench:
    """A pool in which bob may make groups."""
    made = Bench()
    for vlan in (103, 104, 105):
        made.call("RegisterVlan", vlan)
    made.call("SetRights", "bob", ["reserve"])
    return made


def conflict(bench: Bench, method: str, name: str, caller: Caller) -> str:
    with pytest.raises(Conflict) as raised:
        bench.call(method, name, *([[], []] if method == "CreateDelegate" else [{}]), caller=caller)
    assert bench.store.get(f"account_{name}") is None
    return str(raised.value)


# ---- names


@pytest.mark.parametrize("method", ["CreateDelegate", "CreateGroup"])
def test_a_name_that_a_unix_group_lists_cannot_be_taken(bench: Bench, method: str) -> None:
    """Who is a member of nm-admin and has no account now would make an administrator of whoever takes it."""
    bench.api._site = replace(bench.api._site, is_listed={"ghost"}.__contains__)
    assert "member of a Unix group" in conflict(bench, method, "ghost", ROOT)
    if method == "CreateGroup":
        assert "member" not in conflict(bench, method, "ghost", RESERVER)
    bench.call("CreateGroup", "other", {}, caller=RESERVER)


@pytest.mark.parametrize("method", ["CreateDelegate", "CreateGroup"])
def test_a_unix_groups_name_cannot_be_taken(bench: Bench, method: str) -> None:
    bench.api._site = replace(bench.api._site, has_group={"wheelies", "snoop"}.__contains__)
    assert "Unix group wheelies" in conflict(bench, method, "wheelies", ROOT)
    bench.call("DestroyDelegate", "snoop")
    bench.call("CreateDelegate", "snoop", [], [])  # that Unix group is its own, and goes with it


def test_which_accounts_are_nms_own(bench: Bench) -> None:
    """By its record, also where the uids to give out are others by now; or by its uid alone."""
    snoop, alpha = bench.get("account_snoop")["uid"], bench.get("account_alpha")["uid"]

    def own(name: str, uid: int, *uids: int) -> bool:
        return people.is_own(bench.store, (uids[0], uids[1]) if uids else None, name, uid)

    assert own("snoop", snoop) and own("alpha", alpha)
    assert not own("snoop", 5) and not own("bob", RESERVER.uid or 0) and not own("eve", snoop)
    assert own("eve", 80_000, 80_000, 80_001) and own("eve", 80_001, 80_000, 80_001)
    assert not own("eve", 79_999, 80_000, 80_001) and not own("eve", 80_002, 80_000, 80_001)


# ---- secrets


def test_an_account_of_another_group_is_as_if_absent(bench: Bench) -> None:
    bench.call("CreateGroup", "blue", {"owner": "alice"})
    bench.call("CreateGroup", "mine", {}, caller=RESERVER)
    bench.call("CreateGroup", "too", {}, caller=RESERVER)
    accounts = {name: bench.get(f"account_{name}")["uid"] for name in ("blue", "too")}
    site = bench.api._site
    bench.api._site = replace(site, uid_of=lambda name: accounts.get(name) or site.uid_of(name))

    def answers(name: str, caller: Caller) -> str:
        return "".join(
            error(bench, method, [group, given], caller).replace(name, "X")
            for method, group, given in (
                ("SetDelegations", "mine", [name]),
                ("SetDelegations", "mine", [{"name": name, "method": "Deploy"}]),
                ("CreateGroup", "new", {"delegations": [name]}),
            )
        )

    assert answers("blue", RESERVER) == answers("pink", RESERVER) != ""
    assert bench.call("SetDelegations", "mine", ["too"], caller=RESERVER) == 1
    assert bench.call("SetDelegations", "mine", ["blue"]) == 1  # an administrator knows of it


def error(bench: Bench, method: str, given: list[object], caller: Caller) -> str:
    with pytest.raises(NotFound) as raised:
        bench.call(method, *given, caller=caller)
    return str(raised.value)


def test_a_conflict_does_not_tell_whose_account_it_is(bench: Bench) -> None:
    bench.call("CreateGroup", "Secret.1", {"owner": "alice"})
    account = bench.get("group_Secret.1")["account"]["name"]
    with pytest.raises(Conflict) as raised:
        bench.call("CreateGroup", account, {}, caller=RESERVER)
    words = str(raised.value)
    assert "Secret" not in words
    with pytest.raises(Conflict) as raised:
        bench.call("CreateGroup", "alice", {}, caller=RESERVER)  # an account of the machine's
    assert str(raised.value).replace("alice", account) == words
    with pytest.raises(Conflict, match="group Secret"):
        bench.call("CreateGroup", account, {})


# ---- rights of the machine's accounts


def test_rights_of_an_account_that_is_gone_can_be_taken_away(bench: Bench) -> None:
    bench.call("SetRights", "alice", ["spy"])
    site = bench.api._site
    bench.api._site = replace(site, uid_of=lambda name: None if name == "alice" else site.uid_of(name))
    error(bench, "SetRights", ["alice", ["spy"]], ROOT)
    with pytest.raises(Conflict, match="alice of this machine has rights"):
        bench.call("CreateDelegate", "alice", [], [])
    bench.call("SetRights", "alice", [])
    assert bench.store.get("account_alice") is None
    error(bench, "SetRights", ["alice", []], ROOT)
    bench.api._site = site  # made anew, with the same uid
    assert bench.call("WhoAmI", caller=Caller(UIDS["alice"], "alice"))["rights"] == []


def test_an_account_made_anew_with_another_uid_has_no_rights(bench: Bench) -> None:
    bench.call("SetRights", "alice", ["spy"])
    site = bench.api._site
    bench.api._site = replace(site, uid_of=lambda name: 4000 if name == "alice" else site.uid_of(name))
    assert bench.call("WhoAmI", caller=Caller(4000, "alice"))["rights"] == []
    bench.call("SetRights", "alice", ["reserve"])
    assert bench.call("WhoAmI", caller=Caller(4000, "alice"))["rights"] == ["reserve"]
    assert bench.call("WhoAmI", caller=Caller(UIDS["alice"], "alice"))["rights"] == []


# ---- a name made again


def test_what_is_left_of_a_predecessor_is_forgotten_when_a_deploy_has_removed_it(bench: Bench) -> None:
    bench.call("DestroyDelegate", "snoop")
    bench.call("CreateGroup", "snoop", {})
    assert len(bench.get("account_snoop")["before"]) == 1
    assert people.unsettled(bench.get("account_snoop"))  # also when nobody deploys the group
    bench.call("Deploy", "snoop")
    [step] = [
        step for step in groups.planned(bench.store, bench.get("group_snoop")) if step.hand == "accounts"
    ]
    done = [(step, Outcome(seen=step.value))]
    bench.store.transact(lambda tx: recording.steps_done(tx, "snoop", done, NOW))
    account = bench.get("account_snoop")
    assert account["before"] == [] and account["_made"]


def test_a_group_that_is_gone_leaves_what_its_predecessor_has_left_to_do(bench: Bench) -> None:
    bench.call("DestroyDelegate", "snoop")
    bench.call("CreateGroup", "snoop", {"keys": []})
    bench.call("DestroyGroup", "snoop")
    revision = bench.get("group_snoop")["revision"]
    bench.store.transact(lambda tx: recording.finish(tx, "snoop", revision, NOW))
    account = bench.get("account_snoop")
    assert account["destroying"] and account["type"] == people.DELEGATE and people.unsettled(account)
    assert bench.get(f"job_{account['job']}")["state"] == "queued"
    bench.call("DestroyGroup", "alpha")  # which has no predecessor
    revision = bench.get("group_alpha")["revision"]
    bench.store.transact(lambda tx: recording.finish(tx, "alpha", revision, NOW))
    assert bench.store.get("account_alpha") is None


def test_numbers_that_are_skipped_stay_in_the_range(bench: Bench) -> None:
    def skip(first: int, last: int) -> tuple[int, int]:
        bench.store.transact(lambda tx: people.skip_numbers(tx, (first, last), NOW))
        counter = bench.get("meta_accounts")
        return counter["uid"], counter["id"]

    uid, number = bench.get("meta_accounts")["uid"], bench.get("meta_accounts")["id"]
    assert skip(70_000, 79_999) == (uid + 100, number + 100)
    assert skip(70_000, 70_049) == (uid + 100, number + 101)  # the range is smaller by now: never back
    assert skip(80_000, 80_999) == (80_009, number + 111)
    assert skip(80_000, 80_012) == (80_010, number + 112)
    assert skip(80_000, 80_010) == (80_010, number + 113)
    bench.store.transact(lambda tx: tx.delete("meta_accounts"))
    assert skip(70_000, 79_999) == (70_099, 100)


def settle(bench: Bench, seen: Record, words: str | None = None) -> Record | None:
    """The worker has acted on that record; the account's record then."""
    bench.store.transact(lambda tx: people.settled(tx, seen, words, NOW))
    return bench.store.get(seen["record_key"])


@pytest.mark.parametrize("words", [None, "useradd: no"])
def test_what_became_of_an_account_says_nothing_of_its_successor(bench: Bench, words: str | None) -> None:
    first = bench.get("account_snoop")
    bench.call("DestroyDelegate", "snoop")
    leaving = bench.get("account_snoop")
    bench.call("CreateDelegate", "snoop", [], [])
    second = bench.get("account_snoop")
    for seen in (first, leaving):
        assert settle(bench, seen, words) == second
    made = settle(bench, second)
    assert made is not None and made["_made"] and made["before"] == []


@pytest.mark.parametrize("words", [None, "useradd: no"])
def test_an_account_that_was_made_when_it_was_to_go_still_has_to_go(bench: Bench, words: str | None) -> None:
    seen = bench.get("account_snoop")
    bench.call("DestroyDelegate", "snoop")
    leaving = bench.get("account_snoop")
    assert settle(bench, seen, words) == leaving and people.unsettled(leaving)
    failed = settle(bench, leaving, "userdel: no")
    assert failed is not None and failed["error"] == "userdel: no"
    assert settle(bench, failed) is None


# ---- a right that is taken away


def test_who_may_not_reserve_any_more_gets_no_more(bench: Bench) -> None:
    """What there is stays, and may become less."""
    bench.call(
        "CreateGroup", "mine", {"nodes": ["n2"], "expires": LATER, "delegations": ["carol"]}, caller=RESERVER
    )
    for rights in ([], ["spy"]):
        bench.call("SetRights", "bob", rights)
        for caller in (RESERVER, Caller(UIDS["carol"], "carol")):
            for method, given in (
                ("AddNodes", ["n10"]),
                ("RenewGroup", LATER + 1),
                ("RenewGroup", LATER - 1),
            ):
                if method == "AddNodes" or caller is RESERVER:
                    with pytest.raises((LimitReached, Denied)):
                        bench.call(method, "mine", given, caller=caller)
    bench.call("RemoveNodes", "mine", ["n2"], caller=RESERVER)
    with pytest.raises(LimitReached):
        bench.call("AddNodes", "mine", ["n2"], caller=RESERVER)
    assert bench.call("SetVlan", "mine", 105, caller=RESERVER)
    assert bench.call("AddNodes", "mine", ["n2"]) and bench.call("RenewGroup", "mine", LATER + 1)
    bench.call("SetRights", "bob", ["reserve"])
    assert bench.call("AddNodes", "mine", ["n10"], caller=RESERVER)
    assert bench.call("RenewGroup", "mine", LATER + 2, caller=RESERVER)


def test_an_owner_by_an_administrators_word_needs_no_right(bench: Bench) -> None:
    bench.call("CreateGroup", "given", {"owner": "carol"})
    carol = Caller(UIDS["carol"], "carol")
    assert bench.call("AddNodes", "given", ["n2"], caller=carol)
    assert bench.call("RenewGroup", "given", LATER, caller=carol)
