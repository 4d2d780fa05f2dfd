"""A small site for the tests of RSpecs: nodes behind switches, VLANs, images, and texts that ask for them."""

from typing import Any

from nm.geni.rspec import manifest, matching, request
from nm.geni.rspec.aggregate import Aggregate, Place
from nm.geni.rspec.manifest import Head, Login, Part, Slice, Sliver
from nm.geni.rspec.matching import Placement, Pool
from nm.geni.rspec.vocabulary import EMULAB, NM, RSPEC, SHARED, SHARED_OLD, USER
from nm.records import Record

LAB = Aggregate("example.org:lab", "https://am.example.org:8001", Place("DE", 52.5, 13.3))
FAR = "urn:publicid:IDN+emulab.net+authority+cm"
NOW, LATER = "2030-01-01T00:00:00Z", "2030-01-02T00:00:00Z"
SPACES = (
    f'xmlns="{RSPEC}" xmlns:nm="{NM}" xmlns:user="{USER}" xmlns:emulab="{EMULAB}" '
    f'xmlns:shared="{SHARED}" xmlns:old="{SHARED_OLD}" xmlns:other="http://other.example/ext"'
)


def node(number: int, data: int = 1, **more: Any) -> Record:
    """A node as GetNodes answers it to a reader: nNUMBER on switch sw0 or sw1, with so many data NICs."""
    nics = [
        {
            "name": f"eth{at}",
            "mac": f"52:54:00:{at:02x}:{number // 256:02x}:{number % 256:02x}",
            "switch": f"sw{number % 2}",
            "port": f"p{number}-{at}",
            "role": "data" if at else "boot",
        }
        for at in range(data + 1)
    ]
    usual = {
        "name": f"n{number}",
        "available": True,
        "free": True,
        "id": number,
        "hostname": f"n{number}.example.org",
        "ip": f"10.0.{number // 250}.{number % 250 + 1}",
        "hardware_type": "pc",
        "location": f"rack {number // 40}",
        "metadata": {},
        "image": "",
        "reason": "",
        "group": None,
        "nics": nics,
        "management": {"driver": "ipmi", "address": "192.0.2.1"},
        "state": "free",
        "error": None,
    }
    return {**usual, **more}


def vlan(number: int, **more: Any) -> Record:
    """A VLAN as GetVlans answers it."""
    return {"id": number, "shared": False, "available": True, "free": True, **more}


TRUNK = {"name": "t0", "ends": [{"switch": "sw0", "port": "up"}, {"switch": "sw1", "port": "down"}]}
HOST = {"name": "th", "ends": [{"switch": "sw1", "port": "host"}, {"host": "vm", "device": "eth5"}]}


def pool(*nodes: Record, **more: Any) -> Pool:
    """A pool of these nodes, or of eight: the last two have three data NICs, n2 is a `big` one."""
    usual = [node(0), node(1), node(2, hardware_type="big"), *map(node, range(3, 6)), node(6, 3), node(7, 3)]
    vlans = [*map(vlan, range(101, 111)), vlan(120, shared=True)]
    there = {"vlans": vlans, "trunks": [TRUNK, HOST], "images": ["debian", "rescue"]}
    return Pool(nodes or usual, **{**there, **more})


def rspec(*parts: str, kind: str = "request", more: str = "") -> str:
    """A request of these parts."""
    return f'<rspec {SPACES} type="{kind}" {more}>' + "".join(parts) + "</rspec>"


def asked(client_id: str, *parts: str, interfaces: int = 0, **attributes: Any) -> str:
    """A node of a request, with that many interfaces: CLIENT_ID:0 and so on."""
    words = "".join(f' {name}="{value}"' for name, value in attributes.items())
    inner = "".join(f'<interface client_id="{client_id}:{at}"/>' for at in range(interfaces))
    return f'<node client_id="{client_id}"{words}>{inner}{"".join(parts)}</node>'


def link(client_id: str, *interfaces: str, more: str = "") -> str:
    """A link of a request."""
    refs = "".join(f'<interface_ref client_id="{name}"/>' for name in interfaces)
    return f'<link client_id="{client_id}">{refs}{more}</link>'


def matched(text: str, there: Pool | None = None, **more: Any) -> Placement:
    """What a request gets of the pool."""
    return matching.match(request.read(text, LAB), there or pool(), **more)


def slice_of(*texts: str, there: Pool | None = None, logins: bool = True) -> Slice:
    """A slice that got what these requests ask for."""
    found = there or pool()
    by_name = {one["name"]: one for one in found.nodes}
    parts: list[Part] = []
    slivers: dict[str, Sliver] = {}
    had = matching.Existing()
    vlans: dict[str, int] = {}
    for text in texts:
        placed = matched(
            text, Pool(_left(found, slivers), found.vlans, found.trunks, found.images), existing=had
        )
        parts.append(Part(text, placed.record()))
        for name, network in placed.networks.items():
            vlans[name] = network.get("vlan", 101 + len(vlans))
        for name in placed.nodes.values():
            ways = (Login(f"{name}.example.org", "root"),) if logins else ()
            slivers[name] = Sliver(LAB.sliver("alpha", name, "1.1"), by_name[name], ways, "on")
        networks = {name: {"vlan": number} for name, number in vlans.items()}
        ids = {*had.client_ids, *placed.nodes, *placed.links}
        had = matching.Existing(networks, list(slivers), ids)
    return Slice(parts, slivers, vlans, Head("h1", (Login("h1.example.org", "alpha", 2222),)), "alpha.1")


def _left(found: Pool, slivers: dict[str, Sliver]) -> list[Record]:
    return [{**one, "free": one["free"] and one["name"] not in slivers} for one in found.nodes]


def written(*texts: str, **more: Any) -> str:
    """The manifest of such a slice."""
    return manifest.write(LAB, slice_of(*texts, **more), NOW, LATER)
