"""The lab's PLC: started, killed, told something else. Called by lifecycle, the demo and tests."""

import json
import sys
import time
from collections.abc import Callable
from typing import Any

from nm.lab import plc, slices, world
from nm.lab.errors import LabError
from nm.lab.layout import WORLD
from nm.lab.place import Lab
from nm.lab.programs import PATIENCE, Program
from nm.lab.running import INSIDE

_CONNECT = "import socket, sys; socket.create_connection((sys.argv[1], int(sys.argv[2])), 5)"


def start(lab: Lab) -> None:
    """Start it, and wait until it listens. Does nothing when it runs."""
    if (program := _program(lab)).is_running():
        return
    folder = f"{INSIDE}/{slices.FOLDER}"
    program.start([sys.executable, "-m", program.module, folder, world.FAR, str(slices.PORT)], WORLD)
    deadline = time.monotonic() + PATIENCE
    while not _listens(lab):
        if not program.is_running() or time.monotonic() > deadline:
            raise LabError(f"the PLC does not listen; the end of its log:\n{program.log}")
        time.sleep(0.05)


def _listens(lab: Lab) -> bool:
    try:
        lab.run([sys.executable, "-c", _CONNECT, world.FAR, str(slices.PORT)], node=WORLD)
    except LabError:
        return False
    return True


def kill(lab: Lab) -> None:
    """End it: the PLC is away."""
    _program(lab).signal("KILL")


def is_running(lab: Lab) -> bool:
    """Whether it can be asked."""
    return _program(lab).is_running()


def _program(lab: Lab) -> Program:
    return Program(lab, "plc", plc.__name__)


def edit(lab: Lab, change: Callable[[dict[str, Any]], None]) -> None:
    """Change what it says."""
    place = lab.folder / slices.FOLDER
    told = json.loads((place / plc.REPLY).read_text())
    change(told)
    slices.write(place, told)


def set_tag(told: dict[str, Any], sliver: str, tag: str, value: str) -> None:
    """In a reply: have that sliver's tag say that."""
    attributes = next(one["attributes"] for one in told["slivers"] if one["name"] == sliver)
    attributes[:] = [one for one in attributes if one["tagname"] != tag]
    attributes.append({"tagname": tag, "value": value})
