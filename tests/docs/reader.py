"""Who reads a page that plays with a lab: has nmctl on the PATH, and a shell."""

import os
import shlex
import sys
from pathlib import Path

from nm.lab.place import PATH
from tests.docs.site import SOURCE, in_shell
from tests.docs.transcript import Step

PROGRAM = '#!/bin/sh\nexec {python} -m nm.shell.main "$@"\n'


class Reader:
    """One of them, who keeps things in that folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        program = folder / "nmctl"
        program.write_text(PROGRAM.format(python=shlex.quote(sys.executable)))
        program.chmod(0o755)
        self._environment = {**os.environ, "PATH": f"{folder}:{PATH}", "PYTHONPATH": str(SOURCE)}

    def carry_out(self, step: Step) -> tuple[int, str]:
        """A shell does it."""
        return in_shell(step.command, self._folder, self._environment)

    def meanwhile(self, words: str) -> None:
        """Nothing happens behind the reader's back."""
        raise AssertionError(words)
