"""A rack of simulated switches with a whole nm around it, in this process: for tests of the middle.

Everything is the real thing but the switches, which execute what they are told in files that are read
back. Calls go through the real door's dispatcher, so that the arguments are checked as for a client.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from nm import api, briefs, config, service
from nm.calls import Caller
from nm.configdescriptions import Descriptions
from nm.configgeni import Federation, Geni
from nm.configoutside import Bowl, Mail
from nm.sliverservice import OpenGuests
from nm.switch import SwitchState
from nm.switches.ovs import OpenVSwitch
from nm.switches.simulated import NO_FAULTS, edit_table, read_table, state_of
from nm.workers import Crew
from tests.switches.ovs_rack import OvsRack
from tests.waiting import until

ROOT = Caller(uid=0, name="root", admin=True)


class Rack:
    """Switches sw0, sw1 ... joined in a chain, nodes n0, n1 ... spread over them."""

    def __init__(
        self,
        folder: Path,
        switches: int = 2,
        nodes: int = 8,
        accounts: config.Accounts | None = None,
        hooks: config.Hooks | None = None,
        headnodes: config.HeadNodes | None = None,
        slivers: config.Slivers | None = None,
        open_guests: OpenGuests | None = None,
        plc: config.Plc | None = None,
        tickets: config.Tickets | None = None,
        federation: Federation | None = None,
        geni: Geni | None = None,
        power: config.Power | None = None,
        bowl: Bowl | None = None,
        mail: Mail | None = None,
        descriptions: Descriptions | None = None,
        **jobs: float,
    ) -> None:
        self.folder = folder
        self.tables: dict[str, Path] = {}  # of switches whose place another one took
        self.switches = [f"sw{number}" for number in range(switches)]
        self.nodes = [f"n{number}" for number in range(nodes)]
        patience = {"retry_first_seconds": 0.02, "retry_longest_seconds": 0.2, **jobs}
        self.config = config.Config(
            daemon=config.Daemon(database=str(folder / "db"), log=""),
            api=config.Api(socket=str(folder / "api.sock"), tcp=False),
            jobs=config.Jobs(**patience),
            audits=config.Audits(every_seconds=0),
            export=config.Export(folder=str(folder / "export")),
            secrets=config.Secrets(folder=str(folder / "secrets")),
            accounts=accounts or config.Accounts(),
            hooks=hooks or config.Hooks(),
            headnodes=headnodes or config.HeadNodes(),
            slivers=slivers or config.Slivers(),
            plc=plc or config.Plc(node_id_file=str(folder / "node_id")),
            tickets=tickets or config.Tickets(keys=str(folder / "ticket-keys")),
            federation=federation or Federation(),
            geni=geni or Geni(),
            power=power or config.Power(),
            bowl=bowl or Bowl(),
            mail=mail or Mail(),
            descriptions=descriptions or Descriptions(),
        )
        self.startup = False  # whether it is started as by nmd --startup
        self._open_guests = open_guests or briefs.open_guests
        self.service: service.Service | None = None
        self.start()

    # ---- life

    def start(self) -> None:
        """Start nm on what is there."""
        self.service = service.Service(self.config, start_heads=self.startup, open_guests=self._open_guests)
        self.service.start()

    def stop(self, seconds: float = 10.0) -> None:
        """Stop nm; the switches stay as they are."""
        if self.service is not None:
            self.service.stop(seconds)
            self.service = None

    def crew(self) -> Crew:
        """The workers there are now."""
        assert self.service is not None
        return self.service.crew

    def open_geni(self, house: Path, **rules: Any) -> int:
        """Open GENI's door, with the files of that clearing house, at any port; which it is."""
        files: dict[str, Any] = {"certificate": "server.pem", "server_key": "server.key"}
        files |= {name: name for name in ("roots", "revoked")}
        paths: dict[str, Any] = {key: str(house / name) for key, name in files.items()}
        geni = Geni(addresses=("127.0.0.1",), port=0, url="https://localhost:8001", **paths)
        self.stop()
        self.config = replace(self.config, geni=geni, federation=Federation(**rules))
        self.start()
        assert self.service is not None and self.service._outside._geni is not None
        port: int = self.service._outside._geni._server._listeners[0].getsockname()[1]
        return port

    # ---- calls

    def call(self, method: str, *arguments: Any, caller: Caller = ROOT) -> Any:
        """Call a method as that caller."""
        assert self.service is not None
        door: api.Api = self.service._api
        return door.call(caller, method, list(arguments))

    def wait(self, job: int, seconds: float = 60.0) -> dict[str, Any]:
        """Wait until the job is over."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            found: dict[str, Any] = self.call("WaitJob", job, 2)
            if found["state"] in ("done", "failed", "superseded"):
                return found
        raise AssertionError(f"job {job} is not over: {found}")

    def deploy(self, group: str, state: str = "done") -> dict[str, Any]:
        """Deploy and wait; the job must end in that state."""
        job = self.wait(self.call("Deploy", group))
        assert job["state"] == state, job
        return job

    def until(self, true: Callable[[], bool], seconds: float = 60.0) -> None:
        """Wait until something is so; fails when it does not become so."""
        until(true, seconds)

    # ---- the rack

    def table(self, switch: str) -> Path:
        """The file that a simulated switch keeps its tables in."""
        return self.tables.get(switch, self.folder / f"{switch}.json")

    def ports(self, switch: str) -> dict[str, Any]:
        """The switch's ports as its own table has them."""
        return dict(read_table(self.table(switch))["ports"])

    def vlans(self, switch: str) -> set[int]:
        """The VLANs on the switch as its own table has them."""
        return set(read_table(self.table(switch))["vlans"])

    def edit(self, switch: str) -> Any:
        """Change the switch's table behind nm's back."""
        return edit_table(self.table(switch))

    def home(self, node: str) -> tuple[str, str]:
        """Switch and port of a node."""
        number = int(node[1:])
        return self.switches[number % len(self.switches)], f"p{number}"

    def switch_settings(self, switch: str, ports: list[str]) -> dict[str, Any]:
        """What RegisterSwitch is told."""
        return {"driver": "simulated", "file": str(self.table(switch)), "ports": ports}

    def states(self) -> dict[str, SwitchState]:
        """What every switch carries now, by its own word."""
        return {switch: state_of(read_table(self.table(switch))) for switch in self.switches}

    def set_faults(self, switch: str, **faults: Any) -> None:
        """Let the switch have just these faults."""
        with self.edit(switch) as table:
            table["faults"] = {**NO_FAULTS, **faults}

    def links(self) -> list[tuple[tuple[str, str], tuple[str, str]]]:
        """The cables between the switches."""
        pairs = zip(self.switches, self.switches[1:], strict=False)
        return [((one, f"t{number}a"), (other, f"t{number}b")) for number, (one, other) in enumerate(pairs)]

    def ports_of(self, switch: str) -> list[str]:
        """The ports of nodes on that switch: pN of n0, n1 ..., and dN for the data NICs of the last two."""
        homes = {port: home for home, port in map(self.home, self.nodes)}
        boot = [port for port, home in homes.items() if home == switch]
        return boot + [f"d{port[1:]}" for port in boot if self._has_data_nic(f"n{port[1:]}")]

    def _has_data_nic(self, node: str) -> bool:
        return node in self.nodes[-2:] and len(self.nodes) > 4

    def _nics(self, node: str) -> list[dict[str, Any]]:
        number = int(node[1:])
        switch, port = self.home(node)
        mac = f"{number // 256:02x}:{number % 256:02x}"
        boot = {"name": "eth0", "mac": f"52:54:00:00:{mac}", "switch": switch, "port": port}
        data = {"name": "eth1", "mac": f"52:54:00:01:{mac}", "switch": switch, "port": f"d{number}"}
        return [boot, {**data, "role": "data"}] if self._has_data_nic(node) else [boot]

    def register(self, vlans: range = range(101, 121), management: bool = False) -> None:
        """Register everything and reset all ports."""
        for switch in self.switches:
            trunks = [port for link in self.links() for home, port in link if home == switch]
            ports = [*self.ports_of(switch), *trunks, *(["up"] if switch == "sw0" else [])]
            self.call("RegisterSwitch", switch, self.switch_settings(switch, ports))
            for port in ports:
                self.call("RegisterPort", switch, port)
        for number, link in enumerate(self.links()):
            ends = [{"switch": switch, "port": port} for switch, port in link]
            self.call("RegisterTrunk", f"t{number}", {"ends": ends})
        for vlan in vlans:
            self.call("RegisterVlan", vlan)
        for number, node in enumerate(self.nodes):
            power = {"driver": "simulated", "file": str(self.folder / f"{node}.power")}
            more = {"management": {**power, "address": f"10.0.0.{number}"}} if management else {}
            self.call("RegisterNode", node, {"nics": self._nics(node), **more})
        self._register_host()
        for switch in self.switches:
            job = self.wait(self.call("ResetPorts", switch))
            assert job["state"] == "done", job

    def _register_host(self) -> None:
        """A host that is libvirt's own stand-in, with head nodes h1 and h2."""
        self.call(
            "RegisterHost", "vm", {"uri": "test:///default", "network": {"kind": "ovs", "device": "br0"}}
        )
        ends = [{"switch": "sw0", "port": "up"}, {"host": "vm", "device": "eth1"}]
        self.call("RegisterTrunk", "up", {"ends": ends})
        for head in ("h1", "h2"):
            self.call("RegisterHeadNode", head, {"host": "vm", "domain": head})


