"""A lab that has slivers, as tests read it: domains, control groups, classes, records, its PLC."""

import json
import re
import subprocess
import time
from collections.abc import Callable
from typing import Any

from nm.database_tools import dump
from nm.lab import daemon, measure, slices, source, watch, world
from nm.lab.layout import WORLD, Layout
from nm.lab.place import Lab, environment
from nm.lab.register import finish
from tests.lab.conftest import api

LAYOUT = Layout(switches=1, nodes=0, headnodes=0, slivers=True)
WEB, DELEGATED, CONTROLLER = "demo_web", "demo_deleg", "demo_ctl"  # of the sample
PATIENCE = 60.0
VIRSH = ("virsh", "-q", "-c", "lxc:///system")
_CLASS = re.compile(r"class htb 6e6d:(\w+) .*ceil ([\d.]+)([KMG]?)bit.*\n Sent (\d+) bytes")
_UNITS = {"": 1, "K": 1e3, "M": 1e6, "G": 1e9}
Reply = dict[str, Any]


class Slivers:
    """What there is in such a lab."""

    def __init__(self, lab: Lab) -> None:
        self.lab = lab

    # ---- the API

    def call(self, method: str, *arguments: Any) -> Any:
        """As root on the lab's socket."""
        with api(self.lab) as nm:
            return getattr(nm, method)(*arguments)

    def sliver(self, name: str) -> dict[str, Any]:
        """As GetSlivers tells of it."""
        (found,) = self.call("GetSlivers", {"name": name})
        return dict(found)

    def ask_source(self) -> dict[str, Any]:
        """Have the PLC asked: what came of it."""
        with api(self.lab) as nm:
            return dict(finish(nm, nm.AskSource(), int(PATIENCE))["result"])

    def tell(self, change: Callable[[Reply], None]) -> dict[str, Any]:
        """Change what the PLC says and have it asked."""
        source.edit(self.lab, change)
        return self.ask_source()

    def tag(self, sliver: str, **tags: str) -> dict[str, Any]:
        """The same, of a sliver's tags."""

        def change(reply: Reply) -> None:
            for tag, value in tags.items():
                source.set_tag(reply, sliver, tag, value)

        return self.tell(change)

    def ask(self, method: str, name: str) -> None:
        """Have something done with a sliver, and wait until it is."""
        assert self.call(method, name) == 1
        with api(self.lab) as nm:
            finish(nm, nm.GetJobs({"subject": f"sliver:{name}"})[-1]["id"], int(PATIENCE))

    def until(self, true: Callable[[], bool], what: str = "what should come about") -> None:
        """Wait for it."""
        watch.until(true, PATIENCE, what)

    def until_runs(self, *names: str) -> None:
        """These run, and are known to."""
        self.until(lambda: all(self.sliver(name)["state"] == "running" for name in names), f"{names} run")

    def records(self) -> dict[str, str]:
        """Every record of slivers and accounts, as it is on the disk, but for when accounts were looked at.

        They are, by time, after keys went.
        """
        found = [one for kind in ("sliver", "account") for one in dump(self.lab.folder / "database", kind)]
        for one in found:
            if "_read_at" in one:
                one |= {"_read_at": None, "timestamp": None}
        return {one["record_key"]: json.dumps(one, sort_keys=True) for one in found}

    def question(self) -> tuple[int, dict[str, tuple[str | None, str]]]:
        """Have the PLC asked: how many slivers changed, and which records were written, before and after."""
        before = self.records()
        changed = self.ask_source()["changed"]
        after = self.records().items()
        return changed, {key: (before.get(key), one) for key, one in after if one != before.get(key)}

    def settle(self) -> None:
        """Until what was just made is not looked at any more: three questions in a row write no record."""
        self.until(lambda: not any(self.question()[1] for _ in range(3)), "questions write no record")

    # ---- the machine

    def domains(self) -> dict[str, int]:
        """Domains that run -> the process that libvirt knows each by."""
        lines = self.lab.run([*VIRSH, "list"]).splitlines()
        return {line.split()[1]: int(line.split()[0]) for line in lines if line.split()}

    def process(self, name: str) -> int:
        """That of a sliver's guest."""
        return self.domains()[f"nm-sliver-{name}"]

    def limit(self, name: str, file: str) -> int:
        """What a file of the guest's control groups says."""
        controller = file.partition(".")[0]
        place = f"/sys/fs/cgroup/{controller}/machine/*-nm-sliver-{name.replace('_', '')}.libvirt-lxc/{file}"
        return int(self.lab.run(["sh", "-c", f"cat {place}"]))

    def classes(self, name: str) -> list[dict[str, Any]]:
        """The guest's two classes on the uplink, for most networks and exempt ones: ceil (bit/s), bytes."""
        said = self.lab.run(["tc", "-s", "class", "show", "dev", world.UPLINK])
        found = {int(words[0], 16): words[1:] for words in _CLASS.findall(said)}
        first = 16 + 2 * self.sliver(name)["index"]
        return [
            {"ceil": float(number) * _UNITS[unit], "bytes": int(sent)}
            for number, unit, sent in (found[first], found[first + 1])
        ]

    # ---- people

    def ssh(self, account: str, command: str, person: str = "alice") -> subprocess.CompletedProcess[str]:
        """Somebody of the world comes by ssh."""
        words = self.lab.enter(measure.session(account, command, person), WORLD)
        return subprocess.run(
            words, env=environment(), stdin=subprocess.DEVNULL, capture_output=True, text=True,
            timeout=PATIENCE, check=False,
        )  # fmt: skip

    def said(self, account: str, command: str, person: str = "alice") -> str:
        """What a command in a sliver says; it must end well."""
        done = self.ssh(account, command, person)
        assert done.returncode == 0, done
        return done.stdout

    def reset(self) -> None:
        """Everything runs, and slivers are what the sample says of them."""
        source.start(self.lab)
        daemon.start(self.lab)
        slices.write(self.lab.folder / slices.FOLDER, slices.reply(self.keys(), time.time()))
        self.ask_source()
        for name in (WEB, DELEGATED):
            self.call("SetLoans", name, [])
        self.ask("Destroy", DELEGATED)
        self.ask("Start", WEB)
        self.until(lambda: list(self.domains()) == [f"nm-sliver-{WEB}"], "the sample's guests run alone")
        self.until_runs(WEB)

    def keys(self) -> dict[str, str]:
        """Person -> public key."""
        folder = self.lab.folder / slices.KEYS
        return {name: (folder / f"{name}.pub").read_text().strip() for name in slices.PEOPLE}
