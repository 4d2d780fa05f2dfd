"""moc-list: the one service of a head node.

It follows the list of machines, runs linky at each change, and keeps dnsmasq and HTTP running. A new seed,
with another door to nm, is taken when it comes.
linky's quick half, the links, is done at once; the other half, power, runs beside it, once at a time.
"""

from __future__ import annotations

import signal
import subprocess
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from nm_head import moc, seed
from nm_head.dnsmasq import CONFIGURATION
from nm_head.errors import HeadError, say
from nm_head.settings import Settings

LOOK = 0.5  # seconds between two looks at the list
PAUSE = 1.0  # before the next one when the list cannot be read
FIRST_PAUSE, LONGEST_PAUSE = 2.0, 300.0  # before linky is tried again after a failure
RESTART = 1.0  # seconds before a server that ended is started again


@dataclass
class Child:
    """A program that is to run, or to have run. `wanted` says when it is due next; None for never."""

    command: Sequence[str]
    wanted: float | None = None
    pause: float = FIRST_PAUSE
    process: subprocess.Popen[bytes] | None = field(default=None, repr=False)

    def start_if_due(self, now: float) -> None:
        """Start it when it is due and does not run."""
        if self.process is None and self.wanted is not None and now >= self.wanted:
            self.wanted = None
            self.process = subprocess.Popen(self.command, stdin=subprocess.DEVNULL)

    def over(self) -> int | None:
        """Its exit status, once; None while it runs, or when nothing has run."""
        status = self.process.poll() if self.process is not None else None
        if status is not None:
            self.process = None
        return status

    def end(self) -> None:
        """End it, and wait for that."""
        if self.process is not None:
            self.process.terminate()
            try:
                self.process.wait(5)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
            self.process = None


class Follower:
    """What moc-list does at each look. `program`: how a command of ours is run."""

    def __init__(self, settings: Settings, program: Sequence[str]) -> None:
        self._settings = settings
        self._watch = moc.Watch(settings.moc)
        self._seed_watch = seed.Watch()
        self._seen: str | None = None
        self._next, self._trouble = 0.0, ""
        self._configuration: bytes | None = None
        self._seed = Child([*program, "nm-head-seed"])
        self._links = Child([*program, "linky", "--links"])
        self._power = Child([*program, "linky"])
        conf = settings.run / CONFIGURATION
        self._servers = [
            Child(["dnsmasq", "--keep-in-foreground", f"--conf-file={conf}"]),
            Child([*program, "http"]),
        ]

    def look(self, now: float) -> None:
        """One look at everything."""
        self._take_seed(now)
        if now >= self._next:
            self._look_at_list(now)
        self._run_links(now)
        self._run_power(now)
        self._keep_servers(now)

    def _take_seed(self, now: float) -> None:
        """Power that failed for want of a door is tried again at once."""
        try:
            if self._seed_watch.is_new():
                self._seed.wanted = now
        except HeadError as error:
            say(f"moc-list: {error}")
        status = self._seed.over()
        if status == 0:
            self._seed.pause = FIRST_PAUSE
            self._power.wanted = now if self._power.wanted is not None else None
        elif status is not None:
            _again(self._seed, now)
        self._seed.start_if_due(now)

    def _look_at_list(self, now: float) -> None:
        """What goes wrong is told once."""
        try:
            seen = self._watch.look()
            self._trouble = ""
        except HeadError as error:
            self._next = now + PAUSE
            if str(error) != self._trouble:
                self._trouble = str(error)
                say(f"moc-list: {error}")
            return
        if seen != self._seen:
            self._seen = seen
            self._links.wanted = now

    def close(self) -> None:
        """End what was started here."""
        for child in (self._seed, self._links, self._power, *self._servers):
            child.end()

    def _run_links(self, now: float) -> None:
        status = self._links.over()
        if status == 0:
            self._links.pause = FIRST_PAUSE
            self._power.wanted, self._power.pause = now, FIRST_PAUSE
        elif status is not None:
            _again(self._links, now)
        self._links.start_if_due(now)

    def _run_power(self, now: float) -> None:
        if self._power.over() not in (None, 0):
            _again(self._power, now)
        self._power.start_if_due(now)

    def _keep_servers(self, now: float) -> None:
        """They run once there is a configuration; another one needs another process."""
        configuration = _content(self._settings.run / CONFIGURATION)
        changed, self._configuration = configuration != self._configuration, configuration
        for server in self._servers:
            if changed:
                server.end()
                server.wanted = now
            elif server.over() is not None:
                server.wanted = now + RESTART
            if configuration is not None:
                server.start_if_due(now)


def _again(child: Child, now: float) -> None:
    """Sooner when somebody asked for it meanwhile."""
    if child.wanted is None:
        child.wanted = now + child.pause
        child.pause = min(child.pause * 2, LONGEST_PAUSE)


def _content(path: Path) -> bytes | None:
    try:
        return path.read_bytes()
    except OSError:
        return None


def follow(settings: Settings, program: Sequence[str]) -> None:
    """Until somebody ends it."""
    ending = []
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: ending.append(True))
    follower = Follower(settings, program)
    try:
        while not ending:
            follower.look(time.monotonic())
            time.sleep(LOOK)
    finally:
        follower.close()
