"""A mail server on a port of its own (aiosmtpd): takes letters, refuses some, may want TLS and a password."""

import socket
import ssl
import threading
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from email import message_from_bytes
from email.message import EmailMessage, Message
from email.policy import default
from typing import Any, Self, cast

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session


def free_port() -> int:
    """A port of the loopback's that nobody has now."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port: int = probe.getsockname()[1]
        return port


class MailServer:
    """Start and stop it as often as it takes; what it took stays."""

    def __init__(self, port: int | None = None, **settings: Any) -> None:
        """`settings` are aiosmtpd's."""
        self.port = port or free_port()
        self.taken: list[tuple[list[str], EmailMessage]] = []
        self.refusals: dict[str, str] = {}  # addressee -> what is said to it
        self.answer = "250 taken"  # to each letter
        self.most: int | None = None  # letters that it takes in one session
        self._letters: Counter[object] = Counter()
        self._settings = settings
        self._controller: Controller | None = None

    def start(self) -> Self:
        self._controller = Controller(self, hostname="127.0.0.1", port=self.port, **self._settings)
        self._controller.start()
        return self

    def stop(self) -> None:
        if self._controller is not None:
            self._controller.stop()
            self._controller = None

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()

    # ---- called by aiosmtpd

    async def handle_MAIL(  # noqa: N802  aiosmtpd's name
        self, _server: SMTP, session: Session, envelope: Envelope, address: str, _options: list[str]
    ) -> str:
        self._letters[session.peer] += 1
        if self.most is not None and self._letters[session.peer] > self.most:
            return "421 enough in one session"
        envelope.mail_from = address
        return "250 OK"

    async def handle_RCPT(  # noqa: N802  aiosmtpd's name
        self, _server: SMTP, _session: Session, envelope: Envelope, address: str, _options: list[str]
    ) -> str:
        if address in self.refusals:
            return self.refusals[address]
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, _server: SMTP, _session: Session, envelope: Envelope) -> str:  # noqa: N802
        if self.answer.startswith("250"):
            content = envelope.content
            assert isinstance(content, bytes)
            message: Message = message_from_bytes(content, policy=default)
            self.taken.append((list(envelope.rcpt_tos), cast("EmailMessage", message)))
        return self.answer


class Scripted:
    """A server that says what a script says, a thread for each connection. `play` is given each."""

    def __init__(self, play: Callable[[socket.socket], object]) -> None:
        self._play = play
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self.connections = 0
        self._now: list[socket.socket] = []  # whom it speaks to
        self._thread = threading.Thread(target=self._run)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        for connection in self._now:
            with suppress(OSError):  # gone
                connection.shutdown(socket.SHUT_RDWR)
        self._thread.join()
        self._listener.close()

    def _run(self) -> None:
        with suppress(OSError):  # the end
            while True:
                connection, _ = self._listener.accept()
                self.connections += 1
                self._now = [connection.dup()]  # which TLS does not take away
                with self._now[0], connection, suppress(OSError):
                    self._play(connection)


def say(connection: socket.socket, *lines: str) -> bytes:
    """Say these, and answer what is said then; nothing at the end."""
    connection.sendall("".join(f"{line}\r\n" for line in lines).encode())
    return connection.recv(65536)


def only(user: str, password: str) -> Any:
    """An authenticator of aiosmtpd's that lets just this one in."""

    def check(_server: Any, _session: Any, _envelope: Any, _mechanism: str, told: Any) -> AuthResult:
        right = isinstance(told, LoginPassword) and told == LoginPassword(user.encode(), password.encode())
        return AuthResult(success=right, handled=False)

    return check


def tls(file: str) -> ssl.SSLContext:
    """Of a file with a certificate and its key."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(file)
    return context
