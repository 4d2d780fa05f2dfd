"""Racks to look at: one like a small laboratory's, and one of 2,000 ports; and the page served for them."""

import itertools
import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from nm.calls import Caller
from nm.errors import NMError
from nm.shell.failures import Failure, of_fault
from nm.shell.feed import Feed
from nm.shell.lookout import Lookout
from nm.shell.output import Output
from nm.shell.session import Choice, Session
from nm.shell.web.desk import Desk
from nm.shell.web.server import PageServer
from tests.rack import ROOT, Rack
from tests.web.described import Described

LEAVES = ("leaf1", "leaf2")
PORTS = 24
NODES = 20


class Laboratory(Rack):
    """Two switches of 24 ports; nodes with a boot NIC on the first and a data NIC on the second."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder, switches=0, nodes=0)
        self.switches = list(LEAVES)

    def register_all(self) -> None:
        """Register everything, reset all ports but one, and make groups."""
        for leaf in LEAVES:
            self._register_switch(leaf, [f"p{number}" for number in range(1, PORTS + 1)])
        ends = [{"switch": leaf, "port": "p24"} for leaf in LEAVES]
        self.call("RegisterTrunk", "spine", {"ends": ends})
        for vlan in range(101, 121):
            self.call("RegisterVlan", vlan)
        for number in range(1, NODES + 1):
            nics = [
                {"name": f"eth{place}", "mac": f"52:54:00:00:0{place}:{number:02x}", "switch": leaf,
                 "port": f"p{number}", "role": role}
                for place, (leaf, role) in enumerate(zip(LEAVES, ("boot", "data"), strict=True))
            ]  # fmt: skip
            self.call("RegisterNode", f"node{number:02}", {"nics": nics})
        self.call(
            "RegisterHost", "vmhost", {"uri": "test:///default", "network": {"kind": "ovs", "device": "br0"}}
        )
        self.call(
            "RegisterTrunk",
            "uplink",
            {"ends": [{"switch": "leaf1", "port": "p23"}, {"host": "vmhost", "device": "eth1"}]},
        )
        for head in ("head1", "head2", "head3"):
            self.call("RegisterHeadNode", head, {"host": "vmhost", "domain": head})
        for leaf in LEAVES:
            ports = [f"p{number}" for number in range(1, PORTS + 1) if (leaf, number) != ("leaf1", 20)]
            assert self.wait(self.call("ResetPorts", leaf, ports))["state"] == "done"

    def _register_switch(self, switch: str, ports: list[str]) -> None:
        self.call("RegisterSwitch", switch, self.switch_settings(switch, ports))
        for port in ports:
            self.call("RegisterPort", switch, port)

    def make_groups(self) -> None:
        """Groups in several states, drift on one port, a node out of service, a job that runs."""
        both = {"main": {"vlan": None, "nics": ["boot"], "tagged": False},
                "storage": {"vlan": None, "nics": ["data"], "tagged": False}}  # fmt: skip
        nodes = {"physics": [1, 2, 3, 4], "render-farm": [7, 8, 9], "thesis": [11, 12]}
        for (name, numbers), head in zip(nodes.items(), ("head1", "head2", None), strict=True):
            settings = {"nodes": [f"node{number:02}" for number in numbers], "headnode": head}
            self.call("CreateGroup", name, settings | ({"networks": both} if name == "physics" else {}))
            self.deploy(name)
        self.call("CreateGroup", "weather", {"nodes": ["node15", "node16", "node17"]})
        with self.edit("leaf1") as table:
            table["ports"]["p8"]["untagged"] = 119
        self.wait(self.call("StartAudit", "render-farm"))
        self.call("UpdateNode", "node19", {"available": False, "reason": "fan replaced on Monday"})

    def retire(self, node: str, reason: str) -> None:
        """Take a node out of service: that is an event, and its ports change."""
        self.call("UpdateNode", node, {"available": False, "reason": reason})

    def hold(self, seconds: float) -> None:
        """Let the first switch be slow, so that a job is seen to run."""
        self.set_faults("leaf1", delay=seconds)


class Hall(Rack):
    """2,000 ports on 42 switches in a chain, a node at each but the trunks', and 40 groups of 30 nodes."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder, switches=0, nodes=0)
        self.switches = [f"tor{number:02}" for number in range(1, 43)]

    def ports_on(self, switch: str) -> list[str]:
        """48, but 32 on the last one: 2,000 together."""
        count = 32 if switch == self.switches[-1] else 48
        return [f"p{number}" for number in range(1, count + 1)]

    def register_all(self) -> None:
        """Register everything and reset all ports."""
        for switch in self.switches:
            self.call("RegisterSwitch", switch, self.switch_settings(switch, self.ports_on(switch)))
            for port in self.ports_on(switch):
                self.call("RegisterPort", switch, port)
        taken = set()
        for one, other in itertools.pairwise(self.switches):
            ends = [(one, self.ports_on(one)[-1]), (other, self.ports_on(other)[-2])]
            taken |= set(ends)
            struct = {"ends": [{"switch": switch, "port": port} for switch, port in ends]}
            self.call("RegisterTrunk", f"{one}-{other}", struct)
        homes = [(switch, port) for switch in self.switches for port in self.ports_on(switch)]
        for number, (switch, port) in enumerate(home for home in homes if home not in taken):
            mac = f"52:54:00:00:{number // 256:02x}:{number % 256:02x}"
            nic = {"name": "eth0", "mac": mac, "switch": switch, "port": port}
            self.nodes.append(f"n{number + 1:04}")
            self.call("RegisterNode", self.nodes[-1], {"nics": [nic]})
        for vlan in range(101, 151):
            self.call("RegisterVlan", vlan)
        for job in [self.call("ResetPorts", switch) for switch in self.switches]:
            assert self.wait(job)["state"] == "done"

    def make_groups(self) -> None:
        """Groups beside each other, deployed."""
        jobs = []
        for number in range(40):
            nodes = self.nodes[number * 45 : number * 45 + 30]
            self.call("CreateGroup", f"project{number + 1:02}", {"nodes": nodes})
            jobs.append(self.call("Deploy", f"project{number + 1:02}"))
        for job in jobs:
            assert self.wait(job, 60)["state"] == "done"


