"""SPL's sample files, and a site that uses everything a site file can say."""

from pathlib import Path

SPL = {
    "node.txt": "1 00:23:ae:92:9a:35 10.0.0.1\n4 00:23:ae:92:9f:48 10.0.0.4\n6 00:23:ae:92:9e:8a 10.0.0.6\n",
    "vm.txt": "vlan-head-102\nvlan-head-107\nvlan-head-108\nvm1\nvm2\nvm3\n",
    "network.txt": "101 vlan\n102 vlan\n103 vlan\n104 vlan\n105 vlan\n",
    "switch.txt": "1 cisco_snmp.py\n2 tp_link.py\n",
    "port.txt": "201 1 1\n202 1 7\n203 1 11\n204 2 1\n205 2 2\n206 2 3\n",
    "connect.txt": "1 201\n4 202\n6 203\n",
    "user.txt": "admin admin admin\nalice alice plain\nbob bob plain\n",
}

KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIHG9PQ9B8t1vHzn9pYc0R0nGzqXhUjBq0jXo3aJfY1xL alice@desk"

WHOLE = f"""\
format = 1

[switches.sw0]
driver = "simulated"
file = "/nowhere/sw0.json"
ports = ["p1", "p2", "up", "t"]
secrets = {{ password = "sw0-password" }}

[switches.sw1]
driver = "none"
available = false
reason = "not here yet"

[ports]
sw0 = ["p1", "p2", "up", "t"]

[ports.sw1]
"1/1" = {{ description = "by the window" }}
t = {{}}

[hosts.h0]
uri = "qemu+ssh://root@h0.example/system"
network = {{ kind = "ovs", device = "br0" }}

[vlans]
"101-103,110" = {{}}
120 = {{ shared = true }}
130 = {{ available = false, reason = "the storage's" }}

[trunks.up]
ends = [{{ switch = "sw0", port = "up" }}, {{ host = "h0", device = "eth5" }}]

[trunks.t]
ends = [{{ switch = "sw0", port = "t" }}, {{ switch = "sw1", port = "t" }}]
native = 999

[nodes.n1]
id = 1
ip = "10.0.0.1"
hostname = "n1.example"
hardware_type = "r640"
location = "rack 1, unit 2"
metadata = {{ cores = 64, tags = ["gpu", "big"], "a.b" = {{ deep = 1.5, yes = true }} }}
management = {{ driver = "simulated", file = "/nowhere/n1", secrets = {{ password = "bmc" }} }}
nics = [
    {{ name = "eth0", mac = "52-54-00-00-00-01", switch = "sw0", port = "p1" }},
    {{ name = "eth1", mac = "52:54:00:00:00:02", switch = "sw1", port = "1/1", role = "data" }},
    {{ name = "ipmi", mac = "5254.0000.0003", role = "none" }},
]

[nodes."n.2"]
available = false
reason = "no power"

[[nodes."n.2".nics]]
name = "eth0"
mac = "52:54:00:00:00:04"
switch = "sw0"
port = "p2"

[images.debian]
kind = "disk"
disk = "/var/lib/nm-images/debian.qcow2"
memory = 2048

[headnodes]
h1 = {{ host = "h0", domain = "vm-1", management = ["52:54:00:00:01:01"] }}
h2 = {{ host = "h0", image = "debian" }}

[rights.alice]
spy = true
reserve = {{ nodes = 4, lease = 86400 }}

[groups.alpha]
owner = "alice"
expires = 4102444800
alias = "urn:publicid:IDN+site+slice+alpha"
keys = ["{KEY}"]
headnode = "h1"
nodes = ["n1", "n.2"]
delegations = ["bob", {{ name = "bob", method = "PowerNode" }}]

[groups.alpha.networks]
main = {{ vlan = 101 }}
storage = {{ vlan = 120, nics = ["eth1"], tagged = true }}
"""


def write(folder: Path, files: dict[str, str]) -> Path:
    """Put the files into the folder, which is made."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        (folder / name).write_text(text)
    return folder


def damaged(name: str, line: int, text: str) -> dict[str, str]:
    """SPL's files with one line replaced; a line behind the last is added."""
    lines = SPL[name].splitlines()
    lines[line - 1 : line] = [text]
    return {**SPL, name: "\n".join(lines) + "\n"}
