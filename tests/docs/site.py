"""The site that the pages of docs/tasks/ speak of, as a rack in this process, and what pages do to it.

`nmctl` runs in this process against the rack's socket; everything else is given to a shell in a folder of
the page's own. What a page calls by its name on a real machine (/var/lib/nm, the account alice, an Open
vSwitch) is what the rack has in its place, in commands and back again in what they say.
"""

import io
import os
import re
import shlex
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, Protocol
from unittest.mock import patch

from nm import config
from nm.shell.main import main
from nm.shell.output import Output
from nm.switches.simulated import FACTORY, edit_table, new_table
from tests.docs.transcript import Step, differs
from tests.rack import Rack, rack
from tests.switches.fakes import FakeSwitch, start

_PROGRESS = re.compile(
    r"(job \d+ |  |to watch it: )"
)  # how remarks on stderr begin that no two runs show alike
_LOOKS = re.compile(r"nmctl (\w+ (list|show|status)|geni -.* (describe|status)|health|map)\b")
_OURS = re.compile(r"(?<![\w/])/(var|etc|usr|root|home|run|opt|srv)\b")  # the machine's own
PATIENCE = 10.0  # seconds
SOURCE = Path(__file__).parents[2]
_FACTORY: dict[str, Any] = {"untagged": FACTORY.untagged, "tagged": [], "open": FACTORY.open}
_SHIM = '#!/bin/sh\nexec {python} -m nm.shell.main "$@"\n'


@contextmanager
def site(folder: Path) -> Iterator["Site"]:
    """A rack whose nodes are switched off or given up soon."""
    with rack(folder, management=True) as made:
        made.stop()
        images = config.Images(folders=(str(folder / "images"),))
        made.config = replace(made.config, power=config.Power(off_seconds=0.3), images=images)
        made.start()
        here = Site(made)
        with patch.dict(os.environ, here.environment):
            try:
                yield here
            finally:
                here.close()


class World(Protocol):
    """Where a page's commands are carried out."""

    def carry_out(self, step: Step) -> tuple[int, str]:
        """The status of a command, and what it said."""

    def meanwhile(self, words: str) -> None:
        """Let something happen that nm was not asked for."""


