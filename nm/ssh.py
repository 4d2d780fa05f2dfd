"""Calls to a daemon on another machine, through SSH into an account whose login shell passes them on.

    link = Link("host", user="del_snoop")
    answer = link.exchange(request)  # bytes in, bytes out: one session of one kept connection
    link.close()

What people set up for OpenSSH holds here too: ~/.ssh/config and /etc/ssh/ssh_config, the agent, the default
keys, known_hosts. Unlike there nobody is ever asked anything, and a host key that is not known is refused,
whatever StrictHostKeyChecking says. Whatever goes wrong is an SshError. No locks: use one link per thread.
"""

import base64
import getpass
import glob
import hashlib
import hmac
import io
import logging
import os
import re
import shlex
import socket
import subprocess
import threading
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import paramiko
from cryptography.exceptions import UnsupportedAlgorithm
from paramiko.pkey import UnknownKeyType

from nm.agent import Agent

PORT = 22
CONNECT_TIME = 30.0  # seconds, at most, to connect and log in, and to open a session
KEEPALIVE = 30  # seconds between signs of life, for what forgets silent connections on the way
STATUS_TIME = 10.0  # seconds between the end of an answer and its exit status
LARGEST_ANSWER = 10**8  # bytes; the login shell passes on no more
LARGEST_QUOTE = 300  # bytes of what was said instead of an answer
INCLUDES = 16  # files that include each other
USER_CONFIG, SYSTEM_CONFIG = "~/.ssh/config", "/etc/ssh/ssh_config"
USER_KNOWN_HOSTS = "~/.ssh/known_hosts ~/.ssh/known_hosts2"
SYSTEM_KNOWN_HOSTS = "/etc/ssh/ssh_known_hosts /etc/ssh/ssh_known_hosts2"
DEFAULT_KEYS = ("~/.ssh/id_rsa", "~/.ssh/id_ecdsa", "~/.ssh/id_ed25519")
# What OpenSSH no longer does by itself, and paramiko still would.
WEAK = {
    "kex": [
        "diffie-hellman-group-exchange-sha1",
        "diffie-hellman-group14-sha1",
        "diffie-hellman-group1-sha1",
    ],
    "keys": ["ssh-rsa"],
    "pubkeys": ["ssh-rsa"],
    "ciphers": ["aes128-cbc", "aes192-cbc", "aes256-cbc", "3des-cbc"],
    "macs": ["hmac-sha1", "hmac-md5", "hmac-sha1-96", "hmac-md5-96"],
}
LOOK = "look what was done before you repeat the call"
NO_READER = 5  # of forward_api_calls' exit statuses, the only one without an answer: others come with a fault

logging.getLogger("paramiko").addHandler(logging.NullHandler())  # else its tracebacks go to standard error


class SshError(Exception):
    """What is wrong, and what to do about it. `sent`: the call may have been carried out all the same."""

    def __init__(self, message: str, hint: str = "", *, sent: bool = False) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.sent = sent


@dataclass(frozen=True)
class Answer:
    """What came back: standard output, standard error (its beginning), the exit status or -1."""

    body: bytes
    errors: bytes
    status: int


# ---- where to, and with what


@dataclass(frozen=True)
class Target:
    """All that is to be known before one can connect."""

    host: str
    port: int
    user: str
    name: str  # known_hosts has it under this
    known_hosts: Sequence[str]  # files
    keys: Sequence[str]  # files
    only_these: bool  # and no other key of the agent
    agent: str  # its socket, or nothing
    proxy: Sequence[str]  # a command that is connected with the host

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self.user}@{host}" + (f":{self.port}" if self.port != PORT else "")


