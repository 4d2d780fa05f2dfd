"""The site's own programs before a node is given out and after it came back: what depends on them."""

import dataclasses
import json
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from nm.calls import Caller
from nm.config import Hooks
from nm.errors import Conflict
from nm.facts import Order, Outcome
from nm.hookwork import HookWorker
from tests.core.site_program import SiteProgram
from tests.rack import ROOT, Rack, rack

VLAN = 101


@pytest.fixture
def program(tmp_path: Path) -> SiteProgram:
    return SiteProgram(tmp_path)


@contextmanager
def site(program: SiteProgram, **settings: Any) -> Iterator[Rack]:
    """One switch, three nodes with power, a group of n0 and n1 that is not deployed yet."""
    shape = {"switches": 1, "nodes": 3, "management": True, "hooks": program.settings()}
    with rack(program.folder, **{**shape, **settings}) as made:
        made.call("CreateGroup", "alpha", {"nodes": ["n0", "n1"], "vlan": VLAN})
        yield made


def joined(lab: Rack) -> set[str]:
    """The ports that carry something."""
    return {port for port, found in lab.states()["sw0"].ports.items() if not found.isolated}


def node(lab: Rack, name: str) -> dict[str, Any]:
    found: dict[str, Any] = lab.call("GetNodes", {"name": name})[0]
    return found


def events(lab: Rack, subject: str) -> list[tuple[str, str]]:
    found = lab.call("GetEvents", 0, 1000)
    return [(one["what"], one["detail"]) for one in found if one["subject"] == subject]


def test_a_node_is_isolated_while_a_program_runs_and_no_program_runs_for_one_that_stays(
    program: SiteProgram,
) -> None:
    with site(program) as lab:
        steps = lab.call("PlanDeploy", "alpha")["steps"]
        assert [one["target"] for one in steps if one["action"] == "prepare"] == ["n0", "n1"]
        lab.deploy("alpha")
        assert sorted(program.runs()) == ["before_give n0 alpha", "before_give n1 alpha"]
        assert joined(lab) == {"p0", "p1"}
        lab.call("SetVlan", "alpha", 102)
        lab.deploy("alpha")
        assert len(program.runs()) == 2
        lab.call("RemoveNodes", "alpha", ["n0"])
        lab.deploy("alpha")
        assert program.runs()[2:] == ["after_return n0 alpha"]
        assert node(lab, "n0")["state"] == "free"
        for seen in ("before_give.n0", "after_return.n0"):
            table = json.loads((program.folder / f"seen.{seen}").read_text())
            assert table["ports"]["p0"] == {"untagged": None, "tagged": [], "open": False}
        lab.wait(lab.call("DestroyGroup", "alpha"))


def test_no_program_runs_before_its_node_is_read_back_as_isolated(program: SiteProgram) -> None:
    with site(program) as lab:
        lab.set_faults("sw0", down=True)
        job = lab.call("Deploy", "alpha")
        lab.until(lambda: "to be tried again" in lab.call("GetJob", job)["step"])
        assert program.runs("began") == []
        lab.set_faults("sw0")
        assert lab.wait(job)["state"] == "done"
        lab.set_faults("sw0", down=True)
        job = lab.call("DestroyGroup", "alpha")
        lab.until(lambda: "to be tried again" in lab.call("GetJob", job)["step"])
        assert len(program.runs("began")) == 2
        lab.set_faults("sw0")
        assert lab.wait(job)["state"] == "done"
        assert len(program.runs("began")) == 4


def test_nodes_that_were_never_given_out_are_not_wiped(program: SiteProgram) -> None:
    with site(program) as lab:
        lab.wait(lab.call("DestroyGroup", "alpha"))
        assert program.runs("began") == []
        assert node(lab, "n0")["state"] == "free"


