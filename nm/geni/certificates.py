"""GIDs: certificates that say by a URN who somebody is, and the authorities that vouch for them. Pure.

The rules of a browser do not fit here: GENI's roots have neither key usage nor key identifiers. What counts
instead: every certificate of the chain is current, strong enough and not revoked; each issuer is an
authority, may issue (CA:TRUE), and has authority over the namespace of whom it vouches for; the last is a
root of the site's.
"""

import base64
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from itertools import pairwise
from typing import TypeVar

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import Certificate, CertificateRevocationList

from nm.errors import Denied, Invalid
from nm.geni import urns
from nm.geni.urns import Urn

SIZE = 1 << 16  # characters of a chain
LONGEST = 8  # certificates in a chain
MAILBOX = 254  # characters of a mail address
KEPT = 1024  # certificates of which is remembered what does not change with time, site or call
STRONGEST_RSA, LARGEST_EXPONENT = 8192, 1 << 32  # beyond, looking at a signature costs too much
PEM = "-----BEGIN CERTIFICATE-----"
_CRL = b"-----BEGIN X509 CRL-----"

_DIGESTS = (hashes.SHA256, hashes.SHA384, hashes.SHA512)
_UNDERSTOOD = (x509.BasicConstraints, x509.KeyUsage, x509.ExtendedKeyUsage, x509.SubjectAlternativeName)

Extension = TypeVar("Extension", bound=x509.ExtensionType)
GeneralName = x509.UniformResourceIdentifier | x509.RFC822Name

# What cryptography lets through of what it stumbles over in a certificate.
_FAILURES = (
    InvalidSignature,
    UnsupportedAlgorithm,
    x509.DuplicateExtension,
    x509.InvalidVersion,
    x509.UnsupportedGeneralNameType,
    TypeError,
    ValueError,
)


@dataclass(frozen=True)
class Trust:
    """Whom a site trusts, and how far."""

    roots: tuple[Certificate, ...] = ()
    revoked: tuple[
        CertificateRevocationList, ...
    ] = ()  # what they list stays revoked after their next update
    sha1: bool = False  # whether signatures over SHA-1 count, of certificates and of credentials
    shortest_rsa: int = 2048  # bits


@dataclass(frozen=True)
class Gid:
    """Who somebody is, now that authorities were found to vouch for it."""

    urn: Urn
    certificate: Certificate
    email: str  # the first that it names, or empty
    uuid: str  # the same, as `urn:uuid:...`


# ---- reading


def read(text: str) -> tuple[Certificate, ...]:
    """A chain, the leaf first: certificates as PEM, or one as bare base64. Denied when it is none."""
    if len(text) > SIZE:
        raise Denied(f"a certificate is longer than {SIZE} characters", "give just the chain up to the root")
    try:
        if PEM in text:
            found = tuple(x509.load_pem_x509_certificates(text.encode()))
        else:
            der = base64.b64decode("".join(text.split()), validate=True)
            found = (x509.load_der_x509_certificate(der),)
        _take_apart(found)
    except _FAILURES:
        raise Denied("a certificate cannot be read", "give it as PEM, or as the base64 in one") from None
    return _short(found)


def from_der(chain: Sequence[bytes]) -> tuple[Certificate, ...]:
    """The chain that a TLS client gave, the leaf first. Denied when it gave none that can be read."""
    try:
        found = tuple(map(x509.load_der_x509_certificate, chain))
        _take_apart(found)
    except _FAILURES:
        raise Denied("the client's certificate cannot be read", "call with another") from None
    if not found:
        raise Denied("the client shows no certificate", "call with that of your GENI account")
    return _short(found)


def to_der(chain: Iterable[Certificate]) -> bytes:
    """The certificates one behind the other."""
    return b"".join(one.public_bytes(Encoding.DER) for one in chain)


def _take_apart(chain: Iterable[Certificate]) -> None:
    """Fails where a part is no good: the library looks at parts when they are asked for, and keeps some."""
    for one in chain:
        _ = one.subject, one.issuer, one.extensions, one.public_key(), one.signature_hash_algorithm
        _ = one.not_valid_before_utc, one.not_valid_after_utc


def _short(chain: tuple[Certificate, ...]) -> tuple[Certificate, ...]:
    if len(chain) > LONGEST:
        raise Denied(f"a chain has more than {LONGEST} certificates", "give just those up to the root")
    return chain


