"""OpenPGP messages: what gpg made, what was taken apart, and what would fill the memory.

The fixtures are of gpg 2.2 at a faked time, the start of 2010: `gpg --armor --sign` of one text with an RSA
key that is good for a year, each with another --compress-algo (plain: none), sha1 with that --digest-algo,
two with a second --local-user, clear by --clearsign. central.asc is the public key. text with --textmode, of
a key of its own, text-key.asc.
"""

import base64
import tracemalloc
import zlib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pysequoia
import pytest
from pysequoia import Cert, Tsk

from nm import signatures, tickets
from nm.errors import Denied, Invalid
from nm.signatures import Trusted, openpgp
from tests.tickets.signers import NOW, openpgp_signer, payload, rules, signer, ticket

FIXTURES = Path(__file__).parent / "fixtures"
BEGIN_OF_2010 = 1262304000
YEAR = 365 * 86400
LITERAL = 11  # the packet with the text


def fixture(name: str) -> str:
    return (FIXTURES / f"{name}.asc").read_text(encoding="ascii")


def historical() -> tickets.Rules:
    keys = signatures.trusted([("central.asc", (FIXTURES / "central.asc").read_bytes())])
    return replace(rules(), keys=keys, old=True, old_life=2 * YEAR, longest=2 * YEAR)


def armoured(data: bytes) -> str:
    return f"{openpgp.BEGIN}\n\n{base64.encodebytes(data).decode()}{openpgp.END}\n"


def bare(text: str) -> bytes:
    body = text.partition("\n\n")[2].partition("\n=")[0]
    return base64.b64decode("".join(body.split()))


def compressed(data: bytes, algorithm: int = 1) -> bytes:
    """A packet of compressed data, of indeterminate length as gpg writes it."""
    squeeze = zlib.compressobj(9, zlib.DEFLATED, {1: -15, 2: 15}[algorithm])
    return bytes([0xA3, algorithm]) + squeeze.compress(data) + squeeze.flush()


def partial(body: bytes) -> bytes:
    """The body in pieces of 512 bytes, and what is left."""
    whole = len(body) // 512
    pieces = [b"\xe9" + body[at * 512 : (at + 1) * 512] for at in range(whole)]
    rest = body[whole * 512 :]
    return b"".join(pieces) + b"\xff" + len(rest).to_bytes(4) + rest


@pytest.mark.parametrize("name", ["zip", "zlib", "plain"])
def test_what_gpg_signed(name: str) -> None:
    found = tickets.verify(fixture(name), BEGIN_OF_2010, historical())
    assert found.old and found.sliver == "demo_old"
    assert found.signer == "23eec1b0a2a651b663a516c43d76c061a18716ec"


def test_one_text_is_one_ticket_however_it_is_packed() -> None:
    nonces = {
        tickets.verify(fixture(name), BEGIN_OF_2010, historical()).nonce for name in ("zip", "zlib", "plain")
    }
    assert len(nonces) == 1


def test_a_text_with_other_ends_of_its_lines_is_the_same_ticket() -> None:
    """Its signature holds for both, as OpenPGP has it for texts."""
    keys = signatures.trusted([("text-key.asc", (FIXTURES / "text-key.asc").read_bytes())])
    given, found = replace(historical(), keys=keys), bare(fixture("text"))
    assert b"\r\n" in found
    other = b"".join(
        bytes([0xC0 | tag, 0xFF]) + len(body).to_bytes(4) + body
        for tag, packet in openpgp._packets(found)
        for body in (packet.replace(b"\r\n", b"\n") if tag == LITERAL else packet,)
    )
    tried = [tickets.verify(text, BEGIN_OF_2010, given) for text in (fixture("text"), armoured(other))]
    assert tried[0] == tried[1] and tried[0].old


@pytest.mark.parametrize(
    ("name", "why"), [("bzip2", "compressed"), ("two", "one signature"), ("clear", "armour")]
)
def test_forms_that_are_not_taken(name: str, why: str) -> None:
    with pytest.raises(Invalid, match=why):
        tickets.verify(fixture(name), BEGIN_OF_2010, historical())


def test_a_weak_digest_signs_nothing() -> None:
    with pytest.raises(Denied):
        tickets.verify(fixture("sha1"), BEGIN_OF_2010, historical())


def test_a_key_that_has_ended_signs_nothing_not_even_dated_back() -> None:
    tickets.verify(fixture("zip"), BEGIN_OF_2010 + YEAR - 1, historical())
    with pytest.raises(Denied):
        tickets.verify(fixture("zip"), BEGIN_OF_2010 + YEAR, historical())


