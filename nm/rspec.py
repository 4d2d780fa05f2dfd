"""What a sliver may be given of this node: the table of resources, and how tags become an rspec. Pure.

One table of data says for each resource its unit, what a sliver has that asks for nothing, how much a
lender keeps, what enforces it, and under which other names it has been known. An *rspec* is a dict of every
resource's name to its value, in the table's units. Nothing is guessed: a value that cannot be read is kept
out and said, and so is one that nothing on this node can enforce.
"""

import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from ipaddress import ip_network
from typing import Any

from nm.errors import Invalid
from nm.records import Record, new

Rspec = dict[str, Any]  # resource -> int; cpu_cores alone is a text

LARGEST = 2**53  # what every door can say exactly
_NUMBER = re.compile(r"[0-9]{1,18}(\.[0-9]{1,9})?")
_CORES = re.compile(r"([0-9]{1,4})(b?)")

ENFORCERS = {
    "start": "nothing that starts and stops slivers",
    "shares": "nothing that weighs slivers' use of processors",
    "reservation": "nothing that reserves processor time",
    "cores": "nothing that reserves whole cores",
    "memory": "nothing that limits memory",
    "rate": "nothing that limits network rates",
    "exempt": "nothing that tells exempt networks from others",
    "quota": "nothing that counts bytes a day",
    "disk": "nothing that limits disks",
}
"""What can enforce a resource, and how its absence is told."""


@dataclass(frozen=True)
class Resource:
    """One row of the table."""

    name: str
    unit: str
    default: int | str
    enforcer: str  # one of ENFORCERS
    minimum: int | None = None  # what a lender keeps; None: it cannot be lent
    most: int = LARGEST
    aliases: Mapping[str, int] = field(default_factory=dict)
    """Other names, each with how many of our units one of its own is."""

    def read(self, given: object, per: int = 1) -> int | str:
        """The value in our units, of one in units of `per`; Invalid with words for people."""
        text = str(int(given)) if isinstance(given, bool) and self.most == 1 else str(given).strip()
        if isinstance(self.default, str):
            return self._cores(text)
        if not _NUMBER.fullmatch(text):
            raise Invalid(f"{_short(given)} is not a number", f"give a number from 0 up, of {self.unit}")
        amount = Fraction(text) * per
        if amount.denominator != 1:
            raise Invalid(f"{_short(given)} is not a whole number of {self.unit}", "round it")
        if amount > self.most:
            raise Invalid(f"{_short(given)} is too large", f"at most {self.most} {self.unit}")
        return int(amount)

    def _cores(self, text: str) -> str:
        found = _CORES.fullmatch(text)
        if found is None:
            raise Invalid(
                f"{_short(text)} is not a number of cores", "as 2, or 2b to use those left over too"
            )
        return f"{int(found[1])}{found[2]}"


def _short(given: object) -> str:
    return repr(str(given)[:40])


# Rates begin at the least and end at the most that the kernel's shaper was ever told: no cap that is felt.
_SLOWEST, _FASTEST = 8, 1_000_000_000

RESOURCES = (
    Resource("enabled", "yes (1) or no (0)", 1, "start", most=1),
    Resource(
        "cpu_min", "thousandths of a processor", 0, "reservation", minimum=0,
        aliases={"nm_cpu_guaranteed_share": 1, "cpu_pct": 10},
    ),
    Resource("cpu_share", "shares", 32, "shares", minimum=16),
    Resource("cpu_cores", "cores", "0b", "cores"),
    Resource("cpu_freezable", "yes (1) or no (0)", 0, "cores", most=1),
    Resource("memory", "MiB", 0, "memory"),  # 0: what the reference image asks for
    Resource("net_min", "bit/s", _SLOWEST, "rate", minimum=0, aliases={"net_min_rate": 1000}),
    Resource("net_max", "bit/s", _FASTEST, "rate", minimum=_SLOWEST, aliases={"net_max_rate": 1000}),
    Resource("net_share", "shares", 1, "rate", minimum=1),
    Resource(
        "net2_min", "bit/s", _SLOWEST, "exempt", minimum=0,
        aliases={"net_i2_min": 1, "net_i2_min_rate": 1000},
    ),
    Resource(
        "net2_max", "bit/s", _FASTEST, "exempt", minimum=_SLOWEST,
        aliases={"net_i2_max": 1, "net_i2_max_rate": 1000},
    ),
    Resource("net2_share", "shares", 1, "exempt", aliases={"net_i2_share": 1}),
    Resource("net_max_kbyte", "KiB a day", 10_546_875, "quota"),
    Resource("net_thresh_kbyte", "KiB a day", 9_492_187, "quota"),
    Resource("net2_max_kbyte", "KiB a day", 31_640_625, "quota", aliases={"net_i2_max_kbyte": 1}),
    Resource("net2_thresh_kbyte", "KiB a day", 28_476_562, "quota", aliases={"net_i2_thresh_kbyte": 1}),
    Resource("disk_max", "KiB", 5_000_000, "disk"),
)  # fmt: skip

