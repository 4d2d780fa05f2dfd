"""HTTP as clients of all kinds speak it."""

import http.client
import json
import socket
import threading
import time
from functools import partial

import pytest

from nm.records import new
from tests.api.clients import (
    Door,
    UnixConnection,
    body,
    call,
    is_closed,
    job,
    put,
    read_answer,
    request,
    wait_until,
)
from tests.api.conftest import Opener
from tests.memory_store import MemoryStore


def test_many_calls_on_one_connection(connection: socket.socket) -> None:
    for _ in range(50):
        connection.sendall(call("GetVersion"))
        answer = read_answer(connection)
        assert answer.value["nm"]
        assert answer.version == "1.1"


def test_standard_library_s_client_keeps_its_connection(door: Door) -> None:
    with door.proxy as proxy:
        assert proxy.WhoAmI() == proxy.WhoAmI()
        assert proxy.system.listMethods() == proxy.system.listMethods()


@pytest.mark.parametrize("way", ["tcp", "unix"])
def test_http_client_on_both_ways(door: Door, way: str) -> None:
    client: http.client.HTTPConnection = (
        UnixConnection(door.path) if way == "unix" else http.client.HTTPConnection("localhost", door.port)
    )
    try:
        for _ in range(2):
            client.request("POST", "/", body("GetVersion"), {"Content-Type": "text/xml; charset=utf-8"})
            response = client.getresponse()
            assert response.status == 200
            assert b"<name>api</name>" in response.read()
    finally:
        client.close()


def test_who_asks_for_json_is_answered_in_json(connection: socket.socket) -> None:
    for method, said in (("WhoAmI", "result"), ("Nothing", "fault")):
        connection.sendall(call(method, accept="application/json"))
        answer = read_answer(connection)
        assert (answer.status, answer.header["content-type"]) == (200, "application/json")
        assert list(json.loads(answer.body)) == [said]
    assert json.loads(answer.body)["fault"]["faultCode"] == 100


@pytest.mark.parametrize("wanted", [None, "*/*", "text/xml", "text/html", "application/jsonish"])
def test_all_others_are_answered_in_xml(connection: socket.socket, wanted: str | None) -> None:
    connection.sendall(call("WhoAmI", accept=wanted))
    answer = read_answer(connection)
    assert answer.header["content-type"] == "text/xml"
    assert answer.value["name"]


def test_what_one_request_wants_is_forgotten_with_it(connection: socket.socket) -> None:
    connection.sendall(call("WhoAmI", accept="application/json") + call("WhoAmI"))
    assert json.loads(read_answer(connection).body)["result"] == read_answer(connection).value


def test_requests_that_come_together_are_answered_in_order(connection: socket.socket) -> None:
    names = ["Deploy", "GetJob", "WaitJob", "Help", "AddNodes"]
    connection.sendall(b"".join(call("system.methodSignature", name) for name in names))
    answers = [read_answer(connection).value for _ in names]
    connection.sendall(b"".join(call("system.methodHelp", name) for name in names))
    helps = [read_answer(connection).value for _ in names]
    assert [text.partition("(")[0] for text in helps] == names
    assert answers[1] == [["struct", "int"]]


def test_request_in_single_bytes(connection: socket.socket) -> None:
    for byte in call("GetVersion"):
        connection.sendall(bytes([byte]))
    assert read_answer(connection).value["nm"]


def test_http_1_0_closes_and_has_a_length(connection: socket.socket) -> None:
    connection.sendall(call("GetVersion", start="POST /RPC2 HTTP/1.0", host=None))
    answer = read_answer(connection)
    assert answer.value["nm"]
    assert (answer.version, answer.header["connection"]) == ("1.0", "close")
    assert is_closed(connection)


def test_http_1_0_keeps_alive_when_asked(connection: socket.socket) -> None:
    for _ in range(2):
        connection.sendall(call("GetVersion", start="POST / HTTP/1.0", connection="Keep-Alive"))
        answer = read_answer(connection)
        assert answer.value["nm"]
        assert answer.header["connection"] == "keep-alive"


def test_http_1_1_closes_when_asked(connection: socket.socket) -> None:
    connection.sendall(call("GetVersion", connection="close"))
    answer = read_answer(connection)
    assert answer.value["nm"]
    assert answer.header["connection"] == "close"
    assert is_closed(connection)


