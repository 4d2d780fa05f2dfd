"""A whole nm with BOWL's door open, a mail server beside it, and a portal that calls."""

import contextlib
import itertools
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from jsonrpclib import ServerProxy
from jsonrpclib.config import Config as Manner

from nm.bowl import Bowl as Door
from nm.configgeni import Federation
from nm.configoutside import Bowl, Mail
from tests.mail.server import MailServer
from tests.rack import Rack, rack

NODES = 6


def later(**units: float) -> str:
    """A time from now on, as a portal sends it: this machine's, without a zone."""
    return (datetime.now() + timedelta(**(units or {"hours": 13}))).isoformat()  # noqa: DTZ005


class Portal:
    """The rack, its door, its mails, and the client library that portals use."""

    def __init__(self, made: Rack, mail: MailServer) -> None:
        self.rack = made
        self.mail = mail
        self._clients: dict[tuple[str, float], Any] = {}

    @property
    def port(self) -> int:
        assert self.rack.service is not None
        door = self.rack.service._outside._bowl
        assert isinstance(door, Door)
        port: int = door._server._listeners[0].getsockname()[1]
        return port

    def client(self, where: str = "http://127.0.0.1:{port}", version: float = 2.0, **settings: Any) -> Any:
        """A client of jsonrpclib's, which is closed at the end."""
        key = (where, version)
        if key not in self._clients:
            address = where.format(port=self.port)
            self._clients[key] = ServerProxy(address, config=Manner(version=version), **settings)
        return self._clients[key]

    def close(self) -> None:
        for client in self._clients.values():
            client("close")()
        self._clients.clear()

    def configure(self, **sections: dict[str, Any]) -> None:
        """Read the configuration anew, with other values in these sections."""
        config = self.rack.config
        changed = {name: replace(getattr(config, name), **values) for name, values in sections.items()}
        self.rack.config = replace(config, **changed)
        assert self.rack.service is not None
        self.rack.service.reload(self.rack.config)

    def secret(self, name: str, value: str) -> None:
        """Write a secret where nm finds it."""
        folder = self.rack.folder / "secrets"
        folder.mkdir(mode=0o700, exist_ok=True)
        (folder / name).touch(0o600)
        (folder / name).write_text(f"{value}\n")

    def node(self, number: int) -> dict[str, Any]:
        """The node of that number."""
        found: dict[str, Any] = next(node for node in self.rack.call("GetNodes", {}) if node["id"] == number)
        return found

    def free(self, *numbers: int) -> None:
        """Wait until these are free again."""
        self.rack.until(lambda: all(self.node(number)["free"] for number in numbers))


@contextmanager
def portal(folder: Path, mail: MailServer, **bowl: Any) -> Iterator[Portal]:
    """One whose nodes have the numbers 1 to NODES."""
    sections = {
        "bowl": Bowl(**{"addresses": ("127.0.0.1",), "port": 0, **bowl}),
        "mail": Mail(
            host="127.0.0.1",
            port=mail.port,
            sender="nm@example.org",
            admins=("admin@example.org",),
            retry_first_seconds=0.1,
            retry_longest_seconds=0.2,
        ),
        "federation": Federation(notify=("Allocate", "Provision", "PerformOperationalAction", "Delete")),
    }
    with rack(folder, nodes=NODES, management=True, **sections) as made:
        for number, name in enumerate(made.nodes, 1):
            told = {"id": number, "hostname": f"{name}.example.org", "ip": f"10.0.1.{number}"}
            made.call("UpdateNode", name, told)
        found = Portal(made, mail)
        try:
            yield found
        finally:
            found.close()


@pytest.fixture
def opened(tmp_path: Path) -> Iterator[Callable[..., Portal]]:
    """Opens one of the test's own, with other settings in [bowl]."""
    with contextlib.ExitStack() as stack:

        def make(**bowl: Any) -> Portal:
            mail = stack.enter_context(MailServer())
            return stack.enter_context(portal(tmp_path, mail, **bowl))

        yield make


@pytest.fixture(scope="package")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Portal]:
    """One for all tests that give back what they take."""
    with MailServer() as mail, portal(tmp_path_factory.mktemp("bowl"), mail) as made:
        yield made


_NOBODYS = """
import os, sys
from jsonrpclib import ServerProxy
os.setgid(65534); os.setuid(65534)
for where, authorization in zip(sys.argv[1::2], sys.argv[2::2]):
    headers = {'Authorization': authorization} if authorization else {}
    try:
        print(len(ServerProxy(where, headers=headers).ListResources(False)))
    except Exception as error:
        print(error.args[1])
"""


def as_nobody(*ways: tuple[str, str]) -> list[str]:
    """What an account without any rights is told that calls ListResources: how many there are, or a status.

    A way is an address, and the header Authorization or nothing.
    """
    command = [sys.executable, "-W", "ignore", "-c", _NOBODYS, *itertools.chain(*ways)]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=50)
    return done.stdout.split()
