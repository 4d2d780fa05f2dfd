"""The grammar of spl> as a table: what SPL had in its two generations, and what both lacked.

A row's `do` is a command of nmctl in its own words, or one of this shell (own.py, sketch.py); options of that
command may follow a line: `create group alpha vlan 101 --expires +2d`.
"""

from collections.abc import Iterator

from nm.shell import guide
from nm.shell.spl.grammar import Row, forms

GROUP, HEAD, VLAN = "group|groups", "head-node|head-nodes|headnode|vm|vms", "vlan|vlans|network|networks"
NODE, SWITCH, PORT = "node|nodes", "switch|switches", "port|ports"
TRUNK, HOST, USER = "trunk|trunks", "host|hosts", "user|users"
A_HEAD = "head-node|headnode|vm"
ITS_HEAD = "head-node|headnode|head|vm"
A_VLAN = "vlan|network"
WIRED = '--end switch="{one.0}",port="{one.1}"'

SHOWING = (
    Row("show all", "everything that you may see", "show all"),
    Row("show free", "what can be given out now: nodes, head nodes, VLANs, ports", "show free"),
    Row(f"show free {NODE}", "nodes that can be given out", "node list --free"),
    Row(f"show free {HEAD}", "head nodes that can be given out", "headnode list --free"),
    Row(f"show free {VLAN}", "VLANs that a group can have", "vlan list --free"),
    Row(f"show free {PORT}", "ports that nothing is connected to", "port list --free"),
    Row(f"show {GROUP} <filter:setting>*", "the groups", "group list {filter}", "show group state=staged"),
    Row(f"show {HEAD} <filter:setting>*", "the head nodes", "headnode list {filter}"),
    Row(f"show {VLAN} <filter:setting>*", "the VLANs", "vlan list {filter}"),
    Row(f"show {NODE} <filter:setting>*", "the nodes", "node list {filter}", "show node state=failed"),
    Row(f"show {SWITCH} <filter:setting>*", "the switches", "switch list {filter}"),
    Row(f"show {PORT} <filter:setting>*", "the ports", "port list {filter}"),
    Row(f"show {TRUNK} <filter:setting>*", "the trunks", "trunk list {filter}"),
    Row(f"show {HOST} <filter:setting>*", "the hosts", "host list {filter}"),
    Row(f"show {USER} <filter:setting>*", "the users: accounts that have rights", "delegate list {filter}"),
    Row("show group <group>", "a group: what is wanted, what is there, its ports", "group status {group}",
        "show group alpha"),
    Row(f"show {A_HEAD} <headnode>", "a head node", "headnode show {headnode}"),
    Row(f"show {A_VLAN} <vlan>", "a VLAN", "vlan show {vlan}"),
    Row("show node <node>", "a node and its NICs", "node show {node}"),
    Row("show switch <switch>", "a switch: the VLANs and ports that are on it now, read from it",
        "switch inspect {switch} --wait"),
    Row("show switch <switch> settings", "how it is reached, its host key, whether it is saved or left alone",
        "switch show {switch}", "show switch sw0 settings"),
    Row("show port <port>", "a port", "port show {port.0} {port.1}", "show port sw0:p1"),
    Row("show trunk <trunk>", "a trunk", "trunk show {trunk}"),
    Row("show host <host>", "a host", "host show {host}"),
    Row("show user <user>", "a user", "user show {user}"),
)  # fmt: skip

