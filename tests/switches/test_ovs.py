"""What is Open vSwitch's own: OVSDB that hangs, breaks off or changes meanwhile, and a thousand ports."""

import contextlib
import json
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from nm.errors import DeviceFailed, Invalid
from nm.switch import PortState
from nm.switches.ovsdb import LARGEST, Client, OperationFailed
from tests.switches.benches import EPOCH, OvsBench, executor_of, join, no_trunk, trunk
from tests.switches.ovs_rack import OvsRack, missing

Script = Callable[[socket.socket], object]


@contextlib.contextmanager
def server(path: Path, *scripts: Script) -> Iterator[str]:
    """A server on a Unix socket: each connection in turn is handed to the next script."""
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        listener.listen(4)
        listener.settimeout(10)

        def serve() -> None:
            for script in scripts:
                connection, _ = listener.accept()
                with connection, contextlib.suppress(OSError):
                    connection.settimeout(10)
                    script(connection)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        try:
            yield f"unix:{path}"
        finally:
            thread.join(10)
        assert not thread.is_alive()


def request(connection: socket.socket) -> dict[str, object]:
    text = b""
    while True:
        chunk = connection.recv(1 << 16)
        if not chunk:
            raise OSError("closed")
        text += chunk
        with contextlib.suppress(json.JSONDecodeError):
            message: dict[str, object] = json.loads(text)
            return message


def reply(connection: socket.socket, result: object, error: object = None) -> None:
    number = request(connection)["id"]
    connection.sendall(json.dumps({"id": number, "result": result, "error": error}).encode())


def silent(connection: socket.socket) -> None:
    while connection.recv(4096):
        pass


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "s"


def test_a_server_that_never_answers_gives_an_error_within_the_timeout(path: Path) -> None:
    with server(path, silent) as address:
        executor = executor_of(driver="ovs", address=address, bridge="b", timeout=0.3)
        begin = time.monotonic()
        (outcome,) = executor.run([join("p", 101)], EPOCH)
        assert 0.3 <= time.monotonic() - begin < 3
        assert isinstance(outcome.error, DeviceFailed)
        assert outcome.error.passing
        assert "no answer within 0.3 s" in outcome.error.message


def test_a_server_that_drips_is_not_waited_for_longer(path: Path) -> None:
    def drip(connection: socket.socket) -> None:
        request(connection)
        for _ in range(100):
            connection.sendall(b" {")
            time.sleep(0.05)

    with server(path, drip) as address:
        client = Client("switch s", address, 0.3)
        begin = time.monotonic()
        with pytest.raises(DeviceFailed, match="no answer"):
            client.transact([])
        assert time.monotonic() - begin < 3


def test_nobody_listens(path: Path) -> None:
    client = Client("switch s", f"unix:{path}", 1)
    with pytest.raises(DeviceFailed, match="No such file") as caught:
        client.transact([])
    assert caught.value.passing


def test_a_server_that_hangs_up_is_an_error_and_the_next_call_connects_anew(path: Path) -> None:
    def answer(connection: socket.socket) -> None:
        reply(connection, [{"count": 7}])

    with server(path, request, answer) as address:
        client = Client("switch s", address, 5)
        with pytest.raises(DeviceFailed, match="closed the connection") as caught:
            client.transact([])
        assert caught.value.passing
        assert client.transact([]) == [{"count": 7}]
        client.close()


def test_a_connection_dropped_while_idle_costs_nothing(path: Path) -> None:
    dropped = threading.Event()

    def once(connection: socket.socket) -> None:
        reply(connection, [{"count": 1}])
        connection.shutdown(socket.SHUT_RDWR)
        dropped.set()

    with server(path, once, lambda connection: reply(connection, [{"count": 2}])) as address:
        client = Client("switch s", address, 5)
        assert client.transact([]) == [{"count": 1}]
        assert dropped.wait(5)
        assert client.transact([]) == [{"count": 2}]
        client.close()


def test_the_servers_echo_is_answered_and_messages_may_come_in_pieces(path: Path) -> None:
    echoed: list[dict[str, object]] = []

    def talk(connection: socket.socket) -> None:
        number = request(connection)["id"]
        echo = {"id": "echo", "method": "echo", "params": ["are you there? }"]}
        answer = {"id": number, "result": [{"rows": [{"name": "}{"}]}], "error": None}
        text = (
            json.dumps(echo) + json.dumps({"id": 99, "result": [], "error": None}) + json.dumps(answer)
        ).encode()
        for start in range(0, len(text), 7):
            connection.sendall(text[start : start + 7])
        echoed.append(request(connection))

    with server(path, talk) as address:
        client = Client("switch s", address, 5)
        assert client.transact([]) == [{"rows": [{"name": "}{"}]}]
        client.close()
    assert echoed == [{"id": "echo", "result": ["are you there? }"], "error": None}]


