"""The hand that makes Unix accounts, with the system's own tools (shadow-utils).

An account's type has five duties: create, destroy, configure, start, stop; types are registered by TYPE and
by SHELL. What nm made is known by name and uid together, as records have them: an account with another uid
is somebody else's and is never touched, and none goes unless its record says that it is to go. Homes belong
to root, so that an account cannot change its own keys. Called by the accounts' one worker; holds no lock
(the tools lock the files themselves).
"""

import contextlib
import logging
import os
import select
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Collection, Iterator, Sequence
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
_TAKEN = (4, 9)  # useradd's exit statuses: the uid, or the name, is somebody's
_ABSENT = 6  # userdel's and groupdel's
_IN_USE = 8  # userdel's


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
class Files:
    """What the files of accounts say now."""

    accounts: dict[str, Entry]
    groups: dict[str, int]  # Unix groups: name -> gid
    shadowed: set[str]  # who has a line in shadow


@dataclass(frozen=True)
class Places:
    """Where accounts live. `root` is where etc/passwd is looked for; all else is below it too."""

    root: Path = Path("/")
    homes: str = "/var/lib/nm-homes"
    shell: str = FORWARD
    first_uid: int = 70_000
    last_uid: int = 99_999


class System:
    """The machine's accounts: their files as a whole, the tools that change them, and processes.

    `reads`, `scans` and `runs` count how often the files were read, /proc was looked through, a tool was run.
    """

    def __init__(self, places: Places, proc: Path = Path("/proc")) -> None:
        self.places = places
        self._proc = proc
        self._files: Files | None = None
        self._running: dict[int, list[int]] | None = None
        self.reads = self.scans = self.runs = 0

    # ---- files

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
        self._files = None

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
        if entry.gid in self.files.groups.values():
            self.forget()  # useradd gave the group another number
            return
        self.entries[entry.name] = entry
        self.files.groups[entry.name] = entry.gid
        self.files.shadowed.add(entry.name)

    def change(self, entry: Entry) -> None:
        """Give an account this comment, home and shell."""
        self._tool("usermod", *self._looks(entry), entry.name)
        self.entries[entry.name] = entry

    def remove(self, entry: Entry) -> None:
        """Remove an account and its Unix group. It has no process any more; userdel sees to that."""
        for _ in range(3):
            if self._tool("userdel", entry.name, fine=(0, _IN_USE, _ABSENT)) != _IN_USE:
                self.entries.pop(entry.name, None)
                self.files.groups.pop(entry.name, None)
                return
            self.look_again()
            self.end_processes(entry.uid)
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

    def _tool(self, name: str, *arguments: str, fine: Sequence[int] = (0,)) -> int:
        where = [] if self.places.root == Path("/") else ["--prefix", str(self.places.root)]
        self.runs += 1
        try:
            done = subprocess.run(
                [name, *where, *arguments],
                stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=TOOL_SECONDS, check=False,
            )  # fmt: skip
        except (OSError, subprocess.TimeoutExpired) as error:
            raise DeviceFailed(f"{name}: {error}", "see that shadow-utils are installed and answer") from None
        if done.returncode not in fine:
            words = f"{name}: {done.stderr.strip() or f'exit status {done.returncode}'}"[:500]
            if done.returncode in _TAKEN:
                raise DeviceFailed(words, "remove or rename what is there", passing=False)
            raise DeviceFailed(words, "it is tried again")
        return done.returncode

    # ---- processes

    @property
    def running(self) -> dict[int, list[int]]:
        """The processes of accounts in nm's range, by uid. One look through /proc serves all accounts."""
        if self._running is None:
            self.scans += 1
            self._running = {}
            for pid in map(int, filter(str.isdigit, os.listdir(self._proc))):
                for uid in self._uids(pid):
                    if self.is_ours(uid):
                        self._running.setdefault(uid, []).append(pid)
        return self._running

    def look_again(self) -> None:
        """Somebody may have come in since /proc was looked through."""
        self._running = None

    def end_processes(self, uid: int) -> None:
        """Kill whatever runs as that uid, which is one of nm's: its connections end with that."""
        if not self.is_ours(uid):
            raise DeviceFailed(f"uid {uid} is none of nm's", "nothing was done", passing=False)
        until = time.monotonic() + END_SECONDS
        while pids := self.running.get(uid):
            if (left := until - time.monotonic()) <= 0:
                raise DeviceFailed(f"process {pids[0]} of uid {uid} cannot be ended", "it is tried again")
            self._kill(uid, pids, left)
            self.look_again()

    def is_ours(self, uid: int) -> bool:
        """Whether a uid is of nm's own range."""
        return self.places.first_uid <= uid <= self.places.last_uid

    def _kill(self, uid: int, pids: Sequence[int], seconds: float) -> None:
        """Kill these and wait until they are gone; a number that is another's by now is left alone."""
        gone, left = select.poll(), 0
        with contextlib.ExitStack() as descriptors:
            for pid in pids:
                with contextlib.suppress(ProcessLookupError):
                    descriptor = os.pidfd_open(pid)
                    descriptors.callback(os.close, descriptor)
                    if uid in self._uids(pid):
                        signal.pidfd_send_signal(descriptor, signal.SIGKILL)
                        gone.register(descriptor, select.POLLIN)
                        left += 1
            while left and (ended := gone.poll(seconds * 1000)):
                for descriptor, _ in ended:
                    gone.unregister(descriptor)
                    left -= 1

    def _uids(self, pid: int) -> set[int]:
        """As whom a process runs; nobody when it has ended."""
        try:
            lines = (self._proc / str(pid) / "status").read_text().splitlines()
        except OSError:
            return set()
        fields = dict(line.split(":\t", 1) for line in lines if ":\t" in line)
        return set() if fields.get("State", "Z").startswith("Z") else set(map(int, fields["Uid"].split()))