GROUPS = (
    Row(f"create group <group:new> [vlan <vlan:free-vlan>] [{A_HEAD} <headnode:free-headnode>]",
        "make a group; what is left out can be changed later",
        "group create {group} [--vlan {vlan}] [--headnode {headnode}]",
        "create group alpha vlan 101 head-node h1",
        also=(f"group create <group:new> [vlan <vlan:free-vlan>] [{A_HEAD} <headnode:free-headnode>]",)),
    Row("destroy group <groups>+", "end groups and wait until their nodes are isolated again",
        "group destroy {groups} --wait", "destroy group alpha", also=("group destroy <groups>+",)),
    Row("add <nodes:free-nodes>+ to <group>", "add nodes: names, or ranges of those that exist",
        "group add {group} {nodes}", "add 1,4 to alpha", also=("node add <nodes:free-nodes>+ <group>",)),
    Row("remove <nodes:taken-nodes>+ from <group>", "take nodes out", "group remove {group} {nodes}",
        "remove 4 from alpha", also=("node remove <nodes:taken-nodes>+ <group>",)),
    Row("lend <nodes:taken-nodes>+ from <group> to <to:group> until <until:word>",
        "lend nodes to another group, and wait until it has them; until: +2h, a date, or now",
        "lend {group} {to} {nodes} --until {until} --wait", "lend 4 from alpha to beta until +2h"),
    Row("change <group> vlan|network to <vlan:free-vlan>", "give a group another VLAN",
        "group set-vlan {group} {vlan}", "change alpha vlan to 102"),
    Row(f"change <group> {ITS_HEAD} to <headnode:free-headnode>", "give a group another head node, or none",
        "group set-headnode {group} {headnode}", "change alpha head to h2"),
    Row("change <group> image to <image:word>", "choose what a group's nodes boot, or none",
        "group set-image {group} {image}", "change alpha image to debian"),
    Row("vlan connect <vlan:free-vlan> <group> <nic:nic-name>",
        "put the NICs of that name, or role, of a group's nodes on a VLAN of the group's",
        "vlan connect {vlan} {group} {nic}", "vlan connect 102 alpha data"),
    Row("deploy", "make real all that is pending, and wait", "deploy pending"),
    Row("deploy <group>", "make real what a group is to be, and wait", "deploy {group} --wait",
        "deploy alpha", also=("group deploy <group>",)),
)  # fmt: skip

POOL = (
    Row("create vlan|network <vlans:new-vlans>+", "add VLANs: ids and ranges", "vlan register {vlans}",
        "create vlan 100,105-110", also=("vlan create <vlans:new-vlans>+",)),
    Row("destroy vlan|network <vlans>+", "forget VLANs that no group has", "vlan unregister {vlans}",
        "destroy vlan 110", also=("vlan destroy <vlans>+",)),
    Row("change vlan|network <vlan> <settings:setting>+", "change a VLAN", "vlan update {vlan} {settings}",
        "change vlan 102 available=false reason=kept"),
    Row("create node <node:new> mac <mac> [port <port>] <settings:setting>*",
        "add a machine, by the NIC that it boots from",
        "node register {node} --nic boot,{mac}[,{port.0},{port.1}] {settings}",
        "create node 7 mac 52:54:00:00:00:07 port sw0:p7 ip=10.0.0.7"),
    Row("destroy node <nodes>+", "forget nodes that no group has", "node unregister {nodes}",
        "destroy node 7", also=("node destroy <nodes>+",)),
    Row("change node <node> <settings:setting>+", "change a node", "node update {node} {settings}",
        "change node 7 location=rack4"),
    Row(f"create {A_HEAD} <headnode:new> host <host> [domain <domain:word>] <settings:setting>*",
        "add a VM, libvirt's domain of that or of its own name",
        "headnode create {headnode} --host {host} [--domain {domain}] {settings}",
        "create head-node h3 host vm domain vlan-head-102"),
    Row(f"destroy {A_HEAD} <headnodes>+", "forget head nodes that no group has",
        "headnode unregister {headnodes}", "destroy head-node h3"),
    Row(f"change {A_HEAD} <headnode> <settings:setting>+", "change a head node",
        "headnode update {headnode} {settings}", "change head-node h2 available=false reason=kept"),
    Row("create switch <switch:new> <driver:word> <settings:setting>*", "add a switch; nothing is touched",
        "switch register {switch} --driver {driver} {settings}",
        "create switch sw9 ovs address=unix:/run/openvswitch/db.sock bridge=sw9",
        also=("switch create <switch:new> <driver:word> <settings:setting>*",)),
    Row("destroy switch <switches>+", "forget switches that nothing uses, and their ports",
        "switch unregister {switches}", "destroy switch sw9", also=("switch destroy <switches>+",)),
    Row("change switch <switch> <settings:setting>+", "change how it is reached, or take it out of service",
        "switch update {switch} {settings}", "change switch sw1 available=false reason=fan"),
    Row("create port|ports <ports>+ on <switch>", "add ports of a switch, by its own names for them",
        "port register {switch} {ports}", "create port p8,p9 on sw0"),
    Row("port create <id:word> <switch> <port:port-of>", "add a port with an id, its description then",
        "port register {switch} {port} --description {id}", "port create 201 sw0 p8"),
    Row("change port <port> <settings:setting>+", "change what is known of a port: its description",
        "port update {port.0} {port.1} {settings}", "change port sw0:p8 description=roof"),
    Row("destroy port|ports <ports>+ on <switch>", "forget ports that nothing is connected to",
        "port unregister {switch} {ports}", "destroy port p8,p9 on sw0"),
    Row("create trunk <trunk:new> from <one:port> to <other:port>", "add a link of two switches",
        f'trunk register {{trunk}} {WIRED} {WIRED.replace("one", "other")}',
        "create trunk t9 from sw0:p8 to sw1:p8"),
    Row("create trunk <trunk:new> from <one:port> to host <other:device>",
        "add a link of a switch and a host",
        f'trunk register {{trunk}} {WIRED} --end host="{{other.0}}",device="{{other.1}}"',
        "create trunk up from sw0:up to host vm:eth1"),
    Row("change trunk <trunk> native <vlan:new-vlan>", "give a trunk another native VLAN",
        "trunk update {trunk} --native {vlan}", "change trunk t9 native 2"),
    Row("change trunk <trunk> from <one:port> to <other:port>", "let a trunk join two other ports",
        f'trunk update {{trunk}} {WIRED} {WIRED.replace("one", "other")}',
        "change trunk t9 from sw0:p8 to sw1:p9"),
    Row("destroy trunk <trunks>+", "forget trunks that no group needs", "trunk unregister {trunks}",
        "destroy trunk t9"),
    Row("create host <host:new> uri <uri:word> [network <network:word> <device:word>] <settings:setting>*",
        "add a machine that runs libvirt",
        "host register {host} --uri {uri} [--network kind={network},device={device}] {settings}",
        "create host h0 uri qemu:///system network ovs br0"),
    Row("destroy host <hosts>+", "forget hosts that have no head node and no trunk",
        "host unregister {hosts}", "destroy host h0"),
    Row("change host <host> <settings:setting>+", "change a host", "host update {host} {settings}",
        "change host vm available=false reason=moved"),
)  # fmt: skip

