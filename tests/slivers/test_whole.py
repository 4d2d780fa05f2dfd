"""Slivers with all that belongs to them: Unix accounts, groups of nodes, and callers on real sockets."""

import http.client
import os
import socket
import subprocess
import xmlrpc.client
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from nm import config
from nm.calls import Caller
from nm.client import connect
from nm.passwd import Entry, read_passwd
from tests.accounts import FIRST, LAST
from tests.slivers.node import KEY, Node, node, told

OTHER = KEY.replace("1xL alice", "1xM bob")
pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="accounts need root")


@pytest.fixture
def lab(tmp_path: Path, root: Path) -> Iterator[Node]:
    with _node(tmp_path, root) as made:
        yield made


@contextmanager
def _node(folder: Path, root: Path, **settings: Any) -> Iterator[Node]:
    accounts = config.Accounts(
        shell="/usr/lib/nm/forward_api_calls",
        sliver_shell="/usr/lib/nm/sliver_shell",
        homes="/homes",
        root=str(root),
        first_uid=FIRST,
        last_uid=LAST,
    )
    subprocess.run(["groupadd", "--prefix", str(root), "--system", "nm-slivers"], check=True)
    with node(folder, accounts=accounts, **settings) as made:
        yield made


def accounts(root: Path) -> dict[str, Entry]:
    return {name: entry for name, entry in read_passwd(root).items() if FIRST <= entry.uid <= LAST}


def keys(root: Path, name: str) -> str:
    file = root / "homes" / name / ".ssh/authorized_keys"
    return file.read_text() if file.exists() else ""


def test_an_account_comes_and_goes_with_its_sliver(lab: Node, root: Path) -> None:
    lab.hear(told("princeton_a"), told("c", "nm-controller"), told("d", "delegated"))
    lab.until_runs("princeton_a")
    lab.until(lambda: accounts(root).keys() == {"princeton_a", "c"})
    lab.until(lambda: lab.call("GetXIDs") == {"princeton_a": accounts(root)["princeton_a"].uid})
    assert KEY in keys(root, "princeton_a")
    assert lab.call("GetSSHKeys")["princeton_a"] == f"{KEY}\n"
    assert lab.ask("Create", "d")["state"] == "done"
    assert "d" in accounts(root)
    lab.hear(told("princeton_a", keys=[OTHER]), told("c", "nm-controller"), told("d", "delegated"))
    lab.until(lambda: OTHER in keys(root, "princeton_a"))
    assert KEY not in keys(root, "princeton_a")
    lab.ask("Destroy", "d")
    lab.until(lambda: "d" not in accounts(root))
    assert lab.guest("d") is None and lab.sliver("d")["account"] is None


def test_one_that_is_gone_lets_nobody_in_until_it_is_back(lab: Node, root: Path) -> None:
    lab.hear(told("a"), told("b"))
    lab.until_runs("a", "b")
    lab.until(lambda: accounts(root).keys() == {"a", "b"} and KEY in keys(root, "a"))
    uid = accounts(root)["a"].uid
    lab.hear(told("b"))
    lab.until_state("a", "stopped")
    assert KEY not in keys(root, "a")  # it was shut before the guest was stopped
    lab.hear(told("a"), told("b"))
    lab.until_runs("a")
    lab.until(lambda: KEY in keys(root, "a"))
    assert accounts(root)["a"].uid == uid


def test_who_is_to_stop_waits_for_its_account_and_for_no_pause(tmp_path: Path, root: Path) -> None:
    """An account that was shut is as good as a word: the pauses here are longer than any test."""
    hour = {"retry_first_seconds": 3600.0, "retry_longest_seconds": 3600.0}
    with _node(tmp_path, root, **hour) as lab:
        lab.hear(told("a"), told("d", "delegated"))
        lab.call("Create", "d")
        lab.until_runs("a", "d")
        lab.until(lambda: KEY in keys(root, "a") and KEY in keys(root, "d"))
        lab.call("Destroy", "d")
        lab.until_state("d", "absent")
        lab.hear(told("d", "delegated"))
        lab.until_state("a", "stopped")
        assert KEY not in keys(root, "a")


def test_one_that_its_source_wants_here_no_more_lets_nobody_in(lab: Node, root: Path) -> None:
    lab.hear(told("a"))
    lab.until_runs("a")
    lab.until(lambda: accounts(root).keys() == {"a"} and KEY in keys(root, "a"))
    lab.hear(told("a", "not-instantiated"))
    lab.until_state("a", "stopped")
    lab.until(lambda: KEY not in keys(root, "a"))
    lab.hear(told("a"))
    lab.until_runs("a")
    lab.until(lambda: KEY in keys(root, "a"))


def test_one_that_becomes_a_controller_lets_its_people_in_at_once(lab: Node, root: Path) -> None:
    lab.hear(told("a"))
    lab.until_runs("a")
    lab.until(lambda: KEY in keys(root, "a"))
    uid = lab.sliver("a")["uid"]
    lab.hear(told("a", "nm-controller"))
    lab.until_state("a", "stopped")
    lab.until(lambda: lab.sliver("a")["uid"] not in (None, uid))
    lab.until(lambda: "a" in accounts(root) and accounts(root)["a"].uid != uid and KEY in keys(root, "a"))
    lab.until(lab.at_rest)
    assert KEY in keys(root, "a") and lab.guest("a") is not None


