"""What a credential's privileges allow: one table, and what each call of the API needs of it. Pure.

A privilege stands for operations. `*` stands for the privileges that the target's type has by default.
Privileges that are not known stand for nothing.
"""

from collections.abc import Mapping

Privileges = Mapping[str, bool]  # name -> whether its owner may pass it on

EVERY = "*"
_CONTROL = frozenset({"createsliver", "renewsliver", "deletesliver", "sliverstatus", "getsliceresources"})
_ALL = _CONTROL | {"shutdown", "deleteslice", "listresources"}

GRANTS: Mapping[str, frozenset[str]] = {
    "authority": _ALL,
    "embed": _CONTROL | {"shutdown"},
    "control": _CONTROL,
    "sa": _CONTROL | {"listresources"},
    "bind": frozenset(),
    "info": frozenset(),
    "refresh": frozenset(),
    "resolve": frozenset(),
}
"""The operations that each privilege stands for."""

DEFAULTS: Mapping[str, frozenset[str]] = {
    "slice": frozenset({"refresh", "embed", "bind", "control", "info"}),
    "user": frozenset({"refresh", "resolve", "info"}),
    "authority": frozenset({"authority", "sa"}),
}
"""The privileges that `*` stands for, by the type of the target."""

NEEDED: Mapping[str, frozenset[str]] = {
    "ListResources": frozenset(),  # nothing but a valid credential of the caller's
    "Describe": frozenset({"getsliceresources", "sliverstatus"}),
    "Status": frozenset({"getsliceresources", "sliverstatus"}),
    "Allocate": frozenset({"createsliver"}),
    "Provision": frozenset({"createsliver"}),
    "PerformOperationalAction": frozenset({"createsliver"}),
    "Renew": frozenset({"renewsliver"}),
    "Delete": frozenset({"deletesliver", "deleteslice"}),
    "Shutdown": frozenset({"shutdown"}),
}
"""The operations of which a call needs one."""


def expanded(privileges: Privileges, target_type: str) -> Privileges:
    """The same without `*`: what that stands for is named."""
    if EVERY not in privileges:
        return privileges
    every = privileges[EVERY]
    named = {name: may for name, may in privileges.items() if name != EVERY}
    return named | {name: every or named.get(name, False) for name in DEFAULTS.get(target_type, ())}


def operations(privileges: Privileges, target_type: str) -> frozenset[str]:
    """What they allow on a target of that type."""
    named = expanded(privileges, target_type)
    return frozenset().union(*(GRANTS.get(name, frozenset()) for name in named))


def beyond(child: Privileges, parent: Privileges, target_type: str) -> list[str]:
    """Those of the child that the parent's owner has not, or may not pass on, in order."""
    passed = {name for name, may in expanded(parent, target_type).items() if may}
    return sorted(set(expanded(child, target_type)) - passed)
