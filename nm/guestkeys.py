"""The SSH keys of slivers that are virtual machines: made, not stored (madekeys.py).

A guest has two pairs: by the one, nm enters it (`ssh SLIVER@HOST`); the other is the guest's own host key,
so that nm knows what it enters before it first does. The guest's seed brings the public half of the first and
both of the second. They follow from the sliver's account of that incarnation and from its disk's life: a
guest that is made anew has others, so nothing that a guest before it learned is of use.
"""

from dataclasses import dataclass
from pathlib import Path

from nm.madekeys import MadeKeys

FILE = "guestkeys.secret"


@dataclass(frozen=True)
class Guest:
    """Whose keys: the account (Unix name) and its incarnation (`id`), and the life of the sliver's disk."""

    account: str
    incarnation: int
    life: int


class GuestKeys:
    """Keys of guests. The texts of private keys differ each time, the keys in them do not."""

    def __init__(self, folder: str | Path) -> None:
        self._keys = MadeKeys(folder, FILE, "slivers that are virtual machines get new ones by ReCreate")

    def entry_private(self, guest: Guest) -> str:
        """The key by which nm enters."""
        return self._keys.private(_use("entry", guest))

    def entry_public(self, guest: Guest) -> str:
        """What belongs into authorized_keys of the guest's user."""
        return f"{self._keys.public(_use('entry', guest))} nm"

    def host_private(self, guest: Guest) -> str:
        """The guest's own host key, /etc/ssh/ssh_host_ed25519_key there."""
        return self._keys.private(_use("host", guest))

    def host_public(self, guest: Guest) -> str:
        """Its public half, which nm pins."""
        return self._keys.public(_use("host", guest))


def _use(which: str, guest: Guest) -> str:
    return f"nm guest {which} {guest.incarnation} {guest.life} {guest.account}"
