"""The door's own methods, its faults, its values, and where it listens."""

import dataclasses
import json
import logging
import os
import re
import socket
import stat
import threading
import time
import xmlrpc.client
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from nm import __version__, api, marshal, methods
from nm.calls import Call, Caller, Site
from nm.errors import Conflict, DeviceFailed, Invalid, LimitReached, NMError, NotFound
from nm.identity import People
from nm.records import Record, new
from nm.store import Transaction
from tests.api.clients import Door, EventsInMemory, body, call, job, put, wait_until
from tests.memory_store import MemoryStore

NOW = 1_800_000_000.0
ROOT = Caller(0, "root", admin=True)
ALICE = Caller(1001, "alice")
BOB = Caller(1002, "bob")


@pytest.fixture
def dispatcher(store: MemoryStore, events: EventsInMemory) -> api.Api:
    return api.Api(store, events, Site(), People(), clock=lambda: NOW)


def replace(monkeypatch: pytest.MonkeyPatch, name: str, operation: Any, writes: bool = False) -> None:
    """Let a method of the table have another operation."""
    method = dataclasses.replace(methods.METHODS[name], operation=operation, writes=writes)
    monkeypatch.setitem(methods.METHODS, name, method)


def answered(dispatcher: api.Api, data: bytes | str, caller: Caller = ROOT) -> Any:
    """What a client of the standard library makes of the answer."""
    data = data if isinstance(data, bytes) else data.encode()
    return xmlrpc.client.loads(dispatcher.answer(caller, data))[0][0]


def fault_of(dispatcher: api.Api, data: bytes | str, caller: Caller = ROOT) -> xmlrpc.client.Fault:
    with pytest.raises(xmlrpc.client.Fault) as raised:
        answered(dispatcher, data, caller)
    return raised.value


# ---- faults


def test_unknown_method_lists_the_valid_ones(dispatcher: api.Api) -> None:
    fault = fault_of(dispatcher, body("DumpDatabase"))
    assert fault.faultCode == 100
    assert all(name in fault.faultString for name in methods.METHODS)
    assert fault_of(dispatcher, body("x" * 5000)).faultCode == 100
    assert fault_of(dispatcher, body("__init__")).faultCode == 100


@pytest.mark.parametrize(
    "error",
    [Invalid("a", "b"), Conflict("a", "b"), NotFound("a"), DeviceFailed("a", "b"), LimitReached("a", "b")],
)
def test_an_operation_s_error_keeps_its_code(
    dispatcher: api.Api, monkeypatch: pytest.MonkeyPatch, error: NMError
) -> None:
    def fail(tx: Transaction, call: Call, number: int) -> int:
        tx.put(new("vlan", number, call.now))
        raise error

    replace(monkeypatch, "UnregisterVlan", fail, writes=True)
    fault = fault_of(dispatcher, body("UnregisterVlan", 7))
    assert (fault.faultCode, fault.faultString) == (error.code, str(error))
    assert dispatcher.call(ROOT, "GetVersion")


def test_the_unexpected_is_in_the_log_and_not_in_the_answer(
    dispatcher: api.Api, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, store: MemoryStore
) -> None:
    def fail(tx: Transaction, call: Call, number: int) -> int:
        tx.put(new("vlan", number, call.now))
        raise ZeroDivisionError("a treasure in /var/lib/nm")

    replace(monkeypatch, "UnregisterVlan", fail, writes=True)
    fault = fault_of(dispatcher, body("UnregisterVlan", 7))
    assert fault.faultCode == 104
    assert "treasure" not in fault.faultString
    assert "Traceback" not in fault.faultString
    number = re.search(r"unexpected error (\w+);", fault.faultString)
    assert number
    record = next(record for record in caplog.records if record.levelno == logging.ERROR)
    assert number[1] in record.getMessage() or number[1] == record.__dict__["id"]
    assert record.exc_info
    assert record.exc_info[0] is ZeroDivisionError
    assert store.get("vlan_7") is None