def find_target(
    host: str, port: int = 0, user: str = "", key_file: str | None = None, known_hosts: str | None = None
) -> Target:
    """What the files of OpenSSH's client say about the host; what is given here comes before them.

    A key that is named here is the only one that is used, as file or from the agent; `known_hosts` replaces
    all files of known hosts.
    """
    try:
        options = _options(host, port, user)
        at = int(options.get("port", PORT))
    except (paramiko.SSHException, ImportError, KeyError, ValueError) as error:
        raise SshError(f"{USER_CONFIG} or {SYSTEM_CONFIG}: {error}", "mend the file") from error
    place = options["hostname"]
    name = options.get("hostkeyalias") or (place if at == PORT else f"[{place}]:{at}")
    files = options.get("userknownhostsfile", USER_KNOWN_HOSTS)
    files += " " + options.get("globalknownhostsfile", SYSTEM_KNOWN_HOSTS)
    keys = [key_file] if key_file else options.get("identityfile", DEFAULT_KEYS)
    return Target(
        host=place,
        port=at,
        user=options.get("user") or getpass.getuser(),
        name=name.lower(),
        known_hosts=_paths([known_hosts] if known_hosts else shlex.split(files)),
        keys=_paths(keys),
        only_these=bool(key_file) or options.get("identitiesonly", "no").lower() == "yes",
        agent=_agent(options.get("identityagent", "SSH_AUTH_SOCK")),
        proxy=_proxy(options, place, at),
    )


def _options(host: str, port: int, user: str) -> paramiko.SSHConfigDict:
    config = paramiko.SSHConfig()
    # What stands first in the files wins, so this stands before them.
    config.parse(io.StringIO((f"Port {port}\n" if port else "") + (f"User {user}\n" if user else "")))
    for file in (USER_CONFIG, SYSTEM_CONFIG):
        lines = _lines(Path(file).expanduser(), Path(file).expanduser().parent)
        config.parse(io.StringIO("\n".join(lines)))
    return config.lookup(host)


def _lines(file: Path, home: Path, block: str = "Host *", depth: int = 0) -> Iterator[str]:
    """The file's lines, included files in their place: paramiko has no Include."""
    try:
        text = file.read_text(encoding="utf-8")
    except OSError:
        return
    for line in text.splitlines():
        words = line.replace("=", " ", 1).split(maxsplit=1)
        keyword = words[0].lower() if words else ""
        if keyword in ("host", "match"):
            block = line
        if keyword != "include":
            yield line
        elif depth < INCLUDES:
            for pattern in shlex.split("".join(words[1:])):
                for found in sorted(glob.glob(str(home / Path(pattern).expanduser()))):
                    yield from _lines(Path(found), home, block, depth + 1)
            yield block


def _paths(files: Sequence[str]) -> list[str]:
    return [os.path.expanduser(file) for file in files if file.lower() != "none"]


def _agent(setting: str) -> str:
    """The agent's socket, as IdentityAgent names it: a path, a variable, or none."""
    if setting.lower() == "none":
        return ""
    if setting == "SSH_AUTH_SOCK" or setting.startswith("$"):
        return os.environ.get(setting.strip("${}"), "")
    return os.path.expanduser(setting)


def _proxy(options: paramiko.SSHConfigDict, host: str, port: int) -> list[str]:
    if command := options.get("proxycommand"):
        return ["/bin/sh", "-c", f"exec {command}"]
    jumps = options.get("proxyjump", "none").split(",")
    if jumps == ["none"]:
        return []
    # This is how OpenSSH jumps, too.
    *before, last = (jump.strip() for jump in jumps)
    way = ["-J", ",".join(before)] if before else []
    last = last if last.startswith("ssh://") else f"ssh://{last}"
    return ["ssh", "-o", "BatchMode=yes", *way, "-W", f"[{host}]:{port}", last]


# ---- host keys


@dataclass(frozen=True)
class KnownKey:
    """A line of a file of known hosts."""

    kind: str
    key: bytes
    revoked: bool


def known_keys(files: Sequence[str], name: str) -> list[KnownKey]:
    """What these files say about the host of that name.

    Not by paramiko's reader: that knows no patterns, and stumbles over markers. Authorities are left out,
    for paramiko knows no host certificates.
    """
    found = []
    for file in files:
        try:
            lines = Path(file).read_text(encoding="utf-8", errors="replace").splitlines()
        except OSError:
            continue
        for line in lines:
            words = line.split()
            marker = words.pop(0) if line.startswith("@") else ""
            if len(words) < 3 or line.startswith("#") or marker not in ("", "@revoked"):
                continue
            if _is_named(name, words[0]):
                with suppress(ValueError):
                    found.append(KnownKey(words[1], base64.b64decode(words[2]), bool(marker)))
    return found


