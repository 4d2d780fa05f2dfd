"""One call of an aggregate: who calls, whom, with which credential, and what the options ask for."""

import os
import re
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nm.shell import times
from nm.shell.failures import (
    CONFLICT,
    DENIED,
    DEVICE,
    GENERAL,
    NOT_FOUND,
    UNREACHABLE,
    USAGE,
    Failure,
    Usage,
)
from nm.shell.offline import explained
from nm.shell.session import Session
from nm.shell.table import Options

if TYPE_CHECKING:
    from nm.amclient import Aggregate
    from nm.clearing.wallet import Credential, Wallet

WALLET = "~/.config/nm/geni"
STATUS_OF_CODE = {
    **dict.fromkeys((1, 18, 19), USAGE),
    **dict.fromkeys((3, 20, 21, 22, 23), DENIED),
    **dict.fromkeys((5, 8, 9, 10), DEVICE),
    **dict.fromkeys((7, 11, 14, 16, 17, 24, 25, 26), CONFLICT),
    12: NOT_FOUND,
}
"""nmctl's exit status for a code of GENI's; GENERAL for any other."""

_DAY = re.compile(r"\d{4}-?\d\d-?\d\d", re.ASCII)


@dataclass(frozen=True)
class Caller:
    """What is needed for a call, as the command line names it."""

    session: Session
    options: Options

    @property
    def wallet(self) -> "Wallet":
        """The caller's folder, by --wallet, NM_GENI_WALLET or the default."""
        from nm.clearing.wallet import Wallet

        named = self.options.wallet or os.environ.get("NM_GENI_WALLET") or WALLET
        return Wallet(Path(named).expanduser())

    @property
    def certificate(self) -> Path:
        """The file of the caller's certificate, mostly with its key."""
        return Path(self.options.cert) if self.options.cert else self.wallet.identity

    def call(self, method: str, *arguments: Any) -> Any:
        """The value that the aggregate answers. Failure when it refuses."""
        from nm import amclient

        try:
            with explained():
                aggregate = self._aggregate()
            return aggregate.call(method, *arguments)
        except amclient.Unreachable as error:
            raise Failure(error.message, error.hint, UNREACHABLE) from None
        except amclient.Refused as error:
            status = STATUS_OF_CODE.get(error.geni, GENERAL)
            raise Failure(error.message, error.hint, status, error.geni) from None

    def _aggregate(self) -> "Aggregate":
        """The aggregate. Says so when it is not verified."""
        from nm.amclient import TIMEOUT, Aggregate, Self

        options = self.options
        roots = [Path(name) for name in options.roots or ()]
        if not roots and self.wallet.roots.exists():
            roots = [self.wallet.roots]
        who = Self(self.certificate, Path(options.key) if options.key else None)
        timeout = self.session.timeout or TIMEOUT
        found = Aggregate(options.aggregate, who, [] if options.no_verify else roots, timeout)
        if not found.verified:
            self.session.output.note(f"{found} is not verified: --roots names who vouches for it")
        return found

    # ---- credentials

    def for_slice(self) -> "Credential":
        """That of the slice which the call is for."""
        from nm.clearing import wallet

        file = self.options.slicecredfile
        with explained():
            return wallet.for_slice(self.wallet, self.options.slice, Path(file) if file else None)

    def own(self) -> "Credential":
        """That of the caller; one for a slice does as well."""
        from nm.clearing import wallet

        file = self.options.usercredfile or self.options.slicecredfile
        with explained():
            return wallet.credential(Path(file) if file else self.wallet.user_credential)

    # ---- wishes

    def moment(self, text: str, credential: "Credential", cut: bool = False) -> str:
        """That time as GENI writes it. Failure when the credential ends before, unless with --devmode.

        `cut`: the aggregate is asked to give what can be had of it.
        """
        from nm.geni.times import render

        moment = _seconds(text, self.session.clock())
        if moment is None:
            if self.options.devmode:
                return text
            hint = "write 2030-12-31T23:59:59Z (without a zone it is in UTC), or +2h"
            raise Usage(f"{text!r} is no time", hint)
        if moment > credential.expires and not (cut or self.options.devmode):
            raise Failure(
                f"the credential for {credential.target} ends before, at {render(credential.expires)}",
                "have the slice renewed; --devmode asks for it all the same",
                CONFLICT,
            )
        return render(moment)

    def users(self) -> list[dict[str, Any]]:
        """Whose SSH keys are to be installed, and which."""
        keys: dict[str, list[str]] = {}
        for given in self.options.ssh_key or ():
            urn, _, file = given.rpartition("=")
            lines = [line.strip() for line in text_of(file).splitlines()]
            keys.setdefault(urn or self._urn(), []).extend(
                line for line in lines if line and not line.startswith("#")
            )
        return [{"urn": urn, "keys": found} for urn, found in keys.items()]

    def _urn(self) -> str:
        """Who calls."""
        from nm.clearing import identity
        from nm.geni import certificates

        with explained():
            return str(certificates.urn_of(identity.chain_of(self.certificate)[0]))


def _seconds(text: str, now: float) -> float | None:
    """Seconds since 1970; None when it is no time."""
    from nm.errors import Invalid
    from nm.geni.times import parse

    try:
        if text[:1] == "+" or (text.isdecimal() and not _DAY.fullmatch(text)):
            return times.when(text, now)
        if _DAY.fullmatch(text):
            digits = text.replace("-", "")
            text = f"{digits[:4]}-{digits[4:6]}-{digits[6:]}T00:00:00"
        return parse(text)
    except (Invalid, Usage):
        return None


def text_of(file: str) -> str:
    """What that file holds; - is stdin."""
    try:
        return sys.stdin.read() if file == "-" else Path(file).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        said = getattr(error, "strerror", None) or "it is not UTF-8"
        raise Usage(f"{file} cannot be read: {said}", "name another file") from None
