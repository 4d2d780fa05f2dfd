"""What a console is told of a pool: what is unfolded, what is found, what waits; and no secrets."""

from typing import Any

import pytest

from nm.errors import Denied, Invalid, NotFound
from nm.pools import chunks, keeping
from nm.records import Record, record_key
from tests.api.test_methods import NOW, Bench
from tests.pool.world import ALICE, BOB
from tests.pools.deployed import bring_up
from tests.pools.test_described import describer, domain, refused, run

MANAGEMENT = '#include "org/smartfrog/services/management/components.sf"\n'


@pytest.fixture
def bench() -> Bench:
    return Bench()


def deploy(bench: Bench, inside: str) -> None:
    written = f"{MANAGEMENT}sfConfig extends Compound {{ {inside} }}"
    bench.call("ApplyDescription", "pool", written, {})
    bring_up(bench.memory, "pool", NOW)


def look(bench: Bench, **view: Any) -> Record:
    found: Record = bench.call("GetComponentTree", "pool", view)
    return found


def paths(found: Record) -> list[str]:
    return [row["path"] for row in found["rows"]]


def live(bench: Bench, path: str, **entry: Any) -> None:
    """Let a component live like that."""
    number = keeping.numbers(bench.store, bench.get("pool_pool"))[tuple(path.split(":"))]
    key = chunks.key("life", "pool", number)
    bench.edit(key, items={**bench.get(key)["items"], number: {"state": "running", **entry}})


def begun(bench: Bench, path: str, **values: Any) -> None:
    """Let a component have started with these values."""
    number = keeping.numbers(bench.store, bench.get("pool_pool"))[tuple(path.split(":"))]
    key = chunks.key("piece", "pool", number)
    items = bench.get(key)["items"]
    bench.edit(key, items={**items, number: {**items[number], "begun": values}})


TREE = "a extends Compound { x extends Prim; y extends Compound { z extends Prim; } } b extends Prim;"


def test_only_what_is_unfolded_is_told(bench: Bench) -> None:
    deploy(bench, TREE)
    assert paths(look(bench)) == ["sfConfig", "a", "b"]
    assert paths(look(bench, open=[["sfConfig", 1]])) == ["sfConfig", "a"]
    whole = look(bench, open=[["sfConfig", 9], ["a", 9], ["a:y", 9]])
    assert paths(whole) == ["sfConfig", "a", "a:x", "a:y", "a:y:z", "b"]
    assert [row["inside"] for row in whole["rows"]] == [2, 2, 0, 1, 0, 0]
    assert paths(look(bench, root="a", open=[["a", 9]])) == ["a", "a:x", "a:y"]
    assert paths(look(bench, open=[["a:y", 9]])) == ["sfConfig"]


def test_components_stand_as_they_are_described(bench: Bench) -> None:
    deploy(bench, TREE)
    deploy(bench, f"first extends Prim; {TREE.replace('x extends Prim;', 'w extends Prim; x extends Prim;')}")
    whole = look(bench, open=[["sfConfig", 9], ["a", 9], ["a:y", 9]])
    assert paths(whole) == ["sfConfig", "first", "a", "a:w", "a:x", "a:y", "a:y:z", "b"]
    assert paths(look(bench, find="prim")) == ["first", "a:w", "a:x", "a:y:z", "b"]
    assert paths(look(bench, find="prim", most=1)) == ["first"]


def test_what_is_folded_is_counted(bench: Bench) -> None:
    deploy(bench, TREE)
    live(bench, "a:y:z", state="ended", going="abnormal", words="it broke")
    live(bench, "a:x", doing="change")
    root, a, _ = look(bench)["rows"]
    assert root["below"] == {"components": 6, "running": 5, "busy": 1, "bad": 1, "waiting": 0, "drifted": 0}
    assert a["below"]["components"] == 4
    [found] = look(bench, find="a:y:z")["rows"]
    assert (found["state"], found["notes"]) == ("ended", {"words": "it broke"})


def test_what_is_looked_for_is_found_in_the_whole_or_in_a_part(bench: Bench) -> None:
    deploy(bench, TREE)
    found = look(bench, find="PRIM a")
    assert (paths(found), found["matching"]) == (["a:x", "a:y:z"], 2)
    first = look(bench, find="prim", most=1)
    assert (len(first["rows"]), first["matching"]) == (1, 3)
    assert paths(look(bench, find="prim", root="a:y")) == ["a:y:z"]


def test_what_waits_for_the_next_start_is_told(bench: Bench) -> None:
    run(bench, domain(more="memory 600; maxMemory 800; cmdline 'quiet';".replace("'", '"')))
    begun(bench, "d", memory=512, cmdline="loud")  # memory up to the limit changes in place
    found = look(bench, chosen="d")
    assert found["chosen"]["waiting"] == ["cmdline"]
    assert found["rows"][0]["below"]["waiting"] == 1
    begun(bench, "d", memory=512, cmdline="quiet")  # it is again as it started
    assert look(bench, chosen="d")["chosen"]["waiting"] == []


def test_the_chosen_component_is_told_whole(bench: Bench) -> None:
    run(bench, domain())
    chosen = look(bench, chosen="d")["chosen"]
    assert chosen["attributes"]["hostname"] == "d"
    assert set(chosen["locked"]) == {"sfClass", "hostname"}
    known = {one["name"]: one for one in chosen["known"]}
    assert known["memory"] == {
        "name": "memory", "type": "Integer", "must": False, "default": "512", "effect": "now or restart",
        "text": known["memory"]["text"],
    }  # fmt: skip
    assert not {"sfClass", "hostname", "userData", "storageBackend"} & set(known)
    assert look(bench, chosen="nowhere")["chosen"] is None


