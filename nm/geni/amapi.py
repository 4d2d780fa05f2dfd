"""GENI's door: the Aggregate Manager API, version 3, by XML-RPC over TLS with client certificates.

From a request and a chain of certificates to an operation of federation, and back. It reads a call by the
table (nm/geni/amcalls.py), has its credentials judged (nm/geni/authorisation.py), calls one operation and
tells what it answers (nm/geni/amanswers.py). It holds no rules, and no state but the last advertisement
(nm/geni/noticeboard.py) and how many calls are under way, which `_Places._lock` guards. What fails is
answered by a struct; a fault says that there was no call.
"""

import logging
import secrets
import socket
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib import resources
from typing import Any

from nm import allocating, marshal
from nm.calls import Site
from nm.errors import DeviceFailed, Invalid, LimitReached, NMError, UnknownMethod, WrongArguments
from nm.federation import acting, ending, looking, names, provisioning
from nm.federation.answers import Answer
from nm.federation.visits import GENI, Guest, Rules, Visit, transacted
from nm.geni import amanswers, amcalls, authorisation, certificates
from nm.geni.amanswers import Struct
from nm.geni.amcalls import Asked
from nm.geni.certificates import Trust
from nm.geni.noticeboard import Noticeboard
from nm.geni.rspec import texts
from nm.geni.rspec.vocabulary import SCHEMAS, schema_path
from nm.geni.trusted import Authorities
from nm.http import Server
from nm.httpreading import Limits, RefusedError, Request, Resource
from nm.refusalbook import Refusals
from nm.store import Store, Transaction
from nm.tls import Guard
from nm.tls import Guest as Shown

log = logging.getLogger("nm.geni")

MALFORMED = Invalid.code  # of the fault that says so
_XML = (b"text/xml",)
_SCHEMAS = {f"/{schema_path(kind)}".encode(): file for kind, file in SCHEMAS.items()}


@dataclass(frozen=True)
class Terms:
    """By what calls are answered; exchanged as a whole when the configuration is read anew."""

    rules: Rules
    authorities: Authorities
    site: Site = field(default_factory=Site)
    limits: Limits = field(default_factory=Limits)
    at_once: int = 16  # calls


