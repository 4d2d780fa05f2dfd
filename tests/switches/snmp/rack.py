"""A real snmpd on the loopback with the switch of agent.py behind it, and a bench over either of its models.

`with SnmpRack() as rack:` starts snmpd on a port of its own with files of its own; it ends by pid.
"""

import json
import select
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from nm.records import Record
from nm.switch import PortState
from nm.switches import builtin
from nm.switches.executor import Executor, make_executor
from nm.switches.snmp.client import Client, Community
from tests.switches.snmp import agent
from tests.switches.snmp.agent import bits

COMMUNITY, AUTH, PRIVACY = "c0mmunity-Zq7", "auth-phrase-Xw3", "privacy-phrase-Kp9"
SECRETS = {"community": COMMUNITY, "auth": AUTH, "privacy": PRIVACY, "wrong": "wrong-phrase-Jh5"}
BUILT_IN = "-smux,ifTable,ifXTable,interface,system_mib"  # what agent.py tells instead
REPORTED = (1, 3, 6, 1, 2, 1, 11)  # snmpd's own counters of what came in
SETS = (*REPORTED, 17, 0)
PACKETS = (*REPORTED, 1, 0)
CONF = f"""
agentaddress udp:127.0.0.1:PORT
rwcommunity {COMMUNITY} 127.0.0.1
rocommunity read-only 127.0.0.1
createUser nm SHA {AUTH} AES {PRIVACY}
createUser strong SHA-256 {AUTH} AES {PRIVACY}
createUser old MD5 {AUTH} AES {PRIVACY}
rwuser nm priv
rwuser strong priv
rwuser old priv
[snmp] persistentDir FOLDER/state
pass_persist .1.3.6.1 PYTHON -IS AGENT FOLDER/control
"""


def missing() -> str:
    """Why no such rack can be had here; empty when it can."""
    return "" if snmpd() else "snmpd is not installed"


def snmpd() -> str | None:
    return shutil.which("snmpd", path="/usr/sbin:/usr/local/sbin:/usr/bin")


def executor_of(record: Record) -> Executor:
    """An executor by way of a switch's record, as the daemon makes it."""
    return make_executor({"record_key": "switch_sw0", **record}, builtin(), lambda name: name)


class SnmpRack:
    """snmpd with agent.py."""

    def __init__(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="snmp-"))
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as free:
            free.bind(("127.0.0.1", 0))
            self.port: int = free.getsockname()[1]

    def __enter__(self) -> Self:
        (self.folder / "state").mkdir(mode=0o700)
        words = {"PORT": self.port, "FOLDER": self.folder, "PYTHON": sys.executable, "AGENT": agent.__file__}
        text = CONF
        for word, value in words.items():
            text = text.replace(word, str(value))
        (self.folder / "snmpd.conf").write_text(text)
        options = ["-f", "-Lf", f"{self.folder}/log", "-C", "-c", f"{self.folder}/snmpd.conf", "-I", BUILT_IN]
        self._snmpd = subprocess.Popen([snmpd() or "snmpd", *options], stdin=subprocess.DEVNULL)
        try:
            self._client = self.client()
            self.settled()  # snmpd starts agent.py with the first question
            self._control = socket.socket(socket.AF_UNIX)
            self._control.connect(f"{self.folder}/control")
            self._answers = self._control.makefile()
        except BaseException:
            self._stop()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._answers.close()
        self._control.close()
        self._stop()

    def _stop(self) -> None:
        self._client.close()
        self._snmpd.terminate()
        self._snmpd.wait()
        shutil.rmtree(self.folder)

    def client(self) -> Client:
        """A client of its own."""
        return Client("the rack", ("127.0.0.1", self.port), Community(COMMUNITY), 30)

    def settled(self) -> None:
        """Wait until all that was sent before has been answered; snmpd takes one after another."""
        self._client.get([(1, 3, 6, 1, 2, 1, 1, 1, 0)])

    def count(self, counter: tuple[int, ...]) -> int:
        """What snmpd has counted."""
        return int(self._client.get([counter])[counter])  # type: ignore[arg-type]

    def ask(self, do: str, **words: Any) -> Any:
        """Ask agent.py, past snmpd."""
        self._control.sendall(json.dumps({"do": do, **words}).encode() + b"\n")
        return json.loads(self._answers.readline())


