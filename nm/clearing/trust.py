"""Whom this machine's aggregate trusts: roots and lists of revoked certificates, one file each, in folders.

The daemon reads these folders. A root's file is named by the authority.
"""

import hashlib
from dataclasses import dataclass
from pathlib import Path

from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import Certificate

from nm.clearing import files
from nm.errors import Invalid, NotFound
from nm.geni import certificates, making
from nm.geni.urns import Urn

ROOTS, REVOKED, ENDS = "roots", "revoked", ".pem"


@dataclass(frozen=True)
class Root:
    """One that is trusted."""

    path: Path
    certificate: Certificate

    @property
    def urn(self) -> Urn:
        """Who it is."""
        return certificates.urn_of(self.certificate)


def roots(folder: Path) -> list[Root]:
    """All that are trusted. Invalid when a file there holds no root."""
    found = []
    for path in files.listed(folder / ROOTS, ENDS):
        found += [Root(path, one) for one in certificates.roots([(str(path), files.read(path))])]
    return found


def trust(folder: Path, path: Path) -> list[Root]:
    """From now on the roots in that file are trusted; those that were new. Invalid when it holds none."""
    content = files.read(path)
    if b"PRIVATE KEY" in content:
        raise Invalid(f"{path} holds a private key", "give the authority's certificate alone")
    files.folder(folder)
    place = files.folder(folder / ROOTS, 0o755)
    with files.locked(place):
        known = {root.certificate for root in roots(folder)}
        made = []
        for one in certificates.roots([(str(path), content)]):
            if one not in known:
                made.append(_add(place, one))
                known.add(one)
    return made


def _add(place: Path, one: Certificate) -> Root:
    name = name_of(certificates.urn_of(one))
    path = place / f"{name}{ENDS}"
    if path.exists():  # the same authority has another certificate, too
        path = place / f"{name}-{fingerprint(one)[:8]}{ENDS}"
    files.create(path, making.pem([one]).encode(), files.PUBLIC)
    return Root(path, one)


def untrust(folder: Path, name: str) -> list[Root]:
    """The roots of that authority, URN or file are trusted no more. NotFound when there is none."""
    place = files.folder(folder / ROOTS, 0o755)
    with files.locked(place):
        known = roots(folder)
        paths = {root.path for root in known if name in _names(root)}
        if not paths:
            hint = "trusted are " + (", ".join(str(root.urn) for root in known) or "none")
            raise NotFound(f"no root {name} is trusted", hint)
        for path in paths:
            files.remove(path)
    return [root for root in known if root.path in paths]


def _names(root: Root) -> tuple[str, ...]:
    return str(root.urn), root.urn.authority, root.path.name, root.path.stem, str(root.path)


def name_of(urn: Urn) -> str:
    """The authority's name as that of a file."""
    return f"{urn.authority}+{urn.name}".replace(":", "+")


def fingerprint(one: Certificate) -> str:
    """SHA-256 of the certificate, in hexadecimal."""
    return hashlib.sha256(one.public_bytes(Encoding.DER)).hexdigest()
