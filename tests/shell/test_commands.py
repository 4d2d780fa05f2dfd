"""Every command once, against a whole nm, its effect read back through the API and on the switches."""

import json
import os
import signal
import subprocess
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from nm.methods import API_VERSION, METHODS
from nm.shell import guide
from nm.switches.simulated import edit_table
from tests.rack import Rack
from tests.shell.account_stories import delegates, rights_of_accounts
from tests.shell.conftest import Nmctl, run
from tests.shell.database_stories import databases
from tests.shell.description_story import descriptions
from tests.shell.geni_stories import an_aggregate, clearing_house, set_up_by_hand
from tests.shell.health_story import health
from tests.shell.image_stories import images, images_of_groups
from tests.shell.loan_stories import loans_of_nodes
from tests.shell.pool_story import (
    domains_as_descriptions,
    mistakes_in_pools,
    pictures_of_descriptions,
    pools,
    smartfrogs_words,
)
from tests.shell.port_stories import a_switch_at_another_port, all_ports_of_a_switch, kinds_of_switches
from tests.shell.prompt_story import the_shell
from tests.shell.recovery_story import a_dead_switch
from tests.shell.site_stories import whole_sites
from tests.shell.sliver_stories import slivers, slivers_that_end, slivers_that_lend
from tests.shell.source_stories import a_source, a_ticket
from tests.shell.test_program import start

Story = Callable[[Nmctl, Path], None]
STORIES: dict[str, Story] = {}
MAC = "52:54:00:00:ff:01"
KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIHG9PQ9B8t1vHzn9pYc0R0nGzqXhUjBq0jXo3aJfY1xL alice"


def story(*commands: str) -> Callable[[Story], Story]:
    """The test of these commands."""

    def note(function: Story) -> Story:
        STORIES.update(dict.fromkeys(commands, function))
        return function

    return note


def group_of_two(nmctl: Nmctl) -> Rack:
    nmctl.rack.call("CreateGroup", "alpha", {"nodes": ["n0", "n1"]})
    nmctl.rack.deploy("alpha")
    return nmctl.rack


def port(nmctl: Nmctl, node: str) -> Any:
    switch, name = nmctl.rack.home(node)
    return nmctl.rack.ports(switch)[name]


# ---- the pool


@story("switch list", "switch show", "switch register", "switch update", "switch unregister", "port register",
       "port list", "port show", "port update", "port unregister")  # fmt: skip
def switches_and_ports(nmctl: Nmctl, folder: Path) -> None:
    table = str(folder / "extra.json")
    nmctl("switch", "register", "sw9", "--driver", "simulated", f"file={table}", 'ports=["1", "2", "3"]')
    assert nmctl.one("GetSwitches", name="sw9")["file"] == table
    assert "sw9   simulated" in nmctl("switch", "list").out
    assert nmctl("switch", "list", "name=sw9", "--json").json["result"][0]["name"] == "sw9"
    shown = nmctl("switch", "show", "sw9", "--json").json["result"]
    assert shown["driver"] == "simulated"
    nmctl("switch", "update", "sw9", "available=false", "reason=fan")
    assert nmctl.one("GetSwitches", name="sw9")["reason"] == "fan"

    nmctl("port", "register", "sw9", "1", "2", "3", "--description", "lab bench")
    assert [p["port"] for p in nmctl.rack.call("GetPorts", {"switch": "sw9"})] == ["1", "2", "3"]
    assert nmctl.one("GetPorts", switch="sw9", port="1")["description"] == "lab bench"
    nmctl("port", "update", "sw9", "1", "description=roof")
    assert nmctl("port", "show", "sw9", "1", "--json").json["result"]["description"] == "roof"
    assert nmctl.one("GetPorts", switch="sw9", port="1")["description"] == "roof"
    assert "sw9     3     -        no" in nmctl("port", "list", "switch=sw9").out
    nmctl("port", "unregister", "sw9", "1", "2", "3")
    assert nmctl.rack.call("GetPorts", {"switch": "sw9"}) == []
    nmctl("switch", "unregister", "sw9")
    assert nmctl.rack.call("GetSwitches", {"name": "sw9"}) == []


