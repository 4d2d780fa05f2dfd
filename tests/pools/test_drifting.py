"""What of a domain or a disk counts as changed by hand, and what of that a plan makes."""

from dataclasses import replace
from typing import Any

import pytest

from nm.hypervisor import Has, Listed, Nic
from nm.pools import drifting, reality
from nm.pools.differences import Standing
from nm.pools.drifting import Made
from nm.pools.lifecycle import Event
from nm.pools.plan import STAGES, Step, plan
from nm.pools.tree import Path, Tree
from tests.pools.world import World, pool

MAC = "52:54:00:0b:00:01"
PLACED = [MAC, "br0", None]
NOW = Has(32 << 10, 64 << 10, 1, (Nic(MAC, "br0"),), ("/disks/nm-pool-web-1+disk",))
SAID = 'hostname "a"; memory 32; maxMemory 64; bridge "br0";'


def standing(said: str = SAID, **more: Any) -> Standing:
    found = pool(f"d extends Domain {{ {said} }}").parts["d",]
    return replace(Standing(found, "running"), **more)


def disk(said: str, kind: str = "LoopbackStorageBackend") -> Standing:
    found = pool(f'd extends {kind} {{ baseImage "/i/x"; {said} }}').parts["d",]
    return Standing(found, "running")


def drift(
    now: Has = NOW, stored: Has | None = NOW, before: Has | None = NOW, autostart: bool = False, **made: Any
) -> dict[str, Any]:
    """Of a domain that is as described, but for what is given."""
    stands = made.pop("standing", standing())
    listed = Listed("a", True, False, "", now=now, stored=stored, autostart=autostart)
    return drifting.of_domain(stands, Made(**{"placed": PLACED, **made}), listed, before)


def with_memory(mib: int) -> Has:
    return replace(NOW, memory=mib << 10)


def with_nic(*nics: Nic) -> Has:
    return replace(NOW, nics=nics)


def test_what_is_as_described_is_no_drift() -> None:
    assert drift() == {}
    assert drift(disk="/nm-pool-web-1+disk") == {}
    assert drift(with_nic(Nic("52:54:00:00:00:09", "br7"), *NOW.nics)) == {}  # one interface more


def test_memory_is_compared_with_what_was_asked_for_and_at_rest() -> None:
    assert drift(with_memory(24), before=with_memory(24)) == {"memory": 24}
    assert drift(with_memory(40), before=with_memory(40)) == {"memory": 40}
    assert drift(with_memory(40), before=with_memory(44)) == {}  # it is on its way
    assert drift(with_memory(40), before=None) == {}
    assert drift(with_memory(64), before=with_memory(64)) == {}  # its guest knows no balloon
    assert drift(stored=with_memory(48)) == {"memory": 48}


def test_what_was_known_of_memory_is_known_after_a_restart() -> None:
    known = standing(drift={"memory": 24})
    assert drift(with_memory(24), before=None, standing=known) == {"memory": 24}
    assert drift(with_memory(28), before=None, standing=known) == {}


def test_of_a_reference_whose_worth_nobody_knows_nothing_is_told() -> None:
    lazy = pool('how 40; d extends Domain { hostname "a"; memory LAZY ATTRIB how; }').parts["d",]
    assert drift(standing=Standing(lazy, "running")) == {}
    assert drift(standing=Standing(lazy, "running", worth={"memory": 40})) == {"memory": 32}


def test_processors_and_autostart() -> None:
    two = replace(NOW, vcpus=2)
    assert drift(two) == {"vcpus": 2} and drift(stored=two) == {"vcpus": 2}
    assert drift(autostart=True) == {"autostart": True}
    assert drift(standing=standing(SAID + "autostart true;")) == {"autostart": False}
    assert drift(stored=None) == {"defined": False}


