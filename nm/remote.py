"""Commands on another machine, over one SSH connection that is kept; everything bounded in time.

Called by a hand, from its device's one worker thread; paramiko's own thread ends with the connection. The
host is known by the key that was pinned; nothing of ours is shown to another. Secrets: `key` (a private key's
text), `password`; without them the keys of nmd's ssh-agent are tried.
"""

import contextlib
import io
import logging
import os
import socket
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import paramiko

from nm.agent import Agent
from nm.errors import DeviceFailed, Unanswered
from nm.keys import bare

SSH_PORT = 22
CHUNK = 1 << 16
LOOK = 0.2  # seconds between two looks whether a command is still wanted
LOOKS_ALIVE = 150  # looks between two questions whether the machine is still there
ALIVE = "keepalive@openssh.com"  # what no server knows, so each answers at once
LARGEST = 1 << 26  # bytes that a command may say
KINDS = (paramiko.Ed25519Key, paramiko.ECDSAKey, paramiko.RSAKey)  # of private keys

logging.getLogger("paramiko").setLevel(
    logging.CRITICAL
)  # what is wrong comes as an exception, and is told once


@dataclass(frozen=True)
class Answer:
    """What a command said, and its exit status."""

    output: str
    errors: str
    status: int


class Remote:
    """A machine, by the settings `address`, `port`, `user`, `host_key` and `timeout`."""

    def __init__(self, who: str, settings: Mapping[str, Any], secrets: Mapping[str, str]) -> None:
        self.host: str = settings["address"]
        self.user: str = settings.get("user", "root")
        self._who = who
        self._port = int(settings.get("port", SSH_PORT))
        self._timeout = float(settings.get("timeout", 10))
        self._pinned = bare(settings.get("host_key", ""))
        self._secrets = secrets
        self._socket: socket.socket | None = None
        self._transport: paramiko.Transport | None = None
        self._late = 0.0  # the seconds for which was waited in vain

    @property
    def is_open(self) -> bool:
        """Whether somebody is logged in, as far as is known."""
        return self._transport is not None

    def open(self) -> str:
        """Log in; the host's key, as OpenSSH writes it."""
        with self._in_time("be reached"):
            self._socket = socket.create_connection((self.host, self._port), self._timeout)
            self._transport = transport = paramiko.Transport(self._socket)
            later = 2 * self._timeout  # than our own end of waiting, so that there is one
            transport.banner_timeout = transport.handshake_timeout = transport.auth_timeout = later
            if self._pinned:
                prefer(transport, self._pinned.partition(" ")[0])
            transport.start_client()
            shown = transport.get_remote_server_key()
            key = f"{shown.get_name()} {shown.get_base64()}"
            if self._pinned and key != self._pinned:
                raise self._another(shown)
            self._log_in(transport)
        return key

    def run(self, command: str, text: str = "") -> Answer:
        """Run the command, with the text as its input; all it says, when it has ended."""
        with self._in_time("carry out a command"), self._carried_out(command) as channel:
            with contextlib.suppress(OSError):  # who refuses the text ends, and says why
                channel.sendall(text.encode())
                channel.shutdown_write()
            return self._answer(channel)

    def hold(
        self, command: str, text: bytes, seconds: float, unwanted: Callable[[], bool], late: float
    ) -> Answer:
        """As `run`, for a command that takes up to `seconds`, and ends when its input does, within `late`.

        That stays open behind the text until `unwanted`, which is asked all the while, says so.
        """
        with self._in_time("carry out a command", seconds), self._carried_out(command) as channel:
            channel.sendall(text)
            if self._ends(channel, unwanted):
                return self._answer(channel)
            with self._within(late):
                channel.shutdown_write()
                return self._answer(channel)

    def _ends(self, channel: paramiko.Channel, unwanted: Callable[[], bool]) -> bool:
        """Wait until the command has ended, or is not wanted any more, while the machine is there."""
        looks, transport = 0, channel.get_transport()
        while not channel.status_event.wait(LOOK):
            looks += 1
            if unwanted():
                return False
            if looks % LOOKS_ALIVE == 0:
                with self._within(2 * self._timeout):
                    transport.global_request(ALIVE)
        return True

    @contextlib.contextmanager
    def _carried_out(self, command: str) -> Iterator[paramiko.Channel]:
        """A channel in which the command runs."""
        if self._transport is None:
            raise EOFError("nobody is logged in")
        channel = self._transport.open_session(timeout=2 * self._timeout)
        try:
            channel.exec_command(command)
            yield channel
        finally:
            channel.close()

    def _answer(self, channel: paramiko.Channel) -> Answer:
        """All that the command said, when it has ended."""
        answer = Answer(*_receive(channel), channel.recv_exit_status())
        if answer.status < 0 or self._late:
            raise EOFError("the connection ended before the command")
        return answer

    def close(self) -> None:
        """End the connection and paramiko's thread."""
        transport, self._transport = self._transport, None
        self._hang_up()
        if transport is not None:
            transport.packetizer.complete_handshake()  # else its timer lives on
            transport.close()
            if transport.is_alive():
                transport.join(self._timeout)
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def _log_in(self, transport: paramiko.Transport) -> None:
        for attempt in self._attempts(transport):
            try:
                if not attempt():  # nothing else is wanted
                    return
            except paramiko.AuthenticationException:
                if self._late:
                    raise
                if not transport.is_active():  # sshd bears only so many attempts
                    break
        raise self._not_let_in()

    def _attempts(self, transport: paramiko.Transport) -> Iterator[Callable[[], object]]:
        """Ways to log in: by key, by password; by the agent's keys when we were given neither."""
        if "key" in self._secrets:
            key = self._load(self._secrets["key"])
            yield lambda: transport.auth_publickey(self.user, key)
        if "password" in self._secrets:
            yield lambda: transport.auth_password(self.user, self._secrets["password"])
        if not self._secrets:
            with contextlib.closing(Agent(os.environ.get("SSH_AUTH_SOCK", ""), self._timeout)) as agent:
                for held in agent.get_keys():
                    yield partial(transport.auth_publickey, self.user, held)

    def _load(self, text: str) -> paramiko.PKey:
        if key := private_key(text):
            return key
        raise DeviceFailed(
            f"{self._who}: its secret `key` is no private key that can be used",
            "use one that ssh-keygen made, without a passphrase: ed25519, ecdsa or rsa",
            passing=False,
        )

    def _not_let_in(self) -> DeviceFailed:
        tried = " and ".join(what for what in ("key", "password") if what in self._secrets)
        return DeviceFailed(
            f"{self._who}: {self.user}@{self.host} is not let in by {tried or 'keys of an ssh-agent'}",
            "look at its secrets (key, password) and at what sshd there allows",
            passing=False,
        )

    def _another(self, shown: paramiko.PKey) -> DeviceFailed:
        return DeviceFailed(
            f"{self._who}: {self.host} shows a host key that is not the one known: "
            f"{shown.get_name()} {shown.fingerprint}",
            "it was installed anew, or somebody is in between; when it is right, update its host_key",
            passing=False,
        )

    @contextlib.contextmanager
    def _in_time(self, what: str, seconds: float | None = None) -> Iterator[None]:
        """Paramiko does not wait everywhere with a deadline; so the connection ends when the time is over."""
        self._late = 0.0
        limit = self._timeout if seconds is None else seconds
        try:
            with self._within(limit):
                yield
        except (OSError, EOFError, paramiko.SSHException) as error:
            self.close()
            late = self._late or (limit if isinstance(error, TimeoutError) else 0.0)
            words = f"no answer within {late:g} s" if late else _reason(error)
            message = f"{self._who}: {self.host} port {self._port} cannot {what}: {words}"
            hint = "look whether sshd runs there and lets this machine in"
            failed = Unanswered(message, hint, limit) if late else DeviceFailed(message, hint)
            raise failed from error
        except BaseException:
            self.close()
            raise

    @contextlib.contextmanager
    def _within(self, seconds: float) -> Iterator[None]:
        """Hang up when that takes longer."""
        timer = threading.Timer(seconds, self._give_up, [seconds])
        timer.daemon = True
        timer.start()
        try:
            yield
        finally:
            timer.cancel()
            timer.join()

    def _give_up(self, seconds: float) -> None:
        self._late = seconds
        self._hang_up()

    def _hang_up(self) -> None:
        """Wake everybody who waits for the socket."""
        connection = self._socket
        if connection is not None:
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)


