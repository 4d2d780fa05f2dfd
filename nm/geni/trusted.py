"""Whom a site trusts, out of its folders: authorities, and their lists of revoked certificates. Rim.

Both folders are looked at for each connection and each call, and read again when a file there has changed. An
authority whose file is no good does not count, and the others do; a list that cannot be read lets nobody in,
for in doubt somebody is revoked.
"""

import logging
import threading
from dataclasses import dataclass
from itertools import chain
from ssl import SSLContext

from nm import tls
from nm.configgeni import Geni
from nm.errors import NMError
from nm.geni import certificates
from nm.geni.certificates import Trust
from nm.keyfolder import KeyFolder

log = logging.getLogger("nm.geni")

ROOTS = (".pem", ".crt", ".cer")
LISTS = (".pem", ".crl", ".der")


@dataclass(frozen=True)
class Trusted:
    """Who counts, for credentials and for TLS."""

    trust: Trust
    tls: SSLContext


class Authorities:
    """Those of one configuration. Its lock guards what was made of the files."""

    def __init__(self, settings: Geni) -> None:
        self._settings = settings
        self._roots = KeyFolder(settings.roots, ROOTS, lambda *file: certificates.roots([file]), log)
        self._revoked = KeyFolder(
            settings.revoked, LISTS, lambda *file: certificates.revocations([file]), log, strict=True
        )
        self._lock = threading.Lock()
        self._made: tuple[object, Trusted] | None = None
        self._told = ""  # in the log: why nobody gets in

    def now(self) -> Trusted:
        """Who counts now. NMError when the folders, or the server's own certificate, are no good."""
        with self._lock:
            try:
                found = self._now()
            except NMError as error:
                if str(error) != self._told:  # once, and not for each stranger who knocks
                    log.error("it cannot be told whom this site trusts", extra={"why": str(error)})
                self._told = str(error)
                raise
            self._told = ""
            return found

    def _now(self) -> Trusted:
        files = self._roots.now(), self._revoked.now()
        if self._made is None or self._made[0] != files:
            roots, revoked = tuple(chain.from_iterable(files[0])), tuple(chain.from_iterable(files[1]))
            self._made = files, self._make(Trust(roots, revoked, self._settings.sha1))
        return self._made[1]

    def _make(self, trust: Trust) -> Trusted:
        found = self._settings
        if not trust.roots:
            log.warning("no authority is trusted, so nobody gets in", extra={"folder": found.roots})
        shown = certificates.to_der(trust.roots)
        return Trusted(trust, tls.context(found.certificate, found.server_key, shown, found.sha1))
