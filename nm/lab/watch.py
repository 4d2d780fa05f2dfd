"""What is seen of machines that boot: their consoles, and packets on their ports. For the demo and tests."""

import subprocess
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Self

from nm.lab import machines
from nm.lab.errors import LabError
from nm.lab.layout import Node
from nm.lab.place import Lab, environment

STARTING = 10.0  # seconds for a capture to begin


def inside(lab: Lab, path: str) -> Path:
    """A file of the lab's, as it is seen from outside."""
    return Path(f"/proc/{lab.need().holder}/root{path}")


def _said(lab: Lab, path: str) -> str:
    with suppress(FileNotFoundError):
        return inside(lab, path).read_text(errors="replace")
    return ""


def node_said(lab: Lab, node: Node) -> str:
    """What the node has printed since it was switched on."""
    return _said(lab, machines.console(node))


def head_said(lab: Lab, head: str) -> str:
    """What an image-made head node has printed since it was made."""
    return _said(lab, f"/var/log/libvirt/qemu/nm-{head}+console.log")


def called_home(lab: Lab, node: Node, head: str) -> bool:
    """Whether that head node has heard the node."""
    return f"{head}: {node.mac} called home" in head_said(lab, head)


def gave_up(lab: Lab, node: Node) -> bool:
    """Whether the node has found nothing to boot from."""
    return "No bootable device" in node_said(lab, node)


def until(true: Callable[[], bool], seconds: float, what: str) -> float:
    """Wait until it is true: how long that took. LabError when it takes longer."""
    began = time.monotonic()
    while not true():
        if time.monotonic() - began > seconds:
            raise LabError(f"{what}: not within {seconds:.0f} s")
        time.sleep(0.1)
    return time.monotonic() - began


class Capture:
    """The packets on a switch's port that match an expression of tcpdump's, both ways. A context manager."""

    def __init__(self, lab: Lab, port: str, expression: str = "") -> None:
        options = ("-i", port, "-l", "-n", "-e", "-q", "--immediate-mode")
        self._command = lab.enter(["tcpdump", *options, expression])
        self._file = lab.folder / "log" / f"capture-{port}.txt"
        self._errors = self._file.with_suffix(".log")
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        with self._file.open("wb") as packets, self._errors.open("wb") as errors:
            self._process = subprocess.Popen(
                self._command, env=environment(), stdin=subprocess.DEVNULL, stdout=packets, stderr=errors
            )
        try:
            until(lambda: "listening on" in self._errors.read_text(), STARTING, "tcpdump listens")
        except LabError:
            self._end()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._end()

    def _end(self) -> None:
        if self._process is not None:
            self._process.terminate()
            self._process.wait(STARTING)

    def packets(self) -> list[str]:
        """A line for each packet so far."""
        return self._file.read_text().splitlines()
