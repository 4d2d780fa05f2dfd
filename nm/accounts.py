"""The hand of Unix accounts: their types, what an account has in its home, and orders for many at once.

An account's type has five duties: create, destroy, configure, start, stop; types are registered by TYPE and
by SHELL. What nm made is known by name and uid together, as records have them: an account with another uid
is somebody else's and is never touched, and none goes unless its record says that it is to go. Homes belong
to root, so that an account cannot change its own keys. Called by the accounts' one worker; holds no lock.
"""

import contextlib
import os
import shutil
import stat
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import ClassVar

from nm.errors import DeviceFailed, NMError
from nm.facts import Order, Outcome, Value, of_account, split
from nm.nolinks import opened
from nm.passwd import Entry
from nm.records import Record
from nm.unixaccounts import FORWARD, Places, System

LOOKS = (2.0, 120.0)  # seconds after a key went: who was on the way in then is a process by now


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
    """One account that passes calls on and does nothing else: what all types have in common."""

    TYPE: ClassVar[str] = ""
    SHELL: ClassVar[str] = FORWARD
    GROUPS: ClassVar[tuple[str, ...]] = ()  # Unix groups that it is a member of, beside its own
    # Of keys. By the command its shell answers whatever is asked for, sshd's own internal-sftp included.
    OPTIONS: ClassVar[str] = 'restrict,command="call"'

    def __init__(self, system: System, record: Record) -> None:
        self._system = system
        self._record = record
        places = system.places
        home = f"{places.homes}/{record['account']}"
        comment = f"nm {record['type']} {record['name']}"
        self._wanted = (comment, home, self.shell(places))
        self._home = places.root / home.lstrip("/")

    @staticmethod
    def shell(places: Places) -> str:
        """The login shell, as this machine has it; "" where it has none."""
        return places.shell

    @property
    def entry(self) -> Entry | None:
        """The account as the machine has it; None when there is none that is ours."""
        found = self._system.entries.get(self._record["account"])
        return found if found is not None and found.uid == self._record["uid"] else None

    def create(self) -> None:
        """Make the account and its home, as far as they are not there."""
        name, uid = self._record["account"], self._record["uid"]
        if not self._wanted[-1]:
            raise DeviceFailed(
                f"no login shell for accounts of type {self.TYPE} is configured",
                "set accounts.shell and accounts.sliver_shell",
                passing=False,
            )
        if (there := self.entry) is not None and not self._system.whole(there):
            self._system.remove(there)
        if self.entry is None and name in self._system.entries:
            what = f"this machine has an account {name} that nm did not make"
            raise DeviceFailed(what, "remove or rename it", passing=False)
        if self.entry is None and self._is_strange():
            what = f"{self._home} is there, and nm did not make it"
            raise DeviceFailed(what, "move it away", passing=False)
        if self.entry is None:
            self._system.add(Entry(name, uid, uid, *self._wanted), self.GROUPS)
        self._make_home()

    def destroy(self) -> None:
        """Remove the account, its group and its home; its connections end."""
        self.stop()
        uid = self._record["uid"]
        if (entry := self.entry) is not None:
            self._system.remove(entry)
        elif self._system.is_ours(uid) and all(one.uid != uid for one in self._system.entries.values()):
            self._system.processes.end(uid)  # the line in passwd went first
        self.sweep()

    def sweep(self) -> None:
        """Remove what an account that is gone has left: a tool may have been cut off half way."""
        name = self._record["account"]
        if name in self._system.entries:
            return  # it is a successor's by now
        if self._system.files.groups.get(name) == self._record["uid"]:
            self._system.remove_group(name)
        if self._home.exists() and not self._is_strange():
            shutil.rmtree(self._home)

    def configure(self) -> None:
        """Comment, home, shell and keys as they should be. Connections end when a key was taken away."""
        entry = self._need()
        if not self._looks_right(entry):
            self._system.change(Entry(entry.name, entry.uid, entry.gid, *self._wanted), self.GROUPS)
        self.shut(self.lines)
        if self._keys() != self.lines:
            self._write_keys(self.lines)
        if self._ending.exists():
            self._end()

    def again(self) -> float | None:
        """In how many seconds connections are to be looked at again by `configure`; None for never."""
        if self.entry is None or not self._ending.exists():
            return None
        age = self._system.up() - self._key_went()
        return next((look - age for look in LOOKS if look > age), 0.0)

    def start(self, delay: float = 0.0) -> float:
        """Let people in. With a delay nothing is done yet: so many seconds later it is to be called again.

        Nobody sleeps here, for other accounts wait for the same worker.
        """
        if delay <= 0:
            self.configure()
        return max(delay, 0.0)

    def stop(self) -> None:
        """Let nobody in any more, and end all connections."""
        if (entry := self.entry) is not None:
            self.shut()
            self._system.processes.end(entry.uid)

    def shut(self, keep: Collection[str] = ()) -> None:
        """Take away all other keys. That connections are to end is written down, whatever happens then."""
        keys = self._keys()
        if self.entry is not None and not set(keys) <= set(keep):
            self._ending.write_text("")
            self._write_keys([key for key in keys if key in keep])
            self._system.processes.look_again()

    def _end(self) -> None:
        """End the connections that began before a key went. Those that began later have a key that is good.

        Somebody may have shown a key that was good, and have no process yet (PAM takes its time): so
        this is done again at LOOKS, and only then it is over.
        """
        went, now = self._key_went(), self._system.up()
        self._ending.write_text(str(went))
        self._system.processes.end(self._need().uid, since=went)
        if now - went >= LOOKS[-1]:
            self._ending.unlink()

    def _key_went(self) -> float:
        """When, in seconds since boot: now, unless that is written down already, and by this boot's clock."""
        now, text = self._system.up(), self._ending.read_text()
        return min(float(text), now) if text else now

    def as_wanted(self) -> bool:
        """Whether all is as `configure` would leave it."""
        entry = self.entry
        looks = entry is not None and self._looks_right(entry)
        ending = self._ending.exists() and not self._ending.read_text()
        return looks and self._keys() == self.lines and not ending

    def is_outdated(self) -> bool:
        """Whether its keys are right and their options are not: an older nm wrote them."""
        there, wanted = ([line.partition(" ") for line in lines] for lines in (self._keys(), self.lines))
        return there != wanted and [key for _, _, key in there] == [key for _, _, key in wanted]

    def _looks_right(self, entry: Entry) -> bool:
        looks = (entry.comment, entry.home, entry.shell) == self._wanted
        return looks and self._system.is_member(entry.name, self.GROUPS)

    # ---- home and keys

    def _need(self) -> Entry:
        if self.entry is None:
            raise DeviceFailed(f"account {self._record['account']} is not there", "it is tried again")
        return self.entry

    def _make_home(self) -> None:
        """Root's own, readable by the account: it cannot change its keys, nor put anything in our way."""
        _make_folder(self._home.parent)
        for place in (self._home, self._home / ".ssh"):
            with contextlib.suppress(FileExistsError):
                place.mkdir(mode=0o750)
            with opened(place, os.O_DIRECTORY) as descriptor:
                os.fchown(descriptor, 0, self._need().gid)
                os.fchmod(descriptor, 0o750)
        with opened(self._home / ".hushlogin", os.O_WRONLY | os.O_CREAT):
            pass  # without it sshd greets on standard output, where the answer alone belongs

    def _is_strange(self) -> bool:
        """Whether in the home's place is what nm did not make: nm's is root's, its group of nm's numbers."""
        try:
            found = self._home.lstat()
        except FileNotFoundError:
            return False
        if not stat.S_ISDIR(found.st_mode) or found.st_uid != 0:
            return True
        return not self._system.is_ours(found.st_gid) and any(self._home.iterdir())  # empty: just begun

    @property
    def _file(self) -> Path:
        return self._home / ".ssh" / "authorized_keys"

    @property
    def _ending(self) -> Path:
        """The file that says: a key was taken away (when, once that is done), and connections are to end."""
        return self._home / ".ssh" / ".ending"

    @property
    def lines(self) -> list[str]:
        """What is to stand in authorized_keys."""
        return [f"{self.OPTIONS} {key}" for key in self._record["keys"]]

    def _keys(self) -> list[str]:
        try:
            return self._file.read_text(encoding="utf-8", errors="replace").splitlines()
        except OSError:
            return []

    def _write_keys(self, lines: Sequence[str]) -> None:
        new = self._file.with_name(".authorized_keys.new")
        new.unlink(missing_ok=True)
        with opened(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL) as descriptor:
            os.fchown(descriptor, 0, self._need().gid)
            os.fchmod(descriptor, 0o640)
            with open(descriptor, "wb", closefd=False) as file:
                file.write("".join(f"{line}\n" for line in lines).encode())  # all of it, or it raises
            os.fsync(descriptor)
        new.rename(self._file)
        with opened(self._file.parent, os.O_DIRECTORY) as descriptor:
            os.fsync(descriptor)


