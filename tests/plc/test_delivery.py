"""What a source says, taken into the records: staleness, mass removal, grace, expiry. Times are arguments."""

import copy
from collections.abc import Callable
from functools import partial
from typing import Any, TypeVar

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nm import delivery, departures, leases, loans
from nm.calls import Call, Caller
from nm.delivery import Outcome
from nm.errors import Conflict, DeviceFailed, NotFound
from nm.records import Record
from nm.slices import Reply, read_reply
from nm.store import Transaction
from tests.memory_store import MemoryStore
from tests.plc.conftest import READING, SAMPLE, Told

T = TypeVar("T")

NOW = 1_795_219_300.0
RULES = leases.Rules(mass_share=0.25, mass_floor=3)
DAY = 86400.0
ADMIN = Call(Caller(0, "root", admin=True), "ConfirmRemoval", NOW)


class Failing(MemoryStore):
    """A store whose disk fails after so many transactions."""

    left = 10**6
    meanwhile: Callable[[], object] | None = None  # what somebody else does right before the next transaction

    def transact(self, operation: Callable[[Transaction], T]) -> T:
        if (other := self.meanwhile) is not None:
            self.meanwhile = None
            other()
        if self.left == 0:
            raise DeviceFailed("the disk is full")
        self.left -= 1
        return super().transact(operation)


class Node:
    """A node's records, and the replies that come."""

    def __init__(self, told: Told) -> None:
        self.store = Failing()
        self.told = told

    def hear(self, now: float = NOW, later: int = 0, **options: Any) -> Outcome:
        """The source says it, `later` by its own clock."""
        self.told = {**copy.deepcopy(self.told), "timestamp": self.told["timestamp"] + later}
        return delivery.update(self.store, self.reply(), now, RULES, DAY, **options)

    def reply(self) -> Reply:
        return read_reply(self.told, READING)

    def sliver(self, name: str) -> Record:
        record = self.store.get(f"sliver_{name}")
        assert record is not None
        return record

    def slivers(self) -> set[str]:
        return {record["name"] for record in self.store.range("sliver")}

    def gone(self) -> set[str]:
        return {record["name"] for record in self.store.range("sliver") if record["_gone"]}

    def keep(self, *names: str) -> None:
        """The source lists just these from now on."""
        self.told["slivers"] = [one for one in self.told["slivers"] if one["name"] in names]

    def listing(self, count: int) -> None:
        """The source lists that many."""
        first = self.told["slivers"][0]
        self.told["slivers"] = [{**copy.deepcopy(first), "name": f"s{number}"} for number in range(count)]

    def expire(self, now: float, *due: str, doubt: str | None = None) -> tuple[set[str], dict[str, str]]:
        stopped, held = departures.expire(self.store, due, now, RULES, doubt, DAY)
        return {key.removeprefix("sliver_") for key in stopped}, held

    def forget(self, name: str, now: float) -> bool:
        return self.store.transact(partial(departures.forget, key=f"sliver_{name}", now=now))

    def held(self, holds: leases.Holds) -> set[str]:
        return set(leases.held(self.store, holds))

    def events(self) -> list[str]:
        published = self.store.changes(0) or []
        return [f"{event.subject} {event.what}" for one in published for event in one.events]


@pytest.fixture
def node(told: Told) -> Node:
    made = Node(told)
    made.hear()
    return made


# ---- what is new


def test_a_reply_becomes_records(node: Node) -> None:
    assert node.slivers() == {"demo_web", "demo_deleg", "demo_ctl"} and node.gone() == set()
    assert node.sliver("demo_web")["_rspec"]["cpu_share"] == 30
    assert delivery.minimum(node.store) == node.told["timestamp"]
    assert delivery.section(node.store, "conf_files") == node.told["conf_files"]
    cap = node.store.get("meta_bwcap")
    assert cap is not None and (cap["cap"], cap["exempt"]) == (100_000_000, [])


def test_the_same_again_changes_nothing(node: Node) -> None:
    revision = node.store.revision
    assert node.hear(NOW + 60).stale and node.store.revision == revision
    outcome = node.hear(NOW + 600, later=600)
    assert outcome == Outcome() and delivery.minimum(node.store) == node.told["timestamp"]
    written = {key for one in node.store.changes(revision) or [] for key in one.changes}
    assert written == {"meta_source"}


def test_one_changed_tag_changes_one_sliver(node: Node) -> None:
    node.told["slivers"][0]["attributes"][0]["value"] = "40"
    assert node.hear(NOW + 600, later=600).changed == ("sliver_demo_web",)
    assert node.sliver("demo_web")["_rspec"]["cpu_share"] == 40


