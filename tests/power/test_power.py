import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, ClassVar

import pytest

from nm.errors import DeviceFailed, Invalid
from nm.facts import Order
from nm.management import KINDS
from nm.power import Manner, PowerHand, act
from nm.processor import Settings
from nm.records import Record
from nm.waiting import Clock


class Watch:
    """A clock that waits by moving itself; `meanwhile` happens while it waits."""

    def __init__(self, meanwhile: Callable[[float], None] = lambda _: None) -> None:
        self.time = 0.0
        self.meanwhile = meanwhile
        self.clock = Clock(lambda: self.time, self.wait)

    def wait(self, seconds: float) -> None:
        self.time += seconds
        self.meanwhile(self.time)


def manner(watch: Watch | None = None, **more: Any) -> Manner:
    return Manner(clock=(watch or Watch()).clock, **more)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "n1.json"


def management(file: Path) -> Record:
    return {"driver": "simulated", "file": str(file)}


def state(file: Path) -> Any:
    return json.loads(file.read_text())


def test_each_action_and_the_state_after_it(file: Path) -> None:
    actions = ("status", "on", "on", "pxe", "cycle", "disk", "off", "off", "status")
    assert [act(management(file), action) for action in actions] == ["off", *["on"] * 5, *["off"] * 3]
    assert state(file) == {"power": "off", "boot": "disk"}
    act(management(file), "pxe")
    assert state(file)["boot"] == "pxe"


def test_the_kinds_and_their_keys() -> None:
    common = {"driver", "address", "port", "user", "secrets"}
    for name, kind in KINDS.items():
        assert kind.kind == name
        assert not common & set(kind.settings.own)
        assert kind.settings.required <= set(kind.settings.own) | common


@pytest.mark.parametrize(
    ("wrong", "action", "told"),
    [
        ({"driver": "simulated", "file": "x"}, "reboot", "on, off, cycle, status, pxe, disk"),
        ({"driver": "ilo"}, "on", "amt, command, ipmi, libvirt, redfish, simulated"),
        ({}, "on", "amt, command, ipmi, libvirt, redfish, simulated"),
        ({"driver": "simulated"}, "on", "lacks file"),
        ({"driver": "libvirt", "uri": "xen:///", "domain": "d"}, "on", "not allowed"),
    ],
)
def test_what_cannot_be_is_refused(wrong: Record, action: str, told: str) -> None:
    with pytest.raises(Invalid, match=told):
        act(wrong, action)


def test_one_that_says_yes_and_does_nothing_is_found_out(file: Path) -> None:
    file.write_text('{"power": "on", "fault": "idle"}')
    watch = Watch()
    with pytest.raises(DeviceFailed, match="power off was not confirmed within 60 s") as failure:
        act(management(file), "off", manner=manner(watch))
    assert failure.value.passing
    assert 60 <= watch.time < 62
    assert state(file)["power"] == "on"


def test_one_that_is_silent_is_given_time(file: Path) -> None:
    file.write_text('{"power": "on", "fault": "silent"}')
    watch = Watch()
    with pytest.raises(DeviceFailed, match=r"within 5 s.*does not answer"):
        act(management(file), "off", manner=manner(watch, limit=5))


def test_one_that_answers_in_time_is_believed(file: Path) -> None:
    file.write_text('{"power": "on", "fault": "silent"}')

    def wake(now: float) -> None:
        if now >= 3:
            file.write_text('{"power": "on"}')

    watch = Watch(wake)
    assert act(management(file), "off", manner=manner(watch, limit=5)) == "off"
    assert watch.time < 5


@pytest.mark.parametrize("content", ["precious", "[]", '{"power": "yes"}', "\xff"])
def test_a_file_that_is_something_else_is_left_alone(content: str, file: Path) -> None:
    file.write_bytes(content.encode("latin-1"))
    with pytest.raises(DeviceFailed, match="not the state") as failure:
        act(management(file), "on", manner=manner())
    assert not failure.value.passing
    assert file.read_bytes() == content.encode("latin-1")


def test_a_link_is_not_followed(file: Path, tmp_path: Path) -> None:
    target = tmp_path / "target"
    target.write_text('{"power": "off"}')
    file.symlink_to(target)
    with pytest.raises(DeviceFailed, match="not the state"):
        act(management(file), "on", manner=manner())
    file.unlink()
    file.mkdir()
    with pytest.raises(DeviceFailed, match="not the state"):
        act(management(file), "on", manner=manner())


def hand(nodes: Mapping[str, Record], watch: Watch | None = None, **more: Any) -> PowerHand:
    secrets = {"secrets": more.pop("secrets")} if "secrets" in more else {}
    return PowerHand(nodes.get, manner=manner(watch, **more), **secrets)


def test_a_node_given_out_keeps_its_power_and_one_taken_back_loses_it(file: Path) -> None:
    file.write_text('{"power": "on"}')
    keeper = hand({"n1": {"management": management(file)}, "n2": {"management": None}})
    made = keeper.run([Order("node/n1", {"power": True}), Order("node/n2", {"power": False})], 1)
    assert [outcome.seen for outcome in made] == [{"power": True}, {"power": False}]
    assert keeper.read(["node/n1", "node/n2"]) == made
    assert state(file)["power"] == "on"
    taken = keeper.run([Order("node/n1", None), Order("node/n2", None), Order("node/gone", None)], 1)
    assert [(outcome.error, outcome.seen) for outcome in taken] == [(None, None)] * 3
    assert state(file)["power"] == "off"


def test_one_that_fails_holds_no_other(tmp_path: Path) -> None:
    nodes = {f"n{number}": {"management": management(tmp_path / f"{number}")} for number in range(3)}
    for number in range(3):
        (tmp_path / f"{number}").write_text(
            json.dumps({"power": "on", "fault": "idle" if number == 1 else None})
        )
    outcomes = hand(nodes, limit=3.0).run([Order(f"node/{name}", None) for name in nodes], 1)
    assert [outcome.error is None for outcome in outcomes] == [True, False, True]
    assert isinstance(outcomes[1].error, DeviceFailed)
    assert [state(tmp_path / f"{number}")["power"] for number in range(3)] == ["off", "on", "off"]


def test_another_kind_is_one_class_and_gets_its_secrets() -> None:
    class Lamp:
        kind: ClassVar[str] = "lamp"
        settings: ClassVar[Settings] = Settings({"room": str}, frozenset({"room"}), frozenset({"password"}))
        log: ClassVar[list[str]] = []

        def __init__(self, management: Mapping[str, Any], secrets: Mapping[str, str]) -> None:
            self._on = True
            self.log.append(f"open {management['room']} with {secrets['password']}")

        def is_on(self) -> bool:
            return self._on

        def switch(self, on: bool) -> None:
            self._on = on

        def ask_to_stop(self) -> None:
            self._on = False

        def boot_from(self, device: str) -> None:
            self.log.append(device)

        def boots_from(self) -> str | None:
            return None

        def close(self) -> None:
            self.log.append("close")

    node = {"management": {"driver": "lamp", "room": "7", "secrets": {"password": "lamp7"}}}
    keeper = hand({"n1": node}, kinds={"lamp": Lamp}, secrets=lambda _: {"password": "swordfish"})
    assert keeper.run([Order("node/n1", None)], 1)[0].error is None
    assert Lamp.log == ["open 7 with swordfish", "close"]
