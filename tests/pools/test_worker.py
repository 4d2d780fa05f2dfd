"""The worker of a pool of which no part needs a host, turn by turn; killed where that could matter."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from nm import records
from nm.calls import Call
from nm.errors import Conflict, DeviceFailed, NMError
from nm.facts import Order, Outcome, Value
from nm.hypervisor import Died
from nm.pools import console, keeping, operations, showing
from nm.pools.briefs import brief_in, what_in
from nm.records import Record
from nm.store import Transaction
from nm.workers import Errand, Job, Reading
from tests.pools.lifetime import Lifetime, site

CORE = '#include "org/smartfrog/predicates.sf"\n'


@pytest.fixture
def here(tmp_path: Path) -> Iterator[Lifetime]:
    made = Lifetime(tmp_path, site())
    yield made
    made.close()


def described(inside: str) -> str:
    return f"{CORE}sfConfig extends Compound {{ {inside} }}"


def run(here: Lifetime, inside: str) -> None:
    job = here.run(here.apply("web", described(inside)))
    assert (job["state"], job["error"]) == ("done", None)


def test_what_is_set_may_break_no_assertion(here: Lifetime) -> None:
    run(here, "a extends Prim { v 3; } b extends Prim { s extends Assertions { ok (LAZY a:v > 2); } }")
    job = here.run(here.set("web", "a:v", 1))
    assert (job["state"], "b: the assertion ok does not hold" in job["error"]["text"]) == ("failed", True)
    pool = here.pool("web")
    assert pool is not None and (pool["state"], pool["set"]) == ("running", [])
    job = here.run(here.set("web", "a:v", 4))
    assert (job["state"], job["error"]) == ("done", None)


def test_what_a_combinator_makes_later_is_changed_before_its_turn(here: Lifetime) -> None:
    text = "s extends Sequence {{ a extends Prim; {} }} {}"
    before = text.format("b extends Prim { v 1; } c extends Prim;", "x extends Prim; y extends Prim;")
    after = text.format("b extends Prim { v 2; }", "y extends Prim; x extends Prim;")
    run(here, before)
    assert here.plan("web", described(before)) == []
    changes = here.plan("web", described(after))
    assert [(one["path"], one["action"]) for one in changes] == [
        ("sfConfig", "change"), ("s", "change"), ("s:b", "later")
    ]  # fmt: skip
    run(here, after)
    assert here.plan("web", described(after)) == []
    assert here.states("web").keys() == {"sfConfig", "s", "s:a", "x", "y"}
    job = here.operate(operations.terminate_component, "web", "s:a")
    here.send(keeping.subject("web"), Job(job))
    here.run(job)
    told = {one["path"]: one for one in here.operate(showing.get_components, "web")}
    assert "s:c" not in told
    assert (told["s:b"]["state"], told["s:b"]["attributes"]["v"]) == ("running", 2)


def test_what_begins_with_sf_and_is_not_known_needs_another_component(here: Lifetime) -> None:
    run(here, "a extends Prim { sfMine 1; }")
    with pytest.raises(Conflict, match="sfMine of a cannot change while it is there"):
        here.set("web", "a:sfMine", 2)
    [told] = here.operate(showing.get_components, "web", "a")
    assert told["effects"]["sfMine"] == "replace"
    chosen = here.operate(console.get_component_tree, "web", {"chosen": "a"})["chosen"]
    assert chosen["locked"] == ["sfClass", "sfMine"]


@pytest.mark.parametrize(
    ("written", "path", "value", "words"),
    [
        ("shutdownTimeout LAZY ATTRIB t; t 5;", "t", 2_000_000_000, "it is 0 to 600"),
        ("sfLivenessDelay LAZY ATTRIB k; k 5;", "k", 0.00001, "must be an Integer"),
        ("sfLivenessDelay LAZY ATTRIB k; k 5;", "k", -5, "it is 0 at least"),
    ],
)
def test_what_is_set_counts_where_it_is_led_to(
    here: Lifetime, written: str, path: str, value: Any, words: str
) -> None:
    _host(here, "lab", Held(), "qemu:///system")
    run(here, f'd extends Domain {{ hostname "d"; {written} }}')
    job = here.run(here.set("web", f"d:{path}", value))
    assert job["state"] == "failed" and words in job["error"]["text"]
    pool = here.pool("web")
    assert pool is not None and (pool["state"], pool["set"]) == ("running", [])
    job = here.run(here.set("web", f"d:{path}", 6))
    assert (job["state"], job["error"]) == ("done", None)


def test_components_are_told_as_a_tree(here: Lifetime) -> None:
    run(here, "a extends Compound { b extends Prim; } c extends Compound { d extends Prim; } e extends Prim;")
    told = [one["path"] for one in here.operate(showing.get_components, "web")]
    assert told == ["sfConfig", "a", "a:b", "c", "c:d", "e"]
    assert [one["path"] for one in here.operate(showing.get_components, "web", "c")] == ["c", "c:d"]


def test_a_job_tells_how_far_it_is(here: Lifetime) -> None:
    parts = " ".join(f"p{n} extends Prim;" for n in range(500))
    number = here.apply("web", f"{CORE}sfConfig extends Compound {{ {parts} }}")
    here.turn()
    job = here.job(number)
    assert (job["state"], job["done"], job["total"]) == ("done", 1503, 1503)
    job = here.run(here.set("web", "p3:v", 1))
    assert (job["done"], job["total"]) == (2, 2)
    job = here.run(here.terminate("web"))
    assert (job["done"], job["total"]) == (501, 501)


def test_what_goes_on_at_once_for_ever_can_be_ended(here: Lifetime) -> None:
    turns = "r extends Repeat { repeat 2147483647; action extends DATA Sequence; }"
    here.apply("web", f"{CORE}sfConfig extends Compound {{ {turns} a extends Prim {{ v 1; }} }}")
    here.turn()
    job = here.terminate("web")
    here.later(0.05)
    assert (here.job(job)["state"], here.left()) == ("done", [])


def test_who_ended_first_is_told_of_all_that_go_with_it(here: Lifetime) -> None:
    inside = "t extends Timeout { time 1; action extends DATA Delay { time 60000; } } a extends Prim;"
    run(here, inside)
    here.later(5.0)
    [pool] = here.operate(showing.get_descriptions, {})
    why = {"type": "abnormal", "description": "it took longer than 1 ms", "id": "t", "cause": ""}
    assert (pool["state"], pool["end"]) == ("failed", why)
    ends = {one["path"]: one["end"] for one in here.operate(showing.get_components, "web")}
    assert ends["a"] == ends["t"] == ends["t:action"] == why


GUEST = '%s extends Domain { hostname "%s"; sfLivenessDelay 0; }'
RUNS: Value = {"running": True, "shut_down": False, "unheard": False}


class Held:
    """A host's worker that does all at once, until it is held. All domains are as `seen`."""

    def __init__(self) -> None:
        self.held = False
        self.seen: Value = RUNS
        self.answers: NMError | None = None
        self.waiting: list[Errand] = []

    def handle(self, batch: Sequence[Any]) -> float | None:
        for item in batch:
            if isinstance(item, Reading):
                item.reply([Outcome(seen=self.seen) for _ in item.facts])
        self.waiting += [item for item in batch if isinstance(item, Errand)]
        if not self.held:
            self.release()
        return None

    def release(self) -> None:
        self.held = False
        while self.waiting:
            errand = self.waiting.pop(0)
            errand.reply([Outcome(seen={}, error=self.answers) for _ in errand.orders])

    def failed(self, batch: Sequence[Any], words: str) -> None:
        """Never."""

    def close(self) -> None:
        """Nothing is open."""