@REGISTRY.register
class Delegate(Account):
    """An account that an administrator made for somebody to call the API."""

    TYPE = "delegate"


@REGISTRY.register
class GroupAccount(Account):
    """A group's own account: a member of its group, and nothing else."""

    TYPE = "group"


@REGISTRY.register
class HeadNodeAccount(Account):
    """A head node's account: it calls the API for its group by a key that is made, not given."""

    TYPE = "headnode"

    @property
    def lines(self) -> list[str]:
        """The one key of this incarnation."""
        record = self._record
        return [f"{self.OPTIONS} {self._system.head_keys.public(record['account'], record['id'])}"]


def _make_folder(folder: Path) -> None:
    """With its parents, for all to enter: sshd looks for keys as the account, whatever our umask is."""
    if not folder.is_dir():
        _make_folder(folder.parent)
        folder.mkdir()
        folder.chmod(0o755)


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

    def again(self, name: str) -> float | None:
        """In how many seconds an order is to bring the account up to date once more; None for never."""
        record = self._record(name)
        return None if record is None else self._account(record).again()

    def ending(self) -> list[str]:
        """Accounts of which the last daemon had yet to end connections."""
        places = self._system.places
        homes = places.root / places.homes.lstrip("/")
        return [file.parents[1].name for file in homes.glob("*/.ssh/.ending")]

    def outdated(self, names: Iterable[str]) -> list[str]:
        """Those of these accounts whose keys have the options that an older nm gave them."""
        self.close()
        known = {name: record for name in names if (record := self._record(name)) is not None}
        with contextlib.suppress(NMError):  # without the secret that keys are made of nobody knows
            return [name for name, record in known.items() if self._account(record).is_outdated()]
        return []

    def close(self) -> None:
        """Forget what the files said, and who was there."""
        self._system.forget()
        self._system.processes.look_again()

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
        """Read back: that a tool did not complain says nothing."""
        gone, account = self._concerned(order, name)
        for one in gone:
            one.sweep()
        seen = self._seen(name)
        if account is None:
            wrong = any(one.entry is not None for one in gone)
        elif order.value == REFRESH:
            wrong = seen is not None and "differs" in seen
        else:
            wrong = seen != order.value
        if wrong:
            raise DeviceFailed(f"account {name} was not found as it is to be", "it is tried again")
        return seen

    def _seen(self, name: str) -> Value | None:
        record = self._record(name)
        if record is None or (account := self._account(record)).entry is None:
            return None
        seen = of_account(record)
        return seen if account.as_wanted() else {**seen, "differs": "its keys, home, shell or groups"}

    def _account(self, record: Record) -> Account:
        return REGISTRY.of_type(record["type"])(self._system, record)
