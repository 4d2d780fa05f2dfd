"""One request over HTTPS and its answer, whole and in time, or an error that says what was wrong.

http.client's time-outs are of silence only, so an answer that drips would never end. Here the whole has its
time as well: when that is over the connection is cut, in whatever it was, and so it is when the daemon ends.
Certificates are always checked, no proxy and no redirection is followed.
"""

import http.client
import re
import socket
import ssl
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import NamedTuple
from urllib.parse import urlsplit

from nm.errors import DeviceFailed, Invalid

_CHUNK = 1 << 16
_PLAIN = re.compile("[!-~]+")


class Cut:
    """Ends the exchanges that were given it: those that are going on, and those that would begin."""

    def __init__(self) -> None:
        self.made = False
        self._lock = threading.Lock()
        self._watches: set[Watch] = set()

    def make(self) -> None:
        """End them."""
        with self._lock:
            self.made = True
            watches = list(self._watches)
        for watch in watches:
            watch.cut()

    @contextmanager
    def over(self, watch: "Watch") -> Iterator[None]:
        """This exchange is going on."""
        with self._lock:
            self._watches.add(watch)
        try:
            if self.made:
                watch.cut()
            yield
        finally:
            with self._lock:
                self._watches.discard(watch)


@dataclass(frozen=True)
class Limits:
    """How long, and how much."""

    silence: float = 30.0  # seconds
    total: float = 300.0  # seconds
    largest: int = 64 << 20  # bytes of an answer
    cut: Cut = field(default_factory=Cut, compare=False)


class Answer(NamedTuple):
    """What came back."""

    body: bytes
    headers: Mapping[str, str]


@dataclass(frozen=True)
class Place:
    """Where to ask. `ca`: the file of the authorities' certificates; None: those that the system trusts."""

    host: str
    port: int
    path: str
    ca: str | None = None

    def __str__(self) -> str:
        return f"{self.host}:{self.port}"


def parse_place(address: str, ca: str | None = None) -> Place:
    """The place of an address as https://plc.example.org/PLCAPI/; Invalid for any other."""
    try:
        parts = urlsplit(address if _PLAIN.fullmatch(address) else "")
        port = parts.port or 443
    except ValueError:
        parts, port = urlsplit(""), 0
    if parts.scheme != "https" or not parts.hostname or parts.username is not None or parts.fragment:
        raise Invalid(
            f"{address[:100]!r} is no address of a source", "give it as https://HOST/PATH, without a user"
        )
    query = f"?{parts.query}" if parts.query else ""
    return Place(parts.hostname, port, f"{parts.path or '/'}{query}", ca)


class Watch:
    """Cuts a connection when its time is over.

    It has a hold of its own on the connection, so it cuts whatever the connection is wrapped in by then.
    """

    def __init__(self, seconds: float) -> None:
        self.over = False
        self._hold: socket.socket | None = None
        self._lock = threading.Lock()
        self._timer = threading.Timer(seconds, self.cut)
        self._timer.daemon = True
        self._timer.start()

    def over_to(self, connection: socket.socket) -> None:
        """This is the connection now."""
        with self._lock:
            self._let_go()
            self._hold = connection.dup()
        if self.over:
            self.cut()

    def cut(self) -> None:
        """Its time is over now."""
        with self._lock:
            self.over = True
            if self._hold is not None:
                with suppress(OSError):  # it is cut already
                    self._hold.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        """It ended by itself."""
        self._timer.cancel()
        self._timer.join()
        with self._lock:
            self._let_go()

    def _let_go(self) -> None:
        if self._hold is not None:
            self._hold.close()
            self._hold = None


def exchange(place: Place, limits: Limits, body: bytes | None = None, kind: str = "text/xml") -> Answer:
    """Send the body, or ask for the page where there is none. DeviceFailed when no whole answer came."""
    with watched(place, limits) as watch, _connected(place, limits, watch) as connection:
        headers = {"Host": _host(place), "Connection": "close", "User-Agent": "nm"}
        if body is not None:
            headers["Content-Type"] = kind
        connection.request("GET" if body is None else "POST", place.path, body, headers)
        response = connection.getresponse()
        if response.status != 200:
            raise DeviceFailed(
                f"{place} answers with status {response.status}",
                "see the address, and that its API runs there",
            )
        whole = _whole(place, response, limits)
        if watch.over:  # an answer that does not say its length ends where it was cut
            raise TimeoutError
        return Answer(whole, dict(response.getheaders()))


