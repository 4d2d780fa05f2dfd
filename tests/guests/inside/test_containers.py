"""Containers as slivers: made, told, stopped, kept, made anew, held to their disk and memory."""

from collections.abc import Callable
from pathlib import Path

import pytest

from nm import machine_xml, shaping
from nm.errors import DeviceFailed, NotFound
from nm.facts import Order, Outcome, Value
from nm.guesthand import GuestHand
from nm.guestmaking import HOST, Brief
from nm.libvirt_host import LibvirtHost
from tests.guests.house import LONG, LXC, inside, make_debian_root, sh
from tests.guests.inside.conftest import KEY, POOL, URIS, Site, container, names
from tests.slivers.network import Node
from tests.waiting import until

DOMAIN = "nm-sliver-a"
BRIDGE = "slice0"


def run(site: Site, value: Value) -> None:
    """Let it run, until its own root is there. One that libvirt loses sight of is ordered again."""
    site.make("a", value)

    def is_there() -> bool:
        said = inside(DOMAIN, "ls /root/.ssh")
        if site.seen("a") != value:
            site.make("a", value)
        return "authorized_keys" in said

    until(is_there, 60)


@pytest.mark.parametrize("make", [None, make_debian_root][: 1 + LONG], ids=["busybox", "debian"][: 1 + LONG])
def test_made_it_runs_in_a_root_of_its_own_and_goes_without_a_trace(
    site: Site, make: Callable[[Path], Path] | None
) -> None:
    tree = site.root if make is None else make(site.root.parent / "debian")
    site.told(hostname="alpha", initscript="#!/bin/sh\necho begun >/begun\n")
    site.told(image={**site.image, "root": str(tree)})
    run(site, container("a"))
    assert inside(DOMAIN, "hostname") == "alpha"
    assert inside(DOMAIN, "cat /root/.ssh/authorized_keys") == KEY
    until(lambda: inside(DOMAIN, "cat /begun") == "begun")
    assert not (tree / "begun").exists(), "the tree that all share was written to"
    assert inside(DOMAIN, "ls /mnt; grep ext4 /proc/mounts; true") == ""  # nothing of its making is in sight
    assert inside(DOMAIN, "ls /sys/class/net") == "lo"  # no network given is no network
    assert site.make("a", None) is None
    assert (names(), site.volumes()) == ([], [])


def test_data_is_kept_over_stop_and_start_and_lost_in_another_life(site: Site) -> None:
    run(site, container("a"))
    inside(DOMAIN, "echo mine >/kept; rm /etc/passwd")
    site.make("a", container("a", running=False))
    assert site.hand().states() == {"a": False}
    run(site, container("a"))
    assert inside(DOMAIN, "cat /kept; ls /etc").split() == ["mine", "nm-guest", "ssh"]
    for anew in (container("a", life=2), container("a", life=2, image="other")):
        run(site, anew)
        assert inside(DOMAIN, "ls / /etc | grep -xE 'kept|passwd'") == "passwd"
        inside(DOMAIN, "echo mine >/kept")


def test_what_it_is_told_comes_with_the_next_start(site: Site) -> None:
    site.told(initscript="echo one >/said", hostname="one")
    run(site, container("a"))
    until(lambda: inside(DOMAIN, "cat /said") == "one")
    site.told(initscript=None, keys=("ssh-rsa AAAA bob",), hostname="two")
    site.make("a", container("a", told="t2"))
    assert inside(DOMAIN, "cat /root/.ssh/authorized_keys; hostname") == f"{KEY}\none"
    site.make("a", container("a", told="t2", running=False))
    site.make("a", container("a", told="t2"))
    until(lambda: inside(DOMAIN, "hostname") == "two")
    until(lambda: inside(DOMAIN, "cat /root/.ssh/authorized_keys") == "ssh-rsa AAAA bob")
    assert "initscript" not in inside(DOMAIN, "ls /etc/nm-guest")