def roots(files: Iterable[tuple[str, bytes]]) -> tuple[Certificate, ...]:
    """The certificates in these files, each with its name. Invalid when one cannot be a root of GENI's."""
    found: tuple[Certificate, ...] = ()
    for name, content in files:
        try:
            some = tuple(x509.load_pem_x509_certificates(content))
            _take_apart(some)
        except _FAILURES:
            raise Invalid(f"{name} holds no certificate that can be read", "give it as PEM") from None
        for certificate in some:
            try:
                _may_issue(certificate, urn_of(certificate), 0)
                _check_key(certificate, Trust())
            except Denied as error:
                raise Invalid(f"{name} holds no root of GENI's: {error.message}", error.hint) from None
        found += some
    return found


def revocations(files: Iterable[tuple[str, bytes]]) -> tuple[CertificateRevocationList, ...]:
    """The lists of revoked certificates in these files, as PEM or DER. Invalid when one is none."""
    found = []
    for name, content in files:
        try:
            found += _lists(content)
        except _FAILURES:
            hint = "give lists of revoked certificates as PEM, or one as DER"
            raise Invalid(f"{name} holds no list of revoked certificates", hint) from None
    return tuple(found)


def _lists(content: bytes) -> list[CertificateRevocationList]:
    """The library reads the first of a file; here none is overlooked, nor one that is cut off."""
    if b"-----BEGIN" not in content:
        return [x509.load_der_x509_crl(content)]
    before, *parts = content.split(_CRL)
    if b"-----BEGIN" in before or not parts:
        raise ValueError
    return [x509.load_pem_x509_crl(_CRL + part) for part in parts]


# ---- what a certificate says


@lru_cache(KEPT)
def urn_of(certificate: Certificate) -> Urn:
    """Its one URN. Denied when it has none, or several."""
    found = [uri for uri in _uris(certificate) if urns.is_geni(uri)]
    if len(found) != 1:
        hint = "a GENI certificate has one URN, in its subjectAltName"
        raise Denied(f"the certificate of {_called(certificate)} has {len(found)} URNs of GENI's", hint)
    try:
        return urns.parse(found[0])
    except Invalid as error:
        raise Denied(f"in the certificate of {_called(certificate)}: {error.message}", error.hint) from None


def _uris(certificate: Certificate) -> list[str]:
    return _names(certificate, x509.UniformResourceIdentifier)


def _names(certificate: Certificate, kind: type[GeneralName]) -> list[str]:
    names = _extension(certificate, x509.SubjectAlternativeName)
    return names.get_values_for_type(kind) if names else []


def _extension(certificate: Certificate, kind: type[Extension]) -> Extension | None:
    return next((one.value for one in certificate.extensions if isinstance(one.value, kind)), None)


def _called(certificate: Certificate) -> str:
    """Its subject, for people."""
    return repr(certificate.subject.rfc4514_string()[:80])


# ---- chains


def chained(chain: Sequence[Certificate], now: float, trust: Trust) -> Gid:
    """Whose the first certificate is, which a root vouches for by way of some of the others. Else Denied."""
    _check_key(chain[0], trust)
    path = [chain[0]]
    known = (*trust.roots, *chain[1:])
    while path[-1] not in trust.roots:
        if len(path) > LONGEST:
            raise Denied(f"a chain has more than {LONGEST} certificates", "give one that is shorter")
        path.append(_issuer(path[-1], known, now, trust))
    moment = datetime.fromtimestamp(now, UTC)
    for certificate in path:
        _current(certificate, moment)
    names = [urn_of(one) for one in path]
    for below, ((subject, urn), (issuer, authority)) in enumerate(pairwise(zip(path, names, strict=True))):
        _may_issue(issuer, authority, below)
        if not authority.is_over(urn):
            raise Denied(f"{authority} vouches for {urn}, which is not in its namespace", _ASK)
        _counts(subject, urn, issuer, trust)
    return Gid(
        names[0],
        chain[0],
        email=next((one for one in _names(chain[0], x509.RFC822Name) if len(one) <= MAILBOX), ""),
        uuid=next((uri for uri in _uris(chain[0]) if uri.startswith("urn:uuid:")), ""),
    )


def _issuer(subject: Certificate, known: Iterable[Certificate], now: float, trust: Trust) -> Certificate:
    """Who signed it: of several with the same key, one that is current."""
    found = [one for one in known if one.subject == subject.issuer and _signed(subject, one, trust)]
    if not found:
        hint = "show those between, too; the site's administrator decides which roots and keys count"
        raise Denied(f"nobody whom this site trusts vouches for {_called(subject)}", hint)
    moment = datetime.fromtimestamp(now, UTC)
    return next((one for one in found if one.not_valid_after_utc > moment), found[0])


def _signed(subject: Certificate, issuer: Certificate, trust: Trust) -> bool:
    return subject != issuer and _is_strong(issuer, trust) and _holds(subject, issuer)


