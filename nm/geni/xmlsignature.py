"""XML signatures in the one form that GENI has: of an element with an `xml:id`, over inclusive C14N. Pure.

libxmlsec computes, and is asked nothing else: the form is looked at here, the key is given to it (what
KeyInfo says is not signed, so a key that stands there says nothing), and the one element that a reference
means is found here and there alike, because an `xml:id` occurs once in a document or the document is refused.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, RSAPublicKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)
from lxml import etree

from nm.errors import Denied, DeviceFailed
from nm.geni import documents
from nm.geni.documents import XML_ID, Element, children, malformed, text_of

try:
    import xmlsec
except Exception as error:  # one of its own, which can be named only where it was imported
    raise DeviceFailed(
        f"the library xmlsec does not load: {error}", "install nm's dependencies anew"
    ) from error

KEPT = 64  # documents of which is remembered which key signed them

DS = "http://www.w3.org/2000/09/xmldsig#"
SIGNATURE = f"{{{DS}}}Signature"

_MORE = "http://www.w3.org/2001/04/xmldsig-more#"
_ENC = "http://www.w3.org/2001/04/xmlenc#"
_C14N = "http://www.w3.org/TR/2001/REC-xml-c14n-20010315"
_ENVELOPED = f"{DS}enveloped-signature"
_METHODS = (f"{_MORE}rsa-sha256", f"{_MORE}rsa-sha384", f"{_MORE}rsa-sha512")
_DIGESTS = (f"{_ENC}sha256", f"{_MORE}sha384", f"{_ENC}sha512")
_SHA1 = (f"{DS}rsa-sha1", f"{DS}sha1")
_ID = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]{0,63}")


def check() -> None:
    """At start: DeviceFailed when both libraries do not work on the same documents."""
    theirs, ours = xmlsec.get_libxml_version(), etree.LIBXML_VERSION
    if theirs != ours:
        raise DeviceFailed(
            f"xmlsec has libxml2 {_dotted(theirs)}, and lxml {_dotted(ours)}",
            "install the two as nm's dependencies name them, as wheels: both must have the same libxml2",
        )


def _dotted(version: Sequence[int]) -> str:
    return ".".join(map(str, version))


@dataclass(frozen=True)
class Signature:
    """A signature of the right form, of which nothing was computed yet."""

    reference: str  # the xml:id of what it says it signs
    certificates: tuple[str, ...]  # bare base64, in the document's order; said by KeyInfo, so by anybody


# ---- looking


def elements_by_id(root: Element) -> dict[str, Element]:
    """The element of every xml:id. Denied when one occurs twice, or is spelt so that it could be mistaken."""
    found: dict[str, Element] = {}
    for one in root.iter():
        if (name := one.get(XML_ID)) is None:
            continue
        if not _ID.fullmatch(name) or name in found:
            raise malformed("an xml:id in it occurs twice, or is no plain word")
        found[name] = one
    return found


def read(element: Element, sha1: bool) -> Signature:
    """A `ds:Signature` of GENI's form. Denied for another form, and over SHA-1 where that does not count."""
    parts = children(element, _ds("SignedInfo", "SignatureValue", "KeyInfo"))
    info = children(parts[_name("SignedInfo")], _ds("CanonicalizationMethod", "SignatureMethod", "Reference"))
    reference = info[_name("Reference")]
    steps = children(reference, _ds("Transforms", "DigestMethod", "DigestValue"))
    transforms = children(steps[_name("Transforms")], _ds("Transform"))
    if _algorithm(info[_name("CanonicalizationMethod")]) != _C14N:
        raise malformed("its signature is not over inclusive canonical XML 1.0")
    if _algorithm(transforms[_name("Transform")]) != _ENVELOPED:
        raise malformed("its signature has another transform than enveloped-signature")
    _counts(_algorithm(info[_name("SignatureMethod")]), _METHODS, sha1)
    _counts(_algorithm(steps[_name("DigestMethod")]), _DIGESTS, sha1)
    uri = reference.get("URI", "")
    if uri[:1] != "#" or not _ID.fullmatch(uri[1:]) or set(reference.attrib) != {"URI"}:
        raise malformed("its signature is not of an element of this document")
    return Signature(uri[1:], _certificates(parts[_name("KeyInfo")]))


