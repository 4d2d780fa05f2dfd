"""SNMP requests, each bounded in time: get, walk and set, over pysnmp.

Called by the driver and its session only, from the switch's one worker thread. The client has an event loop
of its own, which runs only while a request waits; it holds no lock. The one room that imports pysnmp, whose
messages hold communities: so its log is switched off, and no text of its exceptions goes any further.
"""

import asyncio
import ipaddress
import logging
import time
from collections.abc import Callable, Coroutine, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from pyasn1.error import PyAsn1Error
from pysnmp.error import PySnmpError
from pysnmp.hlapi.v3arch import asyncio as api
from pysnmp.proto import rfc1902, rfc1905

from nm.errors import DeviceFailed, Unanswered, only_asked
from nm.switches.snmp.mib import Column, Oid, Refusal, Syntax, Value, Write

Answer = tuple[Any, Any, Any, Sequence[Any]]  # pysnmp's: error indication, error status, error index, cells
Send = Callable[[], Coroutine[Any, Any, Answer]]

TRIES = 3  # of one request within its time-out; whichever is answered counts
ROOM = 1300  # octets of cells in one request: with its headers it fits an Ethernet frame
FIRST_ROWS, MOST_ROWS = 16, 64  # that are asked for at once
LARGEST = 1 << 16  # rows of a column: more than any switch has ports or VLANs
PATIENCE = 30.0  # seconds for what the agent does after its answer, as saving
PAUSE, LONGEST_PAUSE = 0.01, 1.0  # seconds between two looks at that

AUTH_PROTOCOLS = {
    "MD5": api.USM_AUTH_HMAC96_MD5,
    "SHA": api.USM_AUTH_HMAC96_SHA,
    "SHA224": api.USM_AUTH_HMAC128_SHA224,
    "SHA256": api.USM_AUTH_HMAC192_SHA256,
    "SHA384": api.USM_AUTH_HMAC256_SHA384,
    "SHA512": api.USM_AUTH_HMAC384_SHA512,
}
PRIVACY_PROTOCOLS = {
    "DES": api.USM_PRIV_CBC56_DES,
    "AES": api.USM_PRIV_CFB128_AES,
    "AES192": api.USM_PRIV_CFB192_AES,
    "AES256": api.USM_PRIV_CFB256_AES,
}
CREDENTIALS = {  # error indications that say so
    "AuthenticationError",
    "AuthenticationFailure",
    "DecryptionError",
    "UnknownUserName",
    "UnsupportedSecurityLevel",
    "WrongDigest",
}
WITHOUT_RIGHT = {"noAccess", "authorizationError"}
PASSING = {"genErr", "resourceUnavailable", "commitFailed", "undoFailed"}
_SYNTAX = {
    Syntax.INTEGER: rfc1902.Integer32,
    Syntax.UNSIGNED: rfc1902.Gauge32,
    Syntax.OCTETS: rfc1902.OctetString,
}

NOTHING = (rfc1902.Null, rfc1905.NoSuchObject, rfc1905.NoSuchInstance, rfc1905.EndOfMibView)

log = logging.getLogger(__name__)
logging.getLogger("pysnmp").disabled = True


@dataclass(frozen=True)
class Community:
    """Who asks, in SNMPv2c."""

    community: str = field(repr=False)


@dataclass(frozen=True)
class User:
    """Who asks, in SNMPv3."""

    name: str
    auth: str = field(repr=False)
    privacy: str = field(repr=False)
    auth_protocol: str
    privacy_protocol: str