class Site:
    """The rack, and what a page may do to it."""

    def __init__(self, rack: Rack) -> None:
        self.rack = rack
        self.folder = rack.folder / "page"
        for folder in (self.folder, *(rack.folder / name for name in ("backups", "bin", "images"))):
            folder.mkdir()
        (rack.folder / "images" / "debian.qcow2").write_bytes(bytes(1 << 20))
        (rack.folder / "secrets").mkdir(mode=0o700)
        self._fakes: list[FakeSwitch] = []
        shim = rack.folder / "bin" / "nmctl"
        shim.write_text(_SHIM.format(python=shlex.quote(sys.executable)))
        shim.chmod(0o755)
        self._names = {  # on a page: here
            "--driver ovs address=unix:/run/openvswitch/db.sock bridge=br2": (
                f'--driver simulated file={rack.table("sw2")} ports=\'["p1","p2","uplink"]\''
            ),
            "qemu:///system": "test:///default",
            "address=192.0.2.7": f"file={rack.folder}/new.json",
            "/var/lib/nm-images": str(rack.folder / "images"),
            "/var/lib/nm": str(rack.folder / "db"),
            "/etc/nm/secrets": str(rack.folder / "secrets"),
            "/var/backups": str(rack.folder / "backups"),
            "/etc/nm/geni": str(rack.folder / "geni"),
            "alice": "games",
            "bob": "man",
        }

        # Where the clearing house is, and whoever calls an aggregate has what is needed for that.
        self.environment = {
            "NM_GENI_FOLDER": self._names["/etc/nm/geni"],
            "NM_GENI_WALLET": str(rack.folder / "geni" / "users" / self._names["alice"]),
        }

    def close(self) -> None:
        """End what the page has brought."""
        for fake in self._fakes:
            fake.stop()

    # ---- what happens

    def carry_out(self, step: Step) -> tuple[int, str]:
        """The status of a command, and what it said."""
        command = self._here(step.command)
        if step.command in ("systemctl stop nmd", "systemctl start nmd"):
            self.rack.stop() if "stop" in command else self.rack.start()
            return 0, ""
        plain = command.startswith("nmctl ") and not set("|>\n") & set(re.sub(r"'[^']*'", "", command))
        status, said = self._nmctl(command) if plain else self._shell(command)
        return status, self._there(said)

    def _nmctl(self, command: str) -> tuple[int, str]:
        said, remarks = io.StringIO(), io.StringIO()
        where = os.getcwd()
        os.chdir(self.folder)
        try:
            status = main(shlex.split(command)[1:], Output(said, remarks))
        except SystemExit as end:
            status = int(end.code or 0)
        finally:
            os.chdir(where)
        return status, said.getvalue() + without_progress(remarks.getvalue())

    def _shell(self, command: str) -> tuple[int, str]:
        elsewhere = command.replace(str(self.rack.folder), "")
        assert not _OURS.search(elsewhere), f"{command}: a page must leave the machine alone"
        path = f"{self.rack.folder}/bin:{os.environ['PATH']}"
        return in_shell(command, self.folder, {**os.environ, "PATH": path, "PYTHONPATH": str(SOURCE)})

    def _here(self, text: str) -> str:
        for there, here in self._names.items():
            text = _renamed(text, there, here)
        return text

    def _there(self, text: str) -> str:
        for there, here in reversed(self._names.items()):
            text = _renamed(text, here, there)
        return text.replace(f"{self.folder}/", "")

    # ---- meanwhile

    def meanwhile(self, words: str) -> None:
        """Let something happen that nm was not asked for."""
        deed, *arguments = words.split()
        deeds: dict[str, Callable[..., None]] = {
            "moved": self._moved, "wiped": self._wiped, "down": self._down, "up": self._up,
            "power": self._power, "replaced": self._replaced, "hostless": self._hostless,
            "plugged": self._plugged, "racked": self._racked, "federated": self._federated,
        }  # fmt: skip
        deeds[deed](*arguments)

    def _moved(self, switch: str, port: str, vlan: str) -> None:
        """Somebody puts a port on another VLAN by hand."""
        with edit_table(self.rack.table(switch)) as table:
            table["vlans"] = sorted({*table["vlans"], int(vlan)})
            table["ports"][port] = {"untagged": int(vlan), "tagged": [], "open": False}

    def _wiped(self, switch: str) -> None:
        """A new switch, as it comes from the factory, hangs in the place of the old one."""
        with edit_table(self.rack.table(switch)) as table:
            table.update(new_table(table["ports"]))

    def _replaced(self, switch: str) -> None:
        """Another one hangs in its place, at another address; what follows happens to that one."""
        with edit_table(self.rack.folder / "new.json") as table:
            table.update(new_table(self.rack.ports(switch)))
        self.rack.tables[switch] = self.rack.folder / "new.json"

    def _plugged(self, switch: str, port: str) -> None:
        """The switch gets another port."""
        with edit_table(self.rack.table(switch)) as table:
            table["ports"][port] = dict(_FACTORY)

    def _racked(self, dialect: str, address: str) -> None:
        """A switch with a command line hangs in the rack, with the user nm and the password letmein."""
        fake = start(dialect, ports=4, user="nm", password="letmein")
        self._fakes.append(fake)
        self._names[f"address={address}"] = f"address=127.0.0.1 port={fake.port}"

    def _federated(self, authority: str) -> None:
        """The door of GENI's is opened, as in the page's nm.toml, at some port."""
        port = self.rack.open_geni(Path(self._names["/etc/nm/geni"]), authority=authority)
        self._names |= {"localhost:8001": f"localhost:{port}", "localhost-8001": f"localhost-{port}"}

    def _down(self, switch: str) -> None:
        self.rack.set_faults(switch, down=True)

    def _up(self, switch: str) -> None:
        self.rack.set_faults(switch)

    def _hostless(self) -> None:
        """The site has no host yet."""
        unused = {"h1": "HeadNode", "h2": "HeadNode", "up": "Trunk", "vm": "Host"}
        for name, kind in unused.items():
            self.rack.call(f"Unregister{kind}", name)

    def _power(self, node: str, fault: str) -> None:
        """The node's management goes silent, or works."""
        silent = "null" if fault == "works" else f'"{fault}"'
        (self.rack.folder / f"{node}.power").write_text(
            f'{{"power": "on", "boot": "disk", "fault": {silent}}}'
        )


def in_shell(command: str, folder: Path, environment: Mapping[str, str]) -> tuple[int, str]:
    """The status of a command that a shell carries out there, and what it said."""
    ran = subprocess.run(
        ["sh", "-c", command],
        cwd=folder, env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False,
    )  # fmt: skip
    return ran.returncode, ran.stdout + without_progress(ran.stderr)


def without_progress(remarks: str) -> str:
    """What was said on stderr, but the progress of jobs, which no two runs show alike."""
    return "".join(line for line in remarks.splitlines(keepends=True) if not _PROGRESS.match(line))


def _renamed(text: str, old: str, new: str) -> str:
    """The text with another name for something, where the name stands alone."""
    return re.sub(rf"(?<!\w){re.escape(old)}(?!\w)", lambda _: new, text)


def settled(world: World, step: Step) -> tuple[int, str]:
    """What a command ends with and says; what only looks is asked again until it is as the page shows it."""
    deadline = time.monotonic() + PATIENCE
    while True:
        status, said = world.carry_out(step)
        shown = not step.shown or not differs(step.shown, said)
        if shown or not _LOOKS.match(step.command) or time.monotonic() > deadline:
            return status, said
        time.sleep(0.05)


def troubles(world: World, steps: list[Step]) -> list[str]:
    """Carry out a page; what of it is not so, each with its line. Nothing is done behind the first."""
    for step in steps:
        if step.meanwhile:
            world.meanwhile(step.command)
            continue
        status, said = settled(world, step)
        if (status == 0) if step.status is None else (status != step.status):
            return [
                f"line {step.line}: {step.command}: status {status}, but the page has {step.status}:\n{said}"
            ]
        if step.shown and differs(step.shown, said):
            return [
                f"line {step.line}: {step.command}: the page shows\n{step.shown}\n--- but it said\n{said}"
            ]
    return []
