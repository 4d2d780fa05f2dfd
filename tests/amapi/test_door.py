"""The door itself: what it bears, what it does not, and what it looks like from outside."""

import contextlib
import http.client
import logging
import socket
import ssl
import threading
import time
import xmlrpc.client
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from nm import tls
from nm.errors import Conflict, Invalid
from nm.geni.certificates import to_der
from nm.geni.making import pem
from tests.amapi import house
from tests.amapi.client import VERSION, Client, code, good
from tests.amapi.conftest import Aggregate, aggregate
from tests.geni.lab import asked, rspec

GONE = (OSError, http.client.HTTPException)
PATIENCE = 20.0


@pytest.fixture
def tight(tmp_path: Path) -> Iterator[Aggregate]:
    """One that bears little."""
    limits: dict[str, Any] = {"max_connections": 6, "max_connections_per_address": 4}
    with aggregate(tmp_path, **limits) as found:
        yield found


@pytest.fixture
def hasty(tmp_path: Path) -> Iterator[Aggregate]:
    """One that waits for nobody."""
    with aggregate(tmp_path, request_seconds=1.0) as found:
        yield found


def alive(client: Client) -> bool:
    try:
        return bool(good(client.version()))
    except GONE:
        client.close()
        return False


def test_who_does_not_shake_hands_is_dropped(hasty: Aggregate) -> None:
    for begun in (b"", b"\x16\x03\x01", b"POST / HTTP/1.1\r\n"):
        with socket.create_connection(("127.0.0.1", hasty.port), PATIENCE) as silent:
            silent.sendall(begun)
            with contextlib.suppress(ConnectionError):
                while silent.recv(1000):  # an alert, perhaps
                    pass
    client = hasty.client()
    hasty.rack.until(lambda: alive(client))


def test_an_address_has_so_many_connections(tight: Aggregate) -> None:
    clients = [tight.client() for _ in range(5)]
    assert [alive(client) for client in clients] == [True] * 4 + [False]
    clients[0].close()
    tight.rack.until(lambda: alive(clients[4]))


def test_a_request_that_is_too_long_is_refused(shared: Aggregate) -> None:
    client = shared.client()
    client.connection.putrequest("POST", "/")
    client.connection.putheader("Content-Length", str(5 << 20))
    client.connection.endheaders()
    assert client.connection.getresponse().status == 413
    client.close()


def test_half_a_request_is_waited_for_so_long_only(hasty: Aggregate) -> None:
    client = hasty.client()
    hasty.rack.until(lambda: alive(client))
    client.connection.putrequest("POST", "/")
    client.connection.putheader("Content-Length", "100")
    client.connection.endheaders(b"<methodCall>")
    with pytest.raises(GONE):
        client.connection.getresponse()


@pytest.mark.parametrize(("method", "path", "status"), [
    ("POST", "/other", 404), ("GET", "/", 404), ("PUT", "/", 405), ("GET", "/rspec/nm/1/../1/ad.xsd", 404),
])  # fmt: skip
def test_other_paths_and_methods_are_refused(shared: Aggregate, method: str, path: str, status: int) -> None:
    client = shared.client()
    client.connection.request(method, path, "x" if method != "GET" else None)
    assert client.connection.getresponse().status == status
    client.close()


def test_a_browser_that_was_led_here_is_refused(shared: Aggregate) -> None:
    client = shared.client()
    body = xmlrpc.client.dumps(({},), "GetVersion")
    assert client.post(body, Origin="https://evil.example")[0] == 403
    client.close()


def test_old_versions_of_tls_are_not_spoken(shared: Aggregate) -> None:
    client = shared.client()
    with pytest.warns(DeprecationWarning, match="TLSv1_1"):
        client.tls.maximum_version = ssl.TLSVersion.TLSv1_1
    client.tls.set_ciphers("ALL:@SECLEVEL=0")
    with pytest.raises(ssl.SSLError):
        client.version()


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_the_chain_is_known_whatever_the_version(shared: Aggregate, version: ssl.TLSVersion) -> None:
    """Who it is between the root and the client, only the client's own chain tells."""
    client = shared.client("chained")
    client.tls.minimum_version = client.tls.maximum_version = version
    assert code(client.status()) == 12
    client.close()
    assert code(client.status()) == 12  # anew
    client.close()


