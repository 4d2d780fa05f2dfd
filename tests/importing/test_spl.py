"""SPL's data files, imported as they are."""

import io
from pathlib import Path
from typing import Any

import pytest

from nm.shell import importing
from nm.shell.output import Output
from nm.shell.session import Choice, Session
from nm.site import BadFiles, load
from tests.importing.conftest import Office
from tests.importing.samples import SPL, write


def test_the_sample_files_are_imported_as_they_are(office: Office, tmp_path: Path) -> None:
    ran = office.nmctl("import", str(write(tmp_path / "data", SPL)), "--yes")
    assert "+ 3 nodes: 1, 4, 6" in ran.out and "+ 5 VLANs: 101, 102, 103, 104, 105" in ran.out
    nodes = office.call("GetNodes", {})
    assert [(node["name"], node["id"], node["ip"]) for node in nodes] == [
        ("1", 1, "10.0.0.1"), ("4", 4, "10.0.0.4"), ("6", 6, "10.0.0.6"),
    ]  # fmt: skip
    assert nodes[1]["nics"] == [
        {"name": "boot", "mac": "00:23:ae:92:9f:48", "switch": "1", "port": "7", "role": "boot"}
    ]
    assert [node["state"] for node in nodes] == ["out"] * 3
    for switch, script in zip(office.call("GetSwitches", {}), ("cisco_snmp.py", "tp_link.py"), strict=True):
        assert (switch["driver"], switch["available"]) == ("none", False)
        assert script in switch["reason"]
    ports = {(port["switch"], port["port"]): port for port in office.call("GetPorts", {})}
    assert list(ports) == [("1", "1"), ("1", "7"), ("1", "11"), ("2", "1"), ("2", "2"), ("2", "3")]
    assert ports["1", "11"]["node"] == "6" and ports["2", "1"]["node"] is None
    assert ports["1", "11"]["description"] == "SPL's port 203"
    assert [vlan["id"] for vlan in office.call("GetVlans", {"free": True})] == [101, 102, 103, 104, 105]
    heads = office.call("GetHeadNodes", {})
    assert [head["domain"] for head in heads] == SPL["vm.txt"].split()
    assert {(head["host"], head["state"]) for head in heads} == {("local", "out")}
    rights = {one["name"]: one["rights"] for one in office.call("GetDelegates", {})}
    assert rights == {"alice": {"reserve": True}, "bob": {"reserve": True}}


def test_people_and_passwords(office: Office, tmp_path: Path) -> None:
    users = "admin sesame admin\nalice sesame plain\ncarol sesame plain\n"
    ran = office.nmctl("import", str(write(tmp_path / "data", {"user.txt": users})), "--yes")
    assert "passwords are dropped" in ran.err
    assert "no account carol" in ran.err and "nmctl rights set" in ran.err
    assert "members of the Unix group nm-admin" in ran.err
    assert [one["name"] for one in office.call("GetDelegates", {})] == ["alice"]
    assert "sesame" not in ran.out + ran.err
    assert "sesame" not in str(office.records())


def test_who_has_no_account_becomes_a_delegate_where_nm_makes_accounts(tmp_path: Path) -> None:
    office = Office(tmp_path / "nm", shell="/bin/sh")
    try:
        told = office.call("CheckImport", load([write(tmp_path / "data", SPL)]).text())
        assert {"kind": "account", "name": "alice", "text": "reserve"} in told["add"]
        told = office.call("CheckImport", '{"users": {"carol": {"type": "plain"}}}')
        assert [thing["name"] for thing in told["add"]] == ["carol"]
        assert "delegate without keys" in told["notices"][0]
    finally:
        office.rack.stop()


def test_again_there_is_nothing_to_add(office: Office, tmp_path: Path) -> None:
    data = str(write(tmp_path / "data", SPL))
    office.nmctl("import", data, "--yes")
    revision = office.revision
    assert "0 to add, 23 there already" in office.nmctl("import", data).out
    assert office.revision == revision


