"""What reservations may be: names, ends, limits, all or nothing, best effort; on records alone."""

import pickle
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from types import SimpleNamespace
from typing import Any, cast

import pytest

from nm import groups, leases, pool
from nm.calls import Caller
from nm.converge import Tools
from nm.errors import Conflict, Denied, DeviceFailed, Invalid, NotFound
from nm.federation import desk, ending, following, looking, names, reserving
from nm.federation.visits import BOWL, Guest
from nm.federationwork import FederationWorker, Look
from nm.geni.refusals import Busy, NodesLacking, Refused, Unsupported
from nm.geni.rspec import manifest
from nm.groups import renew_group
from nm.records import record_key
from nm.store import Store
from nm.timekeeper import Timekeeper
from tests.federation.guests import KEY, LAB, RULES, SITE, Door, at, guest, small_world, urn_of
from tests.federation.test_stateful import deployed
from tests.geni.lab import asked, link, rspec
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
        ["\ud800"],
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
    for wrong in ("", "x" * 201, "7\n", "7\u200b", "\ud800", "urn:publicid:IDN+example.org:sa+user+bob"):
        with pytest.raises(Invalid):
            portal.allocate_nodes(2, slice=wrong)
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
    assert {one.expires for one in door.status().slivers} == {NOW + 100}
    door.provision(door.status().slivers[0].urn, wish=NOW + 8000)
    assert sorted(one.expires - NOW for one in door.status().slivers) == [100, 100, 8000]
    expire(door, NOW + 100)
    assert len(at(door, NOW + 100).states()) == 1


def test_an_end_that_an_operator_moved_outlives_what_happens_to_nodes(world: World, door: Door) -> None:
    nodes = [one.node for one in door.allocate(TWO).slivers]
    door.provision()
    deployed_all(world)
    world.do(renew_group, urn_of("alpha"), NOW + 100)
    name = door.group()["record_key"].removeprefix("group_")
    world.store.transact(lambda tx: following.follow(tx, call(), name))
    assert {one.expires for one in door.status().slivers} == {NOW + 100} and len(nodes) == 2
    expire(door, NOW + 100)
    assert door.group()["destroying"]


def test_a_reservation_whose_nodes_an_operator_took_ends_anyway(door: Door, world: World) -> None:
    (one,) = door.allocate(ONE).slivers
    world.do(groups.remove_nodes, urn_of("alpha"), [one.node])
    door.shutdown()
    world.store.transact(lambda tx: desk.reopen(tx, call(), urn_of("alpha")))
    assert door.group()["expiry"] == NOW + 600
    expire(door, NOW + 600)
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
    other = at(Door(world.store, guest("bob"), site.rules))
    other.allocate(ONE, urn_of("gamma"))
    with pytest.raises(Refused):
        other.with_rules(nodes_a_slice=9).allocate(rspec(asked("z")))  # whoever made the slice answers for it


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


def test_a_shut_slice_is_not_wired_by_a_deploy(world: World, door: Door) -> None:
    door.allocate(ONE)
    door.provision()
    door.shutdown()
    with pytest.raises(Conflict, match="GeniReopen"):
        world.do(groups.deploy, urn_of("alpha"))
    target = door.group()["target"]
    assert [network["nics"] for network in target["networks"].values()] == [[]]


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


def test_what_a_request_says_is_not_written_with_every_step(world: World, door: Door) -> None:
    (one,) = door.allocate(rspec(f"<!-- {'x' * 500_000} -->", asked("a"))).slivers
    (other,) = door.allocate(rspec(f"<!-- {'y' * 500_000} -->", asked("b"))).slivers
    assert len(pickle.dumps(door.group())) < 10_000
    told = door.describe().told
    assert told is not None and all("x" * 500_000 in part.text or "y" * 9 in part.text for part in told.parts)
    door.delete(one.urn)
    assert [record["text"].count("y") > 9 for record in world.store.range("request")] == [True]
    door.delete()
    deployed_all(world)
    assert [*world.store.range("request")] == [] and world.get(f"node_{other.node}")["group"] is None


