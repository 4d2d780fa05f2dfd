"""What holds of the pool's records after every transaction, checked from the records alone."""

import posixpath
import re

from nm import paths
from nm.records import name_of, record_key
from nm.store import Reader
from tests.pool.world import PlainDriver


def check(reader: Reader) -> None:
    _ports(reader)
    _claims(reader)
    _nodes(reader)
    _trunks(reader)
    _references(reader)


def _ports(reader: Reader) -> None:
    """Each port's owner exists and points back."""
    for port in reader.range("port"):
        here = {"switch": port["switch"], "port": port["port"]}
        assert port["node"] is None or port["trunk"] is None, port
        assert (port["node"] is None) == (port["nic"] is None), port
        if port["node"] is not None:
            node = reader.get(record_key("node", port["node"]))
            assert node is not None, port
            (nic,) = [nic for nic in node["nics"] if nic["name"] == port["nic"]]
            assert {key: nic[key] for key in here} == here
        if port["trunk"] is not None:
            trunk = reader.get(record_key("trunk", port["trunk"]))
            assert trunk is not None, port
            assert here in trunk["ends"]


def _claims(reader: Reader) -> None:
    """Claims are just those that follow from the records, so what only one may hold has one holder."""
    follow = []
    for node in reader.range("node"):
        follow += [(f"mac:{nic['mac']}", node) for nic in node["nics"]]
        follow += [(f"nodeid:{node['id']}", node)] if node["id"] is not None else []
    for trunk in reader.range("trunk"):
        follow += [(f"uplink:{end['host']}", trunk) for end in trunk["ends"] if "host" in end]
    for head in reader.range("headnode"):
        follow += [(f"domain:{head['host']}:{head['domain']}", head)] if head["domain"] is not None else []
    for switch in reader.range("switch"):
        address, slots = posixpath.normpath(switch["address"]), switch.get("slots", "")
        follow.append((f"device:plain {address} {slots}", switch))
    for host in reader.range("host"):
        follow.append(("uri:" + re.sub("//.*@", "//", host["uri"]), host))
    claims = [(name_of(claim["record_key"]), claim["owner"]) for claim in reader.range("claim")]
    assert sorted(claims) == sorted((value, owner["record_key"]) for value, owner in follow)


def _nodes(reader: Reader) -> None:
    """Each wired NIC's port points back, and just one NIC boots."""
    for node in reader.range("node"):
        assert [nic["role"] for nic in node["nics"]].count("boot") == 1
        for nic in node["nics"]:
            assert (nic["switch"] is None) == (nic["port"] is None)
            if nic["switch"] is not None:
                port = reader.get(f"port_{nic['switch']}:{nic['port']}")
                assert port is not None, nic
                assert (port["node"], port["nic"]) == (name_of(node["record_key"]), nic["name"])


def _trunks(reader: Reader) -> None:
    """No loop, ends that point back, and no VLAN of the pool that is native or for parking."""
    parking = reader.get(record_key("vlan", PlainDriver.parking or 0))
    assert parking is None or not list(reader.range("switch"))
    seen: list[dict[str, object]] = []
    for trunk in reader.range("trunk"):
        assert not paths.would_loop(seen, trunk["ends"])
        seen.append(trunk)
        assert reader.get(record_key("vlan", trunk["native"])) is None
        for end in trunk["ends"]:
            if "switch" in end:
                port = reader.get(f"port_{end['switch']}:{end['port']}")
                assert port is not None, trunk
                assert port["trunk"] == name_of(trunk["record_key"])
            else:
                assert reader.get(record_key("host", end["host"])) is not None


def _references(reader: Reader) -> None:
    """Ports have their switches, head nodes their hosts."""
    for port in reader.range("port"):
        assert reader.get(record_key("switch", port["switch"])) is not None
    for head in reader.range("headnode"):
        assert reader.get(record_key("host", head["host"])) is not None