END = "t extends Delay { time 1; action extends DATA Terminator { kill LAZY f:d; } }"
FIRE = 'd extends Domain { hostname "d"; sfLivenessDelay 0; } b extends Prim;'
ONE_THAT_ENDS = f"x extends FireBreak {{ {END} }} f extends FireBreak {{ {FIRE} }}"


def _host(here: Lifetime, name: str, hand: Held, uri: str = "") -> None:
    """A host, whose worker is that."""
    record = records.new("host", name, 0.0, uri=uri or f"qemu+ssh://{name}/system", available=True)
    here.database.transact(lambda tx: tx.put(record))
    here.open_hand = lambda _host: hand


def _one_that_ends(here: Lifetime) -> Held:
    """A description runs of which f:d is taken down when time passes."""
    hand = Held()
    _host(here, "lab", hand, "qemu:///system")
    run(here, ONE_THAT_ENDS)
    return hand


def test_guests_of_a_host_out_of_service_end_nothing(here: Lifetime) -> None:
    """It is booted in good order: its guests are shut down first, and are off behind that."""
    hand = Held()
    _host(here, "lab", hand, "qemu:///system")
    run(here, 'd extends Domain { hostname "d"; sfLivenessDelay 5; }')
    here.operate(_edit_host, "lab", {"available": False})
    hand.seen = {**RUNS, "running": False, "shut_down": True}
    here.later(60.0)
    assert here.states("web")["d"] == "running"
    hand.seen = {**RUNS, "running": False, "unheard": True}
    here.operate(_edit_host, "lab", {"available": True})
    here.done.clear()
    here.later(6.0)
    assert set(here.done) == {"start d"} and here.states("web")["d"] == "running"
    hand.seen = {**RUNS, "running": False, "shut_down": True}
    here.later(6.0)
    assert here.states("web")["d"] == "ended"


