"""A Linux bridge as a switch, as far as no VLAN filtering is needed: what is told and understood; logging in.

With frames, and the behaviour of all switches: tests/kernel/test_linux_bridge.py, in a VM.
"""

import base64
import contextlib
import json
import os
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import paramiko
import pytest
from paramiko.common import AUTH_FAILED, AUTH_SUCCESSFUL, OPEN_FAILED_ADMINISTRATIVELY_PROHIBITED
from pyroute2.netlink.rtnl.marshal import MarshalRtnl

from nm.errors import DeviceFailed, Invalid, Unanswered
from nm.iproute2 import documents, failures
from nm.remote import Answer, Remote
from nm.switch import Change, PortState, SetPort, SetTrunk, SetVlan
from nm.switches import iproute2, netlink
from nm.switches.bridge import PVID, UNTAGGED, Bridge, Edit, blame, plan, port_state
from nm.switches.iproute2 import batch
from nm.switches.linux import LinuxBridge
from tests.switches.benches import EPOCH, executor_of, join
from tests.switches.bridges import BridgeBench, own_network
from tests.switches.sshd import HOST, Sshd, missing

ACCESS = PVID | UNTAGGED
RECORDED = json.loads((Path(__file__).parent / "recorded" / "linux-6.1.json").read_text())


def bridge_with(**ports: dict[int, int]) -> Bridge:
    return Bridge("br0", True, 0, {"br0": {}, **ports})


# ---- what is told, and what is understood


@pytest.mark.parametrize(
    ("entries", "state"),
    [
        ({}, PortState()),
        ({1: ACCESS}, PortState(1)),
        ({101: ACCESS, 103: 0, 102: 0}, PortState(101, (102, 103))),
        ({5: 0}, PortState(None, (5,))),
        ({5: PVID}, PortState(5, (), open=True)),
        ({5: UNTAGGED}, PortState(None, (5,), open=True)),
        ({5: UNTAGGED, 6: ACCESS}, PortState(6, (5,), open=True)),
        (dict.fromkeys(range(1, 4095), 0), PortState(open=True)),
    ],
)
def test_what_a_port_carries(entries: dict[int, int], state: PortState) -> None:
    assert port_state(bridge_with(p0=entries), "p0") == state
    assert port_state(Bridge("br0", False, 0, {"p0": entries}), "p0") == PortState(open=True)


def test_what_is_taken_away_goes_before_what_is_added() -> None:
    bridge = bridge_with(p0={101: ACCESS, 7: 0, 8: 0, 9: 0}, p1={1: ACCESS}, p2={101: 0, 102: 0})
    changes: list[Change] = [
        SetPort("p1", PortState(101, (7,))),
        SetTrunk("p2", 103, True),
        SetTrunk("p2", 101, False),
        SetPort("p0", PortState()),
        SetVlan(101, True),
    ]
    edits, refused = plan(bridge, changes)
    assert refused == {}
    assert edits == [
        Edit("p1", False, 1, 1),
        Edit("p2", False, 101, 101),
        Edit("p0", False, 7, 9),
        Edit("p0", False, 101, 101),
        Edit("p1", True, 7, 7),
        Edit("p1", True, 101, 101, ACCESS),
        Edit("p2", True, 103, 103),
    ]


def test_what_is_there_is_not_told_again() -> None:
    bridge = bridge_with(p0={101: ACCESS, 102: 0}, p1={1: PVID})
    assert plan(bridge, [SetPort("p0", PortState(101, (102,))), SetTrunk("p0", 102, True, 101)]) == ([], {})
    assert plan(bridge, [SetPort("p1", PortState(1))])[0] == [
        Edit("p1", False, 1, 1),
        Edit("p1", True, 1, 1, ACCESS),
    ]


def test_what_cannot_be_is_refused_alone() -> None:
    bridge = bridge_with(p0={}, **{"odd#": {}})
    bad: list[Change] = [
        SetPort("nowhere", PortState()),
        SetPort("odd#", PortState(5)),
        SetTrunk("p0", 4095, True),
        SetPort("p0", PortState(0)),
    ]
    edits, refused = plan(bridge, [*bad, SetPort("p0", PortState(5))])
    assert list(refused) == bad
    assert edits == [Edit("p0", True, 5, 5, ACCESS)]
    assert all(refusal.hint for refusal in refused.values())


