"""`nmctl sf console` on a real terminal: what it shows, what keys do, and what nmd has then."""

import json
import os
import pty
import re
import select
import signal
import subprocess
import sys
import termios
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from nm.shell.consoleview import View, draw
from nm.shell.failures import INTERRUPTED
from nm.shell.keyboard import keys
from tests.shell.conftest import run
from tests.web.described import Described
from tests.web.world import furnished

FRAME = "\x1b[H"  # rich begins each picture at the upper left
UP, DOWN, RIGHT, LEFT, ENTER, ESCAPE = "\x1b[A", "\x1b[B", "\x1b[C", "\x1b[D", "\r", "\x1b"
PATIENCE = 60.0  # seconds


class Terminal:
    """nmctl on a terminal of its own."""

    def __init__(self, rack: Described, *words: str) -> None:
        self.master, slave = pty.openpty()
        termios.tcsetwinsize(slave, (30, 110))
        self.before = termios.tcgetattr(slave)
        self.slave = slave
        program = [sys.executable, "-m", "nm.shell.main", "--address", str(rack.folder / "api.sock"), *words]
        environment = {**os.environ, "TERM": "xterm", "LANG": "C.UTF-8"}
        self.process = subprocess.Popen(program, stdin=slave, stdout=slave, stderr=slave, env=environment)
        self.said = ""

    def read(self) -> None:
        if select.select([self.master], [], [], 0.2)[0]:
            self.said += os.read(self.master, 1 << 16).decode(errors="replace")

    @property
    def screen(self) -> str:
        """The newest picture that is whole."""
        frames = self.said.split(FRAME)
        return re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", frames[-1] if len(frames) > 1 else "").replace("\r", "")

    def until(self, *words: str) -> str:
        """The screen, as soon as it shows all these words."""
        end = time.monotonic() + PATIENCE
        while not all(word in self.screen for word in words):
            assert time.monotonic() < end, self.screen or self.said
            self.read()
        return self.screen

    def press(self, *keys: str) -> None:
        for key in keys:
            os.write(self.master, key.encode())

    def close(self) -> None:
        self.process.kill()
        self.process.wait()
        os.close(self.master)
        os.close(self.slave)


@pytest.fixture
def rack(tmp_path: Path) -> Iterator[Described]:
    with furnished(Described(tmp_path)) as made:
        yield made


@pytest.fixture
def terminal(rack: Described) -> Iterator[Terminal]:
    made = Terminal(rack, "sf", "console", "web")
    try:
        made.until("sfConfig", "front", "back")
        yield made
    finally:
        made.close()


def at_balancer(terminal: Terminal) -> None:
    """Go to the attributes of front:balancer."""
    terminal.press(DOWN)
    terminal.until(">   ▸ front")
    terminal.press(RIGHT)
    terminal.until("balancer")
    terminal.press(DOWN, DOWN, ENTER)
    terminal.until("front:balancer (Prim): running", 'colour   "red"')


def test_an_attribute_is_changed_added_and_deleted(rack: Described, terminal: Terminal) -> None:
    at_balancer(terminal)
    terminal.press(DOWN, "c")
    terminal.until("memory: 512")
    terminal.press("\x7f\x7f\x7f", "1024", ENTER)
    terminal.until("set front:balancer:memory 1024: it counts at once", "Enter does it")
    assert rack.attributes("web", "front:balancer")["memory"] == 512  # it was tried only
    terminal.press(ENTER)
    terminal.until("done: set front:balancer:memory 1024: it counts at once")
    assert rack.attributes("web", "front:balancer")["memory"] == 1024
    terminal.press("a", "hosts", ENTER, '["a", 5]', ENTER)
    terminal.until("Enter does it")
    terminal.press(ENTER)
    terminal.until("done: set front:balancer:hosts")
    assert rack.attributes("web", "front:balancer")["hosts"] == ["a", 5]
    terminal.press(DOWN)
    terminal.until("> colour")
    terminal.press("d")
    terminal.until("delete front:balancer:colour: it counts at once")
    terminal.press(ESCAPE)
    terminal.until("nothing was changed")
    assert "colour" in rack.attributes("web", "front:balancer")
    terminal.press("d")
    terminal.until("Enter does it")
    terminal.press(ENTER)
    terminal.until("done: delete front:balancer:colour")
    assert "colour" not in rack.attributes("web", "front:balancer")


def test_it_is_live_and_gives_the_terminal_back(rack: Described, terminal: Terminal) -> None:
    rack.live("web", "back:store", state="ended", going="abnormal", words="it broke")
    terminal.until("1 in trouble")
    terminal.press("/", "store", ENTER)
    terminal.until("1 of 1 that are found by 'store'", "back:store", "it broke")
    terminal.press("q")
    assert terminal.process.wait(PATIENCE) == 0
    assert termios.tcgetattr(terminal.slave) == terminal.before