def test_a_session_is_not_taken_up_again(shared: Aggregate) -> None:
    """For then there would be no chain."""
    client = shared.client()
    client.tls.maximum_version = ssl.TLSVersion.TLSv1_2
    with socket.create_connection(("127.0.0.1", shared.port), PATIENCE) as raw:
        first = client.tls.wrap_socket(raw)
        session = first.session
        first.close()
    with socket.create_connection(("127.0.0.1", shared.port), PATIENCE) as raw:
        second = client.tls.wrap_socket(raw, session=session)
        second.sendall(_plain_status(client))
        assert not second.session_reused
        said = b""
        while b"</methodResponse>" not in said:  # it may come in pieces
            piece = second.recv(65536)
            assert piece
            said += piece
        assert b"<int>12</int>" in said
        second.close()


def _plain_status(client: Client) -> bytes:
    body = xmlrpc.client.dumps(([client.urn], client.credentials, {}), "Status").encode()
    return b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body)


def test_several_requests_at_once_are_answered_in_order(shared: Aggregate) -> None:
    client = shared.client()
    with socket.create_connection(("127.0.0.1", shared.port), PATIENCE) as raw:
        channel = client.tls.wrap_socket(raw)
        channel.sendall(_plain_status(client) * 3)
        said = b""
        while said.count(b"</methodResponse>") < 3:
            said += channel.recv(65536)
        assert said.count(b"<int>12</int>") == 3
        channel.close()


def test_ten_ask_for_the_last_nodes_at_once(shared: Aggregate) -> None:
    """No node is given twice, and who gets none is told so."""
    shared.rack.until(shared.has_all_nodes)
    clients = [shared.client(f"race{number}", house.person(f"p{number}")) for number in range(10)]
    text = rspec(*(asked(f"a{number}") for number in range(3)))
    with ThreadPoolExecutor(10) as pool:
        answers = list(pool.map(lambda client: client.allocate(text), clients))
    assert sorted(map(code, answers)) == [0] * 2 + [26] * 8
    given = [
        sliver["geni_sliver_urn"].split(".")[-2]
        for answer in answers
        if code(answer) == 0
        for sliver in answer["value"]["geni_slivers"]
    ]
    assert len(set(given)) == len(given) == 6
    for client, answer in zip(clients, answers, strict=True):
        if code(answer) == 0:
            good(client.delete())
        client.close()


def test_calls_under_way_are_finished_when_nmd_ends(tmp_path: Path) -> None:
    with aggregate(tmp_path) as am:
        client, entered, go_on = am.client(), threading.Event(), threading.Event()
        door = am.door

        def slow(*_: object) -> float:
            entered.set()
            assert go_on.wait(PATIENCE)
            return time.time()

        door._clock = slow
        with ThreadPoolExecutor(2) as pool:
            answer = pool.submit(client.resources)
            assert entered.wait(PATIENCE)
            end = pool.submit(am.rack.stop)
            am.rack.until(lambda: door._server.stopping)
            go_on.set()
            assert good(answer.result(PATIENCE))
            end.result(PATIENCE)


def test_what_is_refused_is_counted_by_name(shared: Aggregate, caplog: pytest.LogCaptureFixture) -> None:
    client = shared.client(who=house.person("counted"))
    client.call("ListResources", [], VERSION)
    with caplog.at_level(logging.WARNING):
        shared.door._refusals.flush()
    told = [vars(record) for record in caplog.records if record.message == "calls refused"]
    mine = [one for one in told if one["caller"] == str(client.who.urn)]
    assert mine and "ListResources:3=" in mine[0]["what"]
    client.close()