class Clock:
    """Seconds that go on when the test says so."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


class Stack(Rack):
    """One switch of two modules with 48 ports each, four uplinks and a port for its management."""

    PORTS = (
        *(f"GigabitEthernet{module}/0/{number}" for module in (1, 2) for number in range(1, 49)),
        *(f"TenGigabitEthernet1/1/{number}" for number in range(1, 5)),
        "Management1",
    )

    def __init__(self, folder: Path) -> None:
        super().__init__(folder, switches=0, nodes=0)
        self.switches = ["stack"]

    def register_all(self) -> None:
        """Register the switch, and a node at each port of the first module."""
        self.call("RegisterSwitch", "stack", self.switch_settings("stack", list(self.PORTS)))
        for port in self.PORTS:
            self.call("RegisterPort", "stack", port)
        for number, port in enumerate(self.PORTS[:48], 1):
            nic = {"name": "eth0", "mac": f"52:54:00:00:00:{number:02x}", "switch": "stack", "port": port}
            self.call("RegisterNode", f"node{number:02}", {"nics": [nic]})

    def make_groups(self) -> None:
        """None."""


Made = TypeVar("Made", Laboratory, Hall, Stack, Described)


class Seat(Session):
    """A session of any caller, straight to the rack's door; it counts what is asked.

    While `open` is not set nobody is answered, as when the daemon hangs.
    """

    def __init__(self, rack: Rack, caller: Caller = ROOT) -> None:
        super().__init__(Choice("/nowhere"), Output())
        self.rack = rack
        self.caller = caller
        self.asked: list[str] = []
        self.open = threading.Event()
        self.open.set()
        self.refusal = ""

    def another(self) -> "Seat":
        return self

    def call(self, method: str, *parameters: Any) -> Any:
        self.asked.append(method)
        assert self.open.wait(60)
        if self.refusal:
            raise Failure(self.refusal)
        try:
            answer = self.rack.call(method, *parameters, caller=self.caller)
        except NMError as error:
            raise of_fault(error.code, str(error)) from None
        return answer


@dataclass
class Page:
    """A page that is served: its server, and what it looks with."""

    server: PageServer
    feed: Feed

    @property
    def url(self) -> str:
        return self.server.url

    @property
    def base(self) -> str:
        return self.url.partition("?")[0]


@contextmanager
def served(session: Session) -> Iterator[Page]:
    """The page as that session sees the rack, on a free port."""
    look = Lookout(session)
    look.refresh()
    feed = Feed(look)
    desk = Desk(session.another())
    server = PageServer(0, feed, desk)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    feed.start()
    thread.start()
    try:
        yield Page(server, feed)
    finally:
        feed.stop()
        server.shutdown()
        thread.join()
        server.server_close()
        desk.close()


@contextmanager
def hanging(pid: int) -> Iterator[None]:
    """The process hangs meanwhile."""
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)


@contextmanager
def session_of(rack: Rack) -> Iterator[Session]:
    """A real session, over the rack's socket."""
    session = Session(Choice(str(rack.folder / "api.sock")), Output())
    try:
        yield session
    finally:
        session.close()


@contextmanager
def shown(rack: Rack) -> Iterator[Page]:
    """The page of a rack, as root sees it."""
    with session_of(rack) as session, served(session) as page:
        yield page


@contextmanager
def furnished(rack: Made) -> Iterator[Made]:
    """The rack with everything in it; stopped at the end."""
    try:
        rack.register_all()
        rack.make_groups()
        yield rack
    finally:
        rack.stop()