def test_a_stop_waits_for_nothing_that_is_missing(site: Site) -> None:
    site.make("a", container("a"))

    def no_brief(_: str) -> Brief:
        raise NotFound("no image tiny", "register it")

    hand = GuestHand(URIS, no_brief, pool=POOL, emulate=True)
    [outcome] = hand.run([Order("sliver/a", container("a", running=False, told="t2", shares=8))], 1)
    assert isinstance(outcome.error, NotFound)
    assert hand.states() == {"a": False}
    hand.close()


def test_a_disk_of_a_later_life_is_kept_from_an_older_record(site: Site) -> None:
    run(site, container("a", life=3))
    inside(DOMAIN, "echo mine >/kept; sync")
    [outcome] = site.do(("a", container("a", life=2, shares=8)))
    assert (outcome.error, outcome.seen) == (None, container("a", life=3))
    [outcome] = site.do(("a", container("a", life=2, running=False)))
    assert (outcome.error, outcome.seen) == (None, container("a", life=3, running=False))
    run(site, container("a", life=3))
    assert inside(DOMAIN, "cat /kept") == "mine"


def test_it_stops_by_itself_or_by_force(site: Site) -> None:
    run(site, container("a"))
    site.grace = 60.0  # it must not come to that
    site.make("a", container("a", running=False))
    # The tree's own init, which does not end when it is asked.
    init = site.root / "sbin" / "init"
    init.write_text("#!/bin/sh\ntrap '' TERM\nwhile true; do sleep 1; done\n")
    init.chmod(0o755)
    try:
        site.grace = 0.5
        run(site, container("a"))
        site.make("a", container("a", running=False))
    finally:
        init.unlink()


def test_one_that_is_made_anew_again_and_again_stays_in_libvirts_hand(site: Site) -> None:
    site.told(initscript="while true; do date >/now; done")
    host = LibvirtHost(LXC)
    site.grace = 0.0
    for life in range(6 if LONG else 3):
        site.make("a", container("a", life=life))
        assert host.in_hand(DOMAIN)
    host.close()


def test_frozen_it_stands_still(site: Site) -> None:
    site.told(initscript="while true; do date +%s%N >/now; done")
    run(site, container("a"))
    site.make("a", container("a", frozen=True))
    assert sh("virsh", "-c", LXC, "domstate", DOMAIN) == "paused"
    site.make("a", container("a", frozen=True))  # and stays so
    site.make("a", container("a"))
    assert sh("virsh", "-c", LXC, "domstate", DOMAIN) == "running"
    site.make("a", container("a", frozen=True))
    site.make("a", container("a", frozen=True, running=False) | {"frozen": False})


def test_its_disk_and_its_memory_are_bounded(site: Site) -> None:
    run(site, container("a", disk=12 << 10, memory=24))
    said = inside(DOMAIN, "dd if=/dev/zero of=/big bs=1M count=40; rm /big")
    assert "No space left on device" in said
    eaten = inside(DOMAIN, "head -c 60000000 /dev/zero | tail -c 59000000 | wc -c")
    assert "59000000" not in eaten  # the kernel ended it
    site.make("a", container("a", disk=12 << 10, memory=120))
    assert "59000000" in inside(DOMAIN, "head -c 60000000 /dev/zero | tail -c 59000000 | wc -c")
    hand = site.hand()
    assert hand.run([], 1) == [] and hand.notes() == {}
    hand.close()


def test_a_disk_that_cannot_grow_is_told(site: Site) -> None:
    site.make("a", container("a"))
    hand = site.hand()
    value = container("a", disk=64 << 10)
    [outcome] = hand.run([Order("sliver/a", value)], 1)
    assert (outcome.error, outcome.seen) == (None, value)
    assert "16384 KiB, not 65536" in hand.notes()["a"]["disk_max"]
    hand.close()
    later = site.hand()  # the first is let go when it has nothing to do
    assert later.states() == {"a": True} and "16384 KiB" in later.notes()["a"]["disk_max"]
    later.run([Order("sliver/a", container("a", disk=64 << 10, life=2))], 1)
    assert later.states() == {"a": True} and later.notes() == {}
    later.close()