def test_a_sliver_reads_its_own_record(lab: Node, root: Path) -> None:
    lab.hear(told("a", tags={"cpu_min": "100", "color": "blue"}, slice_id=7), told("b"))
    lab.until_runs("a", "b")
    lab.until(lambda: lab.sliver("a")["uid"] is not None)
    own = Caller(lab.sliver("a")["uid"], lab.sliver("a")["account"])
    assert lab.call("SetLoans", ["b", "nm_cpu_guaranteed_share", 30], caller=own) == 1
    found = lab.call("GetRecord", caller=own)
    assert found["slice_id"] == 7 and found["tags"]["color"] == "blue" and found["keys"] == [KEY]
    assert found["rspec"]["cpu_min"] == 100 and found["_rspec"]["cpu_min"] == 70
    assert found["_loans"] == [["b", "cpu_min", 30]] and found["loans"][0]["in_force"]
    assert found["state"] == "running" and found["instantiation"] == "plc-instantiated"
    assert "why" not in found and None not in _values(found)
    assert xmlrpc.client.dumps((found,), allow_none=False)


def _values(value: Any) -> list[Any]:
    if isinstance(value, dict):
        return [one for part in value.values() for one in _values(part)]
    if isinstance(value, list):
        return [one for part in value for one in _values(part)]
    return [value]


class Unix(xmlrpc.client.Transport):
    """The old clients' way: plain xmlrpc.client, HTTP over a Unix socket."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self._path = path

    def make_connection(self, host: Any) -> http.client.HTTPConnection:
        known: tuple[Any, http.client.HTTPConnection | None] = getattr(self, "_connection", (None, None))
        if known[1] is not None:
            return known[1]
        connection = http.client.HTTPConnection("localhost")
        connection.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        connection.sock.connect(str(self._path))
        self._connection = (host, connection)
        return connection


def test_the_calls_of_old_word_for_word_over_a_socket(lab: Node) -> None:
    lab.hear(told("a", tags={"cpu_min": "200"}), told("d", "delegated"), told("c", "nm-controller"))
    lab.until_runs("a")
    with xmlrpc.client.ServerProxy("http://x/", transport=Unix(lab.folder / "api.sock")) as proxy:
        api: Any = proxy
        assert "SetLoans" in api.Help()
        assert api.SetLoans("a", [["d", "cpu_min", 50], ("nobody", "net_min", 1)]) == 1
        assert api.GetEffectiveRSpec("a")["cpu_min"] == 150 and api.GetRSpec("a")["cpu_min"] == 200
        assert api.GetEffectiveRSpec("d")["cpu_min"] == 50
        assert api.GetLoans("a") == [["d", "cpu_min", 50], ["nobody", "net_min", 1]]
        states = api.GetLoanStates("a")
        assert [one["in_force"] for one in states] == [True, False] and "no sliver nobody" in states[1][
            "reason"
        ]
        for method in ("Create", "Start", "Stop", "ReCreate", "Destroy"):
            assert getattr(api, method)("d") == 1
        assert api.GetXIDs().keys() <= {"a", "d"}
        assert set(api.GetSSHKeys()) == {"a", "c", "d"}


@pytest.mark.parametrize(
    ("code", "method", "arguments"),
    [
        (101, "Start", []),
        (101, "SetLoans", ["a", [], 1]),
        (101, "SetLoans", []),
        (102, "Start", ["nobody"]),
        (102, "Start", ["c"]),
        (102, "Stop", [7]),
        (102, "GetRSpec", [["a"]]),
        (102, "SetLoans", ["a", [["d", "cpu_min"]]]),
        (102, "SetLoans", ["a", [["d", "disk_max", 1]]]),
        (102, "SetLoans", ["a", "d"]),
        (105, "Create", ["a"]),
        (105, "Destroy", ["a"]),
        (105, "Start", ["d"]),
        (108, "SetLoans", [[["d", "cpu_min", 1]]]),
        (108, "GetRecord", []),
        (106, "ConfirmSlivers", [["a"]]),
    ],
)
def test_faults_over_a_socket(lab: Node, code: int, method: str, arguments: list[Any]) -> None:
    lab.hear(told("a"), told("d", "delegated"), told("c", "nm-controller"))
    before = {name: lab.record(name).get("_loans") for name in ("a", "d")}
    with connect(str(lab.folder / "api.sock")) as nm, pytest.raises(xmlrpc.client.Fault) as fault:
        getattr(nm, method)(*arguments)
    assert fault.value.faultCode == code, fault.value.faultString
    assert "; " in fault.value.faultString
    assert before == {name: lab.record(name).get("_loans") for name in ("a", "d")}


def test_a_slice_whose_tags_name_nodes_has_a_group(tmp_path: Path) -> None:
    with node(tmp_path, switches=2, nodes=4) as lab:
        lab.register()
        lab.hear(told("demo", tags={"vlan": "105", "nodes": "n0,n1"}), told("b"))
        lab.until(lambda: [group["state"] for group in lab.call("GetGroups", {})] == ["deployed"])
        assert lab.call("GetGroups", {})[0]["nodes"] == ["n0", "n1"]
        assert lab.ports("sw0")["p0"]["untagged"] == 105
        lab.until_runs("demo", "b")
        lab.hear(told("demo", tags={"vlan": "105", "nodes": "n0,n9"}), told("b"))
        lab.until(lambda: any("n9" in one for one in lab.sliver("demo")["problems"]))