@pytest.mark.parametrize(
    ("nics", "found"),
    [
        ([], {"bridge": None}),
        ([Nic(MAC, None)], {"bridge": None}),
        ([Nic(MAC, "br0", link_up=False)], {"bridge": None}),
        ([Nic(MAC, "br1")], {"bridge": "br1"}),
        ([Nic(MAC, "br0", 7)], {"vlan": 7}),
        ([Nic("52:54:00:00:00:09", "br0")], {"bridge": None}),
    ],
)
def test_where_its_interface_is(nics: list[Nic], found: dict[str, Any]) -> None:
    assert drift(with_nic(*nics)) == found
    assert drift(with_nic(*nics), placed=()) == {}  # nobody knows where it was put


def test_an_interface_in_a_network() -> None:
    of_network = standing('hostname "a"; memory 32; network "default";')
    assert drift(standing=of_network) == {}
    assert drift(with_nic(Nic(MAC, "network:default")), standing=of_network) == {}
    assert drift(with_nic(Nic(MAC, "network:other")), standing=of_network) == {"network": "network:other"}
    assert drift(with_nic(Nic(MAC, "br0", 7)), standing=of_network) == {"network": "br0, VLAN 7"}


def test_a_disk_that_it_has_not_any_more() -> None:
    assert drift(replace(NOW, disks=()), disk="/nm-pool-web-1+disk") == {"storageBackend": None}
    assert drift(replace(NOW, disks=())) == {}


def test_what_waits_for_the_next_start_is_none() -> None:
    waits = standing(SAID.replace("memory 32", "memory 96"), begun={"memory": 32})
    assert drift(standing=waits) == {}
    late = standing(SAID + "vcpus 2;", begun={"vcpus": 1})
    assert drift(standing=late) == {"vcpus": 1}
    assert drift(standing=late, late={"vcpus": "its guest does not take it"}) == {}


def test_of_what_was_adopted_only_what_is_given() -> None:
    other = Has(128 << 10, 128 << 10, 4, (Nic(MAC, "br7"),), ())
    bare = standing('hostname "a";')
    made = {"adopted": True, "placed": (), "standing": bare}
    assert drift(other, other, other, True, **made) == {}
    assert drift(other, None, other, True, **made) == {}
    assert drift(other, other, other, True, adopted=True) == {"memory": 128, "bridge": "br7"}


def test_disks() -> None:
    sized = disk("size 1000L;")
    assert drifting.of_disk(sized, 1000) == drifting.of_disk(sized, 1024) == {}  # whole sectors
    assert drifting.of_disk(disk(""), 7) == {}
    assert drifting.of_disk(sized, 0) == {"baseImage": None}
    assert drifting.of_disk(sized, 999) == {"size": 999} and drifting.of_disk(sized, 2000) == {"size": 2000}
    in_place = disk("size 1000L; inPlace true;")
    assert drifting.of_disk(in_place, 2000) == {} and drifting.of_disk(in_place, 999) == {"size": 999}
    volume = disk("size 1000L;", "LVMStorageBackend")
    assert drifting.of_disk(volume, 1 << 20) == {} and drifting.of_disk(volume, 1 << 30) == {"size": 1 << 30}


# ---- what a life keeps of it

LOOKED = Event("looked", ("d",), drift={"memory": 24})


def test_a_life_keeps_it_until_the_part_is_made_as_it_is_described_again() -> None:
    tree = pool('d extends Domain { hostname "a"; }')
    world = World(tree)
    world.tell(LOOKED)
    assert world.state == {}  # nothing is there
    world.tell(Event("deploy"))
    world.tell(LOOKED)
    assert world.state["d",]["drift"] == {"memory": 24}
    world.crash()
    assert world.state["d",]["drift"] == {"memory": 24}
    for what, left in (("prepare", True), ("change", False)):
        step = Step(f"{what} d", ("d",), what, STAGES[what])  # type: ignore[arg-type, index]
        world.tell(Event("update", steps=[step]))
        assert ("drift" in world.state["d",]) is left
    world.tell(LOOKED)
    world.tell(Event("looked", ("d",)))
    assert "drift" not in world.state["d",]


