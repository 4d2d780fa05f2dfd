"""The XML-RPC door: from a request and a caller to an operation, and back.

Called by the HTTP server's threads (nm/http.py), and by tests without any socket. It checks a call's number
and form of arguments by the table (nm/methods.py), hands it to its operation, and turns what is raised into a
fault. It holds no rules and no state but who waits for which job (nm/waiters.py).
"""

import logging
import os
import secrets
import socket
import stat
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Protocol, TypeVar

import nm
from nm import dryrun, hooks, imports, marshal, methods, rights, slivers, views
from nm.arguments import Method
from nm.calls import Call, Caller, Site, UnansweredError
from nm.errors import Conflict, Invalid, NMError, UnknownMethod
from nm.http import Server
from nm.httpreading import Limits, RefusedError, Resource
from nm.identity import Kernel, People
from nm.jobs import OVER, parts_of
from nm.listening import BACKLOG, listen_at, reason
from nm.methods import METHODS
from nm.records import Record, name_of, record_key
from nm.refusalbook import Refusals
from nm.store import Store, Transaction
from nm.waiters import Waiters

log = logging.getLogger(__name__)

T = TypeVar("T")

PORT = 812
LONGEST_WAIT = 60.0  # seconds that WaitJob may hold a connection
EVENTS_AT_ONCE = 1000
JOBS_AT_ONCE = 1000
_EVENT = ("id", "time", "who", "subject", "what", "detail")
_UNTRIED = {
    "": "DryRun is for methods that change the database",
    "Import": "use CheckImport",
    "ApplyDescription": "use PlanDescription",
}


class Events(Protocol):
    """What the door asks of the event log (nm/events.py)."""

    def read(self, after: int, limit: int, visible: Callable[[Record], bool]) -> list[Record]:
        """The oldest `limit` events with an id greater than `after` for which `visible` is true."""


@dataclass(frozen=True)
class ApiSettings:
    """What the door must know of this daemon."""

    limits: Limits = field(default_factory=Limits)
    daemon: str = "nmd"
    """How WhoAmI names the daemon."""
    database_format: int = 1
    backup: Callable[[str], None] | None = None
    """Writes a copy of the database to a new file."""
    console: Callable[..., Record] = lambda headnode, *_: {"text": "", "next": 0}
    """What a head node said on its console: (headnode, offset or None, bytes)."""
    ticket: Callable[[Call, str], int] = lambda *_: 0
    """Takes a signed ticket."""
    admin_ticket: Callable[[Call, str], int] = lambda *_: 0
    """Takes what an administrator vouches for."""
    plan_description: Callable[..., Record] = lambda *_: {}
    """What applying a description would do."""
    apply_description: Callable[..., int] = lambda *_: 0
    """Has a description deployed."""
    failure: Callable[[], NMError | None] = lambda: None
    """Why the database takes no changes now, or None."""
    measured: Callable[[str, float], None] | None = None
    """Told of each call: the method's name, or ?, and the seconds it took."""


