"""A door on real sockets, over a store in memory."""

import socket
import tempfile
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from nm.api import Api, ApiSettings, listen_tcp, listen_unix
from nm.calls import Site
from nm.httpreading import Limits
from nm.identity import People
from tests.api.clients import Door, EventsInMemory, wait_until
from tests.memory_store import MemoryStore

NOW = 1_800_000_000.0


@pytest.fixture
def store() -> MemoryStore:
    return MemoryStore()


@pytest.fixture
def events() -> EventsInMemory:
    return EventsInMemory()


Opener = Callable[..., Door]


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder that every account may enter."""
    with tempfile.TemporaryDirectory(prefix="nm-api-") as folder:
        Path(folder).chmod(0o755)
        yield Path(folder)


@pytest.fixture
def open_door(open_folder: Path, store: MemoryStore, events: EventsInMemory) -> Iterator[Opener]:
    """Opens doors on TCP (v4) and a Unix socket; whatever happens they are closed again, without a trace."""
    before = set(threading.enumerate())
    doors: list[Api] = []

    def open_it(people: People | None = None, address: str = "127.0.0.1", **limits: float) -> Door:
        settings = ApiSettings(Limits(**limits), daemon="nmd of the tests")  # type: ignore[arg-type]
        api = Api(store, events, Site(), people or People(), settings, clock=lambda: NOW)
        path = open_folder / f"api{len(doors)}.sock"
        tcp = listen_tcp(address, 0)
        port = tcp.getsockname()[1]
        doors.append(api)
        api.serve([tcp, listen_unix(path)])
        return Door(api, address, port, path)

    yield open_it
    for api in doors:
        api.stop(2.0)
    wait_until(
        lambda: (
            not [thread for thread in set(threading.enumerate()) - before if thread.name.startswith("api")]
        )
    )


@pytest.fixture
def door(open_door: Opener) -> Door:
    return open_door()


@pytest.fixture(params=["tcp", "unix"])
def connection(request: pytest.FixtureRequest, door: Door) -> Iterator[socket.socket]:
    """A connection to the door, on each way in."""
    with door.connect(request.param) as client:
        yield client
