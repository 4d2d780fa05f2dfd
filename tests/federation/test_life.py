"""The life of a reservation in a whole nm: allocated, wired, switched on, renewed, given back."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from nm.errors import NotFound
from nm.geni.refusals import Busy
from nm.geni.rspec import manifest
from tests.federation.guests import KEY, LAB, Door, guest, urn_of
from tests.geni.lab import NOW, asked, rspec
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
    return file.exists() and file.read_text().strip() == "on"


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