@pytest.mark.parametrize(
    "said",
    [
        b'{"id":"\xff"}',
        b"[1]{}",
        b'{"id":1}',
        b'{"method":"echo"}',
        b"[" * 10_000 + b"}",
        b"x" * (LARGEST + 1),
    ],
    ids=["text", "list", "answer", "question", "deep", "long"],
)
def test_what_is_no_ovsdb_is_told_as_that(path: Path, said: bytes) -> None:
    def talk(connection: socket.socket) -> None:
        request(connection)
        connection.sendall(said)
        silent(connection)

    with server(path, talk) as address, pytest.raises(DeviceFailed, match="answers what is no OVSDB"):
        Client("switch s", address, 5).transact([])


def test_what_the_server_refuses_is_told_in_its_words(path: Path) -> None:
    def refuse(connection: socket.socket) -> None:
        reply(connection, [{}, {"error": "constraint violation", "details": "5000 is too big"}, None])
        reply(connection, None, "unknown database")

    with server(path, refuse) as address:
        client = Client("switch s", address, 5)
        with pytest.raises(OperationFailed, match="constraint violation: 5000 is too big") as caught:
            client.transact([])
        assert not caught.value.passing
        with pytest.raises(OperationFailed, match="unknown database"):
            client.transact([])
        client.close()


@pytest.mark.parametrize(
    "address",
    [
        "",
        "unix:relative",
        "tcp:1.2.3.4",
        "ssl:1.2.3.4",
        "ssl:h.example:6640",
        "tcp:1.2.3.4:0",
        "/run/db.sock",
        "tcp::6640",
    ],
)
def test_addresses_that_are_none(address: str) -> None:
    with pytest.raises(Invalid):
        Client("switch s", address, 1)


@pytest.mark.parametrize(("host", "address"), [("127.0.0.1", "tcp:127.0.0.1:{}"), ("::1", "tcp:[::1]:{}")])
def test_a_server_is_reached_over_tcp(host: str, address: str) -> None:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as listener:
        try:
            listener.bind((host, 0))
        except OSError:
            pytest.skip(f"{host} is not there")
        port = listener.getsockname()[1]
    with pytest.raises(DeviceFailed, match="refused"):
        Client("switch s", address.format(port), 1).transact([])


# ---- the real one


@pytest.fixture
def own(rack: OvsRack) -> Iterator[tuple[OvsRack, OvsBench]]:
    """An Open vSwitch of its own, to be stopped and killed; `rack` says where there can be none."""
    assert not missing()
    with OvsRack() as mine:
        bench = OvsBench(mine, 3)
        bench.record["timeout"] = 0.4
        bench.executor = executor_of(**bench.record)
        try:
            yield mine, bench
        finally:
            bench.executor.close()


@pytest.mark.real
@pytest.mark.parametrize("program", ["server", "vswitchd"])
def test_a_stopped_open_vswitch_gives_a_passing_error_and_goes_on_later(
    own: tuple[OvsRack, OvsBench], program: str
) -> None:
    rack, bench = own
    port = bench.ports[0]
    process = getattr(rack, program)
    process.send_signal(signal.SIGSTOP)
    begin = time.monotonic()
    (outcome,) = bench.executor.run([join(port, 101)], EPOCH)
    assert time.monotonic() - begin < 4
    process.send_signal(signal.SIGCONT)
    assert isinstance(outcome.error, DeviceFailed)
    assert outcome.error.passing
    rack.vsctl("--timeout=10", "list", "bridge")
    bench.record["timeout"] = 5.0
    executor = executor_of(**bench.record)
    assert executor.run([join(port, 101)], EPOCH)[0].error is None
    executor.close()
    assert bench.table()[port] == PortState(101)


@pytest.mark.real
def test_a_restarted_server_is_found_again(own: tuple[OvsRack, OvsBench]) -> None:
    rack, bench = own
    assert bench.executor.inspect().ports
    rack.server.kill()
    rack.server.wait(10)
    (outcome,) = bench.executor.run([join(bench.ports[0], 101)], EPOCH)
    assert isinstance(outcome.error, DeviceFailed)
    assert outcome.error.passing
    (rack.folder / "db.sock").unlink(missing_ok=True)
    rack.start_server()
    assert set(bench.executor.inspect().ports) == set(bench.ports)