# ---- what becomes of it

PAIR = """
one extends LoopbackStorageBackend { baseImage "x"; size 4096L; }
a extends Domain { hostname "a"; memory 32; bridge "br0"; storageBackend LAZY ATTRIB one; }
"""


class Nothing:
    """A reader of no records."""

    def get(self, _key: str) -> None:
        return None


def stands(inside: str, drifts: dict[Path, dict[str, Any]]) -> dict[Path, Standing]:
    tree: Tree = pool(inside)
    return {
        path: Standing(part, "running", worth=tree.worths(part), drift=drifts.get(path, {}))
        for path, part in tree.parts.items()
    }


def told(inside: str, drifts: dict[Path, dict[str, Any]]) -> dict[Path, str]:
    return reality.drift(Nothing(), "web", stands(inside, drifts))  # type: ignore[arg-type]


def changes(
    drifts: dict[Path, dict[str, Any]], inside: str = PAIR, deployed: str = ""
) -> dict[str, tuple[str, ...]]:
    """What becomes of what is deployed, with that drift; else that of the same description."""
    there = deployed or inside
    assert told(there, drifts).keys() == drifts.keys()
    found = plan(pool(inside), reality.seen(Nothing(), "web", stands(there, drifts)))  # type: ignore[arg-type]
    return {":".join(one.path): (one.action, *map(str, one.differences)) for one in found.changes}


def test_a_plan_says_what_mends_it() -> None:
    a, one = ("a",), ("one",)
    assert changes({}) == {}
    assert changes({a: {"memory": 48}}) == {"a": ("change", "memory 48 -> 32")}
    assert changes({a: {"memory": 900}}) == {"a": ("change", "memory 900 -> 32")}
    assert changes({a: {"vcpus": 2}}) == {"a": ("change", "vcpus removed: 2")}
    assert changes({a: {"bridge": None}}) == {"a": ("change", "bridge NULL -> 'br0'")}
    assert changes({a: {"defined": False}}) == {"a": ("change", "defined removed: false")}
    assert changes({a: {"storageBackend": None}})["a"][0] == "restart"
    assert changes({one: {"size": 1024}}) == {"one": ("change", "size 1024 -> 4096")}
    gone = changes({one: {"baseImage": None}})
    assert (gone["one"][0], gone["a"]) == ("replace", ("restart",))


def test_a_disk_that_was_made_larger_by_hand_stays_so() -> None:
    """Neither it nor what it holds is touched; it is as described when that says so."""
    larger: dict[Path, dict[str, Any]] = {("one",): {"size": 8192}}
    assert changes(larger) == {}
    for size, said in ((8192, "size 4096 -> 8192"), (6000, "size 4096 -> 6000")):
        assert changes(larger, PAIR.replace("4096", str(size)), PAIR) == {"one": ("change", said)}
    words = "size is 8192, and stays so: write that into the description"
    assert told(PAIR, larger) == {("one",): words}


def test_what_is_lazy_is_compared_with_what_it_leads_to() -> None:
    lazy = 'how 32; a extends Domain { hostname "a"; memory LAZY ATTRIB how; }'
    assert changes({}, lazy) == {}
    assert changes({("a",): {"memory": 48}}, lazy)["a"][0] == "change"


def test_words() -> None:
    def words(**found: Any) -> str:
        there = {("d",): standing(drift=found)}
        return reality.drift(Nothing(), "web", there)["d",]  # type: ignore[arg-type]

    assert words(memory=24, autostart=False) == "memory is 24, autostart is False"
    assert words(bridge=None) == "its interface is on nothing"
    assert words(defined=False, vlan=7) == "it is not defined any more, vlan is 7"
    assert reality.drift(Nothing(), "web", {("d",): standing(state="ended", drift={"memory": 1})}) == {}  # type: ignore[arg-type]
