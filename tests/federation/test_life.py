"""The life of a reservation in a whole nm: allocated, wired, switched on, renewed, given back."""

import json
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from nm.errors import Conflict, Denied, NotFound
from nm.federation import looking
from nm.federation.visits import BOWL
from nm.geni.refusals import Busy, Refused, Unsupported
from nm.geni.rspec import manifest
from nm.records import record_key
from tests.federation.guests import KEY, LAB, SITE, Door, guest, urn_of
from tests.geni.lab import NOW, asked, link, rspec
from tests.rack import Rack, rack

ALLOCATED, PROVISIONED = "geni_allocated", "geni_provisioned"
READY, NOT_READY, PENDING = "geni_ready", "geni_notready", "geni_pending_allocation"
TWO = rspec(asked("a"), asked("b"))


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[Rack]:
    with rack(tmp_path, management=True) as made:
        yield made


@pytest.fixture
def door(lab: Rack) -> Door:
    return door_of(lab)


def door_of(lab: Rack, **who: Any) -> Door:
    assert lab.service is not None
    return Door(lab.service.database, guest(**who))


def carried(lab: Rack, node: str) -> int | None:
    """The VLAN on the port of its boot NIC, by the switch's own table."""
    switch, port = lab.home(node)
    found: int | None = lab.ports(switch)[port]["untagged"]
    return found


def is_on(lab: Rack, node: str) -> bool:
    """Whether it has power, by the stand-in's own word."""
    file = lab.folder / f"{node}.power"
    return file.exists() and json.loads(file.read_text())["power"] == "on"


def break_power(lab: Rack, node: str) -> None:
    """Let its management answer nonsense."""
    (lab.folder / f"{node}.power").write_text("nonsense")


def all_are(door: Door, lab: Rack, state: str, *given: str) -> None:
    lab.until(lambda: {one for _, one in door.states(*given).values()} == {state})


def test_a_slice_is_allocated_wired_switched_on_and_given_back(lab: Rack, door: Door) -> None:
    answer = door.allocate(TWO)
    assert answer.slice == urn_of("alpha") and door.states() == {
        one.node: (ALLOCATED, NOT_READY) for one in answer.slivers
    }
    nodes = [one.node for one in answer.slivers]
    assert len(nodes) == 2 and [carried(lab, node) for node in nodes] == [None, None]
    door.provision(users=[{"urn": "urn:x", "keys": [KEY]}])
    all_are(door, lab, READY)
    (vlan,) = {carried(lab, node) for node in nodes}
    assert vlan == door.group()["wanted"]["networks"]["main"]["vlan"] and door.group()["keys"] == [KEY]
    assert all(is_on(lab, node) for node in nodes)
    told = door.describe()
    assert told.told is not None
    read = manifest.read(manifest.write(LAB, told.told, NOW))
    assert {one.sliver_id for one in read.nodes} == {one.urn for one in told.slivers}
    gone = door.delete()
    assert {one.allocation for one in gone.slivers} == {"geni_unallocated"}
    with pytest.raises(NotFound):
        door.status()
    with pytest.raises(Busy):
        door.allocate(TWO)
    lab.until(lambda: lab.call("GetGroups", {}) == [])
    assert [carried(lab, node) for node in nodes] == [None, None]
    assert not any(is_on(lab, node) for node in nodes)
    assert all(node["free"] for node in lab.call("GetNodes", {}))
    again = door.allocate(TWO)
    assert not {one.urn for one in again.slivers} & {one.urn for one in answer.slivers}


def test_slivers_are_provisioned_one_by_one_and_given_back_one_by_one(lab: Rack, door: Door) -> None:
    one, other = door.allocate(TWO).slivers
    door.provision(one.urn)
    lab.until(lambda: door.states()[one.node] == (PROVISIONED, READY))
    assert door.states()[other.node] == (ALLOCATED, NOT_READY) and carried(lab, other.node) is None
    with pytest.raises(Refused):
        door.provision(one.urn, other.urn)
    assert door.states()[other.node] == (ALLOCATED, NOT_READY)
    best = door.provision(one.urn, other.urn, best=True)
    assert [bool(sliver.error) for sliver in best.slivers] == [True, False]
    all_are(door, lab, READY)
    door.delete(one.urn)
    assert door.states().keys() == {other.node}
    with pytest.raises(NotFound):
        door.status(one.urn)
    lab.until(lambda: lab.call("GetNodes", {"name": one.node})[0]["free"])
    assert carried(lab, one.node) is None and carried(lab, other.node) is not None
    assert door.states() == {other.node: (PROVISIONED, READY)}
    assert lab.call("GetGroups", {})[0]["nodes"] == [other.node]


