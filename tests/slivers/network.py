"""Slivers on a bridge, and a world behind it: namespaces and veth pairs, and what is sent between them.

On its own: how fast one place sends to another (`sent_rate`), for whoever has two places.
"""

import os
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

from pyroute2 import IPRoute

from nm import shaping
from nm.briefs import bridge_of
from nm.config import Slivers
from nm.leases import Clocks
from nm.records import Record
from nm.shaping import Look, Shaping
from tests.memory_store import MemoryStore
from tests.slivers.making import NOW, record
from tests.switches.bridges import enter, own_network, sh

WORLD, EXEMPT = "10.88.0.2", "10.9.0.1"
EXEMPT6 = "2001:db8::1"
NETWORKS = ["10.9.0.0/16", "2001:db8::/32"]
EVERYWHERE = {"uplink": "up0", "routed": "nm-slivers"}  # way -> where its tree hangs
_PACKET = 3  # ETH_P_ALL


def mac(number: int) -> str:
    return f"52:54:00:00:{number >> 8:02x}:{number & 255:02x}"


class Place:
    """A network namespace beside this thread's own."""

    def __init__(self) -> None:
        with own_network():
            self._fd = os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)

    @property
    def path(self) -> str:
        """As `ip link set netns` takes it."""
        return f"/proc/{os.getpid()}/fd/{self._fd}"

    @contextmanager
    def inside(self) -> Iterator[None]:
        before = os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
        enter(self._fd)
        try:
            yield
        finally:
            enter(before)
            os.close(before)

    def sh(self, script: str) -> str:
        with self.inside():
            return sh(script)

    def socket(
        self, family: int = socket.AF_INET, kind: int = socket.SOCK_DGRAM, protocol: int = 0
    ) -> socket.socket:
        with self.inside():
            return socket.socket(family, kind, protocol)

    def close(self) -> None:
        os.close(self._fd)


class Net:
    """A bridge br0 in this thread's network. It leads out by its port up0, or it routes."""

    def __init__(self, routed: bool) -> None:
        self.world = Place()
        self.guests: dict[int, Place] = {}
        sh("ip link add br0 type bridge mcast_snooping 0; ip link set br0 up")
        sh("ip link add up0 type veth peer name w0")
        sh(f"ip link set w0 netns {self.world.path}")
        sh("sysctl -qw net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1")
        self.world.sh(
            f"ip link set w0 up; ip address add {EXEMPT}/32 dev lo; ip address add {EXEMPT6}/128 dev lo nodad"
        )
        if routed:
            self._route()
        else:
            sh("ip link set up0 master br0 up; ip address add 10.77.0.2/16 dev br0")
            self.world.sh(f"ip address add {WORLD}/32 dev lo; ip address add 10.77.0.1/16 dev w0")
            self.world.sh("ip address add fc00:77::1/64 dev w0 nodad")

    def _route(self) -> None:
        sh("ip link set up0 up; ip address add 10.77.0.1/16 dev br0; ip address add 10.88.0.1/24 dev up0")
        sh("ip address add fc00:77::1/64 dev br0 nodad; ip address add fc00:88::1/64 dev up0 nodad")
        self.world.sh(f"ip address add {WORLD}/24 dev w0; ip route add default via 10.88.0.1")
        self.world.sh("ip address add fc00:88::2/64 dev w0 nodad; ip route add default via fc00:88::1")
        sh(f"ip route add 10.9.0.0/16 via {WORLD}; ip route add 2001:db8::/32 via fc00:88::2")

    def plug(self, number: int) -> Place:
        """A sliver's NIC, as libvirt makes it when it starts."""
        guest = self.guests[number] = Place()
        sh(f"ip link add nms{number} type veth peer name g{number}; ip link set nms{number} master br0 up")
        sh(f"ip link set g{number} netns {guest.path} name eth0 address {mac(number)}")
        guest.sh(
            f"ip link set eth0 up; ip address add 10.77.0.{10 + number}/16 dev eth0; "
            f"ip address add fc00:77::{10 + number}/64 dev eth0 nodad; "
            "ip route add default via 10.77.0.1; ip route add default via fc00:77::1"
        )
        return guest

    def unplug(self, number: int) -> None:
        sh(f"ip link delete nms{number}")
        self.guests.pop(number).close()

    def close(self) -> None:
        for place in (self.world, *self.guests.values()):
            place.close()


@contextmanager
def network(routed: bool) -> Iterator[Net]:
    with own_network():
        made = Net(routed)
        try:
            yield made
        finally:
            made.close()


