"""The list of machines of a head node that is made from an image, by the way that the image asks for."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from nm import listfiles
from nm.export import ExportHand
from nm.facts import Order, Value
from nm.hypervisor import Share
from nm.libvirt_host import LibvirtHost
from nm.listfolder import FOLDER
from tests.hosts.rack.conftest import HOST
from tests.hosts.rack.test_images import DOMAIN, House, Killed, Mortal, domain_names, house, on

__all__ = ["house"]  # a fixture


class Dying(Mortal):
    """Ends its process right after a step of the list's; the head node's own steps are tried elsewhere."""

    def __init__(self, uri: str, dies_at: int) -> None:
        super().__init__(uri, 0)
        self.left = -1  # nothing else counts
        self._lists_left = dies_at
        for place, name in ((self, "set_next_share"), (self.storage, "make_empty"), (self.storage, "put")):
            setattr(place, name, self._dying(getattr(place, name)))

    def _dying(self, act: Callable[..., Any]) -> Callable[..., Any]:
        def done(*arguments: Any) -> Any:
            answer = act(*arguments)
            self._lists_left -= 1
            if self._lists_left == 0:
                raise Killed
            return answer

        return done


@pytest.fixture
def export(house: House) -> Iterator[ExportHand]:
    house.image |= dict.fromkeys(("kernel", "initrd", "cmdline"))  # it need not boot
    hand = ExportHand()
    yield hand
    hand.run([Order("export/alpha", None)], 1)


def written(export: ExportHand, *macs: str) -> Value:
    """The files of the list, and the fact that it is in reach."""
    document: dict[str, Any] = {"version": 1, "group": "alpha", "networks": {}, "machines": []}
    told = {"machines": [[mac, ""] for mac in macs], "document": document}
    assert export.run([Order("export/alpha", told)], 1)[0].error is None
    return {"host": "vmhost", "domain": DOMAIN, "group": "alpha", "digest": listfiles.digest(told)}


def bring(house: House, value: Value | None, host: LibvirtHost | None = None) -> Value | None:
    hand = house.hand(host)
    try:
        [outcome] = hand.run([Order("list/h1", value, {"domain": DOMAIN})], 1)
        assert outcome.error is None
        [seen] = hand.read(["list/h1"])
        return seen.seen
    finally:
        hand.close()


@pytest.mark.parametrize("way", ["disk", "virtiofs", "9p"])
def test_it_is_there_when_the_head_node_starts(house: House, export: ExportHand, way: str) -> None:
    house.image["share"] = way
    first = written(export, "52:54:00:bb:00:01")
    bring(house, first)
    assert domain_names() == []
    assert house.do(on(101)).error is None
    host = LibvirtHost(HOST["uri"])
    shared = host.shared(DOMAIN)
    host.close()
    assert shared is not None and shared.now == shared.later and shared.now is not None
    folder, disk = Share(way, str(FOLDER / "alpha")), Share("disk", str(house.pool / f"{DOMAIN}+list"))
    assert shared.now == (disk if way == "disk" else folder)
    second = written(export, "52:54:00:bb:00:01", "52:54:00:bb:00:02")
    assert bring(house, second) == second != first
    assert house.do(None).error is None and bring(house, None) is None
    assert (domain_names(), house.volumes()) == ([], [])


@pytest.mark.timeout(120)
def test_killed_at_every_step_the_list_is_there_all_the_same(house: House, export: ExportHand) -> None:
    value = written(export, "52:54:00:bb:00:01")
    for number in range(1, 20):
        host = Dying(HOST["uri"], number)
        try:
            bring(house, value, host)
            assert house.do(on(101), host).error is None
            assert house.do(None, host).error is None
            bring(house, None, host)
            break
        except Killed:
            assert bring(house, value) == value
            assert house.do(None).error is None and bring(house, None) is None
        assert (domain_names(), house.volumes()) == ([], [])
    assert 4 < number < 19 and not Path(house.pool / f"{DOMAIN}+list").exists()