def test_a_sliver_with_a_time_of_its_own_must_be_newer_itself(node: Node) -> None:
    before = node.sliver("demo_web")
    node.told["slivers"][0].update(timestamp=before["timestamp"], slice_id=99)
    assert node.hear(NOW + 600, later=600).changed == () and node.sliver("demo_web") == before
    node.told["slivers"][0]["timestamp"] += 1
    assert node.hear(NOW + 1200, later=600).changed == ("sliver_demo_web",)


def test_an_older_reply_counts_for_nothing(node: Node) -> None:
    revision = node.store.revision
    node.keep()
    assert node.hear(NOW + 600, later=-1).stale and node.store.revision == revision


def test_nms_own_fields_survive(node: Node) -> None:
    call = Call(Caller(1000, "demo_web"), "SetLoans", NOW)
    node.store.transact(lambda tx: loans.set_loans(tx, call, "demo_web", ["demo_deleg", "cpu_share", 4]))
    node.store.transact(
        lambda tx: tx.put(departures.observed(node.sliver("demo_web"), _state="running", _new=1))
    )
    node.told["slivers"][0]["attributes"][0]["value"] = "40"
    assert node.hear(NOW + 600, later=600).changed == ("sliver_demo_web",)
    record = node.sliver("demo_web")
    assert (record["_state"], record["_new"]) == ("running", 1)
    assert record["_loans"] == [["demo_deleg", "cpu_share", 4]] and record["_rspec"]["cpu_share"] == 36
    assert node.sliver("demo_deleg")["_rspec"]["cpu_share"] == 36


def test_a_sliver_that_cannot_be_understood_stays_as_it_was(node: Node) -> None:
    before = node.sliver("demo_web")
    node.told["slivers"][0]["instantiation"] = "often"
    assert node.hear(NOW + 600, later=600).removed == ()
    assert node.sliver("demo_web") == before
    source = node.store.get("meta_source")
    assert source is not None and "demo_web" in source["problems"][0]


def test_what_the_node_is_told_no_more_is_forgotten(node: Node) -> None:
    del node.told["hrn"]
    node.hear(NOW + 600, later=600)
    assert delivery.section(node.store, "hrn") is None and node.store.get("meta_source:hrn") is None


def test_a_large_first_reply_takes_several_transactions(told: Told) -> None:
    node = Node(told)
    node.listing(250)
    assert len(node.hear().changed) == 250 and len(node.slivers()) == 250


def test_a_source_that_was_built_anew_is_believed_on_an_administrators_word(node: Node) -> None:
    node.told["slivers"][0]["attributes"][0]["value"] = "40"
    assert node.hear(later=-1_000_000).stale
    assert node.hear(older=True).changed and node.sliver("demo_web")["rspec"]["cpu_share"] == 40
    node.told["slivers"][1]["attributes"][0]["value"] = "new"
    assert node.hear(later=600).changed == ("sliver_demo_deleg",)


@pytest.mark.parametrize("left", range(9))
def test_a_reply_that_was_taken_in_half_is_taken_anew(told: Told, left: int) -> None:
    whole, torn = Node(told), Node(told)
    for node in (whole, torn):
        node.listing(100)
        node.hear()
        node.told["slivers"][0]["attributes"] = [{"tagname": "cpu_share", "value": "99"}]
        node.keep(*(f"s{number}" for number in range(1, 100)))
        for sliver in node.told["slivers"]:
            sliver["expires"] += 50
    torn.store.left = left
    try:
        torn.hear(NOW + 600, later=600)
    except DeviceFailed:
        assert delivery.minimum(torn.store) < torn.told["timestamp"]
    torn.store.left = 10**6
    torn.hear(NOW + 600)
    whole.hear(NOW + 600, later=600)
    kinds = ("sliver", "meta")
    assert [list(torn.store.range(kind)) for kind in kinds] == [
        list(whole.store.range(kind)) for kind in kinds
    ]


@settings(max_examples=60, deadline=None)
@given(st.lists(st.sets(st.integers(0, 29)), min_size=1, max_size=12))
def test_a_random_life(lists: list[set[int]]) -> None:
    """Whatever is listed is there and not gone, and no reply takes more away than may go at once."""
    node = Node(copy.deepcopy(SAMPLE["node1.demo.org"]))
    node.listing(30)
    everybody = node.told["slivers"]
    node.hear()
    for turn, listed in enumerate(lists):
        live = len(node.slivers() - node.gone())
        node.told["slivers"] = [everybody[number] for number in sorted(listed)]
        outcome = node.hear(NOW + 600 * turn, later=600)
        names = {f"s{number}" for number in listed}
        assert not names & node.gone() and names <= node.slivers()
        live += len(outcome.changed)
        assert len(outcome.removed) <= (max(3, 0.25 * live) if listed else 0)
        assert set(outcome.held) == node.held(departures.REMOVALS)
        assert node.slivers() - node.gone() == names | set(outcome.held)