def _counts(method: str, methods: Sequence[str], sha1: bool) -> None:
    """Denied when it is none of these, and not over SHA-1 where that counts."""
    if method in _SHA1 and not sha1:
        hint = "have it signed over SHA-256, or let an administrator allow SHA-1"
        raise Denied("a credential is signed over SHA-1", hint)
    if method not in (*methods, *_SHA1):
        raise malformed("its signature is by a method that is not RSA over SHA-2")


def _certificates(info: Element) -> tuple[str, ...]:
    found = info.findall(f"{_name('X509Data')}/{_name('X509Certificate')}")
    return tuple(map(text_of, found))


def _algorithm(element: Element) -> str:
    if len(element) or set(element.attrib) != {"Algorithm"}:
        raise malformed("a method of its signature has parameters")
    return str(element.get("Algorithm"))


def _name(name: str) -> str:
    return f"{{{DS}}}{name}"


def _ds(*names: str) -> tuple[str, ...]:
    return tuple(map(_name, names))


# ---- computing


def verify(document: str, signature: Signature, key: RSAPublicKey) -> None:
    """Denied unless that key signed the element which the reference means, as it stands in that text.

    Clients show the same credential with every call; what held once holds, whatever time it is.
    """
    pem = key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    try:
        _compute(document, signature.reference, pem)
    except xmlsec.Error:
        raise Denied(
            "the signature of a credential does not hold",
            "it was altered, or signed by another than the certificate in it says",
        ) from None


@lru_cache(KEPT)
def _compute(document: str, reference: str, key: bytes) -> None:
    """Fails unless it holds. The document is its own, for libxmlsec writes into it."""
    place = f"signatures/{SIGNATURE}/{_name('SignedInfo')}/{_name('Reference')}[@URI='#{reference}']/../.."
    (element,) = documents.parse(document).findall(place)
    context = xmlsec.SignatureContext()
    context.key = xmlsec.Key.from_memory(key, xmlsec.constants.KeyDataFormatPem)
    context.verify(element)


def forget() -> None:
    """What held is to be computed anew, for measurements."""
    _compute.cache_clear()


def sign(signature: Element, key: RSAPrivateKey) -> None:
    """Fill in digest and value of a `ds:Signature` that `blank` made, where it stands in its document."""
    context = xmlsec.SignatureContext()
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    context.key = xmlsec.Key.from_memory(pem, xmlsec.constants.KeyDataFormatPem)
    context.sign(signature)


def blank(name: str, reference: str, certificates: Sequence[str], sha1: bool = False) -> Element:
    """A signature yet to be made, of the element with that xml:id, with the signer's chain as bare base64."""
    method, digest = _SHA1 if sha1 else (_METHODS[0], _DIGESTS[0])
    root = etree.Element(SIGNATURE, {XML_ID: name}, nsmap={"ds": DS})
    info = etree.SubElement(root, _name("SignedInfo"))
    etree.SubElement(info, _name("CanonicalizationMethod"), Algorithm=_C14N)
    etree.SubElement(info, _name("SignatureMethod"), Algorithm=method)
    one = etree.SubElement(info, _name("Reference"), URI=f"#{reference}")
    steps = etree.SubElement(one, _name("Transforms"))
    etree.SubElement(steps, _name("Transform"), Algorithm=_ENVELOPED)
    etree.SubElement(one, _name("DigestMethod"), Algorithm=digest)
    etree.SubElement(one, _name("DigestValue"))
    etree.SubElement(root, _name("SignatureValue"))
    data = etree.SubElement(etree.SubElement(root, _name("KeyInfo")), _name("X509Data"))
    for text in certificates:
        etree.SubElement(data, _name("X509Certificate")).text = text
    return root
