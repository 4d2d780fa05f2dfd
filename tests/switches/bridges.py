"""Linux bridges for tests, in a network namespace of the test's own; and frames through them."""

import ctypes
import itertools
import json
import os
import socket
import subprocess
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, ClassVar

from nm.iproute2 import documents
from nm.records import Record
from nm.switch import PortState, Registry
from nm.switches.bridge import Bridge, Edit, Way, port_state
from nm.switches.executor import make_executor
from nm.switches.iproute2 import bridge_of
from nm.switches.linux import LinuxBridge
from tests.switches.benches import SWITCH
from tests.switches.sshd import HOST, PATH, Sshd

NEW_NETWORK = 0x40000000  # CLONE_NEWNET
OUTGOING = 4  # PACKET_OUTGOING: what the machine itself sends
FORWARDING = "forwarding"
ETHERTYPE = b"\x88\xb5"  # free for experiments
_numbers = itertools.count()
_libc = ctypes.CDLL(None, use_errno=True)


@contextmanager
def own_network() -> Iterator[None]:
    """This thread, and what it starts, in a network namespace of its own that has only a loopback."""
    before = os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
    try:
        _enter(_libc.unshare(NEW_NETWORK))
        try:
            sh("ip link set lo up")
            yield
        finally:
            enter(before)
    finally:
        os.close(before)


def enter(network: int) -> None:
    """This thread into the network namespace behind that file descriptor."""
    _enter(_libc.setns(network, NEW_NETWORK))


def _enter(failed: int) -> None:
    if failed:
        raise OSError(ctypes.get_errno(), "no network namespace")


def sh(script: str) -> str:
    environment = {**os.environ, "PATH": PATH}
    done = subprocess.run(
        ["sh", "-ec", script], capture_output=True, text=True, timeout=60, check=False, env=environment
    )
    assert done.returncode == 0, f"{script}: {done.stderr}"
    return done.stdout


def batch(tool: str, lines: Iterable[str]) -> None:
    """Many commands of `ip` or `bridge` by one process."""
    sh(f"{tool} -batch - <<'END'\n" + "".join(f"{line}\n" for line in lines) + "END\n")


class Wire:
    """The far ends of a bridge's ports: what is sent into them, what comes out. x and y are another cable."""

    def __init__(self, bridge: str, ports: Sequence[str]) -> None:
        self._cpu = min(os.sched_getaffinity(0))
        self._fence = (self._open(f"{bridge}x"), self._open(f"{bridge}y"))
        ends = {port: bridge if port == bridge else f"{port}f" for port in ports}
        self._ends = {port: self._open(end) for port, end in ends.items()}
        for end in self._ends.values():
            end.setblocking(False)

    def _open(self, interface: str) -> socket.socket:
        end = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
        end.bind((interface, 3))
        end.settimeout(10)
        return end

    def close(self) -> None:
        for end in (*self._fence, *self._ends.values()):
            end.close()

    def send(self, port: str, tags: Sequence[int]) -> set[str]:
        """The ports out of which a broadcast comes that is sent into that one.

        All happens on one processor, whose queue of frames is kept in order: what was sent behind the
        broadcast and has arrived, once for each time that this waits in the queue, has seen all of it pass.
        """
        payload = b"nm" + next(_numbers).to_bytes(8) + bytes(40)
        tagged = b"".join(b"\x81\x00" + tag.to_bytes(2) for tag in tags)
        before = os.sched_getaffinity(0)
        os.sched_setaffinity(0, {self._cpu})
        try:
            self._ends[port].send(b"\xff" * 6 + b"\x02\x00\x00\x00\x00\x01" + tagged + ETHERTYPE + payload)
            for _ in range(2):
                self._pass_fence()
        finally:
            os.sched_setaffinity(0, before)
        return {name for name, end in self._ends.items() if _came_out(end, payload)}

    def _pass_fence(self) -> None:
        near, far = self._fence
        mark = next(_numbers).to_bytes(50)
        near.send(b"\xff" * 6 + b"\x02\x00\x00\x00\x00\x02" + ETHERTYPE + mark)
        while mark not in far.recv(2048):
            pass


def _came_out(end: socket.socket, payload: bytes) -> bool:
    """Whether that was among what came out; all of it is gone after."""
    found = False
    while True:
        try:
            frame, (_, _, kind, *_) = end.recvfrom(2048)
        except BlockingIOError:
            return found
        found = found or (kind != OUTGOING and payload in frame)