@lru_cache(KEPT)
def _holds(subject: Certificate, issuer: Certificate) -> bool:
    """Whether the issuer's key signed it."""
    try:
        if isinstance(subject.signature_hash_algorithm, hashes.SHA1):
            _holds_by_sha1(subject.signature, subject.tbs_certificate_bytes, issuer)
        else:
            subject.verify_directly_issued_by(issuer)
    except _FAILURES:
        return False
    return True


def _holds_by_sha1(signature: bytes, said: bytes, issuer: Certificate) -> None:
    """Fails unless the issuer signed it so. The library's own ways refuse SHA-1, whatever a site says."""
    key = issuer.public_key()
    if not isinstance(key, rsa.RSAPublicKey):
        raise InvalidSignature
    key.verify(signature, said, padding.PKCS1v15(), hashes.SHA1())  # noqa: S303 as deployed authorities have it


def _check_key(certificate: Certificate, trust: Trust) -> None:
    """Denied when it is none that counts."""
    if not _is_strong(certificate, trust):
        hint = f"use RSA of {trust.shortest_rsa} to {STRONGEST_RSA} bits, or an elliptic curve"
        raise Denied(f"the key of {_called(certificate)} is too weak, or of another kind", hint)


def _is_strong(certificate: Certificate, trust: Trust) -> bool:
    """Not when its key is weak, so dear that it keeps us busy, or of a kind that we do not know."""
    key = certificate.public_key()
    if isinstance(key, rsa.RSAPublicKey):
        fits = trust.shortest_rsa <= key.key_size <= STRONGEST_RSA
        return fits and key.public_numbers().e < LARGEST_EXPONENT
    return isinstance(key, ec.EllipticCurvePublicKey | ed25519.Ed25519PublicKey)


def _current(certificate: Certificate, moment: datetime) -> None:
    if moment < certificate.not_valid_before_utc:
        raise Denied(f"the certificate of {_called(certificate)} begins later", "set the clocks right")
    if moment >= certificate.not_valid_after_utc:
        raise Denied(f"the certificate of {_called(certificate)} has ended", "have it renewed")
    for one in certificate.extensions:
        if one.critical and not isinstance(one.value, _UNDERSTOOD):
            hint = "use one without; what is critical must not be passed over"
            raise Denied(
                f"the certificate of {_called(certificate)} has a critical {one.oid.dotted_string}", hint
            )


def _counts(subject: Certificate, urn: Urn, issuer: Certificate, trust: Trust) -> None:
    """Denied when the issuer's signature is over a digest that does not count, or was taken back."""
    digest = subject.signature_hash_algorithm
    allowed = (*_DIGESTS, hashes.SHA1) if trust.sha1 else _DIGESTS
    if digest is not None and not isinstance(digest, allowed):  # Ed25519 has none of its own
        hint = "have it made anew with SHA-256, or let an administrator allow SHA-1"
        raise Denied(f"the certificate of {urn} is signed over {digest.name}", hint)
    if _is_revoked(subject, issuer, trust):
        raise Denied(f"the certificate of {urn} is revoked", "ask its authority for another")


def _may_issue(issuer: Certificate, authority: Urn, below: int) -> None:
    """Denied unless it is an authority that may issue. `below`: certificates between it and the leaf."""
    basic = _extension(issuer, x509.BasicConstraints)
    usage = _extension(issuer, x509.KeyUsage)
    if authority.type != urns.AUTHORITY:
        raise Denied(f"{authority} vouches for others, and is no authority", _ASK)
    if basic is None or not basic.ca or (usage is not None and not usage.key_cert_sign):
        raise Denied(f"the certificate of {authority} is not one of an issuer (CA:TRUE)", _ASK)
    if basic.path_length is not None and below > basic.path_length:
        raise Denied(f"the certificate of {authority} allows no chain of that length", _ASK)


_ASK = "ask your authority for a certificate that GENI's rules allow"


def _is_revoked(subject: Certificate, issuer: Certificate, trust: Trust) -> bool:
    """Whether a list of the issuer's own has it; the list's signature is looked at when it matters."""
    return any(
        revoked.issuer == issuer.subject
        and revoked.get_revoked_certificate_by_serial_number(subject.serial_number) is not None
        and _is_by(revoked, issuer)
        for revoked in trust.revoked
    )


def _is_by(revoked: CertificateRevocationList, issuer: Certificate) -> bool:
    """Whether the issuer signed it; also over SHA-1, for what it takes back should not count in doubt."""
    try:
        if isinstance(revoked.signature_hash_algorithm, hashes.SHA1):
            _holds_by_sha1(revoked.signature, revoked.tbs_certlist_bytes, issuer)
            return True
        return revoked.is_signature_valid(issuer.public_key())  # type: ignore[arg-type]
    except _FAILURES:
        return False
