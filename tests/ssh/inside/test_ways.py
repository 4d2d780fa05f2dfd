"""Every method for every kind of caller on every way in: the Unix socket, TCP, and SSH into the forwarder.

Who may call what is in tests/api/test_rights.py, where calls come without any way in. Here its callers are
real: processes of their uids, and logins. They must be told just the same, refusals to the letter. The pool
is that of the same tests, in memory, so that it can be put back before every call.
"""

import contextlib
import copy
import http.client
import multiprocessing.connection
import os
import xmlrpc.client
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from nm.api import listen_tcp, listen_unix
from nm.calls import Caller
from nm.errors import Denied, Invalid, NotFound
from nm.httpreading import Limits
from nm.identity import People
from nm.methods import METHODS
from nm.records import Record
from tests.api.clients import UnixConnection
from tests.api.test_identity import in_a_child
from tests.api.test_methods import GOOD, Bench
from tests.api.test_rights import CALLERS, DESCRIBED, EXPECTED, SECRET, SLIVERS_OWN, borrowers, prepared
from tests.ssh.house import FIRST_UID, SHELL, House, call_on

SOCKET = Path("/run/nm/api.sock")
WAYS = ["unix", "tcp", "ssh"]
UNKNOWN = 4999  # the uid of who has no account
OUTSIDERS = {"other", "reserve", "describe", "namesake", "successor", "stranger", "nobody"}
Send = Callable[[bytes], bytes]  # a request's body to its answer's


class Street:
    """The pool behind real doors, put back before every call. `callers` by kind."""

    def __init__(self) -> None:
        self.bench = Bench()
        self.bench.edit("group_alpha", account={"name": "alpha", "uid": FIRST_UID})
        self.callers = {**prepared(self.bench, "nothing"), "nobody": Caller(UNKNOWN, str(UNKNOWN))}
        self._world = dict(self.bench.memory._records)
        self._before = copy.deepcopy(self._world)
        self.bench.api.reload(People(remember=0.0), Limits(), self.bench.api._site)
        self.bench.api.serve([listen_unix(SOCKET), listen_tcp("127.0.0.1"), listen_tcp("::1")])

    def world(self, method: str) -> dict[str, Record]:
        """All records, with this one method delegated to whom is delegated one.

        Only a console that somebody has can be looked at; what nobody has can be changed.
        """
        group = self._world["group_alpha"]
        delegations = [{**one, "method": one["method"] and method} for one in group["delegations"]]
        made = {**self._world["headnode_made"], "group": "alpha" if method == "GetConsole" else None}
        alpha = {**group, "delegations": delegations}
        gamma = {**self._world["group_gamma"], "delegations": borrowers(method)}
        return {**self._world, "group_alpha": alpha, "group_gamma": gamma, "headnode_made": made}

    def unharmed(self) -> bool:
        """Whether no record was changed in its place."""
        return self._world == self._before

    def expected(self, who: str, method: str) -> str:
        """What the caller is told without any way in; a refusal only where the table has one."""
        self.bench.memory._records = self.world(method)
        if who in EXPECTED[method].split():
            return "done"
        with pytest.raises((NotFound, Denied, Invalid)) as refusal:
            self.bench.call(method, *GOOD[method], caller=self.callers[who])
        error = refusal.value
        if who in OUTSIDERS:
            assert (error.code == 106) == (method in SECRET | DESCRIBED)
            assert (error.code == 102) == (method in SLIVERS_OWN)
        return f"{error.code} {error}"

    def found(self, send: Send, who: str, method: str) -> str:
        """What the caller is told on a way in. A refusal changes nothing."""
        world = self.bench.memory._records = self.world(method)
        answer = told(send, method, GOOD[method])
        if answer != "done":
            assert world == self.world(method), f"{method} was refused and changed something"
        return answer


def told(send: Send, method: str, arguments: list[Any]) -> str:
    request = xmlrpc.client.dumps(tuple(arguments), method, allow_none=True).encode()
    try:
        xmlrpc.client.loads(send(request))
    except xmlrpc.client.Fault as fault:
        return f"{fault.faultCode} {fault.faultString}"
    return "done"


