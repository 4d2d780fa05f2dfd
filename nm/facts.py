"""Facts: the elementary things that hands make true, and the face of every hand.

A group's target is a set of facts; what the hands made true and read back is another; the plan is
their difference. A fact has a name (text) and a value (plain data). Kinds of fact:

    node/NODE              {"power": bool}                  given out; unmake: power off when there is power
                           {..., "given": False}            not yet given out, or wiped again
    vlan/SWITCH/ID         {}                               the VLAN exists on that switch
    trunk/SWITCH/ID/PORT   {"native": int}                  that trunk port carries that VLAN
    port/SWITCH/PORT       {"untagged": id|None, "tagged": [id]}  it carries just these; unmake: isolated
    bridge/HOST/ID         {}                               the host's network reaches that VLAN
    head/NAME              {"host", "domain", "vlan"}       the head node runs, its NIC on that VLAN
                           and {"image": NAME}              and was made from that; unmake: gone, not just off
                           and {"door": mark}               and its seed leads there (nm/doormark.py)
    export/GROUP           {"machines": [[mac, address]], "document"}  the group's list (nm/machinelist.py)
    list/HEADNODE          {"host", "domain", "group", "digest"}  that list is in reach of the head node
    account/NAME           {"uid": int, "id": int}          the group's Unix account of that incarnation,
                           and {"head": NAME} of it         or its head node's
    sliver/NAME            {"domain", "type", "image", "life": int, "index": int, "told": digest,
                            "running", "frozen": bool, "shares", "reserve": int, "cores": text,
                            "memory", "disk": int}          the sliver's guest (nm/guesthand.py)

    part/POOL/PATH         {"what", "brief"}                what is to be done for a part of a described pool
                                                            (nm/poolhand.py)
    life/IDENTITY          only read                        whether the domain of that life of a part runs

PORT comes last because ports' names may contain slashes. Pure ground; imported by plan and hands.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from ipaddress import ip_interface
from typing import Any, Protocol

from nm.errors import NMError
from nm.records import Record

FIRST_ADDRESS = 10  # the sliver of index 1 has the 11th address of the network
Value = dict[str, Any]
_PARTS = {
    "node": 1, "vlan": 2, "trunk": 3, "port": 2, "bridge": 2, "head": 1, "export": 1, "list": 1, "account": 1,
    "sliver": 1, "part": 2, "life": 1,
}  # fmt: skip


def name(kind: str, *parts: str | int) -> str:
    """The fact's name, as `trunk/sw0/101/eth0/1`."""
    return "/".join((kind, *map(str, parts)))


def split(fact: str) -> tuple[str, ...]:
    """Kind and parts of a fact's name, as ("trunk", "sw0", "101", "eth0/1")."""
    kind, _, rest = fact.partition("/")
    return (kind, *rest.split("/", _PARTS[kind] - 1))


def switch_of(fact: str) -> str | None:
    """The switch that the fact is on; None for facts of other things."""
    kind, *parts = split(fact)
    return parts[0] if kind in ("vlan", "trunk", "port") else None


def made_domain(headnode: str) -> str:
    """What libvirt calls the domain of a head node that nm makes from an image."""
    return f"nm-{headnode}"


def sliver_domain(account: str) -> str:
    """What libvirt calls the guest of a sliver, by the Unix name in the sliver's record."""
    return f"nm-sliver-{account}"


def sliver_address(network: str, index: int) -> str | None:
    """The address and prefix of the sliver of that index, as 10.20.0.11/16; None when it has none."""
    if not network or index < 1:
        return None
    found = ip_interface(network).network
    place = FIRST_ADDRESS + index
    if place >= found.num_addresses - 1:
        return None
    return f"{found.network_address + place}/{found.prefixlen}"


def of_account(record: Record) -> Value:
    """The value of an account's fact."""
    head = {"head": record["name"]} if record["type"] == "headnode" else {}
    return {"uid": record["uid"], "id": record["id"], **head}


ABSENT = "absent"  # what a difference says was seen where there is nothing


def of(difference: Value) -> str:
    """The name of the fact that a difference {hand, target, wanted, seen} is about."""
    return f"{difference['hand']}/{difference['target']}"


def never() -> bool:
    """The guard of an order that cannot become moot."""
    return False


@dataclass(frozen=True)
class Order:
    """Make a fact true with that value, or (value None) take it away.

    `old` is what is believed to be there. `moot` is asked by the hand at the last moment: when it answers
    True the world has moved on, nothing is done, and the order counts as done. (Something shared is needed
    by others; a node is not the group's any more.) It is quick and raises nothing.
    """

    fact: str
    value: Value | None
    old: Value | None = None
    moot: Callable[[], bool] = never


@dataclass(frozen=True)
class Outcome:
    """What a hand answers to one order: what it then read back, or why it could not.

    `seen` is None when the thing is read back as absent (a port: as isolated).
    """

    seen: Value | None = None
    error: NMError | None = None
    moot: bool = False  # nothing was done, and nothing was read back
    carriers: tuple[str, ...] = ()  # of a fact vlan/: the switch's ports that carry the VLAN
    later: bool = False  # it takes its time: the order is to come again soon, and is answered then
    at: float = math.inf  # when it was answered, by the wall clock, where somebody noted that


def stamped(outcomes: Sequence[Outcome], at: float) -> list[Outcome]:
    """The outcomes, answered at that time: what is known later than this counts more."""
    return [replace(outcome, at=at) for outcome in outcomes]


class Hand(Protocol):
    """Makes things true on one subject (a switch, a host ...), idempotently, and reads back.

    Called by that subject's one worker thread only. `run` answers one Outcome an order, in order,
    and raises nothing that an Outcome can say. `epoch` is the database's.
    """

    def run(self, orders: Sequence[Order], epoch: int) -> list[Outcome]:
        """Carry out the orders and read back."""

    def read(self, facts: Sequence[str]) -> list[Outcome]:
        """What is there now for each of these facts; changes nothing."""

    def close(self) -> None:
        """Let go of connections; the next call opens them again."""
