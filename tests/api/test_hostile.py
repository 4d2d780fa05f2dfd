"""Slow, huge, malformed and hostile requests hurt nobody."""

import socket
import time
from xmlrpc.client import Fault, dumps

import pytest

from tests.api.clients import Door, body, call, is_closed, read_answer, request, wait_until
from tests.api.conftest import Opener

LAUGHS = """<?xml version="1.0"?><!DOCTYPE lolz [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;">
<!ENTITY c "&b;&b;&b;&b;&b;&b;&b;&b;"><!ENTITY d "&c;&c;&c;&c;&c;&c;&c;&c;">]>
<methodCall><methodName>&d;</methodName></methodCall>"""
EXTERNAL = """<!DOCTYPE x [<!ENTITY f SYSTEM "file:///etc/passwd">]>
<methodCall><methodName>system.methodHelp</methodName><params><param><value>&f;</value></param></params></methodCall>"""
_VALUE = "<params><param><value>%s</value></param></params>"
PARAM = f"<methodCall><methodName>GetNodes</methodName>{_VALUE}</methodCall>"

BODIES = {
    "nothing": "",
    "no XML": "GetVersion",
    "cut off": body("GetVersion")[:-5],
    "two documents": body("GetVersion") * 2,
    "billion laughs": LAUGHS,
    "external entity": EXTERNAL,
    "document type": "<!DOCTYPE methodCall>" + body("GetVersion").partition("?>")[2],
    "no call": "<html><body>hello</body></html>",
    "an answer": "<methodResponse><params><param><value>1</value></param></params></methodResponse>",
    "a fault": dumps(Fault(1, "x"), methodresponse=True),
    "no name": "<methodCall><params/></methodCall>",
    "empty name": "<methodCall><methodName></methodName><params/></methodCall>",
    "no int": PARAM % "<int>seven</int>",
    "endless int": PARAM % f"<int>{'9' * 100_000}</int>",
    "no boolean": PARAM % "<boolean>maybe</boolean>",
    "no double": PARAM % "<double>1,5</double>",
    "no base64": PARAM % "<base64>ü</base64>",
    "no type": PARAM % "<blob>x</blob>",
    "member without value": PARAM % "<struct><member><name>a</name></member></struct>",
    "member without name": PARAM % "<struct><member><value>a</value></member></struct>",
    "member named by a struct": PARAM
    % "<struct><member><value><array><data/></array></value><value>a</value></member></struct>",
    "deep": PARAM % ("<array><data><value>" * 5000 + "</value></data></array>" * 5000),
    "deep structs": PARAM
    % ("<struct><member><name>a</name><value>" * 40 + "</value></member></struct>" * 40),
    "control character": PARAM % "<string>\x01</string>",
    "no encoding": b"<?xml version='1.0' encoding='klingon'?><methodCall/>",
    "no UTF-8": b"<methodCall><methodName>\xff\xfe\xfa</methodName></methodCall>",
    "zeros": b"\0" * 1000,
}


@pytest.mark.parametrize("data", BODIES.values(), ids=BODIES.keys())
def test_malformed_body_is_400(door: Door, data: str | bytes) -> None:
    answer = door.post(data)
    assert (answer.status, answer.header["connection"]) == (400, "close")
    assert answer.body.strip()
    assert b"root:" not in answer.body
    assert door.ask(call("GetVersion")).value["nm"]


REQUESTS = {
    "no HTTP": b"hello\r\n\r\n",
    "TLS": bytes.fromhex("16030100c8010000c40303") + b"x" * 200,
    "zeros": b"\0" * 500,
    "no version": b"POST /RPC2\r\n\r\n",
    "HTTP 2.0": request(body("GetVersion"), "POST /RPC2 HTTP/2.0"),
    "HTTP 1.2": request(body("GetVersion"), "POST /RPC2 HTTP/1.2"),
    "HTTP 2 preface": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "no method": request(body("GetVersion"), "PEST /RPC2 HTTP/1.1"),
    "negative length": request(body("GetVersion"), content_length="-1"),
    "no length": request(body("GetVersion"), content_length="ten"),
    "two lengths": request(body("GetVersion"), extra="Content-Length: 5"),
    "length and chunks": request(body("GetVersion"), transfer_encoding="chunked"),
    "unknown transfer encoding": request(body("GetVersion"), content_length=None, transfer_encoding="gzip"),
    "no chunk": request(b"zz\r\n\r\n", content_length=None, transfer_encoding="chunked"),
    "header without colon": request(body("GetVersion"), extra="nonsense"),
    "zero in a header": request(body("GetVersion"), extra="X-A: a\0b"),
    "two hosts": request(body("GetVersion"), extra="Host: localhost"),
    "two types": request(body("GetVersion"), extra="Content-Type: text/xml"),
    "upgrade": request(body("GetVersion"), upgrade="websocket", connection="Upgrade"),
    "no body": request(b"", content_length=None),
}


