"""Process 1 of a lab's namespaces: has the rack built, then holds it until it is killed.

Run by `nmctl lab up` under unshare(1). It only reaps: when it ends, for whatever reason, the kernel
ends every process of the lab and takes its mounts and networks away. What the builder prints goes to
the one who waits for the rack; its last line is READY.
"""

import json
import os
import sys
import time

from nm.lab.errors import LabError
from nm.lab.layout import Layout
from nm.lab.place import Lab

READY = "ready"


def main() -> int:
    """Arguments: the lab's name, its sizes as JSON."""
    lab, layout = Lab(sys.argv[1]), Layout(**json.loads(sys.argv[2]))
    builder = os.fork()
    if builder == 0:
        os._exit(_build(lab, layout))
    _be_quiet()
    while True:
        try:
            pid, status = os.wait()
        except ChildProcessError:  # nobody is left: keep the rack until it is taken down
            time.sleep(1)
            continue
        if pid == builder and status:
            return 1


def _build(lab: Lab, layout: Layout) -> int:
    from nm.lab import rack  # here, so that the holder itself stays small

    try:
        rack.build(lab, layout)
    except LabError as error:
        print(error, flush=True)
        return 1
    print(READY, flush=True)
    return 0


def _be_quiet() -> None:
    """Let go of the waiting one's pipe and terminal."""
    nowhere = os.open(os.devnull, os.O_RDWR)
    for stream in (0, 1, 2):
        os.dup2(nowhere, stream)


if __name__ == "__main__":
    sys.exit(main())
