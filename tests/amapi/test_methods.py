"""GENI facts 1.3, the methods: a test for each sentence, and for each row of its table."""

import base64
import zlib
from typing import Any

import pytest
from lxml import etree

from nm.geni.rspec import manifest
from tests.amapi import house
from tests.amapi.client import VERSION, Client, code, good
from tests.amapi.conftest import Aggregate
from tests.geni.lab import asked, rspec

ONE, TWO = rspec(asked("a")), rspec(asked("b"), asked("c"))
ALL = rspec(*(asked(f"x{number}") for number in range(9)))  # more nodes than there are
ALLOCATED, PROVISIONED, UNALLOCATED = "geni_allocated", "geni_provisioned", "geni_unallocated"
GENI_3 = {"type": "GENI", "version": "3"}


def kind(text: str) -> str:
    return etree.fromstring(text.encode()).get("type", "")


def urns(answer: dict[str, Any]) -> list[str]:
    value = good(answer)
    slivers = value if isinstance(value, list) else value["geni_slivers"]
    return [one["geni_sliver_urn"] for one in slivers]


def states(answer: dict[str, Any]) -> list[str]:
    value = good(answer)
    slivers = value if isinstance(value, list) else value["geni_slivers"]
    return [one["geni_allocation_status"] for one in slivers]


# ---- the rows


def test_list_resources_answers_an_advertisement(alice: Client) -> None:
    text = good(alice.resources())
    assert kind(text) == "advertisement" and text.count("<node ") == 8


def test_list_resources_may_tell_of_what_is_free_only(alice: Client) -> None:
    good(alice.allocate(ONE))
    assert good(alice.resources(geni_available=True)).count("<node ") == 7
    assert good(alice.resources(geni_available=False)).count("<node ") == 8


@pytest.mark.parametrize(("given", "nodes"), [
    (1, 7), (0, 8), ("true", 7), ("False", 8), ("1", 7), ("0", 8), (None, 8),
])  # fmt: skip
def test_flags_are_understood_as_clients_write_them(alice: Client, given: object, nodes: int) -> None:
    good(alice.allocate(ONE))
    assert good(alice.resources(geni_available=given)).count("<node ") == nodes


def test_what_is_no_flag_is_told_and_options_that_are_nil_are_not_given(alice: Client) -> None:
    for wrong in ("yes", 2, [""], {"a": True}):
        answer = alice.resources(geni_available=wrong)
        assert code(answer) == 1 and "geni_available must be a boolean" in answer["output"]
    good(alice.allocate(ONE, geni_end_time=None, geni_start_time=None))
    good(alice.provision(geni_users=None, geni_end_time=None, geni_best_effort=None, geni_speaking_for=None))


def test_describe_answers_a_manifest_the_slice_and_its_slivers(alice: Client) -> None:
    given = urns(alice.allocate(TWO))
    value = good(alice.describe())
    assert value.keys() == {"geni_rspec", "geni_urn", "geni_slivers"}
    assert value["geni_urn"] == alice.urn and urns(alice.describe()) == given
    assert {node.sliver_id for node in manifest.read(value["geni_rspec"]).nodes} == {*given}


def test_describe_of_a_sliver_tells_of_that_only(alice: Client) -> None:
    first, _ = urns(alice.allocate(TWO))
    value = good(alice.describe(first))
    assert [one["geni_sliver_urn"] for one in value["geni_slivers"]] == [first]
    assert [node.sliver_id for node in manifest.read(value["geni_rspec"]).nodes] == [first]
    assert value["geni_urn"] == alice.urn


def test_allocate_answers_a_manifest_and_the_new_slivers(alice: Client) -> None:
    value = good(alice.allocate(ONE))
    assert value.keys() == {"geni_rspec", "geni_slivers"} and kind(value["geni_rspec"]) == "manifest"
    more = good(alice.allocate(TWO))
    assert len(more["geni_slivers"]) == 2 and len(urns(alice.status())) == 3


def test_allocate_s_start_is_now(alice: Client) -> None:
    assert code(alice.allocate(ONE, geni_start_time=house.later(3600))) == 13
    assert good(alice.allocate(ONE, geni_start_time=house.later(-60)))


def test_renew_answers_slivers(alice: Client) -> None:
    given = urns(alice.allocate(TWO))
    until = house.later(1200)
    found = good(alice.renew(until))
    assert [one["geni_sliver_urn"] for one in found] == given
    assert {one["geni_expires"] for one in found} == {until}


def test_provision_answers_a_manifest_and_slivers(alice: Client) -> None:
    given = urns(alice.allocate(ONE))
    value = good(alice.provision())
    assert value.keys() == {"geni_rspec", "geni_slivers"} and kind(value["geni_rspec"]) == "manifest"
    assert [one["geni_sliver_urn"] for one in value["geni_slivers"]] == given