class Client:
    """Requests to one agent."""

    def __init__(self, who: str, place: tuple[str, int], user: Community | User, timeout: float) -> None:
        """`who`: the agent's name for messages; `timeout`: seconds for each request."""
        self._who = who
        self._place = place
        self._timeout = timeout
        self._rows: dict[tuple[Column, ...], int] = {}  # of the longest column, when it was last read
        self._loop = asyncio.new_event_loop()
        self._loop.set_exception_handler(self._misunderstood)
        self._engine = api.SnmpEngine()
        self._user = _pysnmp_user(user)
        self._target = self._loop.run_until_complete(self._resolve())

    async def _resolve(self) -> Any:
        kind = ipaddress.ip_address(self._place[0]).version
        make = (api.Udp6TransportTarget if kind == 6 else api.UdpTransportTarget).create
        target = await make(self._place, timeout=self._timeout + 1, retries=0)  # the time-out is ours
        await self._loop.shutdown_default_executor()  # of the thread that has read the address
        return target

    def close(self) -> None:
        """Let go of the socket and the loop."""
        if not self._loop.is_closed():
            self._loop.run_until_complete(self._close())
            self._loop.close()

    async def _close(self) -> None:
        self._engine.close_dispatcher()
        rest = asyncio.all_tasks() - {asyncio.current_task()}
        await asyncio.gather(*rest, return_exceptions=True)

    # --- requests ---

    def get(self, oids: Sequence[Oid]) -> dict[Oid, Value]:
        """The values there are at those places."""
        cells = [_cell(oid) for oid in oids]
        with only_asked():
            status, _, answer = self._request(partial(self._send, api.get_cmd, *cells))
        if status != "noError":
            raise self._refused(f"to tell {_dotted(oids[0])}", status)
        return {oid: value for oid, value in answer if value is not None}

    def walk(self, columns: tuple[Column, ...]) -> dict[Column, dict[Oid, Value]]:
        """All rows of the columns, as many at once as the agent gives."""
        rows: dict[Column, dict[Oid, Value]] = {column: {} for column in columns}
        last = {column: column.oid for column in columns}  # of each column that has not ended
        while last:
            asked = list(last)
            progress = False
            for number, (oid, value) in enumerate(self._rows_after(columns, last)):
                column = asked[number % len(asked)]
                if column not in last:
                    continue
                progress = True
                if value is None or oid[: len(column.oid)] != column.oid:
                    del last[column]
                elif oid <= last[column]:
                    raise self._broken(f"tells {_dotted(oid)} after {_dotted(last[column])}")
                elif len(rows[column]) == LARGEST:
                    raise self._broken(f"has no end of rows of {column.name}")
                else:
                    rows[column][oid[len(column.oid) :]] = value
                    last[column] = oid
            if not progress:
                raise self._broken(f"tells nothing after {_dotted(last[asked[0]])}")
        self._rows[columns] = max(map(len, rows.values()))
        return rows

    def _rows_after(
        self, columns: tuple[Column, ...], last: Mapping[Column, Oid]
    ) -> Sequence[tuple[Oid, Value | None]]:
        """The next rows: with one more than there were last time, the end is seen at once."""
        most = min(self._rows.get(columns, FIRST_ROWS) + 1, MOST_ROWS)
        cells = [_cell(oid) for oid in last.values()]
        with only_asked():
            status, _, answer = self._request(partial(self._send, api.bulk_cmd, 0, most, *cells))
        if status != "noError":
            raise self._refused(f"to tell {next(iter(last)).name}", status)
        return answer

    def set(self, writes: Iterable[Write]) -> dict[Write, Refusal]:
        """Set the values, in order, in as few requests as they fit into; answers those that were refused.

        What nobody wants but those who were refused something is not set.
        """
        refused: dict[Write, Refusal] = {}
        for batch in _batches(writes):
            self._set(batch, refused)
        return refused

    def _set(self, writes: list[Write], refused: dict[Write, Refusal]) -> None:
        """One request. What is refused is left out of the next, for an agent sets all or nothing."""
        while writes := [one for one in writes if one not in refused and not _needless(one, refused)]:
            cells = [(rfc1902.ObjectName(one.oid), _SYNTAX[one.column.syntax](one.value)) for one in writes]
            status, index, _ = self._request(partial(self._send, api.set_cmd, *cells))
            if status == "noError":
                return
            if status in WITHOUT_RIGHT:
                raise self._refused(f"to set {writes[max(index, 1) - 1]}", status)
            if len(writes) > 1 and (status == "tooBig" or not 0 < index <= len(writes)):
                half = len(writes) // 2
                self._set(writes[:half], refused)
                self._set(writes[half:], refused)
                return
            refused[writes[max(index, 1) - 1]] = Refusal(status, status in PASSING)

    def wait(self, look: Callable[[], bool]) -> bool:
        """Whether that came true before patience ended. SNMP has no way to be told, so it keeps looking."""
        deadline, pause = time.monotonic() + PATIENCE, PAUSE
        while not look():
            if time.monotonic() > deadline:
                return False
            time.sleep(pause)
            pause = min(2 * pause, LONGEST_PAUSE)
        return True

    # --- one request ---

    async def _send(self, command: Any, *arguments: Any) -> Answer:
        answer: Answer = await command(
            self._engine, self._user, self._target, api.ContextData(), *arguments, lookupMib=False
        )
        return answer

    def _request(self, send: Send) -> tuple[str, int, Sequence[tuple[Oid, Value | None]]]:
        """The agent's error status, the place in the request that it means, and its cells."""
        try:
            indication, status, index, cells = self._loop.run_until_complete(self._first_answer(send))
        except (PySnmpError, PyAsn1Error, OSError) as error:
            raise self._silent(type(error).__name__) from None  # its text may hold the message
        if indication is not None:
            raise self._failed(type(indication).__name__)
        return _status(status), int(index), [(tuple(oid), _value(value)) for oid, value in cells]

    async def _first_answer(self, send: Send) -> Answer:
        """The answer to whichever try has one. What is asked again is harmless when done twice."""
        tries: list[asyncio.Task[Answer]] = []
        try:
            for _ in range(TRIES):
                tries.append(asyncio.ensure_future(send()))
                done, _ = await asyncio.wait(
                    tries, timeout=self._timeout / TRIES, return_when=asyncio.FIRST_COMPLETED
                )
                if done:
                    return done.pop().result()
        finally:
            for one in tries:
                one.cancel()
            await asyncio.gather(*tries, return_exceptions=True)
        silent = self._silent(f"no answer within {self._timeout:g} s")
        raise Unanswered(silent.message, silent.hint, self._timeout)

    def _misunderstood(self, loop: asyncio.AbstractEventLoop, context: Mapping[str, Any]) -> None:
        """What came was no SNMP. The loop would log the message itself, with its community."""
        error = context.get("exception")
        log.debug("%s sent what is no SNMP: %s", self._who, type(error).__name__)

    # --- failures ---

    def _silent(self, why: str) -> DeviceFailed:
        host, port = self._place
        return DeviceFailed(
            f"{self._who} cannot be reached by SNMP at {host}, UDP port {port}: {why}",
            "look at the address, whether the agent lets this machine in, and at the community or the secret "
            "privacy: to a wrong one agents give no answer",
        )

    def _failed(self, indication: str) -> DeviceFailed:
        word = indication[0].lower() + indication[1:]
        if indication not in CREDENTIALS:
            return self._silent(word)
        return DeviceFailed(
            f"{self._who} does not let nm in: {word}",
            "correct the user, its protocols, or the secrets auth and privacy",
            passing=False,
        )

    def _refused(self, what: str, status: str) -> DeviceFailed:
        return DeviceFailed(
            f"{self._who} refused {what}: {status}",
            "give the community or the user the right to read and write all that nm needs (docs/drivers.md)",
            passing=status in PASSING,
        )

    def _broken(self, what: str) -> DeviceFailed:
        return DeviceFailed(
            f"{self._who} {what}", "its agent is broken; look for newer firmware", passing=False
        )


