"""Credentials: what clients of GENI's hand in with a call, and what such a document claims. Pure.

Here is read and not yet believed: that the claims hold, `authorisation` finds out. A credential that was
passed on holds the one that it was made from, in <parent>; each has a signature of its own beside them.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import TypeVar
from xmlrpc.client import Binary

from cryptography.x509 import Certificate

from nm.errors import Denied, Invalid
from nm.geni import certificates, documents, times, urns, xmlsignature
from nm.geni.documents import XML_ID, Element, children, malformed, text_of
from nm.geni.privileges import Privileges
from nm.geni.urns import Urn
from nm.geni.xmlsignature import SIGNATURE, Signature

MOST = 6  # of our type in one call
LONGEST = 5  # times that one was passed on
KEPT = 64  # documents that were taken apart and are remembered: clients show theirs with every call
VERSIONS = ("2", "3")

_NEEDED = ("type", "owner_gid", "owner_urn", "target_gid", "target_urn", "expires", "privileges")
_MORE = ("serial", "uuid", "extensions", "parent")
_FLAGS = {"true": True, "1": True, "false": False, "0": False}
_SHAPE = "give a list of structs with geni_type, geni_version and geni_value"

T = TypeVar("T")


@dataclass(frozen=True)
class Credential:
    """What one says of itself."""

    owner: Urn
    owner_gid: tuple[Certificate, ...]  # the leaf first
    target: Urn
    target_gid: tuple[Certificate, ...]
    expires: float
    privileges: Privileges
    signature: Signature
    signers: tuple[Certificate, ...]  # the leaf first


# ---- the argument of a call


def texts(argument: object) -> list[str]:
    """The texts of those of GENI's own type; others are passed over. Invalid for another shape.

    Clients send structs, or just documents; a document as text or as base64, the version as text or int.
    """
    if not isinstance(argument, list | tuple):
        raise Invalid("the credentials are no list", _SHAPE)
    found = []
    for one in argument:
        if not isinstance(one, dict):
            found.append(_text(one))
        elif _is_ours(one):
            found.append(_text(one.get("geni_value")))
    if len(found) > MOST:
        raise Invalid(f"there are more than {MOST} credentials", "give just those that the call needs")
    return found


def _is_ours(given: dict[object, object]) -> bool:
    kind, version = given.get("geni_type"), given.get("geni_version", VERSIONS[-1])
    if not isinstance(kind, str):
        raise Invalid("a credential does not say its geni_type", _SHAPE)
    if kind.strip().lower() != "geni_sfa":
        return False
    if isinstance(version, bool) or not isinstance(version, str | int):
        raise Invalid("a credential does not say its geni_version", _SHAPE)
    return str(version).strip() in VERSIONS


def _text(value: object) -> str:
    if isinstance(value, Binary):
        value = value.data
    if isinstance(value, bytes):
        return value.decode(errors="replace")  # what is no UTF-8 was not signed either
    if not isinstance(value, str):
        raise Invalid("a credential is neither text nor base64", _SHAPE)
    return value


# ---- the document


@lru_cache(KEPT)
def parse(text: str, sha1: bool) -> tuple[Credential, ...]:
    """A credential, then those that it was made from, the last one an authority's. Denied when it is none."""
    root = documents.parse(text)
    if root.tag != "signed-credential":
        raise malformed("its root is not <signed-credential>")
    parts = children(root, ("credential", "signatures"))
    elements = _line(parts["credential"])
    xmlsignature.elements_by_id(root)
    signatures = _signatures(parts["signatures"], sha1)
    if sorted(signatures) != sorted(str(one.get(XML_ID)) for one in elements):
        raise malformed("it has not just one signature for each <credential>")
    return tuple(_credential(one, signatures[str(one.get(XML_ID))]) for one in elements)


def _line(first: Element) -> list[Element]:
    """A <credential>, and those within by way of <parent>."""
    found = [first]
    while (parent := found[-1].find("parent")) is not None:
        if len(found) > LONGEST:
            raise malformed(f"it was passed on more than {LONGEST} times")
        found.append(children(parent, ("credential",))["credential"])
    return found


def _signatures(element: Element, sha1: bool) -> dict[str, Signature]:
    found: dict[str, Signature] = {}
    for child in element:
        if child.tag != SIGNATURE:
            raise malformed("<signatures> holds something else than signatures")
        if len(found) > LONGEST:
            raise malformed(f"it has more than {LONGEST + 1} signatures")
        signature = xmlsignature.read(child, sha1)
        if signature.reference in found:
            raise malformed("two signatures in it are of the same <credential>")
        found[signature.reference] = signature
    return found


def _credential(element: Element, signature: Signature) -> Credential:
    if set(element.attrib) != {XML_ID}:
        raise malformed("a <credential> has other attributes than xml:id")
    said = children(element, _NEEDED, _MORE)
    if text_of(said["type"]) != "privilege":
        raise malformed("its type is not privilege")
    return Credential(
        owner=_said(urns.parse, said["owner_urn"]),
        owner_gid=_said(certificates.read, said["owner_gid"]),
        target=_said(urns.parse, said["target_urn"]),
        target_gid=_said(certificates.read, said["target_gid"]),
        expires=_said(times.parse, said["expires"]),
        privileges=_privileges(said["privileges"]),
        signature=signature,
        signers=_signers(signature),
    )


def _said(read: Callable[[str], T], element: Element) -> T:
    try:
        return read(text_of(element))
    except Invalid as error:
        raise malformed(f"in <{element.tag}>: {error.message}") from None


def _privileges(element: Element) -> Privileges:
    found: dict[str, bool] = {}
    for child in element:
        if child.tag != "privilege":
            raise malformed("<privileges> holds something else than privileges")
        said = children(child, ("name", "can_delegate"))
        name, flag = text_of(said["name"]), text_of(said["can_delegate"]).lower()
        if flag not in _FLAGS:
            raise malformed("a can_delegate in it is neither true nor false")
        found[name] = _FLAGS[flag] and found.get(name, True)
    return found


def _signers(signature: Signature) -> tuple[Certificate, ...]:
    """The certificates of KeyInfo, the signer's first: the one that issued none of the others."""
    if not 0 < len(signature.certificates) <= certificates.LONGEST:
        raise malformed(f"its signature names not one to {certificates.LONGEST} certificates")
    found = list(dict.fromkeys(certificates.read(text)[0] for text in signature.certificates))
    for leaf in found:
        others = [one for one in found if one is not leaf]
        if all(one.issuer != leaf.subject for one in others):
            return (leaf, *others)
    raise Denied("the certificates of a credential's signer are no chain", "have it issued anew")