def test_provision_s_users_are_people_with_keys(shared: Aggregate, alice: Client) -> None:
    key = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIE3a6NYdE5yIuNRBrlTHGGoT3wFUpVbEzb5N2bGq3Q0a alice"
    good(alice.allocate(ONE))
    users = [{"urn": str(alice.who.urn), "keys": [key]}]
    good(alice.provision(geni_users=users))
    assert shared.group(alice)["keys"] == [key]


@pytest.mark.parametrize(
    "users",
    [
        "alice",
        ["alice"],
        [{"keys": []}],
        [{"urn": "urn:x", "keys": "ssh-rsa"}],
        [{"urn": "urn:x", "keys": [1]}],
    ],
)
def test_users_of_another_shape_are_bad_arguments(alice: Client, users: Any) -> None:
    good(alice.allocate(ONE))
    assert code(alice.provision(geni_users=users)) == 1
    assert states(alice.status()) == [ALLOCATED]


def test_status_answers_the_slice_and_its_slivers(alice: Client) -> None:
    given = urns(alice.allocate(ONE))
    value = good(alice.status())
    assert value.keys() == {"geni_urn", "geni_slivers"} and value["geni_urn"] == alice.urn
    assert [one["geni_sliver_urn"] for one in value["geni_slivers"]] == given


def test_an_operational_action_answers_slivers(shared: Aggregate, alice: Client) -> None:
    given = urns(alice.allocate(ONE))
    good(alice.provision())
    shared.rack.until(lambda: is_ready(alice))
    assert urns(alice.perform("geni_restart")) == given


def test_delete_answers_slivers_each_unallocated(alice: Client) -> None:
    given = urns(alice.allocate(TWO))
    gone = alice.delete()
    assert urns(gone) == given and {*states(gone)} == {UNALLOCATED}


def test_shutdown_answers_true(shared: Aggregate, alice: Client) -> None:
    good(alice.allocate(ONE))
    assert good(alice.shutdown()) is True
    shared.reopen(alice)


def is_ready(client: Client) -> bool:
    return {one["geni_operational_status"] for one in good(client.status())["geni_slivers"]} == {"geni_ready"}


# ---- the sentences


@pytest.mark.parametrize("options", [None, [], "", 3])
def test_options_are_required_and_a_struct(alice: Client, options: Any) -> None:
    assert code(alice.call("Status", [alice.urn], alice.credentials, options)) == 1


def test_options_that_are_not_known_are_passed_over(alice: Client) -> None:
    assert good(alice.resources(geni_wonder=[1], geni_end_time=3))


@pytest.mark.parametrize("name", ["geni_available", "geni_compressed"])
def test_an_option_of_another_type_is_a_bad_argument(alice: Client, name: str) -> None:
    assert code(alice.resources(**{name: "yes"})) == 1


def test_nobody_speaks_for_others(alice: Client) -> None:
    answer = alice.resources(geni_speaking_for=str(house.person("bob").urn))
    assert code(answer) == 13 and "geni_speaking_for" in answer["output"]


def test_compressed_is_zlib_then_base64_as_a_string(alice: Client) -> None:
    shown, options = alice.credentials, {**VERSION, "geni_compressed": True}
    for method, arguments in (("ListResources", ()), ("Describe", ([alice.urn],))):
        value = good(alice.call(method, *arguments, shown, options))
        text = value if isinstance(value, str) else value["geni_rspec"]
        assert isinstance(text, str)
        assert zlib.decompress(base64.b64decode(text)).startswith(b"<rspec")


@pytest.mark.parametrize("version", [None, {}, {"type": "GENI"}, {"version": "3"}, "GENI 3"])
@pytest.mark.parametrize("method", ["ListResources", "Describe", "Provision"])
def test_a_missing_version_of_rspecs_is_a_bad_argument(alice: Client, method: str, version: Any) -> None:
    options = {} if version is None else {"geni_rspec_version": version}
    arguments = () if method == "ListResources" else ([alice.urn],)
    assert code(alice.call(method, *arguments, alice.credentials, options)) == 1


@pytest.mark.parametrize("version", [("GENI", "2"), ("ProtoGENI", "3"), ("GENI", "4"), ("", "")])
def test_one_that_is_not_supported_is_a_bad_version(alice: Client, version: tuple[str, str]) -> None:
    asked_for = {"type": version[0], "version": version[1]}
    assert code(alice.resources(geni_rspec_version=asked_for)) == 4


