"""Descriptions through the API's door: applied, changed, set, terminated; what is kept and what refused."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import pytest

from nm import sflibrary
from nm.calls import Call, Caller, Describing
from nm.descriptiondesk import DescriptionDesk
from nm.descriptions.limits import Limits
from nm.descriptions.problems import Flawed
from nm.descriptions.surroundings import Surroundings
from nm.errors import Conflict, Denied, Invalid, LimitReached, NMError, NotFound
from nm.pools import chunks, drafting, keeping, operations
from nm.pools.tree import Path
from nm.records import Record, new
from tests.api.test_methods import NOW, Bench
from tests.descriptions.say import INCLUDES
from tests.pool.world import ALICE, BOB, ROOT
from tests.pools.deployed import bring_up

NESTED: Any = [[[[[[[[[[[[[5]]]]]]]]]]]]]
FOLDERS = Describing(shells=True, folders=("/data",))


def text(inside: str) -> str:
    return f"{INCLUDES}sfConfig extends Compound {{ sfSyncTerminate true; {inside} }}"


def domain(name: str = "d", more: str = "") -> str:
    return f'{name} extends Domain {{ hostname "{name}"; {more} }} '


@pytest.fixture
def bench() -> Bench:
    return Bench()


def allow(bench: Bench, describing: Describing) -> None:
    bench.api._site = replace(bench.api._site, describing=describing)


def describer(bench: Bench, caller: Caller = ALICE, **limits: Any) -> None:
    bench.grant(caller, ["describe"])
    bench.edit(f"account_{caller.name}", rights={"describe": limits})


def apply(bench: Bench, inside: str, name: str = "pool", caller: Caller = ROOT, **options: Any) -> int:
    number: int = bench.call("ApplyDescription", name, text(inside), {}, options, caller=caller)
    return number


def run(bench: Bench, inside: str, name: str = "pool", caller: Caller = ROOT, **options: Any) -> None:
    apply(bench, inside, name, caller, **options)
    bring_up(bench.memory, name, NOW)


def plan(bench: Bench, inside: str, name: str = "pool", caller: Caller = ROOT) -> Record:
    found: Record = bench.call("PlanDescription", name, text(inside), {}, caller=caller)
    return found


def pool(bench: Bench, name: str = "pool") -> Record:
    return bench.get(f"pool_{name}")


@contextmanager
def refused(bench: Bench, error: type[NMError], words: str) -> Iterator[None]:
    """It is refused with these words, and nothing has changed."""
    before = bench.before()
    with pytest.raises(error, match=words) as raised:
        yield
    assert raised.value.hint or isinstance(raised.value, Flawed)  # whose problems have hints of their own
    assert bench.memory._records == before


# ---- applied


def test_what_is_applied_is_kept_with_the_job_that_deploys_it(bench: Bench) -> None:
    job = bench.get(f"job_{apply(bench, domain())}")
    assert (job["subject"], job["kind"], job["state"]) == ("pool:pool", "apply", "queued")
    record = pool(bench)
    assert (record["target"], record["deployed"], record["state"]) == (1, None, "deploying")
    assert record["owner"] == {"name": "root", "uid": 0}
    assert record["uses"] == {
        "pools": 1,
        "components": 2,
        "domains": 1,
        "memory": 1024,
        "vcpus": 2,
        "disk": 0,
    }
    parts = keeping.target_parts(bench.store, record)
    assert [(part.path, part.kind) for part in parts] == [((), "Compound"), (("d",), "Domain")]


def test_a_text_is_kept_with_all_that_it_reads_and_nothing_else(bench: Bench) -> None:
    allow(bench, Describing(properties={"size": "700"}))
    written = '#include "/common.sf"\nsfConfig extends Guest { memory IPROPERTY size; }'
    common = '#include "ch/cern/openlab/smartdomains/components.sf"\nGuest extends Domain { hostname "g"; }'
    bench.call("ApplyDescription", "kept", written, {"/common.sf": common, "other.sf": "unread"})
    record = bench.get("text_kept.1")
    assert record["files"] == {"/common.sf": common}
    assert "org/smartfrog/components.sf" in record["library"]
    assert "nm/components.sf" not in record["library"]
    allow(bench, Describing())  # what the site says later changes nothing of it
    [part] = keeping.target_parts(bench.store, pool(bench, "kept"))
    assert part.attributes["memory"] == 700


def test_a_host_is_where_those_are_that_name_none(bench: Bench) -> None:
    apply(bench, domain("a") + domain("b", 'sfProcessHost "h1";'), host="h0")
    parts = keeping.target_parts(bench.store, pool(bench))
    assert [part.host for part in parts] == ["h0", "h0", "h1"]
    with refused(bench, Denied, "no host 'h9'"):
        apply(bench, domain(), "other", host="h9")


def test_one_thing_at_a_time(bench: Bench) -> None:
    job = apply(bench, domain())
    with refused(bench, Conflict, rf"is deploying \(job {job}\)"):
        apply(bench, domain(more="memory 600;"))
    bring_up(bench.memory, "pool", NOW)
    assert (pool(bench)["state"], pool(bench)["deployed"], pool(bench)["job"]) == ("running", 1, None)
    update = bench.get(f"job_{apply(bench, domain(more='memory 600;'))}")
    assert update["kind"] == "update"
    assert pool(bench)["before"]["target"] == 1


def test_a_plan_tells_what_becomes_of_each_component(bench: Bench) -> None:
    assert [change["action"] for change in plan(bench, domain())["changes"]] == ["create", "create"]
    run(bench, domain() + domain("e") + domain("f"))
    assert plan(bench, domain() + domain("e") + domain("f"))["changes"] == []
    changed = domain(more="memory 600;") + domain("e", 'cmdline "quiet";') + domain("g")
    found = plan(bench, changed)
    assert {change["path"]: change["action"] for change in found["changes"]} == {
        "d": "change", "e": "restart", "g": "create", "f": "destroy",
    }  # fmt: skip
    [difference] = found["changes"][0]["differences"]
    assert difference == {"name": "memory", "how": "added", "effect": "now", "new": 600}
    assert "~   change d (Domain)" in found["lines"][0]


def test_only_the_plan_that_was_seen_is_carried_out(bench: Bench) -> None:
    run(bench, domain())
    found = plan(bench, domain(more="memory 600;"))
    kept = bench.get("life_pool.0")
    ended = {**kept["items"], 1: {"state": "ended"}}
    bench.edit("life_pool.0", items=ended)
    with refused(bench, Conflict, "another one"):
        apply(bench, domain(more="memory 600;"), if_plan=found["hash"])
    bench.edit("life_pool.0", items=kept["items"])
    assert apply(bench, domain(more="memory 600;"), if_plan=found["hash"])


def test_what_moves_between_looking_and_applying_is_planned_anew(bench: Bench) -> None:
    run(bench, domain())
    call = Call(ROOT, "ApplyDescription", NOW, bench.api._site)
    written = keeping.Text(text(domain()), {}, sflibrary.texts(), Surroundings())
    made = drafting.draft("pool", written, Limits(), 100)
    seen = operations.look(bench.store, "pool")
    found = operations.planned(bench.store, call, made, seen, {})
    bench.edit("life_pool.0", items={0: {"state": "running"}, 1: {"state": "ended"}})
    assert bench.store.transact(lambda tx: operations.apply(tx, call, made, found, seen, {})) is None
    assert apply(bench, domain())
    assert pool(bench)["revision"] == 2


def test_a_component_that_is_not_updatable_refuses(bench: Bench) -> None:
    run(bench, domain(more="sfUpdatable false;"))
    found = plan(bench, domain(more="sfUpdatable false; memory 600;"))
    assert "d is not updatable" in found["refused"][0]
    with refused(bench, Conflict, "d is not updatable"):
        apply(bench, domain(more="sfUpdatable false; memory 600;"))


def test_an_update_that_cannot_be_prepared_leaves_what_was(bench: Bench) -> None:
    run(bench, domain())
    apply(bench, domain(more="memory 600;"))
    bench.store.transact(lambda tx: keeping.given_up(tx, pool(bench), NOW, "no room"))
    record = pool(bench)
    assert (record["target"], record["text"], record["state"], record["error"]) == (
        1,
        1,
        "running",
        "no room",
    )
    assert record["before"] is None
    assert bench.store.get("text_pool.2") is None
    assert keeping.target_parts(bench.store, record)[1].attributes.get("memory", 512) == 512


def test_old_texts_go(bench: Bench) -> None:
    for memory in (600, 700, 800):
        run(bench, domain(more=f"memory {memory};"))
    assert [key for key in bench.memory._records if key.startswith("text_pool.")] == ["text_pool.3"]


def test_what_has_failed_is_applied_anew(bench: Bench) -> None:
    apply(bench, domain())
    bring_up(bench.memory, "pool", NOW, "ended")
    bench.edit("pool_pool", state="failed", error="no room")
    assert bench.get(f"job_{apply(bench, domain())}")["kind"] == "apply"
    assert pool(bench)["error"] is None
    assert [key for key in bench.memory._records if key.startswith("text_pool.")] == ["text_pool.2"]


def test_terminating_overtakes_whatever_is_at_it(bench: Bench) -> None:
    run(bench, domain())
    job = apply(bench, domain(more="memory 600;"))
    end = bench.call("TerminateDescription", "pool")
    assert bench.get(f"job_{job}")["state"] == "superseded"
    assert bench.call("TerminateDescription", "pool") == end
    assert (pool(bench)["target"], pool(bench)["state"]) == (None, "terminating")
    with refused(bench, Conflict, "is terminating"):
        apply(bench, domain())
    keys = set(keeping.all_keys(bench.store, pool(bench)))
    mine = {key for key in bench.memory._records if key.partition("_")[2].partition(".")[0] == "pool"}
    assert keys == mine - {"meta_pool"}


def test_a_wide_pool_is_read_and_changed(bench: Bench) -> None:
    """More parts than one transaction may write records."""
    inside = "".join(domain(f"d{number}") for number in range(4100))
    run(bench, inside)
    assert pool(bench)["count"] == 4101
    assert len(list(keeping.kept(pool(bench)))) > 100
    changed = inside.replace('hostname "d7";', 'hostname "d7"; memory 600;')
    assert [change["path"] for change in plan(bench, changed)["changes"]] == ["d7"]
    assert apply(bench, changed)


# ---- what is refused


@pytest.mark.parametrize(
    ("written", "words"),
    [
        ("sfConfig extends Compuond {}", "pool.sf:1:18: no Compuond here"),
        (text("d extends Domain { }"), r"hostname \(the guest's name\) is missing"),
        (text(domain(more='memory "much";')), "memory"),
        (text("x extends DATA " + "{ y extends DATA " * 13 + "{}" + "}" * 13), "nested more than 12 deep"),
        ("sfConfig extends Prim, { a " + "(" * 5000, "more than 64 levels deep"),
    ],
)
def test_what_is_wrong_is_told(bench: Bench, written: str, words: str) -> None:
    with refused(bench, Invalid, words):
        bench.call("ApplyDescription", "pool", written, {})


@pytest.mark.parametrize(
    "inside",
    [
        *(domain(more=f"{name};") for name in ("memory -9", "memory 0", "maxMemory -1")),
        domain(more="memory LAZY x; x (0 - 9);"),
        *(f'l extends LoopbackStorageBackend {{ baseImage "spare"; {size}; }}'
          for size in ("size -9L", "size 0L", "size 9L; swapSize -9L")),
    ],
)  # fmt: skip
def test_nothing_is_less_than_nothing(bench: Bench, inside: str) -> None:
    """What is counted less than nothing would make room for more than is allowed."""
    with refused(bench, Invalid, "at least"):
        apply(bench, inside)


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ("vcpus 2000000000;", "it is 1 to 512"),
        ("vcpus 0;", "it is 1 to 512"),
        ("maxVcpus 513;", "it is 0 to 512"),
        ("vcpus LAZY x; x 600;", "it is 1 to 512"),
        ("sfLivenessDelay (0 - 5);", "it is 0 at least"),
        ("sfLivenessDelay LAZY x; x 0.00001;", "must be an Integer"),
        ("sfLivenessFactor 0;", "it is 1 at least"),
        ("memory LAZY x; x 5000000000L;", "must be an Integer"),
        (r'cmdline "a\u0000b";', r"'cmdline' has the character U\+0000"),
        (r'x [["\ud800"]];', r"'x' has the character U\+D800"),
        (r'"a\ud800" 1;', r"has the character U\+D800"),
        (r'x extends DATA { "\uffff" 1; };', r"'x' has the character U\+FFFF"),
    ],
)
def test_what_no_host_can_carry_is_refused(bench: Bench, more: str, words: str) -> None:
    """Of so many processors libvirtd itself ends, and so does a whole batch of orders of such a text."""
    with refused(bench, Invalid, words):
        apply(bench, domain(more=more))


def test_a_small_text_makes_no_large_records(bench: Bench) -> None:
    doubled = " ".join(f"s{n + 1} (s{n} ++ s{n});" for n in range(9))
    with refused(bench, Invalid, "p: its attributes have 523,.* characters, and 262,144 are allowed"):
        apply(bench, f'p extends Prim {{ s0 "{"x" * 512}"; {doubled} }}')


def test_how_long_a_host_may_be_held_up_is_bounded(bench: Bench) -> None:
    with refused(bench, Invalid, "it is 0 to 600"):
        apply(bench, domain(more="shutdownTimeout 2000000000;"))


@pytest.mark.parametrize("name", ["a:b", "", "sfConfig", "a\\nb", "a\\u0000"])
def test_no_two_components_are_spelled_alike(bench: Bench, name: str) -> None:
    """What hands make is called by that: one would have the other's disk."""
    with refused(bench, Invalid, "cannot be a component's name"):
        apply(bench, f'"{name}" extends Domain {{ hostname "x"; }} a extends Compound {{ {domain("b")} }}')
    with refused(bench, Invalid, "cannot be a component's name"):
        apply(bench, f's extends Parallel {{ actions extends DATA {{ "{name}" extends DATA Prim; }} }}')


