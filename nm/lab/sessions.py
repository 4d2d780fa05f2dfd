"""What leads from `ssh SLIVER@HOST` into the sliver's guest: shells, nm-enter, the right to run it.

On a machine where nm is installed, the installation does this. Called by rack and daemon.
"""

import sys
from pathlib import Path

from nm.lab.archive import kept
from nm.lab.place import SOURCE
from nm.lab.running import run

PROGRAMS = Path("/run/nm-programs")  # in the lab
ENTER = PROGRAMS / "nm-enter"
GROUP = "nm-slivers"
RULE = SOURCE / "packaging" / "sudoers"
_ENTER = f"""\
#!{sys.executable} -I
import sys

sys.path.insert(0, {str(SOURCE)!r})
from nm.enter import main

sys.exit(main())
"""


def shells() -> Path:
    """The folder with forward_api_calls and sliver_shell, as they are shipped but for where nm-enter is."""
    source = SOURCE / "forward_api_calls"
    files = sorted(path for path in source.glob("*") if path.is_file())

    def make(folder: Path) -> None:
        run("make", "--silent", "-C", str(source), f"BUILD={folder}", f"ENTER={ENTER}", "all")

    return kept([str(ENTER).encode(), *(path.read_bytes() for path in files)], make)


def allow() -> None:
    """Put nm-enter there, and let accounts of slivers run it as root."""
    PROGRAMS.mkdir(mode=0o755)
    ENTER.write_text(_ENTER)
    ENTER.chmod(0o755)
    rule = Path("/etc/sudoers.d/nm-lab")
    rule.write_text(RULE.read_text().replace("/usr/lib/nm/nm-enter", str(ENTER)))
    rule.chmod(0o440)
    run("groupadd", "--force", "--system", GROUP)
