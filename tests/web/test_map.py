"""The map: what is drawn for a small rack to the letter, for a large one in proportion, and for whom."""

import io
import os
import pty
import re
import select
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from nm.calls import Caller
from nm.client import connect
from nm.shell.feed import SILENT
from nm.shell.lookout import Lookout
from nm.shell.main import main
from nm.shell.output import Output
from nm.shell.picture import Answers, Picture, Structs, aged, build
from nm.shell.rackmap import draw, plain
from tests.shell.conftest import Terminal
from tests.web.conftest import Nmd
from tests.web.world import Laboratory, Seat, Stack, furnished, hanging

COLOUR = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
SMALL = """\
leaf1  simulated switch  24 ports  read now
  p1  p3  p5  p7  p9  p11 p13 p15 p17 p19 p21 p23
  P   P   .   R   R   T   .   W>  W>  #   -   =
  P   P   .   R~  .   T   .   W>  .   ?~  -   =
  p2  p4  p6  p8  p10 p12 p14 p16 p18 p20 p22 p24

leaf2  simulated switch  24 ports  read now
  p1  p3  p5  p7  p9  p11 p13 p15 p17 p19 p21 p23
  P   P   .   R-  R-  T-  .   W>  W>  #   -   -
  P   P   .   R-  .   T-  .   W>  .   ?   -   =
  p2  p4  p6  p8  p10 p12 p14 p16 p18 p20 p22 p24

. free  - nothing connected  = trunk  ? unverified  # out of service  > joining  - in a group, isolated
~ differs from what nm deployed

 P  physics  VLAN 101, 102  deployed  node01 node02 node03 node04  head node head1
 R  render-farm  VLAN 103  deployed  node07 node08 node09  head node head2
 T  thesis  VLAN 104  deployed  node11 node12
 W  weather  VLAN 105  staged  node15 node16 node17
free nodes: node05 node06 node10 node13 node14 node18
out-of-service nodes: node19
unverified nodes: node20
head nodes: head1 (physics, joined) head2 (render-farm, joined) head3 (free)
! node node19: fan replaced on Monday
! group render-farm: port leaf1/p8: wanted untagged 103, seen untagged 119
! group render-farm: port leaf1/p20: wanted not on VLAN 103, seen on VLAN 103
"""


def drawn(seat: Seat, width: int = 110) -> str:
    look = Lookout(seat)
    look.refresh()
    read = [switch["read_at"] for switch in look.picture["switches"] if switch["read_at"]]
    lines = draw(look.picture, width, max(read, default=0))
    return "".join(f"{plain(line)}\n" for line in lines)


def test_a_small_rack(still: Laboratory) -> None:
    assert re.sub(r"read .*", "read now", drawn(Seat(still))) == SMALL


def test_the_page_about_it_shows_just_that() -> None:
    page = Path(__file__).parents[2] / "docs/web.md"
    shown = textwrap.indent(SMALL, "    ")
    assert shown in page.read_text(encoding="utf-8")


@pytest.mark.parametrize("width", [20, 40, 60, 80])
def test_a_narrow_terminal(still: Laboratory, width: int) -> None:
    text = drawn(Seat(still), width)
    cells = [line for line in text.splitlines() if line.startswith("  ") and line.strip()]
    assert max(map(len, cells)) <= width
    assert max(map(len, text.splitlines())) <= max(width, 40)  # a word is not cut
    assert {f"p{number}" for number in range(1, 25)} <= set(text.split())


def test_somebody_who_may_see_little(still: Laboratory) -> None:
    text = drawn(Seat(still, Caller(4711, "stranger")))
    assert "  *   *   *   *" in text
    assert "other nodes: node01" in text
    for secret in ("physics", "VLAN", "fan"):
        assert secret not in text


@pytest.mark.parametrize(("width", "first", "second"), [(80, 12, 12), (200, 24, 0)])
def test_a_switch_of_several_modules(tmp_path: Path, width: int, first: int, second: int) -> None:
    with furnished(Stack(tmp_path)) as stack:
        lines = drawn(Seat(stack), width).splitlines()
    assert max(map(len, lines)) <= width
    rows = [line.split() for line in lines if line.startswith("  Gi1/0/")]
    odd = [str(number) for number in range(1, 49, 2)]
    expected = [["Gi1/0/", *odd[:first]], ["Gi1/0/", *odd[first:]]]
    assert rows == expected[: 2 if second else 1]
    assert any(line.split() == ["Te1/1/", "1", "3"] for line in lines)
    assert any(line.split() == ["Ma1"] for line in lines)


def machine(name: str, state: str, group: str | None = None) -> dict[str, object]:
    nics = [{"name": "eth0", "switch": "sw0", "port": name}]
    return {"name": name, "available": True, "free": False, "state": state, "group": group, "nics": nics}


def test_what_is_dirty_is_not_called_failed() -> None:
    nodes = [machine("p1", "dirty"), machine("p2", "failed")]
    ports = [{"switch": "sw0", "port": node["name"], "available": True, "free": False} for node in nodes]
    switches = [{"name": "sw0", "available": True}]
    heads = [machine("head1", "dirty")]
    found = build(Answers(switches=switches, ports=ports, nodes=nodes, headnodes=heads))[0]
    lines = [plain(line) for line in draw(found, 80, 0)]
    assert [line.split() for line in lines if line.startswith("  ")] == [["p1", "p2"], ["%", "!"]]
    for words in ("! failed  % dirty", "dirty nodes: p1", "failed nodes: p2", "head nodes: head1 (dirty)"):
        assert words in lines


