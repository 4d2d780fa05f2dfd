"""A kept run on another machine, over SSH: by the same keeper, whose text is sent along.

So nothing has to be installed there but Python. sshd closes the keeper's input when the connection ends,
however it ends, and then the keeper ends the run; what is cut off without a word ends at its time limit.
Nobody waits here that long: a machine that says nothing any more is given up after a minute.
"""

import json
from collections.abc import Callable
from dataclasses import replace

from nm.errors import DeviceFailed
from nm.facts import never
from nm.kept import KEEPER, LATE, Ended, Run, ended
from nm.remote import Remote

# Reads one line, byte by byte, so that what comes behind it is the keeper's.
COMMAND = "exec python3 -I -S -c 'import json, sys; exec(json.loads(sys.stdin.buffer.raw.readline()))'"


def keep_there(machine: Remote, run: Run, unwanted: Callable[[], bool] = never) -> Ended:
    """As `kept.keep`, where somebody is logged in. The run's `lock` is the name of a file. DeviceFailed."""
    folder = "/run/nm-runs" if machine.user == "root" else f"/dev/shm/nm-runs-{machine.user}"  # noqa: S108
    line = replace(run, lock=f"{folder}/{run.lock}").line
    text = json.dumps(KEEPER.read_text()).encode() + b"\n" + line
    answer = machine.hold(COMMAND, text, 2 * run.seconds + LATE, unwanted, LATE)
    if answer.status != 0:
        said = answer.errors.strip().rpartition("\n")[2][:200] or f"exit status {answer.status}"
        raise DeviceFailed(
            f"{machine.host} cannot keep a run: {said}", "install python3 (3.9 or later) there", passing=False
        )
    return ended(answer.output)
