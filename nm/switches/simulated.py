"""A switch that executes what it is told, in a file: for machines without root, and for faults at will.

Its whole state is one JSON file, replaced atomically, so that a test or an operator can read it and
set faults while a daemon drives it. Called by the switch's executor as any driver is; tests use the
functions below. The only lock is a flock beside the file, held for one read-change-write.
"""

import contextlib
import fcntl
import fnmatch
import json
import os
import tempfile
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

from nm.errors import DeviceFailed, Invalid
from nm.switch import (
    LONGEST_PORT_NAME,
    Change,
    PortState,
    SetPort,
    SetTrunk,
    SetVlan,
    SwitchState,
    check_timeout,
    is_port_name,
)

Table = dict[str, Any]

FACTORY = PortState(untagged=1, open=True)  # a new switch: every port on VLAN 1, every VLAN allowed
MODEL = "simulated switch"
NO_FAULTS: dict[str, Any] = {
    "delay": 0,  # seconds that each session of changes takes
    "hang": 0,  # seconds without an answer; more than the driver's timeout is a failed session
    "down": False,  # nobody answers
    "fail_times": 0,  # so many of the next calls fail
    "reject": [],  # patterns of ports or VLAN ids whose changes are refused
    "lie": [],  # patterns of ports that say yes and do nothing
}


def new_table(ports: Iterable[str], **faults: Any) -> Table:
    """The table of a factory-new switch with those ports."""
    return {
        "model": MODEL,
        "vlans": [1],
        "ports": {port: _entry(FACTORY) for port in ports},
        "faults": {**NO_FAULTS, **faults},
        "sessions": 0,  # sessions of changes so far
        "reads": 0,
    }


def state_of(table: Table, ports: Iterable[str] | None = None) -> SwitchState:
    """What the table says of the ports named (all: None)."""
    entries = table["ports"]
    names = entries if ports is None else [port for port in ports if port in entries]
    return SwitchState(
        frozenset(table["vlans"]), {name: _port_state(entries[name]) for name in names}, table["model"]
    )


def read_table(path: Path | str) -> Table:
    """The table in the file."""
    try:
        table: Table = json.loads(Path(path).read_text())
    except (OSError, ValueError) as error:
        raise DeviceFailed(
            f"the simulated switch's file {path} cannot be read: {error}",
            "remove the file to begin with a factory-new switch",
            passing=False,
        ) from error
    return table


@contextlib.contextmanager
def edit_table(path: Path | str, ports: Iterable[str] = ()) -> Iterator[Table]:
    """The table, to be changed in place; replaces the file at the end. A missing file begins new."""
    path = Path(path)
    try:
        lock = open(f"{path}.lock", "a")  # noqa: SIM115 - closed by the `with` below
    except OSError as error:
        raise DeviceFailed(
            f"the simulated switch's file {path} cannot be locked: {error.strerror}",
            "its folder must exist and be writable for the daemon",
            passing=False,
        ) from error
    with lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        table = read_table(path) if path.exists() else new_table(ports)
        yield table
        _replace(path, json.dumps(table, indent=1))


def set_faults(path: Path | str, **faults: Any) -> None:
    """Set some of NO_FAULTS' keys in the switch's file."""
    unknown = faults.keys() - NO_FAULTS.keys()
    if unknown:
        raise ValueError(f"no such fault: {', '.join(sorted(unknown))}")
    with edit_table(path) as table:
        table["faults"] = {**table["faults"], **faults}


def _replace(path: Path, text: str) -> None:
    """Let the file hold that text, for readers in one step."""
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    with open(handle, "w") as file:
        file.write(text)
    os.replace(temporary, path)


def _port_state(entry: Mapping[str, Any]) -> PortState:
    return PortState(entry["untagged"], tuple(entry["tagged"]), entry["open"])


def _entry(state: PortState) -> dict[str, Any]:
    return {"untagged": state.untagged, "tagged": list(state.tagged), "open": state.open}