def test_a_bridge_that_would_not_fail_closed_joins_nothing() -> None:
    ports = {"p0": {1: ACCESS}}
    leave, enter = SetPort("p0", PortState()), SetPort("p0", PortState(5))
    away, on = SetTrunk("p0", 5, False), SetTrunk("p0", 5, True)
    _, refused = plan(Bridge("br0", True, 1, ports), [leave, enter, away, on])
    assert list(refused) == [enter, on]
    assert "vlan_default_pvid 0" in refused[on].hint
    _, refused = plan(Bridge("br0", False, 0, ports), [leave, enter, away, on])
    assert list(refused) == [leave, enter, away, on]


def test_a_refused_edit_is_of_the_changes_that_name_its_vlans() -> None:
    on, off, other = SetTrunk("p0", 5, True), SetTrunk("p0", 9, False), SetPort("p1", PortState(5))
    changes: list[Change] = [on, off, other, SetVlan(5, True)]
    assert blame(Edit("p0", True, 4, 6), changes) == [on]
    assert blame(Edit("p0", False, 1, 1), changes) == [on, off]
    assert blame(Edit("p1", False, 7, 7), changes) == [other]


def test_edits_as_lines() -> None:
    edits = [
        Edit("p0", False, 1, 4094),
        Edit("p0", True, 5, 5, ACCESS),
        Edit("br0", True, 6, 6),
        Edit("br0", False, 7, 9),
    ]
    assert batch(edits, "br0").splitlines() == [
        "vlan del dev p0 vid 1-4094",
        "vlan add dev p0 vid 5 pvid untagged",
        "vlan add dev br0 vid 6 self",
        "vlan del dev br0 vid 7-9 self",
    ]


def test_edits_as_requests() -> None:
    one, many = Edit("p0", True, 5, 5, ACCESS), Edit("p0", False, 7, 9)
    assert netlink.request(one, own=False) == {
        "IFLA_AF_SPEC": {"attrs": [["IFLA_BRIDGE_VLAN_INFO", {"vid": 5, "flags": 6}]]}
    }
    infos = [["IFLA_BRIDGE_VLAN_INFO", {"vid": vlan, "flags": end}] for vlan, end in ((7, 8), (9, 16))]
    assert netlink.request(many, own=True) == {"IFLA_AF_SPEC": {"attrs": [["IFLA_BRIDGE_FLAGS", 2], *infos]}}


# ---- what a kernel and its iproute2 said: tests/kernel/test_linux_bridge.py prints it


def test_both_recorded_answers_are_understood_alike() -> None:
    messages = [list(MarshalRtnl().parse(base64.b64decode(RECORDED[part]))) for part in ("link", "dump")]
    ((link,), members) = messages
    ours = [message for message in members if message.get_attr("IFLA_MASTER") == link["index"]]
    assert len(members) > len(ours) == 5
    seen = netlink.bridge_of(link, ours)
    assert seen == iproute2.bridge_of("br0", *documents(RECORDED["json"]))
    assert seen == Bridge(
        "br0",
        True,
        0,
        {
            "br0": {1: ACCESS, 7: UNTAGGED},
            "p0": {1: ACCESS, **dict.fromkeys(range(100, 201), 0), 300: 0},
            "p1": {1: UNTAGGED, 8: PVID},
            "p2": dict.fromkeys(range(1, 4095), 0),
            "p3": {},
        },
    )


def test_recorded_refusals_are_of_their_lines() -> None:
    assert failures(RECORDED["refusals"]) == {
        1: "RTNETLINK answers: Operation not supported",
        3: 'Cannot find bridge device "nowhere"',
    }


def test_what_is_no_refusal_of_a_line_is_none() -> None:
    assert failures("sudo: a password is required\n") == {}


# ---- settings


def test_settings_have_one_spelling() -> None:
    given = {"bridge": "br0", "address": "2001:DB8:0::1", "host_key": " ssh-ed25519   " + KEY + " somebody "}
    assert LinuxBridge.canonical(given) == {
        "bridge": "br0",
        "address": "2001:db8::1",
        "port": 22,
        "host_key": f"ssh-ed25519 {KEY} br0",
    }
    assert LinuxBridge.canonical({"bridge": "br0"}) == {"bridge": "br0"}


KEY = base64.b64encode(b"\0\0\0\x0bssh-ed25519\0\0\0\x20" + bytes(32)).decode()


