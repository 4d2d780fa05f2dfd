"""Where slices come from: a PLC's API, slices.xml of a web server, or a file; and how it stands with it.

A PLC is called by XML-RPC over HTTPS. Each call's first argument says who calls: by a session, which is got
by a call that an HMAC of the node's key vouches for. A source that does not answer, or not as it should,
changes nothing: the state says so, and the last good reply stays.
"""

import hashlib
import hmac
import json
import os
import xmlrpc.client
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any, Protocol

from nm import marshal
from nm.config import Config
from nm.errors import DeviceFailed, Invalid, NMError
from nm.exchange import Answer, Limits, Place, exchange, parse_place
from nm.lastgood import Good, LastGood
from nm.slices import Reading, Reply, read_reply, without_secrets
from nm.slicesxml import read_slices_xml

REFUSED = 103  # the fault of a PLC that does not know who calls

Secret = Callable[[], str]


class Source(Protocol):
    """Something that tells of slices."""

    def fetch(self) -> object:
        """What it says now, as GetSlivers would. NMError when it says nothing that can be used."""


# ---- a PLC


@dataclass(frozen=True)
class Login:
    """Who this node is to a PLC. `key` and `session` are looked up when they are needed."""

    node_id: int
    key: Secret | None = None
    session: Secret | None = None


class Plc:
    """The API of a PLC."""

    def __init__(self, place: Place, login: Login, limits: Limits | None = None) -> None:
        self._place = place
        self._login = login
        self._limits = limits or Limits()
        self._session = ""

    def fetch(self) -> object:
        """GetSlivers."""
        return self.call("GetSlivers")

    def call(self, method: str, *arguments: Any) -> Any:
        """Call a method by this session, or by a new one when the PLC does not know it any more."""
        session = self._session or (self._login.session() if self._login.session is not None else "")
        if session:
            try:
                return self._ask(method, _by_session(session), *arguments)
            except xmlrpc.client.Fault as fault:
                self._session = ""
                if fault.faultCode != REFUSED or self._login.key is None:
                    raise self._failed(method, fault, session) from None
        self._session = self._log_in()
        try:
            return self._ask(method, _by_session(self._session), *arguments)
        except xmlrpc.client.Fault as fault:
            session, self._session = self._session, ""
            raise self._failed(method, fault, session) from None

    def _log_in(self) -> str:
        if self._login.key is None:
            raise DeviceFailed(
                f"{self._place} cannot be logged in to: there is neither a session nor the node's key",
                "write the node's key to the secret that [plc] names",
                passing=False,
            )
        key = self._login.key()
        try:
            session = self._ask("GetSession", by_key(self._login.node_id, key))
        except xmlrpc.client.Fault as fault:
            raise self._failed("GetSession", fault, key) from None
        if not isinstance(session, str) or not session:
            raise DeviceFailed(f"{self._place} answers GetSession with no session")
        return session

    def _ask(self, method: str, *arguments: Any) -> Any:
        body = xmlrpc.client.dumps(arguments, method, allow_none=True).encode()
        answer = exchange(self._place, self._limits, body)
        try:
            return _plain(marshal.parse_answer(answer.body))
        except (marshal.MalformedError, Invalid) as error:
            raise DeviceFailed(
                f"{self._place} does not answer {method} as XML-RPC has it: {error}",
                "see that the address is that of its API; it is asked again later",
            ) from None

    def _failed(self, method: str, fault: xmlrpc.client.Fault, secret: str) -> DeviceFailed:
        """The fault in words, without what the PLC may have said again of our secret."""
        words = " ".join(fault.faultString.replace(secret, "...").split())[:300]
        refused = fault.faultCode == REFUSED
        return DeviceFailed(
            f"{self._place} refuses {method} with fault {fault.faultCode}: {words}",
            "see the node's id and its key, here and there" if refused else "ask who runs it",
            passing=not refused,
        )


def _by_session(session: str) -> dict[str, Any]:
    return {"AuthMethod": "session", "session": str(session)}  # a secret does not let itself be written


def by_key(node_id: int, key: str, *arguments: Any) -> dict[str, Any]:
    """Who calls, vouched for by the node's key, in a call with these arguments. PLCs know SHA-1 only."""
    text = f"[{''.join(sorted(_words(arguments)))}]"
    value = hmac.new(key.encode(), text.encode(), hashlib.sha1).hexdigest()
    return {"AuthMethod": "hmac", "node_id": node_id, "value": value}


def _words(arguments: Any) -> list[str]:
    """All values within, as texts; names of structs' members are none."""
    if isinstance(arguments, dict):
        arguments = list(arguments.values())
    if isinstance(arguments, list | tuple):
        return [word for one in arguments for word in _words(one)]
    return [str(arguments)]


def _plain(value: Any) -> Any:
    """The value as JSON has it: times and bytes are their texts."""
    if isinstance(value, dict):
        return {name: _plain(member) for name, member in value.items()}
    if isinstance(value, list):
        return [_plain(one) for one in value]
    if isinstance(value, xmlrpc.client.Binary):
        return value.data.decode("latin-1")
    return str(value) if isinstance(value, xmlrpc.client.DateTime) else value