class Node:
    """A node manager's worker of rates, over records in memory and a clock that stands still."""

    def __init__(self, way: str, store: MemoryStore | None = None) -> None:
        self.store = store or MemoryStore()
        self.settings = Slivers(network="bridge:br0", uplink="up0" if way == "uplink" else "")
        self.device = EVERYWHERE[way]
        self.now = NOW
        self.events: list[str] = []
        self.store.subscribe(lambda published: self.events.extend(event.what for event in published.events))
        self.uri = "test:///default"  # the libvirt that networks are of
        self.restart()

    def restart(self) -> None:
        """A worker that knows what the records and the kernel know."""
        clocks = Clocks(lambda: self.now, lambda: self.now, "boot")
        self.worker = Shaping(
            self.store,
            lambda: self.settings,
            lambda one: mac(one["_index"]),
            clocks,
            lambda place: bridge_of(self.uri, place),
        )

    def look(self, *names: str) -> None:
        self.worker.handle([Look(frozenset(names)) if names else Look()])

    def put(self, written: Record) -> None:
        self.store.transact(lambda tx: tx.put(written))

    def run(self, number: int, **rspec: Any) -> None:
        """The sliver `s<number>` runs, with that rspec."""
        made = record(f"s{number}", **rspec)
        self.put({**made, "_index": number, "_state": "running", "_rspec": made["rspec"]})

    def stop(self, number: int) -> None:
        self.put({**self.record(f"sliver_s{number}"), "_state": "stopped"})

    def record(self, key: str) -> Record:
        found = self.store.get(key)
        assert found is not None
        return found

    def use(self, **changed: Any) -> None:
        self.settings = replace(self.settings, **changed)

    @property
    def enforced(self) -> list[str]:
        return list(self.record(shaping.ENFORCERS)["network"])

    @property
    def faults(self) -> str:
        return "; ".join(self.record(shaping.ENFORCERS)["network_faults"])

    def classes(self) -> dict[str, dict[str, Any]]:
        """The classes as pyroute2 reads them, by handle: rate, ceil, parent, bytes."""
        with IPRoute() as kernel:
            device = kernel.link("get", ifname=self.device)[0]["index"]
            return {_handle(one["handle"]): _class(one) for one in kernel.get_classes(device)}

    def bytes_of(self, handle: str) -> int:
        return int(self.classes()[handle]["bytes"])


def _handle(number: int) -> str:
    return f"{number >> 16:x}:{number & 0xFFFF:x}"


def _class(message: Any) -> dict[str, Any]:
    parms = message.get_attr("TCA_OPTIONS").get_attr("TCA_HTB_PARMS")
    return {
        "parent": _handle(message["parent"]),
        "rate": parms["rate"],
        "ceil": parms["ceil"],
        "bytes": message.get_attr("TCA_STATS2").get_attr("TCA_STATS_BASIC")["bytes"],
    }


def send(place: Place, to: str, count: int = 20, size: int = 1000) -> None:
    """So many datagrams of that size."""
    family = socket.AF_INET6 if ":" in to else socket.AF_INET
    with place.socket(family) as out:
        for _ in range(count):
            out.sendto(bytes(size), (to, 9))


class Ear:
    """What arrives at an interface of a place."""

    def __init__(self, place: Place, interface: str) -> None:
        self._socket = place.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(_PACKET))
        self._socket.bind((interface, _PACKET))
        self._socket.settimeout(30)

    def hears_before(self, wanted: bytes, last: bytes) -> bool:
        """Whether a frame with `wanted` comes before the one with `last`, which comes."""
        while True:
            frame = self._socket.recv(2048)
            if wanted in frame:
                return True
            if last in frame:
                return False

    def close(self) -> None:
        self._socket.close()


def shout(place: Place, sender: str, words: bytes) -> None:
    """A broadcast with that MAC as its sender's."""
    with place.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(_PACKET)) as out:
        out.bind(("eth0", _PACKET))
        out.send(b"\xff" * 6 + bytes.fromhex(sender.replace(":", "")) + b"\x88\xb5" + words.ljust(1400))


def sent_rate(sender: Place, receiver: Place, address: str, seconds: float, port: int = 5001) -> float:
    """How fast the one sends to the other by TCP, in bit/s of payload, without its first second."""
    with receiver.socket(kind=socket.SOCK_STREAM) as door:
        door.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        door.bind((address, port))
        door.listen()
        door.settimeout(30)
        writer = threading.Thread(target=_write, args=(sender, address, port, seconds + 3), daemon=True)
        writer.start()
        incoming, _ = door.accept()
        with incoming:
            incoming.settimeout(30)
            rate = _read(incoming, seconds)
        writer.join()
        return rate


def _write(sender: Place, address: str, port: int, seconds: float) -> None:
    with sender.socket(kind=socket.SOCK_STREAM) as out:
        out.settimeout(30)
        out.connect((address, port))
        end = time.monotonic() + seconds
        try:
            while time.monotonic() < end:
                out.send(bytes(16_384))
        except OSError:
            return  # the reader has enough


def _read(incoming: socket.socket, seconds: float) -> float:
    begin = time.monotonic() + 1
    while time.monotonic() < begin:
        incoming.recv(65_536)
    total, started = 0, time.monotonic()
    while time.monotonic() < started + seconds:
        total += len(incoming.recv(65_536))
    return total * 8 / (time.monotonic() - started)
