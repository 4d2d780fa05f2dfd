"""Wallets: a folder with what belongs to one user.

identity.pem    the key, and the chain of certificates that says whose it is
roots.pem       the authority's certificate, by which servers are known
usercred.xml    the credential of the user
NAME-cred.xml   that of a slice
"""

import json
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

from nm.clearing import files
from nm.clearing.identity import Chain
from nm.errors import Conflict, Denied, Invalid, NotFound
from nm.geni import credentials, documents, making, privileges, times, urns
from nm.geni.making import Holder
from nm.geni.urns import Urn


@dataclass(frozen=True)
class Credential:
    """A credential as a text, and what it says of itself; aggregates find out whether that holds."""

    text: str
    target: Urn
    expires: float


@dataclass(frozen=True)
class Wallet:
    """That of the user to whom the folder belongs."""

    folder: Path

    @property
    def identity(self) -> Path:
        """Key and certificates."""
        return self.folder / "identity.pem"

    @property
    def roots(self) -> Path:
        """By whom servers are known."""
        return self.folder / "roots.pem"

    @property
    def user_credential(self) -> Path:
        """The user's own."""
        return self.folder / "usercred.xml"

    def slice_credential(self, name: str) -> Path:
        """That of the slice of this name."""
        return self.folder / f"{name.lower()}-cred.xml"


def credential(path: Path) -> Credential:
    """The credential in that file, which holds the document, or the struct in which omni keeps it."""
    text = files.read(path).decode(errors="replace").strip()
    if text.startswith("{"):
        text = _unwrapped(path, text)
    try:
        said = documents.parse(text).find("credential")
        fields = (
            []
            if said is None
            else [(said.findtext(name) or "").strip() for name in ("target_urn", "expires")]
        )
        if len(fields) == 2:
            return Credential(text, urns.parse(fields[0]), times.parse(fields[1]))
    except (Denied, Invalid) as error:
        raise Conflict(f"{path} holds no credential: {error.message}", _HINT) from None
    raise Conflict(f"{path} holds no credential", _HINT)


_HINT = "give a credential of GENI's, as an authority issued it"


def _unwrapped(path: Path, text: str) -> str:
    try:
        return str(json.loads(text)["geni_value"])
    except (ValueError, LookupError, TypeError):
        raise Conflict(f"{path} holds no credential", _HINT) from None


def for_slice(wallet: Wallet, name: str, file: Path | None) -> Credential:
    """The credential of that slice (a name, or a URN), from that file, or from the wallet."""
    urn = urns.parse(name) if urns.is_geni(name) else None
    short = urn.name if urn else name
    if file is None and (
        "/" in short or short.startswith(".") or not wallet.slice_credential(short).exists()
    ):
        hint = "name its file with --slicecredfile, or put it there"
        raise NotFound(f"there is no credential for slice {name} in {wallet.folder}", hint)
    found = credential(file or wallet.slice_credential(short))
    if (urn and urn != found.target) or found.target.name.lower() != short.lower():
        hint = "name the credential of that slice with --slicecredfile"
        raise Conflict(f"the credential is for {found.target}", hint)
    return found


def passed_on(
    given: Credential, owner: Holder, to: Chain, rights: Collection[str], until: float | None
) -> tuple[str, float]:
    """A credential made of that one by its owner, for somebody else, who cannot pass it on; and its end.

    `rights`: privileges that go with it, all that may go when none are named. `until`: as long as it can
    be when None. Invalid when more is given than there is.
    """
    parent = credentials.parse(given.text, sha1=True)[0]
    if parent.owner != owner.urn:
        raise Invalid(f"the credential is {parent.owner}'s, not {owner.urn}'s", "its owner can pass it on")
    may = [name for name, may in privileges.expanded(parent.privileges, parent.target.type).items() if may]
    if missing := sorted({*rights} - {*may}) or ([] if may else ["anything"]):
        hint = f"what may be passed on: {', '.join(sorted(may)) or 'nothing'}"
        raise Invalid(f"{', '.join(missing)} may not be passed on", hint)
    latest = min(parent.expires, to[0].not_valid_after_utc.timestamp())
    ends = latest if until is None else until
    if ends > latest:
        raise Invalid(f"{times.render(ends)} is too late", f"it can last until {times.render(latest)}")
    passed = dict.fromkeys(sorted(rights or may), False)
    return making.passed_on(given.text, to, passed, ends, owner), ends
