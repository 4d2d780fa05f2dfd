"""Slivers' guests in a house (tests/guests/house.py), which sets RACK; else they are not collected."""

import os
import shutil
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from nm import facts
from nm.facts import Order, Outcome, Value
from nm.guesthand import GuestHand
from nm.guestmaking import CONTAINER, Brief
from nm.hypervisor import Hypervisor
from nm.libvirt_host import LibvirtHost
from tests.guests.house import LXC, QEMU, make_root, sh

if "RACK" not in os.environ:
    collect_ignore_glob = ["test_*.py"]

POOL = "guests"
URIS = {"sliver.LXC": LXC, "sliver.QEMU": QEMU}
KEY = "ssh-ed25519 AAAAC3Nza alice"


class Site:
    """A host with a pool, an image of busybox, and the slivers that a test makes there."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.pool = folder / "pool"
        self.root = make_root(folder / "images" / "root")
        self.image: dict[str, Any] = {"kind": "root", "root": str(self.root), "memory": 48}
        self.brief = Brief(self.image, (str(folder / "images"),), "guest", (KEY,))
        self.grace = 5.0

    def hand(self, connect: Callable[[str], Hypervisor] = LibvirtHost) -> GuestHand:
        """A hand as a new daemon opens it."""
        return GuestHand(
            URIS, lambda _: self.brief, pool=POOL, emulate=True, connect=connect, grace=self.grace
        )

    def _told(self, name: str) -> Brief:
        return self.brief

    def do(
        self, *orders: tuple[str, Value | None], connect: Callable[[str], Hypervisor] = LibvirtHost
    ) -> list[Outcome]:
        """Carry out what is wanted of slivers."""
        hand = self.hand(connect)
        try:
            return hand.run([Order(f"sliver/{name}", value) for name, value in orders], 1)
        finally:
            hand.close()

    def make(self, name: str, value: Value | None) -> Value | None:
        """Carry out what is wanted of one; it must go well, and be read back the same by another hand."""
        [outcome] = self.do((name, value))
        assert outcome.error is None
        assert outcome.seen == value
        assert self.seen(name) == value
        return outcome.seen

    def seen(self, name: str) -> Value | None:
        """What is read of it."""
        hand = self.hand()
        [outcome] = hand.read([f"sliver/{name}"])
        hand.close()
        assert outcome.error is None
        return outcome.seen

    def told(self, **changes: Any) -> None:
        """From now on guests are told that."""
        self.brief = replace(self.brief, **changes)

    def volumes(self) -> list[str]:
        """What is in the pool."""
        return sorted(path.name for path in self.pool.iterdir())


def container(name: str, index: int = 1, **changes: Any) -> Value:
    """The value of a sliver of containers."""
    value = {
        "domain": facts.sliver_domain(name), "type": CONTAINER, "image": "tiny", "life": 1, "running": True,
        "frozen": False, "index": index, "shares": 32, "reserve": 0, "cores": "0b", "memory": 0,
        "disk": 16 << 10, "told": "t1",
    }  # fmt: skip
    return {**value, **changes}


def names() -> list[str]:
    """All domains."""
    return sorted(sh("virsh", "-c", LXC, "list", "--all", "--name").split()) + sorted(
        sh("virsh", "-c", QEMU, "list", "--all", "--name").split()
    )


def a_site() -> Site:
    """The host, with its pool; both last as long as the house."""
    made = Site(Path(os.environ["RACK"]))
    made.pool.mkdir(mode=0o711)
    sh("virsh", "pool-define-as", POOL, "dir", "--target", made.pool)
    sh("virsh", "pool-start", POOL)
    return made


@pytest.fixture(scope="session")
def house() -> Site:
    """The host; what it has lasts as long as the house."""
    return a_site()


@pytest.fixture
def site(house: Site) -> Iterator[Site]:
    """The host, without a guest before and after."""
    before = house.brief, house.grace
    yield house
    house.brief, house.grace = before
    for uri in (LXC, QEMU):
        for name in sh("virsh", "-c", uri, "list", "--all", "--name").split():
            sh("sh", "-c", f"virsh -c {uri} destroy {name}; virsh -c {uri} undefine {name}; true")
    for path in house.pool.iterdir():
        path.unlink() if path.is_file() else shutil.rmtree(path)
