"""Logging in to a command line: netmiko's part, with the host key that is expected and within a bounded time.

netmiko knows how each maker's switch asks for names, turns paging off, and goes to the privileged mode. What
it is given here never reaches its log. Called by the driver of command lines only.
"""

import codecs
import contextlib
import ipaddress
import logging
import os
import re
import select
import socket
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import paramiko
from netmiko.exceptions import NetmikoAuthenticationException, NetmikoBaseException
from netmiko.ssh_dispatcher import CLASS_MAPPER
from paramiko.pkey import UnknownKeyType

from nm.agent import Agent
from nm.errors import DeviceFailed, Invalid
from nm.remote import prefer, private_key
from nm.switches.conversation import Channel, Conversation, Say
from nm.switches.dialect import Dialect
from nm.switches.lookup import address_of

LOGIN_PATIENCE = 3  # times the switch's time-out, for all of a log-in
GONE = "it closed the connection"
LOUDEST = 1 << 17  # characters of a log-in, banner and all
GOODBYE = 1.0  # seconds that a switch has to hang up as well
HOST = re.compile(r"[A-Za-z0-9]([A-Za-z0-9.-]{0,252}[A-Za-z0-9])?")
SSH_PORT, TELNET_PORT = 22, 23

FAILURES = (NetmikoBaseException, paramiko.SSHException, OSError, EOFError, ValueError)

for noisy in ("netmiko", "paramiko"):
    logging.getLogger(noisy).setLevel(logging.CRITICAL)  # their debug lines hold what was typed


def check_settings(settings: Mapping[str, Any], dialect: type[Dialect]) -> dict[str, Any]:
    """The settings with the port that is meant, the address in one spelling; Invalid says what is wrong."""
    transport = settings.get("transport", "ssh")
    if transport not in ("ssh", "telnet"):
        raise Invalid(f"transport is {transport!r}", "use ssh or telnet")
    if transport == "telnet" and not dialect.telnet:
        raise Invalid(f"{dialect.title} has SSH, so telnet is not used", "leave transport out")
    port = settings.get("port", SSH_PORT if transport == "ssh" else TELNET_PORT)
    if not 0 < port < 65536:
        raise Invalid(f"port is {port}", "use 1 to 65535")
    key = {"host_key": _spelled(parse_key(settings["host_key"]))} if settings.get("host_key") else {}
    return {**settings, "address": _address(settings["address"]), "port": port, **key}


def _address(text: str) -> str:
    try:
        return str(ipaddress.ip_address(text))
    except ValueError:
        if not HOST.fullmatch(text):
            raise Invalid(f"address is {text!r}", "use an IP address or a host's name") from None
        return text.lower()


def parse_key(text: str) -> paramiko.PKey:
    """A host key as known_hosts has it, "TYPE BASE64"; else Invalid."""
    kind, _, encoded = text.strip().partition(" ")
    try:
        return paramiko.PKey.from_type_string(kind, codecs.decode(encoded.split(" ")[0].encode(), "base64"))
    except (ValueError, paramiko.SSHException, UnknownKeyType) as error:
        raise Invalid(
            "host_key is no host key", "give it as `ssh-keyscan HOST` prints it: TYPE BASE64"
        ) from error


def _spelled(key: paramiko.PKey) -> str:
    return f"{key.get_name()} {key.get_base64()}"


@dataclass
class Session:
    """A command line at its prompt. `shown`: what the device showed itself by."""

    shown: Mapping[str, str]
    say: Callable[[Say], str]
    close: Callable[[], None]


def log_in(
    name: str, dialect: type[Dialect], settings: Mapping[str, Any], secrets: Mapping[str, str]
) -> Session:
    """Log in; DeviceFailed says why not."""
    timeout = float(settings.get("timeout", 10))
    telnet = settings.get("transport") == "telnet"
    expected = parse_key(settings["host_key"]) if settings.get("host_key") else None
    kind = dialect.telnet if telnet else dialect.login
    with _explained(name, settings, secrets):
        there = {**settings, "address": address_of(settings["address"], timeout)}
        connection = _connection(kind, there, secrets, expected, timeout)
        with _within(timeout * LOGIN_PATIENCE, connection):
            connection._open()  # netmiko's own way where auto_connect is False
            if dialect.enables or secrets.get("enable"):
                _enable(connection)
            shown = _shown(connection, telnet)  # also fails where the switch has just hung up
    channel: Channel = _Telnet(connection) if telnet else _Ssh(connection)
    talk = Conversation(name, channel, _prompt(connection), _plain(connection), timeout)
    return Session(shown, talk.say, channel.close)


