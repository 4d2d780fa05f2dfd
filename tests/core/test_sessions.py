"""What a group's steps on one switch have to do with each other."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.rack import Rack, rack


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[Rack]:
    with rack(tmp_path, switches=1, nodes=4) as made:
        yield made


def untagged(lab: Rack) -> list[int | None]:
    return [lab.ports("sw0")[f"p{number}"]["untagged"] for number in range(4)]


def test_ports_do_not_join_a_vlan_that_the_switch_refuses_to_make(lab: Rack) -> None:
    lab.call("CreateGroup", "alpha", {"nodes": ["n0", "n1"]})
    vlan = lab.call("GetStatus", "alpha")["vlan"]
    lab.set_faults("sw0", reject=[str(vlan)])
    lab.deploy("alpha", "failed")
    assert untagged(lab) == [None] * 4
    assert f"vlan {vlan}" in lab.call("GetStatus", "alpha")["error"].lower()