@story("switch inspect", "switch state")
def reading_a_switch(nmctl: Nmctl, folder: Path) -> None:
    with nmctl.rack.edit("sw0") as table:
        table["ports"]["p0"]["untagged"] = 120
    found = nmctl("switch", "inspect", "sw0", "--wait")
    assert "simulated switch" in found.out
    assert "untagged 120" in found.out
    assert nmctl("switch", "inspect", "sw0", "--json", "--wait").json["result"]["state"] == "done"
    state = nmctl("switch", "state", "sw0")
    assert "p0    untagged 120" in state.out
    assert "p2    isolated" in state.out


@story("switch reset", "switch adopt")
def resetting_and_adopting(nmctl: Nmctl, folder: Path) -> None:
    settings = {"driver": "simulated", "file": str(folder / "9"), "ports": ["1", "2"]}
    nmctl.rack.call("RegisterSwitch", "sw9", settings)
    nmctl("port", "register", "sw9", "1", "2")
    nmctl("switch", "reset", "sw9", "1", "--wait")
    assert nmctl.one("GetPorts", switch="sw9", port="1")["verified"]
    assert not nmctl.one("GetPorts", switch="sw9", port="2")["verified"]
    refused = nmctl("switch", "adopt", "sw9", "--all", "--wait", status=9)
    assert "done in part: 2: refused" in refused.err
    assert refused.err.count("refused") == 1
    assert "isolated" in refused.out
    assert "refused" not in refused.out
    assert not nmctl.one("GetPorts", switch="sw9", port="2")["verified"]
    with edit_table(folder / "9") as table:
        table["ports"]["2"] = table["ports"]["1"]
    nmctl("switch", "adopt", "sw9", "--all", "--wait")
    assert nmctl.one("GetPorts", switch="sw9", port="2")["verified"]


@story("trunk list", "trunk show", "trunk register", "trunk update", "trunk unregister", "host list",
       "host show", "host register", "host update", "host unregister")  # fmt: skip
def trunks_and_hosts(nmctl: Nmctl, folder: Path) -> None:
    nmctl("port", "register", "sw1", "up")
    nmctl("host", "register", "h0", "--uri", "qemu:///system", "--network", "kind=ovs,device=br0")
    host = nmctl.one("GetHosts", name="h0")
    assert (host["uri"], host["network"]) == ("qemu:///system", {"kind": "ovs", "device": "br0"})
    ends = ("--end", "switch=sw1,port=up", "--end", "host=h0,device=br0")
    nmctl("trunk", "register", "t9", *ends, "--native", "2")
    assert nmctl.one("GetTrunks", name="t9")["native"] == 2
    assert "sw1:up -- h0:br0" in nmctl("trunk", "list").out
    assert nmctl("trunk", "show", "t9", "--json").json["result"]["name"] == "t9"
    nmctl("host", "update", "h0", "available=false", "reason=moved")
    assert "moved" in nmctl("host", "list").out
    assert nmctl("host", "show", "h0", "--json").json["result"]["available"] is False
    nmctl("trunk", "update", "t9", "--native", "3")
    assert nmctl.one("GetTrunks", name="t9")["native"] == 3
    nmctl("trunk", "unregister", "t9")
    nmctl("host", "unregister", "h0")
    assert nmctl.rack.call("GetHosts", {"name": "h0"}) == []


