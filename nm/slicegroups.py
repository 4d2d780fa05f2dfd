"""Groups of slices: physical nodes and a VLAN for a slice whose source names them. Pure.

A sliver's record whose source names a VLAN or nodes (`vlan`, `nodes`) owns the group of its name: made,
deployed and changed by nm as the source says, and ended with the sliver. The group's record has `slice`, the
slice's name, and no Unix account of its own: the sliver's is a member, and so is who the source delegates to.

`_told` of the group is what of the source was done: {vlan, nodes, missing, keys, delegations, expiry}. Only
what differs from it is news; so calls of people work, and stay until the source says something else of that
very thing. `missing`: nodes that could not be had yet, and are tried again. Nothing is taken from anybody:
what is somebody else's is told in words. Nothing ends by mass (see `_let_lapse`). A group that was made by
hand is never touched.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from nm import departures, groups, groupvalues, lending, people, releases, specs
from nm.calls import Call
from nm.errors import NMError
from nm.records import Record, changed, name_of, record_key
from nm.scratch import Scratch
from nm.store import Reader, Transaction

LAPSE = 900  # seconds; a group whose source forgets it ends after one or two times as long
NODES_AT_ONCE = 60  # that come in one transaction, which has 100 writes

_SAID: Mapping[str, Any] = {"vlan": None, "nodes": [], "keys": [], "delegations": [], "expiry": None}
_NOTHING: Mapping[str, Any] = {**_SAID, "missing": []}


def keep_group(tx: Transaction, call: Call, record: Record) -> list[str]:
    """Bring the slice's group in line with the sliver's record. What cannot be had, in words: try it again.

    Writes nothing when nothing is new.
    """
    name, record = record["name"], {**_SAID, **record}
    group = tx.get(record_key("group", name))
    if departures.is_due(record, call.now):
        end_group(tx, call, name)
        return []
    if record.get("_gone") or departures.is_over(record, call.now):
        return []  # it may come back, and then has what it had
    if record["vlan"] is None and not record["nodes"]:
        _let_lapse(tx, call, group, name)
        return []
    if group is None:
        return _make(tx, call, record)
    if group.get("slice") != name:
        return [f"there is a group {name} that was made by hand: destroy it, or name neither VLAN nor nodes"]
    if group["destroying"]:
        return [f"group {name} is being destroyed, and made anew when it is gone"]
    return _bring_in_line(tx, call, group, record)


def end_group(tx: Transaction, call: Call, name: str) -> None:
    """The slice has no group any more: the one that was made for it ends."""
    group = tx.get(record_key("group", name))
    if group is not None and group.get("slice") == name and not group["destroying"]:
        groups.destroy_group(tx, call, name)


def _let_lapse(tx: Transaction, call: Call, group: Record | None, name: str) -> None:
    """Its source names nothing for it any more: its lease ends soon, unless it does again.

    At a full quarter of an hour, so that all that a source forgets together end together: too many at once
    wait for an administrator, as ends of leases do.
    """
    if group is None or group.get("slice") != name or group["destroying"]:
        return
    ends = (int(call.now) // LAPSE + 2) * LAPSE
    if group["expiry"] is None or group["expiry"] > ends:
        told = {
            **group.get("_told", _NOTHING),
            "expiry": ends,
        }  # another is news when it is named again
        tx.put(changed(group, call.now, expiry=ends, _told=told))
        groups.tell(tx, call, name, "lease ends", "its slice names neither a VLAN nor nodes any more")


def _make(tx: Transaction, call: Call, record: Record) -> list[str]:
    """A new group, when there is something to put into it: its VLAN, or a node."""
    name, vlan = record["name"], record["vlan"]
    settings = {"expires": _expiry(record), **({"vlan": vlan} if vlan is not None else {})}
    attempt = Scratch(tx)
    try:
        groups.make_group(attempt, call, name, settings, of_slice=True)
        problems = _bring_in_line(attempt, call, groups.need(attempt, call, name), record)
    except NMError as error:
        return [f"no group {name}: {error.message}"]
    if vlan is not None or groups.need(attempt, call, name)["target"]["nodes"]:
        attempt.apply(tx)
    return problems


# ---- what is news


@dataclass(frozen=True)
class _Edit:
    """What becomes of a spec."""

    vlan: int | None = None  # None: as it is
    add: tuple[str, ...] = ()
    remove: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return self != _Edit()

    def of(self, spec: specs.Spec) -> specs.Spec:
        """The spec with it."""
        kept = [node for node in spec["nodes"] if node not in self.remove]
        spec = specs.with_nodes(spec, list(dict.fromkeys([*kept, *self.add])))
        if self.vlan is None:
            return spec
        vlan, main = self.vlan, {**spec["networks"]["main"], "vlan": self.vlan}
        return {**spec, "networks": specs.parse_networks({**spec["networks"], "main": main}, lambda: vlan)}

    def __str__(self) -> str:
        vlan = [f"VLAN {self.vlan}"] if self.vlan is not None else []
        return ", ".join([*vlan, *(f"+{node}" for node in self.add), *(f"-{node}" for node in self.remove)])


def _bring_in_line(tx: Transaction, call: Call, group: Record, record: Record) -> list[str]:
    """What the source says otherwise than before is done at once, as far as it can be."""
    problems: list[str] = []
    told = group.get("_told", _NOTHING)
    edit = _possible(tx, call, group, _news(group, record, told, problems), problems)
    had = {*group["wanted"]["nodes"], *group.get("lent", ()), *edit.add}
    # A node that is lent and named no more stays on the list: it goes when it is home.
    away = [node for node in told["nodes"] if node in group.get("lent", ()) and node not in record["nodes"]]
    done = record["vlan"] in (None, edit.vlan, _main(group))
    fields = _people(tx, call, record, told, problems)
    fields["_told"] = {
        "vlan": record["vlan"] if done else told["vlan"],
        "nodes": [*record["nodes"], *away],
        "missing": [node for node in _awaited(record, told) if node not in had],
        "keys": record["keys"],
        "delegations": fields.pop("_delegations"),
        "expiry": record["expiry"],
    }
    if edit or group["target"] is None:
        _apply(tx, call, group, edit, fields)
    elif any(group.get(key) != value for key, value in fields.items()):
        tx.put(changed(group, call.now, **fields))
    return problems


def _awaited(record: Record, told: Mapping[str, Any]) -> list[str]:
    """The nodes that are news, or could not be had before: not those that people took out of the group."""
    return [node for node in record["nodes"] if node not in told["nodes"] or node in told["missing"]]


def _main(group: Record) -> int:
    return int(group["wanted"]["networks"]["main"]["vlan"])


def _news(group: Record, record: Record, told: Mapping[str, Any], problems: list[str]) -> _Edit:
    """What is to become of the group's specs, whether or not it can be had."""
    wanted, vlan = group["wanted"]["nodes"], record["vlan"]
    had = {*wanted, *group.get("lent", ())}
    add = [node for node in _awaited(record, told) if node not in had]
    remove = [node for node in told["nodes"] if node not in record["nodes"] and node in wanted]
    if len(add) > NODES_AT_ONCE:
        problems.append(f"{len(add) - NODES_AT_ONCE} more nodes follow")
    new_vlan = vlan if vlan not in (None, told["vlan"], _main(group)) else None
    return _Edit(new_vlan, tuple(add[:NODES_AT_ONCE]), tuple(remove))


