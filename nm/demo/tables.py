"""The demo's world without root: simulated switches, and nmd as the user.

All lies in a temporary folder; head nodes are domains of libvirt's test driver.
Nothing is sent: who reaches whom is computed from the switches' tables, as they are in the simulated
switches' files, and from the VLAN on which nm last saw each head node.
"""

import grp
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Collection, Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

from nm.client import ClientError, connect
from nm.lab import register
from nm.lab.errors import LabError
from nm.lab.layout import HOST, VLANS, Layout
from nm.lab.place import environment
from nm.switch import PortState, SwitchState
from nm.switches.reach import Place, reaches_at_all
from nm.switches.simulated import read_table, set_faults, state_of

PATIENCE = 15.0  # seconds until a started daemon must answer
UPLINK = "uplink"

_CONFIG = """\
[daemon]
lock = "{folder}/nmd.lock"
pid_file = "{folder}/nmd.pid"
[api]
socket = "{folder}/api.sock"
tcp = false
admin_group = "{group}"
[jobs]
retry_first_seconds = 0.5
retry_longest_seconds = 2
[export]
folder = "{folder}/headnodes"
[secrets]
folder = "{folder}/secrets"
"""


class TableWorld:
    """A daemon and its simulated rack in a temporary folder."""

    title = "Simulated switches; nothing is sent."
    how = "The switches' tables tell who could reach whom, with whatever VLAN tags a machine may send."
    brake = "switch sw1 does not answer meanwhile"

    def __init__(self) -> None:
        self._layout = Layout(switches=2, nodes=8, headnodes=2)
        self.nodes = [node.name for node in self._layout.rack]
        self.heads = [head.name for head in self._layout.heads]
        self._temporary = tempfile.TemporaryDirectory(prefix="nm-demo-")
        self._folder = Path(self._temporary.name)
        self._daemon: subprocess.Popen[bytes] | None = None
        self._vlans: dict[str, int] = {}
        try:
            self._write_config()
            self.start_daemon()
            with self.api() as nm:
                host = {"uri": "test:///default", "network": {"kind": "linux", "device": UPLINK}}
                register.rack(nm, self._layout, register.Parts(self._switch_settings, host))
        except BaseException:
            self.close()
            raise

    def _write_config(self) -> None:
        (self._folder / "secrets").mkdir(mode=0o700)
        group = grp.getgrgid(os.getgid()).gr_name
        (self._folder / "nm.toml").write_text(_CONFIG.format(folder=self._folder, group=group))

    def _switch_settings(self, switch: str) -> dict[str, Any]:
        ports = register.ports(self._layout, switch)
        return {"driver": "simulated", "file": self._table(switch), "ports": ports}

    def _table(self, switch: str) -> str:
        return f"{self._folder}/{switch}.json"

    def api(self) -> AbstractContextManager[Any]:
        """A connection to the daemon."""
        return connect(f"{self._folder}/api.sock")

    def reached(self, asked: Mapping[str, Collection[str]]) -> dict[str, set[str] | None]:
        """By the tables."""
        self._look_at_heads()
        states = {name: state_of(read_table(self._table(name))) for name in self._layout.switch_names}
        states[HOST] = self._host()
        links = [(_end(trunk.ends[0]), _end(trunk.ends[1])) for trunk in self._layout.trunks]
        places: dict[Place, str] = {(node.switch, node.port): node.name for node in self._layout.rack}
        places |= {(HOST, head): head for head in self._vlans}
        at = {name: place for place, name in places.items()}
        rows: dict[str, set[str] | None] = dict.fromkeys(asked)
        for name in asked.keys() & at.keys():
            found = {places.get(place, "") for place in reaches_at_all(states, links, at[name])}
            rows[name] = found & {*asked[name]}
        return rows

    def _host(self) -> SwitchState:
        """The VM host as if it were a switch: its uplink carries every VLAN, a head node's port one."""
        heads = {head: PortState(untagged=vlan) for head, vlan in self._vlans.items()}
        return SwitchState(None, {UPLINK: PortState(tagged=tuple(VLANS)), **heads})

    def _look_at_heads(self) -> None:
        """Where nm sees the head nodes; while the daemon is dead nobody moves them."""
        if self._daemon is None:
            return
        with self.api() as nm:
            facts = [nm.GetStatus(group["name"])["deployed"] for group in nm.GetGroups({})]
        self._vlans = {
            name.removeprefix("head/"): value["vlan"]
            for deployed in facts
            for name, value in deployed.items()
            if name.startswith("head/")
        }

    def awake(self, head: str) -> bool:
        """It runs as soon as libvirt says so."""
        self._look_at_heads()
        return head in self._vlans

    def hold(self) -> None:
        """Let a switch hang."""
        set_faults(self._table("sw1"), hang=3600)

    def let_go(self) -> None:
        """Let it answer."""
        set_faults(self._table("sw1"), hang=0)

    def start_daemon(self) -> None:
        """Start nmd and wait until it answers."""
        command = [sys.executable, "-m", "nm.daemon", "--config", f"{self._folder}/nm.toml"]
        with open(self._folder / "nmd.log", "ab") as log:
            self._daemon = subprocess.Popen(
                [*command, "--database", f"{self._folder}/database"],
                env=environment(), stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True,
            )  # fmt: skip
        deadline = time.monotonic() + PATIENCE
        while not self._answers():
            if self._daemon.poll() is not None or time.monotonic() > deadline:
                said = (self._folder / "nmd.log").read_text().strip()[-800:]
                raise LabError(f"nmd does not answer: {said}")
            time.sleep(0.05)

    def _answers(self) -> bool:
        try:
            with self.api() as nm:
                return bool(nm.GetVersion())
        except ClientError:
            return False

    def kill_daemon(self) -> None:
        """Kill -9; the head nodes stay where it last saw them."""
        self._look_at_heads()
        self._end_daemon()

    def _end_daemon(self) -> None:
        if self._daemon is not None:
            self._daemon.kill()
            self._daemon.wait()
            self._daemon = None

    def close(self) -> None:
        """End the daemon, remove the folder."""
        self._end_daemon()
        self._temporary.cleanup()


def _end(end: Place) -> Place:
    """A trunk's end, the VM host's by the one name that its uplink has here."""
    return (HOST, UPLINK) if end[0] == HOST else end
