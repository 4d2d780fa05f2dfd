"""XML signatures: a document that carries a signature of all of itself, opened and made.

The form is one and narrow: `<ticket>` holds the text and then the Signature, whose one Reference is the whole
document. What counts is only what signxml hands back, which it parses anew from the bytes that were
signed; so nothing that stands beside them can pass for signed. Pure.
"""

from datetime import UTC, datetime

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey, EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, RSAPublicKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from cryptography.x509 import Certificate, load_pem_x509_certificates
from lxml import etree
from signxml.algorithms import CanonicalizationMethod, DigestAlgorithm, SignatureMethod
from signxml.exceptions import SignXMLException
from signxml.signer import XMLSigner
from signxml.verifier import SignatureConfiguration, VerifyResult, XMLVerifier

from nm.errors import Denied, Invalid

ROOT, TEXT = "ticket", "methodResponse"
SHORTEST_RSA = 2048
SIGNATURE_SIZE = 16384  # bytes of the Signature with its certificates

_SIGNATURE = "{http://www.w3.org/2000/09/xmldsig#}Signature"
_REFERENCE = "ds:SignedInfo/ds:Reference"
_DS = {"ds": "http://www.w3.org/2000/09/xmldsig#"}
_METHODS = frozenset(
    {
        SignatureMethod.RSA_SHA256,
        SignatureMethod.RSA_SHA384,
        SignatureMethod.RSA_SHA512,
        SignatureMethod.ECDSA_SHA256,
        SignatureMethod.ECDSA_SHA384,
        SignatureMethod.ECDSA_SHA512,
    }
)
_CANONICAL = CanonicalizationMethod.EXCLUSIVE_XML_CANONICALIZATION_1_0
_DIGESTS = frozenset({DigestAlgorithm.SHA256, DigestAlgorithm.SHA384, DigestAlgorithm.SHA512})

# What signxml lets through of what it stumbles over in a document.
_FAILURES = (
    SignXMLException,
    UnsupportedAlgorithm,
    etree.LxmlError,
    AttributeError,
    LookupError,
    TypeError,
    ValueError,
)


def certificates(content: bytes, what: str) -> tuple[Certificate, ...]:
    """The certificates in a PEM file. Invalid when there are none, or a key is too weak."""
    try:
        found = tuple(load_pem_x509_certificates(content))
        keys = [cert.public_key() for cert in found]
    except (ValueError, UnsupportedAlgorithm):
        raise Invalid(f"{what} holds no certificate that can be read", "give it as PEM") from None
    for key in keys:
        strong = isinstance(key, EllipticCurvePublicKey) or (
            isinstance(key, RSAPublicKey) and key.key_size >= SHORTEST_RSA
        )
        if not strong:
            hint = f"use RSA of {SHORTEST_RSA} bits or more, or an elliptic curve of NIST"
            raise Invalid(f"a key in {what} is too weak, or of a kind that signs no ticket", hint)
    return found


def opened(text: str, trusted: tuple[Certificate, ...], now: float) -> tuple[bytes, str]:
    """What was signed, and the fingerprint of the certificate that did. Denied when none is trusted."""
    root = _document(text)
    for certificate in trusted:
        if (found := _verified(root, certificate, now)) is not None:
            return _text(found), certificate.fingerprint(hashes.SHA256()).hex()
    raise Denied(
        "the signature does not hold",
        "the ticket was altered, or signed by a certificate that this site does not trust or that has ended",
    )


def sign(payload: bytes, key: str, certificate: str) -> str:
    """The document that says the payload, signed with that private key (PEM) of that certificate."""
    root = etree.Element(ROOT)
    root.append(etree.fromstring(payload, _parser()))
    try:
        private = load_pem_private_key(key.encode(), None)
        if isinstance(private, EllipticCurvePrivateKey):
            method = SignatureMethod.ECDSA_SHA256
        elif isinstance(private, RSAPrivateKey):
            method = SignatureMethod.RSA_SHA256
        else:
            raise TypeError("a key of another kind")
        signer = XMLSigner(signature_algorithm=method, c14n_algorithm=_CANONICAL)
        signed = signer.sign(root, key=private, cert=certificate)
    except _FAILURES:  # whose words might show the key
        hint = "give an unencrypted private key and its certificate, both as PEM"
        raise Invalid("the key and its certificate cannot sign", hint) from None
    return etree.tostring(signed, encoding="unicode")


def _parser() -> etree.XMLParser:
    """One for each document. It reads UTF-8 whatever the document says: what was seen is what is read."""
    return etree.XMLParser(
        encoding="utf-8", resolve_entities=False, load_dtd=False, no_network=True, huge_tree=False
    )


def _document(text: str) -> etree._Element:
    """The document, of just the form that sign makes."""
    if "<!DOCTYPE" in text:
        raise _malformed("document types and entities are refused")
    try:
        root = etree.fromstring(text.encode(), _parser())
    except (etree.LxmlError, ValueError) as error:
        raise _malformed(f"malformed XML: {error}") from None
    if root.tag != ROOT:
        raise _malformed(f"its root is not <{ROOT}>")
    if [child.tag for child in root] != [TEXT, _SIGNATURE]:
        raise _malformed(f"<{ROOT}> holds something else than one {TEXT} and one Signature")
    # Attributes and namespaces are sorted before anything is verified: that takes the square of their number.
    if any(not isinstance(one.tag, str) or one.attrib or one.nsmap for one in (root, *root[0].iter())):
        raise _malformed("beside the Signature it has attributes, namespaces, comments or instructions")
    if len(etree.tostring(root[1])) > SIGNATURE_SIZE:
        raise _malformed(f"its Signature is longer than {SIGNATURE_SIZE} bytes")
    if [found.get("URI") for found in root[1].findall(_REFERENCE, _DS)] != [""]:
        raise _malformed("its signature is not of the whole document")
    return root


def _verified(root: etree._Element, certificate: Certificate, now: float) -> VerifyResult | None:
    expected = SignatureConfiguration(
        location="./",
        expect_references=1,
        signature_methods=_METHODS,
        digest_algorithms=_DIGESTS,
        verification_time=datetime.fromtimestamp(now, UTC),
    )
    try:
        found = XMLVerifier().verify(root, x509_cert=certificate, expect_config=expected)
    except _FAILURES:
        return None
    return found if isinstance(found, VerifyResult) else None


def _text(found: VerifyResult) -> bytes:
    """The signed text: the only child of the root, now that the signature is taken away."""
    root = found.signed_xml
    if root is None or root.tag != ROOT or [child.tag for child in root] != [TEXT]:
        raise _malformed("what was signed is something else")
    return etree.tostring(root[0], with_tail=False)


def _malformed(said: str) -> Invalid:
    return Invalid(f"this is no ticket: {said}", "give it whole, as it was signed")