BY_NAME: Mapping[str, Resource] = {resource.name: resource for resource in RESOURCES}
DEFAULTS: Mapping[str, int | str] = {resource.name: resource.default for resource in RESOURCES}
MINIMUMS: Mapping[str, int] = {
    resource.name: resource.minimum for resource in RESOURCES if resource.minimum is not None
}
"""What a lender keeps of each resource that can be lent."""

NAMES: Mapping[str, tuple[Resource, int]] = {
    name: (resource, per)
    for resource in RESOURCES
    for name, per in {resource.name: 1, **resource.aliases}.items()
}
"""Every name of every resource -> the resource, and how many of our units one of that name's is."""


@dataclass(frozen=True)
class Reading:
    """What tags say of resources."""

    rspec: Rspec
    faults: Mapping[str, str]  # tag -> why it was kept out


def from_tags(tags: Mapping[str, Any], base: Mapping[str, Any] = DEFAULTS) -> Reading:
    """The rspec that tags ask for; where they ask for nothing it is as in `base`. Other tags are no matter.

    Of several names of one resource, its own goes before its aliases.
    """
    values, faults = complete(base), {}
    first: dict[str, str] = {}  # resource -> the tag that has said its value
    for name, (resource, per) in NAMES.items():
        if name not in tags:
            continue
        try:
            value = resource.read(tags[name], per)
        except Invalid as fault:
            faults[name] = f"{name}: {fault}"
            continue
        teller = first.setdefault(resource.name, name)
        if teller == name:
            values[resource.name] = value
        elif values[resource.name] != value:
            faults[name] = f"{name}: {_short(tags[name])} is left out, for {teller} says otherwise; keep one"
    return Reading(values, faults)


def complete(given: Mapping[str, Any]) -> Rspec:
    """The rspec with every resource; what is not given is as the table has it."""
    return {**DEFAULTS, **given}


def unenforced(rspec: Mapping[str, Any], enforcers: Collection[str]) -> dict[str, str]:
    """Resource -> why nothing holds the sliver to it, of those whose value somebody asked for."""
    return {
        name: f"{worded(name, value)} is not enforced: this node has {ENFORCERS[BY_NAME[name].enforcer]}"
        for name, value in rspec.items()
        if name in BY_NAME and value != DEFAULTS[name] and BY_NAME[name].enforcer not in enforcers
    }


def cores(value: str) -> tuple[int, bool]:
    """A value of cpu_cores: so many cores of its own, and whether it uses those that are left over too."""
    return int(value.removesuffix("b")), value.endswith("b")


def worded(name: str, amount: object) -> str:
    """As `cpu_min 200 (thousandths of a processor)`."""
    return f"{name} {amount} ({BY_NAME[name].unit})"


def node_caps(cap: int | None, exempt: Iterable[str], now: float) -> Record:
    """The record of the node's own limits, at the root of all slivers'.

    `cap`: the most bit/s that it may send, None for any. `exempt`: networks to which the cap does not apply,
    and slivers' net2_* do.
    """
    try:
        networks = [str(ip_network(network)) for network in exempt]
    except ValueError as wrong:
        raise Invalid(f"exempt networks: {wrong}", "give networks as 10.1.0.0/16 or 2001:db8::/32") from None
    if cap is not None:
        cap = int(BY_NAME["net_max"].read(cap))
        if cap < _SLOWEST:
            raise Invalid(f"a cap of {cap} bit/s", f"give at least {_SLOWEST}, or leave it out for none")
    return new("meta", "bwcap", now, cap=cap, exempt=sorted(set(networks)))
