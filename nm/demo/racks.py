"""The demo's real world: a lab."""

import os
from collections.abc import Collection, Mapping
from contextlib import AbstractContextManager
from typing import Any

from nm.client import connect
from nm.lab import daemon, lifecycle, probe
from nm.lab.layout import Layout


class LabWorld:
    """A lab of its own, taken down at the end."""

    title = "A rack in namespaces of this machine: Open vSwitch, QEMU, and packets that are really sent."
    how = "Every machine pings every other one, three times."
    brake = "the VM host's libvirtd is stopped meanwhile"

    def __init__(self) -> None:
        layout = Layout(switches=2, nodes=8, headnodes=2)
        self._lab = lifecycle.up(f"demo-{os.getpid()}", layout)
        self.nodes = [node.name for node in layout.rack]
        self.heads = [head.name for head in layout.heads]

    def api(self) -> AbstractContextManager[Any]:
        """A connection to the lab's daemon."""
        return connect(str(self._lab.socket))

    def reached(self, asked: Mapping[str, Collection[str]]) -> dict[str, set[str] | None]:
        """By pings."""
        return probe.reached(self._lab, asked)

    def awake(self, head: str) -> bool:
        """Its agent answers."""
        return probe.answers(self._lab, head)

    def hold(self) -> None:
        """Stop libvirtd, as an overloaded host does."""
        self._libvirtd("STOP")

    def let_go(self) -> None:
        """Continue it."""
        self._libvirtd("CONT")

    def _libvirtd(self, signal: str) -> None:
        self._lab.run(["sh", "-c", f"kill -s {signal} $(cat /run/libvirtd.pid)"])

    def kill_daemon(self) -> None:
        """Kill -9."""
        daemon.kill(self._lab)

    def start_daemon(self) -> None:
        """Start it with the database that is there."""
        daemon.start(self._lab)

    def close(self) -> None:
        """Take the lab down."""
        lifecycle.down(self._lab.name)
