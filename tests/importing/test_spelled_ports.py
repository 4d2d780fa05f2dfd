"""Ports in a site file, in whatever way their switch lets them be spelled."""

import json
from typing import Any

from nm import imports, settings
from nm.calls import Call
from tests.importing.test_whole_site import ROOT, SITE, imported
from tests.memory_store import MemoryStore

CISCO = {"driver": "cli", "dialect": "cisco_ios", "address": "192.0.2.1", "user": "nm"}
FULL = "GigabitEthernet1/0/"


def site(spelling: str = "Gi1/0/", **changes: Any) -> dict[str, Any]:
    """Two switches with a trunk between them and a node, all by that spelling of ports."""
    ports = {f"{spelling}1": {}, f"{spelling}48": {"description": "to the other"}}
    ends = [{"switch": switch, "port": f"{spelling}48"} for switch in ("sw0", "sw1")]
    nic = {"name": "boot", "mac": "52:54:00:00:00:01", "switch": "sw0", "port": f"{spelling}1"}
    return {
        "switches": {"sw0": CISCO, "sw1": {**CISCO, "address": "192.0.2.2"}},
        "ports": {"sw0": ports, "sw1": ports},
        "trunks": {"t0": {"ends": ends}},
        "nodes": {"n1": {"nics": [nic]}},
        **changes,
    }


def judged(store: MemoryStore, told: dict[str, Any]) -> dict[str, Any]:
    return imports.check_import(store, Call(ROOT, "CheckImport", 1_800_000_000.0, SITE), json.dumps(told))


def test_short_names_become_the_switchs_own_wherever_they_stand() -> None:
    store = imported(json.dumps(site()))
    ports = {record["record_key"]: record for record in store.range("port")}
    assert set(ports) == {f"port_{switch}:{FULL}{number}" for switch in ("sw0", "sw1") for number in (1, 48)}
    assert ports[f"port_sw0:{FULL}1"]["node"] == "n1"
    assert ports[f"port_sw1:{FULL}48"]["trunk"] == "t0"


def test_imported_again_by_any_spelling_there_is_nothing_to_add() -> None:
    store = imported(json.dumps(site()))
    for spelling in ("Gi1/0/", "gigabitethernet 1/0/", FULL):
        found = judged(store, site(spelling))
        assert (found["add"], found["problems"]) == ([], [])
        assert found["same"] == 8
    again = settings.export(store, Call(ROOT, "Export", 0.0, SITE))
    found = judged(store, json.loads(again))
    assert (found["add"], found["problems"]) == ([], [])


def test_ports_are_added_to_a_switch_that_is_there() -> None:
    store = imported(json.dumps(site()))
    found = judged(store, {"ports": {"sw0": ["Gi1/0/1", "Gi1/0/2"]}})
    assert found["add"] == [{"kind": "port", "name": f"sw0:{FULL}2", "text": f"{FULL}2"}]
    assert found["same"] == 1


def test_what_differs_is_told_by_the_switchs_own_name() -> None:
    store = imported(json.dumps(site()))
    (problem,) = judged(store, {"ports": {"sw0": {"Gi1/0/48": {"description": "?"}}}})["problems"]
    assert problem["message"] == f"port {FULL}48 of switch sw0 is there already, with other description"


def test_one_port_by_two_spellings_is_there_twice() -> None:
    (problem,) = judged(MemoryStore(), site(ports={"sw0": ["Gi1/0/1", "gi 1/0/1"]}, trunks={}))["problems"]
    assert problem["path"] == ["ports", "sw0", "gi 1/0/1"]
    assert problem["message"] == f"port {FULL}1 of switch sw0 is there twice"


def test_a_name_that_the_switch_cannot_have_is_refused_once_where_it_stands() -> None:
    told = site(ports={"sw0": ["Klingon1"], "sw1": []}, trunks={}, nodes={})
    (problem,) = judged(MemoryStore(), told)["problems"]
    assert problem["path"] == ["ports", "sw0", "Klingon1"]
    assert "has no port 'Klingon1'" in problem["message"]


def test_a_refused_port_is_told_of_once_and_not_again_with_its_node() -> None:
    told = site(ports={"sw0": {"Gi1/0/1": {"colour": "red"}}, "sw1": []}, trunks={})
    told["nodes"]["n1"]["nics"][0]["port"] = f"{FULL}1"
    (problem,) = judged(MemoryStore(), told)["problems"]
    assert problem["path"] == ["ports", "sw0", "Gi1/0/1"]
