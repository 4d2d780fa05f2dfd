"""DryRun: refused just as the call itself, tells what the call then does, and does nothing."""

from pathlib import Path
from typing import Any, cast

import pytest

from nm.errors import Denied, Invalid, NMError
from nm.methods import METHODS
from nm.records import Record
from tests.api.test_methods import GOOD, Bench
from tests.api.test_rights import CALLERS, prepared
from tests.memory_store import MemoryStore
from tests.rack import rack

WRITING = [method.name for method in METHODS.values() if method.writes]


@pytest.fixture
def bench() -> Bench:
    return Bench()


def state(bench: Bench) -> dict[str, Record]:
    return dict(cast("MemoryStore", bench.store)._records)


@pytest.mark.parametrize("name", WRITING)
def test_it_changes_nothing_and_tells_what_the_call_does(bench: Bench, name: str) -> None:
    before, revision = state(bench), bench.store.revision
    told = bench.call("DryRun", name, GOOD[name])
    assert state(bench) == before
    assert [entry.changes for entry in bench.store.changes(revision) or []] in ([], [{}])
    answer = bench.call(name, *GOOD[name])
    after = state(bench)
    kinds = {key.partition("_")[0] for key in before.keys() ^ after.keys()} - {"job", "meta", "claim"}
    made = {
        f"{change['kind']}_{change['name']}" for change in told["changes"] if change["action"] != "change"
    }
    assert {key.partition("_")[0] for key in made} == kinds
    assert made == {key for key in before.keys() ^ after.keys() if key.partition("_")[0] in kinds}
    changed = {f"{change['kind']}_{change['name']}" for change in told["changes"]} - made
    assert all(before[key] != after[key] for key in changed)
    jobs = [record for key, record in after.items() if key not in before and key.startswith("job_")]
    assert told["jobs"] == [{"kind": job["kind"], "subject": job["subject"]} for job in jobs]
    assert told["answer"] == (None if jobs else answer)


@pytest.mark.parametrize("who", CALLERS)
def test_it_is_refused_as_the_call_is(bench: Bench, who: str) -> None:
    def outcome(*words: Any) -> str:
        try:
            bench.call(*words, caller=caller)
        except NMError as error:
            return str(error)
        return "fine"

    for name in WRITING:
        fresh = Bench()
        bench = fresh
        caller = prepared(bench, name)[who]
        dry, wet = outcome("DryRun", name, GOOD[name]), outcome(name, *GOOD[name])
        if who == "headnode":  # which may call three methods, and this is none of them
            assert dry.startswith(f"{caller.name} may not call DryRun"), name
        else:
            assert dry == wet, name


def test_a_deploys_steps_are_those_of_its_plan(bench: Bench) -> None:
    plan = bench.call("PlanDeploy", "alpha")
    assert bench.call("DryRun", "Deploy", ["alpha"])["steps"] == plan["steps"]
    assert bench.call("DryRun", "DestroyGroup", ["alpha"])["steps"] != []


def test_where_no_plan_can_be_made_the_rest_is_told(tmp_path: Path) -> None:
    """The trunk is gone: a node is taken back by force all the same, and a dry run says so."""
    with rack(tmp_path) as lab:
        lab.call("CreateGroup", "a", {"nodes": ["n0", "n1", "n2"], "vlan": 101})
        lab.deploy("a")
        assert lab.service is not None
        lab.service.database.transact(lambda tx: tx.delete("trunk_t0"))
        told = lab.call("DryRun", "ReleaseNode", ["n0", True])
        assert {"kind": "release", "subject": "node:n0"} in told["jobs"]
        assert "n0" in [change["name"] for change in told["changes"] if change["kind"] == "node"]
        assert told["plan"] == [] and "group a could not be brought there" in told["remarks"][0]
        lab.call("ReleaseNode", "n0", True)


def test_what_cannot_be_tried(bench: Bench) -> None:
    for name, arguments in (("GetNodes", [{}]), ("Backup", ["/x"]), ("DryRun", ["RegisterVlan", [9]])):
        with pytest.raises(Invalid, match="cannot be tried out"):
            bench.call("DryRun", name, arguments)
    with pytest.raises(Invalid, match="use CheckImport"):
        bench.call("DryRun", "Import", ["{}"])
    with pytest.raises(NMError, match="no method"):
        bench.call("DryRun", "Nothing", [])
    with pytest.raises(NMError, match="argument"):
        bench.call("DryRun", "RegisterVlan", [])


def test_values_are_for_readers(bench: Bench) -> None:
    callers = prepared(bench, "AddNodes")
    told = bench.call("DryRun", "AddNodes", ["alpha", ["n2"]])
    node = next(change for change in told["changes"] if change["kind"] == "node")
    assert node == {
        "action": "change", "kind": "node", "name": "n2", "keys": ["group"],
        "values": {"group": [None, "alpha"]},
    }  # fmt: skip
    told = bench.call("DryRun", "AddNodes", ["alpha", ["n2"]], caller=callers["owner"])
    assert all("values" not in change for change in told["changes"])
    with pytest.raises(Denied):
        bench.call("DryRun", "RegisterVlan", [999], caller=callers["owner"])
