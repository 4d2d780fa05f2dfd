"""A program of a site, for tests: it notes what it was given and saw, and refuses the nodes it is told to."""

import os
from pathlib import Path

from nm.config import Hooks

MOMENTS = ("before_give", "after_return")
_PROGRAM = """#!/bin/sh
cd {folder}
cat > given.$NM_NODE
cat sw0.json > seen.$NM_MOMENT.$NM_NODE
echo "began $NM_MOMENT $NM_NODE $NM_GROUP" >> runs
until [ ! -e hold ]; do sleep 0.02; done
if [ -e refuse.$NM_MOMENT.$NM_NODE ]; then
    echo "looking at $NM_NODE"; echo "no disk in $NM_NODE" >&2; exit 3
fi
echo "ended $NM_MOMENT $NM_NODE $NM_GROUP" >> runs
"""


class SiteProgram:
    """The program, and what tests say to it, in a folder that a rack's simulated switches are in, too."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.path = folder / "program"
        self.write(_PROGRAM.format(folder=folder))

    def write(self, text: str) -> None:
        """Let it do something else."""
        new = self.path.with_name("program.new")
        new.write_text(text)
        new.chmod(0o755)
        new.rename(self.path)

    def settings(self, seconds: float = 20.0, at_once: int = 8) -> Hooks:
        """A configuration that names it for both moments."""
        return Hooks(str(self.path), str(self.path), seconds, at_once)

    def refuse(self, moment: str, node: str, refuse: bool = True) -> None:
        """Whether it fails for that node."""
        mark = self.folder / f"refuse.{moment}.{node}"
        mark.touch() if refuse else mark.unlink(missing_ok=True)

    def hold(self, hold: bool = True) -> None:
        """Whether it waits before it comes to its end."""
        mark = self.folder / "hold"
        mark.touch() if hold else mark.unlink(missing_ok=True)

    def runs(self, word: str = "ended") -> list[str]:
        """The runs that have so far "began" or "ended", as "before_give n0 alpha"."""
        noted = self.folder / "runs"
        lines = noted.read_text().splitlines() if noted.exists() else []
        return [line.removeprefix(f"{word} ") for line in lines if line.startswith(word)]


def below(folder: Path) -> list[int]:
    """The processes that have something of the folder in their command line."""
    found = []
    for entry in filter(str.isdigit, os.listdir("/proc")):
        try:
            line = Path("/proc", entry, "cmdline").read_bytes()
        except OSError:
            continue
        if str(folder).encode() in line and int(entry) != os.getpid():
            found.append(int(entry))
    return found
