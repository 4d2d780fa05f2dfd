"""Who signs in these tests: two ways, each with a key that the site trusts and one that it does not."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from pysequoia import Tsk

from nm import marshal, signatures, tickets
from nm.signatures import Trusted, openpgp, xmldsig

NOW = int(time.time())  # Sequoia has a clock of its own, and keys are not good before they are made
NODE = "node1.example.org"
NONCE = "0123456789abcdef"
SLIVER: dict[str, Any] = {
    "name": "demo_web",
    "slice_id": 1,
    "instantiation": "delegated",
    "expires": NOW + 86400,
    "keys": [{"key_type": "ssh", "key": "ssh-ed25519 AAAA user@example.org"}],
    "attributes": [{"tagname": "initscript_code", "value": "#!/bin/sh\r\necho '<&é>'\n"}],
}


@dataclass(frozen=True)
class Signer:
    sign: Callable[[bytes], str]
    public: bytes

    @property
    def trusted(self) -> Trusted:
        return signatures.trusted([("key", self.public)])


def openpgp_signer(key: Tsk) -> Signer:
    secret, public = str(key), str(key.extract_certificate())
    return Signer(lambda payload: openpgp.sign(payload, secret), public.encode())


def pem(key: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey) -> str:
    form = serialization.PrivateFormat.PKCS8
    return key.private_bytes(serialization.Encoding.PEM, form, serialization.NoEncryption()).decode()


def certificate(key: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey, until: int = NOW + 365 * 86400) -> str:
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "central.example.org")])
    builder = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(datetime.fromtimestamp(NOW - 30 * 86400, UTC))
        .not_valid_after(datetime.fromtimestamp(until, UTC))
    )
    return builder.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM).decode()


def xml_signer(key: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey, until: int = NOW + 365 * 86400) -> Signer:
    cert = certificate(key, until)
    return Signer(lambda payload: xmldsig.sign(payload, pem(key), cert), cert.encode())


def fresh(way: str) -> Signer:
    if way == "openpgp":
        return openpgp_signer(Tsk.generate("Central <central@example.org>"))
    return xml_signer(ec.generate_private_key(ec.SECP256R1()))


@cache
def signer(way: str) -> Signer:
    """The one whom the site trusts."""
    return fresh(way)


@cache
def rules() -> tickets.Rules:
    files = [(way, signer(way).public) for way in ("openpgp", "xml")]
    return tickets.Rules(frozenset({NODE, "1"}), signatures.trusted(files))


def payload(**changes: Any) -> bytes:
    """The text of a good ticket, with those members of the reply replaced; None takes one away."""
    reply = {
        "timestamp": NOW,
        "slivers": [SLIVER],
        "node": NODE,
        "nonce": NONCE,
        "expires": NOW + 3600,
        **changes,
    }
    return marshal.answer({key: value for key, value in reply.items() if value is not None})


def ticket(way: str, **changes: Any) -> str:
    return signer(way).sign(payload(**changes))
