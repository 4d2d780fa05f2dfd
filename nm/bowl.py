"""BOWL's door: five methods by JSON-RPC over HTTP, for a portal that reserves in its people's names.

From a request and whoever sends it to operations of federation, and back to a number: 0 done, -1 not done, -2
done but the mail about it was not taken at the first try. It holds no rules and no state but who waits for
which mail. The portal vouches for its people; the kernel, a token or TLS vouch for the portal.

That first try is all that it waits for: for the record that the worker writes, never for the mail server,
and for all mails of a request together no longer than PATIENCE. Who is told -2 then has lost nothing.
"""

import base64
import binascii
import hmac
import logging
import secrets
import socket
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from nm import allocating, bowlcalls, jsonrpc, mails
from nm.bowlcalls import METHODS, Asked
from nm.calls import Caller, Site
from nm.errors import Invalid, NMError
from nm.federation import acting, answers, ending, looking, provisioning
from nm.federation.answers import Answer
from nm.federation.visits import Rules, Visit, transacted
from nm.gate import Gate
from nm.http import Server
from nm.httpreading import Limits, RefusedError, Request, Resource
from nm.jsonrpc import FAILED, INTERNAL, PARAMS, FaultError, Params
from nm.records import record_key
from nm.refusalbook import Refusals
from nm.store import Store, Transaction
from nm.tls import Guest as Shown
from nm.waiters import Waiters

log = logging.getLogger("nm.bowl")

DONE, FAILURE, UNMAILED = 0, -1, -2
PATIENCE = 10.0  # seconds for which first tries of a request's mails are waited for
_JSON = (b"application/json",)

Who = Caller | Shown


@dataclass(frozen=True)
class Terms:
    """By what calls are answered; exchanged as a whole when the configuration is read anew."""

    rules: Rules
    site: Site = field(default_factory=Site)
    callers: frozenset[str] = frozenset()
    """Accounts of this machine that may call, beside administrators."""
    token: Callable[[], str] | None = field(default=None, repr=False)
    """Whoever sends what it gives may call, too; over TLS nobody else may."""
    limits: Limits = field(default_factory=Limits)


