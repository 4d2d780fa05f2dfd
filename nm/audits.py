"""Audits and repairs of a group: what is deployed against what is there.

Owned by the group's worker and called by its thread only. An audit sends readings to the workers of
all subjects that hold something of the group, gathers the reports, and writes the differences down; a
repair then puts what differs in doubt, so that the group's plan makes it good.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from nm import facts, jobs, plan, recording
from nm.facts import Hand, Outcome, Value
from nm.records import record_key
from nm.store import Store
from nm.workers import Reading


@dataclass(frozen=True)
class Report:
    """What one subject read for an audit."""

    job: int
    facts: Sequence[str]
    outcomes: Sequence[Outcome]


@dataclass
class _Audit:
    expected: dict[str, Value]
    repairing: bool
    seen: dict[str, Outcome] = field(default_factory=dict)


class Audits:
    """The audits of one group that are under way."""

    def __init__(
        self,
        group: str,
        store: Store,
        send: Callable[[str, Any], None],
        export: Hand,
        now: Callable[[], float],
    ) -> None:
        self._group = group
        self._store = store
        self._send = send
        self._export = export
        self._now = now
        self._audits: dict[int, _Audit] = {}  # one at most
        self._waiting: list[int] = []

    @property
    def pending(self) -> bool:
        """True while reports are awaited."""
        return bool(self._audits)

    def start(self, number: int) -> None:
        """Send the readings of an audit or repair job, or let it wait for the one that is under way."""
        if self._audits:
            self._waiting.append(number)
            return
        job = self._store.get(record_key("job", number))
        group = self._store.get(record_key("group", self._group))
        if job is None or job["kind"] not in ("audit", "repair") or job["state"] in jobs.OVER:
            return
        if group is not None and group["job"] == number:  # a repair that is past its audit already
            return
        now = self._now()
        self._store.transact(lambda tx: jobs.advance(tx, number, now, state="running"))
        deployed = group["deployed"] if group else {}
        expected = {f: v for f, v in deployed.items() if "doubt" not in v and not f.startswith("node/")}
        self._audits[number] = _Audit(expected, job["kind"] == "repair")
        by_subject: dict[str, list[str]] = {}
        for fact, value in expected.items():
            by_subject.setdefault(plan.subject_of(fact, value), []).append(fact)
        here = by_subject.pop("", [])
        for subject, wanted in by_subject.items():
            self._send(subject, Reading(wanted, self._reporter(number, wanted)))
        self.collect(Report(number, here, self._export.read(here) if here else []))

    def _reporter(self, number: int, wanted: list[str]) -> Callable[[list[Outcome]], None]:
        return lambda outcomes: self._send(f"group:{self._group}", Report(number, wanted, outcomes))

    def collect(self, report: Report) -> None:
        """Take in one report; the last one ends the audit."""
        audit = self._audits.get(report.job)
        if audit is None:
            return
        audit.seen.update(zip(report.facts, report.outcomes, strict=True))
        if len(audit.seen) < len(audit.expected):
            return
        differing = {
            fact: audit.seen[fact]
            for fact, value in audit.expected.items()
            if _differs(value, audit.seen[fact])
        }
        strangers = self._strangers(audit)
        differences = [
            _difference(fact, audit.expected[fact], outcome) for fact, outcome in differing.items()
        ] + [_stranger(*found) for found in strangers]
        now = self._now()
        self._store.transact(
            lambda tx: recording.audited(
                tx,
                self._group,
                report.job,
                differences,
                list(differing),
                [(switch, port) for switch, port, _ in strangers],
                audit.repairing,
                now,
            )
        )
        del self._audits[report.job]
        waiting, self._waiting = self._waiting, []
        for number in waiting:
            self.start(number)

    def _strangers(self, audit: _Audit) -> list[tuple[str, str, int]]:
        """(switch, port, VLAN): ports that carry a VLAN of the group and are none of its ports and trunks."""
        ours = {tuple(facts.split(fact)[1:]) for fact in audit.expected if fact.startswith("port/")}
        ways = {tuple(facts.split(fact)[1:]) for fact in audit.expected if fact.startswith("trunk/")}
        found = []
        for fact, outcome in audit.seen.items():
            kind, *parts = facts.split(fact)
            vlan = self._store.get(record_key("vlan", parts[1])) if kind == "vlan" else None
            if vlan is None or vlan["shared"]:
                continue
            switch, vlan_id = parts
            foreign = [port for port in outcome.carriers if (switch, port) not in ours]
            found += [(switch, port, int(vlan_id)) for port in foreign if (switch, vlan_id, port) not in ways]
        return found


def _stranger(switch: str, port: str, vlan: int) -> dict[str, Any]:
    target = f"{switch}/{port}"
    return {"hand": "port", "target": target, "wanted": f"not on VLAN {vlan}", "seen": f"on VLAN {vlan}"}


def _differs(value: Value, outcome: Outcome) -> bool:
    return outcome.error is not None or outcome.seen != value


def _difference(fact: str, value: Value, outcome: Outcome) -> dict[str, Any]:
    kind, *parts = facts.split(fact)
    seen = f"unreadable: {outcome.error}" if outcome.error else outcome.seen
    return {
        "hand": kind,
        "target": "/".join(parts),
        "wanted": value,
        "seen": seen if seen is not None else "absent",
    }
