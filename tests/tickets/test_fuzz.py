"""Whatever is given: an error of nm's, or just what was signed."""

from dataclasses import replace

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from nm import tickets
from nm.errors import NMError
from tests.tickets.signers import NOW, rules, ticket
from tests.tickets.test_openpgp import armoured, bare

quick = settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
ways = st.sampled_from(["openpgp", "xml"])
bits = st.text(st.sampled_from("<>/\"'=&#;!-?ax0 \n\x00é\ud800"), max_size=6) | st.sampled_from(
    ["<ds:Signature>", "<methodResponse>", "<!--", "]]>", "&amp;", "&lt;", "<![CDATA[", "xmlns='u'", "Id='a'"]
)


def check(text: str) -> None:
    try:
        found = tickets.verify(text, NOW, replace(rules(), old=True))
    except NMError as error:
        assert error.hint
    else:
        assert found.reply in [tickets.verify(ticket(way), NOW, rules()).reply for way in ("openpgp", "xml")]


@quick
@given(ways, st.integers(0, 10_000), st.integers(0, 200), bits)
def test_a_piece_replaced(way: str, at: int, length: int, piece: str) -> None:
    text = ticket(way)
    at %= len(text)
    check(text[:at] + piece + text[at + length :])


@quick
@given(st.integers(0, 10_000), st.integers(0, 20), st.binary(max_size=12))
def test_bytes_of_a_message_replaced(at: int, length: int, piece: bytes) -> None:
    data = bare(ticket("openpgp"))
    at %= len(data)
    check(armoured(data[:at] + piece + data[at + length :]))


@quick
@given(st.binary(max_size=60))
def test_packets_of_any_kind(data: bytes) -> None:
    check(armoured(data))


@quick
@given(st.text(max_size=60), st.sampled_from(["", "<", "<ticket>", "-----BEGIN PGP MESSAGE-----\n\n"]))
def test_text_of_any_kind(text: str, start: str) -> None:
    check(start + text)