@pytest.mark.parametrize(
    "settings",
    [
        {"bridge": "br 0"},
        {"bridge": "-br0"},
        {"bridge": "a" * 16},
        {"bridge": ""},
        {"user": "root"},
        {"port": 22},
        {"host_key": f"ssh-ed25519 {KEY}"},
        {"address": "host.example"},
        {"address": "192.0.2.1", "port": 0},
        {"address": "192.0.2.1", "user": "root;reboot"},
        {"address": "192.0.2.1", "host_key": "ssh-ed25519"},
        {"address": "192.0.2.1", "host_key": f"ssh-rsa {KEY}"},
        {"address": "192.0.2.1", "host_key": f"192.0.2.1 ssh-ed25519 {KEY}"},
        {"timeout": 0.0},
    ],
)
def test_settings_that_are_none(settings: dict[str, Any]) -> None:
    with pytest.raises(Invalid):
        LinuxBridge.canonical({"bridge": "br0", **settings})


@pytest.mark.parametrize("name", ["", "eth 0", "eth#0", "eth/0", 'eth"0', "-batch", "a" * 16, "eth0\nvlan"])
def test_ports_are_interfaces(name: str) -> None:
    with pytest.raises(Invalid, match="no network interface"):
        LinuxBridge.port_name({}, name)
    assert LinuxBridge.port_name({}, "enp1s0f0.100") == "enp1s0f0.100"


# ---- on this machine's kernel, in a network of the tests' own


@pytest.fixture(scope="module")
def _network() -> Iterator[None]:
    if os.geteuid():
        pytest.skip("needs root")
    with own_network():
        yield


@pytest.fixture(scope="module")
def sshd(tmp_path_factory: pytest.TempPathFactory, _network: None) -> Iterator[Sshd]:
    if problem := missing():
        pytest.skip(problem)
    with Sshd(tmp_path_factory.mktemp("sshd")) as running:
        yield running


@pytest.fixture(params=["here", "there"])
def bench(request: pytest.FixtureRequest, _network: None) -> Iterator[BridgeBench]:
    found = BridgeBench(
        request.getfixturevalue("sshd") if request.param == "there" else None, filtering=False
    )
    yield found
    found.close()


@pytest.mark.real
def test_a_bridge_without_filtering_is_open_and_joins_nothing(bench: BridgeBench) -> None:
    a, b, *_ = bench.ports
    seen = bench.executor.inspect()
    assert seen.ports == dict.fromkeys(bench.ports, PortState(open=True))
    assert seen.model == "Linux bridge that does not filter VLANs"
    assert bench.reaches(a) == {*bench.ports} - {a}
    for outcome in bench.executor.run([join(a, 101), join("nowhere", 101)], EPOCH):
        assert isinstance(outcome.error, DeviceFailed)
        assert not outcome.error.passing
    assert "all its ports are open" in str(bench.executor.isolate([b], EPOCH)[b])
    assert bench.sessions() == 0


@pytest.mark.real
def test_a_bridge_that_is_none(bench: BridgeBench) -> None:
    for name in ("nowhere", bench.ports[0]):
        executor = executor_of(**{**bench.record, "bridge": name})
        with pytest.raises(DeviceFailed, match=f"no bridge {name}") as caught:
            executor.inspect()
        assert not caught.value.passing
        executor.close()


@pytest.mark.real
def test_what_the_kernel_refuses_is_told_in_its_words(bench: BridgeBench) -> None:
    """This kernel refuses all VLANs, or these of ports that are none of a bridge's."""
    driver = LinuxBridge("sw0", bench.record, bench.record.get("secrets", {}))
    driver.open()
    driver._way.look()
    a, *_ = bench.ports
    good, bad = Edit(a, True, 5, 5), Edit(f"{a}f", True, 5, 5)
    if "address" not in bench.record:
        driver._way._indices = {**driver._way._indices, f"{a}f": socket.if_nametoindex(f"{a}f")}  # type: ignore[attr-defined]
    refused = driver._way.edit([bad, good])
    driver.close()
    assert bad in refused
    assert "Operation not supported" in refused[bad]


# ---- logging in


@pytest.fixture
def at(sshd: Sshd) -> dict[str, Any]:
    return {"bridge": "br0", "address": HOST, "port": sshd.port, "timeout": 10.0}


def remote(settings: dict[str, Any], **secrets: str) -> Remote:
    return Remote("switch s", settings, secrets)


