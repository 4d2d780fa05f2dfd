"""GENI facts 1.8 and 1.9: credentials as clients send them, what they allow, and how long."""

import time
from typing import Any
from xmlrpc.client import Binary

import pytest

from nm.geni import making, times
from tests.amapi import house
from tests.amapi.client import VERSION, Client, code, good
from tests.amapi.conftest import Aggregate
from tests.geni.lab import asked, rspec

ONE = rspec(asked("a"))
DAY = house.DAY


@pytest.fixture
def text(alice: Client) -> str:
    found: str = alice.credentials[0]["geni_value"]
    return found


def listed(client: Client, *shown: Any) -> int:
    return code(client.call("ListResources", list(shown), VERSION))


def status(client: Client, *shown: Any) -> int:
    """12 when the credentials grant it, for there is nothing."""
    return code(client.call("Status", [client.urn], list(shown), {}))


# ---- 1.8


@pytest.mark.parametrize("version", ["2", "3", 2, 3, " 3"])
def test_both_versions_as_text_and_as_int(alice: Client, text: str, version: Any) -> None:
    """omni sends either, by its own judgement; geni-lib sends an int."""
    assert status(alice, house.sfa(text, version)) == 12


@pytest.mark.parametrize("kind", ["geni_sfa", "GENI_SFA", "Geni_Sfa"])
def test_types_of_credentials_have_no_case(alice: Client, text: str, kind: str) -> None:
    assert status(alice, {**house.sfa(text), "geni_type": kind}) == 12


def test_unknown_types_are_skipped(alice: Client, text: str) -> None:
    odd = {"geni_type": "urn:other", "geni_version": None, "geni_value": 3}
    assert status(alice, odd, house.sfa(text)) == 12
    abac = {"geni_type": "geni_abac", "geni_version": "1", "geni_value": "no credential of ours"}
    assert status(alice, abac, house.sfa(text)) == 12
    assert status(alice, {**house.sfa("x"), "geni_version": "9"}, house.sfa(text)) == 12
    assert status(alice, abac) == 3


def test_one_that_grants_what_is_needed_suffices(alice: Client, text: str) -> None:
    poor = house.credential(alice.who, house.slice_of(alice.slice), {"info": True})
    broken = house.sfa("<signed-credential/>")
    assert status(alice, house.sfa(poor), broken, house.sfa(text)) == 12
    assert status(alice, house.sfa(poor), broken) == 3


def test_a_value_as_base64(alice: Client, text: str) -> None:
    """geni-lib under Python 3, in Allocate, Provision, Delete and its actions."""
    shown = [house.sfa(Binary(text.encode()), 3)]
    assert code(alice.call("Allocate", alice.urn, shown, ONE, {})) == 0
    assert code(alice.call("Provision", [alice.urn], shown, VERSION)) == 0
    assert code(alice.call("PerformOperationalAction", [alice.urn], shown, "geni_dance", {})) == 13
    assert code(alice.call("Delete", [alice.urn], shown, {})) == 0


def test_plain_texts_in_the_list(alice: Client, text: str) -> None:
    """geni-lib's ListResources, and old clients."""
    assert listed(alice, text) == 0
    assert listed(alice, Binary(text.encode())) == 0


@pytest.mark.parametrize("shown", ["", None, {}, 3, [None], [3], [{}], [[]]])
def test_another_shape_is_a_bad_argument(alice: Client, shown: Any) -> None:
    assert code(alice.call("ListResources", shown, VERSION)) == 1


RIGHTS = {
    "embed": "createsliver renewsliver deletesliver status shutdown",
    "control": "createsliver renewsliver deletesliver status",
    "sa": "createsliver renewsliver deletesliver status",
    "*": "createsliver renewsliver deletesliver status shutdown",
    "bind": "",
    "info": "",
    "refresh": "",
    "resolve": "",
    "authority": "createsliver renewsliver deletesliver status shutdown",
}


@pytest.mark.parametrize("privilege", RIGHTS)
def test_what_a_privilege_grants(alice: Client, privilege: str) -> None:
    """Whatever is granted finds nothing, or is bad; what is not is forbidden."""
    shown = [house.sfa(house.credential(alice.who, house.slice_of(alice.slice), {privilege: False}))]
    one, granted = [alice.urn], RIGHTS[privilege].split()
    calls: list[tuple[str, str, tuple[Any, ...]]] = [
        ("createsliver", "Allocate", (alice.urn, shown, "no RSpec", {})),
        ("createsliver", "Provision", (one, shown, VERSION)),
        ("createsliver", "PerformOperationalAction", (one, shown, "geni_start", {})),
        ("renewsliver", "Renew", (one, shown, house.later(60), {})),
        ("deletesliver", "Delete", (one, shown, {})),
        ("status", "Status", (one, shown, {})),
        ("status", "Describe", (one, shown, VERSION)),
        ("shutdown", "Shutdown", (alice.urn, shown, {})),
    ]
    for operation, method, arguments in calls:
        assert (code(alice.call(method, *arguments)) != 3) == (operation in granted), method
    assert listed(alice, *shown) == 0  # a valid credential of the caller's is enough


