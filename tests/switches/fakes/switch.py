"""A fake switch: its tables, its faults, its counters, and the thread in which it can be reached."""

import asyncio
import copy
import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from types import TracebackType
from typing import TYPE_CHECKING, Any, NamedTuple, Self

from nm.switch import PortState, SwitchState
from nm.switches.reach import reaches
from tests.switches.fakes.cli import Cli
from tests.switches.fakes.faults import Fault, Faults, Kind
from tests.switches.fakes.state import Carried, Config, Vlan, as_json

if TYPE_CHECKING:
    from tests.switches.fakes.server import Server
    from tests.switches.fakes.terminal import Terminal


@dataclass
class Counts:
    """What has happened so far."""

    connections: int = 0  # accepted, before anybody logged in
    logins: int = 0  # that were right
    refused_logins: int = 0
    sessions: int = 0  # command lines that were opened
    most_sessions: int = 0  # at once
    commands: int = 0  # lines that were not empty
    saves: int = 0


@dataclass
class SessionLog:
    """The lines of one session (no passwords), and how many of them were configuration."""

    lines: list[str] = field(default_factory=list)
    configured: int = 0


class Snapshot(NamedTuple):
    running: Config
    startup: Config
    draft: Any


class FakeSwitch:
    """One switch. Reached through its own thread from start() to stop(), or in a with block."""

    def __init__(
        self,
        dialect: type[Cli],
        ports: int | Sequence[str] = 8,
        *,
        host: str = "sw1",
        user: str = "admin",
        password: str = "letmein",
        enable: str | None = None,  # the enable secret; without one, who logs in is privileged
        keys: Sequence[str] = (),  # public keys that may log in, as lines of authorized_keys
        host_key: str | None = None,  # a private key in OpenSSH's format; made when not given
        banner: str = "",
        latency: float = 0,  # seconds that a command takes
        login: float = 0,  # and a log-in
        save: float = 0,  # and saving
        max_sessions: int = 16,
        port: int = 0,
    ) -> None:
        self.cli = dialect
        names = dialect.port_names(ports) if isinstance(ports, int) else list(ports)
        self.running = dialect.new_config(host, names)
        self.startup = self.running.copy()
        self.user, self.password, self.enable, self.keys = user, password, enable, list(keys)
        self.banner = banner or dialect.banner
        self.latency, self.login_seconds, self.save_seconds = latency, login, save
        self.max_sessions = max_sessions
        self.faults = Faults()
        self.counts = Counts()
        self.sessions: list[SessionLog] = []
        self.options: dict[str, Any] = {}  # a dialect's own, such as {"encapsulation": True}
        self.lock = threading.RLock()  # the tables change under it
        self._open: list[Terminal] = []
        self._server: Server | None = None
        self._settings = {"port": port, "host_key": host_key}

    # As a device on the network

    def start(self) -> Self:
        """Listen on a port of 127.0.0.1."""
        from tests.switches.fakes.server import Server

        self._server = Server(self, self._settings["port"], self._settings["host_key"])  # type: ignore[arg-type]
        return self

    def stop(self) -> None:
        """End every session, and listen no longer."""
        if self._server is not None:
            self._server.stop()
            self._server = None

    def __enter__(self) -> Self:
        return self if self._server is not None else self.start()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    @property
    def server(self) -> "Server":
        assert self._server is not None, "the switch is not started"
        return self._server

    @property
    def port(self) -> int:
        """Where SSH listens."""
        return self.server.ssh.port

    @property
    def telnet_port(self) -> int:
        """Where telnet listens, when the dialect speaks it."""
        assert self.server.telnet is not None, f"{self.cli.dialect} speaks no telnet"
        return self.server.telnet.port

    @property
    def host_key(self) -> str:
        """The public host key: type and base64, as in known_hosts."""
        return self.server.host_key

    def replace(self) -> None:
        """Another switch stands in this one's place: new host key, factory-new configuration."""
        self.reset()
        self.server.replace_host_key()

    # What goes wrong

    def fault(
        self,
        kind: Kind,
        line: int | None = None,
        like: str | None = None,
        *,
        after: bool = False,
        seconds: float = 0,
        times: int | None = None,
    ) -> Fault:
        """From now on this goes wrong; see faults.py."""
        found = Fault(kind, line, like, after, seconds, times)
        self.faults.append(found)
        if kind == "refuse":
            self.server.refuse(True)
        return found

    def mend(self) -> None:
        """Nothing goes wrong any longer. Sessions that have fallen silent stay so."""
        refused = any(fault.kind == "refuse" for fault in self.faults)
        self.faults.clear()
        if refused:
            self.server.refuse(False)

    def reboot(self) -> None:
        """Power off and on: all sessions are cut, and what was not saved is lost."""
        with self.lock:
            self.running = self.cli.booted(self.running, self.startup)
        self.cut_sessions()

    def let_pass(self, seconds: float) -> None:
        """As if so much time had passed, for what the switch does by itself."""
        with self.lock:
            self.cli.elapsed(self, seconds)

    def reset(self) -> None:
        """Back to the factory's configuration, with all sessions cut."""
        with self.lock:
            self.running = self.cli.new_config(self.running.hostname, list(self.running.ports))
            self.startup = self.running.copy()
        self.cut_sessions()

    def cut_sessions(self) -> None:
        """Drop every connection."""
        if self._server is not None:
            self._server.cut()

    # What a test reads, and writes past the command line

    def ports(self) -> dict[str, Carried]:
        """What every port carries now."""
        return self._carried(self.running)

    def startup_ports(self) -> dict[str, Carried]:
        """What every port would carry after a reboot."""
        with self.lock:
            return self._carried(self.cli.booted(self.running, self.startup))

    def put(self, port: str, state: PortState) -> None:
        """Somebody else lets the port carry that; the VLANs are made when missing."""
        with self.lock:
            for vlan in (state.untagged, *state.tagged):
                if vlan is not None:
                    self.running.vlans.setdefault(vlan, Vlan(f"VLAN{vlan:04}"))
            self.cli.put(self.running.ports[port], state)

    def vlans(self) -> dict[int, str]:
        """Number and name of every VLAN that exists now."""
        with self.lock:
            return {number: vlan.name for number, vlan in sorted(self.running.vlans.items())}

    def startup_vlans(self) -> dict[int, str]:
        """And of those that would exist after a reboot."""
        with self.lock:
            booted = self.cli.booted(self.running, self.startup)
            return {number: vlan.name for number, vlan in sorted(booted.vlans.items())}

    def state(self) -> SwitchState:
        """Ports and VLANs in nm's words."""
        ports = {name: carried.state for name, carried in self.ports().items()}
        return SwitchState(frozenset(self.vlans()), ports)

    def reaches(self, port: str, *tags: int) -> set[str]:
        """The ports out of which a broadcast with those tags comes that is sent into `port`."""
        return {found for _, found in reaches({"": self.state()}, [], ("", port), tags)}

    def lines(self) -> list[str]:
        """The lines of all sessions, one session after the other."""
        return [line for log in self.sessions for line in log.lines]

    def dump(self) -> dict[str, Any]:
        """All of it as builtin types, for JSON."""

        def carried(ports: Mapping[str, Carried]) -> dict[str, Any]:
            return {name: each._asdict() for name, each in ports.items()}

        with self.lock:
            return {
                "dialect": self.cli.dialect,
                "running": as_json(self.running),
                "startup": as_json(self.startup),
                "ports": carried(self.ports()),
                "startup_ports": carried(self.startup_ports()),
                "counts": asdict(self.counts),
                "sessions": [asdict(log) for log in self.sessions],
            }

    def _carried(self, config: Config) -> dict[str, Carried]:
        with self.lock:
            return {name: self.cli.carried(config, port) for name, port in config.ports.items()}

    # What a session does to it

    def admits(self, user: str, password: str) -> bool:
        """Whether that is the user and the password."""
        right = (user, password) == (self.user, self.password) and not self.faults.find("password")
        self.counts.refused_logins += not right
        return right

    def enter_session(self, terminal: "Terminal") -> bool:
        """Take up a session; False when there are too many."""
        if len(self._open) >= self.max_sessions:
            return False
        self._open.append(terminal)
        self.sessions.append(terminal.log)
        self.counts.sessions += 1
        self.counts.most_sessions = max(self.counts.most_sessions, len(self._open))
        return True

    def leave_session(self, terminal: "Terminal") -> None:
        """A session is over."""
        with suppress(ValueError):
            self._open.remove(terminal)

    def open_sessions(self) -> list["Terminal"]:
        """The sessions that are open now."""
        return list(self._open)

    def later(self, seconds: float, do: Callable[[], None]) -> asyncio.TimerHandle:
        """Let the switch do this by itself after so long, unless it is cancelled; called by a command."""

        def locked() -> None:
            with self.lock:
                do()

        return asyncio.get_running_loop().call_later(seconds, locked)

    def save(self) -> None:
        """The running configuration becomes the startup one."""
        with self.lock:
            self.startup = self.running.copy()
            self.counts.saves += 1

    def snapshot(self, cli: Cli) -> Snapshot:
        """Everything that a line can change."""
        with self.lock:
            return Snapshot(self.running.copy(), self.startup.copy(), copy.deepcopy(cli.draft))

    def restore(self, cli: Cli, before: Snapshot) -> None:
        """As if the line had not been."""
        with self.lock:
            self.running, self.startup, cli.draft = before
