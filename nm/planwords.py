"""A plan's changes in words: each fact that differs, as it is and as it will be. Pure.

The steps (nm/plan.py) say what is done in which order; here is what comes of it, one line for each switch
port, VLAN, trunk, bridge, head node, machine list, account and node, as people know it from other tools.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from nm import facts
from nm.counted import counted
from nm.facts import Value
from nm.records import natural

Facts = Mapping[str, Value]

ORDER = ("node", "port", "vlan", "trunk", "bridge", "export", "head", "account")
NAMES = {"export": "machine list", "head": "head node"}
_ABSENT = {"port": "isolated", "node": "in the pool", "head": "off"}


def changes(target: Facts, deployed: Facts) -> list[dict[str, Any]]:
    """What of `deployed` becomes what of `target`: {action, what, target, before, after[, lines]} each.

    action: add, change or remove. before and after are words; `lines` are those of a machine list that come
    (+) and go (-).
    """
    differing = [fact for fact in {**target, **deployed} if target.get(fact) != deployed.get(fact)]
    differing.sort(key=lambda fact: (ORDER.index(facts.split(fact)[0]), natural(fact)))
    return [_change(fact, deployed.get(fact), target.get(fact)) for fact in differing]


def _change(fact: str, before: Value | None, after: Value | None) -> dict[str, Any]:
    kind, *parts = facts.split(fact)
    change: dict[str, Any] = {
        "action": "add" if before is None else "remove" if after is None else "change",
        "what": NAMES.get(kind, kind),
        "target": "/".join(parts),
        "before": _spoken(kind, parts, before),
        "after": _spoken(kind, parts, after),
    }
    if kind == "export":
        change["lines"] = _lines(before, after)
    return change


def _spoken(kind: str, parts: Sequence[str], value: Value | None) -> str:
    """A fact's value in words."""
    if value is None:
        return _ABSENT.get(kind, "absent")
    if "doubt" in value:
        said = dict.fromkeys(_spoken(kind, parts, one) for one in value["doubt"])
        return "unsure: " + " or ".join(said)
    if kind == "port":
        return port(value)
    if kind == "head":
        return f"running on VLAN {value['vlan']}"
    if kind == "trunk":
        return f"carries VLAN {parts[1]}"
    if kind == "export":
        return counted(len(value["machines"]), "machine")
    return {"node": "given out", "account": "there, with the group's keys"}.get(kind, "there")


def port(value: Value) -> str:
    """What a port carries."""
    untagged = [f"VLAN {value['untagged']}"] if value["untagged"] else []
    return ", ".join(untagged + [f"VLAN {vlan} tagged" for vlan in value["tagged"]])


def _lines(before: Value | None, after: Value | None) -> list[str]:
    """The lines of the machine list that change; what it holds now may be unsure."""
    old = _machines(before)
    new = _machines(after)
    return [f"- {line}" for line in old if line not in new] + [f"+ {line}" for line in new if line not in old]


def _machines(value: Value | None) -> list[str]:
    if value is None or "doubt" in value:
        return []
    return [" ".join(machine).rstrip() for machine in value["machines"]]
