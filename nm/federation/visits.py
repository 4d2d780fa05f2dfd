"""Who comes from elsewhere, for what, and by which rules of the site: what doors hand to operations. Pure."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import TypeVar

from nm.calls import Call, Caller, Site, UnansweredError
from nm.geni.rspec.aggregate import Aggregate
from nm.store import Store, Transaction

T = TypeVar("T")

GENI, BOWL = "geni", "bowl"  # the doors
LONGEST = 255  # characters of who somebody is, in events and jobs
ALLOCATED, PROVISIONED = 600, 7 * 86400  # seconds


@dataclass(frozen=True)
class Rules:
    """What the site says of reservations by people of elsewhere. Times in seconds, None: no limit."""

    aggregate: Aggregate
    owner: str = "root"  # the Unix account that owns their groups
    manual: bool = False  # an operator sets up what was provisioned, and says so by GeniReady
    allocated: int = ALLOCATED  # how long a sliver is allocated when no end is asked for
    provisioned: int = PROVISIONED  # and provisioned
    longest: int | None = None  # from now to any end
    nodes_a_slice: int | None = None
    slices_a_person: int | None = None
    nodes_a_person: int | None = None
    headnodes: bool = False  # each slice gets a head node that is free
    hostname: str = ""  # by which people reach this machine, and through it their head node
    login: str = "root"  # who people are on their nodes
    mails: frozenset[str] = frozenset()  # methods of which administrators are told by mail


@dataclass(frozen=True)
class Guest:
    """Who asks: a person elsewhere, for whom a door vouches."""

    door: str  # GENI or BOWL
    urn: str  # of the person; what BOWL's client says who it is
    email: str = ""
    name: str = ""
    expires: float | None = None  # seconds since 1970, of the credential: nothing that it makes lasts longer


@dataclass(frozen=True)
class Visit:
    """One call of a guest's."""

    guest: Guest
    rules: Rules
    method: str  # Allocate, Provision ...
    now: float
    site: Site = field(default_factory=Site)

    @property
    def call(self) -> Call:
        """The call as groups' operations know it: what a guest may do was decided by these rules.

        BOWL's people are called anything, as accounts of this machine are, too: nobody is to mix them up.
        """
        said = "".join(one if one.isprintable() else " " for one in self.guest.urn)
        if self.guest.door != GENI:
            said = f"{self.guest.door}:{said}".removesuffix(":")
        caller = Caller(None, said[:LONGEST], admin=True, door=self.guest.door)
        return Call(caller, self.method, self.now, self.site)


def transacted(store: Store, visit: Visit, act: Callable[[Transaction, Visit], T]) -> T:
    """Let `act` write. What it asks the machine is looked up between two runs, never within one."""
    visit = replace(visit, site=visit.site.remembering())
    while True:
        try:
            return store.transact(lambda tx: act(tx, visit))
        except UnansweredError as question:
            question.ask()