def _is_named(name: str, hosts: str) -> bool:
    """Whether the first field of a line means the host: a hash, or patterns, of which some may be negated."""
    if hosts.startswith("|1|"):
        with suppress(ValueError):
            salt, digest = (base64.b64decode(part) for part in hosts[3:].split("|"))
            return hmac.compare_digest(hmac.new(salt, name.encode(), "sha1").digest(), digest)
        return False
    named = False
    for pattern in hosts.lower().split(","):
        expression = re.escape(pattern.removeprefix("!")).replace(r"\*", ".*").replace(r"\?", ".")
        if re.fullmatch(expression, name):
            if pattern.startswith("!"):
                return False
            named = True
    return named


def check_host_key(target: Target, known: Sequence[KnownKey], key: paramiko.PKey) -> None:
    """SshError unless it is one of those that are known, and not revoked."""
    blob = key.asbytes()
    print_ = "SHA256:" + base64.b64encode(hashlib.sha256(blob).digest()).decode().rstrip("=")
    shown = f"{target.name} has the host key {key.get_name()} {print_}"
    port = f"-p {target.port} " if target.port != PORT else ""
    if any(one.key == blob and one.revoked for one in known):
        raise SshError(f"{shown}, which is revoked in known_hosts", "do not connect; ask its administrator")
    usable = [one.key for one in known if not one.revoked]
    if not usable:
        raise SshError(
            f"{shown}, which is in none of: {', '.join(target.known_hosts)}",
            f"compare it with what its administrator says, then accept it by `ssh {port}{target.host}`, "
            f"or put what `ssh-keyscan {port}{target.host}` prints into the first of these files",
        )
    if blob not in usable:
        raise SshError(
            f"{shown}, but another one is known: the machine was installed anew, or somebody is in between",
            f"ask its administrator; if it is right: `ssh-keygen -R '{target.name}'`, then accept it",
        )


# ---- our keys


class Keys:
    """The keys to offer, in OpenSSH's order. `tried` and `unusable` tell later why none was good."""

    def __init__(self, target: Target, agent: Agent) -> None:
        self._target = target
        self._agent = agent
        self.tried: list[str] = []
        self.unusable: list[str] = []

    def __iter__(self) -> Iterator[paramiko.PKey]:
        """First those of our files that the agent holds, then its others, then the files."""
        held = {key.asbytes(): key for key in self._agent.get_keys()}
        files = {file: held.pop(_public_half(file), None) for file in self._target.keys}
        for file, key in files.items():
            if key is not None:
                yield self._try(file, key)
        if not self._target.only_these:
            for key in held.values():
                yield self._try(f"{key.comment or key.get_name()} of the agent", key)
        for file, key in files.items():
            if key is None and (loaded := self._load(file)):
                yield self._try(file, loaded)

    def _try(self, name: str, key: paramiko.PKey) -> paramiko.PKey:
        self.tried.append(name)
        return key

    def _load(self, file: str) -> paramiko.PKey | None:
        try:
            return paramiko.PKey.from_path(file)
        except FileNotFoundError:
            if self._target.only_these:
                self.unusable.append(f"there is no {file}")
        except OSError as error:
            self.unusable.append(f"{file}: {_reason(error)}")
        except (TypeError, paramiko.PasswordRequiredException):
            self.unusable.append(f"{file} has a passphrase: give it to the agent by `ssh-add {file}`")
        except (ValueError, UnsupportedAlgorithm, paramiko.SSHException, UnknownKeyType):
            self.unusable.append(f"{file} is no private key that can be used here")
        return None

    def refused(self, how: str) -> SshError:
        """What to say when no key was good."""
        tried = f" (tried: {', '.join(self.tried)})" if self.tried else ""
        hint = (
            "is the key in the list of this account? one key alone is named by key_file, or nmctl --identity"
        )
        return SshError(f"{self._target} {how}{tried}", "; ".join([*self.unusable, hint]))


