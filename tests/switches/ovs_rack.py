"""A private Open vSwitch without root or kernel module: dummy datapath, own folder, killed by pid.

`with OvsRack(folder) as rack:` starts ovsdb-server and ovs-vswitchd; `trace` tells by ofproto/trace
where a frame comes out, over all bridges and the patch ports between them.
"""

import contextlib
import json
import os
import re
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterable
from pathlib import Path
from types import TracebackType
from typing import Any, Self

SCHEMA = Path("/usr/share/openvswitch/vswitch.ovsschema")
PROGRAMS = ("ovsdb-tool", "ovsdb-server", "ovs-vswitchd", "ovs-vsctl", "setpriv")
BROADCAST = "ffffffffffff" + "020000000001"
PAYLOAD = "0800" + "45000014000000000001" + "00" * 36

Place = tuple[str, str]  # bridge, port


def missing() -> str:
    """Why no such rack can be had here; empty when it can."""
    path = os.environ.get("PATH", "") + ":/usr/sbin:/sbin"
    absent = [program for program in PROGRAMS if shutil.which(program, path=path) is None]
    if absent or not SCHEMA.exists():
        return f"openvswitch-switch is not installed ({', '.join(absent) or SCHEMA})"
    return ""


class OvsRack:
    """ovsdb-server and ovs-vswitchd of our own in a folder of our own."""

    def __init__(self, *remotes: str) -> None:
        """`remotes`: further options of ovsdb-server, where else to listen."""
        self._remotes = remotes
        self.folder = Path(tempfile.mkdtemp(prefix="ovs-"))  # short: sockets' paths have 107 bytes
        self.address = f"unix:{self.folder}/db.sock"
        self._environment = {
            **os.environ,
            "PATH": os.environ.get("PATH", "") + ":/usr/sbin:/sbin",
            **{f"OVS_{what}DIR": str(self.folder) for what in ("RUN", "LOG", "DB", "SYSCONF")},
        }
        self._processes: list[subprocess.Popen[bytes]] = []

    def __enter__(self) -> Self:
        try:
            self._start()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def _start(self) -> None:
        self._call("ovsdb-tool", "create", str(self.folder / "conf.db"), str(SCHEMA))
        self.start_server()
        self.vsctl("--no-wait", "init")
        self.start_vswitchd()

    def start_server(self) -> None:
        """Start ovsdb-server and wait until it listens."""
        remotes = [f"--remote=p{self.address}", *self._remotes]
        self.server = self._spawn("ovsdb-server", *remotes, str(self.folder / "conf.db"))
        deadline = time.monotonic() + 20
        while not self._listens():
            if self.server.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError((self.folder / "ovsdb-server.log").read_text())
            time.sleep(0.005)

    def listen(self, *arguments: str) -> subprocess.Popen[bytes]:
        """Another ovsdb-server, with a database of its own, that listens as the arguments say."""
        database = self.folder / f"{len(self._processes)}.db"
        self._call("ovsdb-tool", "create", str(database), str(SCHEMA))
        return self._spawn("ovsdb-server", *arguments, f"--unixctl={database}.ctl", str(database))

    def _listens(self) -> bool:
        with socket.socket(socket.AF_UNIX) as probe:
            return probe.connect_ex(str(self.folder / "db.sock")) == 0

    def start_vswitchd(self) -> None:
        """Start ovs-vswitchd and wait until it serves."""
        dummy = ("--enable-dummy", "--disable-system", "--disable-system-route")
        self.control = self.folder / "vswitchd.ctl"
        self.vswitchd = self._spawn("ovs-vswitchd", *dummy, f"--unixctl={self.control}", self.address)
        self.vsctl("init")

    def _spawn(self, program: str, *arguments: str) -> subprocess.Popen[bytes]:
        log = self.folder / f"{program}.log"
        with log.open("ab") as output:
            process = subprocess.Popen(
                # Should this process be killed, so is what it started.
                ["setpriv", "--pdeathsig", "KILL", program, "--verbose=console:warn", *arguments],
                env=self._environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
            )
        self._processes.append(process)
        return process

    def stop(self) -> None:
        """End what was started, and remove the folder."""
        for process in reversed(self._processes):
            process.kill()
            process.wait(10)
        self._processes.clear()
        shutil.rmtree(self.folder, ignore_errors=True)

    def _call(self, *command: str) -> str:
        done = subprocess.run(
            command,
            check=False,
            env=self._environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=60,
        )
        if done.returncode:
            raise RuntimeError(f"{command[0]}: {done.stderr}")
        return done.stdout

    def vsctl(self, *arguments: str) -> str:
        """Run ovs-vsctl against this rack."""
        return self._call("ovs-vsctl", "--timeout=20", f"--db={self.address}", *arguments)

    def appctl(self, *command: str) -> str:
        """Ask ovs-vswitchd, over its control socket: ovs-appctl without a process."""
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(20)
            connection.connect(str(self.control))
            connection.sendall(json.dumps({"method": command[0], "params": command[1:], "id": 0}).encode())
            text = ""
            while chunk := connection.recv(1 << 16):
                text += chunk.decode()
                with contextlib.suppress(json.JSONDecodeError):
                    reply: dict[str, Any] = json.loads(text)
                    break
        if reply["error"]:
            raise RuntimeError(reply["error"])
        return str(reply["result"])

    def add_bridge(self, name: str, ports: Iterable[str] = ()) -> None:
        """A bridge on the dummy datapath with those ports, each factory-new."""
        commands = [
            "add-br",
            name,
            "--",
            "set",
            "bridge",
            name,
            "datapath_type=dummy",
            "fail-mode=standalone",
        ]
        for port in ports:
            commands += ["--", "add-port", name, port, "--", "set", "interface", port, "type=dummy"]
        self.vsctl(*commands)

    def link(self, one: Place, other: Place) -> None:
        """A cable between two bridges: patch ports of those names."""
        commands = []
        for (bridge, port), (_, peer) in ((one, other), (other, one)):
            commands += ["--", "add-port", bridge, port, "--", "set", "interface", port]
            commands += ["type=patch", f"options:peer={peer}"]
        self.vsctl(*commands)

    def trace(self, bridge: str, port: str, *tags: int) -> frozenset[Place]:
        """Where a broadcast frame with those VLAN tags comes out that is sent into that port.

        The bridges' own ports, which carry everything to the machine itself, are left out.
        """
        places = self._places()
        text = self.appctl("ofproto/trace", bridge, places[bridge, port][0], _frame(tags))
        actions = re.findall(r"^Datapath actions: (.*)$", text, re.MULTILINE)[-1]
        outputs = {int(number) for number in re.findall(r"\b\d+\b", re.sub(r"\([^)]*\)", "", actions))}
        reached = {place for place, (_, number) in places.items() if number in outputs}
        return frozenset(place for place in reached if place[0] != place[1])

    def _places(self) -> dict[Place, tuple[str, int]]:
        """The ports' OpenFlow entries and datapath numbers, by dpif/show."""
        places = {}
        bridge = ""
        for line in self.appctl("dpif/show").splitlines():
            if match := re.fullmatch(r"  (\S+):", line):
                bridge = match[1]
            elif match := re.match(r"    (\S+) (\d+)/(\d+):", line):
                places[bridge, match[1]] = (f"in_port={match[2]}", int(match[3]))
        return places


def _frame(tags: Iterable[int]) -> str:
    """An Ethernet broadcast with those tags, in hex."""
    return BROADCAST + "".join(f"8100{tag:04x}" for tag in tags) + PAYLOAD
