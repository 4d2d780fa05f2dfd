"""What the lab's PLC says of slices, and what it and nm need for that: keys, certificates, files.

The reply is the one that a real PLC gave to a node of two sites' slices (getslivers.json), with the lab's own
keys for its people's and times that are still to come. It lies in the lab's folder, to be edited.
"""

import copy
import json
import secrets
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from nm.lab import authority, plc, world
from nm.lab.archive import HERE
from nm.lab.layout import POOL
from nm.lab.running import INSIDE, run

SAMPLE = HERE / "getslivers.json"
NODE = "node1.demo.org"  # whose reply it is
NODE_ID = 1
PORT = 443
ADDRESS = f"https://{world.FAR}/PLCAPI/"
FOLDER, KEYS = "plc", "keys"  # in the lab's folder
AUTHORITY, ID_FILE = "authority.pem", "node_id"
SECRET = "plc-node-key"  # by which nmd knows the node's key
PEOPLE = ("alice", "bob")  # who has keys of slivers
LIFE = 30 * 86400  # seconds until slivers expire


def prepare(folder: Path) -> None:
    """Make all of that in a lab's folder."""
    keys = folder / KEYS
    keys.mkdir(mode=0o700)
    for name in PEOPLE:
        run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", f"{name}@demo", "-f", str(keys / name))
    public = {name: (keys / f"{name}.pub").read_text().strip() for name in PEOPLE}
    place = folder / FOLDER
    place.mkdir(mode=0o700)
    write(place, reply(public, time.time()))
    (place / ID_FILE).write_text(f"{NODE_ID}\n")
    authority.certify(place / AUTHORITY, place / plc.CERTIFICATE, world.FAR)
    secret, key = folder / "secrets" / SECRET, secrets.token_hex(20)
    secret.parent.mkdir(mode=0o700, exist_ok=True)
    for file in (secret, place / plc.KEY):
        file.touch(mode=0o600)
        file.write_text(f"{key}\n")


def reply(keys: Mapping[str, str], now: float) -> dict[str, Any]:
    """The sample's reply with these keys (name -> public key), of slivers that live from now on."""
    told: dict[str, Any] = copy.deepcopy(json.loads(SAMPLE.read_text())[NODE])
    del told["timestamp"]  # the PLC's clock
    told["bwcap"] = {"cap": 100_000_000, "exempt_ips": [world.EXEMPT_NETWORK]}
    for sliver in told["slivers"]:
        sliver["expires"] = int(now) + LIFE
        for key in sliver["keys"]:
            key["key"] = keys[key["key"].rpartition(" ")[2].partition("@")[0]]
    return told


def write(place: Path, told: Mapping[str, Any]) -> None:
    """Have the PLC whose folder that is say this from now on."""
    new = place / f"{plc.REPLY}.new"
    new.write_text(json.dumps(told, indent=1) + "\n")
    new.rename(place / plc.REPLY)


def configuration() -> str:
    """What nmd's configuration says of all that; a section of its own each."""
    here = f"{INSIDE}/{FOLDER}"
    return f"""\
[slivers]
uri = "lxc:///system"
image = "slice"
network = "bridge:{world.BRIDGE}"
addresses = "{world.GATEWAY}"
uplink = "{world.UPLINK}"
pool = "{POOL}"
look_seconds = 5
[plc]
address = "{ADDRESS}"
ca = "{here}/{AUTHORITY}"
node_id_file = "{here}/{ID_FILE}"
node_key = "{SECRET}"
"""