def deployed_all(world: World) -> None:
    for group in list(world.store.range("group")):
        name = group["record_key"].removeprefix("group_")
        world.store.transact(partial(deployed, name=name, now=NOW))


def test_people_of_a_slice_are_bounded(world: World, door: Door) -> None:
    door.allocate(ONE)
    door.provision(users=[{"urn": f"urn:{at}-" + "x" * 900, "keys": []} for at in range(100)])
    assert len(pickle.dumps(door.group())) < 10_000
    long = [{"urn": f"urn:{at}", "keys": [f"{KEY} {'c' * 16_000}{at}"]} for at in range(6)]
    more = [{"urn": "u", "keys": [f"{KEY} {number}" for number in range(101)]}]
    door.allocate(TWO)
    for users in (long, more):
        with pytest.raises(Invalid):
            door.provision(users=users)


def test_a_slice_has_nodes_of_a_few_requests(door: Door, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reserving, "MOST", 2)
    first, _ = door.allocate(ONE), door.allocate(rspec(asked("y")))
    with pytest.raises(Refused):
        door.allocate(TWO)
    door.delete(first.slivers[0].urn)
    door.allocate(TWO)


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


# ---- looking, and taking


class Watched:
    """A store that is looked at: what the last transaction read, and what happens before the next."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self.read: list[str] = []
        self.before: list[Callable[[], object]] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    def transact(self, operation: Callable[[Any], Any]) -> Any:
        while self.before:
            self.before.pop()()

        def watched(tx: Any) -> Any:
            self.read = []
            tx.get, tx.range = self._noting(tx.get), self._noting(tx.range)
            return operation(tx)

        return self._store.transact(watched)

    def _noting(self, read: Callable[[str], Any]) -> Callable[[str], Any]:
        def noted(what: str) -> Any:
            self.read.append(what)
            return read(what)

        return noted


def test_the_pool_is_searched_outside_of_transactions(world: World) -> None:
    store: Any = Watched(world.store)
    door = at(Door(store))
    door.allocate(ONE)
    assert {key for key in store.read if key.startswith("node")} == {"node_n0"}
    assert not {"vlan", "port", "switch", "trunk", "headnode", "group"} & {*store.read}


def test_what_is_taken_while_one_looks_is_not_given_out_again(world: World) -> None:
    store: Any = Watched(world.store)
    door = at(Door(store))
    by_hand = partial(world.do, groups.create_group)
    store.before.append(partial(by_hand, "one", {"nodes": ["n0", "n1"], "vlan": 101}))
    assert [one.node for one in door.allocate(ONE).slivers] == ["n2"]
    assert door.group()["wanted"]["networks"]["main"]["vlan"] == 102
    store.before.append(partial(world.do, groups.set_networks, urn_of("alpha"), {"main": {}, "x": {}}))
    door.allocate(rspec(asked("z")))
    assert set(door.group()["wanted"]["networks"]) == {"main", "x"}
    store.before.append(partial(by_hand, "two", {"nodes": ["n4"]}))
    with pytest.raises(NodesLacking):
        door.allocate(rspec(asked("p"), asked("q")))
    assert [one.node for one in door.allocate(rspec(asked("s"))).slivers] == ["n5"]


def test_a_node_that_an_operator_took_comes_back_without_its_past(world: World, door: Door) -> None:
    for switch in ("boot", "data"):
        world.switch(switch, "p6", "p7")
    for number in (6, 7):
        ports = [("boot", f"p{number}"), ("data", f"p{number}")]
        world.node(f"n{number}", number, *ports)
        world.verify(*ports)
    pair = rspec(asked("a", interfaces=1), asked("b", interfaces=1), link("lan", "a:0", "b:0"))
    assert {one.node for one in door.allocate(pair).slivers} == {"n6", "n7"}
    world.do(groups.remove_nodes, urn_of("alpha"), ["n6"])
    door.allocate(rspec(asked("c", component_id="urn:publicid:IDN+example.org:lab+node+n6")))
    networks = door.group()["wanted"]["networks"]
    assert set(door.states()) == {"n6", "n7"} and networks["lan"]["nics"] == ["n7:eth1"]
    told = door.describe().told
    assert told is not None
    read = manifest.read(manifest.write(LAB, told, "2027-01-01T00:00:00Z"))
    assert sorted(node.client_id for node in read.nodes) == ["b", "c"]


def test_what_was_not_done_is_not_told(world: World, door: Door) -> None:
    one, other = door.allocate(TWO).slivers
    site = door.with_rules(longest=900, mails=frozenset({"Renew", "PerformOperationalAction"}))
    site.site = replace(SITE, mail=True)
    assert site.renew(NOW + 5000, best=True).mail is None
    assert site.perform("geni_start", best=True).mail is None
    assert site.renew(NOW + 800).mail is not None and one.node != other.node


# ---- many


def test_slivers_that_no_transaction_takes_back_at_once_end_in_several(world: World, door: Door) -> None:
    many = 60
    world.switch("big", *(f"p{number}" for number in range(many * 2 + 1)))
    for number in range(many * 2 + 1):
        world.node(f"m{number}", number + 10, ("big", f"p{number}"))
        world.verify(("big", f"p{number}"))
    door.allocate(rspec(f'<node client_id="a"><nm:several count="{many}"/></node>'))
    door.allocate(rspec(f'<node client_id="b"><nm:several count="{many}"/></node>'))
    door.allocate(rspec(asked("last")), wish=NOW + 3600)
    over = [one.urn for one in door.status().slivers if one.expires == NOW + 600]
    with pytest.raises(Invalid, match="at a time"):
        door.delete(*over)
    assert len(door.states()) == 2 * many + 1
    for _ in range(2):
        expire(door, NOW + 600)
    assert len(door.group()["wanted"]["nodes"]) == 1 and door.group()["expiry"] == NOW + 3600


# ---- the worker


class Failing(Watched):
    """A store that cannot write for a while."""

    failures: Sequence[Exception] = (DeviceFailed("the disk is full", ""),)

    def transact(self, operation: Callable[[Any], Any]) -> Any:
        if self.failures:
            failure, *self.failures = self.failures
            raise failure
        return self._store.transact(operation)


def test_what_could_not_be_written_is_done_later(world: World, door: Door) -> None:
    door.allocate(ONE)
    door.provision()
    deployed_all(world)
    store: Any = Failing(world.store)
    worker = FederationWorker(cast(Tools, SimpleNamespace(store=store, now=lambda: NOW)))
    assert worker.handle([Look()]) is not None
    assert door.group()["federation"]["nodes"]["n0"]["job"] is None
    assert worker.handle([]) is None
    assert door.group()["federation"]["nodes"]["n0"]["job"] is not None


def test_a_slice_that_goes_wrong_keeps_no_other(world: World, door: Door) -> None:
    slices = [urn_of(name) for name in ("a", "b", "c")]
    for one in slices:
        door.allocate(ONE, one)
        door.provision(one)
    deployed_all(world)
    store: Any = Failing(world.store)
    store.failures = (RuntimeError("unforeseen"),)
    worker = FederationWorker(cast(Tools, SimpleNamespace(store=store, now=lambda: NOW)))
    with pytest.raises(RuntimeError):
        worker.handle([Look()])
    worker.handle([])
    begun = [mark["job"] for one in slices for mark in door.group(one)["federation"]["nodes"].values()]
    assert len(begun) == 3 and begun.count(None) == 1


def test_a_portals_person_passes_for_nobody_of_this_machine(world: World) -> None:
    portal = at(Door(world.store, Guest(BOWL, "root")))
    portal.allocate_nodes(1)
    assert portal.group("7")["owner"] == {"name": "root", "uid": 0}
    assert portal.visit("Allocate").call.caller.name == "bowl:root"
