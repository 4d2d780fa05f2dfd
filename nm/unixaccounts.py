"""The accounts that the machine has: their files, the tools that change them (shadow-utils), their processes.

What an account is to be is for nm/accounts.py to say. Called by the accounts' one worker; holds no lock (the
tools lock the files themselves).
"""

import subprocess
import time
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

from nm.errors import DeviceFailed
from nm.guestkeys import GuestKeys
from nm.headkeys import HeadKeys
from nm.passwd import Entry, Files, read_files
from nm.processes import Processes

FORWARD = "/usr/lib/nm/forward_api_calls"
TOOL_SECONDS = 60.0  # for one run of useradd and its like
_TAKEN = (4, 9)  # useradd's exit statuses: the uid, or the name, is somebody's
_HELD = (1, 10)  # the tools': passwd, or group, cannot be changed; mostly somebody else holds its lock
_ABSENT = 6  # userdel's and groupdel's
_IN_USE = 8  # userdel's


@dataclass(frozen=True)
class Places:
    """Where accounts live. `root` is where etc/passwd is looked for; all else is below it too."""

    root: Path = Path("/")
    homes: str = "/var/lib/nm-homes"
    shell: str = FORWARD
    first_uid: int = 70_000
    last_uid: int = 99_999
    head_keys: str = "/var/lib/nm"  # where the secrets are that head nodes' and guests' keys are made of
    sliver_shell: str = "/usr/lib/nm/sliver_shell"
    guests: str = "/run/nm/guests"  # where nm-enter finds where accounts of slivers lead
    guest_network: str = ""  # an address and prefix; "": guests have no addresses of nm's
    guest_user: str = "root"


def _since_boot() -> float:
    return time.clock_gettime(time.CLOCK_BOOTTIME)


class System:
    """The machine's accounts: their files as a whole, the tools that change them, and their processes.

    `reads` and `runs` count how often the files were read and a tool was run. `up`: seconds since boot.
    """

    def __init__(self, places: Places, up: Callable[[], float] = _since_boot) -> None:
        self.places = places
        self.up = up
        self.processes = Processes(range(places.first_uid, places.last_uid + 1))
        self.head_keys = HeadKeys(places.head_keys)
        self.guest_keys = GuestKeys(places.head_keys)
        self._files: Files | None = None
        self._held: DeviceFailed | None = None
        self.reads = self.runs = 0

    @property
    def files(self) -> Files:
        """Read when first asked for, and kept up with what is done here."""
        if self._files is None:
            self.reads += 1
            self._files = read_files(self.places.root)
        return self._files

    @property
    def entries(self) -> dict[str, Entry]:
        """All accounts by name."""
        return self.files.accounts

    def forget(self) -> None:
        """Read the files anew the next time."""
        self._files = self._held = None

    def add(self, entry: Entry, groups: Collection[str] = ()) -> None:
        """Make an account without a password, in a Unix group of its own and a member of these."""
        low, high = self.places.first_uid, self.places.last_uid
        keys = [f"UID_MIN={low}", f"UID_MAX={high}", f"GID_MIN={low}", f"GID_MAX={high}"]
        keys += ["SUB_UID_COUNT=0", "SUB_GID_COUNT=0"]
        options = [part for key in keys for part in ("--key", key)]
        options += ["--groups", ",".join(groups)] if groups else []
        self._tool(
            "useradd", "--uid", str(entry.uid), "--user-group", "--no-create-home", "--no-log-init",
            "--password", "*", *self._looks(entry), *options, entry.name,
        )  # fmt: skip
        if entry.gid in self.files.groups.values():
            self.forget()  # useradd gave the group another number
            return
        self.entries[entry.name] = entry
        self.files.groups[entry.name] = entry.gid
        self.files.shadowed.add(entry.name)
        self._join(entry.name, groups)

    def change(self, entry: Entry, groups: Collection[str] = ()) -> None:
        """Give an account this comment, home and shell, and make it a member of these Unix groups."""
        more = ["--append", "--groups", ",".join(groups)] if groups else []
        self._tool("usermod", *self._looks(entry), *more, entry.name)
        self.entries[entry.name] = entry
        self._join(entry.name, groups)

    def _join(self, name: str, groups: Collection[str]) -> None:
        for group in groups:
            self.files.members.setdefault(group, set()).add(name)

    def is_member(self, name: str, groups: Collection[str]) -> bool:
        """Whether all these Unix groups name the account as a member."""
        return all(name in self.files.members.get(group, ()) for group in groups)

    def remove(self, entry: Entry) -> None:
        """Remove an account and its Unix group. It has no process any more; userdel sees to that."""
        for _ in range(3):
            if self._tool("userdel", entry.name, fine=(0, _IN_USE, _ABSENT)) != _IN_USE:
                self.entries.pop(entry.name, None)
                self.files.groups.pop(entry.name, None)
                return
            self.processes.look_again()
            self.processes.end(entry.uid)
        raise DeviceFailed(f"userdel: account {entry.name} is in use", "it is tried again")

    def remove_group(self, name: str) -> None:
        """Remove a Unix group."""
        self._tool("groupdel", name, fine=(0, _ABSENT))
        self.files.groups.pop(name, None)

    def whole(self, entry: Entry) -> bool:
        """Whether all files know the account: a tool that was cut off leaves a part of it."""
        return self.files.groups.get(entry.name) == entry.gid and entry.name in self.files.shadowed

    @staticmethod
    def _looks(entry: Entry) -> list[str]:
        return ["--comment", entry.comment, "--home", entry.home, "--shell", entry.shell]

    def is_ours(self, number: int) -> bool:
        """Whether a uid or gid is of nm's own range."""
        return self.places.first_uid <= number <= self.places.last_uid

    def _tool(self, name: str, *arguments: str, fine: Sequence[int] = (0,)) -> int:
        """Run a tool. One that finds the files held has waited long: until they are read anew all say so."""
        if self._held is not None:
            raise self._held
        where = [] if self.places.root == Path("/") else ["--prefix", str(self.places.root)]
        self.runs += 1
        try:
            done = subprocess.run(
                [name, *where, *arguments],
                stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=TOOL_SECONDS, check=False,
            )  # fmt: skip
        except (OSError, subprocess.TimeoutExpired) as error:
            self._held = DeviceFailed(f"{name}: {error}", "see that shadow-utils are installed and answer")
            raise self._held from None
        if done.returncode not in fine:
            words = f"{name}: {done.stderr.strip() or f'exit status {done.returncode}'}"[:500]
            if done.returncode in _TAKEN:
                raise DeviceFailed(words, "remove or rename what is there", passing=False)
            failed = DeviceFailed(words, "it is tried again")
            self._held = failed if done.returncode in _HELD else None
            raise failed
        return done.returncode
