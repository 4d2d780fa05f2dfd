"""A dialect in twenty lines, as an example of one with a candidate configuration and a lock."""

import threading
from collections.abc import Iterator

import pytest

from tests.switches.fakes import FakeSwitch
from tests.switches.fakes.cli import Ask, Cli, Refused, Steps
from tests.switches.fakes.grammar import command
from tests.switches.fakes.keyboard import Keyboard
from tests.switches.fakes.state import Carried, Config, Port

ended, undone = threading.Event(), threading.Event()


class Tiny(Cli):
    dialect = device_type = "tiny"
    first_mode = enabled_mode = "shell"

    @classmethod
    def port_names(cls, count: int) -> list[str]:
        return [f"p{number}" for number in range(count)]

    @classmethod
    def carried(cls, config: Config, port: Port) -> Carried:
        return Carried(port.access, (), port.shut)

    def prompt(self) -> str:
        return f"{self.running.hostname}$ "

    def misread(self, line: str, reason: str, column: int) -> str:
        return f"{reason} at {column}"

    def configures(self, line: str) -> bool:
        return line.startswith("put")

    def ended(self) -> None:
        ended.set()

    @command("shell", "put <word> into <vlan>")
    def put(self, name: str, vlan: str) -> None:
        if name not in self.running.ports:
            raise Refused(f"no port {name}")
        self.draft = self.draft or self.running.copy()
        self.draft.ports[name].access = int(vlan)

    @command("shell", "commit")
    def commit(self) -> Steps:
        if (yield Ask("Sure? ", key=True)) != "y":
            return "kept"
        before, self.switch.running, self.draft = self.switch.running, self.draft, None

        def undo() -> None:
            self.switch.running = before
            undone.set()

        self.switch.later(0.2, undo)
        yield from self.save()
        return "done"


@pytest.fixture
def switch() -> Iterator[FakeSwitch]:
    ended.clear()
    undone.clear()
    with FakeSwitch(Tiny, ports=2) as found:
        yield found


def test_a_candidate_a_question_and_what_the_switch_does_by_itself(switch: FakeSwitch) -> None:
    with Keyboard(switch) as keyboard:
        keyboard.type("put p1 into 7")
        assert keyboard.type("put p9 into 7") == "no port p9\n"
        assert keyboard.type("put p1 in 4095") == "invalid at 10\n"  # `in` is short for `into`
        assert switch.ports()["p1"].untagged == 1
        for key, answer in (("n", "kept"), ("y", "done")):
            keyboard.type("commit", until=r"Sure\? $")
            keyboard.send(key)
            assert answer in keyboard.wait()
        assert switch.startup_ports()["p1"].untagged == 7
        assert undone.wait(10)
        assert switch.ports()["p1"].untagged == 1
        assert (switch.sessions[0].configured, switch.counts.saves) == (3, 1)


def test_a_lie_leaves_the_candidate_alone(switch: FakeSwitch) -> None:
    switch.fault("lie", like="p1")
    with Keyboard(switch) as keyboard:
        keyboard.type("put p0 into 5", "put p1 into 7")
        keyboard.type("commit", until=r"Sure\? $")
        keyboard.send("y")
        keyboard.wait()
        assert [port.untagged for port in switch.startup_ports().values()] == [5, 1]


def test_the_end_of_a_session_is_told(switch: FakeSwitch) -> None:
    with Keyboard(switch):
        assert not ended.is_set()
    assert ended.wait(10)
