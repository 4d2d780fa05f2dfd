"""The SSH keys by which head nodes call the API: made, not stored (madekeys.py).

A key follows from the account's name and its incarnation, so a head node's next account has another key. The
database holds nothing of it: the seed asks for the private half when it writes a disk, the accounts' hand
for the public one.
"""

from pathlib import Path

from nm.madekeys import MadeKeys

FILE = "headkeys.secret"


class HeadKeys:
    """Keys of the head nodes' accounts."""

    def __init__(self, folder: str | Path) -> None:
        self._keys = MadeKeys(folder, FILE, "head nodes get new keys at their next deploy")

    def private(self, account: str, incarnation: int) -> str:
        """The private key as OpenSSH keeps it."""
        return self._keys.private(_use(account, incarnation))

    def public(self, account: str, incarnation: int) -> str:
        """The public key, as a line of authorized_keys."""
        return f"{self._keys.public(_use(account, incarnation))} {account}"


def _use(account: str, incarnation: int) -> str:
    return f"nm head node {incarnation} {account}"
