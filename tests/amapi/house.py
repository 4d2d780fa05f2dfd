"""A clearing house of these tests, in time: a root, a slice authority, people, and what they are given."""

import time
from functools import cache
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import CertificateRevocationList

from nm.geni import making, times, urns
from nm.geni.making import Holder, Subject, pem
from tests.geni.world import key, pem_of

DAY = 86400
NOW = time.time()
IDN = "urn:publicid:IDN+"
AUTHORITY = "example.org:lab"


def _subject(rest: str, key_name: str, **more: Any) -> Subject:
    usual: dict[str, Any] = {"begins": NOW - DAY, "ends": NOW + 90 * DAY}
    serial = int.from_bytes(rest.encode()[-8:]) >> 1
    return Subject(urns.parse(IDN + rest), key(key_name).public_key(), serial, **{**usual, **more})


@cache
def root(name: str = "example.org") -> Holder:
    return making.root(_subject(f"{name}+authority+ca", name, issues=True), key(name))


@cache
def holder(rest: str, key_name: str = "", above: Holder | None = None, **more: Any) -> Holder:
    """Somebody for whom that authority vouches. Few keys are made, for that takes a while."""
    name = key_name or rest
    return Holder(making.certificate(_subject(rest, name, **more), above or root()), key(name))


def authority() -> Holder:
    """The slice authority, which issues certificates, too."""
    return holder("example.org:sa+authority+sa", issues=True)


def person(name: str = "alice") -> Holder:
    return holder(f"example.org:sa+user+{name}", "person", authority(), email=f"{name}@example.org")


def slice_of(name: str) -> Holder:
    return holder(f"example.org:sa+slice+{name}", "slice", authority())


def slice_urn(name: str) -> str:
    return f"{IDN}example.org:sa+slice+{name}"


def credential(
    who: Holder | None = None,
    target: Holder | None = None,
    privileges: dict[str, bool] | None = None,
    expires: float = NOW + 30 * DAY,
    signer: Holder | None = None,
    sha1: bool = False,
) -> str:
    """What says that somebody may do things with a slice, or is who it is."""
    owner = who or person()
    may = {"*": True} if privileges is None else privileges
    return making.credential(owner.chain, (target or owner).chain, may, expires, signer or authority(), sha1)


def later(seconds: float) -> str:
    """A time of so much later, as clients write it."""
    return times.render(time.time() + seconds)


def sfa(text: Any, version: Any = "3") -> dict[str, Any]:
    return {"geni_type": "geni_sfa", "geni_version": version, "geni_value": text}


def write_holder(folder: Path, who: Holder, name: str = "") -> tuple[Path, Path]:
    """Files with its chain and its key."""
    base = name or who.urn.name
    chain, private = folder / f"{base}.pem", folder / f"{base}.key"
    chain.write_text(pem(who.chain))
    private.write_text(pem_of(who.key))
    return chain, private


def crl_pem(made: CertificateRevocationList) -> bytes:
    return made.public_bytes(Encoding.PEM)


def server() -> Holder:
    return holder(f"{AUTHORITY}+authority+am", "server", root(), hosts=("localhost",))
