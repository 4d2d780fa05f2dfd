"""What linky remembers: which machines it power-cycled, which boot from disk, which links are its own.

Durable before anybody relies on it. Without it every machine would count as one that has just joined.
"""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path

from nm_head import files
from nm_head.errors import HeadError


@dataclass
class Known:
    """A machine of the list. `image`: what its link was made for; `since`: None where nobody said."""

    image: str = ""
    since: str | None = None
    cycled: bool = False  # its power cycle was confirmed
    disk: bool = False  # it is installed, and has no link


@dataclass
class State:
    """Machines by MAC, and the paths below the TFTP root that linky made."""

    machines: dict[str, Known] = field(default_factory=dict)
    own: list[str] = field(default_factory=list)


@contextmanager
def changing(folder: Path) -> Iterator[State]:
    """The state, written when the block ends without an error. One at a time: hold it for a short while."""
    with locked(folder, "lock"):
        state = read(folder)
        before = asdict(state)
        yield state
        if asdict(state) != before:
            files.write(folder / "state.json", json.dumps({"version": 1, **asdict(state)}, indent=1) + "\n")


def read(folder: Path) -> State:
    """The state as it was last written."""
    path = folder / "state.json"
    try:
        told = json.loads(path.read_bytes())
        machines = {mac: Known(**known) for mac, known in told["machines"].items()}
        return State(machines, list(told["own"]))
    except FileNotFoundError:
        return State()
    except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
        raise HeadError(
            f"{path}: {error}", "remove it; all machines are then power-cycled as if they had just joined"
        ) from None


@contextmanager
def locked(folder: Path, name: str) -> Iterator[None]:
    """Alone among all that ask for the lock of that name; it ends with the process, however that ends."""
    folder.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(folder / name, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)
