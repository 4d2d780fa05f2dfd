"""Programs that build the rack: run to their end, or left running. Used inside the lab's namespaces."""

import subprocess
from pathlib import Path

from nm.lab.errors import LabError

INSIDE = "/run/nm"  # the lab's folder as its own processes see it: where nmd keeps its socket anyway


def run(*command: str, said: str | None = None) -> None:
    """Run it; LabError with its own words when it fails."""
    source = subprocess.DEVNULL if said is None else None
    done = subprocess.run(
        command, check=False, input=said, stdin=source,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    )  # fmt: skip
    if done.returncode:
        raise LabError(f"{' '.join(command)[:200]}: {done.stdout.strip()[-500:]}")


def leave_running(name: str, *command: str, cwd: str | Path = "/") -> None:
    """Start it and let the holder have it; what it says goes to the lab's log of that name."""
    with Path(INSIDE, "log", f"{name}.log").open("ab") as log:
        subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=cwd, start_new_session=True
        )