@pytest.mark.parametrize("name", ["GENI", "geni", "Geni"])
def test_types_and_versions_of_rspecs_have_no_case(alice: Client, name: str) -> None:
    assert good(alice.resources(geni_rspec_version={"type": name, "version": "3"}))


def test_the_slice_of_version_2_s_list_resources_is_ignored(alice: Client) -> None:
    good(alice.allocate(ONE))
    assert kind(good(alice.resources(geni_slice_urn=alice.urn))) == "advertisement"


def test_urns_are_one_slice_or_slivers_of_one(alice: Client) -> None:
    given = urns(alice.allocate(TWO))
    assert urns(alice.status(alice.urn)) == urns(alice.status(*given)) == given
    assert urns(alice.status(given[1])) == [given[1]]


def test_two_slices_a_mix_and_other_types_are_bad_arguments(alice: Client, other: Client) -> None:
    first, second = urns(alice.allocate(TWO))
    far = urns(other.allocate(ONE))[0]
    user, node = str(alice.who.urn), "urn:publicid:IDN+example.org:lab+node+n0"
    for given in (
        [alice.urn, other.urn], [alice.urn, alice.urn], [alice.urn, first], [first, far], [user], [node],
        [first, node], ["one"], [""], [3], [], alice.urn, [second, "urn:publicid:IDN+x"],
    ):  # fmt: skip
        answer = alice.call("Status", given, alice.credentials, {})
        assert code(answer) == 1, given
    for named in (first, user, "one", "", 7, [alice.urn]):
        assert code(alice.call("Allocate", named, alice.credentials, ONE, {})) == 1, named
        assert code(alice.call("Shutdown", named, alice.credentials, {})) == 1, named


def test_an_unknown_sliver_is_searched_for_in_vain(shared: Aggregate, alice: Client) -> None:
    first, second = urns(alice.allocate(TWO))
    for text in (first.replace(".n", ".x"), f"{first}9", f"{house.IDN}other.org+sliver+a.b.c"):
        assert code(alice.status(text)) == 12, text
    good(alice.delete(first))
    assert code(alice.status(first)) == 12
    assert code(alice.delete(first, second)) == 12  # all or nothing
    assert urns(alice.status()) == [second]


def test_a_slice_without_slivers(alice: Client) -> None:
    """Describe tells of an empty manifest, all others find nothing."""
    value = good(alice.describe())
    assert value["geni_slivers"] == [] and value["geni_urn"] == alice.urn
    assert kind(value["geni_rspec"]) == "manifest" and "<node" not in value["geni_rspec"]
    later = house.later(600)
    for answer in (
        alice.status(), alice.delete(), alice.renew(later), alice.perform("geni_start"), alice.provision(),
        alice.shutdown(),
    ):  # fmt: skip
        assert code(answer) == 12


def test_provision_of_a_slice_is_of_its_allocated_slivers_only(alice: Client) -> None:
    first = urns(alice.allocate(ONE))
    good(alice.provision())
    second = urns(alice.allocate(TWO))
    assert urns(alice.provision()) == second
    assert code(alice.provision()) == 12  # none is left
    assert urns(alice.status()) == first + second


def test_allocate_is_all_or_nothing_always(alice: Client) -> None:
    assert code(alice.allocate(ALL, geni_best_effort=True)) == 26
    assert code(alice.status()) == 12
    good(alice.allocate(ONE))
    assert code(alice.allocate(ALL)) == 26
    assert states(alice.status()) == [ALLOCATED]


def test_without_best_effort_it_is_all_or_nothing(alice: Client) -> None:
    first = urns(alice.allocate(ONE))[0]
    good(alice.provision())
    second = urns(alice.allocate(rspec(asked("d"))))[0]
    assert code(alice.provision(first, second)) == 7
    assert states(alice.status(second)) == [ALLOCATED]
    assert code(alice.provision(first, second, geni_best_effort=False)) == 7


def test_with_best_effort_each_sliver_has_its_own_error(alice: Client) -> None:
    first = urns(alice.allocate(ONE))[0]
    good(alice.provision())
    second = urns(alice.allocate(rspec(asked("d"))))[0]
    answer = alice.provision(first, second, geni_best_effort=True)
    errors = {one["geni_sliver_urn"]: one["geni_error"] for one in good(answer)["geni_slivers"]}
    assert errors[first] and not errors[second]
    assert states(alice.status(second)) == [PROVISIONED]


def test_with_best_effort_a_renewal_that_cannot_be_had_is_an_error_of_each(alice: Client) -> None:
    given = urns(alice.allocate(TWO))
    answer = alice.renew(house.later(365 * house.DAY), geni_best_effort=True)
    assert urns(answer) == given and all(one["geni_error"] for one in good(answer))
