"""Plans and dry runs: what they say is what then happens, and saying it changes nothing."""

from typing import Any

import pytest

from nm.methods import METHODS
from nm.shell import guide
from tests.shell.conftest import Nmctl, run
from tests.shell.sliver_stories import tell

# A line for every command that changes something by one plain method, on a rack with a group alpha of n0.
LINES = {
    "group create": "beta --nodes n2", "group add": "alpha n1", "group remove": "alpha n0",
    "group set-vlan": "alpha 110", "group set-networks": "alpha main=111", "group set-headnode": "alpha h1",
    "group set-image": "alpha none", "lend": "alpha beta n0 --until +2h",
    "group renew": "alpha +2h", "group keys": "alpha --none", "group delegations": "alpha daemon",
    "deploy": "alpha", "group destroy": "alpha", "repair": "alpha", "audit": "alpha",
    "pool audit": "", "pool repair": "", "switch repair": "sw0", "switch release": "sw0 --force",
    "switch replace": "sw0", "port repair": "sw0 p1", "power": "n0 off",
    "expiry confirm": "--all", "switch register": "sw9 --driver simulated file=/tmp/x.json ports=[]",
    "switch update": "sw0 reason= available=true", "switch unregister": "sw9", "switch inspect": "sw0",
    "switch reset": "sw0 p3", "switch adopt": "sw0 p3", "port register": "sw0 p77",
    "port update": "sw0 p5 description=spare", "trunk update": "up --native 4090",
    "port unregister": "sw0 p77",
    "trunk register": "t9 --end switch=sw0,port=p5 --end switch=sw1,port=p6", "trunk unregister": "up",
    "host register": "h9 --uri test:///default --network kind=ovs,device=br0", "host update": "vm reason=",
    "host unregister": "vm", "vlan register": "999", "vlan update": "101 shared=true",
    "vlan unregister": "119", "node register": "n9 --nic boot,52:54:00:00:99:01,sw0,p5",
    "node update": "n1 location=here", "node unregister": "n3", "node connect": "n1 boot sw0 p5",
    "node release": "n0", "node clear": "n1", "headnode register": "h9 --host vm --domain d9",
    "headnode clear": "h1",
    "source ask": "", "sliver create": "demo", "sliver destroy": "demo", "sliver start": "demo",
    "sliver stop": "demo", "sliver recreate": "demo", "sliver lend": "demo demo:cpu_min=0",
    "sliver confirm": "--all", "image register": "i9 --kind netboot", "image unregister": "spare",
    "headnode update": "h1 reason=", "headnode unregister": "h1", "delegate create": "x spy",
    "delegate keys": "x --none", "geni ready": "alpha.n0.1", "geni reopen": "alpha",
    "delegate destroy": "x", "rights set": "daemon spy", "sf terminate": "web",
    "sf end": "web a --detach",
    "sf set": "web a:memory 512", "sf unset": "web a:memory",
}  # fmt: skip
COMMANDS = {command.words: command for command in guide.commands()}
PLAIN = sorted(words for words, command in COMMANDS.items() if command.changes)


def snapshot(nmctl: Nmctl) -> dict[str, Any]:
    assert nmctl.rack.service is not None
    store = nmctl.rack.service.database
    kinds = ("switch", "port", "trunk", "host", "node", "vlan", "headnode", "group", "account", "job", "meta")
    return {record["record_key"]: record for kind in kinds for record in store.range(kind)}


@pytest.mark.parametrize("words", PLAIN)
def test_a_dry_run_changes_nothing(nmctl: Nmctl, words: str) -> None:
    nmctl.rack.call("CreateGroup", "alpha", {"nodes": ["n0"], "vlan": 102})
    if words.startswith("sliver"):
        tell(nmctl.rack, "demo")
    before = snapshot(nmctl)
    ran = run(*words.split(), *LINES[words].split(), "--dry-run")
    assert snapshot(nmctl) == before
    assert ran.status in (0, 5, 6) and (ran.status in (5, 6) or "nothing was done" in ran.out), ran
    if ran.status in (5, 6):  # it is refused as the command itself is
        real = run(*words.split(), *LINES[words].split())
        assert (real.status, real.err) == (ran.status, ran.err)


def test_every_changing_method_has_a_dry_run() -> None:
    dry = {COMMANDS[words].method for words in PLAIN}
    own = {"Import"}  # a dry run of its own, by CheckImport
    own |= {"InspectDomains"}  # looks, and changes nothing
    own |= {"CreateSliver", "DestroySliver", "DeleteSliver"}  # other names of Create and Destroy
    assert {method.name for method in METHODS.values() if method.writes} - dry - own == set()


def test_what_a_dry_run_says(nmctl: Nmctl) -> None:
    nmctl.rack.call("CreateGroup", "alpha", {})
    ran = nmctl("group", "add", "alpha", "n0", "--dry-run")
    assert ran.out.splitlines() == [
        "  ~ node n0 (group: - → alpha)",
        "  ~ group alpha (wanted)",
        "Dry run, nothing was done: 0 to add, 2 to change, 0 to remove.",
    ]
    ran = nmctl("vlan", "register", "300-301", "--dry-run")
    assert "  + vlan 300" in ran.out and "2 to add" in ran.out
    nmctl("group", "add", "alpha", "n0,n1")
    said = nmctl("deploy", "alpha", "--dry-run").out
    assert (
        "  + port sw0/p0: isolated → VLAN 101" in said
        and "a job would be started: deploy group:alpha" in said
    )


def test_a_plan_line_by_line(nmctl: Nmctl) -> None:
    nmctl.rack.call("CreateGroup", "alpha", {"nodes": ["n0"], "vlan": 102})
    nmctl.rack.deploy("alpha")
    nmctl.rack.call("RemoveNodes", "alpha", ["n0"])
    nmctl.rack.call("AddNodes", "alpha", ["n2"])
    nmctl.rack.call("SetVlan", "alpha", 103)
    lines = nmctl("plan", status=2).out.splitlines()
    assert lines[:10] == [
        "group alpha",
        "  - node n0: given out → in the pool",
        "  + node n2: in the pool → given out",
        "  - port sw0/p0: VLAN 102 → isolated",
        "  + port sw0/p2: isolated → VLAN 103",
        "  - vlan sw0/102: there → absent",
        "  + vlan sw0/103: absent → there",
        "  ~ machine list alpha: 1 machine → 1 machine",
        "      - 52:54:00:00:00:00 10.0.0.0",
        "      + 52:54:00:00:00:02 10.0.0.2",
    ]
    assert lines[-2] == "Plan: 3 to add, 1 to change, 3 to remove."
    stages = [line.split()[0] for line in lines if line.startswith("    ") and line[4].isdigit()]
    assert stages == ["1", "2", "3", "4", "5"]


def test_the_world_has_moved(nmctl: Nmctl) -> None:
    nmctl.rack.call("CreateGroup", "alpha", {"nodes": ["n0"], "vlan": 102})
    [plan] = nmctl("plan", "alpha", "--json", status=2).json["result"]
    nmctl.rack.call("AddNodes", "alpha", ["n1"])
    before = snapshot(nmctl)
    assert "another one by now" in nmctl("deploy", "alpha", "--if-plan", plan["hash"], status=6).err
    assert snapshot(nmctl) == before
    [plan] = nmctl("plan", "alpha", "--json", status=2).json["result"]
    nmctl("deploy", "alpha", "--if-plan", plan["hash"], "--wait")
    assert nmctl("plan", "alpha").out.splitlines() == [
        "group alpha", "  nothing to do: what is wanted is what is deployed"
    ]  # fmt: skip