@story("node list", "node show", "node register", "node update", "node connect", "node unregister")
def nodes(nmctl: Nmctl, folder: Path) -> None:
    nmctl("port", "register", "sw0", "7", "8")
    nmctl("node", "register", "m1", "--nic", f"boot,{MAC},sw0,7,boot", "--management",
          f"driver=simulated,file={folder / 'm1'},address=10.9.9.9", "--id", "7", "location=12",
          "metadata.rack=4")  # fmt: skip
    node = nmctl.one("GetNodes", name="m1")
    assert node["nics"] == [{"name": "boot", "mac": MAC, "switch": "sw0", "port": "7", "role": "boot"}]
    assert node["management"]["address"] == "10.9.9.9"
    assert (node["id"], node["location"], node["metadata"]) == (7, "12", {"rack": 4})
    nmctl("node", "update", "m1", "hostname=m1.example.org")
    assert nmctl.one("GetNodes", name="m1")["hostname"] == "m1.example.org"
    nmctl("node", "connect", "m1", "boot", "sw0", "8")
    assert nmctl.one("GetNodes", name="m1")["nics"][0]["port"] == "8"
    assert MAC in nmctl("node", "show", "m1").out
    listed = nmctl("node", "list").out.splitlines()
    assert listed[0].split() == ["NAME", "STATE", "GROUP", "NICS", "ADDRESS", "NOTE"]
    assert listed[1].split() == ["m1", "unverified", "-", "boot", "sw0:8", "m1.example.org", "-"]
    free = nmctl("node", "list", "--free", "--json").json["result"]
    assert [node["name"] for node in free] == ["n0", "n1", "n2", "n3"]
    assert "m1" in nmctl("node", "list", "name=n0,m1", "--json").out
    nmctl("node", "unregister", "m1,n3")
    assert [node["name"] for node in nmctl.rack.call("GetNodes", {})] == ["n0", "n1", "n2"]


@story("vlan list", "vlan show", "vlan register", "vlan update", "vlan unregister")
def vlans(nmctl: Nmctl, folder: Path) -> None:
    nmctl("vlan", "register", "200,205-207")
    nmctl("vlan", "register", "300", "--shared")
    assert [v["id"] for v in nmctl.rack.call("GetVlans", {"id": [200, 205, 206, 207]})] == [
        200,
        205,
        206,
        207,
    ]
    assert nmctl.one("GetVlans", id=300)["shared"]
    nmctl("vlan", "update", "200", "available=false", "reason=12")
    assert nmctl("vlan", "show", "200", "--json").json["result"]["reason"] == "12"
    assert [v["id"] for v in nmctl("vlan", "list", "id=200,205", "--free", "--json").json["result"]] == [205]
    nmctl("vlan", "unregister", "200", "205-207")
    assert nmctl.rack.call("GetVlans", {"id": [200, 205, 206, 207]}) == []


@story("headnode list", "headnode show", "headnode register", "headnode update", "headnode clear",
       "headnode unregister")  # fmt: skip
def head_nodes(nmctl: Nmctl, folder: Path) -> None:
    nmctl("headnode", "register", "head1", "--host", "vm", "--domain", "vm-1")
    assert nmctl.one("GetHeadNodes", name="head1")["domain"] == "vm-1"
    nmctl("headnode", "update", "head1", "available=false", "reason=kept")
    assert nmctl("headnode", "show", "head1", "--json").json["result"]["reason"] == "kept"
    nmctl("headnode", "update", "head1", "available=true")
    dirty(nmctl, "headnode_head1")
    assert nmctl.one("GetHeadNodes", name="head1")["state"] == "dirty"
    assert "dirty" in nmctl("headnode", "list").out
    nmctl("headnode", "clear", "head1")
    assert nmctl.one("GetHeadNodes", name="head1")["state"] == "free"
    nmctl("headnode", "unregister", "head1")
    assert nmctl.rack.call("GetHeadNodes", {"name": "head1"}) == []


def dirty(nmctl: Nmctl, key: str) -> None:
    """As a worker would mark it."""
    assert nmctl.rack.service is not None
    nmctl.rack.service.database.transact(lambda tx: tx.put({**(tx.get(key) or {}), "_dirty": True}))


