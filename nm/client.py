"""A connection to nm's API for any Python program: `connect(address)`.

It stands alone: the standard library only, no room of the daemon, so that a script may take this
one file along; only an ssh:// address needs the package, and paramiko. Anyone may call it. It holds
no lock; use one proxy per thread.

    with connect() as nm:
        nm.CreateGroup("alpha", {"nodes": ["n1", "n2"]})
        nm.WaitJob(nm.Deploy("alpha"), 30)

Answers come in JSON, which is read in a thirtieth of the time, from a daemon that can, but not through ssh://.
What the daemon refuses is an xmlrpc.client.Fault (codes: api.md). A daemon that cannot be talked to
is Unreachable (one that has no room now is Busy), and an address of an unknown form is BadAddress; all say
what to do.
"""

import contextlib
import http.client
import json
import os
import re
import select
import socket
import urllib.parse
import xml.parsers.expat
import xmlrpc.client
from dataclasses import dataclass
from typing import Any

DEFAULT = "/run/nm/api.sock"
TIMEOUT = 75.0  # seconds without a byte: then the daemon is unreachable. More than the longest WaitJob
PORT = 812
FORMS = (
    "use a socket's path (/run/nm/api.sock), unix:///run/nm/api.sock, http://localhost:812, "
    "or ssh://ACCOUNT@HOST"
)
# No word in it can do harm among the words of a ProxyCommand, in which OpenSSH's configuration may put it.
SSH = re.compile(
    r"ssh://((?P<user>[a-z0-9_][a-z0-9_.+-]*)@)?((?P<host>[a-z0-9_][a-z0-9_.-]*)|\[(?P<host6>[0-9a-f:.]+)\])"
    r"(:(?P<port>[0-9]{1,5}))?/?",
    re.ASCII | re.IGNORECASE,
)
NO_ANSWER = (xml.parsers.expat.ExpatError, xmlrpc.client.ResponseError)  # what parsing something else raises
JSON = "application/json"


class ClientError(Exception):
    """What the client itself has to say: what is wrong, and what to do about it."""

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message, hint)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message}; {self.hint}" if self.hint else self.message


class BadAddress(ClientError):
    """The address has none of the forms that are understood."""


class Unreachable(ClientError):
    """No answer from the daemon. `sent`: the call may have been carried out all the same."""

    def __init__(self, message: str, hint: str = "", *, sent: bool = False) -> None:
        super().__init__(message, hint)
        self.sent = sent


class Busy(Unreachable):
    """The daemon has too many connections now. The call was not carried out."""


@dataclass(frozen=True)
class Address:
    """Where a daemon listens: the path of its socket, or a host and a TCP port, or an account there.

    An account is reached by SSH. `user` and `port` may be left to OpenSSH's configuration: empty, and 0.
    """

    path: str = ""
    host: str = ""
    port: int = PORT
    scheme: str = "http"
    user: str = ""

    def __str__(self) -> str:
        user = f"{self.user}@" if self.user else ""
        host = f"[{self.host}]" if ":" in self.host else self.host
        port = f":{self.port}" if self.port else ""
        return self.path or f"{self.scheme}://{user}{host}{port}"


def parse_address(text: str) -> Address:
    """The address in one of its written forms; BadAddress lists them."""
    scheme, separator, rest = text.partition("://")
    if not separator and text.startswith(("/", ".")):
        return Address(path=os.path.abspath(text))
    if scheme == "unix" and rest.startswith("/"):
        return Address(path=rest)
    if scheme == "http" and (address := _http_address(text)):
        return address
    if scheme == "ssh" and (address := _ssh_address(text)):
        return address
    if "@" in rest:  # what stands before it may be a password
        raise BadAddress("this is not the address of an nm daemon: none has a password", FORMS)
    raise BadAddress(f"{text!r} is not the address of an nm daemon", FORMS)


def _http_address(text: str) -> Address | None:
    try:
        parts = urllib.parse.urlsplit(text)
        port = parts.port or PORT
    except ValueError:
        return None
    if not parts.hostname or parts.path not in ("", "/", "/RPC2") or parts.query or parts.username:
        return None
    return Address(host=parts.hostname, port=port)


def _ssh_address(text: str) -> Address | None:
    found = SSH.fullmatch(text)
    if found is None or (port := int(found["port"] or 0)) > 65535:
        return None
    return Address("", found["host"] or found["host6"], port, "ssh", found["user"] or "")


def connect(
    address: str = DEFAULT,
    timeout: float = TIMEOUT,
    key_file: str | None = None,
    known_hosts: str | None = None,
) -> xmlrpc.client.ServerProxy:
    """A proxy whose methods are the API's. Nothing is sent before the first call.

    `timeout` must be longer than the longest WaitJob that is asked for. With ssh:// `key_file` names the
    private key to use, then no other is tried; and `known_hosts` the file that has the host's key.
    """
    where = parse_address(address)
    transport: xmlrpc.client.Transport
    if where.scheme == "ssh":
        transport = _SshTransport(where, timeout, key_file=key_file, known_hosts=known_hosts)
    else:
        transport = _Transport(where, timeout)
    return xmlrpc.client.ServerProxy(
        "http://localhost/RPC2", transport=transport, allow_none=True, use_builtin_types=True
    )


