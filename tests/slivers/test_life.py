"""Slivers' lives: made, started, stopped, changed; what is told of them, and what becomes of failures."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from nm.calls import Caller
from nm.errors import Conflict
from tests.slivers.node import Node, node, told


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[Node]:
    with node(tmp_path) as made:
        yield made


def test_what_a_source_tells_becomes_running_guests(lab: Node) -> None:
    lab.hear(told("princeton_a", tags={"cpu_share": "64", "disk_max": "1000000"}), told("b"))
    lab.until_runs("princeton_a", "b")
    guest = lab.guest("princeton_a")
    assert guest is not None
    assert (guest["image"], guest["shares"], guest["disk"]) == ("debian", 64, 1_000_000)
    found = lab.sliver("princeton_a")
    assert found["why"] is None and found["error"] is None and found["image"] == "debian"
    assert {lab.sliver("b")["index"], found["index"]} == {1, 2}


def test_the_same_again_changes_nothing_and_one_tag_one_guest(lab: Node) -> None:
    lab.hear(told("a"), told("b"), told("c"))
    lab.until_runs("a", "b", "c")
    lab.until(lab.at_rest)
    made = lab.house.made
    lab.hear(told("a"), told("b"), told("c"))
    lab.until(lab.at_rest)
    assert lab.house.made == made
    lab.hear(told("a"), told("b", tags={"cpu_share": "40"}), told("c"))
    lab.until(lambda: (lab.guest("b") or {})["shares"] == 40)
    lab.until(lab.at_rest)
    assert lab.house.made == {**made, "nm-sliver-b": made["nm-sliver-b"] + 1}


def test_a_delegated_one_is_there_from_create_to_destroy(lab: Node) -> None:
    lab.hear(told("d", "delegated"))
    lab.until(lambda: lab.sliver("d")["why"] == "it is delegated, and nobody has created it")
    assert lab.ask("Create", "d")["result"] == {"state": "running"}
    assert lab.runs("d")
    life = (lab.guest("d") or {})["life"]
    assert lab.ask("DestroySliver", "d")["state"] == "done"
    assert (
        lab.guest("d") is None and lab.sliver("d")["state"] == "absent" and lab.sliver("d")["index"] is None
    )
    lab.ask("CreateSliver", "d")
    assert (lab.guest("d") or {})["life"] == life + 1  # it has none of the old one's files
    lab.ask("DeleteSliver", "d")
    assert lab.guest("d") is None


def test_a_stop_holds_until_a_start(lab: Node) -> None:
    lab.hear(told("a"))
    lab.until_runs("a")
    job = lab.ask("Stop", "a")
    assert job["result"] == {"state": "stopped", "why": "it was stopped by Stop"}
    assert lab.guest("a") is not None and not lab.runs("a")
    lab.hear(told("a", tags={"cpu_share": "50"}))
    lab.until(lambda: (lab.guest("a") or {})["shares"] == 50)
    lab.stop()
    lab.start()
    lab.until(lab.at_rest)
    assert not (lab.guest("a") or {})["running"]
    lab.ask("Start", "a")
    assert lab.runs("a")


def test_recreate_makes_the_disk_anew(lab: Node) -> None:
    lab.hear(told("a"))
    lab.until_runs("a")
    lab.ask("Stop", "a")
    lab.ask("ReCreate", "a")
    assert (lab.guest("a") or {})["life"] == 2 and lab.runs("a")


def test_what_its_source_forbids_does_not_run(lab: Node) -> None:
    lab.hear(told("a"))
    lab.until_runs("a")
    lab.hear(told("a", tags={"enabled": "0"}))
    lab.until_state("a", "stopped")
    assert lab.sliver("a")["why"] == "enabled is 0"
    assert lab.ask("Start", "a")["result"] == {"state": "stopped", "why": "enabled is 0"}
    lab.hear(told("a"))
    lab.until_runs("a")


@pytest.mark.parametrize("method", ["Start", "Stop", "ReCreate"])
def test_what_does_not_exist_cannot_be_started(lab: Node, method: str) -> None:
    lab.hear(told("d", "delegated"), told("n", "not-instantiated"))
    with pytest.raises(Conflict, match="d does not exist here: it is delegated; create it with Create"):
        lab.call(method, "d")
    with pytest.raises(Conflict, match="n does not exist here: it is not-instantiated"):
        lab.call(method, "n")


@pytest.mark.parametrize("method", ["Create", "Destroy", "CreateSliver", "DestroySliver", "DeleteSliver"])
def test_only_delegated_ones_are_made_and_unmade_by_their_people(lab: Node, method: str) -> None:
    lab.hear(told("a"))
    with pytest.raises(Conflict, match=f"a is plc-instantiated: {method} is for delegated ones"):
        lab.call(method, "a")


def test_an_image_that_is_not_there_is_said(lab: Node) -> None:
    lab.hear(told("a", GetSliceFamily="f8-i386"))
    lab.until_runs("a")
    assert lab.sliver("a")["note"] == "image f8-i386 is not registered here: it is made from debian"
    lab.call("RegisterImage", "f8-i386", {"kind": "disk", "disk": "/var/lib/nm-images/f8.qcow2"})
    lab.until(lab.at_rest)
    assert (lab.guest("a") or {})["image"] == "debian"  # its disk is not wiped for that
    lab.ask("ReCreate", "a")
    assert (lab.guest("a") or {})["image"] == "f8-i386"
    assert lab.sliver("a")["note"] is None


def test_another_reference_makes_the_disk_anew(lab: Node) -> None:
    lab.call("RegisterImage", "f8", {"kind": "disk", "disk": "/var/lib/nm-images/f8.qcow2"})
    lab.hear(told("a"))
    lab.until_runs("a")
    lab.hear(told("a", GetSliceFamily="f8"))
    lab.until(lambda: (lab.guest("a") or {})["image"] == "f8")


def test_without_any_image_the_job_says_what_to_do(tmp_path: Path) -> None:
    with node(tmp_path, slivers={"image": ""}) as lab:
        lab.hear(told("d", "delegated"))
        job = lab.ask("Create", "d")
        assert job["state"] == "failed" and "register it with RegisterImage" in job["error"]["text"]
        assert "RegisterImage" in lab.sliver("d")["error"]
        lab.call("RegisterImage", "f8", {"kind": "disk", "disk": "/var/lib/nm-images/f8.qcow2"})
        lab.hear(told("d", "delegated", GetSliceFamily="f8"))
        lab.until_runs("d")
        assert lab.sliver("d")["error"] is None


def test_a_failure_is_told_and_tried_again(lab: Node) -> None:
    lab.house.set(fails={"a": "no room for its disk"})
    lab.hear(told("a"), told("b"))
    lab.until_runs("b")
    lab.until(lambda: lab.sliver("a")["error"] == "no room for its disk; mend it")
    lab.house.set(fails={})
    lab.until_runs("a")
    assert lab.sliver("a")["error"] is None


def test_while_the_hypervisor_is_away_nothing_is_lost(lab: Node) -> None:
    lab.house.set(down="libvirt does not answer")
    lab.hear(told("a"), told("d", "delegated"))
    lab.call("Create", "d")
    lab.until(lambda: lab.sliver("d")["error"] == "libvirt does not answer; mend it")
    assert "to be tried again" in lab.call("GetJobs", {"subject": "sliver:d"})[-1]["step"]
    lab.house.set(down="")
    lab.until_runs("a", "d")
    assert lab.job("d")["state"] == "done"


def test_a_newer_wish_overtakes(lab: Node) -> None:
    lab.hear(told("a"))
    lab.until_runs("a")
    lab.until(lab.at_rest)
    made = lab.house.made["nm-sliver-a"]
    lab.house.set(held=True)
    lab.call("Stop", "a")
    lab.until(lambda: lab.crew().depths().get("slivers:") == 1)
    lab.call("Start", "a")
    lab.call("Stop", "a")
    lab.call("Start", "a")
    lab.house.set(held=False)
    assert lab.job("a")["result"] == {"state": "running"}
    lab.until(lab.at_rest)
    states = [job["state"] for job in lab.call("GetJobs", {"subject": "sliver:a"})]
    assert states == ["superseded", "superseded", "superseded", "done"]
    assert lab.runs("a") and lab.house.made["nm-sliver-a"] == made + 1  # the first stop was moot


def test_a_stop_is_not_lost_while_the_start_hangs(lab: Node) -> None:
    lab.house.set(held=True)
    lab.hear(told("a"))
    lab.until(lambda: lab.crew().depths().get("slivers:") == 1)
    lab.call("Stop", "a")
    lab.house.set(held=False)
    assert lab.job("a")["result"]["state"] == "stopped"
    lab.until(lab.at_rest)
    assert not (lab.guest("a") or {})["running"]


def test_a_guest_that_ends_by_itself_is_started_again(lab: Node) -> None:
    lab.hear(told("a"))
    lab.until_runs("a")
    lab.house.stop("nm-sliver-a")
    lab.until(lambda: bool((lab.guest("a") or {})["running"]))
    lab.until_runs("a")
    events = lab.call("GetEvents", 0, 1000)
    assert "its guest has stopped by itself" in {event["detail"] for event in events}


def test_what_is_not_enforced_is_said(lab: Node) -> None:
    lab.house.set(notes={"a": {"cpu_cores": "it has 1 core of 2: the others are taken"}})
    lab.hear(told("a", tags={"cpu_cores": "2", "net_max": "5000000", "cpu_share": "7"}))
    lab.until_runs("a")
    lab.until(lambda: lab.sliver("a")["unenforced"].get("cpu_cores", "").startswith("it has 1 core"))
    found = lab.sliver("a")["unenforced"]
    assert found.keys() == {"cpu_cores", "net_max"}
    assert "this node has nothing that limits network rates" in found["net_max"]


def test_numbers_are_used_again_and_never_shared(lab: Node) -> None:
    lab.hear(*(told(f"d{number}", "delegated") for number in range(4)))
    for number in range(4):
        lab.ask("Create", f"d{number}")
    assert {lab.sliver(f"d{number}")["index"] for number in range(4)} == {1, 2, 3, 4}
    freed = {lab.sliver(name)["index"] for name in ("d1", "d2")}
    lab.ask("Destroy", "d1")
    lab.ask("Destroy", "d2")
    lab.ask("Create", "d2")
    lab.ask("Create", "d1")
    assert {lab.sliver(name)["index"] for name in ("d1", "d2")} == freed


def test_without_a_libvirt_records_and_loans_work_and_nothing_is_made(tmp_path: Path) -> None:
    with node(tmp_path, slivers={"uri": ""}) as lab:
        lab.hear(told("a", tags={"cpu_min": "100"}), told("b"))
        assert lab.call("SetLoans", "a", [["b", "cpu_min", 40]]) == 1
        assert lab.call("GetEffectiveRSpec", "b")["cpu_min"] == 40
        with pytest.raises(Conflict, match="this machine runs no slivers"):
            lab.call("Start", "a")
        lab.until(lambda: bool(lab.sliver("a")["why"]))
        assert lab.sliver("a")["why"] == "this machine runs no slivers (slivers.uri)"
        assert lab.house.domains == {}
        lab.until(lambda: "slivers:" not in lab.crew().subjects())


def test_an_image_that_a_disk_is_made_of_stays_registered(lab: Node) -> None:
    lab.hear(told("d", "delegated"))
    lab.ask("Create", "d")
    with pytest.raises(Conflict, match="image debian is used by sliver d"):
        lab.call("UnregisterImage", "debian")
    lab.ask("Destroy", "d")
    lab.call("UnregisterImage", "debian")


def test_without_a_libvirt_what_is_over_is_forgotten(tmp_path: Path) -> None:
    with node(tmp_path, slivers={"uri": "", "grace_seconds": 0.1}) as lab:
        lab.hear(told("a"), told("b"))
        lab.hear(told("b"))
        lab.until(lambda: lab.record("a") == {})
        assert lab.call("GetSlivers", {"name": "a"}) == []


def test_no_disk_is_wiped_for_an_image_that_is_not_there(lab: Node) -> None:
    lab.call("RegisterImage", "f8", {"kind": "disk", "disk": "/var/lib/nm-images/f8.qcow2"})
    lab.hear(told("a", GetSliceFamily="f8"))
    lab.until_runs("a")
    for family in ({"GetSliceFamily": "f9"}, {}):
        lab.hear(told("a", **family))
        lab.until(lab.at_rest)
        assert (lab.guest("a") or {})["image"] == "f8"
    lab.hear(told("a", GetSliceFamily="f9"))
    lab.until(lambda: lab.sliver("a")["note"] is not None)
    assert lab.sliver("a")["note"] == "image f9 is not registered here: its disk stays, made from f8"
    lab.until(lab.at_rest)
    lab.call("RegisterImage", "f9", {"kind": "disk", "disk": "/var/lib/nm-images/f9.qcow2"})
    lab.until(lab.at_rest)
    assert (lab.guest("a") or {})["image"] == "f8"
    lab.ask("ReCreate", "a")
    assert (lab.guest("a") or {})["image"] == "f9"


def test_one_that_becomes_a_controller_keeps_its_disk_for_a_while(tmp_path: Path) -> None:
    with node(tmp_path, slivers={"grace_seconds": 3600.0}) as lab:
        lab.hear(told("a"))
        lab.until_runs("a")
        lab.hear(told("a", "nm-controller"))
        lab.until_state("a", "stopped")
        lab.until(lab.at_rest)
        assert lab.guest("a") is not None and lab.sliver("a")["why"] == "a controller has no guest"
        lab.hear(told("a"))
        lab.until_runs("a")
        assert (lab.guest("a") or {})["life"] == 1
        lab.stop()
        lab.config = replace(lab.config, slivers=replace(lab.config.slivers, grace_seconds=0.1))
        lab.start()
        lab.hear(told("a", "nm-controller"))
        lab.until(lambda: lab.guest("a") is None)
        assert lab.record("a")["type"] == "controller"


def test_who_may_only_start_it_finds_the_job_of_that(lab: Node) -> None:
    lab.hear(told("a", tags={"delegations": "bob:Start"}))
    lab.until_runs("a")
    bob = Caller(5050, "bob")
    assert lab.call("Start", "a", caller=bob) == 1
    assert lab.call("GetSlivers", {"name": "a"}, caller=bob) == []
    [job] = lab.call("GetJobs", {"subject": "sliver:a"}, caller=bob)  # as nmctl sliver start a --wait does
    assert lab.wait(job["id"])["state"] == "done"


def test_a_dry_run_tells_what_loans_would_change(lab: Node) -> None:
    lab.hear(told("a", tags={"cpu_pct": "20"}), told("b"))
    found = lab.call("DryRun", "SetLoans", ["a", [["b", "cpu_min", 100]]])
    assert {change["name"]: change["keys"] for change in found["changes"]} == {
        "a": ["_loans", "_rspec"],
        "b": ["_rspec"],
    }
    assert lab.call("GetLoans", "a") == []
