"""OpenPGP: a signed message in armour, opened and made.

What Sequoia is given has been taken apart first, for it unpacks whatever it finds: just one signature over
one text, compressed once at most (as gpg does it), and never larger than SIZE. Pure but for the clock of
Sequoia, which refuses what is signed in the future.
"""

import base64
import zlib

import pysequoia
from pysequoia import Cert, Tsk
from pysequoia.packet import PacketPile, Tag

from nm.errors import Denied, Invalid

SIZE = 1 << 20  # bytes of a signed text, unpacked
BEGIN, END = "-----BEGIN PGP MESSAGE-----", "-----END PGP MESSAGE-----"

_ONE_PASS, _SIGNATURE, _COMPRESSED, _LITERAL = 4, 2, 8, 11  # tags of packets
_SECRET = (Tag.SecretKey, Tag.SecretSubkey)
_WINDOWS = {1: -zlib.MAX_WBITS, 2: zlib.MAX_WBITS}  # ZIP and ZLIB; bzip2 has no bound of what it takes


def certificates(content: bytes, what: str) -> tuple[Cert, ...]:
    """The public keys in a file, in armour or not. Invalid when they are none, or not to be trusted today."""
    try:
        found = tuple(Cert.split_bytes(content))
        ends = [cert.expiration for cert in found]  # fails where today's rules know no valid binding
    except RuntimeError as error:
        raise Invalid(f"{what} holds no OpenPGP key that can be used: {_said(error)}", _EXPORT) from None
    if not ends:
        raise Invalid(f"{what} holds no OpenPGP key", _EXPORT)
    if any(packet.tag in _SECRET for packet in PacketPile.from_bytes(content)):
        raise Invalid(
            f"{what} holds a secret key", f"{_EXPORT}; the secret one stays where tickets are signed"
        )
    return found


_EXPORT = "export the public key with gpg --armor --export"


def opened(text: str, trusted: tuple[Cert, ...], now: float) -> tuple[bytes, str]:
    """What was signed, and the fingerprint of the key that did. Denied when it is none of the trusted."""
    message = _message(_without_armour(text))
    valid = [cert for cert in trusted if not _ended(cert, now)]  # of those revoked Sequoia knows itself
    try:
        found = pysequoia.verify(message, lambda ids: valid)
    except RuntimeError:
        raise Denied(
            "the signature does not hold",
            "the ticket was altered, or signed by a key that this site does not trust or that has ended",
        ) from None
    return found.bytes or b"", str(found.valid_sigs[0].certificate)


def sign(payload: bytes, secret: str, passphrase: str | None = None) -> str:
    """The message that says the payload, signed with that secret key, in armour."""
    try:
        return pysequoia.sign(Tsk.from_bytes(secret.encode()).signer(passphrase), payload).decode()
    except RuntimeError as error:
        hint = "give the text of gpg --armor --export-secret-keys, and its passphrase if it has one"
        raise Invalid(f"the OpenPGP key cannot sign: {_said(error)}", hint) from None


def _ended(cert: Cert, now: float) -> bool:
    return cert.expiration is not None and cert.expiration.timestamp() <= now


def _said(error: RuntimeError) -> str:
    """What the library says, without the trace that it adds."""
    return str(error).partition("\n")[0]


# ---- what a message is made of


def _without_armour(text: str) -> bytes:
    lines = text.strip().splitlines()
    if len(lines) < 2 or lines[0].rstrip() != BEGIN or lines[-1].rstrip() != END:
        raise _malformed(f"its armour does not reach from {BEGIN} to {END}")
    body = [line.strip() for line in lines[1:-1]]
    if "" in body:  # headers, and the line that ends them
        body = body[body.index("") + 1 :]
    if body and body[-1].startswith("="):  # a checksum, which says nothing that the signature does not
        body.pop()
    try:
        return base64.b64decode("".join(body), validate=True)
    except ValueError:  # binascii.Error is one
        raise _malformed("its armour is no base64") from None


def _message(data: bytes) -> bytes:
    """The message as one signature over one text, unpacked."""
    found = _packets(data)
    if [tag for tag, _ in found] == [_COMPRESSED]:
        data = _unpacked(found[0][1])
        found = _packets(data)
    if [tag for tag, _ in found] != [_ONE_PASS, _LITERAL, _SIGNATURE]:
        raise _malformed("it is not one text with one signature")
    return data


def _unpacked(body: bytes) -> bytes:
    if (window := _WINDOWS.get(body[0] if body else 0)) is None:
        raise _malformed("it is compressed, and neither by ZIP nor ZLIB")
    inflate = zlib.decompressobj(window)
    try:
        data = inflate.decompress(body[1:], SIZE + 1)
    except zlib.error as error:
        raise _malformed(f"it does not unpack: {error}") from None
    if len(data) > SIZE:
        raise _malformed(f"it unpacks to more than {SIZE} bytes")
    return data


def _packets(data: bytes) -> list[tuple[int, bytes]]:
    """The tag and the body of each packet (RFC 9580, section 4.2)."""
    found = []
    at = 0
    while at < len(data):
        head = data[at]
        if not head & 0x80:
            raise _malformed("it is no OpenPGP message")
        if head & 0x40:
            tag, (body, at) = head & 0x3F, _body(data, at + 1)
        else:
            tag, (body, at) = head >> 2 & 0x0F, _old_body(data, at + 1, head & 3)
        found.append((tag, body))
    return found


def _old_body(data: bytes, at: int, kind: int) -> tuple[bytes, int]:
    if kind == 3:  # to the end
        return data[at:], len(data)
    width = 1 << kind
    return _piece(data, at + width, int.from_bytes(_piece(data, at, width)[0]))


def _body(data: bytes, at: int) -> tuple[bytes, int]:
    pieces = []
    partial = True
    while partial:
        first = _piece(data, at, 1)[0][0]
        partial = 224 <= first < 255
        if first < 192:
            length, at = first, at + 1
        elif first < 224:
            length, at = ((first - 192) << 8) + _piece(data, at + 1, 1)[0][0] + 192, at + 2
        elif partial:
            length, at = 1 << (first & 0x1F), at + 1
        else:
            length, at = int.from_bytes(_piece(data, at + 1, 4)[0]), at + 5
        piece, at = _piece(data, at, length)
        pieces.append(piece)
    return b"".join(pieces), at


def _piece(data: bytes, at: int, length: int) -> tuple[bytes, int]:
    """So many bytes from there on, and where they end."""
    if at + length > len(data):
        raise _malformed("it is cut off")
    return data[at : at + length], at + length


def _malformed(said: str) -> Invalid:
    return Invalid(f"this is no ticket: {said}", "give it whole, as it was signed")
