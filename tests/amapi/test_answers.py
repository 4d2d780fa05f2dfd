"""GENI facts 1.2 and 1.4, what answers look like and what GetVersion tells: a test for each sentence."""

from typing import Any

import pytest

from nm.geni import codes
from nm.geni.codes import Code
from tests.amapi import house
from tests.amapi.client import VERSION, Client, code, good
from tests.amapi.conftest import Aggregate

SPEC = (
    "SUCCESS BADARGS ERROR FORBIDDEN BADVERSION SERVERERROR TOOBIG REFUSED TIMEDOUT DBERROR RPCERROR "
    "UNAVAILABLE SEARCHFAILED UNSUPPORTED BUSY EXPIRED INPROGRESS ALREADYEXISTS"
)


@pytest.fixture
def answers(alice: Client) -> dict[str, dict[str, Any]]:
    """Good ones and bad ones."""
    return {
        "GetVersion": alice.version(),
        "ListResources": alice.resources(),
        "Describe": alice.describe(),
        "no credentials": alice.call("ListResources", [], VERSION),
        "nothing there": alice.status(),
        "no options": alice.call("ListResources", alice.credentials, {}),
    }


def test_every_answer_has_a_code_a_value_and_an_output(answers: dict[str, dict[str, Any]]) -> None:
    for name, answer in answers.items():
        more = {"geni_api"} if name == "GetVersion" else set()
        assert answer.keys() == {"code", "value", "output"} | more, name


def test_code_is_a_struct_with_an_int_and_perhaps_the_type_and_code_of_the_aggregate(
    answers: dict[str, dict[str, Any]],
) -> None:
    for answer in answers.values():
        kinds = {name: type(value) for name, value in answer["code"].items()}
        assert kinds == {"geni_code": int, "am_type": str, "am_code": int}


def test_output_is_a_string_always_and_says_something_on_failure(answers: dict[str, dict[str, Any]]) -> None:
    for answer in answers.values():
        assert isinstance(answer["output"], str)
        assert bool(answer["output"]) == (code(answer) != 0)


def test_value_is_there_on_success(answers: dict[str, dict[str, Any]]) -> None:
    assert answers["ListResources"]["value"].startswith("<rspec")


def test_get_version_tells_the_api_beside_the_code(answers: dict[str, dict[str, Any]]) -> None:
    assert answers["GetVersion"]["geni_api"] == 3


def test_the_codes_are_those_of_the_specification() -> None:
    assert [Code(number).name for number in range(18)] == SPEC.split()
    assert (Code.VLAN_UNAVAILABLE, Code.INSUFFICIENT_NODES) == (24, 26)


def test_every_failure_of_authorisation_is_3(shared: Aggregate, alice: Client) -> None:
    bob = shared.client(alice.slice, house.person("bob"))
    shown = alice.credentials
    for answer in (
        bob.call("Status", [alice.urn], shown, {}),
        alice.call("Status", [house.slice_urn("another")], shown, {}),
        alice.call("Status", [alice.urn], [], {}),
        alice.call("Status", [alice.urn], [house.sfa("no credential")], {}),
    ):
        assert code(answer) == 3


def test_no_code_is_of_those_that_only_some_clients_know() -> None:
    assert {kind for _, kind in codes._CODES} <= {*map(Code, range(18)), Code(24), Code(26)}


def test_errors_tell_nm_s_own_code_as_that_of_the_aggregate(answers: dict[str, dict[str, Any]]) -> None:
    assert answers["nothing there"]["code"] == {"geni_code": 12, "am_type": "nm", "am_code": 106}


# ---- 1.4


@pytest.fixture
def version(alice: Client) -> dict[str, Any]:
    found = good(alice.version())
    assert isinstance(found, dict)
    return found


def test_it_needs_no_credential_and_no_argument(alice: Client) -> None:
    assert good(alice.call("GetVersion"))["geni_api"] == good(alice.call("GetVersion", {}))["geni_api"] == 3


def test_geni_api_is_the_int_3(version: dict[str, Any]) -> None:
    assert type(version["geni_api"]) is int and version["geni_api"] == 3


def test_the_url_of_each_version_is_absolute(version: dict[str, Any]) -> None:
    assert list(version["geni_api_versions"]) == ["3"]
    assert version["geni_api_versions"]["3"].startswith("https://")


@pytest.mark.parametrize("which", ["request", "ad"])
def test_versions_of_rspecs_have_all_five_keys(version: dict[str, Any], which: str) -> None:
    (found,) = version[f"geni_{which}_rspec_versions"]
    assert found.keys() == {"type", "version", "schema", "namespace", "extensions"}
    assert (found["type"], found["version"]) == ("GENI", "3")
    assert found["namespace"] == "http://www.geni.net/resources/rspec/3"
    assert found["schema"] == f"http://www.geni.net/resources/rspec/3/{which}.xsd"
    assert all(isinstance(one, str) and ":" in one for one in found["extensions"])


def test_types_of_credentials_are_structs_of_two_strings(version: dict[str, Any]) -> None:
    found = version["geni_credential_types"]
    assert found == [{"geni_type": "geni_sfa", "geni_version": number} for number in ("2", "3")]


def test_single_allocation_is_an_int_and_says_no(version: dict[str, Any]) -> None:
    """The specification's text calls it a boolean; the acceptance suite asks for an int."""
    assert type(version["geni_single_allocation"]) is int and version["geni_single_allocation"] == 0


def test_slivers_can_be_added_to_a_slice(version: dict[str, Any]) -> None:
    assert version["geni_allocate"] == "geni_many"


def test_type_and_code_of_the_aggregate_are_texts(version: dict[str, Any]) -> None:
    assert version["geni_am_type"] == "nm" and isinstance(version["geni_am_code"], str)


def test_each_extension_is_mapped_to_its_schema(version: dict[str, Any]) -> None:
    mapped = version["nm_schemas"]
    for kind, word in (("request", "request"), ("advertisement", "ad")):
        assert set(mapped[kind]) == set(version[f"geni_{word}_rspec_versions"][0]["extensions"])
    assert set(mapped) == {"request", "advertisement", "manifest"}
