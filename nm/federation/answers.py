"""What operations on reservations answer; doors say it in their own words. Pure."""

from dataclasses import dataclass

from nm.geni.rspec import manifest

UNALLOCATED, ALLOCATED, PROVISIONED = "geni_unallocated", "geni_allocated", "geni_provisioned"


@dataclass(frozen=True)
class Sliver:
    """A node that a slice has, or has just given back."""

    urn: str
    node: str
    expires: float  # seconds since 1970
    allocation: str
    operational: str  # one of opstates.STATES
    error: str = ""  # why it is geni_failed; with best effort, why nothing was done to it


@dataclass(frozen=True)
class Answer:
    """What was found, or done. `slivers`: those that the call was about."""

    slice: str  # its URN, or BOWL's string, as it was spelled first
    slivers: tuple[Sliver, ...] = ()
    told: manifest.Slice | None = None  # what manifest.write takes, where the call answers a manifest
    mail: int | None = None  # the number of the mail that is owed for it; 0: the site sends none

    @property
    def expires(self) -> float | None:
        """The last end of these slivers."""
        return max((sliver.expires for sliver in self.slivers), default=None)