def _public_half(file: str) -> bytes:
    """The public half of a private key, from the file beside it; nothing when that cannot be read."""
    with suppress(OSError, ValueError, IndexError):
        return base64.b64decode(Path(file.removesuffix(".pub") + ".pub").read_bytes().split()[1])
    return b""


# ---- the connection


class Connection:
    """A connection, logged in. SshError when that cannot be."""

    def __init__(self, target: Target, seconds: float) -> None:
        self._target = target
        self._seconds = seconds
        self._late = False
        self._process: subprocess.Popen[bytes] | None = None
        self._socket = self._plug()
        self._transport = paramiko.Transport(self._socket, disabled_algorithms=WEAK)
        self._transport.banner_timeout = seconds
        self._transport.handshake_timeout = seconds
        self._transport.auth_timeout = seconds
        try:
            with self._in_time():
                self._greet()
                self._log_in()
        except BaseException:
            self.close()
            raise
        self._transport.set_keepalive(KEEPALIVE)

    def _plug(self) -> socket.socket:
        """A socket that leads to the host."""
        target = self._target
        try:
            if not target.proxy:
                plug = socket.create_connection((target.host, target.port), self._seconds)
                plug.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # a call is several small packets
                return plug
            ours, theirs = socket.socketpair()
            with theirs:
                try:
                    self._process = subprocess.Popen(
                        target.proxy, stdin=theirs.fileno(), stdout=theirs.fileno()
                    )
                except OSError:
                    ours.close()
                    raise
            return ours
        except socket.gaierror as error:
            raise SshError(f"no host {target.host}: {_reason(error)}", "look at the name") from error
        except OSError as error:
            where = shlex.join(target.proxy) or f"{target.host} port {target.port}"
            raise SshError(
                f"no connection to {where}: {_reason(error)}", "does sshd run there, and let this machine in?"
            ) from error

    def _greet(self) -> None:
        """Agree on keys, and know the host by its own."""
        known = known_keys(self._target.known_hosts, self._target.name)
        kinds = {one.kind for one in known}
        # The kinds we know of come first, so that a host with several keys shows the one that we can compare.
        options = self._transport.get_security_options()
        options.key_types = sorted(options.key_types, key=lambda kind: _kind_of(kind) not in kinds)
        self._transport.start_client()  # with a timeout of its own it would only return, as if it had agreed
        check_host_key(self._target, known, self._transport.get_remote_server_key())

    def _log_in(self) -> None:
        with closing(Agent(self._target.agent, self._seconds)) as agent:
            keys = Keys(self._target, agent)
            for key in keys:
                try:
                    wanted_too = self._transport.auth_publickey(self._target.user, key)
                except paramiko.BadAuthenticationType:
                    raise SshError(
                        f"{self._target} takes no keys", "ask its administrator: sshd's PubkeyAuthentication"
                    ) from None
                except paramiko.AuthenticationException as error:
                    if self._late:
                        raise
                    if not self._transport.is_active():
                        raise keys.refused("ended the login") from error  # sshd bears only so many attempts
                else:
                    if not wanted_too:
                        return
            raise keys.refused("takes none of our keys" if keys.tried else "wants a key")

    def open_session(self, seconds: float) -> paramiko.Channel:
        """A session in which the login shell runs, which has got nothing yet. Its waits are that long."""
        with self._in_time():
            channel = self._transport.open_session(timeout=self._seconds)
            channel.settimeout(seconds)
            channel.invoke_shell()
            return channel

    @contextmanager
    def _in_time(self) -> Iterator[None]:
        """Paramiko does not wait everywhere with a deadline; so the connection ends when the time is over."""
        timer = threading.Timer(self._seconds, self._give_up)
        timer.daemon = True
        timer.start()
        try:
            yield
        except (OSError, EOFError, paramiko.SSHException) as error:
            said = f"not in {self._seconds:g} seconds" if self._late else _reason(error)
            raise SshError(
                f"no SSH session with {self._target}: {said}", "does sshd listen there, and has it room?"
            ) from error
        finally:
            timer.cancel()
            timer.join()

    def _give_up(self) -> None:
        self._late = True
        self._hang_up()

    def _hang_up(self) -> None:
        """Wake everybody who waits for the socket."""
        with suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        """End it, its thread, and the command that it goes through."""
        self._hang_up()
        self._transport.packetizer.complete_handshake()  # else its timer lives on
        self._transport.close()
        if self._transport.is_alive():
            self._transport.join(self._seconds)
        self._socket.close()
        if self._process is not None:
            self._process.terminate()
            try:
                self._process.wait(self._seconds)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()


