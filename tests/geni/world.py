"""A small federation for these tests: two roots, authorities beneath, users and slices, and who asks."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cache
from typing import Any

from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from lxml import etree

from nm.geni import authorisation, making, urns, xmlsignature
from nm.geni.authorisation import Grant
from nm.geni.certificates import Trust
from nm.geni.making import Holder, Subject
from nm.geni.urns import Urn

NOW = 1_900_000_000.0
HOUR, DAY = 3600, 86400
IDN = "urn:publicid:IDN+"
SLICE = f"{IDN}lab:proj+slice+one"


@cache
def key(name: str) -> rsa.RSAPrivateKey:
    """The key of that name; made once, for that takes a while."""
    return rsa.generate_private_key(65537, 2048)


def urn(rest: str) -> Urn:
    return urns.parse(IDN + rest)


def subject(rest: str, name: str = "", **more: Any) -> Subject:
    """For whom a certificate is made, with the key of that name, or of its own."""
    serial = int.from_bytes(rest.encode()[-8:]) >> 1
    times = {"serial": serial, "begins": NOW - 30 * DAY, "ends": NOW + 30 * DAY}
    return Subject(urn(rest), key(name or rest).public_key(), **{**times, **more})


@cache
def root(rest: str) -> Holder:
    return making.root(subject(rest, issues=True), key(rest))


@cache
def holder(issuer: Holder, rest: str, name: str = "", **more: Any) -> Holder:
    return Holder(making.certificate(subject(rest, name, **more), issuer), key(name or rest))


LAB = root("lab+authority+ca")
OTHER = root("other+authority+ca")
PROJECTS = holder(LAB, "lab:proj+authority+sa", issues=True)  # an authority beneath
SIGNER = holder(LAB, "lab+authority+sa")  # one that signs credentials, and issues no certificates
ALICE = holder(LAB, "lab+user+alice", email="alice@example.org", uuid="6a4d6f8a-0000-4000-8000-000000000001")
BOB = holder(OTHER, "other+user+bob")
MALLORY = holder(LAB, "lab+user+mallory")
ONE = holder(PROJECTS, "lab:proj+slice+one")
TWO = holder(PROJECTS, "lab:proj+slice+two", "lab:proj+slice+one")
TRUST = Trust((LAB.chain[0], OTHER.chain[0]))


def pem_of(private: rsa.RSAPrivateKey) -> str:
    return private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


def der(who: Holder) -> tuple[bytes, ...]:
    return tuple(one.public_bytes(Encoding.DER) for one in who.chain)


def issued(
    owner: Holder = ALICE,
    target: Holder = ONE,
    privileges: Mapping[str, bool] | None = None,
    expires: float = NOW + HOUR,
    signer: Holder = SIGNER,
    sha1: bool = False,
) -> str:
    """A credential that is good, but for what is asked for."""
    may = {"*": True} if privileges is None else privileges
    return making.credential(owner.chain, target.chain, may, expires, signer, sha1)


def passed(
    text: str = "",
    owner: Holder = BOB,
    privileges: Mapping[str, bool] | None = None,
    expires: float = NOW + HOUR,
    signer: Holder = ALICE,
) -> str:
    """That one, passed on from Alice to Bob, but for what is asked for."""
    may = {"control": False} if privileges is None else privileges
    return making.passed_on(text or issued(), owner.chain, may, expires, signer)


def edited(text: str, *changes: tuple[str, str], signer: Holder = SIGNER) -> str:
    """That credential with other words, its first signature made anew, as a careless authority would."""
    return signed_anew(replaced(text, *changes), signer)


def replaced(text: str, *changes: tuple[str, str]) -> str:
    for old, new in changes:
        assert old in text
        text = text.replace(old, new, 1)
    return text


def signed_anew(text: str, signer: Holder = SIGNER) -> str:
    root = etree.fromstring(text)
    xmlsignature.sign(root[-1][0], signer.key)
    return etree.tostring(root, encoding="unicode")


def element(text: str, name: str) -> str:
    """The first element of that name, with its tags."""
    start = text.index(f"<{name}")
    return text[start : text.index(f"</{name}>", start) + len(name) + 3]


@dataclass(frozen=True)
class Call:
    """One call that is judged; by default one that is granted."""

    credentials: Any = field(default_factory=lambda: [sfa(issued())])
    client: Holder = ALICE
    chain: tuple[bytes, ...] | None = None  # instead of the client's own
    target: str | None = SLICE
    operation: str = "Allocate"
    now: float = NOW
    trust: Trust = TRUST

    def judged(self) -> Grant:
        chain = der(self.client) if self.chain is None else self.chain
        return authorisation.authorised(
            self.credentials, chain, self.target, self.operation, self.now, self.trust
        )

    def but(self, **changes: Any) -> "Call":
        return replace(self, **changes)


def call(text: str, **more: Any) -> Call:
    return Call(credentials=[sfa(text)], **more)


def sfa(text: Any, version: Any = "3", kind: str = "geni_sfa") -> dict[str, Any]:
    return {"geni_type": kind, "geni_version": version, "geni_value": text}
