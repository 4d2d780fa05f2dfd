"""SSH keys that are made from one secret, so that none of them is stored.

A key follows from the secret and from a text that says what it is for. Ground; the file with the secret is
read once, at the first key that is asked for. Who makes which keys say headkeys.py and guestkeys.py.
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


class MadeKeys:
    """Keys of the secret in that file of a folder. Nothing here shows a secret in its repr.

    `lost` says what it means to remove the file: its keys are made anew from another secret.
    """

    def __init__(self, folder: str | Path, file: str, lost: str) -> None:
        self._path = Path(folder) / file
        self._lost = lost
        self._secret: bytes | None = None

    def private(self, use: str) -> str:
        """The private key as OpenSSH keeps it. Its text differs each time, the key in it does not."""
        return self._key(use).private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.OpenSSH,
            serialization.NoEncryption(),
        ).decode()  # fmt: skip

    def public(self, use: str) -> str:
        """The public key: its type, and the text."""
        return self._key(use).public_key().public_bytes(
            serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH
        ).decode()  # fmt: skip

    def _key(self, use: str) -> Ed25519PrivateKey:
        if self._secret is None:
            self._secret = _secret(self._path, self._lost)
        seed = HKDF(hashes.SHA256(), SIZE, salt=None, info=use.encode()).derive(self._secret)
        return Ed25519PrivateKey.from_private_bytes(seed)


def _secret(path: Path, lost: str) -> bytes:
    """The one secret; made when there is none. It is on the disk before any key is made of it."""
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
            f"put it back from a copy, or remove it: {lost}",
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