def _kind_of(algorithm: str) -> str:
    """The kind of key for an algorithm of signing."""
    return "ssh-rsa" if algorithm.startswith("rsa-sha2-") else algorithm


def _reason(error: Exception) -> str:
    return (getattr(error, "strerror", None) or str(error) or type(error).__name__).lower()


# ---- calls


class Link:
    """A connection that is made when it is wanted, and made anew when it has died; one session a call.

    `timeout`: seconds without a byte, then nobody answers.
    """

    def __init__(
        self,
        host: str,
        port: int = 0,
        user: str = "",
        *,
        timeout: float = 75.0,
        key_file: str | None = None,
        known_hosts: str | None = None,
    ) -> None:
        self._given = (host, port, user, key_file, known_hosts)
        self._timeout = timeout
        self._connection: Connection | None = None

    def exchange(self, request: bytes) -> Answer:
        """Give the login shell the request, and take what it says. A request is never sent twice."""
        try:
            with closing(self._session()) as channel:
                return self._ask(channel, request)
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """End the connection. The next exchange makes another."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _session(self) -> paramiko.Channel:
        if self._connection is not None:
            with suppress(SshError):  # it has died while nobody asked anything
                return self._connection.open_session(self._timeout)
            self.close()
        self._connection = Connection(find_target(*self._given), min(self._timeout, CONNECT_TIME))
        return self._connection.open_session(self._timeout)

    def _ask(self, channel: paramiko.Channel, request: bytes) -> Answer:
        try:
            _send(channel, request)
            body = _receive(channel)
        except TimeoutError:
            raise SshError(f"no answer in {self._timeout:g} seconds", LOOK, sent=True) from None
        except (OSError, EOFError, paramiko.SSHException) as error:
            raise SshError(f"the connection broke: {_reason(error)}", LOOK, sent=True) from error
        channel.status_event.wait(min(self._timeout, STATUS_TIME))
        errors = channel.recv_stderr(LARGEST_QUOTE) if channel.recv_stderr_ready() else b""
        return Answer(body, errors, channel.exit_status)

    def explain(self, answer: Answer) -> SshError:
        """What is wrong when an answer is none of XML-RPC's."""
        target = find_target(*self._given)
        said = (answer.errors.strip() or answer.body.strip())[:LARGEST_QUOTE].decode(errors="replace")
        if answer.status < 0:
            return SshError(f"the connection to {target} ended before the answer", LOOK, sent=True)
        if answer.status == NO_READER and not answer.errors:
            return SshError(f"{target} could not pass on the whole answer", LOOK, sent=True)
        quote = " ".join(said.split()) or "nothing"
        return SshError(
            f"what answers as {target} is no nm: exit status {answer.status}, and it says: {quote}",
            "is it a delegate's account? the login shell of those is forward_api_calls",
        )


def _send(channel: paramiko.Channel, request: bytes) -> None:
    try:
        channel.sendall(request)
    except TimeoutError:
        raise
    except OSError:
        return  # who refuses the request says so and ends, perhaps before all is sent: the answer is there
    channel.shutdown_write()


def _receive(channel: paramiko.Channel) -> bytes:
    body = bytearray()
    while piece := channel.recv(1 << 16):
        body += piece
        if len(body) > LARGEST_ANSWER:
            raise SshError(f"the answer has more than {LARGEST_ANSWER} bytes", "ask for less", sent=True)
    return bytes(body)
