"""The gate of doors to the world: TLS, and whoever comes has a certificate that a root vouches for.

`context` makes what a door speaks by, `Guard` is the gate that the HTTP server (nm/http.py) is handed. Who a
certificate means is the door's business: it is given the whole chain. GENI's certificates fit no browser's
rules, so the context is made here from the ground up.
"""

import logging
import re
import socket
import ssl
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from nm.errors import Invalid, NMError
from nm.gate import Visitor

log = logging.getLogger(__name__)

_CIPHERS = "ECDHE+AESGCM:ECDHE+CHACHA20"
_DER = 2  # the library's ENCODING_DER
_LEVELS = {False: "@SECLEVEL=2", True: "@SECLEVEL=0"}  # only the lowest takes signatures over SHA-1


@dataclass(frozen=True)
class Guest:
    """Who calls: the address, and the chain that was shown, DER, the guest's own certificate first."""

    address: str
    chain: tuple[bytes, ...] = ()


class _Channel(ssl.SSLSocket):
    """One that another thread may shut down while its own is within the library."""

    def shutdown(self, how: int) -> None:
        """The kernel alone is told. The library's own way would leave a socket that speaks in the clear."""
        socket.socket.shutdown(self, how)


def context(certificate: str, key: str, roots: bytes, sha1: bool = False) -> ssl.SSLContext:
    """How a server speaks TLS. `certificate`, `key`: PEM files; `roots`: DER, one behind the other.

    `sha1`: whether guests' certificates may be signed over SHA-1. Invalid when the files are no good.
    """
    found = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    found.sslsocket_class = _Channel
    found.minimum_version = ssl.TLSVersion.TLSv1_2
    found.set_ciphers(f"{_CIPHERS}:{_LEVELS[sha1]}")
    # A resumed session would have no chain; one that is negotiated anew could change hands.
    found.options |= ssl.OP_NO_TICKET | ssl.OP_NO_RENEGOTIATION
    found.num_tickets = 0
    found.verify_mode = ssl.CERT_REQUIRED
    found.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN  # a root is who the site says, whoever signed it
    found.verify_flags &= ~ssl.VERIFY_X509_STRICT  # which wants identifiers of keys, and GENI has none
    if roots:
        found.load_verify_locations(cadata=roots)
    for path in (certificate, key):
        if not Path(path).is_file():
            raise Invalid(
                f"there is no file {path}",
                "put the server's certificate and key there; nmctl geni init makes those of GENI's door",
            )
    try:
        found.load_cert_chain(certificate, key, password=_no_password)
    except (OSError, ValueError) as error:
        hint = "give a chain and its key as PEM, the key without a password, and let nmd's user read both"
        raise Invalid(f"{certificate} and {key} do not serve for TLS: {_reason(error)}", hint) from None
    return found


def _no_password() -> str:
    return ""  # else a terminal would be asked


def _reason(error: Exception) -> str:
    """What the library says, in words."""
    said = getattr(error, "reason", None) or getattr(error, "strerror", None) or "they cannot be read"
    return str(said).lower().replace("_", " ")


class Guard:
    """The gate. A visitor's key is an address; `refused` is told of one that did not get in, and why."""

    def __init__(
        self, tls: Callable[[], ssl.SSLContext], refused: Callable[[str, str], None] = lambda *_: None
    ) -> None:
        """`tls` is asked for each visitor; what it cannot give is an NMError."""
        self._tls = tls
        self._refused = refused

    def greet(self, client: socket.socket) -> Visitor:
        """What follows is TLS."""
        address = str(client.getpeername()[0])
        try:
            tls = self._tls()
        except NMError as error:
            log.error("nobody gets in", extra={"why": str(error)})
            raise ConnectionAbortedError from error
        channel = tls.wrap_socket(client, server_side=True, do_handshake_on_connect=False)
        return Visitor(channel, address, plain=False)

    def enter(self, visitor: Visitor) -> None:
        """Shake hands. OSError when nobody vouches for the visitor, or it does not speak TLS."""
        try:
            cast("ssl.SSLSocket", visitor.channel).do_handshake()
        except ssl.SSLError as error:
            self._refused(str(visitor.key), _reason(error))
            raise

    def who(self, visitor: Visitor) -> Guest:
        """The address and the chain; there is none before the visitor has entered."""
        return Guest(str(visitor.key), _chain(cast("ssl.SSLSocket", visitor.channel)))

    def is_counted(self, visitor: Visitor) -> bool:
        """Everybody."""
        return True

    def comes_first(self, visitor: Visitor) -> bool:
        """Nobody."""
        return False

    def hosts(self, visitor: Visitor) -> re.Pattern[bytes] | None:
        """Whatever the server is called: who comes has shown a certificate."""
        return None


def _chain(channel: ssl.SSLSocket) -> tuple[bytes, ...]:
    """All certificates that the other side has shown, its own first."""
    if channel.version() is None:
        return ()
    if hasattr(channel, "get_unverified_chain"):  # Python 3.13
        return tuple(channel.get_unverified_chain())
    inner = cast(Any, channel)._sslobj
    shown = inner.get_unverified_chain() if inner is not None else None
    return tuple(one.public_bytes(_DER) for one in shown or ())