# ---- files


@dataclass(frozen=True)
class SlicesXml:
    """slices.xml of a web server, as the first node managers had it."""

    place: Place
    node_id: int
    now: Callable[[], float]
    limits: Limits = field(default_factory=Limits)

    def fetch(self) -> object:
        """The file as it is now."""
        answer = exchange(self.place, self.limits)
        return read_slices_xml(answer.body, self.node_id, self._modified(answer))

    def _modified(self, answer: Answer) -> int:
        told = {name.lower(): value for name, value in answer.headers.items()}.get("last-modified", "")
        try:
            return int(parsedate_to_datetime(told).timestamp())
        except (TypeError, ValueError):
            return int(self.now())


@dataclass(frozen=True)
class File:
    """A file of this machine: slices.xml, or JSON as a PLC would say it. Its time is its last change's."""

    path: Path
    node_id: int
    largest: int = Limits.largest

    def fetch(self) -> object:
        """What the file says now."""
        content, modified = self._read()
        if self.path.suffix == ".xml":
            return read_slices_xml(content, self.node_id, modified)
        try:
            told = json.loads(content)
        except (ValueError, RecursionError):
            raise Invalid(f"{self.path} is no JSON", "nothing was changed") from None
        timeless = isinstance(told, dict) and "slivers" in told and "timestamp" not in told
        return {**told, "timestamp": modified} if timeless else told

    def _read(self) -> tuple[bytes, int]:
        try:
            with self.path.open("rb") as file:
                content = file.read(self.largest + 1)
                modified = int(os.fstat(file.fileno()).st_mtime)
        except OSError as error:
            raise DeviceFailed(
                f"{self.path} cannot be read: {error.strerror}", "nothing was changed"
            ) from None
        if len(content) > self.largest:
            raise Invalid(f"{self.path} has more than {self.largest} bytes", "nothing was changed")
        return content, modified


def open_source(
    address: str, ca: str | None, login: Login, now: Callable[[], float], limits: Limits | None = None
) -> Source:
    """The source at an address: https://HOST/PATH of a PLC's API or of a slices.xml, or a file's path."""
    limits = limits or Limits()
    if address.startswith("/"):
        return File(Path(address), login.node_id, limits.largest)
    place = parse_place(address, ca)
    if place.path.endswith(".xml"):
        return SlicesXml(place, login.node_id, now, limits)
    return Plc(place, login, limits)


def reading_of(config: Config, node_id: int | None) -> Reading:
    """How this installation reads what sources say."""
    kind = "sliver.LXC" if config.slivers.uri.startswith("lxc:") else "sliver.QEMU"
    return Reading(node_id, kind, config.plc.prefix)


def read_node_id(path: Path) -> int:
    """This node's number, of the file that says it."""
    try:
        text = path.read_text(encoding="ascii", errors="replace")[:100].strip()
    except OSError as error:
        raise DeviceFailed(
            f"{path} cannot be read: {error.strerror}", "write the node's id of its PLC there"
        ) from None
    if not text.isdecimal():
        raise Invalid(
            f"{path} holds {text[:20]!r}, which is no number", "write the node's id of its PLC there"
        )
    return int(text)


# ---- how it stands


@dataclass(frozen=True)
class Standing:
    """How it stands with the source."""

    online: bool = False  # whether the last try was good
    tried: float | None = None
    received: float | None = None  # when the last good reply came
    timestamp: int | None = None  # of that reply, by the source's clock
    error: str | None = None  # what was wrong with the last try
    offline_since: float | None = None

    def age(self, now: float) -> float | None:
        """How old the last good reply is, in seconds."""
        return None if self.received is None else max(now - self.received, 0.0)


Opened = Callable[[], tuple[Source, Reading]]


class Watch:
    """Asks the source again and again, and remembers its last good reply. For one thread.

    `opened` gives the source, and how it is read: it is called each time, and may fail as the source may.
    """

    def __init__(self, opened: Opened, last: LastGood, standing: Standing = Standing()) -> None:
        self._opened = opened
        self._last = last
        self.standing = standing

    def remembered(self) -> Reply | None:
        """The reply that was kept by whoever ran before; None when there is none, or not for this node."""
        try:
            good = self._last.load()
            if good is None:
                return None
            reply = read_reply(good.told, self._opened()[1])
        except NMError as error:
            self.standing = replace(self.standing, error=str(error))
            return None
        self.standing = replace(self.standing, received=good.received, timestamp=reply.timestamp)
        return reply

    def ask(self, now: float) -> Reply | None:
        """What the source says; None when that cannot be used: `standing` says why."""
        try:
            source, reading = self._opened()
            told = without_secrets(source.fetch())
            reply = read_reply(told, reading)
        except NMError as error:
            since = now if self.standing.offline_since is None else self.standing.offline_since
            self.standing = replace(
                self.standing, online=False, tried=now, error=str(error), offline_since=since
            )
            return None
        self.standing = Standing(online=True, tried=now, received=now, timestamp=reply.timestamp)
        try:
            self._last.keep(Good(told, now))
        except DeviceFailed as error:  # it counts all the same
            self.standing = replace(self.standing, error=str(error))
        return reply
