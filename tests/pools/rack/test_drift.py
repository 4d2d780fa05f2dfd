"""What is changed by hand on a host is seen by the next look, told, planned, and mended by applying again."""

import subprocess
import xml.etree.ElementTree as ET
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest

from nm.descriptiondesk import DescriptionDesk
from nm.lab import archive
from nm.pools import showing
from nm.pools.console import get_component_tree
from tests.descriptions.say import INCLUDES
from tests.hosts.rack.conftest import sh
from tests.pools.rack.conftest import Rack, domains, long, virsh
from tests.pools.rack.test_adopting import Olds, olds, text  # noqa: F401 - a fixture
from tests.pools.rack.test_life import xml
from tests.waiting import until

MAC = "52:54:00:0b:00:01"
TWO = f"""
Small extends Domain {{ memory 32; maxMemory 64; maxVcpus 2; shutdownTimeout 0; }}
sfConfig extends Compound {{
  sfSyncTerminate true;
  one extends LoopbackStorageBackend {{ baseImage "empty"; size 8388608L; }}
  a extends Small {{
    hostname "a"; storageBackend LAZY ATTRIB one; bridge "rack0"; vlan 3000; mac "{MAC}";
  }}
  b extends Small {{ hostname "b"; }}
}}
"""
LOOK, DISKS = 16, 151  # seconds after which domains, and disks, were looked at again


@pytest.fixture
def two(rack: Rack) -> Rack:
    job = rack.run(rack.apply("web", TWO))
    assert (job["state"], job["error"]) == ("done", None)
    return rack


@pytest.fixture
def bridges() -> Iterator[tuple[str, str]]:
    """Two of Linux, which libvirt moves interfaces between."""
    names = ("br-one", "br-two")
    for name in names:
        sh("ip", "link", "add", name, "up", "type", "bridge")
    yield names
    for name in names:
        sh("ip", "link", "del", name)


def drift(rack: Rack, name: str = "web") -> dict[str, str]:
    """What differs, by component; consoles say the same."""
    found = showing.get_components(rack.database, rack.call("GetComponents"), name)
    told = {one["path"]: one["notes"]["drift"] for one in found if "drift" in one["notes"]}
    tree = get_component_tree(rack.database, rack.call("GetComponentTree"), name, {})
    assert {row["path"]: row["notes"]["drift"] for row in tree["rows"] if "drift" in row["notes"]} == told
    assert tree["rows"][0]["below"]["drifted"] == len(told)
    return told


def changes(rack: Rack, described: str = TWO, name: str = "web") -> dict[str, list[str]]:
    """What applying it would do, by component: the action, and the attributes that differ."""
    desk = DescriptionDesk(rack.database)
    plan = desk.plan(rack.call("PlanDescription"), name, INCLUDES + described, {})
    return {
        one["path"]: [one["action"], *(differing["name"] for differing in one["differences"])]
        for one in plan["changes"]
    }


def mended(
    rack: Rack, described: str = TWO, name: str = "web", left: Mapping[str, str] | None = None
) -> None:
    """left: the drift that stays."""
    job = rack.run(rack.apply(name, described))
    assert (job["state"], job["error"]) == ("done", None)
    rack.later(LOOK)
    assert (drift(rack, name), changes(rack, described, name)) == (left or {}, {})


def numbers() -> dict[str, str]:
    return {name: virsh("domid", name) for name in domains()}


def interface(name: str, *flags: str) -> tuple[str | None, str | None, str]:
    """The bridge, the tag and the link of its interface."""
    found = xml(name, *flags).find("devices/interface")
    assert found is not None
    bridge, tag, link = found.find("source"), found.find("vlan/tag"), found.find("link")
    return (
        bridge.get("bridge") if bridge is not None else None,
        tag.get("id") if tag is not None else None,
        link.get("state", "") if link is not None else "up",
    )