def test_a_user_s_own_credential_lists_resources_and_nothing_else(alice: Client) -> None:
    mine = house.sfa(house.credential(alice.who, privileges={"refresh": True, "resolve": True, "info": True}))
    assert listed(alice, mine) == 0
    assert status(alice, mine) == 3


def test_one_that_was_passed_on(shared: Aggregate, alice: Client, text: str) -> None:
    bob = shared.client(alice.slice, house.person("bob"))
    given = making.passed_on(text, bob.who.chain, {"control": False}, house.NOW + DAY, alice.who)
    assert status(bob, house.sfa(given)) == 12
    assert code(bob.call("Shutdown", bob.urn, [house.sfa(given)], {})) == 3
    bob.close()


def test_sha_1_counts_where_the_site_says_so(shared: Aggregate, alice: Client) -> None:
    old = house.sfa(house.credential(alice.who, house.slice_of(alice.slice), sha1=True))
    assert status(alice, old) == 3
    shared.config(sha1=True)
    try:
        assert status(alice, old) == 12
    finally:
        shared.config(sha1=False)


# ---- 1.9


def ends(answer: dict[str, Any]) -> set[float]:
    value = good(answer)
    found = value if isinstance(value, list) else value["geni_slivers"]
    return {times.parse(one["geni_expires"]) for one in found}


def short(client: Client, seconds: float) -> tuple[list[Any], float]:
    """Credentials that last that long, and until when."""
    until = float(int(time.time() + seconds))
    return [house.sfa(house.credential(client.who, house.slice_of(client.slice), expires=until))], until


def test_a_sliver_lasts_no_longer_than_the_credential(alice: Client) -> None:
    shown, until = short(alice, 120)
    assert ends(alice.call("Allocate", alice.urn, shown, ONE, {})) == {until}
    assert ends(alice.call("Provision", [alice.urn], shown, VERSION)) == {until}
    assert code(alice.call("Renew", [alice.urn], shown, house.later(1000), {})) == 1


def test_an_end_is_a_wish_and_cut(alice: Client) -> None:
    shown, until = short(alice, 120)
    late = {"geni_end_time": house.later(99 * DAY)}
    assert ends(alice.call("Allocate", alice.urn, shown, ONE, late)) == {until}
    assert ends(alice.call("Provision", [alice.urn], shown, {**VERSION, **late})) == {until}


def test_an_earlier_end_is_given(alice: Client) -> None:
    wish = house.later(300)
    assert ends(alice.allocate(ONE, geni_end_time=wish)) == {times.parse(wish)}
    wish = house.later(400)
    assert ends(alice.provision(geni_end_time=wish)) == {times.parse(wish)}


def test_renew_is_granted_exactly_or_fails(alice: Client) -> None:
    good(alice.allocate(ONE))
    before, wish = ends(alice.status()), house.later(2 * DAY)
    assert code(alice.renew(house.later(99 * DAY))) == 1
    assert ends(alice.status()) == before
    assert ends(alice.renew(wish)) == {times.parse(wish)}


def test_unless_as_long_as_possible_will_do(alice: Client) -> None:
    good(alice.allocate(ONE))
    shown, until = short(alice, 200)
    alap = {"geni_extend_alap": True}
    assert ends(alice.call("Renew", [alice.urn], shown, house.later(DAY), alap)) == {until}


def test_an_earlier_renewal_works_and_later_ones_after_it(shared: Aggregate, alice: Client) -> None:
    """As the suite does it: to five minutes from now, to two days, to five."""
    good(alice.allocate(ONE))
    good(alice.provision())
    for seconds in (300, 2 * DAY, 5 * DAY):
        wish = house.later(seconds)
        assert ends(alice.renew(wish)) == ends(alice.status()) == {times.parse(wish)}


def test_a_time_without_a_zone_is_utc(alice: Client) -> None:
    good(alice.allocate(ONE))
    wish = house.later(1800)
    assert ends(alice.renew(wish.removesuffix("Z"))) == {times.parse(wish)}
    assert ends(alice.renew(wish.replace("Z", "+00:00"))) == {times.parse(wish)}


def test_a_time_in_another_zone_is_that_moment(alice: Client) -> None:
    good(alice.allocate(ONE))
    moment = float(int(time.time()) + 1800)
    east = times.render(moment + 7200).replace("Z", "+02:00")
    assert ends(alice.renew(east)) == {moment}
