"""The registry of kinds, nm's own and those of other packages; and how an executor treats its driver."""

import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

import pytest

from nm.errors import DeviceFailed, Invalid
from nm.facts import Order
from nm.switch import Change, PortState, Registry, SetPort, SwitchState
from nm.switches import KINDS, builtin
from nm.switches.executor import Executor, describe, make_executor


def test_the_kinds_are_sorted_and_registered() -> None:
    names = [kind.kind for kind in KINDS]
    assert names == sorted(names)
    assert set(builtin().kinds) >= set(names)
    assert builtin().kinds is not builtin().kinds


def test_required_settings_are_settings() -> None:
    for kind in KINDS:
        assert kind.required <= set(kind.settings)


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder on sys.path that holds another package's metadata."""
    (tmp_path / "other-1.dist-info").mkdir()
    (tmp_path / "other-1.dist-info" / "METADATA").write_text(
        "Metadata-Version: 2.1\nName: other\nVersion: 1\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, "other_switch", raising=False)
    return tmp_path


def offer(package: Path, target: str, kind: str = "other") -> None:
    text = f"[nm.switches]\nother = {target}\n"
    (package / "other-1.dist-info" / "entry_points.txt").write_text(text)
    (package / "other_switch.py").write_text(f"class Other:\n    kind = {kind!r}\n    settings = {{}}\n")


def test_other_packages_bring_kinds_by_entry_points(package: Path) -> None:
    offer(package, "other_switch:Other")
    assert builtin().find("other").__module__ == "other_switch"


def test_a_kind_that_is_there_already_is_an_error(package: Path) -> None:
    offer(package, "other_switch:Other", "ovs")
    with pytest.raises(Invalid, match="ovs is registered twice"):
        builtin()


def test_a_kind_that_cannot_be_loaded_is_named(package: Path) -> None:
    offer(package, "other_switch:Missing")
    with pytest.raises(Invalid, match="other_switch:Missing cannot be loaded"):
        builtin()


class Counting:
    """A driver that keeps its tables in itself, counts its lives, and fails when told."""

    kind: ClassVar[str] = "counting"
    settings: ClassVar[Mapping[str, type]] = {}
    required: ClassVar[frozenset[str]] = frozenset()
    identity: ClassVar[tuple[str, ...]] = ()
    parking: ClassVar[int | None] = None
    made: ClassVar[list["Counting"]] = []

    def __init__(self, name: str, settings: Mapping[str, Any], secrets: Mapping[str, str]) -> None:
        self.closed = False
        self.saves = 0
        self.failing = False
        self.changes: list[Change] = []
        self.epochs: list[int] = []
        self.made.append(self)

    @staticmethod
    def canonical(settings: Mapping[str, Any]) -> dict[str, Any]:
        return dict(settings)

    def open(self) -> Mapping[str, str]:
        return {}

    def apply(self, changes: Sequence[Change], epoch: int) -> dict[Change, DeviceFailed]:
        if self.failing:
            raise DeviceFailed("session refused")
        self.changes += changes
        self.epochs.append(epoch)
        return {}

    def read(self, ports: Iterable[str] | None = None) -> SwitchState:
        return SwitchState(frozenset(), {port: PortState() for port in ports or ()})

    def save(self) -> None:
        self.saves += 1

    def close(self) -> None:
        self.closed = True


@pytest.fixture
def counting() -> Executor:
    Counting.made = []
    registry = Registry()
    registry.register(Counting)
    return make_executor({"record_key": "switch_sw0", "driver": "counting"}, registry, lambda name: name)


class Known(Counting):
    """A driver that knows its device by a key."""

    settings: ClassVar[Mapping[str, type]] = {"host_key": str}
    given: ClassVar[list[str]] = []

    def __init__(self, name: str, settings: Mapping[str, Any], secrets: Mapping[str, str]) -> None:
        super().__init__(name, settings, secrets)
        self.given.append(settings.get("host_key", ""))


def test_a_driver_is_told_the_key_that_was_pinned_or_set() -> None:
    registry = Registry()
    registry.register(Known)
    for keys in ({}, {"_host_key": "seen"}, {"_host_key": "seen", "host_key": "set"}, {"_host_key": None}):
        record = {"record_key": "switch_sw0", "driver": "counting", **keys}
        make_executor(record, registry, lambda name: name).run(leaves("a"), 1)
    assert Known.given == ["", "seen", "set", ""]


def leaves(*ports: str) -> list[Order]:
    return [Order(f"port/sw0/{port}", None) for port in ports]


def test_a_connection_is_kept_while_there_is_work_and_let_go_after(counting: Executor) -> None:
    assert Counting.made == []
    counting.run(leaves("a"), 7)
    counting.run(leaves("b"), 7)
    counting.read(["port/sw0/a"])
    assert [(driver.closed, driver.epochs) for driver in Counting.made] == [(False, [7, 7])]
    counting.close()
    counting.close()
    assert [driver.closed for driver in Counting.made] == [True]
    counting.run(leaves("a"), 7)
    assert len(Counting.made) == 2


def test_after_an_error_the_driver_is_made_anew(counting: Executor) -> None:
    counting.run(leaves("a"), 1)
    Counting.made[0].failing = True
    assert [str(outcome.error) for outcome in counting.run(leaves("a", "b"), 1)] == ["session refused"] * 2
    assert Counting.made[0].closed
    assert [outcome.error for outcome in counting.run(leaves("a", "b"), 1)] == [None] * 2
    assert len(Counting.made) == 2


def test_nothing_to_do_opens_no_session(counting: Executor) -> None:
    assert counting.run([], 1) == []
    assert counting.isolate([], 1) == {}
    assert counting.remove_vlans([], 1) == {}
    assert Counting.made == []


def test_the_order_within_a_session_is_safe(counting: Executor) -> None:
    value = {"untagged": 101, "tagged": []}
    counting.run(
        [
            Order("port/sw0/a", value),
            Order("trunk/sw0/101/t", {"native": 1}),
            Order("vlan/sw0/101", {}),
            Order("vlan/sw0/102", None),
            Order("trunk/sw0/102/t", None),
            Order("port/sw0/b", None),
        ],
        1,
    )
    made = [type(change).__name__ for change in Counting.made[0].changes[:6]]
    assert made == ["SetPort", "SetTrunk", "SetVlan", "SetVlan", "SetTrunk", "SetPort"]
    assert Counting.made[0].changes[0] == SetPort("b", PortState())


@pytest.mark.parametrize(
    ("state", "words"),
    [
        (None, "no such port"),
        (PortState(), "isolated"),
        (PortState(1, open=True), "VLAN 1 untagged, every other VLAN"),
        (PortState(None, (5, 6)), "VLAN 5 tagged, VLAN 6 tagged"),
    ],
)
def test_states_in_words(state: PortState | None, words: str) -> None:
    assert describe(state) == words
