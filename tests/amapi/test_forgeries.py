"""Forgeries at the door: a few of each kind that tests/geni has in full, each forbidden, and soon."""

import time
from collections.abc import Callable
from typing import Any

import pytest

from nm.geni import making
from nm.geni.making import Holder
from tests.amapi import house
from tests.amapi.client import Client, code
from tests.amapi.conftest import Aggregate
from tests.geni.lab import asked, rspec
from tests.geni.world import element, replaced, signed_anew

ONE = rspec(asked("a"))
SOON = 0.1  # seconds, of the processor's


def mine(client: Client, **more: Any) -> str:
    return house.credential(client.who, house.slice_of(client.slice), **more)


def bob(client: Client) -> Holder:
    return house.person("bob")


def key_value(client: Client) -> str:
    """Signed by the client's own key, which stands in KeyValue, beside the authority's certificate."""
    text = mine(client, signer=Holder(house.authority().chain, client.who.key))
    numbers = client.who.key.public_key().public_numbers()
    raw = numbers.n.to_bytes(256).hex()
    value = f"<ds:KeyValue><ds:RSAKeyValue><ds:Modulus>{raw}</ds:Modulus></ds:RSAKeyValue></ds:KeyValue>"
    return text.replace("<ds:KeyInfo>", f"<ds:KeyInfo>{value}", 1)


def wrapped(client: Client) -> str:
    """What was signed allows little, and lies in another that allows much."""
    poor, rich = mine(client, privileges={"info": True}), mine(client, signer=client.who)
    evil = element(rich, "credential").replace('xml:id="ref0"', 'xml:id="ref9"')
    moved = f"<extensions>{element(poor, 'credential')}</extensions></credential>"
    return replaced(poor, (element(poor, "credential"), evil.replace("</credential>", moved)))


def widened(client: Client) -> str:
    """Passed on by somebody who had less."""
    poor = making.credential(
        bob(client).chain,
        house.slice_of(client.slice).chain,
        {"info": True},
        house.NOW + 9000,
        house.authority(),
    )
    return making.passed_on(poor, client.who.chain, {"embed": True}, house.NOW + 9000, bob(client))


def bomb(client: Client) -> str:
    entities = "".join(f'<!ENTITY e{n} "{f"&e{n - 1};" * 10}">' for n in range(1, 10))
    return f'<!DOCTYPE a [<!ENTITY e0 "x">{entities}]>' + mine(client).replace("privilege", "&e9;", 1)


def another_end(client: Client) -> str:
    return replaced(mine(client), ("<serial>0<", "<serial>1<"))


FORGERIES: dict[str, Callable[[Client], str]] = {
    "expired": lambda client: mine(client, expires=house.NOW - 1),
    "of another slice": lambda client: house.credential(client.who, house.slice_of("another")),
    "of somebody else": lambda client: house.credential(bob(client), house.slice_of(client.slice)),
    "signed by a user": lambda client: mine(client, signer=client.who),
    "signed by another authority": lambda client: mine(client, signer=house.root("far.example")),
    "altered": another_end,
    "altered, and signed anew by its owner": lambda client: signed_anew(another_end(client), client.who),
    "the key in KeyValue": key_value,
    "wrapped": wrapped,
    "widened as it was passed on": widened,
    "a bomb": bomb,
    "no XML": lambda client: "nonsense",
}


@pytest.mark.parametrize("name", FORGERIES)
def test_a_forgery_is_forbidden_soon(alice: Client, name: str) -> None:
    shown = [house.sfa(FORGERIES[name](alice))]
    spent = []
    for _ in range(3):  # what else the process did meanwhile is not the door's
        began = time.process_time()
        answer = alice.call("Allocate", alice.urn, shown, ONE, {})
        spent.append(time.process_time() - began)
        assert code(answer) == 3 and answer["output"]
    assert min(spent) < SOON
    assert code(alice.status()) == 12  # and nothing came of it


def test_a_revoked_certificate_is_forbidden(shared: Aggregate, alice: Client) -> None:
    """As soon as its authority's list lies in the folder, on connections that are there, too."""
    assert code(alice.status()) == 12
    serials = [alice.who.chain[0].serial_number]
    made = making.revocation(house.authority(), serials, house.NOW, house.NOW + house.DAY)
    folder = shared.folder / "revoked"
    folder.mkdir(exist_ok=True)
    place = folder / "list.pem"
    place.write_bytes(house.crl_pem(made))
    try:
        answer = alice.status()
        assert code(answer) == 3 and "revoked" in answer["output"]
        place.write_text("no list at all")
        assert code(alice.status()) == 5  # nobody gets in: in doubt somebody is revoked
    finally:
        place.unlink()
    assert code(alice.status()) == 12