@story("node clear", "node release")
def taking_nodes_back(nmctl: Nmctl, folder: Path) -> None:
    dirty(nmctl, "node_n3")
    nmctl("node", "clear", "n3")
    assert nmctl.one("GetNodes", name="n3")["state"] == "free"
    group_of_two(nmctl)
    nmctl("node", "release", "n0", "--wait")
    assert port(nmctl, "n0")["untagged"] is None
    assert nmctl.one("GetGroups", name="alpha")["nodes"] == ["n1"]
    nmctl("node", "release", "n1", "--force", "--wait")
    assert port(nmctl, "n1")["untagged"] is None
    assert nmctl.one("GetNodes", name="n1")["group"] is None


@story("power")
def power(nmctl: Nmctl, folder: Path) -> None:
    nmctl("power", "n0,n1", "on", "--wait")
    assert nmctl("node", "power", "n0", "status", "--wait", "--json").json["result"][0]["result"] == "on"
    assert "result: on" in nmctl("power", "n1", "status", "--wait").out
    nmctl("power", "n0", "off", "--wait")
    assert "result: off" in nmctl("power", "n0", "status", "--wait").out


# ---- groups


@story("group create", "group list", "group show", "group status")
def making_a_group(nmctl: Nmctl, folder: Path) -> None:
    keys = folder / "keys"
    keys.write_text(f"# people\n{KEY}\n")
    nmctl("group", "create", "alpha", "--vlan", "105", "--nodes", "n0,n1", "--expires", "+2d",
          "--alias", "urn:x", "--delegate", "daemon", "--delegate", "bin:PowerNode", "--key-file", str(keys),
          "--owner", "nobody", "--network", "storage=107:eth9:tagged")  # fmt: skip
    group = nmctl.one("GetGroups", name="alpha")
    assert (group["vlan"], group["nodes"], group["alias"]) == (105, ["n0", "n1"], "urn:x")
    assert abs(group["expires"] - time.time() - 2 * 86400) < 60
    assert [(d["name"], d["method"]) for d in group["delegations"]] == [
        ("daemon", None),
        ("bin", "PowerNode"),
    ]
    assert group["networks"]["storage"] == {"vlan": 107, "nics": ["eth9"], "tagged": True}
    assert group["owner"]["name"] == "nobody"
    assert "alpha  staged  yes      105   n0, n1" in nmctl("group", "list").out
    assert "in 2d" in nmctl("group", "show", "alpha").out
    assert "n0    joining" in nmctl("group", "status", "urn:x").out
    nmctl("group", "create", "beta", "--expires", "never")
    assert nmctl.one("GetGroups", name="beta")["expires"] is None


@story("group add", "group remove", "group set-vlan", "group set-networks", "group set-headnode")
def editing_a_group(nmctl: Nmctl, folder: Path) -> None:
    nmctl.rack.call("CreateGroup", "alpha", {})
    nmctl("group", "add", "alpha", "n0,n1", "n2")
    nmctl("group", "remove", "alpha", "n1")
    nmctl("group", "set-vlan", "alpha", "110")
    assert nmctl.one("GetGroups", name="alpha")["nodes"] == ["n0", "n2"]
    assert nmctl.one("GetGroups", name="alpha")["vlan"] == 110
    nmctl("group", "set-networks", "alpha", "main=111", "storage=any:eth1,eth2:tagged")
    networks = nmctl.one("GetGroups", name="alpha")["networks"]
    assert networks["main"]["vlan"] == 111 and networks["storage"]["tagged"]
    nmctl.rack.call("RegisterHeadNode", "head1", {"host": "vm", "domain": "vm-1"})
    nmctl("group", "set-headnode", "alpha", "head1")
    assert nmctl.one("GetGroups", name="alpha")["headnode"] == "head1"
    nmctl("group", "set-headnode", "alpha", "none")
    assert nmctl.one("GetGroups", name="alpha")["headnode"] is None