@contextmanager
def watched(place: Place, limits: Limits) -> Iterator[Watch]:
    """Over all that is said to that place. What goes wrong meanwhile is a DeviceFailed that says what."""
    watch = Watch(limits.total)
    try:
        with limits.cut.over(watch):
            yield watch
    except ssl.SSLCertVerificationError as error:
        why = error.verify_message or "it is for another name"
        raise DeviceFailed(
            f"{place} shows a certificate that cannot be verified: {why}",
            "see it, the address, this machine's clock, and the authority's file; nothing was sent",
            passing=False,
        ) from None
    except (OSError, http.client.HTTPException, UnicodeError) as error:
        raise _failed(place, limits, watch, error) from None
    finally:
        watch.close()


def _failed(place: Place, limits: Limits, watch: Watch, error: Exception) -> DeviceFailed:
    if limits.cut.made:
        return DeviceFailed(f"{place} was not waited for: nmd ends", "it is asked again later")
    if watch.over:
        return DeviceFailed(f"{place} took more than {limits.total:g} s", "it is asked again later")
    if isinstance(error, TimeoutError):
        return DeviceFailed(f"{place} was silent for {limits.silence:g} s", "it is asked again later")
    cut = isinstance(error, ssl.SSLError) and error.reason == "UNEXPECTED_EOF_WHILE_READING"
    if cut or isinstance(error, http.client.HTTPException | ConnectionResetError | ssl.SSLEOFError):
        return DeviceFailed(f"{place} ended its answer before it was whole", "it is asked again later")
    if isinstance(error, ssl.SSLError):
        return DeviceFailed(f"{place}: no TLS: {error.reason}", "see whether it speaks TLS")
    words = error.strerror if isinstance(error, OSError) and error.strerror else type(error).__name__
    return DeviceFailed(
        f"{place} cannot be reached: {words}", "see the network and the address; it is asked again"
    )


@contextmanager
def _connected(place: Place, limits: Limits, watch: Watch) -> Iterator[http.client.HTTPConnection]:
    context = secured(place)
    with reached(place, limits, watch) as plain, safe(plain, context, place) as secure:
        connection = http.client.HTTPConnection(place.host, place.port)
        connection.sock = secure
        yield connection


def safe(plain: socket.socket, context: ssl.SSLContext, place: Place) -> ssl.SSLSocket:
    """The connection in TLS."""
    secure = context.wrap_socket(
        plain, server_hostname=place.host, do_handshake_on_connect=False, suppress_ragged_eofs=False
    )
    try:
        secure.do_handshake()
    except OSError:
        secure.close()
        raise
    return secure


def reached(place: Place, limits: Limits, watch: Watch) -> socket.socket:
    """A connection to the first of the host's addresses that takes one. It can be cut while it is made."""
    failure: OSError | None = None
    for family, kind, number, _, address in socket.getaddrinfo(
        place.host, place.port, type=socket.SOCK_STREAM
    ):
        plain = socket.socket(family, kind, number)
        try:
            plain.settimeout(min(limits.silence, limits.total))
            watch.over_to(plain)
            plain.connect(address)
            if watch.over:  # it was cut before there was anything to cut
                raise TimeoutError
        except OSError as error:
            plain.close()
            failure = error
            if watch.over:
                break
        else:
            return plain
    raise failure or OSError("no address")


def secured(place: Place) -> ssl.SSLContext:
    """Certificates and names are checked; an answer ends where TLS says so, not where somebody cuts it."""
    try:
        context = ssl.create_default_context(cafile=place.ca)
    except OSError as error:  # a file with no certificate in it is an error of TLS, which is one of these
        raise DeviceFailed(
            f"{place.ca} cannot be used as the authorities' certificates: {error.strerror or error}",
            "put the certificate of the source's authority there, as PEM",
            passing=False,
        ) from None
    context.options &= ~ssl.OP_IGNORE_UNEXPECTED_EOF
    return context


def _host(place: Place) -> str:
    host = f"[{place.host}]" if ":" in place.host else place.host
    return host if place.port == 443 else f"{host}:{place.port}"


def _whole(place: Place, response: http.client.HTTPResponse, limits: Limits) -> bytes:
    parts, size = [], 0
    while part := response.read(_CHUNK):
        parts.append(part)
        size += len(part)
        if size > limits.largest:
            raise DeviceFailed(f"{place} answers with more than {limits.largest} bytes", passing=False)
    if response.length:
        raise http.client.IncompleteRead(b"", response.length)
    return b"".join(parts)