def test_a_key_that_was_revoked_signs_nothing() -> None:
    key = Tsk.generate("Central")
    text = openpgp_signer(key).sign(payload())
    public = key.extract_certificate()
    revoked = Cert.from_bytes(bytes(public) + bytes(public.revoke(key.certifier())))
    tickets.verify(text, NOW, replace(rules(), keys=Trusted((public,))))
    with pytest.raises(Denied):
        tickets.verify(text, NOW, replace(rules(), keys=Trusted((revoked,))))


def test_every_altered_byte_is_seen() -> None:
    data = bare(ticket("openpgp"))
    for at in range(0, len(data), 7):
        wrong = data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]
        try:
            found = tickets.verify(armoured(wrong), NOW, rules())
        except (Invalid, Denied):
            continue
        # what is not signed: the date and name of the text, and hints in the signature
        assert found == tickets.verify(ticket("openpgp"), NOW, rules())


def test_one_that_is_cut_off() -> None:
    data = bare(ticket("openpgp"))
    for length in range(0, len(data), 11):
        with pytest.raises((Invalid, Denied)):
            tickets.verify(armoured(data[:length]), NOW, rules())


def test_it_may_be_packed_once() -> None:
    data = bare(ticket("openpgp"))
    for algorithm in (1, 2):
        tickets.verify(armoured(compressed(data, algorithm)), NOW, rules())
        body = compressed(data, algorithm)[1:]
        tickets.verify(armoured(b"\xc8" + partial(body)), NOW, rules())
    with pytest.raises(Invalid, match="one text"):
        tickets.verify(armoured(compressed(compressed(data))), NOW, rules())


def test_a_bomb_does_not_unpack() -> None:
    key = Tsk.generate("Central")
    big = pysequoia.sign(key.signer(), bytes(1 << 24), armor=False)
    bomb = armoured(compressed(big))
    assert len(bomb) < signatures.LONGEST
    keys = openpgp_signer(key).trusted
    given = replace(rules(), keys=keys)
    tracemalloc.start()
    try:
        with pytest.raises(Invalid, match="unpacks to more"):
            tickets.verify(bomb, NOW, given)
        assert tracemalloc.get_traced_memory()[1] < 4 * openpgp.SIZE
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize(
    "hide",
    [
        lambda data: compressed(data)[:40],
        lambda data: b"\xa3\x03" + data,
        lambda data: b"\xa3\x01" + data,
        lambda data: b"\xa3",
        lambda data: data + data,
        lambda data: data + compressed(data),
        lambda data: b"\xc0\xff\xff\xff\xff\xff",
        lambda data: b"\xc8\xfe" + data,
        lambda data: b"\x00" + data,
        lambda data: b"",
    ],
)
def test_strange_packets(hide: Callable[[bytes], bytes]) -> None:
    with pytest.raises(Invalid):
        tickets.verify(armoured(hide(bare(ticket("openpgp")))), NOW, rules())


def test_the_armour_is_whole_and_alone() -> None:
    text = ticket("openpgp").strip()
    tickets.verify(f"\n{text}\r\n \n", NOW, rules())
    tickets.verify(text.replace("\n", "\r\n"), NOW, rules())
    tickets.verify(text.replace("\n", "\nVersion: 1\n", 1), NOW, rules())
    for wrong in (
        text[:-5],
        text[5:],
        text + "\nand more",
        text + "\n" + text,
        openpgp.BEGIN,
        text.replace("MESSAGE", "PUBLIC KEY BLOCK"),
        text.replace("\n\n", "\n\n*", 1),
        "-",
        "",
        "hello",
    ):
        with pytest.raises(Invalid):
            tickets.verify(wrong, NOW, rules())


def test_files_that_hold_no_public_key() -> None:
    key = Tsk.generate("Central")
    for content in (b"", b"hello", str(key).encode(), bytes(key), ticket("openpgp").encode()):
        with pytest.raises(Invalid, match="keys/a"):
            signatures.trusted([("keys/a", content)])


def test_a_file_may_hold_many() -> None:
    other = Tsk.generate("Other")
    content = bytes(other.extract_certificate()) + bytes(Cert.from_bytes(signer("openpgp").public))
    keys = signatures.trusted([("keys/a", content)])
    assert len(keys.openpgp) == 2
    tickets.verify(ticket("openpgp"), NOW, replace(rules(), keys=keys))