def _possible(tx: Transaction, call: Call, group: Record, edit: _Edit, problems: list[str]) -> _Edit:
    """As much of that as can be had: all, or what is found good one by one."""
    if not edit or _refusal(tx, call, group, edit) is None:
        return edit
    found = _Edit()
    if edit.remove:
        more = replace(found, remove=edit.remove)
        found = _with(tx, call, group, found, more, f"nodes {', '.join(edit.remove)} stay", problems)
    if edit.vlan is not None:
        more = replace(found, vlan=edit.vlan)
        found = _with(tx, call, group, found, more, f"VLAN {edit.vlan}", problems)
    for node in edit.add:
        more = replace(found, add=(*found.add, node))
        found = _with(tx, call, group, found, more, f"node {node}", problems)
    return found


def _with(
    tx: Transaction, call: Call, group: Record, found: _Edit, more: _Edit, what: str, problems: list[str]
) -> _Edit:
    why = _refusal(tx, call, group, more)
    if why is not None:
        problems.append(f"{what}: {why}")
    return found if why is not None else more


def _refusal(reader: Reader, call: Call, group: Record, edit: _Edit) -> str | None:
    try:
        _apply(Scratch(reader), call, group, edit, {})
    except NMError as error:
        return error.message
    return None


def _apply(tx: Transaction, call: Call, group: Record, edit: _Edit, fields: Mapping[str, Any]) -> None:
    """Into what is wanted and what is deployed, at once; what people have staged beside it stays staged."""
    wanted = specs.dated(group, edit.of(group["wanted"]))
    target = edit.of(group["target"] or group["wanted"])
    target = specs.with_since(target, {**wanted.get("since", {}), **target.get("since", {})})
    name = name_of(group["record_key"])
    lending.check_makeable(tx, group, target)
    there = releases.known(tx, group)
    groups.retarget(tx, call, group, target, "deploy", deployed=there, wanted=wanted, **fields)
    if edit:
        groups.tell(tx, call, name, "changed by its slice", str(edit))


# ---- people, and the end


def _people(
    tx: Transaction, call: Call, record: Record, told: Mapping[str, Any], problems: list[str]
) -> dict[str, Any]:
    """Keys, delegations and lease, where they are news; `_delegations` are all that the source means."""
    fields: dict[str, Any] = {"_delegations": _delegations(tx, call, record, problems)}
    if record["keys"] != told["keys"]:
        fields["keys"] = record["keys"]
    if fields["_delegations"] != told["delegations"]:
        fields["delegations"] = fields["_delegations"]
    if record["expiry"] != told["expiry"]:
        fields["expiry"] = _expiry(record)
    return fields


def _expiry(record: Record) -> int | None:
    """When the group's lease ends; a source may name times that no calendar has."""
    expiry: int | None = record["expiry"]
    return None if expiry is None else min(expiry, groupvalues.LAST_SECOND)


def _delegations(reader: Reader, call: Call, record: Record, problems: list[str]) -> list[dict[str, Any]]:
    """The sliver's own account, and whom the source names. One that is not there yet is looked for again."""
    account = people.sliver_account(reader, record["name"])
    found: list[dict[str, Any]] = []
    if account is not None and people.is_live(account):
        found.append({**people.person(account), "method": None})
    for entry in record["delegations"]:
        name, method = (entry, None) if isinstance(entry, str) else entry
        given = {"name": name} if method is None else {"name": name, "method": method}
        try:
            found += people.parse_delegations(reader, call, [given])
        except NMError as error:
            problems.append(f"delegation to {name}: {error.message}")
    return found