# ---- tickets


def ticket(node: Node, name: str, timestamp: int) -> bool:
    record = {
        **node.sliver("demo_deleg"),
        "record_key": f"sliver_{name}",
        "name": name,
        "timestamp": timestamp,
    }
    told = {key: value for key, value in record.items() if not key.startswith("_")}
    return node.store.transact(lambda tx: delivery.deliver(tx, {**told, "ticket": timestamp}, NOW))


def test_a_ticket_counts_when_it_is_newer(node: Node) -> None:
    last = node.told["timestamp"]
    with pytest.raises(Conflict, match="is known as of"):
        ticket(node, "demo_deleg", last - 1)
    assert not ticket(node, "demo_deleg", last)
    assert ticket(node, "demo_deleg", last + 5) and node.sliver("demo_deleg")["ticket"] == last + 5
    assert not ticket(node, "demo_deleg", last + 5)


def test_a_ticket_older_than_the_last_whole_reply_is_stale(node: Node) -> None:
    """Also where the record was not written anew, for nothing was new."""
    node.hear(NOW + 600, later=600)
    for name in ("demo_deleg", "new"):
        with pytest.raises(Conflict):
            ticket(node, name, node.told["timestamp"] - 300)
    assert not ticket(node, "demo_deleg", node.told["timestamp"])
    assert ticket(node, "new", node.told["timestamp"])


def test_a_ticket_outlives_replies_that_are_older_than_it(node: Node) -> None:
    ticket(node, "new", node.told["timestamp"] + 700)
    assert node.hear(NOW + 600, later=600).removed == ()
    assert node.hear(NOW + 1200, later=600).removed == ("sliver_new",)


# ---- removal


def test_what_is_listed_no_more_stops_and_is_deleted_after_a_grace(node: Node) -> None:
    node.keep("demo_deleg", "demo_ctl")
    assert node.hear(NOW + 600, later=600).removed == ("sliver_demo_web",)
    record = node.sliver("demo_web")
    assert (
        departures.halted(record) == departures.UNLISTED
        and departures.halted(node.sliver("demo_ctl")) is None
    )
    assert record["_gone"]["until"] == int(NOW + 600 + DAY)
    assert node.hear(NOW + 1200, later=600).removed == ()
    assert node.sliver("demo_web")["_gone"]["since"] == int(NOW + 600)
    assert not departures.is_due(record, NOW + DAY) and not node.forget("demo_web", NOW + DAY)
    assert departures.is_due(record, NOW + 600 + DAY) and node.forget("demo_web", NOW + 600 + DAY)
    assert node.slivers() == {"demo_deleg", "demo_ctl"}
    assert node.events()[-2:] == ["sliver demo_web stopped", "sliver demo_web deleted"]


def test_what_is_listed_again_in_time_is_as_before(node: Node) -> None:
    before, all_of_them = node.sliver("demo_web"), node.told["slivers"]
    for own in (None, 1795219000):  # also a sliver that has a time of its own, which is no newer
        if own is not None:
            all_of_them[0]["timestamp"] = own
        node.keep("demo_deleg", "demo_ctl")
        node.hear(NOW + 600, later=600)
        node.told["slivers"] = all_of_them
        assert node.hear(NOW + 1200, later=600).changed == ("sliver_demo_web",)
        assert {**node.sliver("demo_web"), "timestamp": 0} == {**before, "timestamp": 0}
    assert not node.forget("demo_web", NOW + 9 * DAY)


def test_one_that_cannot_be_understood_but_is_listed_again_comes_back(node: Node) -> None:
    all_of_them = node.told["slivers"]
    node.keep("demo_deleg", "demo_ctl")
    node.hear(NOW + 600, later=600)
    node.told["slivers"] = [{**all_of_them[0], "expires": "soon"}, *all_of_them[1:]]
    assert node.hear(NOW + 1200, later=600).changed == ("sliver_demo_web",) and node.gone() == set()


def test_an_empty_list_waits_for_an_administrator(node: Node) -> None:
    node.keep()
    outcome = node.hear(NOW + 600, later=600)
    assert set(outcome.held.values()) == {departures.EMPTY} and len(outcome.held) == 3
    assert outcome.removed == () and node.gone() == set()
    assert node.hear(NOW + 1200, later=600).removed == ()
    node.store.transact(lambda tx: leases.confirm(tx, ADMIN, ["demo_web"], departures.REMOVALS))
    assert departures.remove_confirmed(node.store, NOW + 1200, DAY) == ("sliver_demo_web",)
    assert node.gone() == {"demo_web"} and node.held(departures.REMOVALS) == {"demo_deleg", "demo_ctl"}