class _UnixConnection(http.client.HTTPConnection):
    """HTTP over a Unix socket."""

    def __init__(self, path: str, timeout: float) -> None:
        super().__init__("localhost", timeout=timeout)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        try:
            self.sock.connect(self._path)
        except OSError:
            self.close()
            raise


class _Transport(xmlrpc.client.Transport):
    """Keeps one connection alive and never sends a call twice.

    The library's own transport repeats a call whose connection broke, which may carry it out twice.
    This one looks before it sends whether the daemon has closed the idle connection, and repeats nothing.
    """

    user_agent = "nm-client"
    accept_gzip_encoding = False

    def __init__(self, address: Address, timeout: float) -> None:
        super().__init__(use_builtin_types=True, headers=[("Accept", JSON)])
        self._address = address
        self._http = (
            _UnixConnection(address.path, timeout)
            if address.path
            else http.client.HTTPConnection(address.host, address.port, timeout=timeout)
        )

    def make_connection(self, _host: Any) -> http.client.HTTPConnection:
        if self._http.sock is not None and _has_input(self._http.sock):
            self._http.close()  # nothing was asked, so this is the end of the connection
        if self._http.sock is None:
            try:
                self._http.connect()
            except OSError as error:
                raise self._unreachable(error) from error
        return self._http

    def close(self) -> None:
        self._http.close()

    def request(self, host: Any, handler: str, request_body: Any, verbose: bool = False) -> Any:
        try:
            response, body = self._exchange(host, handler, request_body, verbose)
        except BaseException as error:
            self.close()  # what comes next on it could be the answer to this
            if isinstance(error, OSError | http.client.HTTPException):
                raise self._lost(error) from error
            raise
        if response.status != http.client.OK:
            self.close()
            raise self._refused(response, body)
        try:
            return _parsed_json(body) if response.getheader("Content-Type") == JSON else _parsed(body)
        except NO_ANSWER as error:
            self.close()
            raise Unreachable(
                f"what answers at {self._address} does not speak XML-RPC", "look at the address"
            ) from error

    def _exchange(
        self, host: Any, handler: str, request_body: Any, verbose: bool
    ) -> tuple[http.client.HTTPResponse, bytes]:
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            # Who has no room says so at once and hangs up, perhaps before all is sent: the answer is there.
            self.send_request(host, handler, request_body, verbose)
        response = self._http.getresponse()
        return response, response.read()

    def _refused(self, response: http.client.HTTPResponse, body: bytes) -> Unreachable:
        said = " ".join(body[:300].decode(errors="replace").split())
        message = f"{self._address} refused the request: {response.status} {response.reason}"
        message += f": {said}" if said else ""
        if response.status == http.client.SERVICE_UNAVAILABLE:
            return Busy(message, "close other connections, or raise api.max_connections")
        return Unreachable(message, "does an nm daemon answer at this address?")

    def _unreachable(self, error: OSError) -> Unreachable:
        if isinstance(error, PermissionError):
            hint = "this account may not open the socket: look at the rights of its folder"
        else:
            hint = "is it running? `systemctl status nmd` tells; another daemon is named by its address"
        return Unreachable(f"no nm daemon at {self._address}: {_reason(error)}", hint)

    def _lost(self, error: Exception) -> Unreachable:
        return Unreachable(
            f"the daemon at {self._address} did not answer: {_reason(error)}",
            "the call may have been carried out: look before repeating it",
            sent=True,
        )


class _SshTransport(xmlrpc.client.Transport):
    """Each call is one session of a kept connection; whoever answers there reads one request and ends."""

    def __init__(self, address: Address, timeout: float, **files: str | None) -> None:
        super().__init__(use_builtin_types=True)
        try:
            from nm import ssh
        except ImportError as error:
            raise Unreachable(
                f"ssh:// needs more than this file: {error}", "install nm as a package, with paramiko"
            ) from error
        self._error = ssh.SshError
        self._link = ssh.Link(address.host, address.port, address.user, timeout=timeout, **files)

    def close(self) -> None:
        self._link.close()

    def request(self, host: Any, handler: str, request_body: Any, verbose: bool = False) -> Any:
        try:
            answer = self._link.exchange(request_body)
            try:
                return _parsed(answer.body)
            except NO_ANSWER:
                raise self._link.explain(answer) from None
        except self._error as error:
            raise Unreachable(error.message, error.hint, sent=error.sent) from error


def _parsed(body: bytes) -> Any:
    """What an answer says; raises Fault, or one of NO_ANSWER."""
    parser, unmarshaller = xmlrpc.client.getparser(use_builtin_types=True)
    parser.feed(body)
    parser.close()
    return unmarshaller.close()


def _parsed_json(body: bytes) -> Any:
    """The same of one in JSON."""
    match _document(body):
        case {"result": value}:
            return (value,)
        case {"fault": {"faultCode": int(code), "faultString": str(text)}}:
            raise xmlrpc.client.Fault(code, text)
    raise xmlrpc.client.ResponseError("neither a result nor a fault")


def _document(body: bytes) -> Any:
    try:
        return json.loads(body)
    except ValueError as error:
        raise xmlrpc.client.ResponseError(str(error)) from None


def _has_input(sock: socket.socket) -> bool:
    poll = select.poll()  # not select(): a busy program's descriptors may be beyond 1023
    poll.register(sock, select.POLLIN)
    return bool(poll.poll(0))


def _reason(error: Exception) -> str:
    return (getattr(error, "strerror", None) or str(error) or type(error).__name__).lower()