@story("plan", "deploy", "group destroy")
def deploying(nmctl: Nmctl, folder: Path) -> None:
    nmctl.rack.call("CreateGroup", "alpha", {"nodes": ["n0", "n1"], "vlan": 101})
    [plan] = nmctl("plan", "alpha", "--json", status=2).json["result"]
    shown = nmctl("group", "plan", status=2).out
    assert f"nmctl deploy alpha --if-plan {plan['hash']}" in shown
    assert f"{len(plan['changes'])} to add, 0 to change, 0 to remove" in shown
    assert port(nmctl, "n0")["untagged"] is None
    nmctl("deploy", "alpha", "--if-plan", "0", status=6)
    done = nmctl("deploy", "alpha", "--if-plan", plan["hash"], "--wait")
    assert "done" in done.out
    assert f"{len(plan['steps'])}/{len(plan['steps'])}" in done.err
    assert port(nmctl, "n0")["untagged"] == port(nmctl, "n1")["untagged"] == 101
    assert "nothing to do" in nmctl("group", "plan", "alpha").out
    assert "nothing to do" in nmctl("plan").out
    nmctl("group", "destroy", "alpha", "--wait")
    assert nmctl.rack.call("GetGroups", {}) == []
    assert port(nmctl, "n0")["untagged"] is None


@story("group renew", "group keys", "group delegations")
def changing_a_group_at_once(nmctl: Nmctl, folder: Path) -> None:
    nmctl.rack.call("CreateGroup", "alpha", {})
    nmctl("group", "renew", "alpha", "2030-01-01T00:00Z")
    assert nmctl.one("GetGroups", name="alpha")["expires"] == 1893456000
    nmctl("group", "renew", "alpha", "2040-01-01T00:00Z")
    assert nmctl.one("GetGroups", name="alpha")["expires"] == 2208988800
    keys = folder / "keys"
    keys.write_text(f"{KEY}\n")
    nmctl("group", "keys", "alpha", str(keys))
    assert nmctl.rack.service is not None
    stored = nmctl.rack.service.database.get("group_alpha")
    assert stored is not None
    assert stored["keys"] == [keys.read_text().strip()]
    nmctl("group", "delegations", "alpha", "daemon", "bin:Deploy")
    assert [d["method"] for d in nmctl.one("GetGroups", name="alpha")["delegations"]] == [None, "Deploy"]
    nmctl("group", "delegations", "alpha", "--none")
    assert nmctl.one("GetGroups", name="alpha")["delegations"] == []


@story("audit", "repair")
def auditing_and_repairing(nmctl: Nmctl, folder: Path) -> None:
    group_of_two(nmctl)
    assert "never audited" in nmctl("audit", "alpha", "--last").out
    with nmctl.rack.edit("sw0") as table:
        table["ports"]["p0"]["untagged"] = 120
    found = nmctl("audit", "alpha", "--wait", status=9).out
    assert "p0" in found
    assert "120" in found
    assert len(nmctl("audit", "alpha", "--last", "--json").json["result"]["differences"]) == 1
    assert "1 difference\n" in nmctl("events").out
    assert "differs in 1 place:" in nmctl("health", status=7).out
    nmctl("group", "repair", "alpha", "--wait")
    nmctl.rack.until(lambda: port(nmctl, "n0")["untagged"] == 101)
    assert nmctl("group", "audit", "alpha", "--wait", "--json").json["result"]["differences"] == []
    job = nmctl("audit", "alpha", "--json").json["result"]
    assert nmctl.rack.wait(job)["state"] == "done"