def refused(settings: dict[str, Any], **secrets: str) -> DeviceFailed:
    """How logging in fails; no secret is in it."""
    with pytest.raises(DeviceFailed) as caught:
        remote(settings, **secrets).open()
    for secret in secrets.values():
        assert not any(line in repr(caught.value) for line in secret.splitlines() if "-----" not in line)
    return caught.value


@pytest.mark.real
def test_commands_run_over_one_connection(sshd: Sshd, at: dict[str, Any]) -> None:
    there = remote(at, key=sshd.key)
    logins = sshd.log().count("Accepted publickey")
    there.open()
    assert there.run("cat; echo wrong >&2; exit 3", "in\n") == Answer("in\n", "wrong\n", 3)
    assert len(there.run("head -c 3000000 /dev/zero; true", "never read\n").output) == 3_000_000
    assert there.run("wc -c", "x" * 3_000_000).output == "3000000\n"
    assert sshd.log().count("Accepted publickey") == logins + 1
    there.close()
    with pytest.raises(DeviceFailed, match="nobody is logged in"):
        there.run("true")


@pytest.mark.real
def test_the_host_shows_its_key_with_the_bridges_name(sshd: Sshd, at: dict[str, Any]) -> None:
    driver = LinuxBridge("s", at, {"key": sshd.key})
    shown = driver.open()["host_key"]
    driver.close()
    assert shown in {f"{sshd.host_key(kind)} br0" for kind in ("ed25519", "ecdsa")}
    for kind in ("ed25519", "ecdsa"):  # of several keys the pinned one is asked for
        pinned = f"{sshd.host_key(kind)} br0"
        driver = LinuxBridge("s", {**at, "host_key": pinned}, {"key": sshd.key})
        assert driver.open() == {"host_key": pinned}
        driver.close()


@pytest.mark.real
def test_another_host_key_is_told_nothing(sshd: Sshd, at: dict[str, Any]) -> None:
    tries = sshd.log().count("Accepted") + sshd.log().count("Failed")
    found = refused({**at, "host_key": f"ssh-ed25519 {KEY}"}, key=sshd.key, password="secret word")
    assert "a host key that is not the one known: ssh-ed25519 SHA256:" in found.message
    assert not found.passing
    assert sshd.log().count("Accepted") + sshd.log().count("Failed") == tries


@pytest.mark.real
def test_who_is_not_let_in(sshd: Sshd, at: dict[str, Any], tmp_path: Path) -> None:
    subprocess.run(["ssh-keygen", "-qt", "ed25519", "-N", "", "-f", tmp_path / "other"], check=True)
    other = (tmp_path / "other").read_text()
    found = refused(at, key=other, password="secret word")
    assert f"root@{HOST} is not let in by key and password" in found.message
    assert not found.passing
    assert "not let in by keys of an ssh-agent" in refused(at).message
    assert "is no private key" in refused(at, key="rubbish").message
    assert "is no private key" in refused(at, key=sshd.key.replace("BEGIN", "BEGUN")).message
    subprocess.run(["ssh-keygen", "-qp", "-N", "word of five", "-f", tmp_path / "other"], check=True)
    assert "without a passphrase" in refused(at, key=(tmp_path / "other").read_text()).hint


class ByPassword(paramiko.ServerInterface):
    """A server that takes one password, and carries out nothing."""

    def get_allowed_auths(self, username: str) -> str:
        return "publickey,password"

    def check_auth_password(self, username: str, password: str) -> int:
        right = (username, password) == ("admin", "secret word")
        return AUTH_SUCCESSFUL if right else AUTH_FAILED

    def check_channel_request(self, kind: str, chanid: int) -> int:
        return OPEN_FAILED_ADMINISTRATIVELY_PROHIBITED


@contextlib.contextmanager
def password_server() -> Iterator[int]:
    with contextlib.closing(socket.create_server((HOST, 0))) as listener:

        def serve() -> None:
            connection, _ = listener.accept()
            transport = paramiko.Transport(connection)
            transport.add_server_key(paramiko.ECDSAKey.generate())
            with contextlib.suppress(paramiko.SSHException, EOFError):
                transport.start_server(server=ByPassword())
            transport.join(10)

        thread = threading.Thread(target=serve)
        thread.start()
        yield int(listener.getsockname()[1])
        thread.join(10)


