"""Texts of descriptions with groups, and what is asked of a rack about them."""

from typing import Any

from nm.calls import Caller
from tests.rack import ROOT, Rack

INCLUDE = '#include "nm/components.sf"\n'


def whole(inside: str) -> str:
    return f"{INCLUDE}sfConfig extends Compound {{ sfSyncTerminate true; {inside} }}"


def group(inside: str, name: str = "grp") -> str:
    return f"{name} extends Group {{ {inside} }} "


def nodes(*names: str) -> str:
    return "".join(f'{name} extends Node {{ node "{name}"; }} ' for name in names)


def apply(here: Rack, inside: str, state: str = "done", caller: Caller = ROOT) -> str:
    """Its error, when the job has come to that state."""
    job = here.wait(here.call("ApplyDescription", "web", whole(inside), {}, caller=caller))
    assert job["state"] == state, job
    return str(job["error"])


def terminate(here: Rack) -> None:
    job = here.wait(here.call("TerminateDescription", "web"))
    assert job["state"] == "done", job


def planned(here: Rack, inside: str) -> list[str]:
    """The changes, as "action path name name"."""
    found = here.call("PlanDescription", "web", whole(inside), {})["changes"]
    return [
        " ".join([change["action"], change["path"], *(one["name"] for one in change["differences"])])
        for change in found
    ]


def the_group(here: Rack, name: str = "grp") -> dict[str, Any]:
    [found] = here.call("GetGroups", {"name": name})
    return dict(found)


def deploys(here: Rack) -> int:
    return len([job for job in here.call("GetJobs", {}) if job["kind"] == "deploy"])


def untagged(here: Rack, node: str) -> Any:
    """The VLAN of the node's port, by the switch's own word."""
    switch, port = here.home(node)
    return here.ports(switch)[port]["untagged"]


def left(here: Rack) -> None:
    """Nothing of it is there any more."""
    assert here.call("GetGroups", {}) == [] and here.call("GetDescriptions", {}) == []
    assert {node["state"] for node in here.call("GetNodes", {})} == {"free"}
    assert all(vlan["free"] for vlan in here.call("GetVlans", {}))
    for state in here.states().values():
        assert (state.vlans or set()) <= {1}
        assert {port for port, found in state.ports.items() if not found.isolated} == set()