def test_an_order_that_is_moot_is_answered_as_such(site: Site) -> None:
    run(site, container("a"))
    hand = site.hand()
    orders = [
        Order("sliver/a", container("a", shares=9), moot=lambda: True),
        Order("sliver/a", container("a", shares=8)),
    ]
    overtaken, done = hand.run(orders, 1)
    assert overtaken == Outcome(moot=True)
    assert (done.error, done.seen) == (None, container("a", shares=8))
    hand.close()


def test_its_nic_is_on_the_bridge_with_the_address_that_it_was_given(site: Site) -> None:
    sh("ip", "link", "add", BRIDGE, "type", "bridge")
    try:
        site.told(place={"bridge": BRIDGE}, address="10.20.0.17/24", gateway="10.20.0.1")
        run(site, container("a", index=7))
        mac = machine_xml.mac_of(HOST, DOMAIN)
        assert f"master {BRIDGE}" in sh("ip", "link", "show", "nms7")
        said = inside(DOMAIN, "ip addr show eth0; ip route")
        assert mac in said and "10.20.0.17/24" in said and "default via 10.20.0.1" in said
        run(site, container("a", index=8))
        assert f"master {BRIDGE}" in sh("ip", "link", "show", "nms8")
    finally:
        site.make("a", None)
        sh("ip", "link", "del", BRIDGE)
    assert not Path("/sys/class/net/nms7").exists()


def test_strangers_are_left_alone(site: Site) -> None:
    mine = f"<domain type='lxc'><name>{DOMAIN}</name><memory>65536</memory><os><type>exe</type>"
    file = site.folder / "stranger.xml"
    file.write_text(f"{mine}<init>/bin/sh</init></os></domain>")
    sh("virsh", "-c", LXC, "define", file)
    before = sh("virsh", "-c", LXC, "dumpxml", DOMAIN)
    [made] = site.do(("a", container("a")))
    assert isinstance(made.error, DeviceFailed) and not made.error.passing and DOMAIN in str(made.error)
    [removed] = site.do(("a", None))
    assert (removed.error, removed.seen) == (None, None)  # there is none of nm's
    assert sh("virsh", "-c", LXC, "dumpxml", DOMAIN) == before
    sh("virsh", "-c", LXC, "undefine", DOMAIN)
    (site.pool / f"{DOMAIN}+disk").write_text("somebody's")
    [made] = site.do(("a", container("a")))
    assert isinstance(made.error, DeviceFailed) and "vol-delete" in made.error.hint
    assert (site.pool / f"{DOMAIN}+disk").read_text() == "somebody's" and names() == []


def test_on_a_network_of_libvirts_its_rate_is_enforced(site: Site, tmp_path: Path) -> None:
    described = tmp_path / "led.xml"
    described.write_text(f"<network><name>led</name><bridge name='{BRIDGE}' stp='off'/></network>")
    sh("virsh", "net-create", described)
    try:
        site.told(place={"network": "led"})
        site.make("a", container("a", index=7))
        node = Node("routed")
        node.uri = LXC
        node.use(network="network:led")
        node.run(7)
        node.look()
        assert (node.enforced, node.faults) == (list(shaping.ENFORCED), "")
        assert "6e6d:1e" in node.classes()
        assert "locked on" in sh("bridge", "-d", "link", "show", "dev", "nms7")
    finally:
        site.make("a", None)
        sh("virsh", "net-destroy", "led")


def test_a_tree_that_is_not_in_its_place_is_refused(site: Site) -> None:
    link = site.root.parent / "link"
    link.symlink_to(site.root)
    try:
        site.told(image={**site.image, "root": str(link)})
        [outcome] = site.do(("a", container("a")))
    finally:
        link.unlink()
    assert isinstance(outcome.error, DeviceFailed) and not outcome.error.passing
    site.told(image={**site.image, "kind": "netboot"})
    [outcome] = site.do(("a", container("a")))
    assert isinstance(outcome.error, DeviceFailed) and "netboot" in str(outcome.error)
    assert names() == []
