"""The desk at which descriptions are handed in: compiled outside of any transaction, applied in one.

What compiling costs is bounded (nm/descriptions/limits.py), and so is how many are at it: one of each caller,
`AT_ONCE` of all but administrators, who have places of their own. So whoever sends hostile texts waits behind
their own. Called by the door.
"""

import threading
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from nm import rights, sflibrary
from nm.calls import Call, Caller
from nm.descriptions.collection import uncollected
from nm.descriptions.limits import Limits
from nm.errors import Conflict, LimitReached
from nm.pools import drafting, operations, showing
from nm.pools.drafting import Draft
from nm.pools.keeping import Text
from nm.pools.plan import Plan
from nm.records import Record
from nm.store import Store, Transaction

AT_ONCE = 2
PATIENCE = 60.0  # seconds that a caller waits for a place
TRIES = 5  # times that a plan is made anew because the world has moved


class DescriptionDesk:
    """Plans descriptions and applies them."""

    def __init__(self, store: Store, patience: float = PATIENCE) -> None:
        self._store = store
        self._patience = patience
        self._places = defaultdict[bool, threading.BoundedSemaphore](
            lambda: threading.BoundedSemaphore(AT_ONCE)
        )
        self._callers = defaultdict[int | None, threading.Lock](threading.Lock)
        self._lock = threading.Lock()  # held while the two above are looked into

    def plan(
        self,
        call: Call,
        name: str,
        text: str,
        files: Mapping[str, Any],
        options: Mapping[str, Any] | None = None,
    ) -> Record:
        """What applying it would do."""
        chosen = operations.checked_options(call, options or {})
        with self._reading(call.caller):
            return self._plan(call, name, text, files, chosen)

    def apply(
        self,
        call: Call,
        name: str,
        text: str,
        files: Mapping[str, Any],
        options: Mapping[str, Any] | None = None,
    ) -> int:
        """Let it be deployed. Answers the job's id."""
        chosen = operations.checked_options(call, options or {})
        with self._reading(call.caller):
            return self._apply(call, name, text, files, chosen)

    def _plan(
        self, call: Call, name: str, text: str, files: Mapping[str, Any], chosen: Mapping[str, Any]
    ) -> Record:
        draft = self._drafted(call, name, text, files, chosen)
        operations.check_draft(self._store, call, draft)
        seen = operations.look(self._store, name)
        found = operations.planned(self._store, call, draft, seen, chosen)
        return showing.planned(draft, found, operations.to_ask(self._store, call, draft, found, seen, chosen))

    def _apply(
        self, call: Call, name: str, text: str, files: Mapping[str, Any], chosen: Mapping[str, Any]
    ) -> int:
        draft = self._drafted(call, name, text, files, chosen)
        for _ in range(TRIES):
            seen = operations.look(self._store, name)
            found = operations.planned(self._store, call, draft, seen, chosen)
            job = self._store.transact(_applying(call, draft, found, seen, chosen))
            if job is not None:
                return job
        raise Conflict(f"description {name} is just changing", "try again, or wait for what is at it")

    def _drafted(
        self, call: Call, name: str, text: str, files: Mapping[str, Any], options: Mapping[str, Any]
    ) -> Draft:
        """A draft of parts that the caller may describe."""
        host = operations.host_for(self._store, name, options)
        told = operations.told(self._store, call, name, options)
        offered = Text(text, files, sflibrary.texts(), *told)
        draft = drafting.draft(name, offered, Limits(), call.site.describing.components, host)
        operations.check_parts(self._store, call, draft)
        return draft

    @contextmanager
    def _reading(self, caller: Caller) -> Iterator[None]:
        """A place at the desk. The collector stands still: parts are as many and as lasting as components.

        Who reads lets go of its draft when it returns, so that nothing of that is there to be looked through.
        """
        with self._place(caller), uncollected():
            yield

    @contextmanager
    def _place(self, caller: Caller) -> Iterator[None]:
        """A place at the desk; LimitReached when none gets free in time."""
        with self._lock:
            own, places = self._callers[caller.uid], self._places[caller.admin]
        if not caller.admin and not own.acquire(timeout=self._patience):
            raise LimitReached(f"another description of {caller.name}'s is being read", "try again later")
        try:
            if not places.acquire(timeout=self._patience):
                raise LimitReached("too many descriptions are being read", "try again later")
            try:
                yield
            finally:
                places.release()
        finally:
            if not caller.admin:
                own.release()


def _applying(
    call: Call, draft: Draft, found: Plan, seen: operations.Seen, chosen: Mapping[str, Any]
) -> Callable[[Transaction], int | None]:
    def act(tx: Transaction) -> int | None:
        arguments = [draft.name, draft.text.text, draft.text.files, chosen]
        allowed = rights.authorize(tx, call, arguments)
        if allowed.rights != call.rights:
            raise Conflict(f"the rights of {call.caller.name} have just changed", "try again")
        return operations.apply(tx, allowed, draft, found, seen, chosen)

    return act