class Wire:
    """Lies between a client (at `port`) and snmpd: doubles each request, or loses answers."""

    def __init__(self, port: int, copies: int = 1) -> None:
        self.lose = 0  # so many of the next answers
        self._copies = copies
        self._ends = [socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(2)]
        self._ends[0].bind(("127.0.0.1", 0))
        self._ends[1].connect(("127.0.0.1", port))
        self.port: int = self._ends[0].getsockname()[1]
        self._stop, self._stopped = socket.socketpair()
        self._thread = threading.Thread(target=self._carry)
        self._thread.start()

    def _carry(self) -> None:
        client: Any = None
        near, far = self._ends
        while True:
            ready = select.select([near, far, self._stopped], [], [])[0]
            if self._stopped in ready:
                return
            if near in ready:
                request, client = near.recvfrom(65536)
                for _ in range(self._copies):
                    far.send(request)
            if far in ready:
                answer = far.recv(65536)
                if self.lose:
                    self.lose -= 1
                else:
                    near.sendto(answer, client)

    def close(self) -> None:
        self._stop.close()
        self._thread.join()
        for end in (*self._ends, self._stopped):
            end.close()


class SnmpBench:
    """A factory-new switch of one model."""

    def __init__(
        self,
        rack: SnmpRack,
        model: str,
        ports: int = 5,
        named: bool = True,
        isolated: bool = False,
        **settings: Any,
    ) -> None:
        self.rack = rack
        self.model = model
        self.factory = PortState(1, open=True)
        self.opens = True
        self.ports = [f"Gi1/0/{number}" for number in range(1, ports + 1)]
        rack.ask("new", model=model, ports=self.ports, named=named, isolated=isolated)
        self.record: Record = {
            "driver": "snmp",
            "address": "127.0.0.1",
            "port": rack.port,
            "mib": model,
            "timeout": 30.0,
            "secrets": {"community": COMMUNITY},  # of these benches a secret's name is the secret
            **({"save": f"{agent.SAVE}=1"} if model == "qbridge" else {}),
            **settings,
        }
        self.executor = executor_of(self.record)

    def close(self) -> None:
        self.rack.ask("faults", **agent.NO_FAULTS)
        self.executor.close()
        self.rack.settled()

    def faults(self, **faults: Any) -> None:
        self.rack.ask("faults", **faults)

    def cells(self) -> dict[str, Any]:
        found: dict[str, Any] = self.rack.ask("cells")["cells"]
        return found

    def startup(self) -> dict[str, Any]:
        found: dict[str, Any] = self.rack.ask("cells")["startup"]
        return found

    def journal(self) -> list[str]:
        """What the agent was told to set, as OID=VALUE."""
        found: list[str] = self.rack.ask("cells")["journal"]
        return found

    def sessions(self) -> int:
        return int(self.rack.ask("cells")["sessions"])

    def place(self, port: str) -> int:
        return self.ports.index(port) + 1

    def index(self, port: str) -> int:
        return 10100 + self.place(port)

    # --- what it carries, by its own cells ---

    def table(self) -> dict[str, PortState]:
        cells = self.cells()
        carried = self._carried(cells)
        return {port: carried[port] if self._is_up(cells, port) else PortState() for port in self.ports}

    def _is_up(self, cells: Mapping[str, Any], port: str) -> bool:
        return bool(cells[f"{agent.ADMIN}.{self.index(port)}"] == 1)

    def _carried(self, cells: Mapping[str, Any]) -> dict[str, PortState]:
        carried = {}
        for port in self.ports:
            bare, tagged, entered, open_ = self._memberships(cells, port)
            odd = open_ or bare - {entered} or (entered in tagged)
            carried[port] = PortState(
                entered if entered in bare else None, tuple(sorted(tagged)), open=bool(odd)
            )
        return carried

    def _memberships(
        self, cells: Mapping[str, Any], port: str
    ) -> tuple[set[int], set[int], int | None, bool]:
        """VLANs that leave bare and tagged, the one of what comes bare, and whether others come in too."""
        if self.model == "qbridge":
            place = self.place(port)
            vlans = vlans_of(cells)
            out = {vlan for vlan in vlans if place in bits(cells[f"{agent.EGRESS}.{vlan}"])}
            bare = {vlan for vlan in out if place in bits(cells[f"{agent.UNTAGGED}.{vlan}"])}
            entered = cells[f"{agent.PVID}.{place}"] if cells[f"{agent.FRAMES}.{place}"] == 1 else None
            return bare, out - bare, entered, cells[f"{agent.FILTER}.{place}"] != 1
        index = self.index(port)
        mode, access = cells[f"{agent.MODE}.{index}"], cells[f"{agent.ACCESS}.{index}"]
        allowed = allowed_of(cells, index)
        if mode not in (1, 5):
            return {access}, set(), access, mode != 2
        native = cells[f"{agent.NATIVE}.{index}"]
        if len(allowed) > 4000:
            return allowed & {native}, set(), native, True
        entered = native if native in allowed else None
        return allowed & {native}, allowed - {native}, entered, False

    def put(self, port: str, state: PortState) -> None:
        cells = self.cells()
        vlans = {*state.tagged, *({state.untagged} if state.untagged else ())}
        new: dict[str, Any] = {f"{agent.ADMIN}.{self.index(port)}": 1}
        new |= (
            self._put_qbridge(cells, port, state, vlans)
            if self.model == "qbridge"
            else self._put_cisco(port, state)
        )
        if self.model == "cisco":
            new |= {f"{agent.VLAN_STATE}.1.{vlan}": 1 for vlan in vlans}
        self.rack.ask("put", cells=new)

    def _put_qbridge(
        self, cells: Mapping[str, Any], port: str, state: PortState, vlans: set[int]
    ) -> dict[str, Any]:
        place = self.place(port)
        new: dict[str, Any] = {}
        for vlan in vlans | vlans_of(cells):
            out = bits(cells.get(f"{agent.EGRESS}.{vlan}", "")) - {place}
            bare = bits(cells.get(f"{agent.UNTAGGED}.{vlan}", "")) - {place}
            new[f"{agent.EGRESS}.{vlan}"] = text_of(out | ({place} if vlan in vlans else set()))
            new[f"{agent.UNTAGGED}.{vlan}"] = text_of(bare | ({place} if vlan == state.untagged else set()))
            new[f"{agent.ROW}.{vlan}"] = 1
            new[f"{agent.NAME}.{vlan}"] = ""
        new[f"{agent.PVID}.{place}"] = state.untagged or 1
        new[f"{agent.FRAMES}.{place}"] = 1
        new[f"{agent.FILTER}.{place}"] = 2 if state.open else 1
        return new

    def _put_cisco(self, port: str, state: PortState) -> dict[str, Any]:
        index = self.index(port)
        allowed = {*state.tagged, state.untagged} if not state.open else range(1, 4095)
        new: dict[str, Any] = {
            f"{cell}.{index}": text_of(
                {vlan + 1 - 1024 * part for vlan in allowed if vlan and vlan // 1024 == part}, 128
            )
            for part, cell in enumerate(agent.ALLOWED)
        }
        trunk = bool(state.tagged or state.open)
        new |= {f"{agent.MODE}.{index}": 1 if trunk else 2, f"{agent.ENCAPSULATION}.{index}": 4}
        return new | {
            f"{agent.NATIVE}.{index}": state.untagged or 1,
            f"{agent.ACCESS}.{index}": state.untagged or 1,
        }

    # --- where its frames go ---

    def reaches(self, port: str, *tags: int) -> set[str]:
        """As a bridge forwards: the VLAN the frame comes in by, and the ports that are up and in it."""
        cells = self.cells()
        if not self._is_up(cells, port):
            return set()
        tagged = bool(tags) and tags[0] != 0
        bare, named, entered, open_ = self._memberships(cells, port)
        vlan = tags[0] if tagged else entered
        if vlan is None or vlan not in vlans_of(cells) or not (open_ or vlan in bare | named):
            return set()
        if tagged and self.model == "cisco" and not named and not open_:
            return set()  # an access port
        return {
            other
            for other in self.ports
            if other != port and self._is_up(cells, other) and self._sends(cells, other, vlan)
        }

    def _sends(self, cells: Mapping[str, Any], port: str, vlan: int) -> bool:
        bare, tagged, _, open_ = self._memberships(cells, port)
        return vlan in bare | tagged or (open_ and self.model == "cisco")


def vlans_of(cells: Mapping[str, Any]) -> set[int]:
    """The VLANs there are."""
    tables = (f"{agent.ROW}.", f"{agent.VLAN_STATE}.1.")
    return {int(oid.rpartition(".")[2]) for oid in cells if oid.startswith(tables)}


def allowed_of(cells: Mapping[str, Any], index: int) -> set[int]:
    """The VLANs that a trunk of Cisco's allows, but the reserved ones."""
    found = {
        number - 1 + 1024 * part
        for part, cell in enumerate(agent.ALLOWED)
        for number in bits(cells[f"{cell}.{index}"])
    }
    return found - {0, 1002, 1003, 1004, 1005, 4095}


def text_of(numbers: set[int], length: int = 8) -> str:
    """The bitmap of those ports."""
    octets = bytearray(length)
    for number in numbers:
        octets[(number - 1) // 8] |= 0x80 >> (number - 1) % 8
    return octets.hex()
