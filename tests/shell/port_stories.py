"""The stories of kinds of switches, and of registering all of a switch's ports, told by test_commands.py."""

from pathlib import Path

from nm.switches.simulated import edit_table
from tests.shell.conftest import Nmctl


def kinds_of_switches(nmctl: Nmctl, folder: Path) -> None:
    assert "ovs        address bridge [timeout]" in nmctl("driver", "list").out
    assert "cisco_ios" in nmctl("driver", "show", "cli").out
    shown = nmctl("driver", "show", "cli", "--json").json["result"]
    assert shown["required"] == ["dialect", "address", "user"]
    assert shown["settings"]["port"] == "int"
    assert shown["choices"]["save"] == ["always", "never"]
    assert {"cisco_ios", "ngs:netmiko_huawei"} < set(shown["choices"]["dialect"])
    assert "no driver klingon" in nmctl("driver", "show", "klingon", status=5).err


def all_ports_of_a_switch(nmctl: Nmctl, folder: Path) -> None:
    names = [f"e1/{number}" for number in range(1, 121)]  # more than one call, or one bite, may change
    settings = {"driver": "simulated", "file": str(folder / "all"), "ports": names}
    nmctl.rack.call("RegisterSwitch", "sw8", settings)
    nmctl("port", "register", "sw8", "e1/1-3")
    said = nmctl("port", "register", "sw8", "--all")
    assert said.out == "switch sw8: 117 ports registered, 3 there already\n"
    assert [port["port"] for port in nmctl.rack.call("GetPorts", {"switch": "sw8"})] == names
    assert nmctl("port", "register", "sw8", "--all").out == (
        "switch sw8: nothing to register, 120 ports there already\n"
    )
    nmctl("port", "unregister", "sw8", "e1/7-8")
    told = nmctl("port", "register", "sw8", "--all", "--json").json["result"]
    assert told == {"registered": ["e1/7", "e1/8"], "same": 118}
    with edit_table(folder / "all") as table:
        table["faults"]["down"] = True
    nmctl("port", "unregister", "sw8", "e1/9")
    assert "inspect sw8 failed" in nmctl("port", "register", "sw8", "--all", status=7).err
    assert len(nmctl.rack.call("GetPorts", {"switch": "sw8"})) == 119
    nmctl("port", "register", "sw8", status=2)
    nmctl("port", "register", "sw8", "e1/9", "--all", status=2)
    nmctl("port", "register", "sw8", "--all", "--dry-run", status=2)
    nmctl("port", "unregister", "sw8", "e1/1-8", "e1/10-120")
    nmctl("switch", "unregister", "sw8")


def a_switch_at_another_port(nmctl: Nmctl, folder: Path) -> None:
    cli = ["dialect=cisco_ios", "address=192.0.2.9", "user=007"]
    nmctl("switch", "register", "sw7", "--driver", "cli", *cli, "port=2222")
    assert [nmctl.one("GetSwitches", name="sw7")[key] for key in ("port", "user")] == [2222, "007"]
    nmctl("switch", "update", "sw7", "port=2223")
    assert nmctl.one("GetSwitches", name="sw7")["port"] == 2223
    nmctl("switch", "unregister", "sw7")