def test_too_many_components(bench: Bench) -> None:
    allow(bench, Describing(components=2))
    with refused(bench, Invalid, "3 components; 2 are allowed"):
        apply(bench, domain() + domain("e"))


def test_a_description_is_its_owners(bench: Bench) -> None:
    describer(bench)
    describer(bench, BOB)
    run(bench, domain(), caller=ALICE)
    with refused(bench, Conflict, "is there already"):
        apply(bench, domain(), caller=BOB)
    with refused(bench, NotFound, "no description pool of bob's"):
        bench.call("TerminateDescription", "pool", caller=BOB)
    assert bench.call("GetDescriptions", {}, caller=BOB) == []
    assert [one["name"] for one in bench.call("GetDescriptions", {}, caller=ALICE)] == ["pool"]
    job = apply(bench, domain(), caller=ROOT)
    assert pool(bench)["owner"]["name"] == "alice"
    assert bench.call("GetJob", job, caller=ALICE)["subject"] == "pool:pool"
    bench.edit("account_alice", rights={})
    with refused(bench, Denied, "right describe"):
        bench.call("SetAttribute", "pool", "d:memory", 600, caller=ALICE)
    assert bench.call("TerminateDescription", "pool", caller=ALICE)


# ---- attributes


def test_attributes_are_set_and_removed_until_the_next_description(bench: Bench) -> None:
    run(bench, domain(more="memory 500;"))
    job = bench.get(f"job_{bench.call('SetAttribute', 'pool', 'd:memory', 600)}")
    assert (job["kind"], job["arguments"]["path"], job["arguments"]["attribute"]) == ("set", ["d"], "memory")
    assert bench.get("pool_pool")["uses"]["memory"] == 1200
    bring_up(bench.memory, "pool", NOW)
    [found] = bench.call("GetComponents", "pool", "d")
    assert found["attributes"]["memory"] == 600
    assert found["effects"]["memory"] == "now or restart"
    [change] = plan(bench, domain(more="memory 500;"))["changes"]
    assert (change["differences"][0]["old"], change["differences"][0]["new"]) == (600, 500)
    bench.call("RemoveAttribute", "pool", "d:memory")
    bring_up(bench.memory, "pool", NOW)
    assert "memory" not in bench.call("GetComponents", "pool", "d")[0]["attributes"]
    assert bench.call("GetDescriptions", {"name": "pool"})[0]["set"] == [["d", "memory"]]
    run(bench, domain(more="memory 500;"))
    assert bench.call("GetDescriptions", {"name": "pool"})[0]["set"] == []
    assert bench.call("GetComponents", "pool", "d")[0]["attributes"]["memory"] == 500