def test_a_node_that_is_refused_stays_isolated_and_the_others_join(program: SiteProgram) -> None:
    with site(program) as lab:
        program.refuse("before_give", "n0")
        job = lab.deploy("alpha", "failed")
        assert "before_give ended with status 3: no disk in n0" in job["error"]["text"]
        assert "repair the group, or remove the node" in job["error"]["text"]
        assert joined(lab) == {"p1"}
        assert (node(lab, "n0")["state"], node(lab, "n1")["state"]) == ("failed", "joined")
        assert "no disk in n0" in node(lab, "n0")["error"]
        run = next(one for one in job["hooks"] if one["node"] == "n0")
        assert run["output"] == "looking at n0\nno disk in n0"
        assert ("hook started", "before_give") in events(lab, "node n0")
        failed = dict(events(lab, "node n0"))["hook failed"]
        assert failed.endswith("looking at n0\nno disk in n0")

        program.refuse("before_give", "n0", False)
        assert lab.wait(lab.call("Repair", "alpha"))["state"] == "done"
        assert joined(lab) == {"p0", "p1"}
        assert node(lab, "n0")["state"] == "joined"
        assert program.runs().count("before_give n1 alpha") == 1


def test_a_node_that_was_refused_and_is_removed_stays_out_of_the_pool(program: SiteProgram) -> None:
    with site(program) as lab:
        program.refuse("before_give", "n0")
        lab.deploy("alpha", "failed")
        lab.call("RemoveNodes", "alpha", ["n0"])
        lab.deploy("alpha")
        assert node(lab, "n0")["state"] == "failed"
        assert not node(lab, "n0")["free"]
        with pytest.raises(Conflict, match="failed"):
            lab.call("CreateGroup", "beta", {"nodes": ["n0"]})
        lab.call("ClearNode", "n0")
        assert node(lab, "n0")["free"]


def test_a_node_that_was_not_wiped_stays_out_of_the_pool_and_its_group_ends(program: SiteProgram) -> None:
    with site(program) as lab:
        lab.deploy("alpha")
        program.refuse("after_return", "n1")
        job = lab.wait(lab.call("DestroyGroup", "alpha"))
        assert job["state"] == "done"
        assert [one["error"] for one in job["hooks"] if one["node"] == "n1"] == [
            "ended with status 3: no disk in n1"
        ]
        assert lab.call("GetGroups", {}) == []
        assert (node(lab, "n0")["state"], node(lab, "n1")["state"]) == ("free", "failed")
        assert "after_return ended with status 3: no disk in n1" in node(lab, "n1")["error"]
        assert joined(lab) == set()
        lab.call("ClearNode", "n1")
        assert node(lab, "n1")["free"]


def test_what_a_program_refused_is_not_asked_again_because_a_switch_fails(program: SiteProgram) -> None:
    with site(program) as lab:
        program.refuse("before_give", "n0")
        program.hold()
        job = lab.call("Deploy", "alpha")
        lab.until(lambda: len(program.runs("began")) == 2)
        lab.set_faults("sw0", down=True)
        program.hold(False)
        lab.until(lambda: "to be tried again" in lab.call("GetJob", job)["step"])
        lab.set_faults("sw0", fail_times=2)
        assert lab.wait(job)["state"] == "failed"
        assert program.runs("began").count("before_give n0 alpha") == 1
        assert joined(lab) == {"p1"}


@pytest.mark.parametrize("moment", ["before_give", "after_return"])
def test_a_restart_in_the_middle_begins_the_program_anew(program: SiteProgram, moment: str) -> None:
    with site(program) as lab:
        if moment == "after_return":
            lab.deploy("alpha")
        program.hold()
        lab.call("Deploy" if moment == "before_give" else "DestroyGroup", "alpha")
        lab.until(lambda: len([run for run in program.runs("began") if moment in run]) == 2)
        assert joined(lab) == set()
        lab.stop()
        program.hold(False)
        lab.start()
        if moment == "before_give":
            lab.until(lambda: joined(lab) == {"p0", "p1"})
        else:
            lab.until(lambda: all(one["free"] for one in lab.call("GetNodes", {})))
        assert [run for run in program.runs("began") if moment in run].count(f"{moment} n0 alpha") == 2
        assert [run for run in program.runs() if moment in run].count(f"{moment} n0 alpha") == 1