def moved(bridge: str, tag: int | None = None) -> None:
    """Put a's interface elsewhere while it runs."""
    found = xml("a").find("devices/interface")
    assert found is not None
    for path, name, value in (("source", "bridge", bridge), ("vlan/tag", "id", tag)):
        part = found.find(path)
        if part is not None:
            part.set(name, str(value))
    done = ["virsh", "-q", "update-device", "a", "/dev/stdin", "--live"]
    subprocess.run(done, input=ET.tostring(found), check=True)


# What is done, what is told of it, and what applying would do.
BY_HAND: list[tuple[Callable[[], object], str, list[str]]] = [
    (lambda: virsh("setmem", "a", "48M", "--config"), "memory is 48", ["change", "memory"]),
    (lambda: virsh("setvcpus", "a", "2", "--config"), "vcpus is 2", ["change", "vcpus"]),
    (lambda: virsh("autostart", "a"), "autostart is True", ["change", "autostart"]),
    (lambda: virsh("domif-setlink", "a", MAC, "down"), "its interface is on nothing", ["change", "bridge"]),
    (lambda: moved("rack0", 3007), "vlan is 3007", ["change", "vlan"]),
    (lambda: virsh("undefine", "a"), "it is not defined any more", ["change", "defined"]),
]


def test_what_is_changed_by_hand_is_mended_while_it_runs(two: Rack) -> None:
    """One after the other, each on what the one before has left: nothing."""
    before = numbers()
    two.later(LOOK)
    assert (drift(two), changes(two)) == ({}, {})
    for by_hand, words, planned in BY_HAND:
        by_hand()
        two.later(LOOK)
        assert (drift(two), changes(two)) == ({"a": words}, {"a": planned})
        two.crash()
        assert drift(two) == {"a": words}
        mended(two)
        assert numbers() == before
        assert interface("a") == ("rack0", "3000", "up")
        stored = xml("a", "--inactive")
        assert stored.findtext("currentMemory") == str(32 << 10), words
        assert stored.find("vcpu").get("current") == "1", words  # type: ignore[union-attr]
        assert "disable" in virsh("dominfo", "a").partition("Autostart:")[2].splitlines()[0], words


def on_linux(bridge: str) -> str:
    return TWO.replace('bridge "rack0"; vlan 3000;', f'bridge "{bridge}";')


def test_another_bridge_is_left_again(rack: Rack, bridges: tuple[str, str]) -> None:
    one, two = bridges
    assert rack.run(rack.apply("web", on_linux(one)))["error"] is None
    before = numbers()
    moved(two)
    rack.later(LOOK)
    assert drift(rack) == {"a": "bridge is 'br-two'"}
    assert changes(rack, on_linux(one)) == {"a": ["change", "bridge"]}
    mended(rack, on_linux(one))
    assert interface("a") == (one, None, "up") and numbers() == before
    rack.run(rack.terminate("web"))


def without(*detached: str) -> None:
    """Take that from a as it is stored, and start it so: while it runs its guest had to give it up."""
    virsh(*detached, "--config")
    virsh("destroy", "a")
    virsh("start", "a")


def test_an_interface_that_was_taken_away_is_there_again(two: Rack) -> None:
    without("detach-interface", "a", "bridge", "--mac", MAC)
    before = numbers()
    two.later(LOOK)
    assert drift(two) == {"a": "its interface is on nothing"}
    assert changes(two) == {"a": ["change", "bridge"]}
    mended(two)
    assert interface("a") == ("rack0", "3000", "up") and numbers() == before


def test_a_disk_that_was_taken_away_is_there_again(two: Rack) -> None:
    without("detach-disk", "a", "vda")
    before = numbers()
    two.later(LOOK)
    assert drift(two) == {"a": "its disk is detached"}
    assert changes(two) == {"a": ["restart", "storageBackend"]}
    mended(two)
    assert "+disk" in virsh("domblklist", "a") and numbers()["b"] == before["b"]


