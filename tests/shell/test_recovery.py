"""What an operator does when a switch dies, comes back empty, or was there before nm: by nmctl alone."""

from typing import Any

from tests.shell.conftest import Nmctl

ISOLATED: dict[str, Any] = {"untagged": None, "tagged": [], "open": False}


def state(nmctl: Nmctl, node: str) -> str:
    return str(nmctl("node", "show", node, "--json").json["result"]["state"])


def group(nmctl: Nmctl) -> None:
    nmctl("group", "create", "alpha", "--nodes", "n0,n1", "--vlan", "101")
    nmctl("deploy", "alpha", "--wait")


def test_a_node_on_a_dead_switch_is_owed_and_paid(nmctl: Nmctl) -> None:
    group(nmctl)
    nmctl.rack.set_faults("sw0", down=True)
    job = nmctl("node", "release", "n0", "--force", "--json").json["result"]
    nmctl.rack.until(lambda: "tried again" in nmctl("job", "show", str(job)).out)
    assert nmctl("group", "show", "alpha", "--json").json["result"]["nodes"] == ["n1"]
    assert state(nmctl, "n0") == "failed" and "taken back" in nmctl("node", "list").out
    assert nmctl.rack.ports("sw0")["p0"]["untagged"] == 101
    nmctl.rack.set_faults("sw0")
    nmctl("job", "wait", str(job))
    assert state(nmctl, "n0") == "free" and nmctl.rack.ports("sw0")["p0"] == ISOLATED


def test_a_replaced_switch_is_brought_back_by_one_command(nmctl: Nmctl) -> None:
    group(nmctl)
    before = nmctl.rack.ports("sw0")
    with nmctl.rack.edit("sw0") as table:
        table["vlans"] = [1]
        table["ports"] = {port: {"untagged": 1, "tagged": [], "open": True} for port in table["ports"]}
    assert "p0" in nmctl("audit", "--all", "--wait", status=9).out
    assert "group alpha" in nmctl("health", status=7).out
    told = nmctl("repair", "--switch", "sw0", "--wait").out
    assert "groups" in told and nmctl.rack.ports("sw0") == before
    assert "no differences" in nmctl("drift").out
    assert "all is well" in nmctl("health").out


def test_what_is_there_is_taken_over(nmctl: Nmctl) -> None:
    nmctl("port", "register", "sw0", "p90")
    with nmctl.rack.edit("sw0") as table:
        table["ports"]["p90"] = ISOLATED
    assert "p90" in nmctl("repair", "--switch", "sw0", "--wait").out  # left alone, and told
    assert not nmctl("port", "list", "port=p90", "--json").json["result"][0]["verified"]
    nmctl("adopt", "sw0", "p90", "--wait")
    assert nmctl("port", "list", "port=p90", "--json").json["result"][0]["verified"]
