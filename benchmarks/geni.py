"""The door of GENI's Aggregate Manager API: a whole nmd, asked over TLS with certificate and credential.

Beside it one run of xmlsec1 a call, which is what the reference does to look at a credential; that is all the
other side is charged with: neither TLS, nor certificates, nor the advertisement. Then an advertisement of a
thousand nodes, all new; and what the refusal costs of each forgery that the tests know. Counted is the time
of a processor that the daemon and the program need, so that what else the machine does counts for nothing.
"""

import http.client
import resource
import ssl
import statistics
import subprocess
import tempfile
import xmlrpc.client
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from benchmarks import credentials
from benchmarks.nmd import Nmd, free_port, place
from benchmarks.promises import Row, show
from nm.clearing.house import House
from nm.clearing.identity import DAY, Life
from nm.clearing.wallet import Wallet
from nm.database import Database
from tests import idle
from tests.geni import reference

AUTHORITY, PERSON = "bench.example", "alice"
FEW, MANY = 20, 1000  # nodes
TURNS, OURS, THEIRS = 10, 100, 5  # in turns, so that what else the machine does hits all alike
RATIO = 20  # times as many a second
ADVERTISED = 150  # ms for many nodes
LONGEST = 100  # ms of the processor's that a refusal may take
OPTIONS = {"geni_rspec_version": {"type": "GENI", "version": "3"}}


class Client:
    """One connection of the person's, which stays."""

    def __init__(self, port: int, wallet: Wallet) -> None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.load_verify_locations(wallet.roots)
        context.load_cert_chain(wallet.identity)
        self._link = http.client.HTTPSConnection("127.0.0.1", port, context=context, timeout=60)
        text = wallet.user_credential.read_text()
        shown = [{"geni_type": "geni_sfa", "geni_version": "3", "geni_value": text}]
        self._body = xmlrpc.client.dumps((shown, OPTIONS), "ListResources").encode()

    def listresources(self) -> bytes:
        """The answer as it came."""
        self._link.request("POST", "/", self._body, {"Content-Type": "text/xml"})
        return self._link.getresponse().read()

    def close(self) -> None:
        """Hang up."""
        self._link.close()


@contextmanager
def aggregate(nodes: int) -> Iterator[tuple[Nmd, Client, House]]:
    """A daemon with so many nodes, and somebody who is connected to it."""
    with place() as (folder, lists):
        house = House(folder / "geni")
        house.found(AUTHORITY, ("127.0.0.1",))
        wallet = house.user(PERSON, Life.of(DAY))
        database = Database.open(folder / "db")
        idle.add_nodes(database, range(nodes))
        idle.join_switches(database)
        database.close()
        port = free_port()
        nmd = Nmd(folder, lists, more=_configuration(house.folder, port))
        try:
            nmd.start()
            client = Client(port, wallet)
            yield nmd, client, house
            client.close()
        finally:
            nmd.kill()


def _configuration(folder: Path, port: int) -> str:
    return (
        f'[federation]\nauthority = "{AUTHORITY}"\n[geni]\naddresses = ["127.0.0.1"]\nport = {port}\n'
        f'certificate = "{folder}/server.pem"\nserver_key = "{folder}/server.key"\nroots = "{folder}/roots"\n'
        f'revoked = "{folder}/revoked"\n'
    )


def few() -> list[Row]:
    """ListResources of few nodes, beside the program."""
    with aggregate(FEW) as (nmd, client, house), tempfile.TemporaryDirectory() as folder:
        assert client.listresources().count(b"available now=") == FEW
        theirs = _program(house, Path(folder))
        times: dict[str, list[float]] = {"ours": [], "theirs": []}
        for _ in range(TURNS):
            times["ours"].append(_each(client.listresources, OURS, nmd.processor_seconds))
            times["theirs"].append(_each(theirs, THEIRS, _of_children))
    ours, program = (statistics.median(times[name]) for name in ("ours", "theirs"))
    return [
        Row(f"ListResources of {FEW} nodes, ms", ours, 0, program / RATIO),
        Row("xmlsec1 of one credential, ms", program, 0, float("inf")),
        Row("times as many a second", program / ours, RATIO, float("inf")),
    ]


def many() -> list[Row]:
    """ListResources of many nodes, of which one has just changed, so that all is written anew."""
    with aggregate(MANY) as (nmd, client, _):
        took = []
        for number in range(TURNS):
            nmd.call("UpdateNode", "n0", {"location": f"rack {number}"})
            took.append(_each(client.listresources, 1, nmd.processor_seconds))
        assert client.listresources().count(b"available now=") == MANY
    return [Row(f"ListResources of {MANY} nodes, ms", statistics.median(took), 0, ADVERTISED)]


def _program(house: House, folder: Path) -> Callable[[], Any]:
    """A run of xmlsec1 on the person's credential, as the reference has it."""
    root = folder / "root.pem"
    root.write_bytes(house.wallet(PERSON).roots.read_bytes())
    given = house.wallet(PERSON).user_credential
    words = [
        str(reference.PROGRAM),
        "--verify",
        "--node-id",
        "Sig_ref0",
        "--trusted-pem",
        str(root),
        str(given),
    ]
    return lambda: subprocess.run(words, capture_output=True, check=True)


def _of_children() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _each(work: Callable[[], object], times: int, clock: Callable[[], float]) -> float:
    """Ms that each takes."""
    begun = clock()
    for _ in range(times):
        work()
    return (clock() - begun) / times * 1000


def main() -> bool:
    """Measure and print; True when something is not as promised."""
    if reference.PROGRAM is None:
        print("xmlsec1 is not installed: nothing to compare with")
        return False
    rows = [*few(), *many()]
    return show("the door of GENI's API, over TLS", rows) | credentials.refusals()
