"""A switch whose kind nm cannot drive yet: a place for its ports, until UpdateSwitch gives it a driver.

It does nothing and says so, so that nothing is ever taken for done. Called by the switch's executor, as any
driver is.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, ClassVar

from nm.errors import DeviceFailed
from nm.switch import Change, SwitchState


class NoDriver:
    """Refuses whatever it is asked."""

    kind: ClassVar[str] = "none"
    settings: ClassVar[Mapping[str, type]] = {}
    required: ClassVar[frozenset[str]] = frozenset()
    identity: ClassVar[tuple[str, ...]] = ()
    parking: ClassVar[int | None] = None

    def __init__(self, name: str, settings: Mapping[str, Any], secrets: Mapping[str, str]) -> None:
        self._name = name

    @staticmethod
    def canonical(settings: Mapping[str, Any]) -> dict[str, Any]:
        """There are none."""
        return dict(settings)

    def open(self) -> Mapping[str, str]:
        """There is nobody to log in to."""
        return {}

    def apply(self, changes: Sequence[Change], epoch: int) -> dict[Change, DeviceFailed]:
        """Nothing can be changed."""
        raise self._refusal()

    def read(self, ports: Iterable[str] | None = None) -> SwitchState:
        """Nothing can be read."""
        raise self._refusal()

    def save(self) -> None:
        """There is nothing to save."""

    def close(self) -> None:
        """Nothing is open."""

    def _refusal(self) -> DeviceFailed:
        hint = "UpdateSwitch gives it one, with its settings"
        return DeviceFailed(f"switch {self._name} has no driver", hint, passing=False)
