"""nm.client by itself: addresses, keep-alive, and servers that misbehave."""

import os
import socket
import subprocess
import sys
import threading
import xmlrpc.client
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from nm import client, marshal
from nm.client import JSON, Address, BadAddress, Busy, Unreachable, connect, parse_address
from tests import untraced
from tests.rack import Rack, rack

NO_ANSWERS = (b"", b"{", b"[]", b"{}", b"\xff", b'{"fault": 1}', b'{"fault": {"faultCode": "1"}}')  # in JSON
ANSWER = xmlrpc.client.dumps((1,), methodresponse=True).encode()


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("/run/nm/api.sock", Address(path="/run/nm/api.sock")),
        ("unix:///run/nm/api.sock", Address(path="/run/nm/api.sock")),
        ("http://localhost", Address(host="localhost", port=812)),
        ("http://localhost:8120/", Address(host="localhost", port=8120)),
        ("http://[::1]:812/RPC2", Address(host="::1", port=812)),
        ("http://127.0.0.1:1", Address(host="127.0.0.1", port=1)),
        ("ssh://host", Address(scheme="ssh", host="host", port=0)),
        ("ssh://del_snoop@Host.example:2222/", Address("", "Host.example", 2222, "ssh", "del_snoop")),
        ("ssh://del_snoop@[fe80::1]:22", Address("", "fe80::1", 22, "ssh", "del_snoop")),
    ],
)
def test_addresses(text: str, address: Address) -> None:
    assert parse_address(text) == address
    assert parse_address(str(address)) == address


def test_a_relative_path_is_meant_from_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert parse_address("./api.sock") == Address(path=str(tmp_path / "api.sock"))


@pytest.mark.parametrize(
    "text",
    ["", "api.sock", "unix://run/api.sock", "https://localhost", "http://", "http://h:x",
     "http://h:99999", "http://me@h", "http://h/other", "http://h/?a=1", "http://[::1", "ssh://", "ssh://@h",
     "ssh://h:x", "ssh://h:99999", "ssh://h/other", "ssh://h?a=1", "ssh://-oProxyCommand=x", "ssh://-l@h",
     "ssh://a b@h", "ssh://$(id)@h", "ssh://h`id`", "ssh://h;id", "ssh://%24@h", "ssh://h\n", "ssh://[::1"],
)  # fmt: skip
def test_other_addresses_are_refused_with_the_valid_forms(text: str) -> None:
    with pytest.raises(BadAddress) as refused:
        connect(text)
    assert "unix:///" in refused.value.hint
    assert "ssh://" in refused.value.hint


@pytest.mark.parametrize(
    "address", ["ssh://me:sesame@h", "http://me:sesame@h", "ssh://sesame@/", "https://a/sesame@h"]
)
def test_a_password_is_refused_and_not_repeated(address: str) -> None:
    with pytest.raises(BadAddress) as refused:
        connect(address)
    assert "password" in str(refused.value)
    assert "sesame" not in str(refused.value)


# ---- the real daemon


@pytest.fixture
def daemon(tmp_path: Path) -> Iterator[Rack]:
    with rack(tmp_path, nodes=2) as made:
        yield made


def test_calls_and_faults(daemon: Rack) -> None:
    with connect(daemon.config.api.socket) as nm:
        assert nm.CreateGroup("alpha", {"nodes": ["n0"]}) == 1
        assert nm.SetHeadNode("alpha", None) == 1
        assert nm.GetGroups({"name": "alpha"})[0]["nodes"] == ["n0"]  # type: ignore[index, call-overload]
        with pytest.raises(xmlrpc.client.Fault) as fault:
            nm.CreateGroup("alpha", {})
        assert fault.value.faultCode == 105
        assert nm.system.listMethods()
        job = nm.Deploy("alpha")
        assert nm.WaitJob(job, 10)["state"] == "done"  # type: ignore[index, call-overload]