class OpenRack(Rack):
    """The same rack made of Open vSwitch. Its only fault is `down`: the way to its database is cut."""

    def __init__(self, folder: Path, ovs: OvsRack, **settings: Any) -> None:
        self._ovs = ovs
        super().__init__(folder, **settings)
        for switch in self.switches:
            ovs.add_bridge(switch, [*self.ports_of(switch), *(["up"] if switch == "sw0" else [])])
            self.set_faults(switch)
        for one, other in self.links():
            ovs.link(one, other)

    def _door(self, switch: str) -> Path:
        return self._ovs.folder / f"{switch}.sock"

    def switch_settings(self, switch: str, ports: list[str]) -> dict[str, Any]:
        return {"driver": "ovs", "address": f"unix:{self._door(switch)}", "bridge": switch}

    def states(self) -> dict[str, SwitchState]:
        found = {}
        for switch in self.switches:
            driver = OpenVSwitch(switch, {"address": self._ovs.address, "bridge": switch}, {})
            state = driver.read()
            driver.close()
            # The bridge's own port leads to the machine itself, where nobody listens.
            ports = {port: found for port, found in state.ports.items() if port != switch}
            found[switch] = SwitchState(state.vlans, ports, state.model)
        return found

    def set_faults(self, switch: str, **faults: Any) -> None:
        self._door(switch).unlink(missing_ok=True)
        if not faults.get("down"):
            self._door(switch).symlink_to(self._ovs.address.removeprefix("unix:"))


@contextmanager
def rack(folder: Path, **settings: Any) -> Iterator[Rack]:
    """A registered rack that is stopped at the end."""
    management = settings.pop("management", False)
    vlans = settings.pop("vlans", range(101, 121))
    made = Rack(folder, **settings)
    try:
        made.register(vlans, management)
        yield made
    finally:
        made.stop()