def test_bytes_of_disks_are_a_limit_and_have_to_be_said(bench: Bench) -> None:
    allow(bench, FOLDERS)
    describer(bench, disk=100, adopt=True, paths=True)

    def disk(size: str, name: str = "l") -> str:
        return f'{name} extends LoopbackStorageBackend {{ baseImage "spare"; {size} }}'

    for missing in ("", "size LAZY x; x 5L;", "size 1048576L; swapSize LAZY x; x 5L;"):
        with refused(bench, Denied, "is not said"):
            apply(bench, disk(missing), caller=ALICE)
    with refused(bench, LimitReached, "100 MiB of disk at most, and this makes 101"):
        apply(bench, disk("size 104857601L;"), caller=ALICE)
    run(bench, disk("size 62914560L; swapSize 1048576L;"), "one", ALICE)
    assert pool(bench, "one")["uses"]["disk"] == 61
    with refused(bench, LimitReached, "this makes 101"):
        apply(bench, disk("size 41943040L;"), "two", ALICE)
    with refused(bench, LimitReached, "this makes 102"):
        bench.call("SetAttribute", "one", "l:size", 105906176, caller=ALICE)
    kept = disk('inPlace true; format "raw";').replace("spare", "/data/x")
    run(bench, kept, "two", ALICE)
    assert pool(bench, "two")["uses"]["disk"] == 0
    told = bench.call("WhoAmI", caller=ALICE)
    assert told["describe"] == {"disk": 100, "adopt": True, "paths": True} and told["rights"] == ["describe"]
    assert "describe" not in bench.call("WhoAmI", caller=BOB)


