"""As users of PlanetLab's node manager called it: by xmlrpc.client on the machine, by ssh through an account.

The guests are a stand-in's; accounts, sockets and sshd are real.
"""

import json
import subprocess
import sys
import xmlrpc.client
from dataclasses import replace
from typing import Any

import pytest

from nm import config, delivery, leases
from nm.slices import Reading, read_reply
from tests.rack import Rack
from tests.slivers.guests import House as Guests
from tests.ssh.house import House

LENDER, BORROWER, IDLE = "princeton_sirius", "princeton_eisentest", "princeton_idle"
CONTROLLER, OTHER = "utah_elab_ctl", "utah_other"
RULES = leases.Rules(mass_share=0.25, mass_floor=3)
SCRIPT = """
import json, sys, xmlrpc.client
method, arguments = sys.argv[1], json.loads(sys.argv[2])
nm = xmlrpc.client.ServerProxy("http://localhost:812/")
try:
    print(json.dumps(getattr(nm, method)(*arguments)))
except xmlrpc.client.Fault as fault:
    print(json.dumps({"fault": fault.faultCode, "text": fault.faultString}))
"""


def sliver(house: House, name: str, instantiation: str = "plc-instantiated", **tags: str) -> dict[str, Any]:
    """As a PLC says it."""
    return {
        "name": name, "slice_id": len(name), "instantiation": instantiation, "expires": 2**31 - 1,
        "keys": [{"key_type": "ssh", "key": house.key(name).public}],
        "attributes": [{"tagname": tag, "value": value} for tag, value in tags.items()],
    }  # fmt: skip


@pytest.fixture(scope="module", autouse=True)
def told(house: House) -> None:
    """What a PLC says arrives, and the accounts are there."""
    slivers = [
        sliver(house, LENDER, cpu_pct="40", delegations=f"{OTHER},{CONTROLLER}"),
        sliver(house, BORROWER),
        sliver(house, IDLE, enabled="0"),
        sliver(house, CONTROLLER, "nm-controller"),
        sliver(house, OTHER, "nm-controller"),
    ]
    rack = house.rack
    rack.stop()
    rack.config = replace(rack.config, slivers=config.Slivers(uri="qemu:///system", image="debian"))
    rack._open_guests = Guests(house.private / "guests.json").open
    Rack.start(rack)
    rack.call("RegisterImage", "debian", {"kind": "disk", "disk": "/var/lib/nm-images/debian.qcow2"})
    service = rack.service
    assert service is not None
    reply = read_reply({"timestamp": 1_800_000_000, "node_id": 1, "slivers": slivers}, Reading())
    delivery.update(service.database, reply, 1_800_000_000.0, RULES, 86400.0)
    rack.until(lambda: {one["name"] for one in slivers} <= house_accounts(house))


def house_accounts(house: House) -> set[str]:
    """The slivers whose accounts are made."""
    assert house.rack.service is not None
    return {one["name"] for one in house.rack.service.database.range("account") if one.get("_made") is True}


def as_sliver(house: House, name: str, method: str, *arguments: Any) -> Any:
    """Call a method on this machine, as the sliver's own account."""
    uid = house.rack.call("GetXIDs")[name]
    done = subprocess.run(
        [sys.executable, "-I", "-c", SCRIPT, method, json.dumps(arguments)],
        user=uid, group=uid, extra_groups=[], cwd="/", capture_output=True, text=True, timeout=60, check=True,
    )  # fmt: skip
    return json.loads(done.stdout)


def test_the_readmes_call_as_the_sliver_itself(house: House) -> None:
    loan = [BORROWER, "nm_cpu_guaranteed_share", 200]
    assert as_sliver(house, LENDER, "SetLoans", loan) == 1
    assert as_sliver(house, LENDER, "GetLoans", LENDER) == [[BORROWER, "cpu_min", 200]]
    assert as_sliver(house, LENDER, "GetEffectiveRSpec", LENDER)["cpu_min"] == 200
    assert as_sliver(house, BORROWER, "GetEffectiveRSpec", BORROWER)["cpu_min"] == 200
    assert as_sliver(house, LENDER, "SetLoans", LENDER, []) == 1
    assert as_sliver(house, BORROWER, "GetEffectiveRSpec", BORROWER)["cpu_min"] == 0


def test_a_controller_calls_by_ssh_for_whom_it_is_delegated(house: House) -> None:
    for name in (CONTROLLER, OTHER):  # a list of two
        assert house.call(name, "SetLoans", LENDER, [[BORROWER, "cpu_min", 100]]) == 1
        assert house.call(name, "GetEffectiveRSpec", LENDER)["cpu_min"] == 300
        assert "SetLoans(" in house.call(name, "Help")
        with pytest.raises(xmlrpc.client.Fault) as refused:
            house.call(name, "SetLoans", BORROWER, [])
        assert refused.value.faultCode == 102
    assert house.rack.call("GetEffectiveRSpec", BORROWER)["cpu_min"] == 100


def test_a_record_and_the_lists_go_through_clients_without_nil(house: House) -> None:
    record = as_sliver(house, LENDER, "GetRecord")
    assert record["name"] == LENDER and record["instantiation"] == "plc-instantiated"
    assert record["rspec"]["cpu_min"] == 400 and "why" not in record, record
    assert as_sliver(house, IDLE, "GetRecord")["why"] == "enabled is 0"
    assert as_sliver(house, LENDER, "GetXIDs")[BORROWER] == house.rack.call("GetXIDs")[BORROWER]
    assert as_sliver(house, LENDER, "GetSSHKeys")["fault"] == 108
    assert house.rack.call("GetSSHKeys")[LENDER] == f"{house.key(LENDER).public}\n"
    assert as_sliver(house, LENDER, "Create", LENDER)["fault"] == 105