def read_files(root: Path) -> Files:
    """passwd, group and shadow below that root."""
    groups = {line[0]: int(line[2]) for line in _lines(root, "group") if len(line) == 4}
    return Files(read_passwd(root), groups, {line[0] for line in _lines(root, "shadow")})


def read_passwd(root: Path = Path("/")) -> dict[str, Entry]:
    """All accounts below that root by name."""
    lines = [line for line in _lines(root, "passwd") if len(line) == 7]
    return {line[0]: Entry(line[0], int(line[2]), int(line[3]), *line[4:7]) for line in lines}


def _lines(root: Path, name: str) -> list[list[str]]:
    try:
        text = (root / "etc" / name).read_text(encoding="utf-8", errors="surrogateescape")
    except OSError as error:
        raise DeviceFailed(f"etc/{name}: {error.strerror}", "nothing was changed") from None
    return [line.split(":") for line in text.splitlines()]


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

    def names(self, comment: str) -> bool:
        """Whether a comment is one that nm gives to accounts of these types."""
        words = comment.split(" ")
        return words[0] == "nm" and len(words) == 3 and words[1] in self._types

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
        if (there := self.entry) is not None and not self._system.whole(there):
            self._system.remove(there)
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
        """Remove the account, its group and its home; its connections end."""
        self.stop()
        if (entry := self.entry) is not None:
            self._system.remove(entry)
        self.sweep()

    def sweep(self) -> None:
        """Remove what an account that is gone has left: a tool may have been cut off half way."""
        name = self._record["account"]
        if name in self._system.entries:
            return  # it is a successor's by now
        if self._system.files.groups.get(name) == self._record["uid"]:
            self._system.remove_group(name)
        shutil.rmtree(self._home, ignore_errors=True)

    def configure(self) -> None:
        """Comment, home, shell and keys as they should be. Connections end when a key was taken away."""
        entry = self._need()
        if (entry.comment, entry.home, entry.shell) != self._wanted:
            self._system.change(Entry(entry.name, entry.uid, entry.gid, *self._wanted))
        self.shut(self.lines)
        if self._keys() != self.lines:
            self._write_keys(self.lines)
        if self._ending.exists():
            self._end()

    def start(self, delay: float = 0.0) -> float:
        """Let people in. With a delay nothing is done yet: so many seconds later it is to be called again.

        Nobody sleeps here, for other accounts wait for the same worker.
        """
        if delay <= 0:
            self.configure()
        return max(delay, 0.0)

    def stop(self) -> None:
        """Let nobody in any more, and end all connections."""
        if self.entry is not None:
            self.shut()
            self._end()

    def shut(self, keep: Collection[str] = ()) -> None:
        """Take away all other keys. That connections are to end is written down, whatever happens then."""
        keys = self._keys()
        if self.entry is not None and not set(keys) <= set(keep):
            self._ending.touch()
            self._write_keys([key for key in keys if key in keep])
            self._system.look_again()

    def _end(self) -> None:
        self._system.end_processes(self._need().uid)
        self._ending.unlink(missing_ok=True)

    def as_wanted(self) -> bool:
        """Whether all is as `configure` would leave it."""
        entry = self.entry
        looks = entry is not None and (entry.comment, entry.home, entry.shell) == self._wanted
        return looks and self._keys() == self.lines and not self._ending.exists()

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

    @property
    def _ending(self) -> Path:
        """The file that says: a key was taken away, and connections have yet to end."""
        return self._home / ".ssh" / ".ending"

    @property
    def lines(self) -> list[str]:
        """What is to stand in authorized_keys."""
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
    orders there are, the files are read twice: before, and to see what came of them. Keys that are to go are
    taken away first, of all accounts, so that one look through /proc serves them all.
    """

    def __init__(self, system: System, record: Callable[[str], Record | None]) -> None:
        self._system = system
        self._record = record

    def run(self, orders: Sequence[Order], epoch: int) -> list[Outcome]:
        """Carry out the orders, each by itself."""
        self.close()
        for order in orders:
            self._outcome(order.fact, partial(self._shut, order))  # an error comes again below
        done = [self._outcome(order.fact, partial(self._act, order)) for order in orders]
        self.close()
        return [
            self._outcome(order.fact, partial(self._look, order)) if outcome.error is None else outcome
            for order, outcome in zip(orders, done, strict=True)
        ]

    def read(self, facts: Sequence[str]) -> list[Outcome]:
        """Which accounts are there, and as they should be."""
        self.close()
        return [self._outcome(fact, self._seen) for fact in facts]

    def alike(self) -> list[tuple[str, int]]:
        """Name and uid of all accounts that look like nm's: by their uid, or by their comment."""
        self.close()
        return [
            (entry.name, entry.uid)
            for entry in self._system.entries.values()
            if self._system.is_ours(entry.uid) or REGISTRY.names(entry.comment)
        ]

    def close(self) -> None:
        """Forget what the files said, and who was there."""
        self._system.forget()
        self._system.look_again()

    def _outcome(self, fact: str, act: Callable[[str], Value | None]) -> Outcome:
        name = split(fact)[1]
        try:
            return Outcome(seen=act(name))
        except NMError as error:
            return Outcome(error=error)
        except OSError as error:
            return Outcome(error=DeviceFailed(f"account {name}: {error}", "it is tried again"))

    def _concerned(self, order: Order, name: str) -> tuple[list["Account"], "Account | None"]:
        """The accounts that are to go by an order, and the one that is to be there."""
        record = self._record(name)
        if record is None or order.moot():
            return [], None
        gone = [self._account({**record, **before}) for before in record["before"]]
        meant = order.value or order.old
        if meant and meant["id"] != record["id"]:
            return gone, None  # another incarnation: its own order follows
        account = self._account(record)
        if order.value is not None:
            return gone, account
        if not record["destroying"]:
            raise DeviceFailed(
                f"account {name} is not to go by its record", "nothing was removed; this is an error in nm",
                passing=False,
            )  # fmt: skip
        return [*gone, account], None

    def _shut(self, order: Order, name: str) -> None:
        gone, account = self._concerned(order, name)
        for one in gone:
            one.shut()
        if account is not None:
            account.shut(account.lines)

    def _act(self, order: Order, name: str) -> None:
        gone, account = self._concerned(order, name)
        for one in gone:
            one.destroy()
        if account is not None and order.value != REFRESH:
            account.create()
            account.start()
        elif account is not None and account.entry is not None:
            account.configure()

    def _look(self, order: Order, name: str) -> Value | None:
        for one in self._concerned(order, name)[0]:
            one.sweep()
        return self._seen(name)

    def _seen(self, name: str) -> Value | None:
        record = self._record(name)
        if record is None or (account := self._account(record)).entry is None:
            return None
        seen = {"uid": record["uid"], "id": record["id"]}
        return seen if account.as_wanted() else {**seen, "differs": "its keys, home or shell"}

    def _account(self, record: Record) -> Account:
        return REGISTRY.of_type(record["type"])(self._system, record)
