"""nmd is killed again and again while slivers come and go: what was answered holds, all converges."""

import random
import subprocess
import sys
from pathlib import Path

from tests import untraced
from tests.slivers.killed import SLIVERS
from tests.slivers.node import Node

ROUNDS = 12


def live(folder: Path, seed: int, calls: int) -> None:
    """One nmd, killed at some moment after that many calls."""
    asked = folder / "asked"
    before = len(asked.read_text().splitlines()) if asked.exists() else 0
    command = [sys.executable, "-m", "tests.slivers.killed", str(folder), str(seed)]
    with subprocess.Popen(command, env=untraced.environment()) as child:
        try:
            pause = 0.0
            while pause < 60 and child.poll() is None:
                if asked.exists() and len(asked.read_text().splitlines()) >= before + 2 * calls:
                    break
                try:
                    child.wait(0.02)
                except subprocess.TimeoutExpired:
                    pause += 0.02
        finally:
            child.kill()


def after(method: str, made: bool, stopped: bool) -> tuple[bool, bool]:
    """What a sliver is meant to be (created, stopped) after a call that was not refused."""
    return {
        "Create": (True, made and stopped),
        "Destroy": (False, stopped),
        "Stop": (made, True),
    }.get(method, (made, False))


def wishes(folder: Path, name: str) -> set[tuple[bool, bool]]:
    """What it may be meant to be: of a call that was cut off it is not known whether it counts."""
    ways, changed = {(False, False)}, set[tuple[bool, bool]]()
    for line in (folder / "asked").read_text().splitlines():
        sign, method, who = line.split()
        if who == name and sign == ">":
            ways |= changed  # the one before was cut off
            exists = method in ("Create", "Destroy")
            changed = {after(method, *way) for way in ways if exists or way[0]}
        elif who == name:
            ways, changed = changed if sign == "<" else ways, set()
    return ways | changed


def wish(lab: Node, name: str) -> tuple[bool, bool]:
    """What it is meant to be by its record."""
    record = lab.record(name)
    return bool(record.get("_created")), bool(record.get("_stopped"))


def is_as_meant(lab: Node, name: str) -> bool:
    """Whether its guest, and its number, are what its record means."""
    (made, stopped), record, guest = wish(lab, name), lab.record(name), lab.guest(name)
    if guest is None or not made or not record.get("_index"):
        return guest is None and not made and not record.get("_index")
    return bool(guest["running"] == (not stopped) and guest["life"] == (record.get("_life") or 1))


def test_what_was_answered_holds_however_often_it_is_killed(tmp_path: Path) -> None:
    chance = random.Random(7)
    first = Node(tmp_path)
    first.house.set(slow=0.01)
    first.stop()
    for seed in range(1, ROUNDS + 1):
        live(tmp_path, seed, chance.randrange(1, 40))
    lab = Node(tmp_path)
    try:
        lab.until(lambda: all(job["finished"] for job in lab.call("GetJobs", {})), 60)
        lab.until(lambda: all(is_as_meant(lab, name) for name in SLIVERS))
        for name in SLIVERS:
            assert wish(lab, name) in wishes(tmp_path, name), name
        numbers = [record["_index"] for record in map(lab.record, SLIVERS) if record.get("_index")]
        assert len(set(numbers)) == len(numbers)
        assert len(lab.house.domains) == len(numbers)
        assert max(numbers, default=0) <= len(SLIVERS)
    finally:
        lab.stop()
