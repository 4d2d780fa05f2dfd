"""A plan's changes in words: each fact that differs, as it is and as it will be. Pure.

The steps (nm/plan.py) say what is done in which order; here is what comes of it, one line for each switch
port, VLAN, trunk, bridge, head node, machine list, account and node, as people know it from other tools.
"""

from collections.abc import Container, Mapping
from typing import Any

from nm import facts
from nm.counted import counted
from nm.facts import Value
from nm.records import natural

Facts = Mapping[str, Value]

ORDER = ("node", "port", "vlan", "trunk", "bridge", "export", "list", "head", "account")
NAMES = {"export": "machine list", "list": "machine list in", "head": "head node"}
_STRANGE = "not as it should be"
_ABSENT = {"port": "isolated", "node": "in the pool", "head": "off"}


def changes(target: Facts, deployed: Facts, drifted: Container[str] = ()) -> list[dict[str, Any]]:
    """What of `deployed` becomes what of `target`: {action, what, target, before, after, drift[, lines]}.

    action: add, change or remove. before and after are words. drift: nm did not make it what it is. lines:
    those of a machine list that come (+) and go (-).
    """
    differing = [fact for fact in {**target, **deployed} if target.get(fact) != deployed.get(fact)]
    differing.sort(key=lambda fact: (ORDER.index(facts.split(fact)[0]), natural(fact)))
    return [_change(fact, deployed.get(fact), target.get(fact), fact in drifted) for fact in differing]


def mended(difference: Value) -> dict[str, Any]:
    """The change that mends what an audit found: a difference {hand, target, wanted, seen}."""
    wanted, seen = difference["wanted"], difference["seen"]
    return _change(facts.of(difference), None if seen == facts.ABSENT else seen, wanted, drift=True)


def _change(fact: str, before: Value | str | None, after: Value | str | None, drift: bool) -> dict[str, Any]:
    kind, _, target = fact.partition("/")
    was, will = _spoken(kind, target, before), _spoken(kind, target, after)
    change: dict[str, Any] = {
        "action": "add" if before is None else "remove" if after is None else "change",
        "what": NAMES.get(kind, kind),
        "target": target,
        "before": _STRANGE if drift and was == will and kind != "export" else was,
        "after": will,
        "drift": drift,
    }
    if kind == "export":
        change["lines"] = _lines(before, after)
    return change


def _spoken(kind: str, target: str, value: Value | str | None) -> str:
    """A fact's value in words."""
    if value is None or isinstance(value, str):
        return value or _ABSENT.get(kind, facts.ABSENT)
    if "doubt" in value:
        said = dict.fromkeys(_spoken(kind, target, one) for one in value["doubt"])
        return "unsure: " + " or ".join(said)
    if "tagged" in value:
        return port(value)
    if kind == "head":
        made = f", made from image {value['image']}" if "image" in value else ""
        door = f", with its door to nm ({value['door'][:8]})" if "door" in value else ""
        return f"running on VLAN {value['vlan']}{made}{door}" if value["vlan"] else _STRANGE
    if kind == "trunk":
        return f"carries {'every VLAN' if value.get('open') else 'VLAN ' + target.split('/')[1]}"
    if kind == "export":
        return counted(len(value["machines"]), "machine")
    if kind == "list":
        return f"that of {value['group']} ({value['digest'][:8]})"
    if kind == "account":
        return "there, with its head node's key" if "head" in value else "there, with the group's keys"
    return "given out" if kind == "node" else "there"


def port(value: Value) -> str:
    """What a port carries."""
    untagged = [f"VLAN {value['untagged']}"] if value["untagged"] else []
    rest = ["every other VLAN"] if value.get("open") else []
    return ", ".join([*untagged, *(f"VLAN {vlan} tagged" for vlan in value["tagged"]), *rest]) or "no VLAN"


def _lines(before: Value | str | None, after: Value | str | None) -> list[str]:
    """The lines of the machine list that change; what it holds now may be unsure."""
    old = _machines(before)
    new = _machines(after)
    return [f"- {line}" for line in old if line not in new] + [f"+ {line}" for line in new if line not in old]


def _machines(value: Value | str | None) -> list[str]:
    if value is None or isinstance(value, str) or "doubt" in value:
        return []
    return [" ".join(machine).rstrip() for machine in value["machines"]]