class _EnableError(ValueError):
    """The privileged mode was not to be had."""


def _enable(connection: Any) -> None:
    try:
        connection.enable()
    except FAILURES as error:
        raise _EnableError from error


def _prompt(connection: Any) -> str:
    """Each prompt begins so; in their deeper modes some switches cut the host's name."""
    return re.escape(str(connection.base_prompt)[:16])


def _plain(connection: Any) -> Callable[[str], str]:
    def plain(text: str) -> str:
        return str(connection.strip_ansi_escape_codes(text)) if "\x1b" in text else text

    return plain


def _shown(connection: Any, telnet: bool) -> dict[str, str]:
    if telnet:
        return {}
    return {"host_key": _spelled(connection.remote_conn.get_transport().get_remote_server_key())}


class _Pinned:
    """Beside netmiko's class for a switch: the key that is expected; bounds on channel, agent and chatter."""

    nm_expected: paramiko.PKey | None = None
    nm_timeout: float = 10.0
    nm_heard: int = 0  # characters by now

    def _build_ssh_client(self) -> paramiko.SSHClient:
        client: paramiko.SSHClient = super()._build_ssh_client()  # type: ignore[misc]
        if self.nm_expected is not None:
            place = self.host if self.port == SSH_PORT else f"[{self.host}]:{self.port}"  # type: ignore[attr-defined]
            client.get_host_keys().add(place, self.nm_expected.get_name(), self.nm_expected)
        if self.allow_agent:  # type: ignore[attr-defined]
            client._agent = Agent(os.environ.get("SSH_AUTH_SOCK", ""), self.nm_timeout)  # type: ignore[attr-defined]
        return client

    def read_channel(self) -> str:
        """What has come. netmiko looks through all of it again and again, and waits for who has gone."""
        text = str(super().read_channel())  # type: ignore[misc]
        self.nm_heard += len(text)
        if self.nm_heard > LOUDEST:
            raise ConnectionError(f"it says more than {LOUDEST} characters, and goes on")
        channel = self.remote_conn  # type: ignore[attr-defined]
        if not text and isinstance(channel, paramiko.Channel) and channel.closed and not channel.recv_ready():
            raise EOFError(GONE)
        return text

    def write_channel(self, out_data: str) -> None:
        """Say something; who hung up just now is told of as above, and not as a socket."""
        try:
            super().write_channel(out_data)  # type: ignore[misc]
        except TimeoutError:
            raise
        except OSError as error:
            raise EOFError(GONE) from error

    def find_prompt(self, delay_factor: float = 1.0, pattern: str | None = None) -> str:
        """It is at the end: a Junos with an unconfirmed commit says `# commit confirmed ...` before."""
        ending = rf"(?:{pattern})\s*$" if pattern else None
        return str(super().find_prompt(delay_factor, ending))  # type: ignore[misc]

    def _connect_params_dict(self) -> dict[str, Any]:
        found: dict[str, Any] = super()._connect_params_dict()  # type: ignore[misc]
        return {**found, "channel_timeout": self.nm_timeout, "transport_factory": self._transport}

    def _transport(self, *arguments: Any, **options: Any) -> paramiko.Transport:
        transport = paramiko.Transport(*arguments, **options)
        if self.nm_expected is not None:
            prefer(transport, self.nm_expected.get_name())
        return transport


def _connection(
    kind: str,
    settings: Mapping[str, Any],
    secrets: Mapping[str, str],
    expected: paramiko.PKey | None,
    timeout: float,
) -> Any:
    """A connection of netmiko's, not yet made."""
    base = CLASS_MAPPER[kind]
    made = type("Pinned", (_Pinned, base), {"nm_expected": expected, "nm_timeout": timeout})
    key = _private_key(secrets["key"], secrets.get("passphrase")) if secrets.get("key") else None
    return made(
        device_type=kind,
        host=settings["address"],
        port=settings.get("port") or (TELNET_PORT if kind.endswith("_telnet") else SSH_PORT),
        username=settings["user"],
        password=secrets.get("password"),
        secret=secrets.get("enable", ""),
        pkey=key,
        allow_agent=bool(settings.get("agent", False)),
        use_keys=False,
        ssh_strict=expected is not None,
        conn_timeout=timeout,
        auth_timeout=timeout,
        banner_timeout=timeout,
        read_timeout_override=timeout,
        auto_connect=False,
    )


def _private_key(text: str, passphrase: str | None) -> paramiko.PKey:
    if key := private_key(text, passphrase):
        return key
    raise DeviceFailed(
        "the secret that is named as key holds no private key that can be read",
        "write an OpenSSH private key to it; one with a passphrase needs that as secrets.passphrase",
    )


