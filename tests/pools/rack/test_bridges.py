"""Domains on bridges of Open vSwitch, with a tag and without; what they are on while they run."""

from collections.abc import Iterator

import pytest

from nm import pool
from nm.errors import Conflict, Denied
from nm.pools import operations, showing
from tests.hosts.rack.conftest import sh
from tests.pools.rack.conftest import Rack, domains, virsh

ONE = """
sfConfig extends Compound {{
  a extends Domain {{ hostname "a"; memory 32; mac "52:54:00:0b:00:01"; shutdownTimeout 0; {} }}
}}
"""


@pytest.fixture
def other() -> Iterator[str]:
    """A bridge of Open vSwitch that is not the host's own."""
    sh("ovs-vsctl", "add-br", "other0", "--", "set", "bridge", "other0", "datapath_type=netdev")
    yield "other0"
    sh("ovs-vsctl", "del-br", "other0")


def one(more: str) -> str:
    return ONE.format(more)


def ports(of: str) -> list[str]:
    return sh("ovs-vsctl", "list-ports", of).split()


def tag(of: str) -> str:
    """That of its one port."""
    [port] = ports(of)
    return sh("ovs-vsctl", "get", "port", port, "tag")


def test_a_tag_is_given_and_changed_while_it_runs(rack: Rack, other: str) -> None:
    job = rack.run(rack.apply("web", one('bridge "rack0"; vlan 3000;')))
    assert (job["state"], job["error"]) == ("done", None)
    number = virsh("domid", "a")
    assert tag("rack0") == "3000"
    assert rack.run(rack.set("web", "a:vlan", 3001))["error"] is None
    assert tag("rack0") == "3001" and virsh("domid", "a") == number
    assert rack.run(rack.apply("web", one('bridge "other0"; bridgeKind "ovs";')))["error"] is None
    assert tag(other) == "[]"
    rack.run(rack.terminate("web"))
    assert (domains("--all"), ports("rack0"), ports(other), rack.left()) == ([], [], [], [])


def test_it_starts_on_a_bridge_without_a_tag_and_where_it_was_put_last(rack: Rack, other: str) -> None:
    assert rack.run(rack.apply("web", one('bridge "other0"; bridgeKind "ovs";')))["error"] is None
    assert len(ports(other)) == 1
    assert rack.run(rack.apply("web", one('bridge "other0"; vlan 7; graphics "vnc";')))["error"] is None
    assert tag(other) == "7"
    assert "openvswitch" in virsh("dumpxml", "--inactive", "a")
    rack.run(rack.terminate("web"))
    assert ports(other) == []


def test_one_that_is_let_go_is_off_its_vlan_which_may_be_a_groups_then(rack: Rack) -> None:
    kept = one('bridge "rack0"; vlan 3000; keepOnTerminate true;')
    assert rack.run(rack.apply("web", kept))["error"] is None
    with pytest.raises(Conflict, match="web is on VLAN 3000"):
        rack.operate(pool.register_vlan, 3000, method="RegisterVlan")
    rack.run(rack.terminate("web"))
    assert (domains(), rack.left()) == (["a"], [])
    assert "3000" not in "".join(sh("ovs-vsctl", "get", "port", port, "tag") for port in ports("rack0"))
    assert "rack0" not in virsh("dumpxml", "--inactive", "a")
    rack.operate(pool.register_vlan, 3000, method="RegisterVlan")


def test_none_is_put_on_all_vlans_of_the_hosts_own_bridge(rack: Rack) -> None:
    with pytest.raises(Denied, match="would be on all of them"):
        rack.apply("web", one('sfProcessHost "h0"; bridge "rack0"; bridgeKind "linux";'))
    assert ports("rack0") == []
    rack.run(rack.apply("web", one('bridge "rack0"; vlan 3000;')))
    with pytest.raises(Denied, match="would be on all of them"):
        rack.operate(operations.remove_attribute, "web", "a:vlan")
    assert tag("rack0") == "3000"


def test_what_is_in_the_way_of_a_start_is_told_until_it_is_not(rack: Rack) -> None:
    """Somebody may make the bridge yet, so it is tried again; but nobody has to guess why nothing happens."""
    job = rack.apply("web", one('bridge "late0"; bridgeKind "linux";'))
    rack.settle()
    rack.later(5)
    assert rack.job(job)["state"] == "running" and "late0" in notes(rack)["hindered"]
    sh("ip", "link", "add", "late0", "type", "bridge")
    try:
        assert (rack.run(job)["state"], notes(rack)) == ("done", {})
        rack.run(rack.terminate("web"))
    finally:
        sh("ip", "link", "delete", "late0")


def notes(rack: Rack) -> dict[str, str]:
    """What is told of the domain."""
    told: dict[str, str] = showing.get_components(rack.database, rack.call("GetComponents"), "web", "a")[0][
        "notes"
    ]
    return told
