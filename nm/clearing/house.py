"""The clearing house: an authority that knows users and slices, and signs who may do what with which.

authority.pem          its key and certificate, a root
server.key server.pem  those of this machine's aggregate
roots/  revoked/       whom the aggregate trusts, and what it does no more (trust.py)
users/NAME/            what belongs to a user, to be handed over whole (wallet.py)
slices/NAME.pem        a slice's certificate; nobody has its key
"""

import re
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, RSAPublicKey
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import Certificate

from nm.clearing import files, identity, trust
from nm.clearing.identity import DAY, Life
from nm.clearing.wallet import Wallet
from nm.configkeys import host, is_mailbox
from nm.errors import Conflict, Invalid, NotFound
from nm.geni import certificates, making, privileges, times
from nm.geni.making import Holder
from nm.geni.privileges import Privileges
from nm.geni.urns import AUTHORITY, SLICE, USER, Urn

AUTHORITY_FILE, SERVER_KEY, SERVER_FILE = "authority.pem", "server.key", "server.pem"
USERS, SLICES = "users", "slices"
AUTHORITY_LIFE, SERVER_LIFE, USER_LIFE, SLICE_LIFE = 7300 * DAY, 1825 * DAY, 365 * DAY, 30 * DAY
LISTED = 3650 * DAY  # until a list of revoked certificates should be looked for anew

_SLICE = re.compile(r"[a-zA-Z0-9][-a-zA-Z0-9]{0,18}", re.ASCII)
_USER = re.compile(r"[a-zA-Z0-9][a-zA-Z0-9_.-]{0,63}", re.ASCII)