def test_an_unexpected_error_fails_its_call_alone(
    shared: Aggregate, caplog: pytest.LogCaptureFixture
) -> None:
    client, door = shared.client(), shared.door
    clock = door._clock
    door._clock = lambda: float("nan")
    try:
        answer = client.resources()
    finally:
        door._clock = clock
    assert code(answer) == 2 and "unexpected error" in answer["output"]
    number = answer["output"].split()[2].rstrip(";")
    assert any(vars(record).get("id") == number for record in caplog.records)
    assert good(client.resources())
    client.close()


def test_nothing_secret_is_logged(shared: Aggregate, caplog: pytest.LogCaptureFixture) -> None:
    client = shared.client()
    with caplog.at_level(logging.DEBUG):
        client.resources()
        client.call("ListResources", ["x" + client.credentials[0]["geni_value"]], VERSION)
        shared.door._refusals.flush()
    assert "signed-credential" not in caplog.text and "CERTIFICATE" not in caplog.text
    client.close()


# ---- files


def made(folder: Path) -> tuple[str, str]:
    chain, key = house.write_holder(folder, house.server(), "server")
    return str(chain), str(key)


def test_files_that_are_no_good_are_named(tmp_path: Path) -> None:
    chain, key = made(tmp_path)
    empty = tmp_path / "empty"
    empty.touch()
    for certificate, private in ((chain, str(empty)), (str(empty), key), (key, chain)):
        with pytest.raises(Invalid, match="do not serve for TLS"):
            tls.context(certificate, private, b"")
    with pytest.raises(Invalid, match=r"there is no file .*none"):
        tls.context(str(tmp_path / "none"), key, b"")
    other, _ = house.write_holder(tmp_path, house.person())
    with pytest.raises(Invalid, match="mismatch"):
        tls.context(str(other), key, to_der(house.root().chain))


def test_a_reload_with_files_that_are_no_good_changes_nothing(shared: Aggregate) -> None:
    with pytest.raises(Invalid, match="there is no file"):
        shared.config(certificate="/nowhere")
    client = shared.client()
    assert good(client.version())
    client.close()
    shared.config(certificate=str(shared.folder / "server.pem"))


def test_a_port_that_is_taken_is_named(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(Conflict, match=f"port {port}.*in use"), aggregate(tmp_path, port=port):
            pass


def test_an_authority_between_may_be_a_root(shared: Aggregate) -> None:
    """Whoever vouches for it is not asked; and it vouches for those below it, not for others."""
    root, between = shared.folder / "roots" / "root.pem", shared.folder / "roots" / "between.pem"
    kept = root.read_text()
    between.write_text(pem(house.authority().chain[:1]))
    root.unlink()
    client = shared.client("between")
    try:
        assert code(client.status()) == 12
        other = shared.client(who=house.holder("example.org+user+carol", "person"))
        with pytest.raises(GONE):
            other.version()
    finally:
        root.write_text(kept)
        between.unlink()
        client.close()


def test_a_connection_that_is_hung_up_on_never_speaks_in_the_clear(shared: Aggregate) -> None:
    """Another thread hangs up while the connection's own may be about to answer."""
    client = shared.client()
    guard = tls.Guard(lambda: shared.door._terms.authorities.now().tls)
    with (
        socket.create_server(("127.0.0.1", 0)) as listener,
        socket.create_connection(listener.getsockname(), PATIENCE) as raw,
        ThreadPoolExecutor(1) as pool,
    ):
        visitor = guard.greet(listener.accept()[0])
        entered = pool.submit(guard.enter, visitor)
        channel = client.tls.wrap_socket(raw)
        entered.result(PATIENCE)
        with visitor.channel as ours:
            ours.shutdown(socket.SHUT_RD)
            ours.sendall(b"an answer")
            assert channel.recv(100) == b"an answer"
        channel.close()