def test_a_node_taken_back_by_force_is_wiped_when_its_debt_is_paid(program: SiteProgram) -> None:
    with site(program) as lab:
        lab.deploy("alpha")
        lab.set_faults("sw0", down=True)
        job = lab.call("ReleaseNode", "n0", True)
        lab.until(lambda: "n0" not in lab.call("GetGroups", {})[0]["nodes"])
        assert not [run for run in program.runs("began") if "after_return" in run]
        program.refuse("after_return", "n0")
        lab.set_faults("sw0")
        assert lab.wait(job)["result"] == "failed"
        assert node(lab, "n0")["state"] == "failed"
        assert "no disk in n0" in node(lab, "n0")["error"]
        assert lab.call("GetJob", job)["hooks"][0]["moment"] == "after_return"
        table = json.loads((program.folder / "seen.after_return.n0").read_text())
        assert table["ports"]["p0"]["untagged"] is None


def test_a_program_ends_when_its_node_is_taken_back_by_force(program: SiteProgram) -> None:
    with site(program) as lab:
        program.hold()
        lab.call("Deploy", "alpha")
        lab.until(lambda: len(program.runs("began")) == 2)
        job = lab.call("ReleaseNode", "n0", True)
        lab.until(lambda: "hook ended" in dict(events(lab, "node n0")))
        lab.until(lambda: "after_return n0 alpha" in program.runs("began"))
        program.hold(False)
        assert lab.wait(job)["result"] == "free"
        assert "before_give n0 alpha" not in program.runs()
        assert node(lab, "n0")["state"] == "free"
        lab.until(lambda: joined(lab) == {"p1"})


@pytest.mark.parametrize("way", ["destroyed", "over", "removed"])
def test_a_program_ends_when_its_node_is_not_to_come_any_more(program: SiteProgram, way: str) -> None:
    with site(program) as lab:
        program.hold()
        lab.call("Deploy", "alpha")
        lab.until(lambda: len(program.runs("began")) == 2)
        if way == "removed":
            lab.call("RemoveNodes", "alpha", ["n0"])
            lab.call("Deploy", "alpha")
        elif way == "over":
            lab.call("RenewGroup", "alpha", int(time.time()) + 1)
        else:
            lab.call("DestroyGroup", "alpha")
        lab.until(lambda: "after_return n0 alpha" in program.runs("began"))
        assert ("hook ended", "before_give: the node was taken back meanwhile") in events(lab, "node n0")
        assert node(lab, "n0")["state"] == "leaving"
        program.hold(False)
        lab.until(lambda: node(lab, "n0")["state"] == "free")
        assert "before_give n0 alpha" not in program.runs()
        lab.until(lambda: joined(lab) == ({"p1"} if way == "removed" else set()))
        assert ("before_give n1 alpha" in program.runs()) is (way == "removed")


def test_a_node_that_comes_again_while_its_program_is_ended_is_prepared_anew(
    program: SiteProgram, monkeypatch: pytest.MonkeyPatch
) -> None:
    ended, may_answer, outcome = threading.Event(), threading.Event(), HookWorker._outcome

    def late(worker: HookWorker, order: Order) -> Outcome:
        found = outcome(worker, order)
        if found.moot:
            ended.set()
            assert may_answer.wait(20)
        return found

    monkeypatch.setattr(HookWorker, "_outcome", late)
    with site(program) as lab:
        lab.call("RemoveNodes", "alpha", ["n1"])
        program.hold()
        lab.call("Deploy", "alpha")
        for runs in (1, 2):  # the second time the step is the same in both plans
            lab.until(lambda runs=runs: len(program.runs("began")) == runs)  # type: ignore[misc]
            lab.call("RemoveNodes", "alpha", ["n0"])
            lab.call("Deploy", "alpha")
            assert ended.wait(20)
            lab.call("AddNodes", "alpha", ["n0"])
            job = lab.call("Deploy", "alpha")
            lab.until(lambda job=job: lab.call("GetJob", job)["state"] == "running")  # type: ignore[misc]
            ended.clear()
            may_answer.set()
            lab.until(lambda runs=runs: len(program.runs("began")) == runs + 1)  # type: ignore[misc]
            may_answer.clear()
            assert joined(lab) == set()
        program.hold(False)
        assert lab.wait(job)["state"] == "done"
        assert joined(lab) == {"p0"}
        assert program.runs() == ["before_give n0 alpha"]
        may_answer.set()


