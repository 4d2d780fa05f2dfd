"""GENI facts 1.5 to 1.7: what is told of slivers, their states, and their names. A test for each sentence."""

import re
import time
from pathlib import Path
from typing import Any

import pytest
from lxml import etree

from nm.configoutside import Mail
from nm.geni import times, urns
from nm.geni.rspec.opstates import STATES
from tests.amapi import house
from tests.amapi.client import Client, code, good
from tests.amapi.conftest import Aggregate, aggregate
from tests.geni.lab import asked, rspec
from tests.mail.server import MailServer

ONE, TWO = rspec(asked("a")), rspec(asked("b"), asked("c"))
ALLOCATED, PROVISIONED, UNALLOCATED = "geni_allocated", "geni_provisioned", "geni_unallocated"
NOT_READY, READY, CONFIGURING = "geni_notready", "geni_ready", "geni_configuring"
OPSTATE = "{http://www.geni.net/resources/rspec/ext/opstate/1}"
KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIE3a6NYdE5yIuNRBrlTHGGoT3wFUpVbEzb5N2bGq3Q0a alice"


def slivers(answer: dict[str, Any]) -> list[dict[str, Any]]:
    value = good(answer)
    found: list[dict[str, Any]] = value if isinstance(value, list) else value["geni_slivers"]
    return found


def allocation(client: Client) -> set[str]:
    return {one["geni_allocation_status"] for one in slivers(client.status())}


def operational(client: Client) -> set[str]:
    return {one["geni_operational_status"] for one in slivers(client.status())}


def ready(there: Aggregate, client: Client) -> None:
    there.rack.until(lambda: operational(client) == {READY})


# ---- 1.5


def test_what_is_told_of_a_sliver(alice: Client) -> None:
    names = {
        "geni_sliver_urn", "geni_expires", "geni_allocation_status", "geni_operational_status", "geni_error",
    }  # fmt: skip
    for answer in (
        alice.allocate(ONE), alice.describe(), alice.status(), alice.renew(house.later(900)),
        alice.provision(), alice.delete(),
    ):  # fmt: skip
        for sliver in slivers(answer):
            assert sliver.keys() == names
            assert {type(value) for value in sliver.values()} == {str}  # geni_error, too: never nil


def test_geni_expires_is_rfc_3339_with_a_zone_and_no_fraction(alice: Client) -> None:
    (sliver,) = slivers(alice.allocate(ONE))
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", sliver["geni_expires"])


def test_it_is_not_after_the_slice_s_own_end(alice: Client) -> None:
    soon = time.time() + 300
    shown = [house.sfa(house.credential(alice.who, house.slice_of(alice.slice), expires=soon))]
    (sliver,) = slivers(alice.call("Allocate", alice.urn, shown, ONE, {}))
    assert times.parse(sliver["geni_expires"]) <= soon


def test_urns_are_of_their_types(alice: Client) -> None:
    good(alice.allocate(ONE))
    value = good(alice.status())
    assert urns.parse(value["geni_urn"]).type == "slice"
    assert urns.parse(value["geni_slivers"][0]["geni_sliver_urn"]).type == "sliver"


# ---- 1.6


def test_unallocated_allocated_provisioned_unallocated(shared: Aggregate, alice: Client) -> None:
    assert code(alice.status()) == 12
    (first,) = slivers(alice.allocate(ONE))
    assert (first["geni_allocation_status"], first["geni_operational_status"]) == (ALLOCATED, NOT_READY)
    (second,) = slivers(alice.provision())
    assert (second["geni_allocation_status"], second["geni_operational_status"]) == (PROVISIONED, CONFIGURING)
    (third,) = slivers(alice.delete())
    assert third["geni_allocation_status"] == UNALLOCATED
    assert {one["geni_sliver_urn"] for one in (first, second, third)} == {first["geni_sliver_urn"]}


def test_delete_leads_back_from_allocated_too(alice: Client) -> None:
    good(alice.allocate(ONE))
    assert {one["geni_allocation_status"] for one in slivers(alice.delete())} == {UNALLOCATED}
    assert code(alice.status()) == 12


def test_expiry_leads_back_from_either(shared: Aggregate, alice: Client) -> None:
    """The aggregate itself removes what is over."""
    kept, gone = (one["geni_sliver_urn"] for one in slivers(alice.allocate(TWO)))
    good(alice.provision(kept))
    shared.rack.until(lambda: code(alice.renew(house.later(2))) == 0)
    shared.rack.until(lambda: code(alice.status()) == 12)
    assert [code(alice.status(urn)) for urn in (kept, gone)] == [12, 12]
    shared.rack.until(shared.has_all_nodes)


@pytest.mark.parametrize("provisioned", [False, True])
def test_renew_keeps_the_state(shared: Aggregate, alice: Client, provisioned: bool) -> None:
    good(alice.allocate(ONE))
    if provisioned:
        good(alice.provision())
    before = allocation(alice)
    good(alice.renew(house.later(1000)))
    assert allocation(alice) == before


