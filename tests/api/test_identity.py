"""Who the door takes its clients for, on every way in."""

import contextlib
import grp
import os
import pwd
import socket
import time
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest

from nm.api import listen_tcp
from nm.calls import NOBODY
from nm.errors import Conflict
from nm.identity import People, peer_uid
from tests.api.clients import Door, call, read_answer, wait_until
from tests.api.conftest import Opener

STRANGER = 54_321  # a uid without an account
root_only = pytest.mark.skipif(os.geteuid() != 0, reason="needs root, to become somebody else")


def in_a_child(work: Callable[[], None], uid: int | None = None) -> int:
    """Fork a process of that uid to do the work; its pid."""
    pid = os.fork()
    if pid == 0:
        status = 1
        with contextlib.suppress(BaseException):
            if uid is not None:
                os.setgroups([])
                os.setgid(uid)
                os.setuid(uid)
            work()
            status = 0
        os._exit(status)
    return pid


def ended_well(pid: int) -> bool:
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0


def who_am_i_as(uid: int, connect: Callable[[], socket.socket]) -> dict[str, Any]:
    """What WhoAmI answers to a process of that uid."""
    reading, writing = os.pipe()

    def work() -> None:
        with connect() as client:
            client.sendall(call("WhoAmI"))
            os.write(writing, repr(read_answer(client).value).encode())

    pid = in_a_child(work, uid)
    os.close(writing)
    with os.fdopen(reading) as pipe:
        answer: dict[str, Any] = eval(pipe.read())
    assert ended_well(pid)
    return answer


WAYS = ["unix", "127.0.0.1", "::1"]


def way_in(open_door: Opener, way: str, people: People | None = None) -> Callable[[], socket.socket]:
    door: Door = open_door(people, "127.0.0.1" if way == "unix" else way)
    return lambda: door.connect("unix" if way == "unix" else "tcp")


@pytest.mark.parametrize("way", WAYS)
def test_own_uid(open_door: Opener, way: str) -> None:
    with way_in(open_door, way)() as client:
        client.sendall(call("WhoAmI"))
        answer = read_answer(client).value
    assert (answer["uid"], answer["name"]) == (os.geteuid(), pwd.getpwuid(os.geteuid()).pw_name)
    assert answer["rights"] == (["admin"] if os.geteuid() == 0 else [])
    assert answer["daemon"] == "nmd of the tests"


@root_only
@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("name", ["daemon", ""])
def test_another_uid(open_door: Opener, way: str, name: str) -> None:
    uid = pwd.getpwnam(name).pw_uid if name else STRANGER
    answer = who_am_i_as(uid, way_in(open_door, way))
    assert answer == {
        "uid": uid, "name": name or str(uid), "rights": [], "groups": [], "daemon": "nmd of the tests",
    }  # fmt: skip


@root_only
@pytest.mark.parametrize("way", WAYS)
def test_another_uid_is_refused_what_is_the_administrators(open_door: Opener, way: str) -> None:
    connect = way_in(open_door, way)

    def work() -> None:
        with connect() as client:
            client.sendall(call("RegisterVlan", 101))
            assert b"<int>108</int>" in read_answer(client).body

    assert ended_well(in_a_child(work, STRANGER))


def test_tcp_without_administrators(open_door: Opener) -> None:
    people = People(tcp_admin=False)
    for way in WAYS:
        with way_in(open_door, way, people)() as client:
            client.sendall(call("WhoAmI"))
            assert ("admin" in read_answer(client).value["rights"]) == (way == "unix" and os.geteuid() == 0)


def ends_of(address: str, listening: str | None = None) -> tuple[socket.socket, socket.socket]:
    """Client's and server's end of a TCP connection."""
    family = socket.AF_INET6 if ":" in (listening or address) else socket.AF_INET
    with socket.create_server(
        (listening or address, 0), family=family, dualstack_ipv6=listening == "::"
    ) as listener:
        client = socket.create_connection((address, listener.getsockname()[1]))
        return client, listener.accept()[0]


