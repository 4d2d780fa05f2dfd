"""What operators type, line by line, and what is then so: every pattern of the grammar at least once."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from tests.shell.spl.conftest import Spl

MAC = "52:54:00:00:ff:0"
Probe = Callable[[Spl], Any]


@dataclass(frozen=True)
class Step:
    """A line, and what holds behind it: a probe of the state and its value, and what was said."""

    line: str
    probe: Probe | None = None
    value: Any = None
    said: tuple[str, ...] = ()


def of(method: str, *keys: str, **wanted: Any) -> Probe:
    """Those keys of the one struct."""

    def probe(spl: Spl) -> Any:
        struct = spl.one(method, **wanted)
        values = tuple(struct[key] for key in keys)
        return values if len(values) > 1 else values[0]

    return probe


def group(*keys: str) -> Probe:
    return of("GetGroups", *keys, name="alpha")


def names(method: str, key: str = "name", **wanted: Any) -> Probe:
    return lambda spl: [struct[key] for struct in spl.rack.call(method, wanted)]


def port(node: str) -> Probe:
    """What the port of a node carries untagged, by the switch's own table."""

    def probe(spl: Spl) -> Any:
        switch, name = spl.rack.home(node)
        return spl.rack.ports(switch)[name]["untagged"]

    return probe


def says(line: str, *said: str) -> Step:
    return Step(line, said=said)


