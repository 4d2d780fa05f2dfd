"""Images as records: what is taken and refused, who names them, and what a head node of one is told."""

from typing import Any

import pytest

from nm import plan, pool
from nm.errors import Conflict, Invalid, NotFound
from tests.memory_store import MemoryStore
from tests.pool.world import ALICE, World, furnish


@pytest.fixture
def bare() -> World:
    made = World(MemoryStore())
    furnish(made)
    return made


def test_defaults_are_filled_in(bare: World) -> None:
    bare.do(pool.register_image, "d12", {"kind": "netboot", "profile": "12"})
    disk, boot = bare.look(pool.get_images, {"name": ["debian", "d12"]})[::-1]
    assert (boot["profile"], boot["memory"], boot["kernel"]) == ("12", None, None)
    bare.do(pool.register_image, "tree", {"kind": "root", "root": "/images/tree"})
    [tree] = bare.look(pool.get_images, {"name": "tree"})
    assert (tree["root"], tree["memory"], tree["disk"], tree["cpus"]) == ("/images/tree", 256, None, None)
    assert (disk["format"], disk["memory"], disk["cpus"], disk["share"]) == ("qcow2", 1024, 1, "disk")
    assert bare.look(pool.get_images, {"name": "debian"}, caller=ALICE) == [
        {"name": "debian", "kind": "disk"}
    ]


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({}, "lacks kind"),
        ({"kind": "cd"}, "none of the known"),
        ({"kind": "disk"}, "lacks disk"),
        ({"kind": "disk", "disk": "/etc/passwd"}, "not in a folder of images"),
        ({"kind": "disk", "disk": "/images/../etc/passwd"}, "not in a folder of images"),
        ({"kind": "disk", "disk": "/images/./x"}, "not in a folder of images"),
        ({"kind": "disk", "disk": "/images"}, "not in a folder of images"),
        ({"kind": "disk", "disk": "/imagesx/x"}, "not in a folder of images"),
        ({"kind": "disk", "disk": "//images/x"}, "not in a folder of images"),
        ({"kind": "disk", "disk": "images/x"}, "not in a folder of images"),
        ({"kind": "disk", "disk": "/images/x", "kernel": "/boot/vmlinuz"}, "not in a folder of images"),
        ({"kind": "disk", "disk": "/images/x", "format": "vmdk"}, "none of the known"),
        ({"kind": "disk", "disk": "/images/x", "memory": 8}, "memory is 8"),
        ({"kind": "disk", "disk": "/images/x", "profile": "p"}, "has no profile"),
        ({"kind": "disk", "disk": "/images/x", "initrd": "/images/i"}, "has initrd and no kernel"),
        ({"kind": "netboot", "disk": "/images/x"}, "has no disk"),
        ({"kind": "root"}, "lacks root"),
        ({"kind": "root", "root": "/"}, "not in a folder of images"),
        ({"kind": "root", "root": "/images/x", "disk": "/images/x"}, "has no disk"),
        ({"kind": "root", "root": "/images/x", "kernel": "/images/x"}, "has no kernel"),
        ({"kind": "root", "root": "/images/x", "cpus": 2}, "has no cpus"),
        ({"kind": "netboot", "root": "/images/x"}, "has no root"),
        ({"kind": "netboot", "profile": "p", "kernel": "/images/k"}, "a profile and a kernel"),
    ],
)
def test_what_is_no_image_is_refused(bare: World, settings: dict[str, Any], said: str) -> None:
    with pytest.raises(Invalid, match=said) as refused:
        bare.do(pool.register_image, "new", settings)
    assert refused.value.hint
    assert bare.look(pool.get_images, {"name": "new"}) == []


def test_an_image_that_is_named_stays(bare: World) -> None:
    with pytest.raises(Conflict, match="used by head node made"):
        bare.do(pool.unregister_image, "debian")
    bare.do(pool.unregister_head_node, "made")
    bare.do(pool.unregister_image, "debian")
    with pytest.raises(NotFound):
        bare.do(pool.register_head_node, "made", {"host": "h0", "image": "debian"})


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"image": "boot"}, "of kind netboot"),
        ({"image": "debian", "management": ["52:54:00:00:00:09"]}, "has no management"),
        ({"image": "debian", "address": "192.168.1.1"}, "no address and prefix"),
        ({"image": "debian", "management_network": {}}, "names 0 networks"),
        ({"image": "debian", "management_network": {"bridge": "a", "network": "b"}}, "names 2 networks"),
        ({"domain": "d", "address": "192.168.1.1/24"}, "has no address"),
        ({"domain": "nm-made"}, "belongs to head node made"),
    ],
)
def test_what_is_no_head_node_of_one_is_refused(bare: World, settings: dict[str, Any], said: str) -> None:
    bare.do(pool.register_image, "boot", {"kind": "netboot"})
    with pytest.raises((Invalid, Conflict), match=said):
        bare.do(pool.register_head_node, "new", {"host": "h0", **settings})


def test_a_group_with_one_has_it_made(bare: World) -> None:
    spec = {
        "networks": {"main": {"vlan": 101, "nics": ["boot"], "tagged": False}},
        "nodes": [],
        "headnode": "made",
    }
    value = plan.expand(bare.store, "alpha", spec)["head/made"]
    assert value == {"host": "h0", "domain": "nm-made", "image": "debian", "vlan": 101}
