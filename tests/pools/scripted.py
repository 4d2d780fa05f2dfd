"""nm that runs scripts of descriptions, in the test's process or in one that is killed; and such scripts."""

import json
import os
import shutil
import signal
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from nm.configdescriptions import Descriptions
from tests.core.site_program import below
from tests.descriptions.say import INCLUDES
from tests.pools.daemon import Daemon
from tests.rack import Rack
from tests.waiting import until

_LINGERING = """\
trap '' TERM HUP INT
sh -c 'while :; do echo x >> {folder}/alive; sleep 0.02; done' &
setsid sh -c 'trap "" TERM HUP; while :; do echo x >> {folder}/alive; sleep 0.02; done' &
echo began >> {folder}/runs
until [ -e {folder}/finish ]; do sleep 0.02; done
echo ended >> {folder}/runs
"""
LINGERING = json.dumps(_LINGERING.format(folder="FOLDER").splitlines())  # until the file `finish` is there


@contextmanager
def scratch() -> Iterator[Path]:
    """A folder that everybody may write to; no process that has to do with it may be left."""
    made = Path(tempfile.mkdtemp(prefix="nm-scripts."))
    made.chmod(0o777)
    try:
        yield made
        left = below(made)
    finally:
        for pid in below(made):
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        shutil.rmtree(made)
    assert left == []


def script(name: str, **attributes: str) -> str:
    """A Script whose attributes are written as given."""
    said = "".join(f"{key} {value}; " for key, value in attributes.items())
    return f"{name} extends Script {{ shell LAZY ATTRIB sh; {said}}} "


def says(word: str) -> str:
    """A script that writes a line to the file `said`."""
    return f'"echo {word} >> FOLDER/said"'


def stages(name: str, **more: str) -> str:
    """A Script that tells of each stage."""
    told = {f"{stage}Script": says(f"{stage} {name}") for stage in ("deploy", "start", "terminate")}
    return script(name, **{**told, **more})


def described(folder: Path, inside: str, more: str = "sfSyncTerminate true;") -> str:
    """A description with a shell `sh`; FOLDER in it is that folder."""
    text = f"{INCLUDES}sfConfig extends Compound {{ {more} sh extends BashShell; {inside} }}"
    return text.replace("FOLDER", str(folder))


def lines(file: Path) -> list[str]:
    """The lines of a file; none when there is none."""
    with suppress(FileNotFoundError):
        return file.read_text().splitlines()
    return []


class Scripts(Rack):
    """nm without a rack, which runs scripts. `folder`: for what they write."""

    def __init__(self, place: Path, folder: Path, **settings: Any) -> None:
        self.scratch = folder
        super().__init__(place, 0, 0, descriptions=Descriptions(shells=True, **settings))

    def apply(self, inside: str, name: str = "web", more: str = "sfSyncTerminate true;") -> int:
        """The job."""
        return int(self.call("ApplyDescription", name, described(self.scratch, inside, more), {}, {}))

    def applied(self, inside: str, **more: str) -> dict[str, Any]:
        """The job, over."""
        return self.wait(self.apply(inside, **more))

    def terminated(self, name: str = "web") -> dict[str, Any]:
        """The job, over."""
        return self.wait(self.call("TerminateDescription", name))

    def said(self, file: str = "said") -> list[str]:
        """The lines that scripts wrote to a file."""
        return lines(self.scratch / file)

    def parts(self, name: str = "web") -> dict[str, str]:
        """The states of components, by their paths."""
        return {one["path"]: one["state"] for one in self.call("GetComponents", name)}


def killed_in_between(daemon: Daemon, folder: Path, stage: str, text: str) -> None:
    """The script of that stage is LINGERING: nmd is killed while it runs, and comes to the same end."""
    runs = folder / "runs"
    daemon.call("ApplyDescription", "web", text, {}, {})
    if stage == "terminate":
        until(lambda: daemon.state() == "running")
        daemon.call("TerminateDescription", "web")
    until(lambda: lines(runs) == ["began"] and (folder / "alive").exists())
    daemon.kill()
    until(lambda: below(folder) == [])
    daemon.start()
    until(lambda: lines(runs) == ["began", "began"])
    (folder / "finish").touch()
    until(lambda: lines(runs) == ["began", "began", "ended"])
    until(lambda: daemon.state() == ("absent" if stage == "terminate" else "running"))
