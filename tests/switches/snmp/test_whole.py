"""A whole nm with a switch by SNMP: registered, reset, deployed on, and nothing secret told to anybody."""

from pathlib import Path

import pytest

from nm.switch import PortState
from tests.rack import Rack
from tests.switches.snmp import rack as snmp

pytestmark = pytest.mark.real


def test_a_group_is_deployed_on_a_switch_by_snmp(snmp_rack: snmp.SnmpRack, tmp_path: Path) -> None:
    bench = snmp.SnmpBench(snmp_rack, "qbridge")
    secrets = tmp_path / "secrets"
    secrets.mkdir(mode=0o700)
    for name, secret in (("sw0-auth", snmp.AUTH), ("sw0-privacy", snmp.PRIVACY)):
        (secrets / name).write_text(f"{secret}\n")
        (secrets / name).chmod(0o600)
    user = {"user": "nm", "secrets": {"auth": "sw0-auth", "privacy": "sw0-privacy"}}
    here = Rack(tmp_path, switches=0, nodes=0)
    try:
        here.call("RegisterSwitch", "sw0", {**bench.record, **user})
        here.call("RegisterVlan", 101)
        for number, port in enumerate(bench.ports[:2]):
            here.call("RegisterPort", "sw0", port)
            nic = {"name": "eth0", "mac": f"52:54:00:00:00:0{number}", "switch": "sw0", "port": port}
            here.call("RegisterNode", f"n{number}", {"nics": [nic]})
        assert here.wait(here.call("ResetPorts", "sw0"))["state"] == "done"
        here.call("CreateGroup", "alpha", {"nodes": ["n0", "n1"], "vlan": 101})
        here.deploy("alpha")
        carried = PortState(101)
        assert [bench.table()[port] for port in bench.ports[:2]] == [carried, carried]
        here.call("UpdateSwitch", "sw0", {"secrets": {"auth": "sw0-privacy", "privacy": "sw0-auth"}})
        failed = here.wait(here.call("InspectSwitch", "sw0"))
        told = [failed, here.call("GetSwitches", {}), here.call("GetEvents", 0, 1000)]
        assert "wrongDigest" in repr(told)
        here.call("UpdateSwitch", "sw0", {"secrets": user["secrets"]})
        here.wait(here.call("DestroyGroup", "alpha"))
        assert {bench.table()[port] for port in bench.ports[:2]} == {PortState()}
    finally:
        here.stop()
        bench.close()
    kept = [path.read_bytes() for path in tmp_path.rglob("*") if path.is_file() and path.parent != secrets]
    for secret in (snmp.AUTH, snmp.PRIVACY):
        assert secret not in repr(told)
        assert not [content for content in kept if secret.encode() in content]
