"""Whatever somebody changes in what is handed in, it is refused in words, or it says what was signed."""

import base64
from collections.abc import Sequence

import pytest
from cryptography.hazmat.primitives.serialization import Encoding
from hypothesis import given, settings
from hypothesis import strategies as st

from nm.errors import Denied, Invalid
from nm.geni.authorisation import Grant
from tests.geni.world import ALICE, BOB, ONE, Call, call, der, issued, passed, replaced

pytestmark = pytest.mark.filterwarnings("ignore::cryptography.utils.CryptographyDeprecationWarning")

GIVEN, PASSED = issued(), passed()
WORDS = [
    "<",
    ">",
    "&",
    "'",
    '"',
    "\0",
    "ref0",
    "<!-- -->",
    "</credential>",
    "<parent>",
    "*",
    "+",
    "ü",
    "]]>",
    "\r",
]
CHANGES = st.lists(
    st.tuples(st.integers(0, 1 << 30), st.integers(0, 12), st.sampled_from(WORDS) | st.text(max_size=4)),
    min_size=1,
    max_size=3,
)
BYTES = st.lists(st.tuples(st.integers(0, 1 << 30), st.integers(0, 255)), min_size=1, max_size=4)


def changed(text: str, changes: Sequence[tuple[int, int, str]]) -> str:
    """So many characters replaced, at some places."""
    for place, length, word in changes:
        at = place % len(text)
        text = text[:at] + word + text[at + length :]
    return text


def bent(one: bytes, changes: Sequence[tuple[int, int]]) -> bytes:
    copy = bytearray(one)
    for place, value in changes:
        copy[place % len(copy)] = value
    return bytes(copy)


def said(made: Call) -> Grant | None:
    try:
        return made.judged()
    except (Denied, Invalid) as error:
        assert error.hint
        assert len(error.message) < 1000
        return None


@settings(deadline=None, max_examples=100)
@given(CHANGES)
def test_a_credential_that_is_changed(changes: Sequence[tuple[int, int, str]]) -> None:
    assert said(call(changed(GIVEN, changes))) in (None, call(GIVEN).judged())


@settings(deadline=None, max_examples=100)
@given(CHANGES)
def test_one_that_was_passed_on_and_is_changed(changes: Sequence[tuple[int, int, str]]) -> None:
    made = call(PASSED, client=BOB)
    assert said(call(changed(PASSED, changes), client=BOB)) in (None, made.judged())


@settings(deadline=None, max_examples=200)
@given(BYTES)
def test_a_client_s_certificate_that_is_changed(changes: Sequence[tuple[int, int]]) -> None:
    chain = tuple(bent(one, changes) for one in der(ALICE))
    assert chain == der(ALICE) or said(Call(chain=chain)) is None


@settings(deadline=None, max_examples=200)
@given(BYTES)
def test_an_authority_s_certificate_that_is_changed(changes: Sequence[tuple[int, int]]) -> None:
    chain = ONE.chain[1].public_bytes(Encoding.DER)
    text = "\n".join(
        base64.b64encode(bent(chain, changes)).decode()[at : at + 64] for at in range(0, 2000, 64)
    )
    old = base64.b64encode(chain).decode()
    lines = "\n".join(old[at : at + 64] for at in range(0, len(old), 64))
    assert said(call(replaced(GIVEN, (lines, text.rstrip())))) in (None, call(GIVEN).judged())


@settings(deadline=None, max_examples=200)
@given(
    st.recursive(
        st.none() | st.integers() | st.text() | st.binary(),
        lambda inner: (
            st.lists(inner)
            | st.dictionaries(
                st.sampled_from(["geni_type", "geni_version", "geni_value", "x"]), inner | st.just("geni_sfa")
            )
        ),
    )
)
def test_any_argument_at_all(argument: object) -> None:
    assert said(Call(credentials=argument)) is None