def test_a_failed_transition_leaves_the_old_state(alice: Client) -> None:
    before = slivers(alice.allocate(ONE))
    for answer in (
        alice.provision(geni_users=[{"urn": "urn:x", "keys": ["no key"]}]),
        alice.provision(geni_end_time="2001-01-01T00:00:00Z"),
        alice.renew("2001-01-01T00:00:00Z"),
        alice.perform("geni_start"),
        alice.allocate(rspec(asked("a"))),  # the same client_id
        alice.delete("urn:publicid:IDN+example.org:lab+sliver+a.b.c"),
    ):
        assert code(answer) != 0
    assert slivers(alice.status()) == before


def test_allocated_lives_minutes_and_provisioned_days(alice: Client) -> None:
    (first,) = slivers(alice.allocate(ONE))
    (second,) = slivers(alice.provision())
    ends = [times.parse(one["geni_expires"]) - time.time() for one in (first, second)]
    assert ends == [pytest.approx(600, abs=60), pytest.approx(7 * house.DAY, abs=60)]


def test_pending_allocation_waits_and_takes_no_action(tmp_path: Path) -> None:
    """Where people of the site set nodes up: a mail asks them to, and they say when one is ready."""
    with MailServer() as server:
        post = Mail(
            host="127.0.0.1", port=server.port, sender="nm@example.org", admins=("admin@example.org",)
        )
        with aggregate(tmp_path, {"provision": "manual"}, post) as am:
            client = am.client()
            good(client.allocate(ONE))
            (sliver,) = slivers(client.provision())
            assert (sliver["geni_allocation_status"], sliver["geni_operational_status"]) == (
                PROVISIONED, "geni_pending_allocation",
            )  # fmt: skip
            for action in ("geni_start", "geni_stop", "geni_restart"):
                assert code(client.perform(action)) == 13
            am.rack.until(lambda: bool(server.taken))
            ((to, letter),) = server.taken
            (named,) = re.findall(r"^ *nmctl geni ready (\S+)\r?$", letter.get_content(), re.MULTILINE)
            assert to == ["admin@example.org"] and sliver["geni_sliver_urn"].endswith(f"+{named}")
            assert str(client.who.urn) in letter.get_content()
            am.rack.call("GeniReady", named)
            ready(am, client)


def test_notready_is_final(shared: Aggregate, alice: Client) -> None:
    """What was stopped stays so until it is started."""
    good(alice.allocate(ONE))
    good(alice.provision())
    ready(shared, alice)
    (sliver,) = slivers(alice.perform("geni_stop"))
    assert sliver["geni_operational_status"] in ("geni_stopping", NOT_READY)
    shared.rack.until(lambda: operational(alice) == {NOT_READY})
    (sliver,) = slivers(alice.perform("geni_start"))
    assert sliver["geni_operational_status"] in (CONFIGURING, READY)
    ready(shared, alice)


def test_configuring_becomes_ready_by_itself_and_users_keys_are_installed(
    shared: Aggregate, alice: Client
) -> None:
    good(alice.allocate(ONE))
    assert {one["geni_operational_status"] for one in slivers(alice.provision())} == {CONFIGURING}
    ready(shared, alice)
    good(alice.perform("geni_update_users", geni_users=[{"urn": str(alice.who.urn), "keys": [KEY]}]))
    assert shared.group(alice)["keys"] == [KEY]
    ready(shared, alice)


def test_restart_leads_to_ready_again(shared: Aggregate, alice: Client) -> None:
    good(alice.allocate(ONE))
    good(alice.provision())
    ready(shared, alice)
    (sliver,) = slivers(alice.perform("geni_restart"))
    assert sliver["geni_operational_status"] in ("geni_ready_busy", READY)
    ready(shared, alice)


def test_users_are_updated_of_what_is_ready_only(alice: Client) -> None:
    good(alice.allocate(ONE))
    users = [{"urn": str(alice.who.urn), "keys": [KEY]}]
    assert code(alice.perform("geni_update_users", geni_users=users)) == 7
    good(alice.provision())
    busy = alice.perform("geni_update_users", geni_users=users)
    assert code(busy) == 7 or operational(alice) <= {READY, "geni_updating_users"}


@pytest.mark.parametrize("action", ["", "geni_dance", "GENI_START", "geni_stop", "geni_restart"])
def test_an_action_that_is_unknown_or_of_another_state_is_unsupported(alice: Client, action: str) -> None:
    before = slivers(alice.allocate(ONE))
    assert code(alice.perform(action)) == 13
    assert slivers(alice.status()) == before