def test_the_daemon_goes_and_comes_back_and_ctrl_c_ends_it(rack: Described, terminal: Terminal) -> None:
    rack.stop()
    terminal.until("what is shown is old", "front")
    rack.start()
    rack.live("web", "back:store", state="ended", going="abnormal", words="it broke")
    terminal.until("1 in trouble")
    assert "is old" not in terminal.screen
    terminal.process.send_signal(signal.SIGINT)
    assert terminal.process.wait(PATIENCE) == INTERRUPTED
    assert termios.tcgetattr(terminal.slave) == terminal.before


def test_what_is_refused_is_told(rack: Described, terminal: Terminal) -> None:
    before = rack.attributes("web", "front:balancer")
    at_balancer(terminal)
    terminal.press("c")  # sfClass
    terminal.until("sfClass changes only in a description that is applied")
    terminal.press("a", "sfLivenessDelay", ENTER, "often", ENTER)
    terminal.until("sfLivenessDelay is 'often'")
    assert rack.attributes("web", "front:balancer") == before


def test_a_console_of_the_description_that_is_for_looking_only(rack: Described) -> None:
    terminal = Terminal(rack, "sf", "console", "web", "back:display")
    try:
        terminal.until("All behind of web", "store")
        assert "front" not in terminal.screen
        terminal.press(DOWN, DOWN, ENTER)
        terminal.until("this console is for looking only")
        terminal.press("c")
        terminal.until("back:store (Prim)")
        assert "Enter goes on" not in terminal.screen
    finally:
        terminal.close()


def test_consoles_are_listed(rack: Described, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NM_ADDRESS", str(rack.folder / "api.sock"))
    listed = [line for line in run("sf", "status", "web").out.splitlines() if "; nmctl" in line]
    assert listed == [
        "  console The front: of front; nmctl sf console web front:console",
        "  console All behind: of back, for looking only; nmctl sf console web back:display",
    ]


def test_without_a_terminal_it_is_refused_and_json_follows(rack: Described) -> None:
    words = ["sf", "console", "web", "front"]
    program = [sys.executable, "-m", "nm.shell.main", "--address", str(rack.folder / "api.sock"), *words]
    refused = subprocess.run(program, capture_output=True, text=True, stdin=subprocess.DEVNULL, check=False)
    assert (refused.returncode, "a console needs a terminal" in refused.stderr) == (2, True)
    with subprocess.Popen([*program, "--json"], stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            first = json.loads(process.stdout.readline())
            assert [row["path"] for row in first["rows"]] == ["front", "front:console", "front:balancer"]
            rack.live("web", "front:balancer", state="running", doing="change")
            assert json.loads(process.stdout.readline())["rows"][2]["doing"] == "change"
        finally:
            process.kill()


def test_a_thousand_components_are_drawn_as_far_as_they_are_seen(rack: Described) -> None:
    inside = "".join(f"p{number} extends Prim;" for number in range(1000))
    rack.apply("wide", f"sfConfig extends Compound {{ {inside} }}")
    view = View("wide")
    view.take(rack.call("GetComponentTree", "wide", view.wanted()))
    assert len(view.answer["rows"]) == 201
    shown = draw(view, 80, 24)
    assert len(shown) == 24
    assert "800 more (→)" in "".join(text for text, _ in shown[2])
    view.press("right")
    view.take(rack.call("GetComponentTree", "wide", view.wanted()))
    assert len(view.answer["rows"]) == 401


def test_text_that_would_steer_the_terminal(rack: Described) -> None:
    rack.apply("odd", 'sfConfig extends Compound { "x" extends Prim { text "a\\2332Jb"; } }')
    view = View("odd", chosen="x")
    view.take(rack.call("GetComponentTree", "odd", view.wanted()))
    drawn = "".join(text for line in draw(view, 110, 30) for text, _ in line)
    assert "\x9b" not in drawn and "2Jb" in drawn


def test_what_is_null_stays_so_when_it_is_typed_again(rack: Described) -> None:
    rack.apply("null", "sfConfig extends Compound { x extends Prim { nothing NULL; } }")
    view = View("null", chosen="x")
    view.take(rack.call("GetComponentTree", "null", view.wanted()))
    view.attribute = list(view.answer["chosen"]["attributes"]).index("nothing")
    assert "nothing  NULL" in "".join(text for line in draw(view, 110, 30) for text, _ in line)
    view.press("c")
    ask = view.press("enter")
    assert ask is not None and ask.arguments == ("null", "x:nothing", None)


@pytest.mark.parametrize(
    ("sent", "pressed"),
    [
        ("ab", ["a", "b"]),
        ("\x1b[A\x1bOB", ["up", "down"]),
        ("\x1b", ["escape"]),
        ("\x1b[15~x", ["x"]),
        ("\x1b[1;5Cy", ["y"]),
        ("\r\n\x7f\x04", ["enter", "enter", "backspace", "q"]),
        ("é", ["é"]),
    ],
)
def test_what_terminals_send(sent: str, pressed: list[str]) -> None:
    assert keys(sent) == pressed
