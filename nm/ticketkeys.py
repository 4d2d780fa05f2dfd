"""The keys whose signatures on tickets count: files in a folder of root's. Rim; called by the tickets' desk.

One that cannot be used is left out and logged, and the others count: so a key that has ended does not end the
others. No folder, no keys, no tickets.
"""

import logging
from pathlib import Path

from nm import signatures
from nm.keyfolder import KeyFolder
from nm.signatures import Trusted

ENDINGS = (".asc", ".gpg", ".pgp", ".pem")


class TicketKeys:
    """The keys of one folder."""

    def __init__(self, folder: str | Path) -> None:
        self._folder = KeyFolder(folder, ENDINGS, _understood, logging.getLogger("nm.tickets"))

    def now(self) -> Trusted:
        """The keys that count now. NMError when others than root may write to the folder."""
        found = self._folder.now()
        return Trusted(
            tuple(key for one in found for key in one.openpgp),
            tuple(key for one in found for key in one.x509),
        )


def _understood(name: str, content: bytes) -> Trusted:
    return signatures.trusted([(name, content)])