def _edit_host(tx: Transaction, call: Call, name: str, fields: dict[str, Any]) -> None:
    record = tx.get(records.record_key("host", name))
    assert record is not None
    tx.put(records.changed(record, call.now, **fields))


def test_a_change_waits_for_what_is_just_taken_down(here: Lifetime) -> None:
    """One thing at a time for a part: also when it is not a job that is at it."""
    hand = _one_that_ends(here)
    hand.held = True
    here.later(5.0)
    assert here.done[-1] == "terminate f:d"
    job = here.set("web", "f:b:v", 1)
    here.settle()
    assert here.job(job)["state"] == "queued"
    hand.release()
    here.settle()
    assert (here.job(job)["state"], here.states("web")["f:d"]) == ("done", "ended")


def test_no_change_waits_for_what_cannot_be_taken_down(here: Lifetime) -> None:
    """It is done beside that; and refused when it concerns that."""
    hand = _one_that_ends(here)
    hand.answers = DeviceFailed("the host does not answer", passing=True)
    here.later(5.0)
    assert here.run(here.set("web", "f:b:v", 1))["state"] == "done"
    text = f"{CORE}sfConfig extends Compound {{ {ONE_THAT_ENDS} }}"
    job = here.run(here.apply("web", text.replace('"d"', '"e"')))
    assert (job["state"], "f:d is just made or taken down" in job["error"]["text"]) == ("failed", True)
    job = here.run(here.apply("web", text.replace("b extends Prim", "c extends Prim")))
    states = here.states("web")
    assert (job["state"], "f:b" in states, states["f:c"], states["f:d"]) == (
        "done",
        False,
        "running",
        "running",
    )
    hand.answers = None
    here.later(60.0)
    assert here.states("web")["f:d"] == "ended"
    here.run(here.terminate("web"))
    assert here.left() == []


def test_no_change_waits_for_what_cannot_start_after_its_host_was_booted(here: Lifetime) -> None:
    """It is tried for ever; a change of it is refused, and one that cannot be prepared comes to its end."""
    hand = Held()
    _host(here, "lab", hand, "qemu:///system")
    text = 'd extends Domain {{ hostname "{}"; sfLivenessDelay 5; }} a extends Prim {{ v {}; }}'

    def changed(name: str, more: str = "") -> Record:
        inside = f"{text.format(name, 3)} {more}"
        return here.run(here.apply("web", f"{CORE}sfConfig extends Compound {{ {inside} }}"))

    run(here, text.format("d", 1))
    hand.seen = {**RUNS, "running": False, "unheard": True}
    hand.answers = DeviceFailed("no image", passing=False)
    here.later(200.0)
    assert here.run(here.set("web", "a:v", 2))["state"] == "done"
    job = changed("d", GUEST % ("e", "e"))
    assert (job["state"], "prepare e failed: no image" in job["error"]["text"]) == ("failed", True)
    job = changed("f")
    assert (job["state"], "made or taken down: no image" in job["error"]["text"]) == ("failed", True)
    hand.seen, hand.answers = RUNS, None
    here.later(60.0)
    assert here.states("web") == dict.fromkeys(("sfConfig", "d", "a"), "running")
    assert changed("f")["state"] == "done"


def test_a_start_counts_as_one_only_when_the_domains_process_ended_at_it(here: Lifetime) -> None:
    """What lacked something before has not been started: behind a boot storage comes late, then memory."""
    hand = Held()
    _host(here, "lab", hand, "qemu:///system")
    run(here, 'd extends Domain { hostname "d"; sfLivenessDelay 5; }')
    hand.seen = {**RUNS, "running": False, "unheard": True}
    hand.answers = DeviceFailed("no image", passing=False)
    here.later(100.0)
    hand.answers = Died("no memory")
    here.later(9.0)
    assert here.done[-1] == "start d"
    here.later(60.0)
    assert here.done[-1] == "terminate d"


