"""Identities: a key with the chain of certificates that says whose it is.

They lie in one file, so that neither is without the other; but for a server's key, which never changes.
Clients (omni, geni-lib, Python's ssl) take such a file for certificate and key alike.
"""

import time
import uuid
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.rsa import (
    RSAPrivateKey,
    RSAPublicKey,
    generate_private_key,
)
from cryptography.x509 import Certificate

from nm.clearing import files
from nm.errors import Conflict, Denied
from nm.geni import certificates, making
from nm.geni.making import Holder, Subject
from nm.geni.urns import Urn

BITS = 2048
DAY = 86400
EARLIER = DAY  # clocks of others may be slow


Chain = tuple[Certificate, ...]  # the leaf first


@dataclass(frozen=True)
class Life:
    """From when, and until when, something counts; seconds since 1970."""

    begins: float
    ends: float

    @classmethod
    def of(cls, seconds: float, now: float | None = None) -> "Life":
        """From now on, for that long."""
        moment = time.time() if now is None else now
        return cls(moment - EARLIER, moment + seconds)


def new_key() -> RSAPrivateKey:
    """A key that nobody else has."""
    return generate_private_key(65537, BITS)


def subject(
    urn: Urn,
    key: RSAPublicKey,
    life: Life,
    *,
    issues: bool = False,
    email: str = "",
    hosts: tuple[str, ...] = (),
) -> Subject:
    """For whom a certificate is made, with a number and a uuid of its own."""
    number = x509.random_serial_number()
    return Subject(urn, key, number, life.begins, life.ends, issues, email, str(uuid.uuid4()), hosts)


def text_of(holder: Holder) -> bytes:
    """What the file of an identity holds."""
    return text_of_key(holder.key) + making.pem(holder.chain).encode()


def text_of_key(key: RSAPrivateKey) -> bytes:
    """The key as PEM."""
    form, encoding = serialization.PrivateFormat.PKCS8, serialization.Encoding.PEM
    return key.private_bytes(encoding, form, serialization.NoEncryption())


def load(path: Path, key_path: Path | None = None) -> Holder:
    """The identity in that file, or in two. Conflict when it is damaged, or others may read the key."""
    key = load_key(key_path or path)
    chain = chain_of(path)
    if key.public_key() != chain[0].public_key():
        raise _damaged(path, "its key and its certificate do not belong together")
    return Holder(chain, key)


def load_key(path: Path) -> RSAPrivateKey:
    """The key in that file. Conflict when it is damaged, or others may read it."""
    content = files.read(path, private=True)
    try:
        key = serialization.load_pem_private_key(content, None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise _damaged(path, "its key cannot be read") from None
    if not isinstance(key, RSAPrivateKey):
        raise _damaged(path, "its key is not one of RSA")
    return key


def chain_of(path: Path) -> Chain:
    """The certificates in that file, the leaf first; a key in it is passed over."""
    content = files.read(path)
    try:
        found = certificates.read(content.decode("ascii", errors="replace"))
        certificates.urn_of(found[0])
    except Denied as error:
        raise _damaged(path, error.message) from None
    return found


def _damaged(path: Path, why: str) -> Conflict:
    return Conflict(f"{path} is damaged: {why}", "put it back from a copy; nothing was made in its place")
