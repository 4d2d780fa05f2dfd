"""People of a slice, who come through its account by SSH: in, changed, and out by an emergency stop."""

import xmlrpc.client

import pytest

from tests.federation.guests import Door, guest, urn_of
from tests.geni.lab import asked, rspec
from tests.ssh.house import House

WHO = xmlrpc.client.dumps((), "WhoAmI").encode()


def opens(house: House, account: str, key: str) -> bool:
    return house.ssh(account, key=house.key(key), given=WHO).returncode == 0


@pytest.fixture
def door(house: House) -> Door:
    assert house.rack.service is not None
    return Door(house.rack.service.database, guest(), site=house.rack.service._site())


def test_an_emergency_stop_ends_the_connections_of_a_slice(house: House, door: Door) -> None:
    door.allocate(rspec(asked("a")))
    door.provision(users=[{"urn": "urn:x", "keys": [house.key("inside").public]}])
    account = door.group()["account"]["name"]
    house.rack.until(lambda: {state for _, state in door.states().values()} == {"geni_ready"})
    house.rack.until(lambda: opens(house, account, "inside"))
    door.perform("geni_update_users", users=[{"urn": "urn:x", "keys": [house.key("other").public]}])
    house.rack.until(lambda: {state for _, state in door.states().values()} == {"geni_ready"})
    assert opens(house, account, "other") and not opens(house, account, "inside")
    with house.connection(account, house.key("other")) as open_one:
        door.shutdown()
        house.rack.until(lambda: not open_one.is_active())
    assert not opens(house, account, "other")
    house.rack.call("GeniReopen", urn_of("alpha"))
    house.rack.until(lambda: opens(house, account, "other"))
