"""Groups in descriptions, through a whole nm on switches that execute what they are told."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.rack import Rack, rack

INCLUDE = '#include "nm/components.sf"\n'


@pytest.fixture
def here(tmp_path: Path) -> Iterator[Rack]:
    with rack(tmp_path) as found:
        yield found


def group(inside: str, name: str = "grp") -> str:
    return (
        f"{INCLUDE}sfConfig extends Compound {{ sfSyncTerminate true; {name} extends Group {{ {inside} }} }}"
    )


def nodes(*names: str) -> str:
    return " ".join(f'{name} extends Node {{ node "{name}"; }}' for name in names)


def apply(here: Rack, text: str, name: str = "web", state: str = "done") -> str:
    job = here.wait(here.call("ApplyDescription", name, text, {}))
    assert job["state"] == state, job
    return str(job["error"])


def test_a_group_is_made_and_goes_with_its_description(here: Rack) -> None:
    apply(here, group('vlan 105; keys "x";' + nodes("n0", "n1") + ' h extends HeadNode { headNode "h1"; }'))
    [made] = here.call("GetGroups", {})
    assert (made["name"], made["vlan"], made["state"]) == ("grp", 105, "deployed")
    assert (made["nodes"], made["headnode"], made["description"]) == (["n0", "n1"], "h1", "web")
    assert here.ports("sw0")["p0"]["untagged"] == 105
    deploys = [job for job in here.call("GetJobs", {}) if job["kind"] == "deploy"]
    assert len(deploys) == 1
    assert here.wait(here.call("TerminateDescription", "web"))["state"] == "done"
    assert here.call("GetGroups", {}) == []
    assert here.vlans("sw0") <= {1}
    assert {node["state"] for node in here.call("GetNodes", {})} == {"free"}
    assert here.call("GetDescriptions", {}) == []
