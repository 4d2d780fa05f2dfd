"""Whom the door on this machine takes its clients for, when they are many or pass connections on.

It is always who opened the connection, or nobody. Who hands an open one to somebody else lends him his name,
as with an open file; nobody can get another's without being given it.
"""

import contextlib
import os
import socket
import xmlrpc.client
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest

from nm.identity import peer_uid
from nm.methods import METHODS
from tests.api.clients import call, read_answer
from tests.api.test_identity import ended_well, in_a_child
from tests.ssh.house import House

SOCKET = "/run/nm/api.sock"
WAYS: dict[str, Any] = {"unix": SOCKET, "127.0.0.1": ("127.0.0.1", 812), "::1": ("::1", 812)}
FAMILIES = {"unix": socket.AF_UNIX, "127.0.0.1": socket.AF_INET, "::1": socket.AF_INET6}
OPENER, HEIR = 5001, 5002
WAY = pytest.mark.parametrize("way", WAYS)


def made(way: str) -> socket.socket:
    found = socket.socket(FAMILIES[way])
    found.settimeout(20)
    return found


def connected(way: str) -> socket.socket:
    found = made(way)
    found.connect(WAYS[way])
    return found


def who_am_i(connection: socket.socket) -> dict[str, Any]:
    connection.sendall(call("WhoAmI"))
    answer: dict[str, Any] = read_answer(connection).value
    return answer


def become(uid: int) -> None:
    os.setgroups([])
    os.setresgid(uid, uid, uid)
    os.setresuid(uid, uid, uid)


def read_all(fd: int) -> bytes:
    """What comes until nobody has the other end any more."""
    with os.fdopen(fd, "rb") as pipe:
        return pipe.read()


def said_by(work: Callable[[], object], uid: int | None = None) -> str:
    """What the work answers in a process of that uid, as text."""
    reading, writing = os.pipe()

    def tell() -> None:
        os.write(writing, str(work()).encode())

    pid = in_a_child(tell, uid)
    os.close(writing)
    found = read_all(reading).decode()
    assert ended_well(pid)
    return found


def test_help_for_an_ordinary_user(house: House) -> None:
    def ask() -> object:
        return xmlrpc.client.ServerProxy("http://localhost:812").Help()

    told = said_by(ask, 4711)
    assert not [name for name in METHODS if name not in told]


def test_a_hundred_at_once(house: House) -> None:
    """All connections are open before the first of them calls."""
    ready, go, told = os.pipe(), os.pipe(), os.pipe()

    def one(uid: int) -> None:
        os.close(go[1])
        with connected("::1" if uid % 2 else "127.0.0.1") as connection:
            os.write(ready[1], b"x")
            os.close(ready[1])
            os.read(go[0], 1)
            os.write(told[1], f"{uid} {who_am_i(connection)['uid']}\n".encode())

    uids = range(6000, 6100)
    pids = [in_a_child(partial(one, uid), uid) for uid in uids]
    os.close(ready[1])
    os.close(told[1])
    connections = len(read_all(ready[0]))
    os.close(go[0])
    os.close(go[1])
    answers = [line.split() for line in read_all(told[0]).splitlines()]
    assert [pid for pid in pids if not ended_well(pid)] == []
    assert connections == len(uids)
    assert sorted(answers) == [[b"%d" % uid, b"%d" % uid] for uid in uids]


@WAY
def test_a_connection_that_is_handed_on_stays_its_openers(house: House, way: str) -> None:
    giving, taking = socket.socketpair()

    def open_and_give() -> None:
        with connected(way) as connection:
            socket.send_fds(giving, [b"x"], [connection.fileno()])

    def take() -> object:
        with socket.socket(fileno=socket.recv_fds(taking, 1, 1)[1][0]) as connection:
            connection.settimeout(20)
            return who_am_i(connection)["uid"]

    with giving, taking:
        assert ended_well(in_a_child(open_and_give, OPENER))  # it is gone when its connection is used
        assert said_by(take, HEIR) == str(OPENER)


@WAY
def test_who_becomes_another_after_connecting_stays_who_connected(house: House, way: str) -> None:
    def work() -> object:
        with connected(way) as connection:
            become(HEIR)
            return who_am_i(connection)["uid"]

    assert said_by(work) == "0"


@WAY
def test_who_becomes_another_before_connecting(house: House, way: str) -> None:
    """A TCP socket belongs to who made it, a Unix connection to who connected."""

    def work() -> object:
        with made(way) as connection:
            become(HEIR)
            connection.connect(WAYS[way])
            return who_am_i(connection)["uid"]

    assert said_by(work) == (str(HEIR) if way == "unix" else "0")


@WAY
def test_nobody_can_make_his_socket_anothers(house: House, way: str) -> None:
    def work() -> object:
        with made(way) as connection:
            for uid in (0, OPENER):
                with contextlib.suppress(PermissionError):
                    os.fchown(connection.fileno(), uid, -1)
            connection.connect(WAYS[way])
            return who_am_i(connection)["uid"]

    assert said_by(work, HEIR) == str(HEIR)


@WAY
def test_who_is_gone_before_being_accepted(way: str) -> None:
    """On TCP that is nobody, for the kernel knows no more; a Unix socket remembers who connected."""
    with socket.socket(FAMILIES[way]) as listener, contextlib.chdir("/var/lib/house"):
        listener.bind("gone.sock" if way == "unix" else (way, 0))
        listener.listen()
        target = listener.getsockname()
        if way == "unix":
            os.chmod(target, 0o666)

        def work() -> None:
            with made(way) as connection:
                connection.connect(target)
                connection.sendall(call("RegisterVlan", 101))

        assert ended_well(in_a_child(work, HEIR))
        with listener.accept()[0] as accepted:
            assert peer_uid(accepted) == (HEIR if way == "unix" else None)