@pytest.mark.real
def test_a_password_comes_after_the_key(sshd: Sshd, at: dict[str, Any]) -> None:
    with password_server() as port:
        there = remote({**at, "port": port, "user": "admin"}, key=sshd.key, password="secret word")
        there.open()
        with pytest.raises(DeviceFailed, match="cannot carry out a command: ") as caught:
            there.run("true")
        assert caught.value.passing
        there.close()
    with password_server() as port:
        found = refused({**at, "port": port, "user": "admin"}, password="another word")
        assert f"admin@{HOST} is not let in by password" in found.message


@pytest.mark.real
@pytest.mark.parametrize("kind", ["rsa", "ecdsa"])
def test_keys_of_other_kinds(kind: str, sshd: Sshd, at: dict[str, Any], tmp_path: Path) -> None:
    subprocess.run(["ssh-keygen", "-qt", kind, "-N", "", "-f", tmp_path / "other"], check=True)
    with (sshd.folder / "authorized").open("a") as file:
        file.write((tmp_path / "other.pub").read_text())
    there = remote(at, key=(tmp_path / "other").read_text().removesuffix("\n"))
    there.open()
    there.close()


@pytest.mark.real
def test_an_agents_keys_are_used_where_none_was_given(
    sshd: Sshd, at: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "agent"
    agent = subprocess.Popen(["ssh-agent", "-D", "-a", path], stdout=subprocess.DEVNULL)
    try:
        deadline = time.monotonic() + 10
        while not path.exists() and time.monotonic() < deadline:
            time.sleep(0.01)
        monkeypatch.setenv("SSH_AUTH_SOCK", str(path))
        subprocess.run(["ssh-add", "-q", sshd.folder / "client"], check=True, capture_output=True)
        there = remote(at)
        there.open()
        there.close()
    finally:
        agent.kill()
        agent.wait(10)


@pytest.mark.real
def test_silence_at_each_step_ends_in_time(sshd: Sshd, at: dict[str, Any]) -> None:
    with contextlib.closing(socket.create_server((HOST, 0))) as listener:
        settings = {**at, "port": listener.getsockname()[1], "timeout": 0.3}
        begin = time.monotonic()
        found = refused(settings, key=sshd.key)
        assert 0.3 <= time.monotonic() - begin < 3
        assert "no answer within 0.3 s" in found.message
        assert found.passing
    there = remote({**at, "timeout": 1.0}, key=sshd.key)
    there.open()
    with pytest.raises(Unanswered, match="no answer within 1 s") as caught:
        there.run("sleep 60")
    assert caught.value.passing
    there.close()


@pytest.mark.real
@pytest.mark.parametrize(("slow", "is_change"), [("LOOK", False), ("EDIT", True)])
def test_only_a_change_that_was_given_up_may_yet_be_carried_out(
    sshd: Sshd, at: dict[str, Any], monkeypatch: pytest.MonkeyPatch, slow: str, is_change: bool
) -> None:
    there = iproute2.There("switch s", "br0", remote({**at, "timeout": 1.0}, key=sshd.key))
    there.open()
    monkeypatch.setattr(iproute2, slow, "sleep 60")
    with pytest.raises(DeviceFailed, match="no answer within 1 s") as caught:
        there.edit([]) if is_change else there.look()
    assert isinstance(caught.value, Unanswered) == is_change
    there.close()


@pytest.mark.real
def test_a_connection_that_breaks(sshd: Sshd, at: dict[str, Any]) -> None:
    there = remote(at, key=sshd.key)
    there.open()
    with pytest.raises(DeviceFailed, match="ended before the command") as caught:
        there.run("kill $PPID; sleep 60")
    assert caught.value.passing
    there.close()


@pytest.mark.real
def test_nobody_listens(sshd: Sshd, at: dict[str, Any]) -> None:
    with contextlib.closing(socket.create_server((HOST, 0))) as listener:
        port = listener.getsockname()[1]
    found = refused({**at, "port": port}, key=sshd.key)
    assert "Connection refused" in found.message
    assert found.passing


@pytest.mark.real
def test_a_host_without_iproute2_is_named(
    sshd: Sshd, at: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    there = iproute2.There("switch s", "br0", remote(at, key=sshd.key))
    there.open()
    for said, words in [("echo nonsense", "cannot be read: "), ("no-such-tool", "not found")]:
        monkeypatch.setattr(iproute2, "LOOK", said)
        with pytest.raises(DeviceFailed, match=words) as caught:
            there.look()
        assert not caught.value.passing
    there.close()
