"""A program of the site's own, for processors that nm has no driver for.

    PROGRAM ADDRESS ACTION

ACTION is status (print "on" or "off"), on, off, soft-off, pxe, disk, or boot (print "pxe" or "disk"; it may
fail when it cannot be known). The password is its standard input; the environment has NM_USER and NM_PORT
where the node's management has them. Exit status 0: done; 3: no use to try again (a wrong password); others:
it may be tried again. It lies in the folder that the configuration names, and nowhere else: it is run as
root, so a record does not choose among all programs of the machine.
"""

import hashlib
import json
import os
import stat
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

from nm import kept
from nm.errors import DeviceFailed, Invalid
from nm.processor import Kinds, PowerDriver, Settings
from nm.records import check_name

FOLDER = Path("/etc/nm/power")
LOCKS = Path("/run/nm/power")
ANSWER = 20.0  # seconds for one run
FINAL = 3  # the exit status of what will fail again
OTHERS_WRITE = 0o022
WIDEST = 4  # bytes of a letter that may be cut through
SHORTEST = 4  # letters; striking out a shorter password would leave no text


def _check(management: Mapping[str, Any]) -> None:
    check_name(management["program"], "program")
    if management["address"].startswith("-"):
        raise Invalid("the address looks like an option", "write it without a dash at its beginning")


class CommandPower:
    """What the site's program says and does. Made for another folder by `in_folder`."""

    kind: ClassVar[str] = "command"
    settings: ClassVar[Settings] = Settings({"program": str}, frozenset({"program", "address"}), check=_check)
    folder: ClassVar[Path] = FOLDER
    locks: ClassVar[Path] = LOCKS

    def __init__(self, management: Mapping[str, Any], secrets: Mapping[str, str]) -> None:
        self._program = self.folder / management["program"]
        self._address = management["address"]
        self._password = secrets.get("password", "")
        told = {"NM_USER": management.get("user"), "NM_PORT": management.get("port")}
        self._environment = {
            "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
            "LC_ALL": "C.UTF-8",
            **{name: str(value) for name, value in told.items() if value is not None},
        }

    def is_on(self) -> bool:
        """As it prints."""
        told = self._run("status").strip()
        if told not in ("on", "off"):
            raise DeviceFailed(
                f"{self._program} status printed {told[:200]!r}",
                'let it print "on" or "off"',
                passing=False,
            )
        return told == "on"

    def switch(self, on: bool) -> None:
        """Its actions on and off."""
        self._run("on" if on else "off")

    def ask_to_stop(self) -> None:
        """Its action soft-off."""
        self._run("soft-off")

    def boot_from(self, device: str) -> None:
        """Its actions pxe and disk."""
        self._run(device)

    def boots_from(self) -> str | None:
        """Its action boot, if it has one."""
        try:
            told = self._run("boot").strip()
        except DeviceFailed:
            return None
        return told or None

    def close(self) -> None:
        """Each run has ended."""

    def _run(self, action: str) -> str:
        self._trust()
        run = kept.Run(
            [str(self._program), self._address, action],
            self._environment,
            self._password,
            ANSWER,
            self._lock(),
            apart=True,
        )
        ended = kept.keep(run)
        ended = replace(ended, said=[self._without_password(text) for text in ended.said])
        if why := ended.failure(ANSWER):
            hint = {"error": "see its first line", "time": "see what it waits for"}.get(ended.how, "")
            final = ended.how == "error" or (ended.how == "exit" and ended.status == FINAL)
            raise DeviceFailed(f"{self._program} {action} {why}", hint, passing=not final)
        return ended.said[0]

    def _lock(self) -> str:
        """A lock a processor: what a killed nmd asked for is over before the next thing is asked."""
        told = [str(self._program), self._address, self._environment]
        return str(self.locks / hashlib.sha256(json.dumps(told).encode()).hexdigest()[:32])

    def _trust(self) -> None:
        """It and its folder can be changed by root, and by nobody else."""
        for path in (self.folder, self._program):
            try:
                found = path.lstat()
            except OSError as error:
                raise DeviceFailed(
                    f"{path}: {error.strerror}",
                    f"put the program into {self.folder} (power.programs)",
                    passing=False,
                ) from None
            if found.st_uid not in {0, os.geteuid()} or found.st_mode & OTHERS_WRITE:
                raise DeviceFailed(
                    f"{path} can be written by others than root",
                    f"chown root {path}; chmod go-w {path}",
                    passing=False,
                )
        if not stat.S_ISREG(found.st_mode) or not found.st_mode & stat.S_IXUSR:
            raise DeviceFailed(
                f"{self._program} is no program", "let it be an executable file, not a link", passing=False
            )

    def _without_password(self, text: str) -> str:
        """What it said, without the password, nor a piece of it where the beginning is cut off."""
        if len(self._password) < SHORTEST:
            return text
        struck = text.replace(self._password, "(secret)")
        cut = len(self._password) + WIDEST if text.startswith(kept.CUT) else 0
        return struck[cut:]


def in_folder(kinds: Kinds, folder: str, locks: Path) -> Kinds:
    """The kinds, with the programs in that folder, and the locks of their runs in the other."""
    places = {"folder": Path(folder), "locks": locks}
    named: type[PowerDriver] = type("CommandPower", (CommandPower,), places)
    return {**kinds, CommandPower.kind: named}