@story("pool audit", "pool repair", "switch repair", "port repair", "drift")
def auditing_and_repairing_everything(nmctl: Nmctl, folder: Path) -> None:
    group_of_two(nmctl)
    assert "never audited" in nmctl("drift").out
    with nmctl.rack.edit("sw0") as table:
        table["ports"]["p0"]["untagged"] = table["ports"]["p2"]["untagged"] = 120
    found = nmctl("audit", "--wait", "--all", status=9).out
    assert "p0" in found and "p2" in found and "120" in found
    assert nmctl("drift", "--json").json["result"]["groups"].keys() == {"alpha"}
    assert "120" in nmctl("drift").out
    nmctl("repair", "--port", "sw0", "p0", "--wait")
    assert port(nmctl, "n0")["untagged"] == 101 and port(nmctl, "n2")["untagged"] == 120
    nmctl("repair", "--switch", "sw0", "--wait")
    assert port(nmctl, "n2")["untagged"] is None
    nmctl("repair", "--switch=sw1", "--wait")
    nmctl("repair", "--all", "--wait")
    assert "no differences" in nmctl("pool", "audit", "--wait").out
    assert "no differences" in nmctl("drift").out


@story("expiry holds", "expiry confirm")
def ends_that_are_held_back(nmctl: Nmctl, folder: Path) -> None:
    assert "no end is held back" in nmctl("expiry", "holds").out
    end = int(time.time()) + 2
    for number in range(7):
        nmctl.rack.call("CreateGroup", f"g{number}", {"expires": end})
    nmctl.rack.until(lambda: len(nmctl.rack.call("GetHolds")) == 7)
    assert "g4" in nmctl("expiry", "holds").out
    nmctl("expiry", "confirm", "g0", "g1")
    nmctl.rack.until(lambda: len(nmctl.rack.call("GetGroups", {})) == 5)
    nmctl("expiry", "confirm", "--all")
    nmctl.rack.until(lambda: nmctl.rack.call("GetGroups", {}) == [])


# ---- the daemon


@story("job show", "job wait")
def jobs(nmctl: Nmctl, folder: Path) -> None:
    nmctl.rack.call("CreateGroup", "alpha", {"nodes": ["n0"]})
    started = nmctl("deploy", "alpha")
    number = started.out.split()[1]
    assert f"nmctl job wait {number}" in started.err
    assert "done" in nmctl("job", "wait", number).out
    assert nmctl("job", "wait", number, "--json", "--seconds", "1").json["result"]["state"] == "done"
    assert "group:alpha" in nmctl("job", "show", number).out
    assert nmctl("--quiet", "deploy", "alpha").out.strip().isdigit()


@story("events")
def events(nmctl: Nmctl, folder: Path) -> None:
    nmctl.rack.call("CreateGroup", "alpha", {})
    for number in range(3):
        nmctl.rack.call("RenewGroup", "alpha", time.time() + 1000 + number)
    newest = nmctl("events", "--limit", "3", "--json").json["result"]
    assert [event["what"] for event in newest] == ["renewed"] * 3
    assert newest[-1]["id"] == nmctl.rack.call("GetEvents", 0, 1000)[-1]["id"]
    last = nmctl("events", "--after", str(newest[1]["id"]), "--json").json["result"]
    assert [event["id"] for event in last] == [newest[2]["id"]]
    everything = nmctl("events", "--after", "0", "--limit", "5000", "--json").json["result"]
    assert everything == nmctl.rack.call("GetEvents", 0, 1000)
    assert "renewed" in nmctl("events").out