@pytest.mark.parametrize(
    ("address", "listening"),
    [
        ("127.0.0.1", None),
        ("::1", None),
        ("127.0.0.1", "::"),
        ("::1", "::"),
        ("::ffff:127.0.0.1", "127.0.0.1"),
    ],
)
def test_ends_of_all_families(address: str, listening: str | None) -> None:
    if address.startswith("::ffff:"):
        with socket.create_server((str(listening), 0)) as listener:
            client = socket.socket(socket.AF_INET6)
            client.connect((address, listener.getsockname()[1]))
            server = listener.accept()[0]
    else:
        client, server = ends_of(address, listening)
    with client, server:
        assert peer_uid(server) == os.geteuid()
        assert peer_uid(client) == os.geteuid()
        client.shutdown(socket.SHUT_WR)
        assert peer_uid(server) == os.geteuid()


@pytest.mark.parametrize("address", ["127.0.0.1", "::1"])
def test_peer_that_has_closed_is_nobody(address: str) -> None:
    """The kernel calls an orphaned socket root's: who closes before being looked up must not gain by it."""
    for wait_for_end in (False, True):
        client, server = ends_of(address)
        with server:
            client.sendall(call("WhoAmI"))
            client.close()
            if wait_for_end:
                assert server.recv(10_000)
                assert server.recv(10_000) == b""
            assert peer_uid(server) is None


def test_peer_that_has_reset_is_nobody() -> None:
    client, server = ends_of("127.0.0.1")
    with server:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        client.close()
        assert peer_uid(server) is None


class Interrupted(socket.socket):
    """Our end of a connection; just after it was asked for its peer's address, something happens."""

    meanwhile: Callable[[], None]

    def getpeername(self) -> Any:
        name = super().getpeername()
        self.meanwhile()
        return name


def change(
    client: socket.socket, listener: socket.socket, target: Any, other: socket.socket, name: Any
) -> None:
    """The client goes; somebody else listens where we did, and a third one connects from its place."""
    client.close()
    listener.bind(target)
    listener.listen()
    other.bind(name)
    other.connect(target)


def test_connecting_successor_is_not_the_peer() -> None:
    """The client goes away while it is looked up, and a root process connects from its address and port."""
    for _ in range(50):
        client, accepted = ends_of("127.0.0.1")
        name, target = client.getsockname(), accepted.getsockname()
        with (
            Interrupted(fileno=accepted.detach()) as server,
            socket.socket() as listener,
            socket.socket() as other,
        ):
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")

            server.meanwhile = partial(change, client, listener, target, other, name)
            found = peer_uid(server)
            if is_connected(other):  # else one of the ports has another user
                assert found is None
                return
    pytest.fail("no ports could be had")


def is_connected(client: socket.socket) -> bool:
    try:
        return bool(client.getpeername())
    except OSError:
        return False


def closed_client() -> tuple[tuple[str, int], socket.socket]:
    """Address and port of a client that has closed and will be forgotten in a second, and our end."""
    client = socket.socket()
    client.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    client.setsockopt(socket.IPPROTO_TCP, socket.TCP_LINGER2, 1)
    with client, listen_tcp("127.0.0.1", 0) as listener:
        client.connect(listener.getsockname())
        return client.getsockname(), listener.accept()[0]


def test_listening_successor_is_not_the_peer() -> None:
    """A client that closed long ago, and a root process that then listens at its address and port."""
    for _ in range(50):
        name, server = closed_client()
        with server, contextlib.suppress(Conflict), listen_tcp(*name):  # unless the port has a third user
            until = time.monotonic() + 2.5
            while time.monotonic() < until:
                assert peer_uid(server) is None
                time.sleep(0.05)
            return
    pytest.fail("no port could be had")


@root_only
def test_forged_root_by_closing(open_door: Opener) -> None:
    """A stranger who sends a call for administrators and is gone at once changes nothing."""
    door = open_door()

    def work() -> None:
        for _ in range(100):
            with door.connect() as client:
                client.sendall(call("RegisterVlan", 101))

    assert ended_well(in_a_child(work, STRANGER))
    wait_until(lambda: not door.api._server._connections)
    assert door.ask(call("GetVlans", {})).value == []