@pytest.mark.parametrize(
    ("path", "value", "error", "words"),
    [
        ("d:hostname", "other", Conflict, "cannot change while it is there"),
        ("d:memory", "much", Invalid, "memory is 'much'"),
        ("d:memory", -600, Invalid, "memory is -600"),
        ("d:shutdownTimeout", 601, Invalid, "it is 0 to 600"),
        ("d:sfClass", "x", Invalid, "cannot be set"),
        ("d:", 5, Invalid, "cannot be set"),
        ("e:memory", 5, NotFound, "no component e runs"),
        ("d:kernel", "/etc/shadow", Denied, "descriptions.folders"),
        ("d:bridge", [{"a": 1}], Invalid, "bridge cannot be that"),
        ("d:memory", float(1 << 40), Invalid, "must be an Integer"),
        ("d:vcpus", 513, Invalid, "it is 1 to 512"),
        ("d:x", NESTED, Invalid, "nested more than 12 deep"),
        ("d:cmdline", "\0", Invalid, r"U\+0000"),
        ("d:x", "x" * 300_000, Invalid, "262,144 are allowed"),
    ],
)
def test_what_cannot_be_set(bench: Bench, path: str, value: Any, error: type[NMError], words: str) -> None:
    run(bench, domain())
    with refused(bench, error, words):
        bench.call("SetAttribute", "pool", path, value)