class Simulated:
    """Drives one such file."""

    kind: ClassVar[str] = "simulated"
    settings: ClassVar[Mapping[str, type]] = {"file": str, "ports": list, "timeout": float}
    required: ClassVar[frozenset[str]] = frozenset({"file"})
    identity: ClassVar[tuple[str, ...]] = ("file",)
    parking: ClassVar[int | None] = None

    def __init__(self, name: str, settings: Mapping[str, Any], secrets: Mapping[str, str]) -> None:
        del secrets  # it needs none
        self._name = name
        self._file = Path(settings["file"])
        self._ports = list(settings.get("ports", ()))
        self._timeout = float(settings.get("timeout", 10))

    @staticmethod
    def canonical(settings: Mapping[str, Any]) -> dict[str, Any]:
        """The settings, whose ports have names."""
        check_timeout(settings)
        if not all(map(is_port_name, settings.get("ports", ()))):
            raise Invalid(
                "ports holds what is no name of a port",
                f"list strings of 1 to {LONGEST_PORT_NAME} printable characters",
            )
        return dict(settings)

    def open(self) -> Mapping[str, str]:
        """There is nobody to log in to."""
        return {}

    def apply(self, changes: Sequence[Change], epoch: int) -> dict[Change, DeviceFailed]:
        """Execute the changes in order; answer those that the faults or the tables refuse."""
        del epoch  # a file has one writer at a time
        self._wait_for_answer(self._reach()["delay"])
        rejected = {}
        with self._edit() as table:
            table["sessions"] += 1
            for change in changes:
                words = _refusal(table, change)
                if words:
                    rejected[change] = DeviceFailed(
                        f"switch {self._name} rejected {_line(change)!r}: {words}", passing=False
                    )
                elif not _matches(table["faults"]["lie"], getattr(change, "port", None)):
                    _execute(table, change)
        return rejected

    def read(self, ports: Iterable[str] | None = None) -> SwitchState:
        """What the file says."""
        self._reach(reading=True)
        self._wait_for_answer(0)
        return state_of(read_table(self._file), ports)

    def save(self) -> None:
        """The file is all there is."""

    def close(self) -> None:
        """Nothing is kept open."""

    def _edit(self) -> contextlib.AbstractContextManager[Table]:
        return edit_table(self._file, self._ports)

    def _reach(self, reading: bool = False) -> dict[str, Any]:
        """The faults, when the switch can be reached; creates the file when it is missing."""
        with self._edit() as table:
            faults: dict[str, Any] = table["faults"]
            table["reads"] = table.get("reads", 0) + reading
            failing = faults["fail_times"] > 0
            faults["fail_times"] -= failing
        if faults["down"]:
            raise DeviceFailed(
                f"switch {self._name} cannot be reached: no route to host", "check its power and cable"
            )
        if failing:
            raise DeviceFailed(f"switch {self._name} closed the connection", "it is tried again")
        return faults

    def _wait_for_answer(self, delay: float) -> None:
        """Take as long as the faults say; a fault that is lifted ends the wait."""
        begin = time.monotonic()
        while True:
            hang = read_table(self._file)["faults"]["hang"]
            waited = time.monotonic() - begin
            if hang > self._timeout <= waited:
                raise DeviceFailed(
                    f"switch {self._name} did not answer within {self._timeout:g} s", "it is tried again"
                )
            left = max(hang, delay) - waited
            if left <= 0:
                return
            time.sleep(min(left, 0.02))


def _line(change: Change) -> str:
    """The change as a line of configuration, for messages."""
    match change:
        case SetVlan(vlan, present):
            return f"vlan {vlan}" if present else f"no vlan {vlan}"
        case SetTrunk(port, vlan, present):
            return f"interface {port} trunk {'add' if present else 'remove'} {vlan}"
        case SetPort(port, state):
            tagged = ",".join(map(str, state.tagged)) or "none"
            return f"interface {port} untagged {state.untagged or 'none'} tagged {tagged}"


def _vlans(change: Change) -> tuple[int, ...]:
    """The VLANs that must exist for this change."""
    match change:
        case SetPort(_, state):
            return (*(() if state.untagged is None else (state.untagged,)), *state.tagged)
        case SetTrunk(_, vlan, True):
            return (vlan,)
    return ()


def _matches(patterns: Iterable[str | int], *names: str | int | None) -> bool:
    return any(
        fnmatch.fnmatchcase(str(name), str(pattern))
        for pattern in patterns
        for name in names
        if name is not None
    )


def _refusal(table: Table, change: Change) -> str:
    """Why the switch refuses the change, in its words; empty when it does not."""
    port = getattr(change, "port", None)
    if port is not None and port not in table["ports"]:
        return f"% Invalid input: no interface {port}"
    if _matches(table["faults"]["reject"], port, getattr(change, "vlan", None), *_vlans(change)):
        return "% Command rejected: configuration is locked"
    missing = [vlan for vlan in _vlans(change) if vlan not in table["vlans"]]
    if missing:
        return f"% VLAN {missing[0]} does not exist"
    if change == SetVlan(1, False):
        return "% Default VLAN 1 may not be deleted"
    return ""


def _execute(table: Table, change: Change) -> None:
    """Change the table as told. A trunk that is open names its VLANs from its first change on."""
    match change:
        case SetVlan(vlan, present):
            table["vlans"] = sorted({*table["vlans"], vlan} if present else {*table["vlans"]} - {vlan})
        case SetTrunk(port, vlan, present):
            tagged = {*table["ports"][port]["tagged"]}
            tagged = tagged | {vlan} if present else tagged - {vlan}
            table["ports"][port] = _entry(PortState(tagged=tuple(sorted(tagged))))
        case SetPort(port, state):
            table["ports"][port] = _entry(state)
