"""What reservations may be: names, ends, limits, all or nothing, best effort; on records alone."""

import pytest

from nm import leases, pool
from nm.calls import Caller
from nm.errors import Denied, Invalid, NotFound
from nm.federation import desk, ending, following, looking, names
from nm.federation.visits import BOWL
from nm.geni.refusals import Busy, NodesLacking, Refused, Unsupported
from nm.groups import renew_group
from nm.records import record_key
from nm.timekeeper import Timekeeper
from tests.federation.guests import KEY, LAB, RULES, Door, at, guest, small_world, urn_of
from tests.geni.lab import asked, rspec
from tests.pool.world import ALICE, NOW, ROOT, World, call

DAY = 86400.0
ONE, TWO = rspec(asked("a")), rspec(asked("b"), asked("c"))
ALLOCATED, PROVISIONED = "geni_allocated", "geni_provisioned"


@pytest.fixture
def world() -> World:
    return small_world()


@pytest.fixture
def door(world: World) -> Door:
    return at(Door(world.store))


# ---- names


@pytest.mark.parametrize("other", ["ALPHA", "%61lpha"])
def test_a_slice_is_the_same_however_it_is_spelled(door: Door, other: str) -> None:
    door.allocate(ONE)
    answer = door.status(urn_of(other).replace("example.org:sa", "EXAMPLE.org:sa"))
    assert answer.slice == urn_of("alpha") and len(answer.slivers) == 1


def test_a_group_has_a_likeness_of_its_slices_name_and_no_two_have_the_same() -> None:
    slices = [urn_of("alpha"), urn_of("Alpha-2"), urn_of("9lives"), "7", "eine Scheibe", "..", "x" * 200]
    found = [names.group_of(names.alias_of(one)) for one in slices]
    assert found[0].startswith("alpha-") and len(set(found)) == len(slices)
    assert all(len(name) <= 32 and name[0].isalpha() and name == name.lower() for name in found)
    assert names.group_of(names.alias_of(urn_of("ALPHA"))) == found[0]


@pytest.mark.parametrize(
    "given",
    [
        [],
        ["7"],
        [urn_of("a"), urn_of("b")],
        ["urn:publicid:IDN+example.org:sa+user+alice"],
        ["urn:publicid:IDN+example.org:lab+node+n1"],
    ],
)
def test_urns_name_one_slice_or_slivers_of_one(door: Door, given: list[str]) -> None:
    with pytest.raises(Invalid):
        looking.status(door.store, door.visit("Status"), given)


def test_slivers_of_two_slices_or_a_slice_and_a_sliver_are_refused(door: Door) -> None:
    (one,), (other,) = door.allocate(ONE).slivers, door.allocate(ONE, urn_of("beta")).slivers
    for given in ((one.urn, other.urn), (one.urn, urn_of("alpha")), (urn_of("alpha"), one.urn)):
        with pytest.raises(Invalid):
            door.status(*given)
    assert [sliver.urn for sliver in door.status(one.urn, one.urn).slivers] == [one.urn]
    for wrong in (one.urn + "0", one.urn.replace("lab", "other"), urn_of("gamma")):
        with pytest.raises(NotFound):
            door.status(wrong)


def test_a_group_that_was_made_by_hand_is_no_slice(world: World, door: Door) -> None:
    door.allocate(ONE)
    world.edit(door.group()["record_key"], federation=None)
    with pytest.raises(NotFound):
        door.status()
    assert door.describe().slivers == ()


def test_bowls_strings_are_for_bowl_alone(world: World, door: Door) -> None:
    portal = at(Door(world.store, guest("bob", BOWL)))
    assert [one.node for one in portal.allocate_nodes(3, 1).slivers] == ["n3", "n1"]
    with pytest.raises(Invalid):
        door.status("7")
    for numbers in ((), (True,), ("1",), (99,), (2, 2), (-1,)):
        with pytest.raises(Invalid):
            portal.allocate_nodes(*numbers, slice="8")
    with pytest.raises(NodesLacking):
        portal.allocate_nodes(1, slice="8")


# ---- ends


def test_a_wish_is_cut_and_without_one_the_sites_rule_holds(world: World, door: Door) -> None:
    assert door.allocate(ONE).expires == NOW + 600
    assert door.allocate(rspec(asked("d")), wish=NOW + 7200).expires == NOW + 7200
    mine = at(Door(world.store, guest(expires=NOW + 300.7)))
    assert mine.allocate(rspec(asked("e")), wish=NOW + DAY).expires == int(NOW + 300.7)
    site = door.with_rules(longest=1000)
    assert site.allocate(rspec(asked("f")), wish=NOW + DAY).expires == NOW + 1000
    ends = [one.expires - NOW for one in door.provision().slivers]
    assert ends == [7 * DAY] * 4
    for wish in (NOW, NOW - 1, 0.0):
        with pytest.raises(Invalid):
            door.allocate(rspec(asked("g")), wish=wish)