@dataclass(frozen=True)
class House:
    """The clearing house in that folder."""

    folder: Path

    # ---- itself

    def found(self, authority: str, hosts: Sequence[str], *, renew: bool = False) -> list[Path]:
        """The house is there, with a server that is called by these hosts; the files that were made.

        What is there already stays, but for the server's certificate when it is to be renewed. Conflict when
        the house is another authority's.
        """
        urn = _authority(authority)
        _check_hosts(hosts)
        files.folder(self.folder)
        with files.locked(self.folder):
            own, key, server = (self.folder / name for name in (AUTHORITY_FILE, SERVER_KEY, SERVER_FILE))
            root = self.folder / trust.ROOTS / f"{trust.name_of(urn)}{trust.ENDS}"
            made = [path for path in (own, key, server, root) if not path.exists()]
            if own in made:
                self._nothing_yet()
                files.create(own, _new_root(urn))
            holder = self.holder()
            if holder.urn != urn:
                raise Conflict(f"{own} is that of {holder.urn}", "name that authority, or another folder")
            if key in made:
                if server.exists():
                    raise Conflict(f"{key} is lost", f"put it back from a copy, or move {server} away, too")
                files.create(key, identity.text_of_key(identity.new_key()))
            if server in made:
                files.create(server, _server(holder, identity.load_key(key), hosts), files.PUBLIC)
            elif renew:
                files.replace(server, _server(holder, identity.load(server, key).key, hosts), files.PUBLIC)
                made.append(server)
            identity.load(server, key)
            for name in (trust.ROOTS, trust.REVOKED):
                files.folder(self.folder / name, 0o755)
            if root in made:
                files.create(root, making.pem(holder.chain[-1:]).encode(), files.PUBLIC)
        return made

    def _nothing_yet(self) -> None:
        """Conflict when there are traces of an authority that is lost: nobody would know the new one."""
        places = (self.folder / USERS, self.folder / SLICES)
        traces = [self.folder / SERVER_FILE, *(one for place in places for one in files.listed(place, ""))]
        if found := [path for path in traces if path.exists()]:
            raise Conflict(
                f"{self.folder / AUTHORITY_FILE} is lost, and {found[0]} is by it",
                "put it back from a copy; to begin anew, move the folder away",
            )

    def holder(self) -> Holder:
        """The authority. NotFound when there is none."""
        path = self.folder / AUTHORITY_FILE
        if not path.exists():
            raise NotFound(
                f"there is no clearing house in {self.folder}", "make one: nmctl geni init AUTHORITY"
            )
        return identity.load(path)

    @contextmanager
    def _changing(self) -> Iterator[Holder]:
        holder = self.holder()
        with files.locked(self.folder):
            yield holder

    # ---- users

    def wallet(self, user: str) -> Wallet:
        """What belongs to that user. Invalid when users cannot be called so."""
        if not _USER.fullmatch(user):
            hint = "use 1 to 64 letters, digits, dots, dashes and underscores, a letter or digit first"
            raise Invalid(f"{user[:70]!r} is no user's name", hint)
        return Wallet(self.folder / USERS / user)

    def user(self, name: str, life: Life, email: str = "", *, renew: bool = False) -> Wallet:
        """A user with a key, or (`renew`) one whose certificate is new. Conflict when there is one already.

        The key of one that was revoked is replaced, too.
        """
        made = self.wallet(name)
        if email and not is_mailbox(email):
            raise Invalid(f"{email[:70]!r} is no mail address", "give it as alice@example.org")
        with self._changing() as holder:
            old = identity.load(made.identity) if made.identity.exists() else None
            _is_new(f"user {name}", old is not None, renew)
            kept = old is not None and not self._is_revoked(old.chain[0])
            key = old.key if old is not None and kept else identity.new_key()
            urn = Urn(holder.urn.authority, USER, name)
            subject = identity.subject(urn, key.public_key(), _within(life, holder.chain), email=email)
            one = Holder(making.certificate(subject, holder), key)
            files.folder(made.folder.parent)
            files.folder(made.folder)
            files.replace(made.roots, making.pem(holder.chain[-1:]).encode(), files.PUBLIC)
            every = dict.fromkeys(sorted(privileges.DEFAULTS[USER]), False)
            ends = certificates_end(one.chain)
            said = making.credential(one.chain, one.chain, every, ends, holder)
            files.replace(made.user_credential, said.encode())
            _write = files.replace if old is not None else files.create
            _write(made.identity, identity.text_of(one))  # the last: whoever has it has all
        return made

    # ---- slices

    def slice_file(self, name: str) -> Path:
        """Where that slice's certificate is. Invalid when slices cannot be called so."""
        if not _SLICE.fullmatch(name):
            hint = "use 1 to 19 letters, digits and dashes, no dash first"
            raise Invalid(f"{name[:70]!r} is no slice's name", hint)
        return self.folder / SLICES / f"{name.lower()}.pem"

    def slice(self, name: str, life: Life, *, renew: bool = False) -> tuple[Urn, float]:
        """A slice, or (`renew`) one that lasts longer; and its end. Conflict when there is one already."""
        with self._changing() as holder:
            path = self.slice_file(name)
            old = identity.chain_of(path) if path.exists() else None
            _is_new(f"slice {name}", old is not None, renew, "nmctl geni credential lets people use it")
            key = old[0].public_key() if old else identity.new_key().public_key()
            if not isinstance(key, RSAPublicKey):
                raise Conflict(f"{path} was made by somebody else", "make a slice of another name")
            urn = certificates.urn_of(old[0]) if old else Urn(holder.urn.authority, SLICE, name)
            chain = making.certificate(identity.subject(urn, key, _within(life, holder.chain)), holder)
            files.folder(path.parent)
            (files.replace if old else files.create)(path, making.pem(chain).encode(), files.PUBLIC)
        return urn, certificates_end(chain)

    # ---- credentials

    def credential(
        self,
        owner: Sequence[Certificate],
        slice_name: str,
        until: float | None,
        rights: Privileges | None = None,
    ) -> tuple[str, float]:
        """What says that the owner may do that with the slice; and its end.

        `until`: as long as both certificates last when None. Invalid when that is over, or later than that,
        or for a privilege that there is none.
        """
        if unknown := sorted({*(rights or ())} - {*privileges.GRANTS, privileges.EVERY}):
            raise Invalid(
                f"there is no privilege {unknown[0][:70]}", f"there are {', '.join(privileges.GRANTS)}"
            )
        holder = self.holder()
        path = self.slice_file(slice_name)
        if not path.exists():
            raise NotFound(f"there is no slice {slice_name}", f"nmctl geni slice {slice_name}")
        target = identity.chain_of(path)
        for one in (owner[0], target[0]):
            if one.issuer == holder.chain[0].subject and self._is_revoked(one):
                raise Conflict(f"{certificates.urn_of(one)} is revoked", "--renew makes it anew")
        latest = min(certificates_end(owner), certificates_end(target))
        ends = latest if until is None else until
        if latest <= time.time():
            raise Conflict(f"slice {slice_name} or its user has ended", "renew it: --renew")
        if not time.time() < ends <= latest:
            hint = f"it can last until {times.render(latest)}; --renew makes slices and users last longer"
            raise Invalid(f"{times.render(ends)} is no end of a credential", hint)
        may = rights or dict.fromkeys(sorted(privileges.DEFAULTS[SLICE]), True)
        return making.credential(owner, target, may, ends, holder), ends

    # ---- what counts no more

    def revoke(self, chain: Sequence[Certificate]) -> bool:
        """The aggregate takes that certificate no more; whether it took it before.

        Invalid when it is not by this house.
        """
        with self._changing() as holder:
            if chain[0].issuer != holder.chain[0].subject or chain[0] in holder.chain:
                hint = "its own authority revokes it; `nmctl geni untrust` drops an authority whole"
                raise Invalid(f"{certificates.urn_of(chain[0])} is not by {holder.urn}", hint)
            before = self._revoked()
            if chain[0].serial_number in before:
                return False
            now = time.time()
            made = making.revocation(holder, [*before, chain[0].serial_number], now, now + LISTED)
            files.folder(self.folder / trust.REVOKED, 0o755)
            files.replace(self._list(), made.public_bytes(Encoding.PEM), files.PUBLIC)
        return True

    def _list(self) -> Path:
        return self.folder / trust.REVOKED / f"{trust.name_of(self.holder().urn)}{trust.ENDS}"

    def _revoked(self) -> list[int]:
        """The numbers of the certificates that this house has revoked."""
        path = self._list()
        if not path.exists():
            return []
        found = certificates.revocations([(str(path), files.read(path))])
        return [one.serial_number for revoked in found for one in revoked]

    def _is_revoked(self, one: Certificate) -> bool:
        return one.serial_number in self._revoked()

    # ---- what there is

    def members(self) -> Iterator[dict[str, object]]:
        """Every user and slice: {kind, name, urn, ends, revoked}."""
        self.holder()
        revoked = self._revoked()
        kinds: tuple[tuple[str, str, Callable[[Path], Path]], ...] = (
            ("user", USERS, lambda path: Wallet(path).identity),
            ("slice", SLICES, lambda path: path),
        )
        for kind, place, file in kinds:
            for path in files.listed(self.folder / place, ""):
                if not file(path).exists():
                    continue
                one = identity.chain_of(file(path))[0]
                urn = certificates.urn_of(one)
                yield {
                    "kind": kind,
                    "name": urn.name,
                    "urn": str(urn),
                    "ends": one.not_valid_after_utc.timestamp(),
                    "revoked": one.serial_number in revoked,
                }


