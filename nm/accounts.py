"""The hand that makes Unix accounts, with the system's own tools (shadow-utils).

An account's type has five duties: create, destroy, configure, start, stop; types are registered by TYPE and
by SHELL. What nm made is known by name and uid together, as records have them: an account with another uid
is somebody else's and is never touched. Homes belong to root, so that an account cannot change its own
keys. Called by the accounts' one worker; holds no lock (the tools lock the files themselves).
"""

import contextlib
import logging
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import ClassVar

from nm.errors import DeviceFailed, NMError
from nm.facts import Order, Outcome, Value, split
from nm.records import Record

log = logging.getLogger("nm.accounts")

FORWARD = "/usr/lib/nm/forward_api_calls"
TOOL_SECONDS = 60.0  # for one run of useradd and its like
END_SECONDS = 10.0  # for the processes of an account to be gone
_USER_IN_USE = 8  # userdel's exit status
_ABSENT = 6


@dataclass(frozen=True)
class Entry:
    """One line of passwd."""

    name: str
    uid: int
    gid: int
    comment: str
    home: str
    shell: str


@dataclass(frozen=True)
class Places:
    """Where accounts live. `root` is where etc/passwd is looked for; all else is below it too."""

    root: Path = Path("/")
    homes: str = "/var/lib/nm-homes"
    shell: str = FORWARD
    first_uid: int = 70_000
    last_uid: int = 99_999


class System:
    """The machine's accounts: passwd as a whole, the tools that change it, and processes."""

    def __init__(self, places: Places, proc: Path = Path("/proc")) -> None:
        self.places = places
        self._proc = proc
        self._entries: dict[str, Entry] | None = None
        self.reads = 0  # how often passwd was read

    # ---- passwd

    @property
    def entries(self) -> dict[str, Entry]:
        """All accounts by name; read when first asked for, and kept up with what is done here."""
        if self._entries is None:
            self.reads += 1
            self._entries = read_passwd(self.places.root)
        return self._entries

    def forget(self) -> None:
        """Read passwd anew the next time."""
        self._entries = None

    def add(self, entry: Entry) -> None:
        """Make an account without a password, in a Unix group of its own."""
        low, high = self.places.first_uid, self.places.last_uid
        keys = [f"UID_MIN={low}", f"UID_MAX={high}", f"GID_MIN={low}", f"GID_MAX={high}"]
        keys += ["SUB_UID_COUNT=0", "SUB_GID_COUNT=0"]
        options = [part for key in keys for part in ("--key", key)]
        self._tool(
            "useradd", "--uid", str(entry.uid), "--user-group", "--no-create-home", "--no-log-init",
            "--password", "*", *self._looks(entry), *options, entry.name,
        )  # fmt: skip
        self.entries[entry.name] = entry  # useradd gives the group the account's number where it is free

    def change(self, entry: Entry) -> None:
        """Give an account this comment, home and shell."""
        self._tool("usermod", *self._looks(entry), entry.name)
        self.entries[entry.name] = entry

    def remove(self, entry: Entry) -> None:
        """Remove an account that has no process any more."""
        for _ in range(3):
            self.end_processes(entry.uid)
            if self._tool("userdel", entry.name, fine=(0, _USER_IN_USE, _ABSENT)) != _USER_IN_USE:
                self.entries.pop(entry.name, None)
                return
        raise DeviceFailed(f"userdel: account {entry.name} is in use", "it is tried again")

    @staticmethod
    def _looks(entry: Entry) -> list[str]:
        return ["--comment", entry.comment, "--home", entry.home, "--shell", entry.shell]

    def _tool(self, name: str, *arguments: str, fine: Sequence[int] = (0,)) -> int:
        where = [] if self.places.root == Path("/") else ["--prefix", str(self.places.root)]
        try:
            done = subprocess.run(
                [name, *where, *arguments],
                stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=TOOL_SECONDS, check=False,
            )  # fmt: skip
        except (OSError, subprocess.TimeoutExpired) as error:
            raise DeviceFailed(f"{name}: {error}", "see that shadow-utils are installed and answer") from None
        if done.returncode not in fine:
            words = done.stderr.strip() or f"exit status {done.returncode}"
            raise DeviceFailed(f"{name}: {words}"[:500], "it is tried again")
        return done.returncode

    # ---- processes

    def end_processes(self, uid: int) -> None:
        """Kill whatever runs as that uid, which is one of nm's: its connections end with that."""
        if not self.places.first_uid <= uid <= self.places.last_uid:
            raise DeviceFailed(f"uid {uid} is none of nm's", "nothing was done", passing=False)
        until = time.monotonic() + END_SECONDS
        while found := self._processes(uid):
            if time.monotonic() > until:
                raise DeviceFailed(f"process {found[0]} of uid {uid} cannot be ended", "it is tried again")
            for pid in found:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            time.sleep(0.01)

    def _processes(self, uid: int) -> list[int]:
        return [
            pid for pid in map(int, filter(str.isdigit, os.listdir(self._proc))) if self._runs_as(pid, uid)
        ]

    def _runs_as(self, pid: int, uid: int) -> bool:
        try:
            lines = (self._proc / str(pid) / "status").read_text().splitlines()
        except OSError:  # it ended meanwhile
            return False
        fields = dict(line.split(":\t", 1) for line in lines if ":\t" in line)
        return str(uid) in fields.get("Uid", "").split() and not fields.get("State", "").startswith("Z")


