"""A node with a life of its own, to be killed: `python -m tests.slivers.killed FOLDER SEED`.

What it asks for is written down before the call and after the answer, as `> Stop s1` and `< Stop s1`.
"""

import random
import sys
from pathlib import Path

from nm.errors import NMError
from tests.slivers.node import Node, told

SLIVERS = [f"s{number}" for number in range(4)]
METHODS = ("Create", "Create", "Destroy", "Start", "Stop", "ReCreate")


def main(folder: Path, seed: int) -> None:
    """Live until somebody ends it."""
    chance = random.Random(seed)
    lab = Node(folder)
    lab.said += 1000 * seed  # newer than what the last one was told
    if not lab.call("GetImages", {}):
        lab.call("RegisterImage", "debian", {"kind": "disk", "disk": "/var/lib/nm-images/debian.qcow2"})
    lab.hear(*(told(name, "delegated") for name in SLIVERS))
    with (folder / "asked").open("a") as asked:
        while True:
            name, method = chance.choice(SLIVERS), chance.choice(METHODS)
            print(">", method, name, file=asked, flush=True)
            try:
                lab.call(method, name)
            except NMError:
                print("!", method, name, file=asked, flush=True)
                continue
            print("<", method, name, file=asked, flush=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