def certificates_end(chain: Sequence[Certificate]) -> float:
    """When the first of them has ended that does."""
    return min(one.not_valid_after_utc.timestamp() for one in chain)


def _within(life: Life, chain: Sequence[Certificate]) -> Life:
    """That life, but not beyond its issuer's."""
    latest = certificates_end(chain)
    if life.ends > latest:
        raise Invalid("it would last longer than the authority", f"until {times.render(latest)} at most")
    return life


def _authority(name: str) -> Urn:
    try:
        return Urn(name, AUTHORITY, "ca")
    except Invalid:
        hint = "give it as lab.example.org, or as lab.example.org:rack2"
        raise Invalid(f"{name[:70]!r} is no authority's name", hint) from None


def _check_hosts(names: Sequence[str]) -> None:
    for name in names:
        if host(name) is not None:
            hint = "give it as am.example.org, or as 192.0.2.7"
            raise Invalid(f"{name[:70]!r} is no host's name or address", hint)


def _is_new(what: str, there: bool, renew: bool, also: str = "") -> None:
    if there and not renew:
        raise Conflict(
            f"there is a {what} already", "; ".join(filter(None, ("--renew makes it last longer", also)))
        )
    if renew and not there:
        raise NotFound(f"there is no {what}", "make it without --renew")


def _new_root(urn: Urn) -> bytes:
    key = identity.new_key()
    life = Life.of(AUTHORITY_LIFE)
    return identity.text_of(making.root(identity.subject(urn, key.public_key(), life, issues=True), key))


def _server(holder: Holder, key: RSAPrivateKey, hosts: Sequence[str]) -> bytes:
    urn = Urn(holder.urn.authority, AUTHORITY, "am")
    life = _within(Life.of(SERVER_LIFE), holder.chain)
    chain = making.certificate(identity.subject(urn, key.public_key(), life, hosts=tuple(hosts)), holder)
    return making.pem(chain).encode()
