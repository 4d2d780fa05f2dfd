"""A switch that hangs holds nobody else."""

from pathlib import Path

from nm.switches.simulated import NO_FAULTS
from tests.rack import rack


def test_deploys_on_other_switches_and_calls_go_on(tmp_path: Path) -> None:
    with rack(tmp_path, switches=2, nodes=8) as lab:
        with lab.edit("sw1") as table:
            table["faults"] = {**NO_FAULTS, "delay": 60}
        lab.call("CreateGroup", "stuck", {"nodes": ["n0", "n1"]})
        stuck = lab.call("Deploy", "stuck")
        lab.until(lambda: lab.ports("sw0")["p0"]["untagged"] == 101)
        assert lab.call("GetJob", stuck)["state"] == "running"
        for number, node in enumerate(("n2", "n4", "n6")):
            lab.call("CreateGroup", f"g{number}", {"nodes": [node]})
            lab.deploy(f"g{number}")
        assert lab.call("GetJob", stuck)["state"] == "running"
        states = {node["name"]: node["state"] for node in lab.call("GetNodes", {"group": ["stuck"]})}
        assert states == {"n0": "joined", "n1": "joining"}
        assert lab.service is not None
        assert "switch:sw1" in lab.service.crew.subjects()
        lab.stop(0.1)


def test_a_stuck_group_can_be_called_back(tmp_path: Path) -> None:
    with rack(tmp_path, switches=2, nodes=4) as lab:
        with lab.edit("sw1") as table:
            table["faults"] = {**NO_FAULTS, "delay": 1.0}
        lab.call("CreateGroup", "a", {"nodes": ["n0", "n1"]})
        lab.call("Deploy", "a")
        job = lab.call("DestroyGroup", "a")
        # What was under way on the slow switch is undone after it, not forgotten.
        assert lab.wait(job)["state"] == "done"
        assert lab.ports("sw1")["p1"]["untagged"] is None and lab.vlans("sw1") == {1}
        assert all(node["free"] for node in lab.call("GetNodes", {}))