def test_a_switch_gets_its_driver_and_serves(office: Office, tmp_path: Path) -> None:
    """The way an operator goes on: give the switch a driver, reset it, hand its nodes out."""
    office.nmctl("import", str(write(tmp_path / "data", SPL)), "--yes")
    office.nmctl("switch", "inspect", "1", "--wait", status=7)
    more = (f"file={tmp_path / '1.json'}", 'ports=["1", "7", "11"]', "available=true")
    office.nmctl("switch", "update", "1", "driver=simulated", *more)
    office.nmctl("switch", "reset", "1", "--all", "--wait")
    office.nmctl("host", "update", "local", 'network={"kind": "linux", "device": "eno1"}', "available=true")
    assert {head["state"] for head in office.call("GetHeadNodes", {})} == {"free"}
    assert [node["name"] for node in office.call("GetNodes", {"free": True})] == ["1", "4", "6"]
    office.call("CreateGroup", "alpha", {"nodes": ["1", "4"]})
    office.rack.deploy("alpha")
    assert (office.call("GetStatus", "alpha"))["state"] == "deployed"


def test_the_first_generation_had_ranges_of_vlans_and_no_technology(office: Office, tmp_path: Path) -> None:
    office.nmctl(
        "import", str(write(tmp_path / "data", {"network.txt": "100,105-110\n\n# more\n200\n"})), "--yes"
    )
    assert [vlan["id"] for vlan in office.call("GetVlans", {})] == [100, *range(105, 111), 200]


def test_head_nodes_of_a_host_that_is_there(office: Office, tmp_path: Path) -> None:
    network = {"kind": "ovs", "device": "br0"}
    office.call("RegisterHost", "vmhost", {"uri": "qemu:///system", "network": network})
    data = str(write(tmp_path / "data", {"vm.txt": SPL["vm.txt"]}))
    refused = office.nmctl("import", data, "--yes", status=6)
    assert refused.err.startswith(f"{data}/vm.txt:1: uri qemu:///system belongs to host vmhost")
    office.nmctl("import", data, "--yes", "--vmhost", "vmhost")
    assert {head["host"] for head in office.call("GetHeadNodes", {})} == {"vmhost"}


def test_single_files_and_a_stranger_in_the_folder(tmp_path: Path) -> None:
    data = write(tmp_path / "data", {**SPL, "nodes.txt": "oops\n"})
    loaded = load([data])
    assert f"{data}/nodes.txt was not read" in loaded.notices[0]
    assert set(load([data / "switch.txt", data / "port.txt"]).site) == {"switches", "ports"}
    with pytest.raises(BadFiles, match="given already"):
        load([data, data / "vm.txt"])


def test_crlf_and_a_byte_order_mark_do_no_harm(tmp_path: Path) -> None:
    data = tmp_path / "data"
    write(data, {name: text.replace("\n", "\r\n") for name, text in SPL.items()})
    (data / "vm.txt").write_bytes(b"\xef\xbb\xbfvm1\r\n")
    assert list(load([data]).site["headnodes"]) == ["vm1"]
    assert load([data]).site["nodes"] == load([write(tmp_path / "plain", SPL)]).site["nodes"]


def test_nobody_is_asked_where_nobody_is(office: Office, tmp_path: Path, monkeypatch: Any) -> None:
    data = str(write(tmp_path / "data", SPL))
    before = office.revision
    assert "say --yes" in office.nmctl("import", data, status=2).err
    monkeypatch.setattr("sys.stdin.isatty", lambda: True, raising=False)
    monkeypatch.setattr("builtins.input", lambda question: "n")
    assert "nothing was imported" in office.nmctl("import", data, status=1).err
    office.nmctl("import", data, "--dry-run")
    assert office.revision == before
    monkeypatch.setattr("builtins.input", lambda question: "y")
    office.nmctl("import", data)
    assert len(office.call("GetNodes", {})) == 3


def test_who_finds_an_empty_database_can_ask_for_files(office: Office, tmp_path: Path) -> None:
    """What the interactive shell does: it has a session, and paths that somebody typed."""
    output = Output(io.StringIO(), io.StringIO())
    session = Session(Choice(str(tmp_path / "nm" / "api.sock")), output)
    try:
        assert importing.is_empty(session)
        assert importing.bring_in(session, [str(write(tmp_path / "data", SPL))], sure=True) == 0
        assert not importing.is_empty(session)
    finally:
        session.close()
