"""Who calls, and when: what a door hands to an operation beside the arguments."""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

from nm.errors import Denied, NotFound
from nm.processor import Settings
from nm.records import Record, record_key
from nm.store import Reader
from nm.switch import Registry


@dataclass(frozen=True)
class Describing:
    """What descriptions may do here, as [descriptions] of the configuration says."""

    shells: bool = False
    folders: tuple[str, ...] = ()
    components: int = 20_000
    properties: Mapping[str, str] = field(default_factory=dict)
    environment: Mapping[str, str] = field(default_factory=dict)
    script_seconds: float = 3600.0


@dataclass(frozen=True)
class Site:
    """What operations must know of this installation: limits, and what it can drive."""

    drivers: Registry = field(default_factory=Registry)
    power: Mapping[str, Settings] = field(default_factory=dict)  # power driver -> what it must be told
    longest_lease: int | None = None  # seconds; None: no limit
    methods: frozenset[str] = frozenset()  # those that can be delegated; empty: not checked
    uid_of: Callable[[str], int | None] = field(default=lambda name: None)  # an account's uid, by name
    uids: tuple[int, int] | None = (
        None  # first and last uid of the accounts that nm makes; None: it makes none
    )
    free_uid: Callable[[int, int], int | None] = field(default=lambda first, last: first)
    """The first uid from `first` to `last` that nobody has; None when none is found."""
    has_group: Callable[[str], bool] = field(default=lambda name: False)  # whether a Unix group has the name
    slivers: bool = False  # whether this machine runs slivers
    head_accounts: bool = False  # whether head nodes have accounts, to call the API by
    image_folders: tuple[str, ...] = ()  # below which images lie
    is_listed: Callable[[str], bool] = field(default=lambda name: False)  # as a member of any Unix group
    mail: bool = False  # whether mail is sent
    describing: Describing = Describing()

    def remembering(self) -> "Site":
        """The same for one call: what it asks the machine is asked between transactions, and once."""
        return replace(
            self,
            uid_of=_Memory(self.uid_of),
            free_uid=_Memory(self.free_uid),
            has_group=_Memory(self.has_group),
            is_listed=_Memory(self.is_listed),
        )


class UnansweredError(Exception):
    """An operation needs an answer of the machine: `ask` for it outside the transaction, then run it again.

    A directory on another machine may have to give it, and no transaction waits for that.
    """

    def __init__(self, ask: Callable[[], None]) -> None:
        super().__init__("the machine was not asked yet")
        self.ask = ask


class _Memory:
    """Answers what was asked before; else UnansweredError."""

    def __init__(self, look_up: Callable[..., Any]) -> None:
        self._look_up = look_up
        self._answers: dict[tuple[Any, ...], Any] = {}

    def __call__(self, *question: Any) -> Any:
        if question not in self._answers:
            raise UnansweredError(partial(self._ask, question))
        return self._answers[question]

    def _ask(self, question: tuple[Any, ...]) -> None:
        self._answers[question] = self._look_up(*question)


@dataclass(frozen=True)
class Caller:
    """Somebody the kernel vouches for. `name` is the account's name, or the uid as text."""

    uid: int | None
    name: str
    admin: bool = False
    door: str = "unix"  # unix or tcp
    serves: str | None = None  # of a head node's account the group; "" when it serves none any more

    def owns(self, group: Record) -> bool:
        """Administrator, or the owner."""
        return self.admin or self.is_(group["owner"])

    def is_(self, person: Record) -> bool:
        """By uid and name both: a uid that is somebody else's by now inherits nothing."""
        return self.uid is not None and person["uid"] == self.uid and person["name"] == self.name

    def member_of(self, group: Record, method: str) -> bool:
        """Owner, the group's own account, or delegated to: the whole group, or this one method.

        Its head node is one for just SERVING. After an emergency stop only administrators are.
        """
        if is_shut(group) and not self.admin:
            return False
        if self.serves is not None:
            return method in SERVING and group["record_key"] == record_key("group", self.serves)
        return self.owns(group) or self.is_account_of(group) or self.delegated(group, None, method)

    def is_account_of(self, group: Record) -> bool:
        """Whether this is the Unix account that nm made for the group."""
        return bool(group.get("account")) and self.is_(group["account"])

    def delegated(self, group: Record, *methods: str | None) -> bool:
        """Whether one of these was delegated to the caller; None is the whole group."""
        return any(
            self.is_(delegation) and delegation["method"] in methods
            for delegation in group.get("delegations", ())
        )


def is_shut(group: Record) -> bool:
    """Whether an emergency stop is on that group, which only a reservation can have."""
    return (group.get("federation") or {}).get("shut") is not None


SERVING = frozenset({"PowerNode", "GetStatus"})  # what a head node calls, beside looking at its own jobs

NOBODY = Caller(uid=None, name="nobody")
NM = Caller(uid=0, name="nm", admin=True, door="daemon")  # what the daemon does of its own accord


@dataclass(frozen=True)
class Call:
    """One call: the caller, the method's name, and the time (seconds since 1970)."""

    caller: Caller
    method: str
    now: float
    site: Site = Site()
    rights: Mapping[str, Any] = field(default_factory=dict)  # what the caller's account record grants
    choose_vlan: Callable[[Reader, Collection[int]], int] | None = None
    """Finds a VLAN where none is named; given for many calls in a row, so that the pool is searched once."""

    @property
    def reader(self) -> bool:
        """Whether the caller sees everything."""
        return self.caller.admin or "spy" in self.rights

    def denied(self, right: str) -> Denied:
        """The refusal that says what was missing."""
        return Denied(
            f"{self.caller.name} may not call {self.method}: it needs {right}",
            "WhoAmI tells what you may; ask an administrator for more",
        )

    def no_group(self, name: str) -> NotFound:
        """The same answer whether the group does not exist or the caller may not know of it."""
        return NotFound(
            f"no group {name} that {self.caller.name} is a member of",
            "GetGroups lists the groups you may use",
        )