def test_a_refusal_is_forgotten_when_the_node_is_given_out_and_the_site_asks_no_more(
    program: SiteProgram,
) -> None:
    with site(program) as lab:
        program.refuse("before_give", "n0")
        lab.deploy("alpha", "failed")
        assert node(lab, "n0")["state"] == "failed"
        assert lab.service is not None
        lab.service.reload(dataclasses.replace(lab.config, hooks=Hooks()))
        lab.wait(lab.call("Repair", "alpha"))
        assert joined(lab) == {"p0", "p1"}
        assert (node(lab, "n0")["state"], node(lab, "n0")["error"]) == ("joined", None)
        lab.wait(lab.call("DestroyGroup", "alpha"))
        assert node(lab, "n0")["free"]


def test_a_node_on_a_switch_of_which_nothing_is_known_is_not_wiped_and_not_free(program: SiteProgram) -> None:
    with site(program) as lab:
        lab.deploy("alpha")
        lab.set_faults("sw0", down=True)
        job = lab.call("ReleaseSwitch", "sw0", True)
        for name in ("n0", "n1"):
            lab.until(lambda name=name: node(lab, name)["state"] == "failed")  # type: ignore[misc]
        lab.set_faults("sw0")
        assert lab.wait(job)["state"] == "done"
        assert not [run for run in program.runs("began") if "after_return" in run]
        for name in ("n0", "n1"):
            assert node(lab, name)["state"] == "failed"
            assert "after_return did not run" in node(lab, name)["error"]


def test_no_more_programs_run_than_the_site_allows(program: SiteProgram) -> None:
    with site(program, hooks=program.settings(at_once=1)) as lab:
        program.hold()
        job = lab.call("Deploy", "alpha")
        lab.until(lambda: len(program.runs("began")) == 1)
        program.hold(False)
        assert lab.wait(job)["state"] == "done"
        order = (program.folder / "runs").read_text().split("\n")[:-1]
        assert [line.split()[0] for line in order] == ["began", "ended", "began", "ended"]


def test_a_job_whose_program_takes_longer_than_jobs_may_is_not_failed(program: SiteProgram) -> None:
    with site(program, deadline_seconds=1, retry_longest_seconds=0.05) as lab:
        program.hold()
        number = lab.call("Deploy", "alpha")
        created = lab.call("GetJob", number)["created"]
        lab.until(lambda: time.time() > created + 2.5)
        assert lab.call("GetJob", number)["state"] == "running"
        program.hold(False)
        assert lab.wait(number)["state"] == "done"


def test_a_reload_changes_the_programs_and_plans_tell_so(program: SiteProgram) -> None:
    with site(program, hooks=Hooks()) as lab:
        assert "hooks" not in {one["hand"] for one in lab.call("PlanDeploy", "alpha")["steps"]}
        shown = lab.call("PlanDeploy", "alpha")["hash"]
        assert lab.service is not None
        lab.service.reload(dataclasses.replace(lab.config, hooks=program.settings()))
        assert "hooks" in {one["hand"] for one in lab.call("PlanDeploy", "alpha")["steps"]}
        with pytest.raises(Conflict, match="another one by now"):
            lab.call("Deploy", "alpha", {"if_plan": shown})
        lab.deploy("alpha")
        assert len(program.runs()) == 2