def test_a_long_is_set_though_the_wire_has_none(bench: Bench) -> None:
    run(bench, 'l extends LoopbackStorageBackend { baseImage "spare"; size 1000; } ' + domain())
    bench.call("SetAttribute", "pool", "l:size", 5e9)
    assert pool(bench)["set"] == [[["l"], "size", {"value": 5_000_000_000}]]
    assert type(pool(bench)["set"][0][2]["value"]) is int
    bring_up(bench.memory, "pool", NOW)
    with refused(bench, Conflict, "something would be lost"):
        bench.call("SetAttribute", "pool", "l:size", 4e9)
    with refused(bench, Invalid, "size is 5.5"):
        bench.call("SetAttribute", "pool", "l:size", 5.5)
    bench.call("SetAttribute", "pool", "d:ratio", 5e9)
    assert type(pool(bench)["set"][-1][2]["value"]) is float


def test_the_whole_is_called_sfconfig(bench: Bench) -> None:
    run(bench, domain())
    assert bench.call("SetAttribute", "pool", "sfConfig:colour", "red")
    bring_up(bench.memory, "pool", NOW)
    assert bench.call("GetComponents", "pool")[0]["attributes"]["colour"] == "red"


def test_secrets_of_guests_are_shown_to_nobody(bench: Bench) -> None:
    run(bench, domain(more='userData "password";'))
    told = [bench.call("GetComponents", "pool"), plan(bench, domain(more='userData "secret";'))]
    assert "password" not in str(told) and "secret" not in str(told)


def test_values_that_the_wire_has_no_word_for(bench: Bench) -> None:
    run(bench, "p extends Prim { long 5000000000L; bytes #HEX#00ff#; v [1, NULL]; l LAZY PARENT; }")
    found = bench.call("GetComponents", "pool", "p")[0]["attributes"]
    assert (found["long"], found["bytes"]) == (5e9, {"bytes": "00ff"})
    assert (found["v"], found["l"]) == ([1, None], {"reference": "LAZY PARENT"})


# ---- many at the desk