@contextlib.contextmanager
def _explained(name: str, settings: Mapping[str, Any], secrets: Mapping[str, str]) -> Iterator[None]:
    """What goes wrong in a log-in, in words that say what to do and hold no secret."""
    where = f"switch {name} at {settings['address']}"
    try:
        yield
    except NetmikoAuthenticationException as error:
        raise DeviceFailed(
            f"{where} refuses the log-in of {settings['user']}",
            "look at user and the secrets password or key; the file is read anew at each log-in",
        ) from error
    except FAILURES as error:
        if isinstance(error.__context__, paramiko.BadHostKeyException):
            raise DeviceFailed(
                f"{where} shows another host key than the pinned one: {_print(error.__context__.key)}",
                "somebody stands in between, or it has a new one (UpdateSwitch host_key), or it is another "
                "switch (ReplaceSwitch)",
            ) from error
        if isinstance(error, _EnableError):
            named = (
                "the secret that is named as enable" if secrets.get("enable") else "to go on without a secret"
            )
            raise DeviceFailed(
                f"{where} refuses {named} to enable {settings['user']}",
                "name the right one as secrets.enable, or let the user be privileged at once",
            ) from error
        cause = error.__context__ if isinstance(error, NetmikoBaseException) and error.__context__ else error
        raise DeviceFailed(
            f"{where} cannot be logged in to: {_words(cause, secrets)}",
            "look at address, port and cable, and whether other sessions use up its lines; it is tried again",
        ) from error


def _print(key: paramiko.PKey) -> str:
    return f"{key.get_name()} {key.fingerprint}"


def _words(error: BaseException, secrets: Mapping[str, str]) -> str:
    """The first paragraph: netmiko gives advice behind it."""
    text = " ".join(str(error).strip().partition("\n\n")[0].split())[:300] or type(error).__name__
    for secret in secrets.values():
        text = text.replace(secret, "<secret>") if len(secret) > 2 else text
    return text


@contextlib.contextmanager
def _within(seconds: float, connection: Any) -> Iterator[None]:
    """Hang up when it takes longer: paramiko waits for some answers for ever."""
    late = threading.Event()

    def hang_up() -> None:
        late.set()
        _hang_up(connection)

    timer = threading.Timer(seconds, hang_up)
    timer.daemon = True
    timer.start()
    try:
        yield
    except FAILURES as error:
        _hang_up(connection)
        if late.is_set():
            raise TimeoutError(f"no prompt within {seconds:g} s") from error
        raise
    finally:
        timer.cancel()


def _hang_up(connection: Any) -> None:
    client = getattr(connection, "remote_conn_pre", None) or getattr(connection, "remote_conn", None)
    with contextlib.suppress(OSError, EOFError, paramiko.SSHException):
        if client is not None:
            client.close()


class _Ssh:
    """The paramiko channel of a netmiko connection."""

    def __init__(self, connection: Any) -> None:
        self._connection = connection
        self._channel: paramiko.Channel = connection.remote_conn
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")

    def send(self, text: str) -> None:
        self._channel.sendall(text.replace("\n", self._connection.RETURN).encode())

    def receive(self, seconds: float) -> str:
        self._channel.settimeout(seconds)
        try:
            data = self._channel.recv(65536)
        except TimeoutError:
            return ""
        if not data:
            raise EOFError
        return self._decoder.decode(data)

    def close(self) -> None:
        """Until the switch has hung up too: the next log-in may come at once, and it may allow one only."""
        transport = self._channel.get_transport()
        with contextlib.suppress(OSError, EOFError, paramiko.SSHException):
            self._channel.close()
            transport.sock.shutdown(socket.SHUT_WR)
            transport.join(GOODBYE)
        _hang_up(self._connection)


class _Telnet:
    """The telnet connection of a netmiko connection."""

    def __init__(self, connection: Any) -> None:
        self._connection = connection
        self._telnet = connection.remote_conn
        self._poll = select.poll()  # not select(): its descriptor may be beyond 1023
        self._poll.register(self._telnet.sock, select.POLLIN)
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")

    def send(self, text: str) -> None:
        self._telnet.write(text.replace("\n", "\r\n").encode())

    def receive(self, seconds: float) -> str:
        known: bytes = self._telnet.read_very_lazy() or self._telnet.read_very_eager()
        if not known and self._poll.poll(seconds * 1000):
            known = self._telnet.read_very_eager()
        return self._decoder.decode(known)

    def close(self) -> None:
        _hang_up(self._connection)