WIRING = (
    Row("node create <node:new>", "add a machine whose NICs come by `nic add`", "node sketch {node}",
        "node create 7"),
    Row("nic create <nic:new> <mac> <name:nic-name>",
        "add a NIC: pxe is the one to boot from, ipmi is never touched", "nic sketch {nic} {mac} {name}",
        "nic create 71 52:54:00:00:00:07 pxe"),
    Row("nic add <nic> <node>", "put a NIC into a node", "nic add {nic} {node}", "nic add 71 7"),
    Row("nic connect <nic> <port:place>", "wire a NIC to a port", "nic connect {nic} {port}",
        "nic connect 71 201"),
    Row("nic destroy <nic>", "forget a NIC", "nic destroy {nic}", "nic destroy n1:eth1"),
)  # fmt: skip

USERS = (
    Row("create user <user:new> <rights>*", "make an account that calls nm by SSH; it has keys, no password",
        "delegate create {user} {rights} --wait", "create user alice reserve --key-file alice.pub"),
    Row("destroy user <users>+", "remove accounts", "delegate destroy {users} --wait", "destroy user alice"),
    Row("change user <user> <rights:rights-or-none>+", "set all rights of an account; none takes them",
        "user change {user} {rights}", "change user alice spy reserve.nodes=8"),
)  # fmt: skip

SHELL = (
    Row("help|? <words:rest>*", "this list, or more of what begins with those words", "help {words}",
        "help create"),
    Row("exit|quit|logout", "leave; tells what is not deployed", "exit"),
)  # fmt: skip

SECTIONS = {
    "Looking": SHOWING,
    "Groups": GROUPS,
    "The pool": POOL,
    "Nodes and NICs, piece by piece": WIRING,
    "Users": USERS,
    "The shell": SHELL,
}
ROWS = tuple(row for section in SECTIONS.values() for row in section)
OUTSIDE = ("shell", "help")  # what would not make sense at this prompt, or is there already


def of_nmctl() -> Iterator[Row]:
    """A row for every command of nmctl whose words begin no row of ours."""
    ours = {form.words[:count] for row in ROWS for form in forms(row) for count in (1, 2)}
    for words, command in guide.spellings().items():
        if words not in ours and words[0] not in OUTSIDE:
            said = " ".join(words)
            yield Row(f"{said} <rest>*", command.help, f"{said} {{rest}}", f"{said} --help")