def test_provision_does_not_shorten_unless_it_is_asked_to(door: Door) -> None:
    (one,) = door.allocate(ONE, wish=NOW + 30 * DAY).slivers
    assert door.provision().expires == NOW + 30 * DAY
    (other,) = door.allocate(rspec(asked("d"))).slivers
    assert door.provision(other.urn, wish=NOW + 60).expires == NOW + 60
    assert door.sliver(one.node).expires == NOW + 30 * DAY


def test_renew_is_granted_exactly_or_refused(world: World, door: Door) -> None:
    door.allocate(ONE)
    mine = at(Door(world.store, guest(expires=NOW + DAY)))
    assert mine.renew(NOW + 100).expires == NOW + 100
    assert mine.renew(NOW + DAY).expires == NOW + DAY
    with pytest.raises(Invalid):
        mine.renew(NOW + DAY + 1)
    assert mine.renew(NOW + 9 * DAY, as_long_as_possible=True).expires == NOW + DAY
    best = mine.renew(NOW + 9 * DAY, best=True)
    assert "at the latest" in best.slivers[0].error and best.expires == NOW + DAY
    with pytest.raises(Invalid):
        mine.renew(NOW)
    assert mine.states() == {"n0": (ALLOCATED, "geni_notready")}


def expire(door: Door, now: float) -> None:
    name = door.group()["record_key"].partition("_")[2]
    door.store.transact(lambda tx: ending.expire(tx, call(now=now), name))


def test_what_is_over_is_taken_back_and_nothing_else(world: World, door: Door) -> None:
    (one,) = door.allocate(ONE).slivers
    two = door.allocate(TWO, wish=NOW + 3600).slivers
    assert door.group()["expiry"] == NOW + 600
    later = at(Door(world.store), NOW + 600)
    with pytest.raises(NotFound):
        later.status(one.urn)
    expire(later, NOW + 600)
    assert world.get("node_n0")["group"] is None
    assert later.group()["wanted"]["nodes"] == [two[0].node, two[1].node]
    assert later.group()["expiry"] == NOW + 3600
    expire(later, NOW + 3599)
    assert not later.group()["destroying"]
    expire(later, NOW + 3600)
    assert later.group()["destroying"]


def test_a_lease_that_an_operator_moves_holds_for_all(world: World, door: Door) -> None:
    door.allocate(ONE)
    door.allocate(TWO, wish=NOW + 3600)
    world.do(renew_group, urn_of("alpha"), NOW + 7200)
    assert {one.expires for one in door.status().slivers} == {NOW + 7200}
    expire(door, NOW + 3600)
    assert len(door.states()) == 3
    door.renew(NOW + 9000, door.status().slivers[0].urn)
    assert sorted(one.expires - NOW for one in door.status().slivers) == [7200, 7200, 9000]
    world.do(renew_group, urn_of("alpha"), NOW + 100)
    expire(door, NOW + 100)
    assert door.group()["destroying"]


# ---- limits


def test_the_sites_limits_hold(door: Door, world: World) -> None:
    with pytest.raises(Refused):
        door.with_rules(nodes_a_slice=1).allocate(TWO)
    site = door.with_rules(nodes_a_slice=2, slices_a_person=2, nodes_a_person=3)
    site.allocate(TWO)
    with pytest.raises(Refused):
        site.allocate(ONE)
    with pytest.raises(Refused):
        site.allocate(TWO, urn_of("beta"))
    site.allocate(ONE, urn_of("beta"))
    with pytest.raises(Refused):
        site.allocate(ONE, urn_of("gamma"))
    other = Door(world.store, guest("bob"), site.rules)
    at(other).allocate(ONE, urn_of("gamma"))


def test_each_slice_gets_a_head_node_where_the_site_says_so(door: Door) -> None:
    site = door.with_rules(headnodes=True)
    site.allocate(ONE)
    assert site.group()["wanted"]["headnode"] == "head"
    told = site.describe().told
    assert told is not None and told.head is not None and told.head.name == "head"
    site.allocate(TWO)
    with pytest.raises(NodesLacking):
        site.allocate(ONE, urn_of("beta"))
    site.delete()


# ---- all or nothing


def test_a_request_that_cannot_be_had_changes_nothing(world: World, door: Door) -> None:
    door.allocate(ONE)
    before = world.dump()
    with pytest.raises(NodesLacking):
        door.allocate(rspec(*(asked(f"x{number}") for number in range(6))))
    with pytest.raises(Invalid):
        door.allocate(ONE)
    with pytest.raises(Unsupported):
        door.allocate(rspec(asked("x", exclusive="false")))
    assert world.dump() == before


def test_one_that_cannot_keeps_the_others_only_without_best_effort(world: World, door: Door) -> None:
    (one,), two = door.allocate(ONE).slivers, door.allocate(TWO).slivers
    door.provision(one.urn)
    before = world.dump()
    with pytest.raises(Refused):
        door.provision(one.urn, two[0].urn)
    with pytest.raises(Unsupported):
        door.perform("geni_start", one.urn, two[0].urn)
    assert world.dump() == before
    best = door.provision(*(sliver.urn for sliver in (one, *two)), best=True)
    assert [bool(sliver.error) for sliver in best.slivers] == [True, False, False]
    assert {state for state, _ in door.states().values()} == {PROVISIONED}
    best = door.perform("geni_start", best=True)
    assert all("geni_configuring" in sliver.error for sliver in best.slivers)


