"""A connection to an aggregate manager of GENI's, API version 3, for any Python program: `Aggregate`.

XML-RPC over TLS, with a certificate of the caller's. It imports no room of the daemon. What an aggregate
answers is read behind the guard of nm.marshal: an aggregate is a stranger, too. It holds no lock; use one for
each thread.
"""

import http.client
import os
import ssl
import urllib.parse
import xmlrpc.client
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from nm import marshal
from nm.errors import Invalid, NMError

PORT = 8001
TIMEOUT = 120.0  # seconds without a byte
LONGEST = 1 << 26  # bytes of an answer
BUSY = 14
OURS = "nm"  # the type of aggregates as this project makes them

NAMES: Mapping[int, str] = dict(
    enumerate(
        (
            *("SUCCESS", "BADARGS", "ERROR", "FORBIDDEN", "BADVERSION", "SERVERERROR", "TOOBIG", "REFUSED"),
            *("TIMEDOUT", "DBERROR", "RPCERROR", "UNAVAILABLE", "SEARCHFAILED", "UNSUPPORTED", "BUSY"),
            *("EXPIRED", "INPROGRESS", "ALREADYEXISTS", "MISSINGARGS", "OUTOFRANGE", "CREDENTIAL_INVALID"),
            *("CREDENTIAL_EXPIRED", "CREDENTIAL_MISMATCH", "CREDENTIAL_SIGNER_UNTRUSTED"),
            *("VLAN_UNAVAILABLE", "INSUFFICIENT_BANDWIDTH", "INSUFFICIENT_NODES"),
        )
    )
)
"""GENI's codes, with those that were added later."""


class Unreachable(NMError):
    """No answer from the aggregate, or none of its kind."""

    code = 107


class Refused(NMError):
    """The aggregate did not do what it was asked. `geni`: its code; 2 where it has none."""

    def __init__(self, message: str, hint: str = "", geni: int = 2) -> None:
        super().__init__(message, hint)
        self.geni = geni


@dataclass(frozen=True)
class Self:
    """Who calls: the file of the certificates, and that of the key where it is another one."""

    certificate: Path
    key: Path | None = None


class Aggregate:
    """One aggregate. `roots`: files of the authorities that vouch for it; without any it is not verified."""

    def __init__(self, url: str, who: Self, roots: Sequence[Path] = (), timeout: float = TIMEOUT) -> None:
        """Invalid when the URL is none of HTTPS's, or a file does not hold what it should."""
        self.host, self.port, self.path = _parts(url)
        self.verified = bool(roots)
        self._timeout = timeout
        self._context = _context(who, roots)

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"https://{host}:{self.port}"

    def call(self, method: str, *arguments: Any) -> Any:
        """The value that the method answers. Refused when it failed, Unreachable when there was no answer."""
        answer = self._answer(method, arguments)
        if not isinstance(answer, dict):
            raise Unreachable(f"{self} answers {method} with no struct", "is it an aggregate of version 3?")
        code = answer.get("code")
        code = code if isinstance(code, dict) else {}
        number = code.get("geni_code")
        if type(number) is not int:
            raise Unreachable(f"{self} answers {method} without a code", "is it an aggregate of version 3?")
        if number:
            said, hint = str(answer.get("output") or "no reason given"), ""
            if code.get("am_type") == OURS:  # which says what to do behind what is wrong
                said, _, hint = said.partition("; ")
            name = NAMES.get(number, "unknown")
            raise Refused(f"{method}: {said} ({number} {name})", hint, number)
        return answer.get("value")

    def _answer(self, method: str, arguments: tuple[Any, ...]) -> Any:
        body = self._exchange(xmlrpc.client.dumps(arguments, method, encoding="utf-8").encode())
        try:
            return marshal.parse_answer(body)
        except xmlrpc.client.Fault as fault:
            raise Refused(f"{method}: {fault.faultString} (fault {fault.faultCode})") from None
        except (marshal.MalformedError, Invalid) as error:
            raise Unreachable(f"{self} does not answer in XML-RPC: {error}", "look at the URL") from None

    def _exchange(self, body: bytes) -> bytes:
        """The body of the answer to a request with that body."""
        link = http.client.HTTPSConnection(self.host, self.port, timeout=self._timeout, context=self._context)
        try:
            link.request("POST", self.path, body, {"Content-Type": "text/xml"})
            response = link.getresponse()
            found = response.read(LONGEST + 1)
        except ssl.SSLCertVerificationError as error:
            hint = "name its authority's certificate with --roots; --no-verify trusts it blindly"
            raise Unreachable(f"{self} is not whom it should be: {error.verify_message}", hint) from None
        except ssl.SSLError as error:
            hint = "the aggregate must trust the authority that your certificate is by"
            raise Unreachable(f"{self} hangs up: {error.reason or error}", hint) from None
        except (OSError, http.client.HTTPException) as error:
            said = getattr(error, "strerror", None) or str(error) or type(error).__name__
            raise Unreachable(
                f"no answer from {self}: {said.lower()}", "is it running? look at the URL"
            ) from None
        finally:
            link.close()
        if response.status in (http.client.SERVICE_UNAVAILABLE, http.client.GATEWAY_TIMEOUT):
            raise Refused(f"{self} is busy ({response.status} {response.reason})", "try later", BUSY)
        if response.status != http.client.OK:
            raise Unreachable(f"{self} answers {response.status} {response.reason}", "look at the URL")
        if len(found) > LONGEST:
            raise Unreachable(f"{self} answers more than {LONGEST} bytes", "ask for less")
        return found


def _parts(url: str) -> tuple[str, int, str]:
    try:
        parts = urllib.parse.urlsplit(url if "://" in url else f"https://{url}")
        host, port = parts.hostname, parts.port or PORT
    except ValueError:
        host = None
    if not host or parts.scheme != "https" or parts.username is not None:
        raise Invalid("this is not the URL of an aggregate", "give it as https://HOST:8001")
    return host, port, f"{parts.path or '/'}{'?' if parts.query else ''}{parts.query}"


def _context(who: Self, roots: Sequence[Path]) -> ssl.SSLContext:
    """How connections are secured. It is made from nothing: GENI's certificates are not those of browsers."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    if not roots:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN  # a root of GENI's may be below another authority
    for path in roots:
        _load(path, "no certificate of an authority", partial(context.load_verify_locations, path))
    key = who.key or who.certificate
    load = partial(context.load_cert_chain, who.certificate, key)
    _load(who.certificate, "no certificate with its key", load)
    return context


def _load(path: Path, lacking: str, load: Callable[[], object]) -> None:
    if not os.access(path, os.R_OK):
        raise Invalid(f"{path} is not there, or may not be read", "name another file")
    try:
        load()
    except (ssl.SSLError, OSError):
        hint = "give PEM; a key may be in a file of its own, and needs its passphrase"
        raise Invalid(f"{path} holds {lacking}", hint) from None