def read_passwd(root: Path = Path("/")) -> dict[str, Entry]:
    """All accounts below that root by name."""
    try:
        lines = (root / "etc/passwd").read_text(encoding="utf-8", errors="surrogateescape").splitlines()
    except OSError as error:
        raise DeviceFailed(f"etc/passwd: {error.strerror}", "nothing was changed") from None
    fields = [line.split(":") for line in lines]
    return {one[0]: Entry(one[0], int(one[2]), int(one[3]), *one[4:7]) for one in fields if len(one) == 7}


def uid_of(root: Path, name: str) -> int | None:
    """The uid of an account below that root."""
    found = read_passwd(root).get(name)
    return None if found is None else found.uid


def uid_in_use(root: Path, uid: int) -> bool:
    """Whether an account below that root has the uid."""
    return any(entry.uid == uid for entry in read_passwd(root).values())


# ---- types of accounts


@dataclass
class Registry:
    """The types of accounts, by both of their marks."""

    _types: dict[str, type["Account"]] = field(default_factory=dict)

    def register(self, kind: type["Account"]) -> type["Account"]:
        """Add a type; a decorator."""
        if kind.TYPE in self._types:
            raise ValueError(f"account type {kind.TYPE} is registered twice")
        self._types[kind.TYPE] = kind
        return kind

    def of_type(self, name: str) -> type["Account"]:
        """The type of that TYPE."""
        try:
            return self._types[name]
        except KeyError:
            raise DeviceFailed(
                f"no account type {name}", f"types: {', '.join(self._types)}", passing=False
            ) from None

    def of_shell(self, shell: str) -> list[type["Account"]]:
        """The types whose accounts have that login shell."""
        return [kind for kind in self._types.values() if shell == kind.SHELL]


REGISTRY = Registry()


class Account:
    """One account that passes calls on and does nothing else: what all types so far have in common."""

    TYPE: ClassVar[str] = ""
    SHELL: ClassVar[str] = FORWARD

    def __init__(self, system: System, record: Record) -> None:
        self._system = system
        self._record = record
        places = system.places
        home = f"{places.homes}/{record['account']}"
        comment = f"nm {record['type']} {record['name']}"
        self._wanted = (comment, home, places.shell)
        self._home = places.root / home.lstrip("/")

    @property
    def entry(self) -> Entry | None:
        """The account as the machine has it; None when there is none that is ours."""
        found = self._system.entries.get(self._record["account"])
        return found if found is not None and found.uid == self._record["uid"] else None

    def create(self) -> None:
        """Make the account and its home, as far as they are not there."""
        name, uid = self._record["account"], self._record["uid"]
        if not self._system.places.shell:
            raise DeviceFailed("no forward shell is configured", "set accounts.shell", passing=False)
        if name in self._system.entries and self.entry is None:
            raise DeviceFailed(
                f"this machine has an account {name} that nm did not make",
                "remove or rename it",
                passing=False,
            )
        wanted = Entry(name, uid, uid, *self._wanted)
        if self.entry is None:
            self._system.add(wanted)
        self._make_home()

    def destroy(self) -> None:
        """Remove the account and its home; its connections end."""
        self.stop()
        if (entry := self.entry) is not None:
            self._system.remove(entry)
        if self._record["account"] not in self._system.entries:  # else it is a successor's home by now
            shutil.rmtree(self._home, ignore_errors=True)

    def configure(self) -> None:
        """Comment, home, shell and keys as they should be. Connections end when a key was taken away."""
        entry = self._need()
        if (entry.comment, entry.home, entry.shell) != self._wanted:
            self._system.change(Entry(entry.name, entry.uid, entry.gid, *self._wanted))
        before, after = self._keys(), self._lines()
        if before != after:
            self._write_keys(after)
        if set(before) - set(after):
            self._system.end_processes(entry.uid)

    def start(self, delay: float = 0.0) -> None:
        """Let people in, after so many seconds."""
        if delay > 0:
            time.sleep(delay)
        self.configure()

    def stop(self) -> None:
        """Let nobody in any more, and end all connections."""
        if (entry := self.entry) is not None:
            if self._keys():
                self._write_keys([])
            self._system.end_processes(entry.uid)

    def as_wanted(self) -> bool:
        """Whether all is as `configure` would leave it."""
        entry = self.entry
        looks = entry is not None and (entry.comment, entry.home, entry.shell) == self._wanted
        return looks and self._keys() == self._lines()

    # ---- home and keys

    def _need(self) -> Entry:
        if self.entry is None:
            raise DeviceFailed(f"account {self._record['account']} is not there", "it is tried again")
        return self.entry

    def _make_home(self) -> None:
        """Root's own, readable by the account: it cannot change its keys, nor put anything in our way."""
        if not self._home.parent.is_dir():
            self._home.parent.mkdir(parents=True)
            self._home.parent.chmod(0o755)  # sshd looks for keys as the account, whatever our umask is
        for place in (self._home, self._home / ".ssh"):
            with contextlib.suppress(FileExistsError):
                place.mkdir(mode=0o750)
            with _opened(place, os.O_DIRECTORY) as descriptor:
                os.fchown(descriptor, 0, self._need().gid)
                os.fchmod(descriptor, 0o750)
        with _opened(self._home / ".hushlogin", os.O_WRONLY | os.O_CREAT):
            pass  # without it sshd greets on standard output, where the answer alone belongs

    @property
    def _file(self) -> Path:
        return self._home / ".ssh" / "authorized_keys"

    def _lines(self) -> list[str]:
        return [f"restrict {key}" for key in self._record["keys"]]

    def _keys(self) -> list[str]:
        try:
            return self._file.read_text(encoding="utf-8", errors="replace").splitlines()
        except OSError:
            return []

    def _write_keys(self, lines: Sequence[str]) -> None:
        new = self._file.with_name(".authorized_keys.new")
        new.unlink(missing_ok=True)
        with _opened(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL) as descriptor:
            os.fchown(descriptor, 0, self._need().gid)
            os.fchmod(descriptor, 0o640)
            os.write(descriptor, "".join(f"{line}\n" for line in lines).encode())
            os.fsync(descriptor)
        new.rename(self._file)
        with _opened(self._file.parent, os.O_DIRECTORY) as descriptor:
            os.fsync(descriptor)


