"""What a hand is told of a part: whose it is, what its attributes are worth now, whose disk it has. Pure.

What hands make is called by a part's *identity*: a digest of the pool, of its birth, of the part's path and
of which life of the part it is. So whatever has such a name is that life's, and can be nobody else's.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

from nm.pools.attributes import Value, is_component, is_lazy
from nm.pools.kinds import KINDS, worth
from nm.pools.tree import Part, Path, Tree, spell

DOMAINS = ("Domain", "XenDomain")
DISKS = ("LoopbackStorageBackend", "LVMStorageBackend")
BACKEND, SHELL = "storageBackend", "shell"
DIGITS = 12


@dataclass(frozen=True)
class Brief:
    """A part for a hand. born: when the pool was made; life: of the part, counted.

    attributes: plain values, lazy references followed, without those that lead to components. disk: of a
    domain, the brief of its back end. user: of a back end, the brief of the domain that has its disk. keys:
    by which the pool's owner may log in to a guest. gentle: nothing is stopped for a change. shell: of a
    script, the brief of its shell. deployed: whether this life of the part was to be deployed, ever.
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
    shell: "Brief | None" = None
    deployed: bool = False

    @cached_property
    def identity(self) -> str:
        """By which what is made for it is called."""
        said = "\0".join((self.pool, repr(self.born), spell(self.path), str(self.life)))
        return hashlib.sha256(said.encode()).hexdigest()[:DIGITS]

    @property
    def name(self) -> str:
        """How the part is called to people."""
        return f"{spell(self.path)} of {self.pool}"

    @property
    def fact(self) -> str:
        """The name of what a hand makes true of it."""
        return f"part/{self.pool}/{spell(self.path)}"

    def worth(self, name: str) -> Any:
        """An attribute as given, else its default."""
        return worth(KINDS[self.kind], self.attributes, name)


def domain_name(attributes: Mapping[str, Any]) -> str:
    """What libvirt calls a domain of a pool; "" when nothing says."""
    return str(attributes.get("domainName") or attributes.get("hostname") or "")


@dataclass(frozen=True)
class Briefing:
    """Makes the briefs of one pool. lives: by path; keys: the owner's; deployed: parts that were to be."""

    pool: str
    born: float
    tree: Tree
    lives: Mapping[Path, int]
    keys: tuple[str, ...] = ()
    deployed: frozenset[Path] = frozenset()

    @cached_property
    def _users(self) -> dict[Path, Path]:
        """Back ends, and the domain that has the disk of each."""
        domains = (part for part in self.tree.parts.values() if part.kind in DOMAINS)
        return {disk: part.path for part in domains if (disk := part.needs.get(BACKEND)) is not None}

    def of(self, part: Part) -> Brief:
        """The brief of a part as it is given; references are followed in the tree."""
        made = self._alone(part)
        if part.kind in DOMAINS:
            other = self.tree.parts.get(part.needs.get(BACKEND) or part.path)
            if other is not None and other.kind in DISKS:
                return replace(made, disk=self._alone(other))
        if part.kind in DISKS and (user := self._users.get(part.path)) is not None:
            return replace(made, user=self._alone(self.tree.parts[user]))
        if part.kind == "Script" and (shell := self.tree.parts.get(part.needs.get(SHELL) or part.path)):
            return replace(made, shell=self._alone(shell), deployed=part.path in self.deployed)
        return made

    def _alone(self, part: Part) -> Brief:
        life = self.lives.get(part.path, 0)
        attributes = resolved(self.tree, part)
        return Brief(self.pool, self.born, part.path, part.kind, life, attributes, keys=self.keys)


def resolved(tree: Tree, part: Part) -> dict[str, Any]:
    """The attributes of a part, with what lazy references lead to; without those that lead to nothing."""
    found = {}
    for name, value in part.attributes.items():
        worth_now = tree.followed(part, name) if is_lazy(value) else _inside(tree, part, name, value)
        if worth_now is not None:
            found[name] = worth_now
    return found


def _inside(tree: Tree, part: Part, name: str, value: Value) -> Value:
    """A value with what lazy references in it lead to; one that leads to nothing stays."""
    if is_component(value):
        items = value["attributes"].items()
        return {**value, "attributes": {key: _inside(tree, part, f"{name}:{key}", it) for key, it in items}}
    led = tree.led(value, part.needs.get(name))
    return value if led is None else led