@pytest.mark.parametrize("data", REQUESTS.values(), ids=REQUESTS.keys())
def test_malformed_http_is_400(door: Door, data: bytes) -> None:
    with door.connect() as client:
        client.sendall(data)
        assert read_answer(client).status == 400
        assert is_closed(client)
    assert door.ask(call("GetVersion")).value["nm"]


@pytest.mark.parametrize(
    ("status", "start", "headers"),
    [
        (403, "POST /RPC2 HTTP/1.1", {"origin": "http://evil.example"}),
        (403, "POST /RPC2 HTTP/1.1", {"origin": "null"}),
        (403, "POST /RPC2 HTTP/1.1", {"host": "evil.example"}),
        (403, "POST /RPC2 HTTP/1.1", {"host": "evil.example:812"}),
        (403, "POST /RPC2 HTTP/1.1", {"host": "localhost.evil.example"}),
        (403, "POST /RPC2 HTTP/1.1", {"host": "127.0.0.1.evil.example:812"}),
        (403, "POST /RPC2 HTTP/1.0", {"host": "192.0.2.1"}),
        (403, "POST /RPC2 HTTP/1.1", {"host": None}),
        (415, "POST /RPC2 HTTP/1.1", {"content_type": None}),
        (415, "POST /RPC2 HTTP/1.1", {"content_type": "text/plain"}),
        (415, "POST /RPC2 HTTP/1.1", {"content_type": "application/x-www-form-urlencoded"}),
        (415, "POST /RPC2 HTTP/1.1", {"content_type": "multipart/form-data; boundary=text/xml"}),
        (415, "POST /RPC2 HTTP/1.1", {"content_type": "text/xmlish"}),
        (415, "POST /RPC2 HTTP/1.1", {"content_encoding": "gzip"}),
        (405, "GET /RPC2 HTTP/1.1", {}),
        (405, "OPTIONS /RPC2 HTTP/1.1", {"origin": "http://evil.example"}),
        (405, "PUT /RPC2 HTTP/1.1", {}),
        (404, "POST /other HTTP/1.1", {}),
        (404, "POST /RPC2?x=y HTTP/1.1", {}),
        (404, "POST http://localhost/RPC2 HTTP/1.1", {}),
    ],
)
def test_what_a_browser_can_be_tricked_into(
    door: Door, status: int, start: str, headers: dict[str, str | None]
) -> None:
    answer = door.ask(request(body("GetVersion"), start, None, **headers))
    assert (answer.status, answer.header["connection"]) == (status, "close")
    assert b"methodResponse" not in answer.body


@pytest.mark.parametrize(
    "host", ["localhost", "LOCALHOST:812", "127.0.0.1", "127.0.0.1:9", "[::1]", "[::1]:812"]
)
def test_own_names_are_welcome(door: Door, host: str) -> None:
    assert door.post(body("GetVersion"), host=host).value["nm"]


def test_any_host_on_the_unix_socket(door: Door) -> None:
    for host in ("whatever.example", None):
        assert door.ask(request(body("GetVersion"), host=host), way="unix").value["nm"]
    assert door.ask(request(body("GetVersion"), origin="http://evil.example"), way="unix").status == 403


@pytest.mark.parametrize("way", ["tcp", "unix"])
def test_two_mebibytes_are_refused_unread(door: Door, way: str) -> None:
    data = request(PARAM % ("x" * (2 << 20)))
    with door.connect(way) as client:
        client.sendall(data[: 1 << 16])
        assert read_answer(client).status == 413
        assert is_closed(client)


@pytest.mark.parametrize("way", ["tcp", "unix"])
def test_who_sends_a_huge_body_whole_can_still_read_the_reason(door: Door, way: str) -> None:
    assert door.ask(request(PARAM % ("x" * (16 << 20))), way=way).status == 413


def test_chunks_beyond_the_limit(door: Door) -> None:
    chunk = b"10000\r\n" + b"x" * 0x10000 + b"\r\n"
    answer = door.ask(request(b"", content_length=None, transfer_encoding="chunked"), *[chunk] * 17)
    assert answer.status == 413


@pytest.mark.parametrize("rest", [b"0\r\nX-A: ", b"1;a="], ids=["trailer", "extension"])
def test_endless_trailers_and_chunk_extensions(door: Door, rest: bytes) -> None:
    head = request(b"", content_length=None, transfer_encoding="chunked")
    with door.connect("unix") as client:
        client.sendall(head + b"1\r\nx\r\n" + rest + b"a" * (3 << 20))
        assert read_answer(client).status == 413
    assert door.ask(call("GetVersion")).value["nm"]