STORIES: dict[str, list[Step]] = {
    "a group's life": [
        Step("create group alpha vlan 101 head-node h1",
             group("vlan", "headnode", "state"), (101, "h1", "staged")),
        Step("add n0,n1 to alpha", group("nodes"), ["n0", "n1"]),
        Step("add n2 to alpha", group("nodes"), ["n0", "n1", "n2"]),
        Step("remove n1 from alpha", group("nodes"), ["n0", "n2"]),
        Step("deploy", port("n0"), 101, ("deploy alpha: done",)),
        says("deploy", "nothing is pending"),
        says("show group alpha", "n0    joined", "n0    eth0  sw0:p0  untagged 101"),
        Step("change alpha vlan to 102", group("vlan", "pending"), (102, True)),
        Step("change alpha head to h2", group("headnode"), "h2"),
        Step("change alpha image to none", group("image", "vlan"), (None, 102)),
        Step("deploy alpha", port("n2"), 102),
        Step("change alpha head-node to none", group("headnode"), None),
        Step("group deploy alpha", group("pending"), False),
        Step("node add n3 alpha", group("nodes"), ["n0", "n2", "n3"]),
        Step("node remove n0, n2 alpha", group("nodes"), ["n3"]),
        says("show group", "alpha  deployed  yes"),
        says("show group state=deployed", "alpha"),
        Step("destroy group alpha", names("GetGroups"), []),
        Step("show node n0", port("n0"), None, ("free",)),
        Step("group create alpha", group("headnode", "nodes"), (None, [])),
        Step("group destroy alpha", names("GetGroups"), []),
        Step("headnode clear h1", of("GetHeadNodes", "state", name="h1"), "free"),
        Step("group create alpha vlan 103 vm h1", group("vlan", "headnode"), (103, "h1")),
        Step("create group beta --expires never", of("GetGroups", "vlan", name="beta"), 101),
        Step("deploy", names("GetGroups", pending=True), [], ("deploy alpha: done", "deploy beta: done")),
    ],
    "several networks": [
        Step("create group alpha vlan 101", group("vlan"), 101),
        Step("add n4,n5 to alpha", group("nodes"), ["n4", "n5"]),
        Step("vlan connect 110 alpha data", lambda spl: group("networks")(spl)["data"],
             {"vlan": 110, "nics": ["data"], "tagged": False}),
        Step("vlan connect 102 alpha pxe", lambda spl: group("networks")(spl)["main"]["vlan"], 102),
        Step("deploy alpha", lambda spl: spl.rack.ports("sw0")["d4"]["untagged"], 110),
    ],
    "looking": [
        says("show all",
             "Groups", "Head nodes", "h1", "VLANs", "Nodes", "Switches", "Ports", "Trunks", "Hosts",
             "Users"),
        says("show free", "Nodes", "n5    free", "Head nodes", "VLANs", "120  yes", "Ports"),
        says("show free node", "n0    free"),
        says("show free vm", "h2    free"),
        says("show free network", "101  yes"),
        says("show free port", "no ports"),
        says("show vm", "h1    free"),
        says("show network shared=false", "120"),
        says("show node state=free", "n5    free"),
        says("show switch", "sw1   simulated"),
        says("show port switch=sw1", "sw1     p1"),
        says("show trunk", "t0    sw0:t0a -- sw1:t0b"),
        says("show host", "vm    test:///default"),
        says("show user", "no delegates"),
        says("show head-node h1", "domain              h1"),
        says("show vlan 101", "id         101"),
        says("show node n4", "eth1", "d4"),
        says("show switch sw0", "vlans  1", "p0    isolated", "up    isolated"),
        says("show switch sw0 settings", "host key   -", "saved      yes", "sessions   well"),
        says("show port sw0:p0", "node         n0"),
        says("show trunk t0", "sw0"),
        says("show host vm", "test:///default"),
        says("help create", "create group <group> [vlan <vlan>]", "as: create vlan 100,105-110"),
        says("?", "show all", "Words may be shortened"),
        says("help node", "node create <node>", "nmctl's own:", "node release"),
        says("sh no n0", "eth0"),
        says("# a remark", ""),
        says("nmctl group list", "no groups"),
        says("node list --json", '"ok": true'),
    ],
    "VLANs, ports and trunks": [
        Step("create vlan 200,205-207",
             names("GetVlans", "id", id=[200, 205, 206, 207]), [200, 205, 206, 207]),
        Step("vlan create 300", of("GetVlans", "free", id=300), True),
        Step("change vlan 300 available=false reason=kept", of("GetVlans", "reason", id=300), "kept"),
        Step("destroy vlan 200,205-206", names("GetVlans", "id", id=[200, 205, 206, 207]), [207]),
        Step("vlan destroy 207 300", names("GetVlans", "id", id=[207, 300]), []),
        Step("create port p8,p9 on sw0", names("GetPorts", "port", port=["p8", "p9"]), ["p8", "p9"]),
        Step("create port p8 on sw1", of("GetPorts", "free", switch="sw1", port="p8"), True),
        Step("port create 201 sw1 p9", of("GetPorts", "description", switch="sw1", port="p9"), "201"),
        Step("destroy trunk t0", names("GetTrunks"), ["up"]),
        Step("create trunk t9 from sw0:p8 to sw1:p8", of("GetTrunks", "ends", name="t9"),
             [{"switch": "sw0", "port": "p8"}, {"switch": "sw1", "port": "p8"}]),
        Step("change port sw0:p9 description=roof", of("GetPorts", "description", switch="sw0", port="p9"),
             "roof"),
        Step("change trunk t9 native 2", of("GetTrunks", "native", name="t9"), 2),
        Step("change trunk t9 from sw0:p9 to sw1:p8", of("GetTrunks", "ends", name="t9"),
             [{"switch": "sw0", "port": "p9"}, {"switch": "sw1", "port": "p8"}]),
        Step("show port sw0:p9", of("GetPorts", "trunk", switch="sw0", port="p8"), None,
             ("trunk        t9",)),
        Step("destroy trunk t9,up", names("GetTrunks"), []),
        Step("create trunk up from sw0:up to host vm:eth1", of("GetTrunks", "ends", name="up"),
             [{"switch": "sw0", "port": "up"}, {"host": "vm", "device": "eth1"}]),
        Step("destroy port p8,p9 on sw0", names("GetPorts", "port", switch="sw0", port=["p8", "p9"]), []),
    ],
    "a loan": [
        Step("create group alpha vlan 101", group("vlan"), 101),
        Step("add n0,n1 to alpha", group("nodes"), ["n0", "n1"]),
        Step("create group beta vlan 102", of("GetGroups", "vlan", name="beta"), 102),
        Step("deploy", port("n1"), 101),
        Step("lend n1 from alpha to beta until +2h", port("n1"), 102, ("lend n1 of alpha to beta: done",)),
        Step("lend n1 from alpha to beta until now", port("n1"), 101),
    ],
    "nodes": [
        Step("create port 7 on sw0", of("GetPorts", "free", switch="sw0", port="7"), True),
        Step(f"create node 7 mac {MAC}7 port sw0:7 ip=10.0.0.7", of("GetNodes", "nics", "ip", name="7"),
             ([{"name": "boot", "mac": f"{MAC}7", "switch": "sw0", "port": "7", "role": "boot"}],
              "10.0.0.7")),
        Step(f"create node 9 mac {MAC}9",
             lambda spl: of("GetNodes", "nics", name="9")(spl)[0]["switch"], None),
        Step("change node 7 location=rack4", of("GetNodes", "location", name="7"), "rack4"),
        Step("create group alpha vlan 101", group("nodes"), []),
        Step("destroy node 7-9", names("GetNodes", name=["7", "9"]), []),
        Step("add n0-n2 to alpha", group("nodes"), ["n0", "n1", "n2"]),
        Step("remove n1-2 from alpha", group("nodes"), ["n0"]),
        Step("node destroy n4,n5", names("GetNodes", name=["n4", "n5"]), []),
    ],
    "piece by piece": [
        Step("node create 7", names("GetNodes", name="7"), [], ("recorded when its first NIC",)),
        Step(f"nic create 70 {MAC}0 ipmi", said=("recorded when it is added",)),
        Step(f"nic create 71 {MAC}1 pxe"),
        Step(f"nic create 72 {MAC}2 data0"),
        Step("port create 201 sw0 p8", of("GetPorts", "description", switch="sw0", port="p8"), "201"),
        Step("port create 202 sw0 p9"),
        Step("nic connect 71 201", of("GetPorts", "node", switch="sw0", port="p8"), None),
        Step("nic add 70 7", names("GetNodes", name="7"), [], ("a NIC to boot from",)),
        Step("nic add 71 7",
             lambda spl: [n["role"] for n in of("GetNodes", "nics", name="7")(spl)], ["none", "boot"]),
        Step("nic add 72 7", of("GetPorts", "node", "nic", switch="sw0", port="p8"), ("7", "pxe")),
        Step("nic connect 72 sw0:p9", of("GetPorts", "node", "nic", switch="sw0", port="p9"), ("7", "data0")),
        Step("nic destroy 7:data0", of("GetPorts", "node", switch="sw0", port="p9"), None),
        Step(f"nic create 75 {MAC}5 pxe"),
        Step("nic add 75 n3", lambda spl: [n["role"] for n in of("GetNodes", "nics", name="n3")(spl)],
             ["data", "boot"]),
        Step("nic destroy 70",
             lambda spl: [n["name"] for n in of("GetNodes", "nics", name="7")(spl)], ["pxe"]),
    ],
    "switches, hosts and head nodes": [
        Step("create switch sw9 simulated file={folder}/9 ports='[\"1\"]'",
             of("GetSwitches", "driver", name="sw9"),
             "simulated"),
        Step("change switch sw9 available=false reason=fan", of("GetSwitches", "reason", name="sw9"), "fan"),
        Step("destroy switch sw9", names("GetSwitches", name="sw9"), []),
        Step("switch create sw9 simulated file={folder}/9 ports='[\"1\"]'",
             names("GetSwitches", name="sw9"), ["sw9"]),
        Step("switch destroy sw9", names("GetSwitches", name="sw9"), []),
        Step("create host h0 uri qemu:///system network ovs br0", of("GetHosts", "uri", "network", name="h0"),
             ("qemu:///system", {"kind": "ovs", "device": "br0"})),
        Step("change host h0 available=false reason=moved", of("GetHosts", "reason", name="h0"), "moved"),
        Step("destroy host h0", names("GetHosts", name="h0"), []),
        Step("create head-node h3 host vm", of("GetHeadNodes", "domain", name="h3"), "h3"),
        Step("create vm h4 host vm domain vlan-head-102",
             of("GetHeadNodes", "domain", name="h4"), "vlan-head-102"),
        Step("change head-node h3 available=false reason=kept",
             of("GetHeadNodes", "reason", name="h3"), "kept"),
        Step("destroy vm h3,h4", names("GetHeadNodes"), ["h1", "h2"]),
    ],
    "users of the machine": [
        Step("change user daemon spy reserve.nodes=8", of("GetDelegates", "rights", name="daemon"),
             {"spy": True, "reserve": {"nodes": 8}}),
        says("show user daemon", "spy"),
        says("show user", "daemon"),
        Step("change user daemon none", names("GetDelegates"), []),
    ],
}  # fmt: skip
