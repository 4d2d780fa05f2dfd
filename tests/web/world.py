"""Racks to look at: one like a small laboratory's, and one of 2,000 ports; and the page served for them."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from nm.shell.lookout import Lookout
from nm.shell.output import Output
from nm.shell.session import Choice, Session
from nm.shell.web.feed import Feed
from nm.shell.web.server import PageServer
from tests.rack import Rack

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
                {"name": "eth0", "mac": f"52:54:00:00:00:{number:02x}", "switch": "leaf1", "port": f"p{number}"},
                {"name": "eth1", "mac": f"52:54:00:00:01:{number:02x}", "switch": "leaf2", "port": f"p{number}",
                 "role": "data"},
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

    def hold(self) -> None:
        """Let the second switch be slow, so that a job is seen to run."""
        self.set_faults("leaf2", delay=5.0)


class Hall(Rack):
    """2,000 ports on 42 switches, a node at each, and 40 groups of which two are deployed."""

    ports_each = 48
    count = 2000

    def __init__(self, folder: Path) -> None:
        super().__init__(folder, switches=0, nodes=0)


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
def served(rack: Rack) -> Iterator[Page]:
    """The page of that rack, on a free port."""
    session = Session(Choice(str(rack.folder / "api.sock")), Output())
    feed = Feed(Lookout(session))
    server = PageServer(0, feed)
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
        session.close()