def test_a_console_shows_the_part_that_it_is_in_or_that_its_root_leads_to(bench: Bench) -> None:
    display = 'nameDisplay "All of b"; screenEditable false; root LAZY b;'
    deploy(
        bench,
        "a extends Compound { console extends DeployManagement; x extends Prim; } "
        f"b extends Compound {{ y extends Prim; }} other extends DeployManagement {{ {display} }}",
    )
    [described] = bench.call("GetDescriptions", {"name": "pool"})
    assert sorted(described["consoles"], key=lambda console: str(console["path"])) == [
        {"path": "a:console", "root": "a", "title": "a:console", "editable": True},
        {"path": "other", "root": "b", "title": "All of b", "editable": False},
    ]
    other = look(bench, root="other")
    assert (other["root"], other["title"], other["editable"]) == ("b", "All of b", False)
    assert paths(other) == ["b", "b:y"]
    assert paths(look(bench, root="a:console")) == ["a", "a:console", "a:x"]


def test_secrets_are_shown_nowhere(bench: Bench) -> None:
    passed_on = 'userData "secret-1"; t extends DATA Prim { userData "secret-2"; v [1, "x"]; }'
    run(bench, f'p extends Prim {{ {passed_on} }} {domain(more="userData ATTRIB word;")} word "secret-3";')
    told = [*(look(bench, chosen=path) for path in ("p", "d")), *bench.call("GetComponents", "pool")[1:]]
    assert "secret" not in str(told)
    assert told[0]["chosen"]["attributes"]["t"]["attributes"]["v"] == [1, "x"]


def test_who_may_look_and_who_may_change(bench: Bench) -> None:
    describer(bench)
    bench.call("ApplyDescription", "pool", f"{MANAGEMENT}sfConfig extends Compound {{}}", {}, caller=ALICE)
    bring_up(bench.memory, "pool", NOW)
    assert bench.call("GetComponentTree", "pool", caller=ALICE)["description"]["may_set"] is True
    with refused(bench, NotFound, "no description pool"):
        bench.call("GetComponentTree", "pool", caller=BOB)
    bench.grant(BOB, ["spy"])
    assert bench.call("GetComponentTree", "pool", caller=BOB)["description"]["may_set"] is False
    with pytest.raises(Denied):
        bench.call("SetAttribute", "pool", "sfConfig:colour", "red", caller=BOB)
    bench.edit("account_alice", rights={"spy": {}})
    assert bench.call("GetComponentTree", "pool", caller=ALICE)["description"]["may_set"] is False


@pytest.mark.parametrize(
    ("path", "value", "words"),
    [
        ("d:memory", 400, "it counts at once"),
        ("d:memory", 9000, "it counts when the component starts again"),
        ("d:shutdownTimeout", 5, "it counts when the component ends"),
        ("sfConfig:keepOnFailure", True, "it counts at once"),
    ],
)
def test_a_dry_run_tells_when_a_change_counts(bench: Bench, path: str, value: Any, words: str) -> None:
    run(bench, domain())
    told = bench.call("DryRun", "SetAttribute", ["pool", path, value])
    assert (told["remarks"], told["jobs"]) == ([words], [{"kind": "set", "subject": "pool:pool"}])
    assert bench.store.get(record_key("pool", "pool"))["set"] == []  # type: ignore[index]  # it is there


def remarks(bench: Bench, path: str, value: Any) -> list[str]:
    found: list[str] = bench.call("DryRun", "SetAttribute", ["pool", path, value])["remarks"]
    return found


def test_what_no_component_knows_is_warned_of_when_it_is_set(bench: Bench) -> None:
    run(bench, domain(more="colour 5;"))
    assert remarks(bench, "d:memry", 400) == [
        "it counts at once", "warning: d: Domain knows no memry; did you mean memory?"
    ]  # fmt: skip
    job = bench.get(f"job_{bench.call('SetAttribute', 'pool', 'd:memry', 400)}")
    assert job["arguments"]["remarks"] == ["warning: d: Domain knows no memry; did you mean memory?"]


def test_what_is_put_back_by_the_way_is_told_when_something_is_set(bench: Bench) -> None:
    run(bench, domain())
    live(bench, "d", drift={"vcpus": 2, "storageBackend": None, "memory": 80})
    said = "what was changed by hand is put back with it: "
    assert remarks(bench, "d:memory", 400)[1:] == [f"{said}vcpus is 2"]
    assert remarks(bench, "d:autostart", True)[1:] == [f"{said}vcpus is 2, memory is 80"]


@pytest.mark.parametrize(
    "view",
    [{"colour": 1}, {"open": "a"}, {"open": [["a"]]}, {"open": [["a", "b"]]}, {"find": 5}, {"most": "many"}],
)
def test_views_that_make_no_sense(bench: Bench, view: Record) -> None:
    deploy(bench, TREE)
    with refused(bench, Invalid, "view"):
        look(bench, **view)


def test_a_root_that_is_not_there(bench: Bench) -> None:
    deploy(bench, TREE)
    with refused(bench, NotFound, "no component q"):
        look(bench, root="q")


def test_a_wide_component_is_told_as_far_as_asked(bench: Bench) -> None:
    deploy(bench, "".join(f"p{number} extends Prim;" for number in range(3000)))
    assert len(look(bench, open=[["sfConfig", 50]])["rows"]) == 51
    assert len(look(bench, open=[["sfConfig", 5000]])["rows"]) == 2000
    assert look(bench)["rows"][0]["below"]["running"] == 3001