def test_an_old_picture_says_so() -> None:
    found = aged(build(Answers())[0], "no answer", 0.0)
    first = plain(next(draw(found, 80, 86400.0 * 3)))
    assert re.fullmatch(r"no answer; what is shown is of \d{4}-\d\d-\d\d \d\d:\d\d:\d\d", first)


def hall() -> Picture:
    """48 ports on each of 41 switches and 32 on another, a node at each; every other switch is a group's."""
    homes = [(f"tor{number // 48 + 1:02}", f"GigabitEthernet1/0/{number % 48 + 1}") for number in range(2000)]
    nodes: Structs = [
        {"name": f"n{number:04}", "available": True, "free": group is None, "group": group,
         "state": "joined" if group else "free", "nics": [{"name": "eth0", "switch": switch, "port": port}]}
        for number, (switch, port) in enumerate(homes)
        for group in ["g" + switch if switch[-1] in "13579" else None]
    ]  # fmt: skip
    names = sorted({str(node["group"]) for node in nodes if node["group"]})
    spec = {
        "state": "deployed", "pending": False, "headnode": None, "owner": None, "expires": None,
        "error": None,
        "networks": {"main": {"vlan": 7}},
    }  # fmt: skip
    seen = {"untagged": 7, "tagged": []}
    answers = Answers(
        switches=[{"name": name, "available": True} for name in sorted({switch for switch, _ in homes})],
        ports=[
            {"switch": switch, "port": port, "available": True, "free": False, "seen": seen}
            for switch, port in homes
        ],
        nodes=nodes,
        groups=[
            {**spec, "name": name, "nodes": [node["name"] for node in nodes if node["group"] == name]}
            for name in names
        ],
    )  # fmt: skip
    return build(answers)[0]


def test_two_thousand_ports() -> None:
    text = "".join(f"{plain(line)}\n" for line in draw(hall(), 110, 0))
    lines = text.splitlines()
    assert max(map(len, lines)) <= 110
    panels = text.partition("\n. free")[0].splitlines()
    rows = [line.split() for line in panels if line.startswith("  ")]
    assert [len(row) for row in rows] == [24] * 4 * 41 + [16] * 4
    cells = [cell for number, row in enumerate(rows) if number % 4 in (1, 2) for cell in row]
    assert (len(cells), cells.count(".")) == (2000, 20 * 48 + 32)
    assert rows[0][:3] == ["1", "3", "5"]
    assert "n0000 n0001" in text
    assert " and 8 more" in text


@pytest.mark.parametrize("terminal", [False, True])
def test_colours_are_for_terminals_only(
    still: Laboratory, monkeypatch: pytest.MonkeyPatch, terminal: bool
) -> None:
    monkeypatch.setenv("TERM", "xterm-256color")
    stream = Terminal() if terminal else io.StringIO()
    status = main(["--address", str(still.folder / "api.sock"), "map"], Output(stdout=stream))
    assert (status, bool(COLOUR.search(stream.getvalue()))) == (0, terminal)
    assert " P  physics" in COLOUR.sub("", stream.getvalue())


@contextmanager
def at_a_terminal(*words: str) -> Iterator[tuple["subprocess.Popen[bytes]", int]]:
    """nmctl on a terminal of its own, and the terminal's other end."""
    ours, its = pty.openpty()
    program = [sys.executable, "-m", "nm.shell.main", *words]
    with subprocess.Popen(program, stdin=its, stdout=its, stderr=its) as process:
        os.close(its)
        try:
            yield process, ours
        finally:
            process.kill()
            os.close(ours)


def read_until(terminal: int, words: str, seconds: float = 30) -> str:
    """What the terminal shows, as soon as it shows these words."""
    text, deadline = "", time.monotonic() + seconds
    while words not in COLOUR.sub("", text):
        assert time.monotonic() < deadline, text
        if select.select([terminal], [], [], 0.1)[0]:
            text += os.read(terminal, 65536).decode(errors="replace")
    return text


def test_watching(lab: Laboratory, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setenv("COLUMNS", "110")
    monkeypatch.setenv("LINES", "50")
    with at_a_terminal("--address", str(lab.folder / "api.sock"), "map", "--watch") as (process, terminal):
        assert COLOUR.search(read_until(terminal, "weather  VLAN 105  staged"))
        lab.deploy("weather")
        read_until(terminal, "weather  VLAN 105  deployed")
        process.send_signal(signal.SIGINT)
        assert process.wait(30) == 130


def test_watching_a_daemon_that_hangs(nmd: Nmd, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setenv("COLUMNS", "110")
    with at_a_terminal("--address", nmd.socket, "map", "--watch") as (process, terminal):
        read_until(terminal, "no switches")
        with hanging(nmd.pid):
            assert "nmctl:" not in read_until(terminal, f"{SILENT}; what is shown is of ")
        with connect(nmd.socket) as proxy:
            proxy.RegisterSwitch("new", {"driver": "none"})
        assert SILENT not in read_until(terminal, "new  none").rpartition("\x1b[H")[2]
        with hanging(nmd.pid):
            process.send_signal(signal.SIGINT)
            assert process.wait(30) == 130
