"""Credentials as they are found: made by GENI's reference tool, and wrapped as real clients do it."""

from pathlib import Path
from xmlrpc.client import Binary, dumps

import pytest

from nm import marshal
from nm.errors import Denied, Invalid
from nm.geni.certificates import Trust
from tests.geni import reference, world
from tests.geni.reference import SHA1, SHA256, Reference
from tests.geni.world import ALICE, BOB, PROJECTS, Call, call, issued, sfa


@pytest.fixture
def made(tmp_path: Path) -> Reference:
    return Reference(tmp_path)


OLD = Trust(world.TRUST.roots, sha1=True)


@reference.needed
@pytest.mark.parametrize("methods", [SHA1, SHA256], ids=["sha1", "sha256"])
@pytest.mark.parametrize("with_id", [True, False], ids=["with id", "without id"])
@pytest.mark.parametrize("bare", [True, False], ids=["bare", "armour"])
def test_one_of_the_reference_is_taken(
    made: Reference, methods: tuple[str, str], with_id: bool, bare: bool
) -> None:
    text = made.credential(methods=methods, with_id=with_id, bare=bare)
    assert call(text, trust=OLD).judged().owner.urn == ALICE.urn


@reference.needed
def test_sha1_counts_only_where_the_site_says_so(made: Reference) -> None:
    with pytest.raises(Denied, match="SHA-1"):
        call(made.credential(methods=SHA1)).judged()
    with pytest.raises(Denied, match="SHA-1"):
        call(made.credential(methods=(SHA256[0], SHA1[1]))).judged()
    assert call(made.credential(methods=SHA256)).judged().rights


@reference.needed
def test_one_of_ours_is_taken_by_the_reference(made: Reference) -> None:
    for sha1 in (False, True):
        assert made.accepts(issued(signer=world.LAB, sha1=sha1))


@reference.needed
def test_a_signer_below_the_root_shows_its_chain(made: Reference) -> None:
    below = world.holder(PROJECTS, "lab:proj+authority+signer")
    assert call(made.credential(signer=below, methods=SHA256)).judged().rights


@reference.needed
def test_one_passed_on_by_the_reference_is_taken(made: Reference) -> None:
    text = made.credential(privileges={"embed": "1", "info": "0"})
    again = made.passed_on(text, BOB, ALICE, "2030-12-31T00:00:00Z")
    grant = call(again, client=BOB, trust=OLD).judged()
    assert grant.owner.urn == BOB.urn
    assert "shutdown" in grant.rights


@reference.needed
def test_times_without_a_zone_are_of_utc(made: Reference) -> None:
    texts = ("2031-01-01T00:00:00", "2031-01-01T02:00:00+02:00", "2031-01-01T00:00:00Z")
    grants = [call(made.credential(expires=text, methods=SHA256)).judged() for text in texts]
    assert {one.expires for one in grants} == {1924992000.0}


@pytest.mark.parametrize(
    "credentials",
    [
        [sfa(issued(), "3")],
        [sfa(issued(), "2")],
        [sfa(issued(), 3)],
        [sfa(issued(), kind="GENI_SFA")],
        [sfa(Binary(issued().encode()), 3)],
        [sfa(issued().encode(), 2)],
        [issued()],
        [Binary(issued().encode())],
        [f'<?xml version="1.0" encoding="UTF-8"?>\n{issued()}\n'],
        [sfa("(ABAC)", "1", "geni_abac"), sfa("?", "9"), sfa(issued())],
        [sfa("<nothing/>"), sfa(issued())],
        [*[sfa("(ABAC)", "1", "geni_abac")] * 20, sfa(issued())],
    ],
    ids=[
        "3",
        "2",
        "int",
        "case",
        "base64",
        "bytes",
        "text",
        "bare base64",
        "prolog",
        "others",
        "bad one",
        "many others",
    ],
)
def test_every_wrapping_that_clients_use_is_taken(credentials: list[object]) -> None:
    assert Call(credentials=credentials).judged().owner.urn == ALICE.urn


@pytest.mark.parametrize("value", [issued(), issued().encode()], ids=["text", "base64"])
def test_what_a_client_sends_comes_through_the_door(value: object) -> None:
    credentials = [{"geni_value": value, "geni_type": "geni_sfa", "geni_version": 3}]
    body = dumps((world.SLICE, credentials, "<rspec/>", {}), "Allocate").encode()
    _, arguments = marshal.parse_call(body)
    assert Call(credentials=arguments[1], target=arguments[0]).judged().owner.urn == ALICE.urn


@pytest.mark.parametrize(
    "credentials",
    [None, "text", {"geni_type": "geni_sfa"}, [1], [None], [[issued()]], [{}], [sfa(1)], [sfa(None)],
     [sfa(issued(), None)], [sfa(issued(), True)], [{"geni_type": "geni_sfa"}], [sfa("")] * 7],
    ids=range(13),
)  # fmt: skip
def test_another_shape_is_a_bad_argument(credentials: object) -> None:
    with pytest.raises(Invalid):
        Call(credentials=credentials).judged()


@pytest.mark.parametrize("credentials", [[], [sfa("x", "1", "geni_abac")], [sfa(issued(), "1")]])
def test_none_of_ours_is_refused(credentials: object) -> None:
    with pytest.raises(Denied, match="no credential was given"):
        Call(credentials=credentials).judged()


def test_of_several_the_one_that_lasts_longest_counts() -> None:
    texts = [issued(expires=world.NOW + hours * world.HOUR) for hours in (1, 5, 3)]
    assert Call(credentials=texts).judged().expires == world.NOW + 5 * world.HOUR


def test_the_grant_tells_who_calls() -> None:
    owner = Call().judged().owner
    assert (owner.email, owner.uuid) == ("alice@example.org", "urn:uuid:6a4d6f8a-0000-4000-8000-000000000001")
