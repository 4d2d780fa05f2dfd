"""A mail is a job: posted with a change, tried again and again, done or given up."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nm import mails
from nm.calls import Call, Caller, Site
from nm.errors import Invalid
from nm.records import Record, record_key
from tests.memory_store import MemoryStore

RULES = mails.Rules(first_pause=60, longest_pause=600, give_up=86400)


def call(now: float = 1000.0, mail: bool = True) -> Call:
    return Call(Caller(7, "ann"), "Provision", now, Site(mail=mail))


def job(store: MemoryStore, number: int) -> Record:
    found = store.get(record_key("job", number))
    assert found is not None
    return found


def posted(store: MemoryStore, text: str = "Please set it up.") -> int:
    return store.transact(lambda tx: mails.post(tx, call(), mails.ADMINS, "Nodes were asked for", text))


def settle(store: MemoryStore, number: int, now: float, outcome: mails.Outcome) -> None:
    store.transact(lambda tx: mails.settle(tx, number, now, outcome, RULES))


def test_a_mail_is_a_job_that_waits_for_its_worker() -> None:
    store = MemoryStore()
    number = posted(store)
    assert job(store, number)["subject"] == mails.SUBJECT
    assert job(store, number)["kind"] == mails.KIND
    assert mails.standing(store, number) == mails.Standing(over=False, tries=0, error=None)
    assert mails.due(job(store, number), 1000.0, RULES) <= 1000.0


@given(st.text(max_size=400))
def test_a_subject_is_one_line_whatever_it_was_made_of(text: str) -> None:
    store = MemoryStore()
    number = store.transact(lambda tx: mails.post(tx, call(), ("ann@example.org",), text, ""))
    line = job(store, number)["arguments"]["headline"]
    assert line.isprintable()
    assert len(line) <= mails.LONGEST_SUBJECT


@pytest.mark.parametrize(
    "address",
    [
        "",
        "ann",
        "@example.org",
        "ann@",
        ".ann@example.org",
        "a..n@example.org",
        "ann@example..org",
        "ann@example.org\nBcc: all@x",
        "a b@example.org",
        "ann@ex ample.org",
    ],
)
def test_what_is_no_address_is_refused_and_nothing_is_owed(address: str) -> None:
    store = MemoryStore()
    with pytest.raises(Invalid, match="no mail address"):
        store.transact(lambda tx: mails.post(tx, call(), (address,), "Nodes", ""))
    assert list(store.range("job")) == []


def test_a_site_without_mail_owes_none_and_says_so() -> None:
    store = MemoryStore()
    told: list[str] = []
    store.subscribe(lambda published: told.extend(event.detail for event in published.events))
    number = store.transact(lambda tx: mails.post(tx, call(mail=False), mails.ADMINS, "Nodes", "text"))
    assert number == 0
    assert list(store.range("job")) == []
    assert told == ["Nodes: this site sends no mail"]


def test_so_many_wait_and_no_more_until_some_are_over(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mails, "MOST", 3)
    store = MemoryStore()
    told: list[str] = []
    store.subscribe(lambda published: told.extend(event.detail for event in published.events))
    waiting = [posted(store) for _ in range(3)]
    assert 0 not in waiting
    assert posted(store) == 0
    assert told == ["Nodes were asked for: 3 mails wait already"]
    assert len(list(store.range("job"))) == 3
    settle(store, waiting[0], 1000.0, mails.Outcome("the server is down"))
    assert posted(store) == 0  # it waits still
    settle(store, waiting[1], 1000.0, mails.Outcome())
    assert posted(store) != 0
    assert posted(store) == 0
    settle(store, waiting[2], 1000.0, mails.Outcome(refused="554 no"))
    settle(store, waiting[2], 1001.0, mails.Outcome(refused="554 no"))  # which changes nothing any more
    assert posted(store) != 0
    assert posted(store) == 0


def test_mails_of_the_time_before_they_were_counted_count(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mails, "MOST", 1)
    store = MemoryStore()
    number = posted(store)
    store.transact(lambda tx: tx.delete("meta_mails"))
    assert posted(store) == 0
    settle(store, number, 1000.0, mails.Outcome())
    assert posted(store) != 0


def test_pauses_double_up_to_the_longest() -> None:
    store = MemoryStore()
    number = posted(store)
    now, pauses = 1000.0, []
    for _ in range(6):
        settle(store, number, now, mails.Outcome("the server is down"))
        pauses.append(mails.due(job(store, number), now, RULES) - now)
        now += pauses[-1]
    assert pauses == [60, 120, 240, 480, 600, 600]
    assert mails.standing(store, number) == mails.Standing(False, 6, "the server is down")
    assert job(store, number)["state"] == "running"


def test_a_mail_is_given_up_in_the_end_and_that_is_told() -> None:
    store = MemoryStore()
    told: list[str] = []
    store.subscribe(lambda published: told.extend(event.what for event in published.events))
    number = posted(store)
    settle(store, number, 1000.0 + 86400, mails.Outcome("the server is down"))
    assert job(store, number)["state"] == "failed"
    assert told == ["failed"]


def test_who_lacks_it_still_is_all_that_is_tried_again() -> None:
    store = MemoryStore()
    number = posted(store)
    settle(store, number, 1000.0, mails.Outcome("mailbox busy", ("b@example.org",)))
    assert job(store, number)["arguments"]["to"] == ["b@example.org"]
    assert job(store, number)["arguments"]["text"] == "Please set it up."


def test_what_is_over_stays_as_it_is() -> None:
    store = MemoryStore()
    number = posted(store)
    settle(store, number, 1001.0, mails.Outcome())
    settle(store, number, 1002.0, mails.Outcome("the server is down"))
    assert mails.standing(store, number) == mails.Standing(True, 1, None)


def test_addressees_who_are_refused_for_good_are_told_of_while_others_are_tried() -> None:
    store = MemoryStore()
    told: list[str] = []
    store.subscribe(lambda published: told.extend(event.detail for event in published.events))
    number = posted(store)
    settle(store, number, 1000.0, mails.Outcome("busy", ("b@example.org",), "a@example.org: 550 nobody"))
    assert told == ["mail 'Nodes were asked for': a@example.org: 550 nobody"]
    settle(store, number, 1060.0, mails.Outcome())
    assert job(store, number)["state"] == "done"


def test_a_letter_that_is_refused_for_good_is_not_tried_again() -> None:
    store = MemoryStore()
    number = posted(store)
    settle(store, number, 1000.0, mails.Outcome(refused="554 no"))
    assert mails.standing(store, number) == mails.Standing(True, 1, "554 no")
    assert job(store, number)["state"] == "failed"
