"""The SSH keys that nm makes from one secret, so that none of them is stored.

By them head nodes call the API, nm enters slivers' guests, and knows these. A key follows from the secret,
the name (an account's, a guest's) and its incarnation, so a head node's next account has another key. The
database holds nothing of it: the seed asks for the private half when it writes a disk, the accounts' hand for
the public one. Keys of one purpose tell nothing of those of another. Ground; the file is read once, at the
first key that is asked for.
"""

import os
import secrets
from contextlib import suppress
from pathlib import Path

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from nm.errors import DeviceFailed

SIZE = 32  # bytes of the secret, and of a key's own
FILE = "headkeys.secret"

HEAD_NODE = "head node"  # what keys are for
GUEST_HOST = "guest host"  # a guest's own key, by which it is known; of its domain, in its life
GUEST_ENTRY = "guest entry"  # nm's key, by which it enters; the same


class HeadKeys:
    """Keys of one purpose, by default the head nodes' accounts. Nothing here shows a secret in its repr."""

    def __init__(self, folder: str | Path, purpose: str = HEAD_NODE) -> None:
        self._folder = Path(folder)
        self._purpose = purpose
        self._secret: bytes | None = None

    def private(self, account: str, incarnation: int) -> str:
        """The private key as OpenSSH keeps it. Its text differs each time, the key in it does not."""
        return self._key(account, incarnation).private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.OpenSSH,
            serialization.NoEncryption(),
        ).decode()  # fmt: skip

    def public(self, account: str, incarnation: int) -> str:
        """The public key, as a line of authorized_keys."""
        line = self._key(account, incarnation).public_key().public_bytes(
            serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH
        )  # fmt: skip
        return f"{line.decode()} {account}"

    def _key(self, account: str, incarnation: int) -> Ed25519PrivateKey:
        if self._secret is None:
            self._secret = _secret(self._folder)
        info = f"nm {self._purpose} {incarnation} {account}".encode()
        seed = HKDF(hashes.SHA256(), SIZE, salt=None, info=info).derive(self._secret)
        return Ed25519PrivateKey.from_private_bytes(seed)


def _secret(folder: Path) -> bytes:
    """The one secret; made when there is none. It is on the disk before any key is made of it."""
    path = folder / FILE
    try:
        if not path.exists():
            _make(path)
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
        with open(descriptor, "rb") as file:
            found, open_to = file.read(SIZE + 1), os.fstat(descriptor).st_mode & 0o077
    except OSError as error:
        raise DeviceFailed(f"{path}: {error.strerror}", "let nmd read and write there") from None
    if open_to:
        raise DeviceFailed(f"{path} is open to others", f"chmod 600 {path}", passing=False)
    if len(found) != SIZE:
        raise DeviceFailed(
            f"{path} does not hold {SIZE} bytes",
            "put it back from a copy, or remove it: head nodes get new keys at their next deploy",
            passing=False,
        )
    return found


def _make(path: Path) -> None:
    """Whole or not at all: linked to its name when it is written, and never over another."""
    path.parent.mkdir(parents=True, exist_ok=True)
    new = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    try:
        descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        with open(descriptor, "wb") as file:
            file.write(secrets.token_bytes(SIZE))
            file.flush()
            os.fsync(descriptor)
        with suppress(FileExistsError):
            os.link(new, path)
    finally:
        new.unlink(missing_ok=True)
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