class Tap:
    """Counts the sessions of changes on the way to the kernel."""

    def __init__(self, way: Way) -> None:
        self._way = way
        self.sessions = 0

    def open(self) -> Mapping[str, str]:
        return self._way.open()

    def look(self) -> Bridge:
        return self._way.look()

    def edit(self, edits: Sequence[Edit]) -> dict[Edit, str]:
        self.sessions += 1
        return self._way.edit(edits)

    def close(self) -> None:
        self._way.close()


class Tapped(LinuxBridge):
    """The driver with a tap on its way."""

    taps: ClassVar[list[Tap]] = []

    def __init__(self, name: str, settings: Mapping[str, Any], secrets: Mapping[str, str]) -> None:
        super().__init__(name, settings, secrets)
        self._way = Tap(self._way)
        self.taps.append(self._way)


class BridgeBench:
    """A bridge of its own: its own port and four more.

    All are on VLAN 1 untagged; where this kernel filters no VLANs, or is not to, they are open.
    """

    def __init__(self, sshd: Sshd | None = None, filtering: bool = True) -> None:
        self.bridge = f"nmt{next(_numbers)}"
        self.factory = PortState(1, open=not filtering)
        self.opens = True
        self.ports = [f"{self.bridge}p0", self.bridge, *(f"{self.bridge}p{number}" for number in (1, 2, 3))]
        self._settings = "vlan_protocol 802.1Q vlan_filtering 1 vlan_default_pvid 0" if filtering else ""
        self._make()
        self._wire = Wire(self.bridge, self.ports)
        self.record: Record = {"driver": "linux", "bridge": self.bridge, "timeout": 100.0}
        if sshd is not None:
            place = {"address": HOST, "port": sshd.port, "user": "root", "secrets": {"key": sshd.key}}
            self.record.update(place)
        registry = Registry()
        registry.register(Tapped)
        record = {"record_key": f"switch_{SWITCH}", **self.record}
        self.executor = make_executor(record, registry, lambda name: name)
        self.refresh()

    def _make(self) -> None:
        bridge, *veths = sorted(self.ports, key=len)
        lines = [f"link add {bridge} type bridge", f"link set {bridge} up"]
        lines += [f"link add {bridge}x type veth peer name {bridge}y"]
        lines += [f"link set {bridge}{end} up" for end in "xy"]
        for port in veths:
            lines += [f"link add {port} type veth peer name {port}f"]
            lines += [f"link set {port} master {bridge} up", f"link set {port}f up"]
        batch("ip", lines)

    def refresh(self) -> None:
        """Bring the bridge back to where it began; the executor and its connection stay."""
        if self._settings:
            lines = [f"link set {port} master {self.bridge}" for port in self.ports if port != self.bridge]
            batch("ip", [*lines, f"link set {self.bridge} type bridge {self._settings}"])
            batch("bridge", [line for port in self.ports for line in self._put(port, PortState(1))])
        deadline = time.monotonic() + 60
        while not self._all_forward():
            assert time.monotonic() < deadline
            time.sleep(0.05)

    def _all_forward(self) -> bool:
        links = json.loads(sh("bridge -json link show"))
        states = [link["state"] for link in links if link.get("master") == self.bridge]
        return states == [FORWARDING] * 4

    def close(self) -> None:
        self.executor.close()
        self._wire.close()
        batch("ip", (f"link del {name}" for name in (*self.ports, f"{self.bridge}x")))

    def look(self) -> Bridge:
        said = sh("ip -json -d link show; bridge -json vlan show")
        found = bridge_of(self.bridge, *documents(said))
        assert found is not None
        return found

    def table(self) -> dict[str, PortState]:
        bridge = self.look()
        return {port: port_state(bridge, port) for port in bridge.ports}

    def put(self, port: str, state: PortState) -> None:
        batch("bridge", self._put(port, state))

    def _put(self, port: str, state: PortState) -> list[str]:
        own = "self" if port == self.bridge else ""
        vlans = ["1-4094"] if state.open else [*map(str, state.tagged)]
        vlans += [f"{state.untagged} pvid untagged"] if state.untagged else []
        lines = [f"vlan add dev {port} vid {vlan} {own}" for vlan in vlans]
        return [f"vlan del dev {port} vid 1-4094 {own}", *lines]

    def reaches(self, port: str, *tags: int) -> set[str]:
        return self._wire.send(port, tags)

    def sessions(self) -> int:
        return sum(tap.sessions for tap in Tapped.taps)