def test_who_sends_long_texts_waits_behind_their_own(bench: Bench) -> None:
    desk = DescriptionDesk(bench.store, patience=0.0)
    describer(bench)
    describer(bench, BOB)

    def planned(caller: Caller) -> Record:
        rights: dict[str, Any] = {"describe": {}}
        call = Call(caller, "PlanDescription", NOW, bench.api._site, rights)
        return desk.plan(call, "new", text(domain()), {})

    with desk._place(ALICE):
        with pytest.raises(LimitReached, match="alice"):
            planned(ALICE)
        assert planned(BOB)
        with desk._place(BOB), pytest.raises(LimitReached, match="too many"):
            planned(Caller(4711, "carol"))
        with desk._place(BOB):
            assert planned(ROOT)
    assert planned(ALICE)


def test_nobody_waits_for_a_description_that_is_read(bench: Bench) -> None:
    """A call that is answered while another thread is at the desk."""
    began, go_on = threading.Event(), threading.Event()
    desk = DescriptionDesk(bench.store)
    reading = desk._drafted

    def slow(*arguments: Any) -> Any:
        began.set()
        assert go_on.wait(60)
        return reading(*arguments)

    desk._drafted = slow  # type: ignore[method-assign, assignment]  # as slow as the test wants
    call = Call(ROOT, "ApplyDescription", NOW, bench.api._site)
    thread = threading.Thread(target=desk.apply, args=(call, "new", text(domain()), {}))
    thread.start()
    assert began.wait(60)
    bench.call("RegisterVlan", 109)
    go_on.set()
    thread.join(60)
    assert bench.get("pool_new")["revision"] == 1


def test_numbers_are_those_of_the_parts(bench: Bench) -> None:
    run(bench, domain() + domain("e"))
    run(bench, domain("e") + domain("f"))
    numbers: dict[Path, int] = keeping.numbers(bench.store, pool(bench))
    assert numbers == {(): 0, ("e",): 2, ("f",): 1}
    assert chunks.key("piece", "pool", 2) == "piece_pool.0"
    assert set(keeping.standings(bench.store, pool(bench))) == {(), ("e",), ("f",)}


# ---- head nodes


def test_what_a_description_has_is_no_head_node(bench: Bench) -> None:
    front = {"host": "h0", "domain": "d"}

    def refuses(domain: str, words: str) -> None:
        with refused(bench, Conflict, words):
            bench.call("RegisterHeadNode", "front", {"host": "h0", "domain": domain})

    lazy = 'n "guest"; e extends Domain { hostname "e"; domainName LAZY n; }'
    apply(bench, domain() + lazy, host="h0")
    bring_up(bench.memory, "pool", NOW)
    refuses("d", "domain d of host h0 is that of d of description pool")
    refuses("guest", "that of e of description pool")
    bring_up(bench.memory, "pool", NOW, "failed")  # nothing of it is there
    owed = new("leftover", "1", NOW, pool="old", part="Domain", path=["a", "d"], host="h0", error="",
               attributes={"hostname": "d"})  # fmt: skip
    bench.memory.transact(lambda tx: tx.put(owed))
    refuses("d", "that of a:d of description old, which was ended by force")
    bench.memory.transact(lambda tx: tx.delete(owed["record_key"]))
    assert bench.call("RegisterHeadNode", "front", front) == 1


# ---- what it stands on


def test_a_host_stays_what_it_is_while_a_description_has_something_there(bench: Bench) -> None:
    bench.call(
        "RegisterHost", "h5", {"uri": "qemu+ssh://h5/system", "network": {"kind": "linux", "device": "eth0"}}
    )
    run(bench, f"a extends Compound {{ {domain()} }}", host="h5")
    for changes in (
        {"uri": "qemu+ssh://h6/system"},
        {"network": {"kind": "ovs", "device": "br9"}},
        {"pool": "x"},
    ):
        with refused(bench, Conflict, "host h5 has component a:d of description pool"):
            bench.call("UpdateHost", "h5", changes)
    with refused(bench, Conflict, "host h5 has component a:d of description pool"):
        bench.call("UnregisterHost", "h5")
    assert bench.call("UpdateHost", "h5", {"available": False})
    bring_up(bench.memory, "pool", NOW, "failed")  # nothing of it is there
    assert bench.call("UpdateHost", "h5", {"uri": "qemu+ssh://h6/system"})
    assert bench.call("UnregisterHost", "h5")


def test_an_image_stays_while_a_disk_is_made_from_it(bench: Bench) -> None:
    run(bench, 'l extends LoopbackStorageBackend { baseImage "spare"; }')
    with refused(bench, Conflict, "image spare is used by component l of description pool"):
        bench.call("UnregisterImage", "spare")
    bring_up(bench.memory, "pool", NOW, "ended")
    assert bench.call("UnregisterImage", "spare")