class AmApi:
    """The door. `clock` gives seconds since 1970; `measured` is told of calls, and the seconds they took."""

    def __init__(
        self,
        store: Store,
        terms: Terms,
        measured: Callable[[str, float], None] | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._store = store
        self._terms = terms
        self._measured = measured
        self._clock = clock
        self._refusals = Refusals()
        self._places = _Places()
        self._board = Noticeboard(store)
        served = [
            Resource[Shown](self._call, contents=_XML, body=None),
            Resource[Shown](_schema, b"GET", tuple(_SCHEMAS), _XML),
        ]
        guard = Guard(lambda: self._terms.authorities.now().tls, self._not_let_in)
        self._server = Server(served, guard, terms.limits, self._note_refused, self._tick)

    # ---- life

    def serve(self, sockets: Sequence[socket.socket]) -> None:
        """Answer calls on these listening sockets, in threads of the server's own. NMError when it cannot."""
        self._terms.authorities.now()
        self._server.start(sockets)

    def reload(self, terms: Terms) -> None:
        """From now on use these. NMError, and nothing has changed, when their files are no good."""
        terms.authorities.now()
        self._terms = terms
        self._board.forget()
        self._server.limits = terms.limits

    def stop(self, seconds: float = 10.0) -> None:
        """Accept no more, and let calls under way finish for at most so long."""
        self._server.stop(seconds)
        self._refusals.flush()

    # ---- calls

    def _call(self, shown: Shown, request: Request) -> bytes:
        return self.answer(shown, request.body)

    def answer(self, shown: Shown, body: bytes) -> bytes:
        """The answer's body for a request's body."""
        began, name = time.perf_counter(), "?"
        try:
            method, arguments = marshal.parse_call(body)
            amcalls.fitted(method, arguments)
            name = method
            return self._answered(shown, name, arguments)
        except (marshal.MalformedError, Invalid) as error:
            return marshal.fault(MALFORMED, str(error))
        except (UnknownMethod, WrongArguments) as error:
            return marshal.fault(error.code, str(error))
        finally:
            if self._measured is not None:
                self._measured(f"geni.{name}", time.perf_counter() - began)

    def _answered(self, shown: Shown, name: str, arguments: Sequence[Any]) -> bytes:
        """A struct, whatever happens."""
        try:
            with self._places.one(self._terms.at_once):
                asked = amcalls.read(name, arguments, self._clock())
                return marshal.answer(self._done(shown, asked))
        except NMError as error:
            answer = amanswers.failed(error)
            self._refusals.count(_name(shown), name, answer["code"]["geni_code"])
            return marshal.answer(answer)
        except Exception as error:  # noqa: BLE001  whatever it is, this call alone fails
            return marshal.answer(amanswers.failed(self._unexpected(shown, name, error)))

    def _unexpected(self, shown: Shown, name: str, error: Exception) -> NMError:
        number = secrets.token_hex(4)
        details = {"id": number, "method": name, "caller": _name(shown)}
        log.error("unexpected error in a call", exc_info=error, extra=details)
        return NMError(
            f"unexpected error {number}", "ask the people of this aggregate to look for it in the log"
        )

    def _done(self, shown: Shown, asked: Asked) -> Struct:
        terms = self._terms
        if asked.method == "GetVersion":
            return amanswers.version(terms.rules)
        visit = self._visit(terms, shown, asked)
        if asked.method == "ListResources":
            free, compressed = asked.option("geni_available"), asked.option("geni_compressed")
            return amanswers.done(self._board.advertisement(visit, free, compressed))
        return amanswers.done(_ACTS[asked.method](self._store, visit, asked))

    def _visit(self, terms: Terms, shown: Shown, asked: Asked) -> Visit:
        """Who comes, when the credentials grant the call. Denied when they do not."""
        aggregate, now = terms.rules.aggregate, self._clock()
        target = names.slice_of(self._store, aggregate, asked.urns, GENI) if asked.urns else None
        trust = _trust(terms)
        grant = authorisation.authorised(asked.credentials, shown.chain, target, asked.method, now, trust)
        owner = grant.owner
        guest = Guest(GENI, str(owner.urn), owner.email, owner.urn.name, grant.expires)
        return Visit(guest, terms.rules, asked.method, now, terms.site)

    # ---- refusals

    def _note_refused(self, shown: Shown, refused: RefusedError) -> None:
        self._refusals.count(_name(shown), "HTTP", refused.status)

    def _not_let_in(self, address: str, why: str) -> None:
        self._refusals.count(address, "TLS", why)

    def _tick(self) -> None:
        self._refusals.flush_if_due(time.monotonic())


def _trust(terms: Terms) -> Trust:
    """Whom the site trusts. DeviceFailed when its own files do not tell."""
    try:
        return terms.authorities.now().trust
    except NMError as error:
        log.error("nobody is trusted", extra={"why": str(error)})
        raise DeviceFailed(
            "this aggregate cannot tell whom it trusts", "its people find in the log what is wrong"
        ) from None


def _name(shown: Shown) -> str:
    """Who calls, for the log."""
    try:
        return str(certificates.urn_of(certificates.from_der(shown.chain)[0]))
    except NMError:
        return shown.address


def _schema(_: Shown, request: Request) -> bytes:
    """One of the schemas of nm's extension of RSpec."""
    return resources.files("nm.geni.rspec.schemas").joinpath(_SCHEMAS[request.path]).read_bytes()


class _Places:
    """How many calls are under way."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._taken = 0

    @contextmanager
    def one(self, most: int) -> Iterator[None]:
        """One of them. LimitReached when all are taken: nobody waits, for clients call again."""
        with self._lock:
            if self._taken >= most:
                raise LimitReached(f"{most} calls are being answered", "call again in a moment")
            self._taken += 1
        try:
            yield
        finally:
            with self._lock:
                self._taken -= 1


# ---- what each method does, and answers as its value


def _describe(store: Store, visit: Visit, asked: Asked) -> Struct:
    told = amanswers.described(visit.rules, looking.describe(store, visit, asked.urns), visit.now)
    if asked.option("geni_compressed"):
        told["geni_rspec"] = texts.compress(told["geni_rspec"])
    return told


def _status(store: Store, visit: Visit, asked: Asked) -> Struct:
    return amanswers.status(looking.status(store, visit, asked.urns))


def _allocate(store: Store, visit: Visit, asked: Asked) -> Struct:
    end = asked.options.get("geni_end_time")
    done = allocating.allocate(store, visit, asked.urns[0], asked.rspec, end)
    return amanswers.described(visit.rules, done, visit.now, with_urn=False)


def _provision(store: Store, visit: Visit, asked: Asked) -> Struct:
    end, users = asked.options.get("geni_end_time"), asked.options.get("geni_users")
    best = asked.option("geni_best_effort")

    def act(tx: Transaction, visit: Visit) -> Answer:
        return provisioning.provision(tx, visit, asked.urns, end, users, best)

    return amanswers.described(visit.rules, transacted(store, visit, act), visit.now, with_urn=False)


def _renew(store: Store, visit: Visit, asked: Asked) -> list[Struct]:
    cut, best = asked.option("geni_extend_alap"), asked.option("geni_best_effort")

    def act(tx: Transaction, visit: Visit) -> Answer:
        return provisioning.renew(tx, visit, asked.urns, asked.until, cut, best)

    return amanswers.slivers(transacted(store, visit, act))


def _perform(store: Store, visit: Visit, asked: Asked) -> list[Struct]:
    users, best = asked.options.get("geni_users"), asked.option("geni_best_effort")

    def act(tx: Transaction, visit: Visit) -> Answer:
        return acting.perform(tx, visit, asked.urns, asked.action, users, best)

    return amanswers.slivers(transacted(store, visit, act))


def _delete(store: Store, visit: Visit, asked: Asked) -> list[Struct]:
    best = asked.option("geni_best_effort")
    return amanswers.slivers(
        transacted(store, visit, lambda tx, visit: ending.delete(tx, visit, asked.urns, best))
    )


def _shutdown(store: Store, visit: Visit, asked: Asked) -> bool:
    transacted(store, visit, lambda tx, visit: ending.shutdown(tx, visit, asked.urns[0]))
    return True


_ACTS: Mapping[str, Callable[[Store, Visit, Asked], Any]] = {
    "Describe": _describe,
    "Allocate": _allocate,
    "Renew": _renew,
    "Provision": _provision,
    "Status": _status,
    "PerformOperationalAction": _perform,
    "Delete": _delete,
    "Shutdown": _shutdown,
}
