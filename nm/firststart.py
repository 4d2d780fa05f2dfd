"""The first start: the site with which `nmd --init` begins a new database, tried before any file is made.

Called by the daemon's main program only; nm/service.py imports what is found here.
"""

import time
from pathlib import Path

from nm import database_tools, imports, site
from nm.calls import Call
from nm.config import Config, ConfigError
from nm.configured import site_of
from nm.disk import Disk
from nm.scratch import Nothing
from nm.service import ROOT
from nm.snapshot import read_head
from nm.switches import builtin


def first_site(config: Config, path: str) -> str | None:
    """The text of the site with which a new database begins; None when there is a database.

    Tried on nothing before any file is made. ConfigError tells what is wrong, with files and lines.
    """
    if _was_used(Path(config.daemon.database)):
        return None
    try:
        loaded = site.load([path])
        text = loaded.text()
        call = Call(ROOT, "Import", time.time(), site_of(config, builtin()))
        problems = [
            site.Problem(loaded.where(one["path"]), one["message"], one["hint"])
            for one in imports.check_import(Nothing(), call, text)["problems"]
        ]
    except site.BadFiles as error:
        problems = error.problems
    if problems:
        lines = "\n".join(map(str, problems))
        raise ConfigError(f"{path} cannot be imported:\n{lines}", "nothing was made; mend the files")
    return text


def _was_used(folder: Path) -> bool:
    """Whether anything was ever written to the database there."""
    snapshot = folder / "database.pickle"
    if not snapshot.exists():
        return False
    return read_head(Disk(), snapshot).revision > 0 or database_tools.check(folder).revision > 0