def test_a_processor_more_goes_by_a_restart(two: Rack) -> None:
    """For there is no guest that would give it away."""
    before = numbers()
    virsh("setvcpus", "a", "2", "--live")
    two.later(LOOK)
    assert drift(two) == {"a": "vcpus is 2"} and changes(two) == {"a": ["change", "vcpus"]}
    mended(two)
    assert numbers()["b"] == before["b"] and numbers()["a"] != before["a"]


def test_what_is_put_back_by_hand_is_no_drift_any_more(two: Rack) -> None:
    virsh("autostart", "a")
    two.later(LOOK)
    assert drift(two) != {}
    virsh("autostart", "--disable", "a")
    two.later(LOOK)
    assert (drift(two), changes(two)) == ({}, {})


def test_what_waits_for_the_next_start_is_no_drift(two: Rack) -> None:
    assert two.run(two.set("web", "b:memory", 96))["error"] is None
    assert two.run(two.set("web", "a:vcpus", 2))["error"] is None
    assert two.run(two.set("web", "a:vcpus", 1))["error"] is None
    two.later(2 * LOOK)
    assert drift(two) == {}


def test_a_disk_that_is_gone_is_made_anew(two: Rack) -> None:
    before, [disk] = numbers(), two.disks.glob("*+disk")
    disk.unlink()
    two.later(DISKS)
    assert drift(two) == {"one": "its volume is not there any more"}
    assert changes(two) == {"one": ["replace", "baseImage"], "a": ["restart"]}
    mended(two)
    two.later(DISKS)
    assert drift(two) == {} and numbers()["b"] == before["b"]
    [new] = two.disks.glob("*+disk")
    assert new != disk and str(new) in virsh("domblklist", "a")


def test_a_disk_that_is_there_again_is_not_lost(two: Rack) -> None:
    """As where what it lies on was not mounted for a while."""
    [disk] = two.disks.glob("*+disk")
    away = two.disks.parent / "away"
    disk.rename(away)
    two.later(DISKS)
    away.rename(disk)
    job = two.run(two.apply("web", TWO))
    assert job["state"] == "failed" and "its disk was gone, and is there again" in job["error"]["text"]
    two.later(1)  # it has been looked at
    assert (drift(two), changes(two)) == ({}, {}) and disk.exists()


MORE = TWO.replace("memory 32;", "memory 40;")


def test_a_change_that_finds_its_disk_gone_changes_nothing(two: Rack) -> None:
    """Nobody had noticed; it is looked at now, and the next plan is of what was found."""
    before, [disk] = numbers(), two.disks.glob("*+disk")
    disk.unlink()
    orders: list[Callable[[], int]] = [
        lambda: two.apply("web", MORE),
        lambda: two.set("web", "a:memory", 40),
    ]
    for order in orders:
        over, pool = two.run(order()), two.pool("web")
        assert over["state"] == "failed" and "its disk is not there any more" in over["error"]["text"]
        assert pool is not None and pool["state"] == "running" and numbers() == before
        assert xml("b", "--inactive").findtext("currentMemory") == str(32 << 10)
    two.later(1)
    assert drift(two) == {"one": "its volume is not there any more"}
    mended(two, MORE)
    assert len(list(two.disks.glob("*+disk"))) == 1
    assert xml("a", "--inactive").findtext("currentMemory") == str(40 << 10)


def gone(name: str) -> None:
    virsh("destroy", name)
    virsh("undefine", name)


def test_a_domain_that_is_gone_leaves_nothing_in_the_way(two: Rack) -> None:
    gone("a")
    two.later(LOOK)
    assert (domains("--all"), two.files()) == ([], [])
    assert two.run(two.apply("web", TWO))["error"] is None


def test_a_seed_that_is_gone_is_made_anew(two: Rack) -> None:
    before = numbers(), two.files()
    for seed in two.disks.glob("*+seed"):
        seed.unlink()
    assert two.run(two.apply("web", MORE))["error"] is None
    assert (numbers(), two.files()) == before