def test_a_switch_that_is_gone_refuses_just_its_own_nodes(world: World, door: Door) -> None:
    one, other = door.allocate(TWO).slivers
    world.store.transact(lambda tx: tx.delete(record_key("node", one.node)))
    best = door.provision(best=True)
    assert [bool(sliver.error) for sliver in best.slivers] == [True, False]
    assert door.states()[other.node][0] == PROVISIONED


def test_a_slice_that_is_going_is_busy(door: Door) -> None:
    door.allocate(ONE)
    door.provision()
    assert {one.allocation for one in door.delete().slivers} == {"geni_unallocated"}
    with pytest.raises(Busy):
        door.allocate(ONE)
    with pytest.raises(NotFound):
        door.delete()


# ---- people


def test_keys_of_people_are_the_groups(door: Door) -> None:
    user = f'<user:services_user login="bob" user_urn="urn:b"><user:public_key>{KEY} b</user:public_key>'
    spoken = f"<services>{user}</user:services_user></services>"
    door.allocate(rspec(asked("a", spoken)))
    assert door.group()["keys"] == [f"{KEY} b"]
    door.provision(users=[{"urn": "urn:a", "keys": [KEY]}, {"urn": "urn:b", "keys": []}])
    assert door.group()["keys"] == [KEY]
    for users in (
        [{"urn": 7}],
        ["urn:a"],
        "urn:a",
        [{"urn": "u", "keys": ["nonsense"]}],
        [{"urn": "u", "keys": 7}],
    ):
        with pytest.raises(Invalid):
            door.provision(users=users)


def test_who_reserved_is_told_to_operators(world: World, door: Door) -> None:
    (one,) = door.allocate(ONE).slivers
    (told,) = world.look(desk.get_reservations, {"user": guest().urn})
    assert told["sliver"] == one.urn.rpartition("+")[2] and told["email"] == "alice@example.org"
    assert world.look(desk.get_reservations, {"shut": True}) == []
    with pytest.raises(Invalid):
        world.look(desk.get_reservations, {"color": "red"})


def test_a_shut_slice_is_kept_beyond_its_end(world: World, door: Door) -> None:
    door.allocate(ONE)
    door.shutdown()
    expire(door, NOW + DAY)
    assert not door.group()["destroying"]
    with pytest.raises(Denied):
        at(door, NOW + DAY).status()
    world.store.transact(lambda tx: desk.reopen(tx, call(now=NOW + DAY), urn_of("alpha")))
    assert door.status().expires == NOW + DAY + desk.KEPT
    assert following.due(world.store, door.group()["record_key"][6:]) == [] and LAB is RULES.aggregate


def test_what_was_only_allocated_may_end_by_mass(world: World, door: Door) -> None:
    for name in ("a", "b", "c", "d"):
        door.allocate(ONE, urn_of(name))
    door.provision(urn_of("d"), wish=NOW + 600)
    times = [NOW + 600, 0.0]
    clocks = leases.Clocks(lambda: times[0], lambda: times[1], "boot")
    keeper = Timekeeper(world.store, clocks, leases.Rules(mass_floor=0, mass_share=0.1))
    keeper.handle([])
    ending = {group["federation"]["slice"] for group in world.store.range("group") if group["destroying"]}
    assert ending == {urn_of(name) for name in ("a", "b", "c")}
    assert [entry["reason"] for entry in world.look(leases.get_holds)] == [leases.MANY]


def test_a_head_node_is_one_that_trunks_join_to_the_nodes(world: World, door: Door) -> None:
    world.host("h9")
    world.do(pool.register_head_node, "far", {"host": "h9", "domain": "vm9"})
    site = door.with_rules(headnodes=True)
    site.allocate(ONE)
    assert site.group()["wanted"]["headnode"] == "head"  # though `far` comes first


def test_all_that_a_slice_ever_asked_for_is_bounded(door: Door) -> None:
    long = f"<!-- {'x' * 600_000} -->"
    door.allocate(rspec(long, asked("a")))
    with pytest.raises(Refused):
        door.allocate(rspec(long, asked("b")))
    assert len(door.states()) == 1


def test_nobody_is_a_member_of_what_was_shut_down(world: World, door: Door) -> None:
    door.allocate(ONE)
    key = door.group()["record_key"]
    world.edit(key, owner={"name": ALICE.name, "uid": ALICE.uid})
    assert ALICE.member_of(world.get(key), "PowerNode")
    door.shutdown()
    serving = Caller(7, "head-x", serves=key.removeprefix("group_"))
    assert not any(who.member_of(world.get(key), "PowerNode") for who in (ALICE, serving))
    assert ROOT.member_of(world.get(key), "PowerNode")
