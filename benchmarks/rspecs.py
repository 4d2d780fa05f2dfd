"""What RSpecs cost: 1,000 nodes advertised, beside the same by xml.etree; a request, matched and told."""

import time
from collections.abc import Callable
from functools import partial
from xml.etree import ElementTree as ET

from rich.console import Console
from rich.table import Table

from nm import pool, views
from nm.geni.rspec import advertisement, manifest, matching, request
from nm.geni.rspec.advertisement import Offer
from nm.geni.rspec.aggregate import Aggregate, Place
from nm.geni.rspec.manifest import Part, Slice, Sliver
from nm.geni.rspec.matching import Pool
from nm.geni.rspec.vocabulary import NM, RSPEC
from nm.records import Record
from tests import idle
from tests.memory_store import MemoryStore

NODES, ASKED, TURNS = 1000, 70, 9
AGGREGATE = Aggregate("example.org", "https://am.example.org:8001", Place("DE", 52.5, 13.3))
NOW = "2030-01-01T00:00:00Z"
PROMISED = 0.150  # seconds of a processor
TIMES_PLAIN = 2  # no more than that of what xml.etree takes
REQUEST = f"""<rspec type="request" xmlns="{RSPEC}" xmlns:nm="{NM}">
<node client_id="pc"><nm:several count="{ASKED}"/><interface client_id="pc:0"/></node>
<link client_id="lan"><interface_ref client_id="pc:0"/></link></rspec>"""


def main() -> bool:
    """Measure and print; True when a promise is not kept."""
    store = MemoryStore()
    idle.add_nodes(store, range(NODES))
    idle.join_switches(store)
    for number in range(101, 111):
        store.transact(partial(pool.register_vlan, call=idle.CALL, id=number))
    nodes = pool.get_nodes(store, idle.CALL, {})
    offer = Offer(
        nodes,
        pool.get_vlans(store, idle.CALL, {}),
        pool.get_trunks(store, idle.CALL, {}),
        ["debian"],
    )
    took = {
        "structs of the records": _least(lambda: pool.get_nodes(store, idle.CALL, {})),
        f"{NODES} nodes advertised": _least(lambda: advertisement.write(AGGREGATE, offer, NOW)),
        "the same elements by xml.etree": _least(lambda: _plain(nodes)),
        **_of_a_request(Pool(nodes, offer.vlans, offer.trunks)),
    }
    table = Table("what", "milliseconds of a processor", title_justify="left")
    for what, seconds in took.items():
        table.add_row(what, f"{seconds * 1000:.1f}")
    console = Console()
    console.print(table)
    _, written, plain, *_ = took.values()
    kept = written < PROMISED and written < TIMES_PLAIN * plain
    console.print(
        f"promised: under {PROMISED * 1000:.0f} ms, and {TIMES_PLAIN} times xml.etree; it is "
        f"{written / plain:.1f} times; {'kept' if kept else 'NOT kept'}"
    )
    return not kept


def _of_a_request(there: Pool) -> dict[str, float]:
    """Reading, matching and writing for as many nodes as one request may ask for."""
    asks = request.read(REQUEST, AGGREGATE)
    got = matching.match(asks, there)
    by_name = {node["name"]: node for node in there.nodes}
    slivers = {name: Sliver(AGGREGATE.sliver("g", name), by_name[name]) for name in got.nodes.values()}
    told = Slice([Part(REQUEST, got.record())], slivers, {"main": 101, "lan": 102})
    return {
        f"a request of {ASKED} nodes read": _least(lambda: request.read(REQUEST, AGGREGATE)),
        f"matched among {NODES}": _least(lambda: matching.match(asks, there)),
        "its manifest": _least(lambda: manifest.write(AGGREGATE, told, NOW)),
    }


def _least(act: Callable[[], object]) -> float:
    """The least time of a processor that it took: others on the machine do not count."""
    times = []
    for _ in range(TURNS):
        begun = time.process_time()
        act()
        times.append(time.process_time() - begun)
    return min(times)


def _plain(nodes: list[Record]) -> str:
    """The advertisement's elements in the plainest way."""
    root = ET.Element(f"{{{RSPEC}}}rspec", {"type": "advertisement", "generated": NOW})
    behind: dict[str, list[str]] = {}
    for node in nodes:
        names = {
            "component_manager_id": AGGREGATE.manager,
            "component_name": node["name"],
            "component_id": AGGREGATE.node(node["name"]),
            "exclusive": "true",
        }
        element = ET.SubElement(root, f"{{{RSPEC}}}node", names)
        sliver = ET.SubElement(element, f"{{{RSPEC}}}sliver_type", {"name": "raw-pc"})
        ET.SubElement(sliver, f"{{{RSPEC}}}disk_image", {"name": AGGREGATE.image("debian")})
        ET.SubElement(element, f"{{{RSPEC}}}available", {"now": "true"})
        place = {"country": "DE", "latitude": "52.5", "longitude": "13.3"}
        ET.SubElement(element, f"{{{RSPEC}}}location", place)
        for nic in views.wired(node):
            name = AGGREGATE.interface(node["name"], nic["name"])
            behind.setdefault(nic["switch"], []).append(name)
            inner = {"component_id": name, "role": "control"}
            interface = ET.SubElement(element, f"{{{RSPEC}}}interface", inner)
            port = {key: nic[key] for key in ("switch", "port")} | {"nic": nic["name"]}
            ET.SubElement(interface, f"{{{NM}}}port", port)
        ET.SubElement(element, f"{{{NM}}}node", {"power": "none"})
    for switch, names_behind in behind.items():
        link = ET.SubElement(root, f"{{{RSPEC}}}link", {"component_id": AGGREGATE.link(switch)})
        for name in names_behind:
            ET.SubElement(link, f"{{{RSPEC}}}interface_ref", {"component_id": name})
    return ET.tostring(root, encoding="unicode")
