"""docs/api.md tells what the daemon answers: the keys of every struct, and an example that runs."""

import re
from pathlib import Path
from typing import Any

import pytest

from nm import views
from nm.errors import Invalid
from nm.reference import INTRODUCTION, SETTINGS, STRUCTS, Settings, Struct, anchor, keys_of
from tests.api.test_methods import Bench
from tests.rack import Rack, rack
from tests.shell.sliver_stories import tell

OWN = {"driver", "file", "ports"}  # of a simulated switch; `driver` is told

LISTS = {name for struct in STRUCTS if struct.kind not in ("", "job") for name in struct.methods.split(", ")}


def answers(here: Rack) -> dict[str, Any]:
    """What each method with a struct answers, by its name."""
    here.call("CreateGroup", "alpha", {"nodes": ["n1", "n6"], "headnode": "h1"})
    here.call("RegisterImage", "debian", {"kind": "netboot"})
    plan = here.call("PlanDeploy", "alpha")
    deployed = here.deploy("alpha")
    here.call("SetRights", "games", {"spy": True})
    tell(here, "demo_web")
    here.call("ApplyDescription", "pool", '#include "org/smartfrog/components.sf"\nsfConfig extends Prim;', {})
    lists = {name: here.call(name, {}) for name in LISTS}
    return {
        **{name: found[0] for name, found in lists.items()},
        "PlanDeploy": plan,
        "GetComponents": Bench().call("GetComponents", "web")[0],
        "GetComponentTree": Bench().call("GetComponentTree", "web"),
        "GetJob": deployed,
        "GetStatus": here.call("GetStatus", "alpha"),
        "GetAudit": here.call("GetAudit", "alpha"),
        "GetDrift": here.call("GetDrift"),
        "GetSwitchState": here.call("GetSwitchState", "sw0"),
        "GetEvents": here.call("GetEvents", 0, 1)[0],
    }


def test_every_struct_has_the_keys_that_the_reference_tells(tmp_path: Path) -> None:
    with rack(tmp_path, management=True) as here:
        found = answers(here)
        group = set(here.call("GetGroups", {})[0])
    for struct in STRUCTS:
        method = struct.methods.split(", ")[0]
        told = {name for name, _, _ in keys_of(struct)}
        there = set(found[method]) - (OWN - told) if struct.kind == "switch" else set(found[method])
        assert there - (group if method == "GetStatus" else set()) == told, struct.title


@pytest.mark.parametrize("struct", [s for s in STRUCTS if s.kind], ids=lambda struct: str(struct.kind))
def test_every_filter_is_told(struct: Struct) -> None:
    assert set(views.FIELDS[struct.kind]) <= {name for name, _, _ in keys_of(struct)}


def test_every_kind_with_filters_has_its_struct() -> None:
    assert {struct.kind for struct in STRUCTS} - {""} == set(views.FIELDS)


@pytest.mark.parametrize("settings", SETTINGS, ids=lambda settings: str(settings.method))
def test_settings_are_those_that_are_taken(settings: Settings, tmp_path: Path) -> None:
    told = {name for name, _, _ in keys_of(settings)}
    named: dict[str, list[Any]] = {"RegisterPort": ["sw0", "p99"], "RegisterVlan": [300]}
    before = named.get(settings.method, ["x"])
    given = {"bogus": 1, **({"driver": "ovs"} if settings.method == "RegisterSwitch" else {})}
    with rack(tmp_path, nodes=0) as here, pytest.raises(Invalid) as refused:
        here.call(settings.method, *before, given)
    taken = refused.value.hint.removeprefix("valid keys: ").removeprefix("a group has ")
    assert told == set(taken.split(", "))


def test_the_example_runs(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    lines = [
        line[4:] for line in INTRODUCTION.format(version=1, longest=1).splitlines() if line[:4] == "    "
    ]
    with rack(tmp_path) as here:
        program = "\n".join(lines).replace("/run/nm/api.sock", here.config.api.socket)
        exec(compile(program, "docs/api.md", "exec"), {})
        here.until(lambda: here.call("GetGroups", {}) == [])
    assert capsys.readouterr().out.splitlines() == [
        "done None",
        "106 no node n99; GetNodes lists what there is",
    ]


def test_links_to_methods_lead_to_them() -> None:
    page = (Path(__file__).parents[2] / "docs" / "api.md").read_text(encoding="utf-8")
    headings = {anchor(name) for name in re.findall(r"^### ([\w.]+)$", page, re.MULTILINE)}
    assert set(re.findall(r"\]\(#(\w+)\)", page)) <= headings