def _pysnmp_user(user: Community | User) -> Any:
    if isinstance(user, Community):
        return api.CommunityData("nm", user.community.encode(), mpModel=1)  # noqa: S508 - many switches have no v3
    privacy = user.privacy_protocol != "none"
    return api.UsmUserData(
        user.name,
        user.auth.encode(),
        user.privacy.encode() if privacy else None,
        authProtocol=AUTH_PROTOCOLS[user.auth_protocol],
        privProtocol=PRIVACY_PROTOCOLS[user.privacy_protocol] if privacy else api.USM_PRIV_NONE,
    )


def _batches(writes: Iterable[Write]) -> Iterator[list[Write]]:
    """The writes in order, as many together as there is room for."""
    batch: list[Write] = []
    size = 0
    for one in writes:
        size += (octets := _size(one))
        if batch and size > ROOM:
            yield batch
            batch, size = [], octets
        batch.append(one)
    if batch:
        yield batch


def _size(write: Write) -> int:
    """How many octets the write takes in BER: its OID, its value, and what stands around them."""
    oid = sum((part.bit_length() + 6) // 7 or 1 for part in write.oid)
    value = len(write.value) if isinstance(write.value, bytes) else write.value.bit_length() // 8 + 1
    return oid + value + (6 if oid + value < 120 else 10)


def _needless(write: Write, refused: Iterable[Write]) -> bool:
    """Whether all who want it are refused something else already."""
    return any(write.owners <= other.owners for other in refused if write.owners)


def _cell(oid: Oid) -> tuple[Any, Any]:
    """A place to be told of."""
    return rfc1902.ObjectName(oid), rfc1902.Null("")


def _status(status: Any) -> str:
    """The error status by its name in RFC 3416."""
    return "noError" if not int(status) else str(status.prettyPrint())


def _value(value: Any) -> Value | None:
    """As a plain value; None where there is nothing."""
    if isinstance(value, NOTHING):
        return None
    if hasattr(value, "asTuple"):
        return tuple(value)
    return bytes(value.asOctets()) if hasattr(value, "asOctets") else int(value)


def _dotted(oid: Oid) -> str:
    return ".".join(map(str, oid))
