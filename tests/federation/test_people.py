"""People of a slice: their keys, and what they may do by the slice's own account; on records alone."""

import pickle
from dataclasses import replace
from typing import Any

import pytest

from nm import rights
from nm.calls import Caller
from nm.errors import Denied, Invalid
from nm.geni.refusals import Refused, Unsupported
from nm.records import Record
from tests.federation.guests import KEY, SITE, Door
from tests.federation.test_stateful import deployed_all
from tests.geni.lab import asked, rspec
from tests.pool.world import ALICE, World, call

ONE, TWO = rspec(asked("a")), rspec(asked("b"), asked("c"))


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


def test_whoever_does_not_wait_for_keys_to_be_installed_says_so(world: World, door: Door) -> None:
    """They are installed all the same: the sliver is not busy with it any more."""
    door.site = replace(SITE, uids=(95000, 95009))
    door.allocate(ONE)
    door.provision()
    deployed_all(world)
    world.edit(door.group()["record_key"], federation=_on(door.group()))
    keys = [{"urn": "urn:a", "keys": [KEY]}]
    assert door.perform("geni_update_users", users=keys).slivers[0].operational == "geni_updating_users"
    for action in ("geni_start", "geni_stop", "geni_restart"):
        with pytest.raises(Unsupported):
            door.perform(action)
    with pytest.raises(Refused):
        door.perform("geni_update_users", users=keys)
    assert door.perform("geni_updating_users_cancel").slivers[0].operational == "geni_ready"
    assert door.group()["keys"] == [KEY]
    with pytest.raises(Unsupported):
        door.perform("geni_updating_users_cancel")


def _on(group: Record) -> dict[str, Any]:
    """The field of a reservation whose nodes were switched on."""
    field = group["federation"]
    done = {"doing": None, "job": None, "power": "on"}
    return {**field, "nodes": {node: {**mark, **done} for node, mark in field["nodes"].items()}}


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


CHANGES = {
    "AddNodes": (["n3"],),
    "RemoveNodes": (["n0"],),
    "SetVlan": (104,),
    "SetNetworks": ({"main": {}},),
    "SetHeadNode": ("head",),
    "SetImage": (None,),
    "Deploy": (),
}


@pytest.mark.parametrize("method", CHANGES)
def test_people_of_a_slice_change_it_by_its_door_and_not_through_its_account(
    world: World, door: Door, method: str
) -> None:
    door.allocate(ONE)
    record = door.group()["record_key"]
    world.edit(record, account={"name": "alpha", "uid": 95000}, owner={"name": ALICE.name, "uid": ALICE.uid})
    name = record.removeprefix("group_")

    def may(caller: Caller, method: str, *more: object) -> None:
        rights.authorize(world.store, replace(call(caller), method=method), [name, *more])

    account = Caller(95000, "alpha")
    with pytest.raises(Denied, match="owner"):
        may(account, method, *CHANGES[method])
    may(ALICE, method, *CHANGES[method])
    may(account, "PlanDeploy")
    rights.authorize(world.store, replace(call(account), method="PowerNode"), ["n0", "on"])
