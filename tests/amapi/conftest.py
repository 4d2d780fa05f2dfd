"""A whole nm with GENI's door open, and clients with certificates."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from nm.config import Power
from nm.configgeni import Federation, Geni
from nm.federation import names
from nm.geni.amapi import AmApi
from nm.geni.making import Holder, pem
from nm.records import Record
from tests.amapi import house
from tests.amapi.client import Client, code, good
from tests.rack import Rack, rack


class Aggregate:
    """The rack, its door, and who calls."""

    def __init__(self, rack: Rack, folder: Path) -> None:
        self.rack = rack
        self.folder = folder
        self._clients: list[Client] = []

    @property
    def door(self) -> AmApi:
        assert self.rack.service is not None
        door = self.rack.service._outside._geni
        assert door is not None
        return door

    @property
    def port(self) -> int:
        port: int = self.door._server._listeners[0].getsockname()[1]
        return port

    def client(self, slice: str = "one", who: Holder | None = None, **more: Any) -> Client:
        """Somebody who calls about that slice."""
        holder = who or house.person()
        files = house.write_holder(self.folder, holder)
        made = Client(self.port, files, holder, slice, **more)
        self._clients.append(made)
        return made

    def close(self) -> None:
        for client in self._clients:
            client.close()

    def config(self, **changes: Any) -> None:
        """Read the configuration anew, with other values in [geni] or [federation]."""
        config = self.rack.config
        geni = {key: value for key, value in changes.items() if hasattr(config.geni, key)}
        others = {key: value for key, value in changes.items() if key not in geni}
        self.rack.config = replace(
            config, geni=replace(config.geni, **geni), federation=replace(config.federation, **others)
        )
        assert self.rack.service is not None
        self.rack.service.reload(self.rack.config)

    def group(self, client: Client) -> Record:
        """The group of its slice, as it is recorded."""
        assert self.rack.service is not None
        found = names.find(self.rack.service.database, client.urn)
        assert found is not None
        return found

    def reopen(self, client: Client) -> None:
        """As an operator would, after an emergency stop."""
        self.rack.call("GeniReopen", client.urn)

    def has_all_nodes(self) -> bool:
        """Whether all are free again, and no slice is going any more."""
        going = self.rack.call("GetGroups", {"state": "destroying"})
        return not going and all(node["free"] for node in self.rack.call("GetNodes", {}))


@contextmanager
def aggregate(folder: Path, federation: dict[str, Any] | None = None, **geni: Any) -> Iterator[Aggregate]:
    """One that is stopped at the end."""
    place = folder / "geni"
    (place / "roots").mkdir(parents=True)
    (place / "roots" / "root.pem").write_text(pem(house.root().chain))
    certificate, key = house.write_holder(place, house.server(), "server")
    settings: dict[str, Any] = {
        "addresses": ("127.0.0.1",),
        "port": 0,
        "url": "https://am.example.org:8001",
        "certificate": str(certificate),
        "server_key": str(key),
        "roots": str(place / "roots"),
        "revoked": str(place / "revoked"),
    }
    rules = Federation(**{"authority": house.AUTHORITY, **(federation or {})})
    more = {"geni": Geni(**{**settings, **geni}), "federation": rules, "power": Power(off_seconds=0.3)}
    with rack(folder, management=True, **more) as made:
        found = Aggregate(made, place)
        try:
            yield found
        finally:
            found.close()


@pytest.fixture(scope="package")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Aggregate]:
    """One for all tests that leave nothing behind."""
    with aggregate(tmp_path_factory.mktemp("am")) as found:
        yield found


@pytest.fixture
def alice(shared: Aggregate) -> Iterator[Client]:
    """Alice with a slice of her own, which has nothing at the end again."""
    yield from _with_slice(shared)


@pytest.fixture
def other(shared: Aggregate) -> Iterator[Client]:
    """The same person with another slice."""
    yield from _with_slice(shared)


def _with_slice(there: Aggregate) -> Iterator[Client]:
    there.rack.until(there.has_all_nodes)
    client = there.client(f"s{next(_NUMBERS)}")
    yield client
    if code(client.status()) == 0:
        good(client.delete())
    client.close()


_NUMBERS = count()