def test_an_answer_that_xml_rpc_cannot_say_is_unexpected(
    dispatcher: api.Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    for value in ({1: 2}, {"a": {1, 2}}, object(), 2**60):
        replace(monkeypatch, "GetVlans", lambda reader, call, wanted, value=value: value)
        assert fault_of(dispatcher, body("GetVlans", {})).faultCode == 104


def test_a_member_given_twice(dispatcher: api.Api) -> None:
    member = "<member><name>id</name><value><int>1</int></value></member>"
    data = body("GetVlans", "HERE").replace("<string>HERE</string>", f"<struct>{member * 2}</struct>")
    fault = fault_of(dispatcher, data)
    assert fault.faultCode == 102
    assert "twice" in fault.faultString


def test_refusals_are_logged_once_a_caller(dispatcher: api.Api, caplog: pytest.LogCaptureFixture) -> None:
    for _ in range(50):
        fault_of(dispatcher, body("Backup", "/x"), ALICE)
        fault_of(dispatcher, body("no\nsuch"), ALICE)
        fault_of(dispatcher, body("GetJob", 5), BOB)
    assert not caplog.records
    dispatcher._refusals.flush_if_due(time.monotonic())
    assert not caplog.records
    dispatcher._refusals.flush_if_due(time.monotonic() + 61)
    dispatcher._refusals.flush_if_due(time.monotonic() + 200)
    lines = {record.__dict__["caller"]: record for record in caplog.records}
    assert len(caplog.records) == len(lines) == 2
    assert lines["alice"].__dict__["calls"] == 100
    assert "Backup:108=50" in lines["alice"].__dict__["what"]
    assert "such" not in lines["alice"].__dict__["what"]


# ---- values


def test_values_there_and_back(dispatcher: api.Api, monkeypatch: pytest.MonkeyPatch) -> None:
    values: dict[str, Any] = {
        "text": "Grüße, 世界 🎉 <&> \"'\t\n",
        "carriage return": "a\r\nb\rc",
        "ints": [0, -1, 2**31 - 1, -(2**31)],
        "floats": [1.5, -0.25, 1e-9],
        "booleans": [True, False],
        "nothing": None,
        "empty": [{}, [], ""],
        "ключ <&>": {"a": {"b": [{"c": 1}]}},
    }
    replace(monkeypatch, "GetVlans", lambda reader, call, wanted: values)
    assert answered(dispatcher, body("GetVlans", {})) == values
    replace(monkeypatch, "GetVlans", lambda reader, call, wanted: wanted)
    assert answered(dispatcher, body("GetVlans", values)) == {
        **values, "carriage return": "a\nb\nc",  # as XML has it, where the client does not escape
    }  # fmt: skip


def test_times_past_2038_are_doubles(dispatcher: api.Api, monkeypatch: pytest.MonkeyPatch) -> None:
    last, late = 2**31 - 1, 4_102_444_800
    replace(monkeypatch, "GetVlans", lambda reader, call, wanted: [last, late])
    answer = answered(dispatcher, body("GetVlans", {}))
    assert answer == [last, late]
    assert list(map(type, answer)) == [int, float]


def test_characters_that_xml_has_no_place_for(dispatcher: api.Api, monkeypatch: pytest.MonkeyPatch) -> None:
    replace(monkeypatch, "GetVlans", lambda reader, call, wanted: ["a\0b\x1bc\ud800d\ufffee", {"k\x01": 1}])
    assert answered(dispatcher, body("GetVlans", {})) == ["a\ufffdb\ufffdc\ufffdd\ufffde", {"k\ufffd": 1}]
    answer = dispatcher.answer(ROOT, body("GetVlans", {}).encode(), b"application/json")
    assert json.loads(answer.decode())["result"] == [
        "a\0b\x1bc?d\ufffee",
        {"k\x01": 1},
    ]  # no UTF-8: half a pair


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16", "iso-8859-1"])
def test_requests_in_other_encodings(dispatcher: api.Api, encoding: str) -> None:
    text = (
        f"<?xml version='1.0' encoding='{encoding}'?>"
        + body("GetNodes", {"name": "Grüße"}).partition("?>")[2]
    )
    assert marshal.parse_call(text.encode(encoding)) == ("GetNodes", ({"name": "Grüße"},))


def test_strings_without_their_element(dispatcher: api.Api) -> None:
    data = body("system.methodHelp", "HERE").replace("<string>HERE</string>", "Deploy")
    assert answered(dispatcher, data).startswith("Deploy(group, [options])")


# ---- the door's own methods


def test_introspection(dispatcher: api.Api) -> None:
    names = dispatcher.call(ALICE, "system.listMethods")
    assert set(names) == set(methods.METHODS)
    text = dispatcher.call(ALICE, "Help")
    assert all(f"{name}(" in text for name in names)
    assert dispatcher.call(ALICE, "system.methodSignature", ["RegisterPort"]) == [
        ["int", "string", "string"],
        ["int", "string", "string", "struct"],
    ]
    version = dispatcher.call(ALICE, "GetVersion")
    assert version == {"nm": __version__, "api": methods.API_VERSION, "database": 1, "read_only": False}


def test_who_am_i(dispatcher: api.Api, store: MemoryStore) -> None:
    people = {"g1": (ALICE, []), "g2": (ROOT, [ALICE]), "g3": (ROOT, [])}
    for name, (owner, delegates) in people.items():
        delegations = [{"name": one.name, "uid": one.uid, "method": None} for one in delegates]
        owned = {"name": owner.name, "uid": owner.uid}
        group = new("group", name, NOW, owner=owned, delegations=delegations, created=0)
        store.transact(partial(put, record=group))
    assert dispatcher.call(ALICE, "WhoAmI")["groups"] == ["g1", "g2"]
    assert dispatcher.call(ROOT, "WhoAmI")["groups"] == ["g2", "g3"]
    assert dispatcher.call(Caller(None, "nobody"), "WhoAmI") == {
        "name": "nobody", "uid": -1, "rights": [], "groups": [], "daemon": "nmd",
    }  # fmt: skip


@pytest.fixture
def jobs(store: MemoryStore) -> MemoryStore:
    owner = {"name": ALICE.name, "uid": ALICE.uid}
    group = new("group", "g1", NOW, owner=owner, delegations=[], created=0)
    for record in (job(1), job(2, group=None, subject="switch:sw0"), group):
        store.transact(partial(put, record=record))
    return store


def test_who_sees_a_job(dispatcher: api.Api, jobs: MemoryStore) -> None:
    for caller in (ROOT, ALICE, BOB):
        found = dispatcher.call(caller, "GetJob", [1])
        assert {"id": 1, "state": "running", "created": 1, "started": None}.items() <= found.items()
    assert "who" not in dispatcher.call(ROOT, "GetJob", [2])
    for caller, number in ((ALICE, 2), (Caller(7, "eve"), 1), (Caller(None, "nobody"), 1)):
        with pytest.raises(NotFound) as there:
            dispatcher.call(caller, "GetJob", [number])
        with pytest.raises(NotFound) as absent:
            dispatcher.call(caller, "WaitJob", [4000, 1])
        assert str(absent.value) == str(there.value).replace(f"job {number} ", "job 4000 ")


def test_waiting_for_a_job_ends_with_it(dispatcher: api.Api, jobs: MemoryStore) -> None:
    found: list[Record] = []
    waiter = threading.Thread(target=lambda: found.append(dispatcher.call(BOB, "WaitJob", [1, 30])))
    waiter.start()
    wait_until(lambda: dispatcher._waiters._events)
    jobs.transact(lambda tx: tx.put(job(1, done=1)))
    jobs.transact(lambda tx: tx.put(job(2, "done")))
    assert waiter.is_alive()
    begun = time.monotonic()
    jobs.transact(lambda tx: tx.put(job(1, "failed", error="no", finished=NOW + 3.5)))
    waiter.join(20)
    assert time.monotonic() - begun < 15  # of the 30 that it would wait
    assert {"state": "failed", "error": "no", "finished": int(NOW) + 3}.items() <= found[0].items()
    assert not dispatcher._waiters._events


def test_waiting_for_a_job_has_a_bound(
    dispatcher: api.Api, jobs: MemoryStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun = time.monotonic()
    assert dispatcher.call(BOB, "WaitJob", [1, 0])["state"] == "running"
    assert dispatcher.call(BOB, "WaitJob", [1, 0.05])["state"] == "running"
    monkeypatch.setattr(api, "LONGEST_WAIT", 0.05)
    assert dispatcher.call(BOB, "WaitJob", [1, 1e9])["state"] == "running"
    assert 0.1 <= time.monotonic() - begun < 5


def test_a_job_that_goes_while_waited_for(dispatcher: api.Api, jobs: MemoryStore) -> None:
    raised: list[NMError] = []

    def wait() -> None:
        try:
            dispatcher.call(BOB, "WaitJob", [1, 30])
        except NMError as error:
            raised.append(error)

    waiter = threading.Thread(target=wait)
    waiter.start()
    wait_until(lambda: dispatcher._waiters._events)
    jobs.transact(lambda tx: tx.delete("job_1"))
    waiter.join(10)
    assert isinstance(raised[0], NotFound)


def test_who_reads_which_events(dispatcher: api.Api, jobs: MemoryStore, events: EventsInMemory) -> None:
    for number in range(2500):
        group = {0: "g1", 1: "g2", 2: None}[number % 3]
        events.add(who="root", subject=f"group {group}", what="deployed", detail="", group=group)
    first = dispatcher.call(ROOT, "GetEvents", [0, 5000])
    assert [event["id"] for event in first] == list(range(1, 1001))
    assert set(first[0]) == {"id", "time", "who", "subject", "what", "detail"}
    assert [event["id"] for event in dispatcher.call(ALICE, "GetEvents", [2000, 3])] == [2002, 2005, 2008]
    assert dispatcher.call(BOB, "GetEvents", [0, 10]) == []
    assert dispatcher.call(ROOT, "GetEvents", [2500, 10]) == []
    assert dispatcher.call(ROOT, "GetEvents", [0, 0]) == []


def test_backup(store: MemoryStore, events: EventsInMemory) -> None:
    written: list[str] = []
    door = api.Api(store, events, Site(), People(), api.ApiSettings(backup=written.append))
    assert door.call(ROOT, "Backup", ["/var/backups/nm"]) == 1
    assert written == ["/var/backups/nm"]
    assert fault_of(door, body("Backup", "/var/backups/nm"), ALICE).faultCode == 108
    assert written == ["/var/backups/nm"]


# ---- listening


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "api.sock"


def test_everybody_may_connect_to_the_socket(path: Path) -> None:
    with api.listen_unix(path):
        assert stat.S_IMODE(os.stat(path).st_mode) == 0o666


def test_a_socket_nobody_answers_is_replaced(path: Path) -> None:
    api.listen_unix(path).close()
    assert path.is_socket()
    with api.listen_unix(path), socket.socket(socket.AF_UNIX) as client:
        client.connect(str(path))


def test_a_socket_somebody_answers_stays(path: Path) -> None:
    with api.listen_unix(path):
        with pytest.raises(Conflict, match="another daemon"):
            api.listen_unix(path)
        with socket.socket(socket.AF_UNIX) as client:
            client.connect(str(path))


@pytest.mark.parametrize("make", [Path.touch, Path.mkdir, lambda path: path.symlink_to("/etc/passwd")])
def test_what_is_no_socket_stays(path: Path, make: Any) -> None:
    make(path)
    with pytest.raises(Conflict, match="no socket"):
        api.listen_unix(path)
    assert path.is_symlink() or path.exists()


def test_a_folder_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(Conflict, match="No such file"):
        api.listen_unix(tmp_path / "none" / "api.sock")
    with pytest.raises(Conflict, match="too long"):
        api.listen_unix(tmp_path / ("x" * 200))


def test_tcp_listens_on_loopback_only() -> None:
    for address in ("0.0.0.0", "::", "192.0.2.1", "localhost"):
        with pytest.raises(Invalid, match="no loopback"):
            api.listen_tcp(address, 0)
    with api.listen_tcp("127.0.0.1", 0) as listener, pytest.raises(Conflict, match="in use"):
        api.listen_tcp("127.0.0.1", listener.getsockname()[1])


def test_reload_changes_who_administers(door: Door) -> None:
    assert ("admin" in door.ask(call("WhoAmI")).value["rights"]) == (os.geteuid() == 0)
    door.api.reload(People(tcp_admin=False), door.api._server.limits, door.api._site)
    assert door.ask(call("WhoAmI")).value["rights"] == []
