"""The rack of tests/rack.py made of fake switches with a command line, over SSH."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from nm.records import natural
from nm.switch import SwitchState
from tests.rack import Rack
from tests.switches.fakes import FakeSwitch, start

PASSWORD = "letmein"


class CliRack(Rack):
    """Its switches' ports have full names: e1 of a rack is Ethernet1 here, or GigabitEthernet1/0/1.

    The ports that a rack calls p0, t0a, up ... are taken in their order on each switch.
    """

    def __init__(self, folder: Path, dialects: list[str], **settings: Any) -> None:
        self.fakes: dict[str, FakeSwitch] = {}
        super().__init__(folder, switches=len(dialects), **settings)
        (folder / "secrets").mkdir(mode=0o700)
        for switch, dialect in zip(self.switches, dialects, strict=True):
            self.fakes[switch] = start(
                dialect, ports=len(self.called(switch)), password=PASSWORD, max_sessions=1
            )
            secret = folder / "secrets" / switch
            secret.write_text(PASSWORD)
            secret.chmod(0o600)

    def close(self) -> None:
        """Stop nm and the switches."""
        self.stop()
        for fake in self.fakes.values():
            fake.stop()

    def called(self, switch: str) -> list[str]:
        """What a rack calls that switch's ports."""
        trunks = [port for link in self.links() for home, port in link if home == switch]
        return [*self.ports_of(switch), *trunks, *(["up"] if switch == "sw0" else [])]

    def port(self, switch: str, called: str) -> str:
        """The switch's own name of that port."""
        names = sorted(self.fakes[switch].running.ports, key=natural)
        return names[self.called(switch).index(called)]

    def where(self, node: str) -> tuple[str, str]:
        """Switch and port of a node, by the switch's own name."""
        switch, port = self.home(node)
        return switch, self.port(switch, port)

    def switch_settings(self, switch: str, ports: list[str]) -> dict[str, Any]:
        fake = self.fakes[switch]
        return {
            "driver": "cli",
            "dialect": fake.cli.dialect,
            "address": "127.0.0.1",
            "port": fake.port,
            "user": fake.user,
            "timeout": 5.0,
            "secrets": {"password": switch},
        }

    def states(self) -> dict[str, SwitchState]:
        return {switch: fake.state() for switch, fake in self.fakes.items()}

    def carries(self, node: str) -> Any:
        """What the port of a node carries now."""
        switch, port = self.where(node)
        return self.fakes[switch].ports()[port].state

    def remembers(self, node: str) -> Any:
        """And what it would carry after a power cut."""
        switch, port = self.where(node)
        return self.fakes[switch].startup_ports()[port].state

    def register(self, vlans: range = range(101, 121), management: bool = False) -> None:
        """Register what hangs on the switches, which are there with their ports already."""
        for number, ((one, a), (other, b)) in enumerate(self.links()):
            ends = [
                {"switch": one, "port": self.port(one, a)},
                {"switch": other, "port": self.port(other, b)},
            ]
            self.call("RegisterTrunk", f"t{number}", {"ends": ends})
        for vlan in vlans:
            self.call("RegisterVlan", vlan)
        for node in self.nodes:
            nics = [{**nic, "port": self.port(nic["switch"], nic["port"])} for nic in self._nics(node)]
            self.call("RegisterNode", node, {"nics": nics})


@contextmanager
def cli_rack(folder: Path, dialects: list[str], **settings: Any) -> Iterator[CliRack]:
    """A rack in which nothing is registered yet; it is stopped at the end."""
    made = CliRack(folder, dialects, **settings)
    try:
        yield made
    finally:
        made.close()