@REGISTRY.register
class Delegate(Account):
    """An account that an administrator made for somebody to call the API."""

    TYPE = "delegate"


@REGISTRY.register
class GroupAccount(Account):
    """A group's own account: a member of its group, and nothing else."""

    TYPE = "group"


@contextlib.contextmanager
def _opened(path: Path, flags: int) -> Iterator[int]:
    """No link is followed."""
    descriptor = os.open(path, flags | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


# ---- the hand


REFRESH: Value = {}  # the value of an order that brings up to date what is there, and makes nothing


class AccountsHand:
    """Makes `account/NAME` true. `record` gives an account's record by its Unix name.

    A value says that the account of that incarnation is to be there; None that it is to go. However many
    orders there are, passwd is read twice: before, and to see what came of them.
    """

    def __init__(self, system: System, record: Callable[[str], Record | None]) -> None:
        self._system = system
        self._record = record

    def run(self, orders: Sequence[Order], epoch: int) -> list[Outcome]:
        """Carry out the orders, each by itself."""
        self._system.forget()
        done = [self._outcome(order.fact, partial(self._one, order)) for order in orders]
        self._system.forget()
        return [
            self._outcome(order.fact, self._seen) if outcome.error is None else outcome
            for order, outcome in zip(orders, done, strict=True)
        ]

    def read(self, facts: Sequence[str]) -> list[Outcome]:
        """Which accounts are there, and as they should be."""
        self._system.forget()
        return [self._outcome(fact, self._seen) for fact in facts]

    def close(self) -> None:
        """Forget what passwd said."""
        self._system.forget()

    def _outcome(self, fact: str, act: Callable[[str], Value | None]) -> Outcome:
        name = split(fact)[1]
        try:
            return Outcome(seen=act(name))
        except NMError as error:
            return Outcome(error=error)
        except OSError as error:
            return Outcome(error=DeviceFailed(f"account {name}: {error}", "it is tried again"))

    def _one(self, order: Order, name: str) -> None:
        record = self._record(name)
        if record is None or order.moot():
            return
        for gone in record["before"]:
            _account(self._system, {**record, **gone}).destroy()
        account = _account(self._system, record)
        meant = order.value or order.old
        if meant and meant["id"] != record["id"]:
            return  # another incarnation: its own order follows
        if order.value is None:
            account.destroy()
        elif order.value != REFRESH:
            account.create()
            account.start()
        elif account.entry is not None:
            account.configure()

    def _seen(self, name: str) -> Value | None:
        record = self._record(name)
        if record is None or (account := _account(self._system, record)).entry is None:
            return None
        seen = {"uid": record["uid"], "id": record["id"]}
        return seen if account.as_wanted() else {**seen, "differs": "its keys, home or shell"}


def _account(system: System, record: Record) -> Account:
    return REGISTRY.of_type(record["type"])(system, record)
