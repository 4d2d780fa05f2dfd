"""Reservations: when a node of a PLC is one slice's alone. Pure.

A PLC that lets its nodes be reserved sends the leases of the next day. Under `lease_or_idle` a sliver runs
during its slice's lease only, and none between leases; under `lease_or_shared` all run between leases. What
runs on all nodes of the PLC (tag `system`) and what has no sliver is not concerned. Times count as they are
told: they are multiples of the PLC's granularity already.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from nm.records import Record
from nm.slices import CONTROLLER

IDLE, SHARED = POLICIES = ("lease_or_idle", "lease_or_shared")


@dataclass(frozen=True)
class Lease:
    """The node is that slice's from one second until before another."""

    name: str
    start: int
    end: int


def read_leases(told: object) -> tuple[Lease, ...]:
    """The leases of a reply, in the order of their starts; what is none is left out."""
    found = [_lease(one) for one in told if isinstance(one, Mapping)] if isinstance(told, list) else []
    return tuple(sorted((lease for lease in found if lease is not None), key=lambda lease: lease.start))


def _lease(told: Mapping[str, Any]) -> Lease | None:
    name, start, end = told.get("name"), told.get("t_from"), told.get("t_until")
    if not isinstance(name, str) or type(start) is not int or type(end) is not int:
        return None
    return Lease(name, start, end) if start < end else None


def holder(leases: Iterable[Lease], now: float) -> str | None:
    """Whose the node is now."""
    return next((lease.name for lease in leases if lease.start <= now < lease.end), None)


def waits(record: Record, policy: object, leases: Iterable[Lease], now: float) -> str | None:
    """Why a sliver must not run now, in words; None when no reservation keeps it from running."""
    if policy not in (IDLE, SHARED) or record["instantiation"] == CONTROLLER or record["tags"].get("system"):
        return None
    whose = holder(leases, now)
    if whose == record["name"] or (whose is None and policy == SHARED):
        return None
    return f"the node is reserved for {whose}" if whose is not None else "the node runs reserved slivers only"


def next_change(leases: Iterable[Lease], now: float) -> int | None:
    """When a lease next begins or ends."""
    return min((time for lease in leases for time in (lease.start, lease.end) if time > now), default=None)