def _receive(channel: paramiko.Channel) -> tuple[str, str]:
    """Output and errors. These are far less than what paramiko takes in before it must be read."""
    return _read(channel.recv), _read(channel.recv_stderr)


def _read(receive: Callable[[int], bytes]) -> str:
    parts = bytearray()
    while piece := receive(CHUNK):
        parts += piece
        if len(parts) > LARGEST:
            raise EOFError(f"it says more than {LARGEST} bytes")
    return parts.decode(errors="replace")


def private_key(text: str, passphrase: str | None = None) -> paramiko.PKey | None:
    """The private key of that text; None when it is none. A damaged one makes paramiko say many things."""
    for kind in KINDS:
        with contextlib.suppress(paramiko.SSHException, ValueError, TypeError, IndexError, AssertionError):
            return kind.from_private_key(io.StringIO(f"{text}\n"), passphrase)
    return None


def prefer(transport: paramiko.Transport, kind: str) -> None:
    """Of a host with several keys, ask for the one of that kind first: it is the one that is pinned."""
    options = transport.get_security_options()
    options.key_types = sorted(options.key_types, key=lambda one: _kind_of(one) != kind)


def _kind_of(algorithm: str) -> str:
    """The kind of key for an algorithm of signing."""
    return "ssh-rsa" if algorithm.startswith("rsa-sha2-") else algorithm


def _reason(error: Exception) -> str:
    return getattr(error, "strerror", None) or str(error) or type(error).__name__