def test_a_disk_that_was_made_larger_is_told_and_stays_so(two: Rack) -> None:
    virsh("blockresize", "a", "vda", "16M")
    before = numbers(), two.files()
    two.later(DISKS)
    told = {"one": "size is 16777216, and stays so: write that into the description"}
    assert drift(two) == told and changes(two) == {}
    mended(two, MORE, left=told)  # what else is described is done
    for size in (16777216, 33554432):
        larger = TWO.replace("8388608L", f"{size}L")
        assert changes(two, larger)["one"] == ["change", "size"]
        mended(two, larger)
        two.later(DISKS)
        assert drift(two) == {} and virsh("domblkinfo", "a", "vda").split()[1] == str(size)
    assert (numbers(), two.files()) == before


def test_what_was_adopted_drifts_only_in_what_is_given(rack: Rack, olds: Olds) -> None:  # noqa: F811
    before, described = numbers(), text(rack)
    assert rack.run(rack.apply("old", described, adopt=True))["error"] is None
    virsh("autostart", "web")
    rack.later(LOOK)
    assert drift(rack, "old") == {}
    virsh("domif-setlink", "web", "52:54:00:0a:00:01", "down")
    rack.later(LOOK)
    assert drift(rack, "old") == {"web": "its interface is on nothing"}
    mended(rack, described, "old")
    assert numbers() == before and interface("web")[2] == "up"


# ---- a guest that takes what it is given, and gives up what is taken

INIT = """#!/bin/busybox sh
for module in /modules/*; do /bin/busybox insmod "$module"; done
while true; do /bin/busybox sleep 3600; done
"""
ALIVE = f"""
sfConfig extends Compound {{
  a extends Domain {{
    hostname "a"; memory 96; maxMemory 128; kernel "FOLDER/vmlinux"; ramdisk "FOLDER/initrd"; cmdline "quiet";
    bridge "rack0"; vlan 3000; mac "{MAC}"; shutdownTimeout 0;
  }}
}}
"""


@pytest.fixture
def alive(images: Path, tmp_path: Path) -> str:
    """A description of a domain whose guest has a balloon, and ports for what is plugged in while it runs."""
    init = tmp_path / "init"
    init.write_text(INIT)
    packed, modules = archive.kernel()
    made = {
        "vmlinux": archive.unpacked(packed.read_bytes()),
        "initrd": archive.archive(archive.base(init, modules, ("virtio_pci", "virtio_balloon"))),
    }
    for name, content in made.items():
        (images / name).write_bytes(content)
        (images / name).chmod(0o644)
    return ALIVE.replace("FOLDER", str(images))


def held() -> int:
    """The memory that a has now, in MiB."""
    return int(xml("a").findtext("currentMemory") or 0) >> 10


@long
def test_a_guest_that_is_alive(rack: Rack, alive: str) -> None:
    """Memory is told when it is at rest, and mended where it is; so is an interface."""
    assert rack.run(rack.apply("web", alive))["error"] is None
    before = numbers()
    assert held() == 128
    rack.later(2 * LOOK)
    assert drift(rack) == {}  # it has not begun to give back what it has more
    until(lambda: held() == 96, 180)
    rack.later(2 * LOOK)
    assert drift(rack) == {}
    virsh("setmem", "a", "80M", "--live")
    until(lambda: held() == 80, 60)
    rack.later(2 * LOOK)
    assert drift(rack) == {"a": "memory is 80"} and changes(rack, alive) == {"a": ["change", "memory"]}
    assert rack.run(rack.apply("web", alive))["error"] is None
    until(lambda: held() == 96, 60)
    virsh("detach-interface", "a", "bridge", "--mac", MAC, "--live")
    until(lambda: xml("a").find("devices/interface") is None, 60)
    rack.later(LOOK)
    assert drift(rack) == {"a": "its interface is on nothing"}
    mended(rack, alive)
    assert interface("a") == ("rack0", "3000", "up") and numbers() == before