def between(rack: OvsRack, meddle: Callable[[], object]) -> Script:
    """A proxy to the rack's server that meddles right before each transaction that changes something."""

    def relay(connection: socket.socket) -> None:
        with socket.socket(socket.AF_UNIX) as upstream:
            upstream.connect(rack.address.removeprefix("unix:"))
            while True:
                asked = request(connection)
                if "update" in json.dumps(asked):
                    meddle()
                upstream.sendall(json.dumps(asked).encode())
                connection.sendall(json.dumps(request(upstream)).encode())

    return relay


@pytest.mark.real
def test_what_somebody_else_adds_to_a_trunk_meanwhile_stays(ovs: OvsBench, path: Path) -> None:
    uplink, other, *_ = ovs.ports
    ovs.executor.isolate(ovs.ports, EPOCH)
    ovs.executor.run([trunk(uplink, 101)], EPOCH)
    foreign = iter([200])

    def meddle() -> None:
        for number in foreign:
            ovs.rack.vsctl("add", "port", uplink, "trunks", str(number))

    with server(path, between(ovs.rack, meddle)) as address:
        executor = executor_of(**{**ovs.record, "address": address})
        outcomes = executor.run([trunk(uplink, 102), join(other, 101)], EPOCH)
        executor.close()
    assert [outcome.error for outcome in outcomes] == [None, None]
    assert ovs.table()[uplink] == PortState(None, (101, 102, 200))
    assert ovs.table()[other] == PortState(101)


@pytest.mark.real
def test_somebody_who_never_stops_changing_the_port_is_a_passing_error(ovs: OvsBench, path: Path) -> None:
    uplink, other, *_ = ovs.ports
    ovs.executor.isolate(ovs.ports, EPOCH)
    foreign = iter(range(200, 300))

    def meddle() -> None:
        ovs.rack.vsctl("add", "port", uplink, "trunks", str(next(foreign)))

    with server(path, between(ovs.rack, meddle)) as address:
        executor = executor_of(**{**ovs.record, "address": address})
        outcomes = executor.run([trunk(uplink, 101), join(other, 101)], EPOCH)
        executor.close()
    for outcome in outcomes:
        assert isinstance(outcome.error, DeviceFailed)
        assert outcome.error.passing
        assert "kept changing" in outcome.error.message
    assert ovs.table()[other] == PortState()


@pytest.mark.real
def test_a_vlan_id_that_is_none_fails_just_its_order(ovs: OvsBench) -> None:
    a, b, *_ = ovs.ports
    outcomes = ovs.executor.run([join(a, 4095), join(b, 101), trunk(ovs.ports[2], 0)], EPOCH)
    assert ["no VLAN id" in str(outcome.error) for outcome in outcomes] == [True, False, True]
    assert (ovs.table()[a], ovs.table()[b]) == (PortState(), PortState(101))


@pytest.mark.real
def test_a_native_vlan_that_others_gave_a_trunk_stays(ovs: OvsBench) -> None:
    uplink = ovs.ports[0]
    ovs.put(uplink, PortState(9, (50,)))
    (outcome,) = ovs.executor.run([trunk(uplink, 101, 9)], EPOCH)
    assert outcome.seen == {"native": 9}
    assert ovs.table()[uplink] == PortState(9, (50, 101))
    ovs.executor.run([no_trunk(uplink, 101)], EPOCH)
    assert ovs.table()[uplink] == PortState(None, (50,))


@pytest.mark.real
def test_ports_of_other_bridges_are_not_ours(rack: OvsRack, ovs: OvsBench) -> None:
    other = OvsBench(rack, 1)
    try:
        (outcome,) = ovs.executor.run([join(other.ports[0], 101)], EPOCH)
        assert "no such port on the bridge" in str(outcome.error)
        assert other.table()[other.ports[0]].open
        assert ovs.bridge not in ovs.executor.inspect().ports
    finally:
        rack.vsctl("del-br", other.bridge)


@pytest.mark.real
def test_a_thousand_ports_are_one_transaction(rack: OvsRack) -> None:
    assert rack.address  # `rack` says where there can be none; one of its own goes faster than it is emptied
    with OvsRack() as mine:
        bench = OvsBench(mine, 1000)
        before = bench.sessions()
        outcomes = bench.executor.run([join(port, 2 + n % 4000) for n, port in enumerate(bench.ports)], EPOCH)
        bench.executor.close()
        assert all(outcome.error is None for outcome in outcomes)
        assert bench.sessions() == before + 1
        assert bench.table() == {port: PortState(2 + n % 4000) for n, port in enumerate(bench.ports)}