@pytest.mark.parametrize("start", ["POST /RPC2 HTTP/1.0", "POST /RPC2 HTTP/1.1"])
def test_half_closed_client_gets_its_answer(connection: socket.socket, start: str) -> None:
    connection.sendall(call("GetVersion", start=start))
    connection.shutdown(socket.SHUT_WR)
    assert read_answer(connection).value["nm"]
    assert is_closed(connection)


def test_many_requests_at_once_are_no_long_header(connection: socket.socket) -> None:
    many = 400  # more than one piece of 64 KiB, and longer together than a header may be
    data = call("system.methodSignature", "Deploy") * many
    sender = threading.Thread(target=connection.sendall, args=(data,))
    sender.start()
    assert all(read_answer(connection).status == 200 for _ in range(many))
    sender.join()


def test_next_request_s_time_begins_after_the_answer(open_door: Opener, store: MemoryStore) -> None:
    """Half a request that came while a call was under way is not late because of that call."""
    door = open_door(header_seconds=0.5)
    store.transact(partial(put, record=job(1)))
    following = call("GetVersion")
    with door.connect() as client:
        client.sendall(call("WaitJob", 1, 0.8) + following[:20])
        assert read_answer(client).status == 200
        wait_until(lambda: door.api._server._connections)
        door.api._server._drop_late(time.monotonic())
        client.sendall(following[20:])
        assert read_answer(client).value["nm"]


def test_a_fault_does_not_close_the_door(door: Door, monkeypatch: pytest.MonkeyPatch) -> None:
    failed = threading.Event()

    def fail() -> None:
        failed.set()
        raise ValueError("of the test")

    monkeypatch.setattr(door.api._server, "_tick", fail)
    assert failed.wait(5)
    assert door.ask(call("GetVersion")).value["nm"]


def test_chunked_body(connection: socket.socket) -> None:
    data = body("GetVersion").encode()
    pieces = [data[:10], data[10:11], data[11:]]
    chunks = b"".join(b"%x\r\n%b\r\n" % (len(piece), piece) for piece in pieces) + b"0\r\n\r\n"
    connection.sendall(request(b"", content_length=None, transfer_encoding="chunked") + chunks)
    assert read_answer(connection).value["nm"]


def test_body_waits_for_continue(connection: socket.socket) -> None:
    data = body("GetVersion").encode()
    connection.sendall(request(b"", content_length=str(len(data)), expect="100-continue"))
    go = b"HTTP/1.1 100 Continue\r\n\r\n"
    assert connection.recv(len(go), socket.MSG_WAITALL) == go
    connection.sendall(data)
    assert read_answer(connection).value["nm"]


def test_client_that_does_not_wait_for_its_answer(door: Door) -> None:
    for way in ("tcp", "unix"):
        for _ in range(20):
            with door.connect(way) as client:
                client.sendall(call("Help") * 20)
        assert door.ask(call("GetVersion"), way=way).value["nm"]


def test_large_answer(door: Door, store: MemoryStore) -> None:
    group = {"owner": {"name": "root", "uid": 0}, "delegations": []}
    for number in range(3000):
        record = new("group", f"g{number:04}" + "x" * 50, 1, **group)
        store.transact(partial(put, record=record))
    assert len(door.ask(call("WhoAmI")).value["groups"]) == 3000


def test_stop_lets_a_call_under_way_finish(door: Door, store: MemoryStore) -> None:
    """WaitJob is cut short but answered; idle connections end; nobody new gets in."""
    store.transact(partial(put, record=job(1)))
    with door.connect() as idle, door.connect() as waiting, door.connect("unix") as half:
        idle.sendall(call("GetVersion"))
        assert read_answer(idle).value["nm"]
        half.sendall(call("GetVersion")[:30])
        waiting.sendall(call("WaitJob", 1, 60))
        wait_until(lambda: door.api._waiters._events)
        stopper = threading.Thread(target=door.api.stop, args=(0.5,))
        stopper.start()
        answer = read_answer(waiting)
        assert answer.value["state"] == "running"
        assert answer.header["connection"] == "close"
        assert is_closed(waiting)
        assert is_closed(idle)
        assert is_closed(half)
        stopper.join()
        with pytest.raises(OSError, match=r"refused"):
            door.connect()