class Made(Held):
    """One that keeps what it has: the identities of lives. fails: of which components none is made."""

    def __init__(self) -> None:
        super().__init__()
        self.there: set[str] = set()
        self.fails: set[str] = set()
        self.lives: list[str] = []  # of which something was made, in order

    def release(self) -> None:
        while self.waiting:
            errand = self.waiting.pop(0)
            errand.reply([self._carried_out(order) for order in errand.orders])

    def _carried_out(self, order: Order) -> Outcome:
        brief, what = brief_in(order), what_in(order)
        if what == "deploy" and brief.path[-1] in self.fails:
            return Outcome(error=DeviceFailed("no room", passing=False))
        if what == "deploy":
            self.there.add(brief.identity)
            self.lives.append(brief.identity)
        elif what == "terminate":
            self.there.discard(brief.identity)
        return Outcome(seen={})


def test_what_was_left_half_made_is_completed_and_nothing_of_it_stays(here: Lifetime) -> None:
    hand = Made()
    _host(here, "lab", hand, "qemu:///system")
    run(here, "keepOnFailure true;")
    hand.fails = {"e"}
    text = (
        f"{CORE}sfConfig extends Compound {{ keepOnFailure true; {GUEST % ('d', 'd')} {GUEST % ('e', 'e')} }}"
    )
    assert here.run(here.apply("web", text))["state"] == "failed"
    assert (here.states("web")["d"], here.states("web")["e"]) == ("initialized", "ended")
    hand.fails = set()
    assert here.run(here.apply("web", text))["state"] == "done"
    assert len(hand.there) == 2
    here.run(here.terminate("web"))
    assert (here.left(), hand.there) == ([], set())


def test_lives_that_were_counted_for_each_component_go_on(here: Lifetime) -> None:
    """As in a database of an nm that did so: no number comes again."""
    hand = Made()
    _host(here, "lab", hand, "qemu:///system")
    run(here, GUEST % ("d", "d"))
    run(here, GUEST % ("d", "e"))
    here.operate(_without, records.record_key("pool", "web"), "lives")
    here.crash()
    run(here, GUEST % ("d", "f"))
    assert len(set(hand.lives)) == len(hand.lives) == 3
    here.run(here.terminate("web"))
    assert (here.left(), hand.there) == ([], set())


def _without(tx: Transaction, _call: Call, key: str, field: str) -> None:
    record = tx.get(key)
    assert record is not None
    tx.put({name: value for name, value in record.items() if name != field})


def test_what_was_set_reaches_what_leads_to_it_with_the_next_update(here: Lifetime) -> None:
    text = 'a extends Prim { n "one"; } t extends Display { nameDisplay LAZY a:n; }'

    def told() -> Any:
        pool = here.pool("web")
        assert pool is not None
        return keeping.standings(here.database, pool)["t",].worth

    run(here, text)
    assert told() == {"nameDisplay": "one"}
    here.run(here.set("web", "a:n", "two"))
    here.crash()
    assert told() == {"nameDisplay": "one"}
    run(here, text.replace("one", "two"))
    assert told() == {"nameDisplay": "two"}


def test_what_names_no_host_stays_where_it_is(here: Lifetime) -> None:
    _host(here, "lab", Held())
    _host(here, "other", Held())
    text = 'sfConfig extends Compound { d extends Domain { hostname "d"; sfLivenessDelay 0; } }'
    here.run(here.apply("web", text, host="lab"))
    here.run(here.apply("web", text))
    assert [found["host"] for found in here.operate(showing.get_components, "web")] == ["lab", "lab"]
    here.done.clear()
    here.run(here.apply("web", text, host="other"))
    assert here.done == [f"{what} d" for what in ("prepare", "terminate", "construct", "deploy", "start")]
    assert [found["host"] for found in here.operate(showing.get_components, "web")] == ["other", "other"]


def test_a_lazy_value_that_grows_in_place_is_measured_by_how_it_started(here: Lifetime) -> None:
    _host(here, "lab", Held(), "qemu:///system")
    vm = 'd extends Domain { hostname "d"; memory LAZY a:v; sfLivenessDelay 0; }'
    text = f"a extends Prim {{ v 512; }} {vm}"
    run(here, text)
    here.done.clear()
    for size in (1024, 1025):
        run(here, text.replace("512", str(size)))
        rows = here.operate(console.get_component_tree, "web", {"open": [["sfConfig", 50]]})["rows"]
        assert not any(row["waiting"] for row in rows)
    assert here.done == [f"{what} d" for what in ("prepare", "change", "prepare", "stop", "change", "start")]