class Bowl:
    """The door. `measured` is told of calls, and the seconds they took."""

    def __init__(
        self,
        store: Store,
        terms: Terms,
        gate: Gate[Who],
        measured: Callable[[str, float], None] | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.terms = terms
        self._store = store
        self._measured = measured
        self._clock = clock
        self._refusals = Refusals()
        self._waiters = Waiters()
        calls = Resource[Who](self.answer, paths=(), contents=_JSON, body=None)
        self._server: Server[Who] = Server([calls], gate, terms.limits, self._note_refused, self._tick)
        store.subscribe(self._waiters.wake)

    # ---- life

    def serve(self, sockets: Sequence[socket.socket]) -> None:
        """Answer calls on these listening sockets, in threads of the server's own."""
        self._server.start(sockets)

    def reload(self, terms: Terms, gate: Gate[Who]) -> None:
        """From now on use these."""
        self.terms = terms
        self._server.gate, self._server.limits = gate, terms.limits

    def stop(self, seconds: float = 10.0) -> None:
        """Accept no more, wait for no mail, and let calls under way finish for at most so long."""
        self._waiters.stop()
        self._server.stop(seconds)
        self._refusals.flush()

    # ---- calls

    def answer(self, who: Who, request: Request) -> bytes:
        """The answer's body for a request. RefusedError when whoever sends it may not call."""
        if not self._admits(who, request.authorization):
            raise RefusedError(403, "this needs an administrator, an account of bowl.callers, or the token")
        until = time.monotonic() + PATIENCE
        return jsonrpc.answer(
            request.body, lambda method, params: self._call(_name(who), method, params, until)
        )

    def _admits(self, who: Who, authorization: bytes) -> bool:
        """On this machine the kernel says who calls; over TLS the gate has seen to certificates."""
        terms = self.terms
        if isinstance(who, Caller) and (who.admin or (who.uid is not None and who.name in terms.callers)):
            return True
        if terms.token is None:
            return isinstance(who, Shown)
        try:
            return hmac.compare_digest(_token(authorization), terms.token().encode())
        except NMError as error:
            log.error("nobody gets in by a token", extra={"why": str(error)})
            return False

    def _call(self, who: str, name: str, params: Params, until: float) -> Any:
        """Call a method, and answer its result; FaultError when there is none. `until`: see PATIENCE."""
        began, known = time.perf_counter(), name if name in METHODS else "?"
        try:
            return self._result(bowlcalls.read(name, bowlcalls.bound(name, params)), until)
        except FaultError as fault:
            self._refusals.count(who, known, fault.code)
            raise
        except NMError as error:
            self._refusals.count(who, known, error.code)
            log.info("a portal's call was not done", extra={"caller": who, "method": name, "why": str(error)})
            if name == "ListResources":
                raise FaultError(PARAMS if isinstance(error, Invalid) else FAILED, str(error)) from None
            return FAILURE
        except Exception as error:  # noqa: BLE001  whatever it is, this call alone fails
            raise FaultError(INTERNAL, self._unexpected(who, known, error)) from None
        finally:
            if self._measured is not None:
                self._measured(f"bowl.{known}", time.perf_counter() - began)

    def _unexpected(self, who: str, name: str, error: Exception) -> str:
        number = secrets.token_hex(4)
        details = {"id": number, "method": name, "caller": who}
        log.error("unexpected error in a call", exc_info=error, extra=details)
        return f"unexpected error {number}; look for this number in the daemon's log and report it"

    def _result(self, asked: Asked, until: float) -> Any:
        """What was found; or, when all that was asked is done, whether administrators were told of it."""
        terms = self.terms
        visit = Visit(asked.guest, terms.rules, asked.method, self._clock(), terms.site)
        if asked.method == "ListResources":
            named = asked.slices[0] if asked.slices else None
            return looking.nodes(self._store, visit, named, asked.available)
        done = _done(self._store, visit, asked)
        taken = [self._is_taken(answer.mail, until) for answer in done if answer.mail is not None]
        return DONE if all(taken) else UNMAILED

    def _is_taken(self, number: int, until: float) -> bool:
        """Whether a mail server took that mail at once; 0 is one that is owed where no mail is sent."""
        if number == 0:
            return False
        with self._waiters.waiting(record_key("job", number)) as changed:
            while True:
                changed.clear()
                standing, left = mails.standing(self._store, number), until - time.monotonic()
                if standing.over or standing.tries > 0 or left <= 0 or self._waiters.stopped:
                    return standing.over and standing.error is None
                changed.wait(left)

    def _note_refused(self, who: Who, refused: RefusedError) -> None:
        self._refusals.count(_name(who), "HTTP", refused.status)

    def _tick(self) -> None:
        self._refusals.flush_if_due(time.monotonic())


# ---- what methods do, each in one transaction: all of it or nothing


def _done(store: Store, visit: Visit, asked: Asked) -> list[Answer]:
    if asked.method == "Allocate":
        [named] = asked.slices
        return [allocating.allocate_nodes(store, visit, named, asked.numbers, asked.ends)]
    return transacted(store, visit, partial(_ACTS[asked.method], asked=asked))


def _provision(tx: Transaction, visit: Visit, asked: Asked) -> list[Answer]:
    """What is just allocated is provisioned, and all of it lasts that long: so portals extend, too."""
    done = []
    for named in asked.slices:
        there = looking.status(tx, visit, [named]).slivers
        old = [one.urn for one in there if one.allocation == answers.PROVISIONED]
        if len(old) < len(there):
            done.append(provisioning.provision(tx, visit, [named], asked.ends))
        if old and asked.ends is not None:
            done.append(provisioning.renew(tx, visit, old, asked.ends, as_long_as_possible=True))
    return done


def _perform(tx: Transaction, visit: Visit, asked: Asked) -> list[Answer]:
    return [acting.perform(tx, visit, [named], asked.action) for named in asked.slices]


def _delete(tx: Transaction, visit: Visit, asked: Asked) -> list[Answer]:
    return [ending.delete(tx, visit, [named]) for named in asked.slices]


_ACTS: Mapping[str, Callable[..., list[Answer]]] = {
    "Provision": _provision,
    "PerformOperationalAction": _perform,
    "Delete": _delete,
}


# ---- who calls


def _name(who: Who) -> str:
    return who.name if isinstance(who, Caller) else who.address


def _token(authorization: bytes) -> bytes:
    """What was sent as a token: as one, or as the password of an address http://ANYBODY:TOKEN@HOST."""
    scheme, _, value = authorization.strip().partition(b" ")
    if scheme.lower() != b"basic":
        return value.strip() if scheme.lower() == b"bearer" else b""
    try:
        return base64.b64decode(value.strip(), validate=True).partition(b":")[2]
    except binascii.Error:
        return b""
