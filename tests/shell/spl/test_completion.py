"""What Tab offers: words of the grammar, names that exist, options; and ranges of names."""

import pytest

from nm.shell.spl.completion import candidates
from tests.shell.spl.conftest import Spl


@pytest.mark.parametrize(
    ("line", "offered"),
    [
        ("dep", ["deploy"]),
        ("sho", ["show"]),
        ("show fr", ["free"]),
        ("show net", ["network"]),
        ("show free ", ["head-node", "node", "port", "vlan"]),
        ("create group new vlan 11", ["110", "111", "112", "113", "114", "115", "116", "117", "118", "119"]),
        ("create group new vlan 112 ", ["head-node"]),
        ("create group new vlan 112 vm ", ["h1", "h2"]),
        ("add n", ["n2", "n3", "n4", "n5"]),
        ("add n2,n", ["n3", "n4", "n5"]),
        ("add n2 n3 t", ["to"]),
        ("add n2,n3 to ", ["alpha"]),
        ("remove ", ["n0", "n1"]),
        ("change alpha ", ["head-node", "image", "vlan"]),
        ("change alpha vlan ", ["to"]),
        ("change alpha vlan to 10", ["102", "103", "104", "105", "106", "107", "108", "109"]),
        ("show switch ", ["sw0", "sw1"]),
        ("nic connect n4", ["n4:eth0", "n4:eth1"]),
        ("nic connect n4:eth1 sw0:d", ["sw0:d4"]),
        ("nic create 71 52:54:00:00:00:07 d", ["data0", "data1"]),
        ("create user bob re", ["reserve"]),
        ("group st", ["status"]),
        ("group status ", ["alpha"]),
        ("nmctl group status a", ["alpha"]),
        ("power n0 ", ["cycle", "disk", "n0", "n1", "n2", "n3", "n4", "n5", "off", "on", "pxe", "status"]),
        ("deploy alpha --if", ["--if-plan"]),
        ("create group new --exp", ["--expires"]),
        ("nonsense ", []),
        ("show group alpha too much ", []),
        ("node list n", ["n0", "n1", "n2", "n3", "n4", "n5"]),
        ("trunk list t", ["t0"]),
    ],
)
def test_candidates(spl: Spl, line: str, offered: list[str]) -> None:
    spl.rack.call("CreateGroup", "alpha", {"vlan": 101, "nodes": ["n0", "n1"]})
    assert candidates(spl.shell, line) == offered


def test_names_are_fetched_once_and_again_after_a_line(spl: Spl) -> None:
    assert candidates(spl.shell, "deploy ") == []
    spl.rack.call("CreateGroup", "alpha", {})
    assert candidates(spl.shell, "deploy ") == []
    spl.does("create group beta")
    assert candidates(spl.shell, "deploy ") == ["alpha", "beta"]


def test_without_a_daemon_the_words_are_still_there(spl: Spl) -> None:
    spl.rack.stop()
    assert candidates(spl.shell, "add ") == []
    assert candidates(spl.shell, "add n1 t") == ["to"]


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("n1-n3", ["n1", "n2", "n3"]),
        ("n1-3", ["n1", "n2", "n3"]),
        ("n4-n9", ["n4", "n5"]),
        ("n8-n9", ["n8-n9"]),
        ("n3-n1", ["n3-n1"]),
        ("1-4", ["1", "4"]),
        ("1-6", ["1-6"]),
        ("n1", ["n1"]),
    ],
)
def test_ranges(spl: Spl, typed: str, meant: list[str]) -> None:
    for number, name in enumerate(("1", "4", "6", "1-6")):
        nics = [{"name": "boot", "mac": f"52:54:00:00:fe:0{number}"}]
        spl.rack.call("RegisterNode", name, {"nics": nics})
    assert spl.shell.names.expand("free node", [typed]) == meant
    assert spl.shell.names.expand("vlan", [typed]) == [typed]