def test_one_connection_serves_many_calls_until_the_daemon_starts_anew(daemon: Rack) -> None:
    with connect(daemon.config.api.socket) as nm:
        nm.WhoAmI()
        first = nm("transport")._http.sock  # type: ignore[attr-defined]
        nm.WhoAmI()
        assert nm("transport")._http.sock is first  # type: ignore[attr-defined]
        daemon.stop()
        daemon.start()
        assert nm.CreateGroup("alpha", {}) == 1


def test_a_proxy_a_thread(daemon: Rack) -> None:
    made: list[object] = []

    def work(number: int) -> None:
        with connect(daemon.config.api.socket) as nm:
            made.extend(nm.CreateGroup(f"g{number}-{turn}", {}) for turn in range(5))

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert made == [1] * 20
    assert len(daemon.call("GetGroups", {})) == 20


# ---- servers that misbehave


class Server:
    """Accepts connections and treats each as it is told to; counts requests."""

    def __init__(self, listener: socket.socket, treat: Callable[[socket.socket], None]) -> None:
        self.path = str(listener.getsockname())
        self.requests = 0
        self._treat = treat
        self._socket = listener
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._socket.accept()
            except OSError:
                return
            with connection:
                if read_request(connection):
                    self.requests += 1
                    self._treat(connection)

    def close(self) -> None:
        self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()
        self._thread.join(5)


def unix_listener(path: Path) -> socket.socket:
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(path))
    listener.listen(5)
    return listener


def read_request(connection: socket.socket) -> bytes:
    data = b""
    while b"</methodCall>" not in data:
        more = connection.recv(65536)
        if not more:
            return b""
        data += more
    return data


def reply(body: bytes, status: str = "200 OK", content: str = "text/xml") -> bytes:
    head = f"HTTP/1.1 {status}\r\nContent-Type: {content}\r\nContent-Length: {len(body)}\r\n\r\n"
    return head.encode() + body


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Callable[[Callable[[socket.socket], None]], Server]]:
    made: list[Server] = []

    def make(treat: Callable[[socket.socket], None]) -> Server:
        made.append(Server(unix_listener(tmp_path / "api.sock"), treat))
        return made[-1]

    yield make
    for server in made:
        server.close()


Maker = Callable[[Callable[[socket.socket], None]], Server]


def test_a_call_whose_answer_is_lost_is_not_sent_again(server: Maker) -> None:
    cut = server(lambda connection: None)
    with connect(cut.path) as nm, pytest.raises(Unreachable) as lost:
        nm.CreateGroup("alpha", {})
    assert lost.value.sent
    assert "may have been carried out" in lost.value.hint
    assert cut.requests == 1


def test_an_idle_connection_that_was_closed_is_opened_anew(server: Maker) -> None:
    once = server(lambda connection: connection.sendall(reply(ANSWER)))
    with connect(once.path) as nm:
        for _ in range(3):
            assert nm.Ping() == 1
            wait_until_closed(nm)
    assert once.requests == 3


def wait_until_closed(nm: xmlrpc.client.ServerProxy) -> None:
    sock = nm("transport")._http.sock  # type: ignore[attr-defined]
    assert sock.recv(1, socket.MSG_PEEK) == b""


@pytest.mark.parametrize("value", [1, None, "\x1b\u00fc", 4_102_444_800, 1.5, [], {"a": [{"b": True}, "\n"]}])
def test_an_answer_in_json_is_what_was_meant(server: Maker, value: object) -> None:
    wise = server(lambda connection: connection.sendall(reply(marshal.json_answer(value), content=JSON)))
    with connect(wise.path) as nm:
        assert nm.Ping() == value


def test_a_refusal_in_json_is_a_fault(server: Maker) -> None:
    body = marshal.json_fault(108, "no; ask")
    strict = server(lambda connection: connection.sendall(reply(body, content=JSON)))
    with connect(strict.path) as nm, pytest.raises(xmlrpc.client.Fault) as refused:
        nm.Ping()
    assert (refused.value.faultCode, refused.value.faultString) == (108, "no; ask")


def hold(ended: threading.Event) -> None:
    ended.wait(10)


