"""Signed texts: whose keys a site trusts, and what a signed text says. Pure.

Two ways, told apart by the text itself: an OpenPGP message (openpgp.py) and an XML document with a signature
(xmldsig.py). Whoever is trusted by one key is trusted with every ticket.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from cryptography.x509 import Certificate
from pysequoia import Cert

from nm.errors import Invalid
from nm.signatures import openpgp, xmldsig

LONGEST = 1 << 20  # characters of a signed text


@dataclass(frozen=True)
class Trusted:
    """The keys whose signatures count."""

    openpgp: tuple[Cert, ...] = ()
    x509: tuple[Certificate, ...] = ()


@dataclass(frozen=True)
class Signed:
    """What was signed, and the fingerprint of the key that did."""

    payload: bytes
    signer: str


def trusted(files: Iterable[tuple[str, bytes]]) -> Trusted:
    """The keys in these files, each with its name: certificates as PEM, or OpenPGP keys. Else Invalid."""
    keys: tuple[Cert, ...] = ()
    certificates: tuple[Certificate, ...] = ()
    for name, content in files:
        if b"-----BEGIN CERTIFICATE-----" in content:
            certificates += xmldsig.certificates(content, name)
        else:
            keys += openpgp.certificates(content, name)
    return Trusted(keys, certificates)


def opened(text: str, keys: Trusted, now: float) -> Signed:
    """What the signed text says. Invalid when it is none, Denied when no key that is trusted signed it."""
    if len(text) > LONGEST:
        raise Invalid(f"this is no ticket: it is longer than {LONGEST} characters", "give just one ticket")
    start = text.lstrip()[:1]
    if start == "-":
        return Signed(*openpgp.opened(text, keys.openpgp, now))
    if start == "<":
        return Signed(*xmldsig.opened(text.strip(), keys.x509, now))
    raise Invalid(
        "this is no ticket: neither an OpenPGP message nor an XML document", "give it whole, as it was signed"
    )
