"""For who writes a page: `python -m tests.docs docs/tasks/PAGE.md` prints its commands and what they say."""

import os
import sys
import tempfile
from pathlib import Path

from tests.docs.site import site
from tests.docs.transcript import steps

with tempfile.TemporaryDirectory() as folder:
    os.environ["NM_ADDRESS"] = f"{folder}/api.sock"
    with site(Path(folder)) as here:
        for step in steps(Path(sys.argv[1]).read_text(encoding="utf-8")):
            if step.meanwhile:
                here.meanwhile(step.command)
                continue
            status, said = here.carry_out(step)
            lines = ["$ " + step.command.replace("\n", "\n> "), *said.splitlines()]
            print("\n".join(f"    {line}".rstrip() for line in "\n".join(lines).splitlines()))
            if status and "nmctl: " not in said:
                print(f"    $ echo $?\n    {status}")