def test_the_whole_is_made_anew(here: Lifetime) -> None:
    run(here, "a extends Prim { v 1; }")
    run(here, "sfMine 1; a extends Prim { v 1; }")
    assert here.states("web") == {"sfConfig": "running", "a": "running"}


def test_a_text_is_shown_as_it_was_applied(here: Lifetime) -> None:
    run(here, "a extends Prim { v 1; }")
    here.run(here.set("web", "a:v", 2))
    found = here.operate(showing.get_description, "web")
    assert "sfConfig extends Compound { a extends Prim { v 1; } }" in found["text"]
    assert (found["set"], found["options"], found["revision"]) == ([{"path": "a:v", "value": 2}], {}, 1)


def test_what_may_be_secret_is_in_no_log_event_or_job(
    here: Lifetime, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG")
    told: list[str] = []
    here.database.subscribe(lambda published: told.extend(map(str, published.events)))
    hand = Held()
    _host(here, "lab", hand, "qemu:///system")
    guest = 'd extends Domain { hostname "d"; userData "hush %s"; sfLivenessDelay 0; }'
    run(here, guest % 1)
    hand.answers = DeviceFailed("its disk is full")
    job = here.run(here.apply("web", f"{CORE}sfConfig extends Compound {{ {guest % 2} }}"))
    assert (job["state"], "its disk is full" in job["error"]["text"]) == ("failed", True)
    hand.answers = None
    here.run(here.terminate("web"))
    assert here.left() == [] and told
    assert "hush" not in f"{caplog.text}{told}{list(here.database.range('job'))}"


def ended(here: Lifetime, path: str, **options: bool) -> str:
    """How it stands with the pool when that component was taken down."""
    job: int = here.operate(operations.terminate_component, "web", path, options)
    here.send(keeping.subject("web"), Job(job))
    over = here.run(job)
    assert (over["state"], over["error"]) == ("done", None)
    return str(here.pool("web")["state"])  # type: ignore[index]  # it is there


def test_a_component_is_taken_down_alone_or_with_what_is_around(here: Lifetime) -> None:
    run(
        here, "a extends Prim; c extends Compound { b extends Prim; } f extends FireBreak { d extends Prim; }"
    )
    assert ended(here, "f:d") == "running"
    assert ended(here, "c", detach=True) == "running"
    assert here.states("web") == {
        "sfConfig": "running", "a": "running", "c": "ended", "c:b": "ended", "f": "running", "f:d": "ended"
    }  # fmt: skip
    job = here.run(here.apply("web", f"{CORE}sfConfig extends Compound {{ a extends Prim; }}"))
    assert (job["state"], here.states("web")) == ("done", {"sfConfig": "running", "a": "running"})
    assert ended(here, "a") == "ended"
    here.run(here.terminate("web"))
    assert here.left() == []


@pytest.mark.parametrize(
    ("path", "options", "words"),
    [("x", {}, "no component x"), ("sfConfig", {}, "whole"), ("a", {"detach": 1}, "detach")],
)
def test_what_cannot_be_taken_down(here: Lifetime, path: str, options: Any, words: str) -> None:
    run(here, "a extends Prim;")
    with pytest.raises(NMError, match=words):
        here.operate(operations.terminate_component, "web", path, options)


def test_what_came_with_an_update_stands_where_it_is_described_after_a_restart_too(here: Lifetime) -> None:
    _host(here, "lab", Held(), "qemu:///system")
    guests = [f'{name} extends Domain {{ hostname "{name}"; sfLivenessDelay 0; }}' for name in "abc"]
    run(here, f"sfSyncTerminate true; {guests[1]}")
    run(here, f"sfSyncTerminate true; {' '.join(guests)}")
    here.crash()
    here.done.clear()
    assert [one["path"] for one in here.operate(showing.get_components, "web")] == ["sfConfig", "a", "b", "c"]
    here.run(here.terminate("web"))
    assert here.done == ["terminate c", "terminate b", "terminate a"]


def test_an_update_takes_down_in_the_reverse_order_of_the_description(here: Lifetime) -> None:
    _host(here, "lab", Held(), "qemu:///system")
    guests = [f'{name} extends Domain {{ hostname "{name}"; sfLivenessDelay 0; }}' for name in "ab"]
    run(here, guests[1])
    run(here, " ".join(guests))
    here.done.clear()
    run(here, "")
    assert here.done == ["terminate b", "terminate a"]