# ---- accounts


def test_unknown_uid_is_nobody() -> None:
    assert People().caller(None, "tcp", 0.0) == NOBODY


def test_administrators_by_group() -> None:
    account = next(entry for entry in pwd.getpwall() if entry.pw_uid not in (0, 65534))
    primary = grp.getgrgid(account.pw_gid).gr_name
    assert People(primary).caller(account.pw_uid, "unix", 0.0).admin
    assert People(primary).caller(account.pw_uid, "tcp", 0.0).admin
    assert not People(primary, tcp_admin=False).caller(account.pw_uid, "tcp", 0.0).admin
    assert not People("no-such-group").caller(account.pw_uid, "unix", 0.0).admin


def test_accounts_that_nm_makes_never_administer() -> None:
    """Whoever may make groups chooses the names of accounts, and with them who a Unix group lists."""
    account = next(entry for entry in pwd.getpwall() if entry.pw_uid not in (0, 65534))
    primary = grp.getgrgid(account.pw_gid).gr_name
    asked = []

    def is_own(name: str, uid: int) -> bool:
        asked.append((name, uid))
        return True

    for door in ("unix", "tcp"):
        assert not People(primary, is_own=is_own).caller(account.pw_uid, door, 0.0).admin
        assert People(primary, is_own=is_own).caller(0, door, 0.0).admin
    assert set(asked) == {(account.pw_name, account.pw_uid)}


def test_administrators_by_supplementary_group() -> None:
    found = [(group.gr_name, name) for group in grp.getgrall() for name in group.gr_mem]
    members = [
        (group, pwd.getpwnam(name)) for group, name in found if name in {p.pw_name for p in pwd.getpwall()}
    ]
    if not members:
        pytest.skip("no account here is in a supplementary group")
    group, account = members[0]
    assert People(group).caller(account.pw_uid, "unix", 0.0).admin
    assert not People("no-such-group").caller(account.pw_uid, "unix", 0.0).admin or account.pw_uid == 0


def test_accounts_are_remembered_for_a_while() -> None:
    people = People(remember=5.0)
    first = people.caller(STRANGER, "unix", 100.0)
    assert first.name == str(STRANGER)
    assert people.caller(STRANGER, "unix", 104.0) is first
    assert people.caller(STRANGER, "unix", 106.0) == first
    assert people.caller(STRANGER, "unix", 106.0) is not first


@root_only
def test_rights_are_asked_for_at_every_call(open_door: Opener) -> None:
    """Who is no administrator any more is none on a connection that is open, either."""
    people = People(remember=0.0)
    door = open_door(people)
    with door.connect() as client:
        client.sendall(call("WhoAmI"))
        before = read_answer(client).value
        people._tcp_admin = False
        client.sendall(call("WhoAmI"))
        after = read_answer(client).value
    assert (before["rights"], after["rights"]) == (["admin"], [])
    assert before["uid"] == after["uid"]


# ---- room for everybody


@root_only
def test_one_user_cannot_keep_others_out(open_door: Opener) -> None:
    """A stranger gets no more than one user may have; strangers together leave room for administrators."""
    door = open_door(connections=6, connections_per_user=3, reserved_for_admins=2)
    going, gone = os.pipe(), os.pipe()

    def hold() -> None:
        clients = [door.connect() for _ in range(4)]
        os.write(gone[1], b"x")
        os.read(going[0], 1)
        for client in clients:
            client.close()

    pids = [in_a_child(hold, STRANGER + number) for number in range(2)]
    try:
        for _ in pids:
            os.read(gone[0], 1)
        wait_until(lambda: len(door.api._server._connections) == 4)
        assert door.api._server._per_key[STRANGER] <= 3
        assert door.api._server._per_key[STRANGER + 1] <= 3
        assert door.ask(call("GetVersion")).value["nm"]
    finally:
        os.write(going[1], b"xx")
        assert all(ended_well(pid) for pid in pids)
        for fd in (*going, *gone):
            os.close(fd)
