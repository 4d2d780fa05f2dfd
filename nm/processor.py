"""What a node's management processor can do, without saying how: the face of the power drivers.

Pure, so that operations may check what a node's `management` says; nm/management/ stands behind the
face. Used by one worker thread a node; it holds no lock.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Protocol

from nm.errors import DeviceFailed, Invalid

ACTIONS = ("on", "off", "cycle", "status", "pxe", "disk")
DEVICES = ("pxe", "disk")  # what a node can boot from


def nothing_wrong(_management: Mapping[str, Any]) -> None:
    """The check of drivers whose settings cannot contradict each other."""


@dataclass(frozen=True)
class Settings:
    """What a driver must be told of a node, as data.

    `own`: the keys of `management` beside those that every driver may have (driver, address, port, user,
    secrets), each with its type, or with its words where only some are known. `secrets`: what must be named
    in `management.secrets`. `check` raises Invalid when values that are right by themselves are not together.
    """

    own: Mapping[str, type | tuple[str, ...]]
    required: frozenset[str] = frozenset()
    secrets: frozenset[str] = frozenset()
    check: Callable[[Mapping[str, Any]], None] = nothing_wrong


class PowerDriver(Protocol):
    """One kind of management. Constructed with a node's (checked) `management` and the secrets it names.

    Constructing one asks nobody. Each verb is bounded in time and raises DeviceFailed when the processor is
    silent or refuses; one that does not pass (a wrong password) is not tried again by itself.
    """

    kind: ClassVar[str]
    settings: ClassVar[Settings]

    def __init__(self, management: Mapping[str, Any], secrets: Mapping[str, str]) -> None: ...

    def is_on(self) -> bool:
        """Whether the node has power now."""

    def switch(self, on: bool) -> None:
        """Ask for power, or for none, at once; it need not have happened when this returns."""

    def ask_to_stop(self) -> None:
        """Ask the node's system to shut down. After a failure that does not pass, its power goes at once."""

    def boot_from(self, device: str) -> None:
        """What it boots from, one of DEVICES: next time and, where it can be kept, from then on."""

    def boots_from(self) -> str | None:
        """What it is set to boot from; None when the processor cannot say, "" when it is none of DEVICES."""

    def close(self) -> None:
        """End the session, if one is open."""


class NotSoft(DeviceFailed):
    """The node's system cannot be asked to shut down, so its power goes at once."""


Kinds = Mapping[str, type[PowerDriver]]


def find(kinds: Kinds, kind: object) -> type[PowerDriver]:
    """The driver of that kind; Invalid names those that there are."""
    if not isinstance(kind, str) or kind not in kinds:
        raise Invalid(f"no power driver {str(kind)[:40]!r}", f"use one of: {', '.join(sorted(kinds))}")
    return kinds[kind]


def missing(settings: Settings, management: Mapping[str, Any]) -> list[str]:
    """What the driver needs and was not told, in the words of `management`'s keys."""
    keys = [key for key in settings.required if management.get(key) in (None, "")]
    named = management.get("secrets") or {}
    return sorted(keys) + [f"secrets.{key}" for key in sorted(settings.secrets) if key not in named]
