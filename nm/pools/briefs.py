"""What a hand is told of a part: whose it is, what its attributes are worth now, whose disk it has. Pure.

What hands make is called by a part's *identity*: a digest of the pool, of its birth, of the part's path and
of which life of the part it is. So whatever has such a name is that life's, and can be nobody else's.
"""

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

from nm.errors import Invalid, NotFound
from nm.facts import Order, never
from nm.pools.attributes import Attribute, leads
from nm.pools.grouping import GROUP, MAIN, NETWORK, group_around, group_name, network_name, network_of
from nm.pools.kinds import DISKS, DOMAINS, KINDS, OF_GROUPS, worth
from nm.pools.tree import ROOT, Part, Path, Tree, spell

BACKEND, SHELL = "storageBackend", "shell"
DIGITS = 12


@dataclass(frozen=True)
class Brief:
    """A part for a hand. born: when the pool was made; life: of the part, counted.

    attributes: plain values, lazy references followed, without those that lead to components. disk: of a
    domain, the brief of its back end. user: of a back end, the brief of the domain that has its disk. keys:
    by which the pool's owner may log in to a guest. gentle: nothing is stopped for a change. adopt: a domain
    of that name that is nobody's is taken as it is, when all its drives are below these folders; None: it is
    not. group: of what is a group's, the brief of that; of a domain, that of the group on whose network it
    is. network: which of the group's. ending: that group is being taken down. shell: of a script, the brief
    of its shell. deployed: whether this life of the part was to be deployed, ever. stands: of what is
    prepared or changed, whether it is to run and not made anew; lost: whether a look found that it is gone.
    half: of what goes, whether nobody heard that it is whole.
    """

    pool: str
    born: float
    path: Path
    kind: str
    life: int
    attributes: Mapping[str, Any] = field(default_factory=dict, repr=False)  # user data may be secret
    disk: "Brief | None" = None
    user: "Brief | None" = None
    keys: tuple[str, ...] = ()
    gentle: bool = False
    adopt: tuple[str, ...] | None = None
    group: "Brief | None" = None
    network: str = ""
    ending: bool = False
    shell: "Brief | None" = None
    deployed: bool = False
    stands: bool = False
    lost: bool = False
    half: bool = False

    @cached_property
    def identity(self) -> str:
        """By which what is made for it is called."""
        return identity_of(self.pool, self.born, self.path, self.life)

    @property
    def name(self) -> str:
        """How the part is called to people."""
        return f"{spell(self.path)} of {self.pool}"

    @property
    def fact(self) -> str:
        """The name of what a hand makes true of it."""
        return f"part/{self.pool}/{spell(self.path)}"

    @property
    def group_name(self) -> str:
        """What its group is called; "" when it has to do with none."""
        return group_name(self.group.path, self.group.attributes, self.pool) if self.group is not None else ""

    def worth(self, name: str) -> Any:
        """An attribute as given, else its default."""
        return worth(KINDS[self.kind], self.attributes, name)


def identity_of(pool: str, born: float, path: Path, life: int) -> str:
    """The identity of that life of a part."""
    said = "\0".join((pool, repr(born), spell(path), str(life)))
    return hashlib.sha256(said.encode()).hexdigest()[:DIGITS]


@dataclass(frozen=True)
class Briefing:
    """Makes the briefs of one pool. pieces: what is kept of its parts, by path; keys: the owner's."""

    pool: str
    born: float
    tree: Tree
    pieces: Mapping[Path, Mapping[str, Any]]
    keys: tuple[str, ...] = ()

    def of(self, part: Part, *, strict: bool = True) -> Brief:
        """The brief of a part as it is given; references are followed in the tree.

        strict: NotFound or Invalid when an attribute that counts leads to nothing that it may be.
        """
        made = self._grouped(part, self.alone(part, strict=strict))
        if part.kind in DOMAINS:
            other = self.tree.parts.get(part.needs.get(BACKEND) or part.path)
            if other is not None and other.kind in DISKS:
                return replace(made, disk=self.alone(other))
        if part.kind in DISKS and (users := self.tree.users(part.path, BACKEND)):
            return replace(made, user=self.alone(self.tree.parts[users[-1]]))
        if part.kind == "Script" and (shell := self.tree.parts.get(part.needs.get(SHELL) or part.path)):
            return replace(made, shell=self.alone(shell), deployed=bool(self._piece(part).get("deployed")))
        return made

    def _grouped(self, part: Part, made: Brief) -> Brief:
        """With the group that it has to do with."""
        parts = self.tree.parts
        if part.kind == GROUP:
            return replace(made, group=made, network=MAIN)
        if part.kind in OF_GROUPS and (around := group_around(parts, part.parent or ROOT)) is not None:
            return replace(made, group=self.alone(parts[around]), network=network_name(part))
        if part.kind in DOMAINS and (network := network_of(parts, part)) is not None:
            kept = {name: value for name, value in made.attributes.items() if name != NETWORK}
            return replace(made, attributes=kept, group=self.alone(parts[network[0]]), network=network[1])
        return made

    def alone(self, part: Part, *, strict: bool = False) -> Brief:
        """The brief of a part without those of others."""
        life = self._piece(part).get("life", 0)
        attributes = resolved(self.tree, part, strict=strict)
        return Brief(self.pool, self.born, part.path, part.kind, life, attributes, keys=self.keys)

    def _piece(self, part: Part) -> Mapping[str, Any]:
        return self.pieces.get(part.path, {})


def resolved(tree: Tree, part: Part, *, strict: bool = False) -> dict[str, Any]:
    """The attributes of a part, with what lazy ones are worth; without those that lead to parts, or nowhere.

    strict: see Briefing.of.
    """
    found = {}
    known = KINDS[part.kind].known if part.kind in KINDS else {}
    for name, value in part.attributes.items():
        worth_now = worth_of(tree, part, known.get(name), name, strict) if leads(value) else value
        if worth_now is not None:
            found[name] = worth_now
    return found


def worth_of(tree: Tree, part: Part, attribute: Attribute | None, name: str, strict: bool) -> Any:
    """What a lazy attribute is worth; None when it leads to a part, or nowhere and that does not matter."""
    try:
        value = tree.followed(part, name)
    except NotFound:
        if strict and attribute is not None and not attribute.lazy:
            raise
        return None
    if strict and attribute is not None and not attribute.lazy and not attribute.fits(value):
        raise Invalid(
            f"{name} leads to what is no {attribute.type}", "let it lead to one, or write the value"
        )
    return value


# ---- orders for hands


def order_of(
    what: str, brief: Brief, *, moot: Callable[[], bool] = never, unwanted: Callable[[], bool] = never
) -> Order:
    """Let that be done for a part.

    what: a stage or a step of nm/pools/lifecycle.py, or "look" or "wire". unwanted: asked by who is long at
    it, whether it may be ended.
    """
    return Order(brief.fact, {"what": what, "brief": brief, "unwanted": unwanted}, moot=moot)


def brief_in(order: Order) -> Brief:
    """The part that such an order is for."""
    found: Brief = (order.value or {})["brief"]
    return found


def what_in(order: Order) -> str:
    """What such an order says."""
    return str((order.value or {})["what"])


def called_off(order: Order) -> bool:
    """Whether what is just being done for it may be ended."""
    return bool((order.value or {})["unwanted"]())