def test_a_failed_sliver_says_why(shared: Aggregate, alice: Client) -> None:
    good(alice.allocate(ONE))
    good(alice.provision())
    ready(shared, alice)
    (sliver,) = slivers(alice.status())
    node = sliver["geni_sliver_urn"].split(".")[-2]
    power = shared.rack.folder / f"{node}.power"
    power.write_text('{"power": "on", "boot": "disk", "fault": "silent"}')
    try:
        good(alice.perform("geni_restart"))
        shared.rack.until(lambda: operational(alice) == {"geni_failed"})
        assert slivers(alice.status())[0]["geni_error"]
    finally:
        power.write_text('{"power": "on", "boot": "disk", "fault": null}')


def test_names_of_states_are_words(alice: Client) -> None:
    told = etree.fromstring(good(alice.resources()).encode())
    names = {one.get("name", "") for one in told.iter(f"{OPSTATE}state")}
    assert names == set(STATES)
    assert all(re.fullmatch("[a-zA-Z0-9][a-zA-Z0-9_]*", name) for name in names)


def test_states_and_actions_are_advertised(alice: Client) -> None:
    told = etree.fromstring(good(alice.resources()).encode())
    (machine,) = told.iter(f"{OPSTATE}rspec_opstate")
    assert machine.get("start") == NOT_READY
    assert machine.get("aggregate_manager_id") == "urn:publicid:IDN+example.org:lab+authority+am"
    assert [one.get("name") for one in machine.iter(f"{OPSTATE}sliver_type")] == ["raw-pc"]
    actions = {one.get("name") for one in machine.iter(f"{OPSTATE}action")}
    assert {"geni_start", "geni_restart", "geni_stop", "geni_update_users"} <= actions
    assert all(
        {one.get("type") for one in state.iter(f"{OPSTATE}wait")} <= {"geni_success", "geni_failure"}
        for state in machine.iter(f"{OPSTATE}state")
    )


def test_after_a_shutdown_every_call_fails_until_an_operator_acts(shared: Aggregate, alice: Client) -> None:
    """The nodes are off and kept; a second Shutdown is true again."""
    good(alice.allocate(ONE))
    good(alice.provision())
    ready(shared, alice)
    assert good(alice.shutdown()) is True
    assert good(alice.shutdown()) is True
    for answer in (
        alice.status(), alice.describe(), alice.allocate(TWO), alice.provision(), alice.delete(),
        alice.renew(house.later(900)), alice.perform("geni_start"),
    ):  # fmt: skip
        assert code(answer) == 3 and "operator" in answer["output"]
    assert good(alice.resources())
    assert not shared.has_all_nodes()
    shared.reopen(alice)
    assert allocation(alice) == {PROVISIONED}


# ---- 1.7


def test_slivers_and_nodes_carry_the_aggregate_s_authority_and_slices_that_of_theirs(alice: Client) -> None:
    good(alice.allocate(ONE))
    value = good(alice.describe())
    assert urns.parse(value["geni_urn"]).authority == "example.org:sa"
    (sliver,) = value["geni_slivers"]
    assert urns.parse(sliver["geni_sliver_urn"]).authority == house.AUTHORITY
    assert 'component_id="urn:publicid:IDN+example.org:lab+node+' in value["geni_rspec"]
    assert 'component_manager_id="urn:publicid:IDN+example.org:lab+authority+cm"' in value["geni_rspec"]


def test_authorities_and_slices_have_no_case(alice: Client) -> None:
    good(alice.allocate(ONE))
    loud = f"urn:publicid:IDN+EXAMPLE.org:SA+slice+{alice.slice.upper()}"
    assert slivers(alice.status(loud)) == slivers(alice.status())
    (sliver,) = slivers(alice.status())
    shouted = sliver["geni_sliver_urn"].replace("example.org:lab", "Example.ORG:LAB")
    assert len(slivers(alice.status(shouted))) == 1


def test_escapes_stand_for_what_they_mean(alice: Client) -> None:
    good(alice.allocate(ONE))
    written = alice.urn.replace("+s", "+%73", 1) if "+slice+s" not in alice.urn else None
    escaped = written or alice.urn.replace("+slice+s", "+slice+%73")
    assert slivers(alice.status(escaped)) == slivers(alice.status())


def test_a_sliver_s_name_is_never_used_again(shared: Aggregate, alice: Client) -> None:
    seen, bound = set(), rspec(asked("a", component_id="urn:publicid:IDN+example.org:lab+node+n3"))
    for _ in range(3):
        (sliver,) = slivers(alice.allocate(bound))
        seen.add(sliver["geni_sliver_urn"])
        assert re.fullmatch(r"[a-zA-Z0-9.\-_]+", urns.parse(sliver["geni_sliver_urn"]).name)
        good(alice.delete())
        shared.rack.until(shared.has_all_nodes)
    assert len(seen) == 3


def test_a_person_s_name_may_be_long(shared: Aggregate) -> None:
    client = shared.client("long", house.person("a-person-with-a-name-of-32-signs"))
    (sliver,) = slivers(client.allocate(ONE))
    assert sliver["geni_allocation_status"] == "geni_allocated"
    good(client.delete())
    client.close()