@story("watch")
def watching(nmctl: Nmctl, folder: Path) -> None:
    nmctl.rack.call("CreateGroup", "alpha", {})
    nmctl.rack.call("CreateGroup", "beta", {})
    with start("watch", "beta", "--since", "1h", stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert "group beta  created" in process.stdout.readline()
        nmctl.rack.call("RenewGroup", "alpha", time.time() + 1000)
        nmctl.rack.call("RenewGroup", "beta", time.time() + 1000)
        assert "group beta  renewed" in process.stdout.readline()
        process.send_signal(signal.SIGINT)
        assert process.wait(30) == 130
    assert "is not a time that is over" in nmctl("watch", "--since", "+1h", status=2).err


@story("map")
def drawing_the_rack(nmctl: Nmctl, folder: Path) -> None:
    group_of_two(nmctl)
    drawn = nmctl("map").out
    assert " A  alpha  VLAN 101  deployed  n0 n1" in drawn
    assert "\x1b" not in drawn
    [home] = [port for port in nmctl("map", "--json").json["result"]["ports"] if port["node"] == "n0"]
    assert (home["group"], home["vlan"], home["state"]) == ("alpha", 101, "joined")
    assert "--watch draws on a terminal" in nmctl("map", "--watch", status=2).err


@story("web")
def serving_the_page(nmctl: Nmctl, folder: Path) -> None:
    with start("web", "--json", stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        url = json.loads(process.stdout.readline())["result"]["url"]
        with urllib.request.urlopen(url) as answer:
            assert b"<h1>The rack</h1>" in answer.read()
        process.send_signal(signal.SIGINT)
        assert process.wait(30) == 0
    assert "not the number of a TCP port" in nmctl("web", "--port", "99999", status=2).err


@story("job list")
def listing_jobs(nmctl: Nmctl, folder: Path) -> None:
    group_of_two(nmctl)
    listed = nmctl("job", "list", "--json").json["result"]
    assert listed == nmctl.rack.call("GetJobs", {})
    assert f"{listed[-1]['id']}" in nmctl("job", "list", "state=done").out
    assert nmctl("job", "list", "--running", "--json").json["result"] == []


@story("whoami", "version", "methods", "help", "call", "backup")
def the_daemon(nmctl: Nmctl, folder: Path) -> None:
    assert nmctl("whoami", "--json").json["result"]["uid"] == os.geteuid()
    assert nmctl("version", "--json").json["result"]["api"] == API_VERSION
    assert nmctl("methods").out.split() == sorted(METHODS)
    assert nmctl("help", "PowerNode").out.startswith("PowerNode(node, action)")
    assert nmctl("help", "RegisterPort", "--signature").out.splitlines() == [
        "(string, string) -> int",
        "(string, string, struct) -> int",
    ]
    assert "UnregisterVlan" in nmctl("help", "--all").out
    nmctl("call", "CreateGroup", "alpha", '{"nodes": ["n0"]}')
    assert json.loads(nmctl("call", "GetGroups", '{"name": "alpha"}').out)[0]["nodes"] == ["n0"]
    nmctl("backup", str(folder / "copy"))
    assert (folder / "copy").stat().st_size > 0


story("import", "export")(whole_sites)
story("driver list", "driver show")(kinds_of_switches)
story("switch register")(a_switch_at_another_port)
story("port register")(all_ports_of_a_switch)
story("health")(health)
story("sf check", "sf resolve", "sf fmt")(descriptions)
story("sf plan", "sf apply", "sf update", "sf status", "sf list", "sf set", "sf unset",
      "sf show", "sf end", "sf terminate")(pools)  # fmt: skip
story("sf diff")(mistakes_in_pools)
story("sf start", "sf stop", "sf run")(smartfrogs_words)
story("sf graph")(pictures_of_descriptions)
story("sf import")(domains_as_descriptions)
story("shell")(the_shell)
story("image list", "image show", "image register", "image unregister", "console")(images)
story("group set-image")(images_of_groups)
story("source show", "source ask")(a_source)
story("ticket")(a_ticket)
story("sliver list", "sliver show", "sliver create", "sliver destroy", "sliver start", "sliver stop",
      "sliver recreate", "sliver record", "sliver keys", "sliver uids")(slivers)  # fmt: skip
story("sliver lend", "sliver loans", "sliver rspec")(slivers_that_lend)
story("sliver confirm")(slivers_that_end)
story("lend")(loans_of_nodes)
story("database check", "database show", "database restore")(databases)
story("switch release", "switch replace")(a_dead_switch)
story(
    "geni init",
    "geni trust",
    "geni untrust",
    "geni list",
    "geni user",
    "geni slice",
    "geni credential",
    "geni revoke",
    "geni delegate",
)(clearing_house)
story(
    "geni getversion",
    "geni listresources",
    "geni describe",
    "geni allocate",
    "geni provision",
    "geni status",
    "geni renew",
    "geni poa",
    "geni delete",
)(an_aggregate)
story("geni reservations", "geni ready", "geni shutdown", "geni reopen")(set_up_by_hand)
story("rights set", "delegate list", "delegate show")(rights_of_accounts)
story("delegate create", "delegate destroy", "delegate keys")(delegates)


# ---- all of it


@pytest.mark.parametrize("function", sorted({f.__name__ for f in STORIES.values()}))
def test_story(function: str, nmctl: Nmctl, tmp_path: Path) -> None:
    next(f for f in STORIES.values() if f.__name__ == function)(nmctl, tmp_path)


def test_every_command_has_its_story() -> None:
    assert set(STORIES) == {command.words for command in guide.commands()}


def test_every_method_is_reached_by_some_command() -> None:
    reached = {method for command in guide.commands() for method in (command.method, *command.uses)}
    assert set(METHODS) - reached == set()
    assert reached - set(METHODS) == {""}


def test_no_two_commands_have_the_same_words() -> None:
    words = [words for command in guide.commands() for words in (command.words, *command.also)]
    assert len(words) == len(set(words))


def test_what_is_done_in_part(nmctl: Nmctl) -> None:
    ran = run("vlan", "register", "119-122", "--json")
    assert ran.status == 9
    assert ran.json["ok"] is False
    assert ran.json["error"]["code"] == 105
    assert ran.json["result"] == [1, 1]
    assert [v["id"] for v in nmctl.rack.call("GetVlans", {"id": [119, 120, 121, 122]})] == [
        119,
        120,
        121,
        122,
    ]
    both = run("vlan", "register", "119", "120")
    assert both.status == 6
    assert both.err.count("hint: ") == 2
    assert run("vlan", "register", "119,130").status == 9


def test_equal_errors_are_told_once(nmctl: Nmctl) -> None:
    refused = run("port", "register", "sw77", "p1", "p2", "p3")
    assert refused.status == 5
    assert len(refused.err.splitlines()) == 2
    assert refused.err.startswith("nmctl: no switch sw77")


def test_a_job_that_does_nothing_has_failed(nmctl: Nmctl) -> None:
    nmctl.rack.set_faults("sw0", reject=["p0", "p2"])
    refused = run("switch", "reset", "sw0", "p0", "p2", "--wait")
    assert refused.status == 7, refused
    assert "nothing was done: p0: " in refused.err
    assert refused.err.count("p2: ") == 1
    assert refused.out == ""
    assert run("switch", "reset", "sw0", "p0", "p2", "--wait", "--json").json["error"]["code"] == 107
    nmctl.rack.set_faults("sw0", reject=["p2"])
    partly = run("switch", "reset", "sw0", "p0", "p2", "--wait")
    assert partly.status == 9
    assert "p0  isolated" in partly.out
    assert "done in part: p2: " in partly.err


def test_a_job_that_fails(nmctl: Nmctl) -> None:
    with nmctl.rack.edit("sw0") as table:
        table["faults"]["down"] = True
    ran = run("switch", "inspect", "sw0", "--wait", "--json")
    assert ran.status == 7
    assert ran.json["error"]["code"] == 107
    assert "inspect sw0 failed" in ran.json["error"]["message"]
    number = nmctl.last_job()
    shown = nmctl("job", "show", number).out
    told = nmctl("job", "show", number, "--json").json["result"]["error"]
    assert told["code"] == 107
    assert "code=" not in shown
    assert told["text"].partition(";")[0] in shown