def test_links_come_and_go_with_their_nodes(lab: Rack, door: Door) -> None:
    door.allocate(rspec(asked("a", interfaces=1), asked("b", interfaces=1), link("lan", "a:0", "b:0")))
    door.allocate(rspec(asked("c")))
    assert set(door.group()["wanted"]["networks"]) == {"main", "lan"}
    slivers = {one.node: one for one in door.provision().slivers}
    all_are(door, lab, READY)
    home = lab.home("n6")[0]
    lan = door.group()["wanted"]["networks"]["lan"]["vlan"]
    assert lab.ports(home)["d6"]["untagged"] == lan == lab.ports(lab.home("n7")[0])["d7"]["untagged"]
    door.delete(slivers["n6"].urn)
    assert door.group()["wanted"]["networks"]["lan"]["nics"] == ["n7:eth1"]
    door.delete(slivers["n7"].urn)
    assert set(door.group()["wanted"]["networks"]) == {"main"} and len(door.states()) == 1
    lab.until(lambda: lab.call("GetVlans", {"id": lan})[0]["free"])
    again = rspec(asked("a", interfaces=1), asked("b", interfaces=1), link("lan", "a:0", "b:0"))
    lab.until(lambda: all(lab.call("GetNodes", {"name": node})[0]["free"] for node in ("n6", "n7")))
    told = door.allocate(again)
    assert told.told is not None
    read = manifest.read(manifest.write(LAB, told.told, NOW))
    assert len(read.links) == 1 and {node.client_id for node in read.nodes} == {"a", "b"}


def test_power_is_an_action_of_a_sliver(lab: Rack, door: Door) -> None:
    (sliver,) = door.allocate(rspec(asked("a"))).slivers
    for action in ("geni_start", "geni_stop", "geni_fly", ""):
        with pytest.raises(Unsupported):
            door.perform(action)
    with pytest.raises(Refused):
        door.perform("geni_update_users", users=[])
    door.provision()
    all_are(door, lab, READY)
    assert door.perform("geni_stop").slivers[0].operational == "geni_stopping"
    all_are(door, lab, NOT_READY)
    assert not is_on(lab, sliver.node) and carried(lab, sliver.node) is not None
    with pytest.raises(Unsupported):
        door.perform("geni_stop")
    assert door.perform("geni_start").slivers[0].operational == "geni_configuring"
    all_are(door, lab, READY)
    assert is_on(lab, sliver.node)
    assert door.perform("geni_restart").slivers[0].operational == "geni_ready_busy"
    all_are(door, lab, READY)
    actions = [job["kind"] for job in lab.call("GetJobs", {"subject": f"node:{sliver.node}"})]
    assert actions == ["power"] * 5 and is_on(lab, sliver.node)
    door.perform("geni_update_users", users=[{"urn": "urn:x", "keys": [KEY]}])
    all_are(door, lab, READY)
    assert door.group()["keys"] == [KEY]


def test_what_a_device_refuses_is_told_in_its_words(lab: Rack, door: Door) -> None:
    (sliver,) = door.allocate(rspec(asked("a"))).slivers
    break_power(lab, sliver.node)
    door.provision()
    all_are(door, lab, "geni_failed")
    assert "is not the state of a simulated node" in door.sliver(sliver.node).error
    with pytest.raises(Unsupported):
        door.perform("geni_restart")
    (lab.folder / f"{sliver.node}.power").unlink()
    assert door.perform("geni_start").slivers[0].operational == "geni_configuring"
    all_are(door, lab, READY)
    assert is_on(lab, sliver.node)


def test_a_deploy_that_failed_is_begun_again_by_a_start(tmp_path: Path) -> None:
    with rack(tmp_path, management=True, deadline_seconds=0.3) as lab:
        door = door_of(lab)
        (sliver,) = door.allocate(rspec(asked("a"))).slivers
        lab.set_faults(lab.home(sliver.node)[0], down=True)
        door.provision()
        all_are(door, lab, "geni_failed")
        lab.set_faults(lab.home(sliver.node)[0])
        assert door.perform("geni_start").slivers[0].operational == "geni_configuring"
        all_are(door, lab, READY)
        assert is_on(lab, sliver.node) and carried(lab, sliver.node) is not None


def test_nodes_whose_power_nobody_switches_are_ready_when_wired(tmp_path: Path) -> None:
    with rack(tmp_path) as lab:
        door = door_of(lab)
        door.allocate(TWO)
        door.provision()
        all_are(door, lab, READY)
        with pytest.raises(Unsupported):
            door.perform("geni_stop")
        assert all(lab.call("GetJobs", {"kind": "power"}) == [] for _ in door.states())


def test_where_nodes_are_set_up_by_hand_an_operator_says_when(lab: Rack, door: Door) -> None:
    site = door.with_rules(manual=True)
    site.site = replace(SITE, mail=True)
    one, other = site.allocate(TWO).slivers
    answer = site.provision()
    assert site.states() == dict.fromkeys((one.node, other.node), (PROVISIONED, PENDING))
    assert carried(lab, one.node) is None
    with pytest.raises(Unsupported):
        site.perform("geni_start")
    name = one.urn.rpartition("+")[2]
    mail = door.store.get(record_key("job", answer.mail or 0))
    assert mail is not None and f"nmctl geni ready {name}\n" in mail["arguments"]["text"]
    assert urn_of("alpha") in mail["arguments"]["headline"]
    assert lab.wait(lab.call("GeniReady", name))["state"] == "done"
    lab.until(lambda: site.states()[one.node] == (PROVISIONED, READY))
    assert site.states()[other.node] == (PROVISIONED, PENDING) and is_on(lab, one.node)
    told = {entry["node"]: entry for entry in lab.call("GetReservations", {"slice": urn_of("alpha")})}
    assert (told[one.node]["operational"], told[other.node]["operational"]) == (READY, PENDING)
    assert lab.wait(lab.call("GeniReady", other.urn))["state"] == "done"
    with pytest.raises(Conflict):
        lab.call("GeniReady", other.urn)
    with pytest.raises(NotFound):
        lab.call("GeniReady", f"{name}0")