@pytest.fixture(scope="module")
def street(house: House) -> Iterator[Street]:
    house.rack.stop()
    with Path("/etc/group").open("a") as file:
        file.write("nm-admin:x:4998:boss\n")
    made = Street()
    yield made
    made.bench.api.stop(2.0)
    SOCKET.unlink()
    house.rack.start()


# ---- the ways


@contextlib.contextmanager
def account(caller: Caller) -> Iterator[None]:
    """The machine has this account, and no other of its name or uid."""
    passwd = Path("/etc/passwd")
    before = passwd.read_text()
    shell = "/bin/sh" if caller.admin else SHELL
    mine = [caller.name, "*", str(caller.uid), "100", "", f"/var/lib/people/{caller.name}", shell]
    entries = [line.split(":") for line in before.splitlines()]
    others = [entry for entry in entries if entry[0] != mine[0] and entry[2] != mine[2]]
    if caller.uid != 0:
        write(passwd, "".join(":".join(entry) + "\n" for entry in [*others, mine]))
    try:
        yield
    finally:
        write(passwd, before)


def write(file: Path, text: str) -> None:
    new = file.with_name(f"{file.name}.new")
    new.write_text(text)
    new.chmod(0o644)
    new.rename(file)


@contextlib.contextmanager
def by_socket(way: str, caller: Caller) -> Iterator[Send]:
    """A process of that uid, which keeps one connection for all calls."""
    ours, theirs = multiprocessing.connection.Pipe()

    def work() -> None:
        ours.close()
        door = UnixConnection(SOCKET) if way == "unix" else http.client.HTTPConnection("localhost", 812)
        while body := theirs.recv_bytes():
            door.request("POST", "/RPC2", body, {"Content-Type": "text/xml"})
            theirs.send_bytes(door.getresponse().read())

    pid = in_a_child(work, caller.uid)
    theirs.close()

    def send(body: bytes) -> bytes:
        ours.send_bytes(body)
        return ours.recv_bytes()

    try:
        yield send
        ours.send_bytes(b"")
    finally:
        ours.close()
        os.waitpid(pid, 0)


@contextlib.contextmanager
def by_ssh(house: House, caller: Caller) -> Iterator[Send]:
    """A login, which keeps one connection for all calls; each call is a session, and a forwarder."""
    key = house.key("caller")
    home = Path.home() if caller.uid == 0 else Path(f"/var/lib/people/{caller.name}")
    (home / ".ssh").mkdir(parents=True, exist_ok=True, mode=0o755)
    command = f'command="{SHELL}",' if caller.admin else ""
    (home / ".ssh/authorized_keys").write_text(f"{command}restrict {key.public}\n")
    with house.connection(caller.name, key) as connection:
        yield partial(call_on, connection)


@contextlib.contextmanager
def way_in(house: House, way: str, caller: Caller) -> Iterator[Send]:
    """A way to the API for that caller."""
    with contextlib.ExitStack() as known:
        known.enter_context(account(caller))
        with by_ssh(house, caller) if way == "ssh" else by_socket(way, caller) as send:
            if caller.uid == UNKNOWN:
                known.close()  # the account goes while its connection stays
            yield send


# ---- the table


@pytest.mark.parametrize("who", CALLERS)
@pytest.mark.parametrize("way", WAYS)
def test_callers_are_told_the_same_on_all_ways(house: House, street: Street, way: str, who: str) -> None:
    assert set(GOOD) == set(EXPECTED) == set(METHODS)
    caller = street.callers[who]
    with way_in(house, way, caller) as send:
        if who != "headnode":  # which may not even ask
            answer: Any = xmlrpc.client.loads(send(xmlrpc.client.dumps((), "WhoAmI").encode()))[0][0]
            assert (answer["uid"], answer["name"]) == (caller.uid, caller.name)
        found = {method: street.found(send, who, method) for method in METHODS}
    assert found == {method: street.expected(who, method) for method in METHODS}
    assert street.unharmed()