def test_why_a_node_was_not_free_is_not_told_again_when_it_leaves_another_time(program: SiteProgram) -> None:
    with site(program, nodes=2, management=False, hooks=program.settings()) as lab:
        lab.call("RemoveNodes", "alpha", ["n1"])
        lab.deploy("alpha")
        program.refuse("after_return", "n0")
        program.write(
            program.path.read_text().replace("until [ ! -e hold ]", "until [ $NM_NODE = n0 -o ! -e hold ]")
        )
        program.hold()
        lab.call("AddNodes", "alpha", ["n1"])  # whose program keeps the group's worker there
        lab.call("RemoveNodes", "alpha", ["n0"])
        lab.call("Deploy", "alpha")
        lab.until(lambda: node(lab, "n0")["group"] is None)
        lab.call("ClearNode", "n0")
        lab.call("AddNodes", "alpha", ["n0"])
        lab.call("Deploy", "alpha")
        lab.until(lambda: joined(lab) == {"p0"})
        assert lab.service is not None
        lab.service.reload(dataclasses.replace(lab.config, hooks=Hooks(before_give=str(program.path))))
        lab.call("RemoveNodes", "alpha", ["n0"])
        lab.call("Deploy", "alpha")
        lab.until(lambda: node(lab, "n0")["group"] is None)
        assert node(lab, "n0")["state"] == "free"
        program.hold(False)


_SWITCHES_ITS_POWER = """#!{python}
import os, sys
sys.path[:0] = {path}
from nm.client import connect
if os.environ["NM_MOMENT"] == "after_return":
    with connect({socket!r}) as nm:
        for action in ("pxe", "on", "cycle", "off"):
            job = nm.WaitJob(nm.PowerNode(os.environ["NM_NODE"], action), 20)
            assert job["state"] == "done", job
            print(action, job["result"])
"""


@pytest.mark.parametrize("force", [False, True], ids=["left", "taken by force"])
def test_a_program_that_wipes_switches_its_nodes_power_by_nm(program: SiteProgram, force: bool) -> None:
    socket = str(program.folder / "api.sock")
    program.write(_SWITCHES_ITS_POWER.format(python=sys.executable, path=sys.path, socket=socket))
    with site(program) as lab:
        lab.deploy("alpha")
        if force:
            lab.wait(lab.call("ReleaseNode", "n0", True))
            said = dict(events(lab, "node n0"))["hook done"]
        else:
            lab.call("RemoveNodes", "alpha", ["n0"])
            said = lab.deploy("alpha")["hooks"][-1]["output"]
        lab.until(lambda: bool(node(lab, "n0")["free"]))
        assert said.splitlines()[-4:] == ["pxe off", "on on", "cycle on", "off off"]


def test_power_of_a_node_that_leaves_is_an_administrators_and_only_when_it_is_isolated(
    program: SiteProgram,
) -> None:
    with site(program) as lab:
        lab.call("SetDelegations", "alpha", ["nobody"])
        member = Caller(uid=65534, name="nobody")
        lab.deploy("alpha")
        lab.call("PowerNode", "n0", "status", caller=member)
        program.hold()
        lab.set_faults("sw0", down=True)
        lab.call("RemoveNodes", "alpha", ["n0"])
        job = lab.call("Deploy", "alpha")
        lab.until(lambda: "to be tried again" in lab.call("GetJob", job)["step"])
        for caller in (member, ROOT):
            with pytest.raises(Conflict, match="is leaving"):
                lab.call("PowerNode", "n0", "on", caller=caller)
        lab.set_faults("sw0")
        lab.until(lambda: "after_return n0 alpha" in program.runs("began"))
        with pytest.raises(Conflict, match="is leaving"):
            lab.call("PowerNode", "n0", "on", caller=member)
        assert lab.wait(lab.call("PowerNode", "n0", "on"))["result"] == "on"
        program.hold(False)
        assert lab.wait(job)["state"] == "done"
