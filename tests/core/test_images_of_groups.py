"""What nodes boot: asked for a node, its group, or by the node itself; and the list that tells it."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from nm.database import Database
from nm.errors import Conflict, Invalid, NotFound
from nm.records import changed
from tests.rack import Rack, rack


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[Rack]:
    with rack(tmp_path, nodes=6) as made:
        for name in ("debian", "rescue", "own"):
            made.call("RegisterImage", name, {"kind": "netboot"})
        made.call("UpdateNode", "n2", {"image": "own"})
        made.call("UpdateNode", "n1", {"ip": "10.9.0.1", "hostname": "one"})
        yield made


def document(lab: Rack, group: str = "a") -> dict[str, Any]:
    found: dict[str, Any] = json.loads((lab.folder / "export" / group / "machines.json").read_text())
    return found


def images(lab: Rack) -> dict[str, str | None]:
    return {one["name"]: one["image"] and one["image"]["profile"] for one in document(lab)["machines"]}


def group(lab: Rack, name: str = "a") -> dict[str, Any]:
    found: dict[str, Any] = lab.call("GetGroups", {"name": name})[0]
    return found


def test_the_list_says_all_of_a_machine_that_its_head_node_needs(lab: Rack) -> None:
    networks = {"main": {"vlan": 101}, "store": {"vlan": 102, "nics": ["data"], "tagged": True}}
    lab.call("CreateGroup", "a", {"nodes": ["n1", "n4"], "networks": networks, "image": "debian"})
    lab.deploy("a")
    told = document(lab)
    assert (told["version"], told["group"]) == (1, "a")
    assert told["networks"] == {
        "main": {"vlan": 101, "tagged": False}, "store": {"vlan": 102, "tagged": True},
    }  # fmt: skip
    one, other = told["machines"]
    assert one.pop("since") == other["since"]
    assert one == {
        "name": "n1", "mac": "52:54:00:00:00:01", "address": "", "ip": "10.9.0.1", "hostname": "one",
        "image": {"name": "debian", "profile": "debian"},
        "nics": [{"name": "eth0", "mac": "52:54:00:00:00:01", "role": "boot", "networks": ["main"]}],
    }  # fmt: skip
    assert [(nic["role"], nic["networks"]) for nic in other["nics"]] == [
        ("boot", ["main"]),
        ("data", ["store"]),
    ]
    text = (lab.folder / "export" / "a" / "machines.txt").read_text()
    assert text == "52:54:00:00:00:01 10.9.0.1\n52:54:00:00:00:04\n"


def test_what_was_asked_for_a_node_goes_before_its_group_and_its_own(lab: Rack) -> None:
    lab.call("CreateGroup", "a", {"nodes": ["n1", "n2"]})
    lab.deploy("a")
    assert images(lab) == {"n1": None, "n2": "own"}
    lab.call("SetImage", "a", "debian")
    lab.call("AddNodes", "a", ["n3"], "rescue")
    assert images(lab) == {"n1": None, "n2": "own"} and group(lab)["pending"]
    plan = lab.call("PlanDeploy", "a")
    assert "machine list of a: 3 machines" in [step["text"] for step in plan["steps"]]
    lab.deploy("a")
    assert images(lab) == {"n1": "debian", "n2": "debian", "n3": "rescue"}
    lab.call("SetImage", "a", "rescue", ["n1", "n2"])
    lab.call("SetImage", "a", None, ["n2"])
    lab.call("SetImage", "a", None)
    assert (group(lab)["image"], group(lab)["images"]) == (None, {"n3": "rescue", "n1": "rescue"})
    lab.deploy("a")
    assert images(lab) == {"n1": "rescue", "n2": "own", "n3": "rescue"}
    lab.call("RemoveNodes", "a", ["n1"])
    lab.call("AddNodes", "a", ["n1"])
    assert group(lab)["images"] == {"n3": "rescue"}


def test_an_image_that_is_asked_for_is_there_for_nodes_and_in_use(lab: Rack) -> None:
    lab.call("RegisterImage", "head", {"kind": "disk", "disk": "/var/lib/nm-images/head"})
    for image, error in (("nosuch", NotFound), ("head", Invalid)):
        with pytest.raises(error):
            lab.call("CreateGroup", "a", {"image": image})
    lab.call("CreateGroup", "a", {"nodes": ["n1"], "image": "debian"})
    with pytest.raises(NotFound, match="n5"):
        lab.call("SetImage", "a", "debian", ["n5"])
    lab.call("SetImage", "a", "rescue", ["n1"])
    for image in ("debian", "rescue", "own"):
        with pytest.raises(Conflict, match=r"used by (group a|node n2)"):
            lab.call("UnregisterImage", image)
    lab.deploy("a")
    lab.call("SetImage", "a", None)
    with pytest.raises(Conflict):  # it is deployed
        lab.call("UnregisterImage", "debian")
    lab.deploy("a")
    lab.call("UnregisterImage", "debian")


def test_an_export_brings_the_images_back(lab: Rack) -> None:
    lab.call("CreateGroup", "a", {"nodes": ["n1", "n3"], "image": "debian"})
    lab.call("SetImage", "a", "rescue", ["n3"])
    site = lab.call("Export")
    assert json.loads(site)["groups"]["a"]["images"] == {"n3": "rescue"}
    before = {key: group(lab)[key] for key in ("image", "images", "nodes")}
    lab.wait(lab.call("DestroyGroup", "a"))
    assert lab.wait(lab.call("Import", site))["state"] == "done"
    assert {key: group(lab)[key] for key in before} == before
    assert lab.call("CheckImport", site)["problems"] == lab.call("CheckImport", site)["add"] == []


def forget_what_is_new(database: Database) -> None:
    """The records as the version before had written them."""

    def older(tx: Any) -> None:
        record = tx.get("group_a")
        deployed = {fact: told for fact, told in record["deployed"].items() if not fact.startswith("list/")}
        deployed["export/a"] = {"machines": deployed["export/a"]["machines"]}
        tx.put(changed(record, 0, deployed=deployed))

    database.transact(older)


def test_a_group_of_the_version_before_is_as_it_was_until_it_is_deployed_again(lab: Rack) -> None:
    lab.call("CreateGroup", "a", {"nodes": ["n1"], "headnode": "h1"})
    lab.deploy("a")
    assert lab.service is not None
    forget_what_is_new(lab.service.database)
    lab.stop()
    lab.start()
    folder = lab.folder / "export" / "a"
    assert sorted(path.name for path in folder.iterdir()) == ["machines.txt"]
    for method in ("StartAudit", "Repair"):
        assert lab.wait(lab.call(method, "a"))["result"]["differences"] == 0
    assert lab.call("GetAudit", "a")["differences"] == [] and not group(lab)["pending"]
    lab.deploy("a")
    assert document(lab)["machines"][0]["name"] == "n1"
    deployed = lab.call("GetStatus", "a")["deployed"]
    assert deployed["list/h1"]["digest"] == document(lab)["digest"]


def test_a_head_node_gets_the_list_before_it_starts_and_loses_it_after_it_stopped(lab: Rack) -> None:
    lab.call("CreateGroup", "a", {"nodes": ["n1"], "headnode": "h1"})
    steps = [(step["action"], step["target"]) for step in lab.call("PlanDeploy", "a")["steps"]]
    order = [("write", "a"), ("bring", "h1"), ("connect", "h1")]
    assert [step for step in steps if step in order] == order
    lab.deploy("a")
    lab.call("SetHeadNode", "a", "h2")
    job = lab.wait(lab.call("Deploy", "a"))
    assert job["state"] == "done"
    deployed = lab.call("GetStatus", "a")["deployed"]
    assert {fact for fact in deployed if fact.startswith("list/")} == {"list/h2"}
    assert lab.wait(lab.call("StartAudit", "a"))["result"]["differences"] == 0
    lab.wait(lab.call("DestroyGroup", "a"))
    assert not (lab.folder / "export" / "a").exists()


def since(lab: Rack) -> dict[str, str]:
    return {one["name"]: one["since"] for one in document(lab)["machines"]}


def test_the_list_tells_a_node_that_came_back_from_one_that_stayed(lab: Rack) -> None:
    lab.call("CreateGroup", "a", {"nodes": ["n1", "n3"]})
    lab.call("AddNodes", "a", ["n5"])
    lab.deploy("a")
    first = since(lab)
    lab.call("RemoveNodes", "a", ["n1"])
    lab.call("AddNodes", "a", ["n1", "n0"])  # n1 was staged out only: it never left
    plan = lab.call("PlanDeploy", "a")
    assert lab.wait(lab.call("Deploy", "a", {"if_plan": plan["hash"]}))["state"] == "done"
    second = since(lab)
    assert {node: second[node] for node in first} == first
    lab.stop()
    lab.start()
    with lab.edit("sw1") as table:
        table["ports"]["p1"] = {"untagged": None, "tagged": [], "open": False}
    lab.wait(lab.call("Repair", "a"))
    lab.deploy("a")
    assert since(lab) == second
    for remove in (("RemoveNodes", "a", ["n1"]), ("ReleaseNode", "n1", True)):
        before = since(lab)
        lab.call(*remove)
        lab.deploy("a")
        lab.until(lambda: bool(lab.call("GetNodes", {"name": "n1"})[0]["free"]))
        lab.call("AddNodes", "a", ["n1"])
        lab.deploy("a")
        assert {node for node, word in since(lab).items() if word != before[node]} == {"n1"}
    lab.wait(lab.call("DestroyGroup", "a"))
    before = {**second, **before}
    lab.call("CreateGroup", "a", {"nodes": ["n1", "n3"]})
    lab.deploy("a")
    assert not set(since(lab).values()) & set(before.values())


def test_nodes_of_the_version_before_have_no_word_until_they_come_back(lab: Rack) -> None:
    def older(tx: Any) -> None:
        record = tx.get("group_a")
        specs = {
            name: {k: v for k, v in record[name].items() if k != "since"} for name in ("wanted", "target")
        }
        tx.put(changed(record, 0, **specs))

    lab.call("CreateGroup", "a", {"nodes": ["n1", "n3"]})
    lab.deploy("a")
    assert lab.service is not None
    lab.service.database.transact(older)
    lab.call("AddNodes", "a", ["n5"])
    lab.deploy("a")
    assert [one["name"] for one in document(lab)["machines"] if "since" in one] == ["n5"]