def test_a_daemon_that_says_nothing_is_unreachable_after_the_timeout(server: Maker) -> None:
    ended = threading.Event()
    silent = server(lambda connection: hold(ended))
    try:
        with connect(silent.path, timeout=0.1) as nm, pytest.raises(Unreachable) as lost:
            nm.WhoAmI()
    finally:
        ended.set()
    assert lost.value.sent


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (reply(b"no", "503 Busy"), "503"),
        (reply(b"<html>"), "XML-RPC"),
        (reply(b"<methodResponse></methodResponse>"), "XML-RPC"),
        *((reply(body, content=JSON), "XML-RPC") for body in NO_ANSWERS),
        (b"SSH-2.0-OpenSSH_9.2\r\n", "did not answer"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 999\r\n\r\n<", "did not answer"),
    ],
)
def test_an_answer_that_is_none(server: Maker, answer: bytes, said: str) -> None:
    strange = server(lambda connection: connection.sendall(answer))
    with connect(strange.path) as nm, pytest.raises(Unreachable) as refused:
        nm.WhoAmI()
    assert said in str(refused.value)
    assert refused.value.hint


def test_a_daemon_without_room_is_busy(server: Maker) -> None:
    body = b"too many connections; try again later\n"
    full = server(lambda connection: connection.sendall(reply(body, "503 Service Unavailable")))
    with connect(full.path) as nm, pytest.raises(Busy) as refused:
        nm.WhoAmI()
    assert not refused.value.sent
    assert "503 Service Unavailable: too many connections; try again later" in refused.value.message
    assert refused.value.hint == "close other connections, or raise api.max_connections"


def test_a_refusal_is_heard_also_by_who_has_not_sent_everything(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with unix_listener(tmp_path / "api.sock") as listener, connect(str(tmp_path / "api.sock")) as nm:
        transport: Any = nm("transport")
        transport.make_connection("")
        connection, _ = listener.accept()
        connection.sendall(reply(b"no room", "503 Service Unavailable"))
        connection.close()
        monkeypatch.setattr(transport, "make_connection", lambda host: transport._http)
        with pytest.raises(Busy, match="no room"):
            nm.CreateGroup("alpha", {"alias": "x" * 1_000_000})


def test_http_on_a_tcp_port() -> None:
    def treat(connection: socket.socket) -> None:
        connection.sendall(reply(ANSWER))

    listener = socket.create_server(("127.0.0.1", 0))
    port = listener.getsockname()[1]
    served = Server(listener, treat)
    try:
        with connect(f"http://127.0.0.1:{port}") as nm:
            assert nm.WhoAmI() == 1
    finally:
        served.close()
    assert served.requests == 1


def test_nobody_there(tmp_path: Path) -> None:
    with pytest.raises(Unreachable) as missing:
        connect(str(tmp_path / "none.sock")).WhoAmI()
    assert not missing.value.sent
    dead = socket.socket(socket.AF_UNIX)
    dead.bind(str(tmp_path / "dead.sock"))
    dead.close()
    with pytest.raises(Unreachable, match="refused"):
        connect(str(tmp_path / "dead.sock")).WhoAmI()


@pytest.mark.skipif(os.geteuid() != 0, reason="becomes another account, which needs root")
def test_a_socket_that_may_not_be_opened(tmp_path: Path) -> None:
    unix_listener(tmp_path / "api.sock").close()
    os.chmod(tmp_path / "api.sock", 0o600)
    address = str(tmp_path / "api.sock")
    script = f"import os; from nm.client import connect; os.setuid(65534); connect({address!r}).WhoAmI()"
    for folder in (tmp_path, *tmp_path.parents[:2]):
        folder.chmod(0o755)
    command = [sys.executable, "-c", script]
    # The other account may not write where coverage is measured.
    ran = subprocess.run(
        command, capture_output=True, text=True, timeout=20, check=False, env=untraced.environment()
    )
    assert "permission denied" in ran.stderr


def test_it_needs_the_standard_library_only() -> None:
    source = Path(client.__file__).read_text()
    script = f"import sys; sys.modules['nm'] = None\nexec(compile({source!r}, 'client', 'exec'))"
    subprocess.run([sys.executable, "-I", "-S", "-c", script], check=True, timeout=20)
