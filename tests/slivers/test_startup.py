"""After a reboot, or when nmd is asked to: slivers start one after another, none before its turn."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from nm import config, leases, startup
from nm.calls import NM, Call
from nm.records import changed
from nm.startup import Begin, Startup
from tests.slivers.node import Node, node, told

NAMES = ("a", "b", "c")


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[Node]:
    """Three slivers that run, one that is stopped, and one that its source lets not run."""
    with node(tmp_path) as made:
        made.hear(*map(told, NAMES), told("stopped"), told("off", tags={"enabled": 0}))
        made.until_runs(*NAMES, "stopped")
        made.ask("Stop", "stopped")
        made.until(made.at_rest)
        yield made


def reboot(lab: Node, pause: float) -> None:
    """The machine starts anew, and nmd with it."""
    assert lab.service is not None
    store = lab.service.database
    clock = store.get(leases.CLOCK)
    assert clock is not None
    store.transact(lambda tx: tx.put(changed(clock, 1.0, boot="another")))
    lab.stop()
    lab.house.reboot()
    lab.config = replace(lab.config, startup=config.Startup(pause_seconds=pause))
    lab.start()


def running(lab: Node) -> set[str]:
    return {domain.removeprefix("nm-sliver-") for domain, one in lab.house.domains.items() if one["running"]}


def test_after_a_reboot_each_has_its_turn(lab: Node) -> None:
    made = lab.house.made
    reboot(lab, pause=3600)
    lab.until_runs("a")
    lab.until(lambda: lab.sliver("c")["why"] == "it waits for its turn to be started")
    assert running(lab) == {"a"} and lab.sliver("b")["state"] == "stopped"
    assert lab.sliver("stopped")["why"] == "it was stopped by Stop"
    lab.hear(*map(told, NAMES), told("stopped"), told("off", tags={"enabled": 0}))
    lab.call("Start", "c")  # a wish, but no way past those before it
    lab.until(lab.at_rest)
    assert running(lab) == {"a"}
    lab.stop()
    lab.start()
    lab.until_runs("b")
    lab.stop()
    lab.start()
    lab.until_runs("c")
    lab.until(lab.at_rest)
    assert running(lab) == set(NAMES)
    assert {name: lab.house.made[f"nm-sliver-{name}"] - made[f"nm-sliver-{name}"] for name in NAMES} == {
        "a": 1, "b": 1, "c": 1,
    }  # fmt: skip


def test_nothing_is_destroyed_by_a_reboot_while_its_source_is_away(lab: Node) -> None:
    domains, loans = lab.house.domains, lab.call("SetLoans", "a", [["b", "cpu_share", 8]])
    assert loans == 1
    lab.until(lambda: (lab.guest("b") or {})["shares"] == 40)
    reboot(lab, pause=0)
    lab.until_runs(*NAMES)
    lab.until(lab.at_rest)
    assert lab.house.domains.keys() == domains.keys()
    assert (lab.guest("a") or {})["shares"] == 24 and (lab.guest("b") or {})["shares"] == 40


def test_nmd_is_asked_to_and_what_runs_is_left_alone(lab: Node) -> None:
    lab.stop()
    lab.house.stop("nm-sliver-b")
    made = lab.house.made
    lab.startup = True
    lab.start()
    lab.until_runs(*NAMES)
    lab.until(lab.at_rest)
    assert running(lab) == set(NAMES)
    assert lab.house.made == {**made, "nm-sliver-b": made["nm-sliver-b"] + 1}


def test_three_seconds_lie_between_two(lab: Node) -> None:
    """Turns by a clock that the test turns: in one line with the head nodes."""
    lab.stop()
    lab.house.reboot()
    lab.config = replace(lab.config, slivers=replace(lab.config.slivers, look_seconds=86400.0))
    lab.start()
    assert lab.service is not None
    store, turns, time = lab.service.database, list[tuple[float, str]](), [100.0]
    line = Startup(
        store,
        lambda: Call(NM, "Repair", 1.0),
        lambda: time[0],
        3.0,
        lambda reader, name: name != "off",
        lambda subject: turns.append((time[0], subject)),
    )
    subjects = [f"sliver:{name}" for name in ("a", "off", "b", "c")]
    store.transact(lambda tx: startup.line_up(tx, subjects, 1.0))
    line.handle([Begin()])
    while startup.waiting(store):
        time[0] += 0.5
        line.handle([])
    assert turns == [(100.0, "sliver:a"), (103.0, "sliver:b"), (106.0, "sliver:c")]


def test_who_died_while_nmd_was_away_has_a_turn_too(lab: Node) -> None:
    """The records say that they run; a look says otherwise, before the first turn."""
    lab.stop()
    for name in NAMES:
        lab.house.stop(f"nm-sliver-{name}")
    made = lab.house.made
    lab.startup = True
    lab.config = replace(lab.config, startup=config.Startup(pause_seconds=3600))
    lab.start()
    lab.until_runs("a")
    lab.until(lambda: lab.sliver("c")["why"] == "it waits for its turn to be started")
    lab.until(lab.at_rest)
    assert running(lab) == {"a"}
    for name in "bc":
        lab.stop()
        lab.startup = False
        lab.start()
        lab.until_runs(name)
    assert {name: lab.house.made[f"nm-sliver-{name}"] - made[f"nm-sliver-{name}"] for name in NAMES} == {
        "a": 1, "b": 1, "c": 1,
    }  # fmt: skip


def test_while_libvirt_is_away_nobody_loses_a_turn(lab: Node) -> None:
    lab.stop()
    lab.house.reboot()
    lab.house.set(down="libvirt does not answer")
    lab.startup = True
    lab.config = replace(lab.config, startup=config.Startup(pause_seconds=3600))
    lab.start()
    lab.until(lambda: lab.crew().depths().get("startup:", 0) == 0)
    assert lab.service is not None
    assert [lab.sliver(name)["why"] for name in NAMES] == [None] * 3  # by what is known they run
    assert len(startup.waiting(lab.service.database)) == len(NAMES)
    lab.house.set(down="")
    lab.until_runs("a")
    assert running(lab) == {"a"}