def test_an_emergency_stop_is_lifted_by_an_operator_alone(lab: Rack, door: Door) -> None:
    door.allocate(TWO)
    door.provision(users=[{"urn": "urn:x", "keys": [KEY]}])
    all_are(door, lab, READY)
    nodes = list(door.states())
    door.allocate(rspec(asked("c")))
    door.shutdown()
    lab.until(lambda: not any(is_on(lab, node) for node in nodes))
    lab.until(lambda: lab.call("GetGroups", {})[0]["state"] == "deployed")
    assert [carried(lab, node) for node in nodes] == [None, None]
    assert {node["name"] for node in lab.call("GetNodes", {"free": False})} >= set(nodes)
    assert door.group()["keys"] == []
    door.shutdown()
    calls: list[Callable[[], object]] = [
        door.status, door.describe, door.provision, door.delete,
        lambda: door.renew(time.time() + 100), lambda: door.perform("geni_start"), lambda: door.allocate(TWO),
    ]  # fmt: skip
    for refused in calls:
        with pytest.raises(Denied):
            refused()
    assert all(one["shut"] for one in lab.call("GetReservations", {}))
    lab.wait(lab.call("GeniReopen", urn_of("ALPHA")))
    lab.until(lambda: [door.states()[node] for node in nodes] == [(PROVISIONED, READY)] * 2)
    assert len(door.states()) == 3 and all(is_on(lab, node) for node in nodes)
    assert None not in [carried(lab, node) for node in nodes] and door.group()["keys"] == [KEY]
    with pytest.raises(Conflict):
        lab.call("GeniReopen", urn_of("alpha"))


def test_each_sliver_has_an_end_of_its_own(lab: Rack, door: Door) -> None:
    one, other = door.allocate(TWO).slivers
    door.provision()
    all_are(door, lab, READY)
    door.renew(time.time() + 2, one.urn)
    lab.until(lambda: door.states().keys() == {other.node})
    lab.until(lambda: lab.call("GetNodes", {"name": one.node})[0]["free"])
    assert carried(lab, one.node) is None and carried(lab, other.node) is not None
    door.renew(time.time() + 2)
    lab.until(lambda: lab.call("GetGroups", {}) == [])
    assert all(node["free"] for node in lab.call("GetNodes", {}))


def test_power_that_others_switch_is_seen(lab: Rack, door: Door) -> None:
    (sliver,) = door.allocate(rspec(asked("a"))).slivers
    door.provision()
    all_are(door, lab, READY)
    lab.wait(lab.call("PowerNode", sliver.node, "off"))
    all_are(door, lab, NOT_READY)
    door.perform("geni_start")
    all_are(door, lab, READY)
    assert is_on(lab, sliver.node)


def test_what_an_operator_deploys_is_provisioned_and_switched_on(lab: Rack, door: Door) -> None:
    site = door.with_rules(manual=True)
    one, other = site.allocate(TWO).slivers
    site.provision(one.urn)
    lab.deploy(site.group()["record_key"].removeprefix("group_"))
    all_are(door, lab, READY)
    assert is_on(lab, one.node) and is_on(lab, other.node)
    assert {state for state, _ in door.states().values()} == {PROVISIONED}


def test_a_restart_takes_up_what_was_under_way(lab: Rack, door: Door) -> None:
    (sliver,) = door.allocate(rspec(asked("a"))).slivers
    lab.set_faults(lab.home(sliver.node)[0], down=True)
    door.provision()
    assert door.states() == {sliver.node: (PROVISIONED, "geni_configuring")}
    lab.stop()
    lab.set_faults(lab.home(sliver.node)[0])
    lab.start()
    again = door_of(lab)
    all_are(again, lab, READY)
    assert is_on(lab, sliver.node) and carried(lab, sliver.node) is not None


def test_bowl_asks_by_numbers_and_calls_slices_what_it_likes(lab: Rack) -> None:
    for number in range(4):
        lab.call("UpdateNode", f"n{number}", {"id": number + 1})
    door = door_of(lab, door=BOWL)
    door.allocate_nodes(2, 3, slice="7")
    assert door.states("7").keys() == {"n1", "n2"}

    def listed(**options: Any) -> list[int]:
        return [one["id"] for one in looking.nodes(door.store, door.visit("ListResources"), **options)]

    assert listed() == [1, 2, 3, 4] and listed(only_free=True) == [1, 4] and listed(slice="7") == [2, 3]
    door.provision("7")
    all_are(door, lab, READY, "7")
    door.delete("7")
    lab.until(lambda: listed(only_free=True) == [1, 2, 3, 4])