def test_too_many_at_once_wait_and_are_let_go_when_they_are_listed_again(told: Told) -> None:
    node = Node(told)
    node.listing(20)
    node.hear()
    all_of_them = node.told["slivers"]
    node.keep(*(f"s{number}" for number in range(14)))
    outcome = node.hear(NOW + 600, later=600)
    assert set(outcome.held) == {f"s{number}" for number in range(14, 20)} and node.gone() == set()
    assert set(outcome.held.values()) == {leases.MANY}
    node.told["slivers"] = all_of_them
    assert node.hear(NOW + 1200, later=600).held == {} and node.held(departures.REMOVALS) == set()
    node.keep(*(f"s{number}" for number in range(15)))
    assert len(node.hear(NOW + 1800, later=600).removed) == 5


def test_confirmed_removals_go_with_the_next_reply(told: Told) -> None:
    node = Node(told)
    node.listing(200)
    node.hear()
    node.keep("s0")
    assert len(node.hear(NOW + 600, later=600).held) == 199
    with pytest.raises(NotFound, match="the removal of sliver s0 is not held back"):
        node.store.transact(lambda tx: leases.confirm(tx, ADMIN, ["s0"], departures.REMOVALS))
    node.store.transact(lambda tx: leases.confirm(tx, ADMIN, [], departures.REMOVALS))
    outcome = node.hear(NOW + 1200, later=600)
    assert len(outcome.removed) == 199 and outcome.held == {} and node.held(departures.REMOVALS) == set()


def test_who_is_told_of_meanwhile_stays(node: Node) -> None:
    node.keep("demo_web", "demo_ctl")
    newer = node.told["timestamp"] + 700
    node.store.meanwhile = lambda: ticket(node, "demo_deleg", newer)
    assert node.hear(NOW + 600, later=600).removed == () and node.gone() == set()


# ---- expiry


def test_expiry_needs_no_source(node: Node) -> None:
    end = node.sliver("demo_web")["expiry"]
    assert departures.overdue(node.store, end - 1) == []
    assert node.expire(end - 1, "demo_web") == (set(), {})
    assert departures.overdue(node.store, end) == ["demo_web"]
    assert node.expire(end, "demo_web") == ({"demo_web"}, {})
    assert departures.halted(node.sliver("demo_web")) == departures.EXPIRED
    assert departures.overdue(node.store, end) == []


def test_who_is_renewed_or_stopped_meanwhile_is_left_alone(node: Node) -> None:
    record = node.sliver("demo_web")
    for fields in (
        {"expiry": record["expiry"] + 9},
        {"_gone": {"since": 1, "until": 2, "why": departures.UNLISTED}},
    ):
        other = departures.observed(record, **fields)
        node.store.meanwhile = lambda other=other: node.store.transact(lambda tx: tx.put(other))
        assert node.expire(record["expiry"], "demo_web")[0] == set()
        assert node.sliver("demo_web") == other
        node.store.transact(lambda tx: tx.put(record))


def test_a_renewed_sliver_comes_back(node: Node) -> None:
    end = node.sliver("demo_web")["expiry"]
    node.expire(end, "demo_web")
    assert node.hear(end + 10, later=10).changed == () and node.gone() == {"demo_web"}
    node.told["slivers"][0]["expires"] = end + 1000
    assert node.hear(end + 20, later=10).changed == ("sliver_demo_web",) and node.gone() == set()


def test_nothing_expires_by_a_clock_in_doubt_and_nothing_by_mass(told: Told) -> None:
    node = Node(told)
    node.listing(8)
    node.hear()
    end = node.sliver("s0")["expiry"]
    assert node.expire(end, "s0", doubt=leases.JUMPED) == (set(), {"s0": leases.JUMPED})
    assert node.expire(end) == ({"s0"}, {})
    many = tuple(f"s{number}" for number in range(1, 8))
    assert node.expire(end, *many)[1] == dict.fromkeys(many, leases.MANY)
    assert node.expire(end)[0] == set() and node.gone() == {"s0"}
    node.store.transact(lambda tx: leases.confirm(tx, ADMIN, [], departures.EXPIRIES))
    assert node.expire(end) == (set(many), {}) and node.held(departures.EXPIRIES) == set()


def test_a_disabled_sliver_is_halted(node: Node) -> None:
    node.told["slivers"][0]["attributes"].append({"tagname": "enabled", "value": "0"})
    node.hear(NOW + 600, later=600)
    assert departures.halted(node.sliver("demo_web")) == "enabled is 0"