def test_a_body_just_within_the_limit(door: Door) -> None:
    shell = len(PARAM % "")
    data = PARAM % ("x" * ((1 << 20) - shell))
    assert len(data) == 1 << 20
    with pytest.raises(Exception, match=r"102.*expected a struct"):
        assert door.post(data).value
    assert door.post(data + " ").status == 413


def test_endless_header(door: Door) -> None:
    for line in (b"X-A: " + b"a" * 100_000, b"X-A: b\r\n" * 10_000, b"X-" + b"a" * 100_000):
        with door.connect() as client:
            client.sendall(b"POST /RPC2 HTTP/1.1\r\n" + line[:60_000])
            assert read_answer(client).status in (400, 431)
            assert is_closed(client)
    assert door.ask(b"POST /" + b"a" * 50_000).status in (400, 431)


@pytest.mark.parametrize("way", ["tcp", "unix"])
@pytest.mark.parametrize("part", [0.1, 0.5, 0.99])
def test_half_a_request(door: Door, way: str, part: float) -> None:
    data = call("GetVersion")
    with door.connect(way) as client:
        client.sendall(data[: int(len(data) * part)])
        client.shutdown(socket.SHUT_WR)
        assert read_answer(client).status == 400
        assert is_closed(client)


def test_client_that_resets(door: Door) -> None:
    for size in (0, 30, None):
        with door.connect() as client:
            client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
            client.sendall(call("Help")[:size])
    assert door.ask(call("GetVersion")).value["nm"]


def test_slow_clients_are_dropped(open_door: Opener) -> None:
    """Silent, byte by byte in the header, byte by byte in the body, idle: each is ended by its limit."""
    door = open_door(header_seconds=0.4, request_seconds=0.8, idle_seconds=0.6)
    data = request(body("GetVersion"))
    head = data.index(b"\r\n\r\n") + 4
    with door.connect() as silent, door.connect() as slow, door.connect() as slower, door.connect() as idle:
        idle.sendall(data)
        assert read_answer(idle).value["nm"]
        slower.sendall(data[:head])
        begun, sent = time.monotonic(), 0
        ended: dict[socket.socket, float] = {}
        while len(ended) < 4 and time.monotonic() < begun + 5:
            for client, source in ((slow, data), (slower, data[head:])):
                if client not in ended and sent < 50:
                    try:
                        client.sendall(source[sent : sent + 1])
                    except OSError:
                        ended[client] = time.monotonic() - begun
            sent += 1
            for client in {silent, slow, slower, idle} - set(ended):
                client.settimeout(0.01)
                try:
                    if is_closed(client):
                        ended[client] = time.monotonic() - begun
                except TimeoutError:
                    pass
        assert len(ended) == 4
        assert ended[silent] < 1.5
        assert ended[slow] < 1.5
        assert 0.5 < ended[slower] < 2.0
        assert 0.3 < ended[idle] < 2.0
    assert door.ask(call("GetVersion")).value["nm"]


def test_client_that_does_not_read(open_door: Opener) -> None:
    door = open_door(answer_seconds=0.5, header_seconds=0.5)
    with door.connect("unix") as client:
        client.settimeout(0.2)
        with pytest.raises((TimeoutError, BrokenPipeError, ConnectionResetError)):
            client.sendall(call("Help") * 10_000)
        wait_until(lambda: not door.api._server._connections)
    assert door.ask(call("GetVersion")).value["nm"]


def test_three_hundred_connections(open_door: Opener) -> None:
    """Those beyond the limit are told so; the others, and whoever comes when there is room, are served."""
    door = open_door(connections=100, reserved_for_admins=0)
    clients = [door.connect("unix" if number % 2 else "tcp") for number in range(300)]
    try:
        statuses = []
        for client in clients:
            try:
                client.sendall(call("GetVersion"))
                statuses.append(read_answer(client).status)
            except (BrokenPipeError, ConnectionResetError):
                statuses.append(503)
        assert statuses.count(200) == 100
        assert statuses.count(503) == 200
    finally:
        for client in clients:
            client.close()
    wait_until(lambda: not door.api._server._connections)
    assert door.ask(call("GetVersion")).value["nm"]


def test_refusal_for_want_of_room_is_readable(open_door: Opener) -> None:
    door = open_door(connections=1, reserved_for_admins=0)
    with door.connect() as first:
        first.sendall(call("GetVersion"))
        assert read_answer(first).value["nm"]
        for way in ("tcp", "unix"):
            with door.connect(way) as second:
                assert read_answer(second).status == 503
                assert is_closed(second)