class Api:
    """The door. `clock` gives seconds since 1970."""

    def __init__(
        self,
        store: Store,
        events: Events,
        site: Site,
        people: People,
        settings: ApiSettings = ApiSettings(),
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._store = store
        self._events = events
        self._site = site
        self._settings = settings
        self._clock = clock
        self._waiters = Waiters()
        self._refusals = Refusals()
        calls = Resource[Caller](lambda caller, asked: self.answer(caller, asked.body, asked.content))
        self._server = Server([calls], Kernel(people), settings.limits, self._note_refused, self._tick)
        self._own: Mapping[str, Callable[..., Any]] = {
            "GetJob": self._get_job,
            "WaitJob": self._wait_job,
            "DryRun": self._dry_run,
            "Import": lambda call, site: imports.import_site(store, call, site),
            "GetJobs": self._get_jobs,
            "GetEvents": self._get_events,
            "Backup": self._backup,
            "GetConsole": lambda _, *arguments: settings.console(*arguments),
            "Ticket": settings.ticket,
            "AdminTicket": settings.admin_ticket,
            "PlanDescription": settings.plan_description,
            "ApplyDescription": settings.apply_description,
            "WhoAmI": self._who_am_i,
            "GetVersion": self._get_version,
            "Help": lambda _: methods.help_text(),
            "system.listMethods": lambda _: sorted(METHODS),
            "system.methodHelp": lambda _, name: _method(name).help(),
            "system.methodSignature": lambda _, name: _method(name).signatures(),
        }
        store.subscribe(self._waiters.wake)

    def serve(self, sockets: Sequence[socket.socket]) -> None:
        """Answer calls on these listening sockets, in threads of the server's own."""
        self._server.start(sockets)

    def reload(self, people: People, limits: Limits, site: Site) -> None:
        """From now on use these, also for connections that are open already where that is possible."""
        self._site = site
        self._server.gate, self._server.limits = Kernel(people), limits

    def stop(self, seconds: float = 10.0) -> None:
        """Accept no more, end waiting calls, let the others finish for at most so long."""
        self._waiters.stop()
        self._server.stop(seconds)
        self._refusals.flush()

    def call(self, caller: Caller, name: str, arguments: Sequence[Any] = ()) -> Any:
        """Call a method and return its answer, or raise what stands in the way."""
        method = _method(name)
        arguments = method.fitted(arguments)
        call = Call(caller, name, self._clock(), self._site)
        operation = method.operation
        if method.writes and operation is not None:
            write = operation
            return self._transact(
                call, lambda tx, call: write(tx, rights.authorize(tx, call, arguments), *arguments)
            )
        call = rights.authorize(self._store, call, arguments)
        if operation is None:
            return self._own[name](call, *arguments)
        return operation(self._store, call, *arguments)

    def _transact(self, call: Call, act: Callable[[Transaction, Call], T]) -> T:
        """Let `act` write. What it asks the machine is looked up between two runs, never within one."""
        call = replace(call, site=call.site.remembering())
        while True:
            try:
                return self._store.transact(lambda tx: act(tx, call))
            except UnansweredError as question:
                question.ask()

    def answer(self, caller: Caller, body: bytes, content: bytes = b"text/xml") -> bytes:
        """The answer's body for a request's body. RefusedError when it is no call at all."""
        form = marshal.FORMS[content]
        name = ""
        began = time.perf_counter()
        try:
            name, arguments = marshal.parse_call(body)
            return form.answer(self.call(caller, name, arguments))
        except marshal.MalformedError as error:
            raise RefusedError(400, str(error)) from None
        except NMError as error:
            self._refusals.count(caller.name, name if name in METHODS else "?", error.code)
            return form.fault(error.code, str(error))
        except Exception as error:  # noqa: BLE001  whatever it is, this call alone fails
            return form.fault(NMError.code, self._unexpected(caller, name, error))
        finally:
            if self._settings.measured is not None:
                self._settings.measured(name if name in METHODS else "?", time.perf_counter() - began)

    def _unexpected(self, caller: Caller, name: str, error: Exception) -> str:
        number = secrets.token_hex(4)
        details = {"id": number, "method": name, "caller": caller.name}
        log.error("unexpected error in a call", exc_info=error, extra=details)
        return f"unexpected error {number}; look for this number in the daemon's log and report it"

    def _note_refused(self, caller: Caller, refused: RefusedError) -> None:
        self._refusals.count(caller.name, "HTTP", refused.status)

    def _tick(self) -> None:
        self._refusals.flush_if_due(time.monotonic())

    # ---- the door's own methods

    def _dry_run(self, call: Call, name: str, arguments: list[Any]) -> Record:
        method = _method(name)
        arguments = method.fitted(arguments)
        operation = method.operation
        if operation is None or not method.writes:
            raise Invalid(f"{name} cannot be tried out", _UNTRIED.get(name, _UNTRIED[""]))

        def act(tx: Transaction, call: Call) -> Record:
            inner = replace(call, method=name)
            return dryrun.dry_run(
                tx,
                call,
                lambda scratch: operation(scratch, rights.authorize(scratch, inner, arguments), *arguments),
            )

        return self._transact(call, act)

    def _get_job(self, call: Call, number: int) -> Record:
        return _job_struct(rights.visible_job(self._store, call, number))

    def _wait_job(self, call: Call, number: int, seconds: float) -> Record:
        key = record_key("job", number)
        until = time.monotonic() + min(float(seconds), LONGEST_WAIT)
        with self._waiters.waiting(key) as changed:
            while True:
                changed.clear()
                job = rights.visible_job(self._store, call, number)
                left = until - time.monotonic()
                if job["state"] in OVER or left <= 0 or self._waiters.stopped:
                    return _job_struct(job)
                changed.wait(left)

    def _get_jobs(self, call: Call, filter: Record) -> list[Record]:
        views.check_filter(filter, views.FIELDS["job"])
        seen = (job for job in self._store.range("job") if rights.sees_job(self._store, call, job))
        found = views.select(map(_job_struct, seen), filter, views.FIELDS["job"])
        return sorted(found, key=lambda job: int(job["id"]))[-JOBS_AT_ONCE:]

    def _get_events(self, call: Call, after: int, limit: int) -> list[Record]:
        groups = self._store.range("group")
        mine = (
            any(call.caller.owns(pool) for pool in self._store.range("pool"))
            or any(call.caller.member_of(group, call.method) for group in groups)
            or any(
                slivers.is_member(self._store, call.caller, sliver, call.method)
                for sliver in self._store.range("sliver")
            )
        )
        if not (call.reader or mine):
            return []  # nothing there is for this caller: the log need not be read
        found = self._events.read(
            after, min(limit, EVENTS_AT_ONCE), lambda event: rights.sees_event(self._store, call, event)
        )
        return [{name: event[name] for name in _EVENT} for event in found]

    def _backup(self, call: Call, path: str) -> int:
        if self._settings.backup is None:
            raise Conflict("this daemon's database cannot be copied", "it lives in memory only")
        self._settings.backup(path)
        return 1

    def _who_am_i(self, call: Call) -> Record:
        caller = call.caller
        groups = [group for group in self._store.range("group") if caller.uid is not None]
        mine = [name_of(group["record_key"]) for group in groups if _acts_for(caller, group)]
        limits, described = call.rights.get("reserve"), call.rights.get("describe")
        return {
            "name": caller.name,
            "uid": -1 if caller.uid is None else caller.uid,
            "rights": [*(["admin"] if caller.admin else []), *sorted(call.rights)],
            "groups": sorted(mine),
            "daemon": self._settings.daemon,
            **({"limits": dict(limits)} if limits else {}),
            **({"describe": dict(described)} if described else {}),
        }

    def _get_version(self, _: Call) -> Record:
        return {
            "nm": nm.__version__,
            "api": methods.API_VERSION,
            "database": self._settings.database_format,
            "read_only": self._settings.failure() is not None,
        }


def _method(name: str) -> Method:
    method = METHODS.get(name)
    if method is None:
        raise UnknownMethod(f"no method {name[:70]!r}", f"valid methods: {', '.join(sorted(METHODS))}")
    return method


def _acts_for(caller: Caller, group: Record) -> bool:
    """Owner, delegate or the group's own account in person, whatever else the caller may do."""
    people = [group["owner"], *group["delegations"], group.get("account")]
    return any(person is not None and caller.is_(person) for person in people)


def _job_struct(job: Record) -> Record:
    names = ("id", "subject", "kind", "group", "state", "done", "total", "step", "result", "error")
    times = ("created", "started", "finished")
    struct = {name: job[name] for name in names} | {"parts": parts_of(job), "hooks": hooks.runs(job)}
    return struct | {name: None if job[name] is None else int(job[name]) for name in times}


# ---- listening


def listen_unix(path: str | Path, mode: int = 0o666) -> socket.socket:
    """A listening Unix socket. One that nobody answers is replaced; Conflict when somebody does."""
    path = Path(path)
    _remove_stale(path)
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        listener.bind(str(path))
        os.chmod(path, mode)
        listener.listen(BACKLOG)
    except OSError as error:
        listener.close()
        raise Conflict(
            f"cannot listen on {path}: {reason(error)}", "check the folder, or configure another path"
        ) from None
    return listener


def _remove_stale(path: Path) -> None:
    try:
        if not stat.S_ISSOCK(path.lstat().st_mode):
            raise Conflict(
                f"{path} is in the way: it is no socket", "move it away, or configure another path"
            )
    except FileNotFoundError:
        return
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.settimeout(2.0)
        try:
            probe.connect(str(path))
        except ConnectionRefusedError:
            path.unlink(missing_ok=True)
            return
        except OSError as error:
            raise Conflict(
                f"cannot tell who listens on {path}: {error}", "remove it if nobody does"
            ) from None
    raise Conflict(f"another daemon answers on {path}", "stop it, or configure another path")


def listen_tcp(address: str = "127.0.0.1", port: int = PORT, key: str = "api.port") -> socket.socket:
    """A listening TCP socket on one loopback address; port 0: any free one. `key` configures it."""
    if not (address == "::1" or (":" not in address and address.startswith("127."))):
        raise Invalid(
            f"{address!r} is no loopback address",
            "use 127.0.0.1 or ::1: callers are known on this machine only",
        )
    return listen_at(address, port, key)
