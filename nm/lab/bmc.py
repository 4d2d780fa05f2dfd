"""The nodes' management processors: a simulator of IPMI's own for each, wired to the lab's libvirt.

ipmi_sim (of OpenIPMI) speaks the protocol, `chassis.sh` does to the machine what it is told. All BMCs of
a lab have one password, made with the lab; nmd finds it in a file of its secrets. Used by rack, register.
"""

import secrets
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from nm.lab.archive import HERE
from nm.lab.layout import Node
from nm.lab.place import INSIDE, Lab
from nm.lab.running import leave_running

FOLDER = Path("/run/nm-bmc")  # inside the lab, root's alone: what the BMCs know, the password too
USER, SECRET = "admin", "bmc"
PORT = 623
# The channel's settings are those with which Debian's ipmi_sim answers RMCP+ (lanplus), cipher suite 3.
_LAN = """\
name "{name}"
set_working_mc 0x20
startlan 1
  addr {address} {port}
  priv_limit admin
  allowed_auths_admin none md2 md5 straight
  guid {guid}
endlan
chassis_control "{folder}/chassis.sh {name}"
user 2 true "{user}" "{password}" admin 10 none md2 md5 straight
"""
_COMMANDS = """\
mc_setbmc 0x20
mc_add 0x20 0 no-device-sdrs 0x23 9 8 0x9f 0x1291 0xf02
sel_enable 0x20 1000 0x0a
mc_enable 0x20
"""


def start(nodes: Sequence[Node]) -> None:
    """One for each node, and the file with their password."""
    password = secrets.token_hex(8)  # 16 characters: all that IPMI 1.5 can have
    kept = Path(INSIDE, "secrets")
    kept.mkdir(mode=0o700)
    _write(kept / SECRET, password)
    FOLDER.mkdir(mode=0o700)
    shutil.copy(HERE / "chassis.sh", FOLDER)
    (FOLDER / "chassis.sh").chmod(0o700)
    _write(FOLDER / "commands", _COMMANDS)
    for node in nodes:
        settings = _LAN.format(
            name=node.name, address=node.bmc, port=PORT, user=USER, password=password, folder=FOLDER,
            guid=secrets.token_hex(16),
        )  # fmt: skip
        _write(FOLDER / f"{node.name}.lan", settings)
        state = FOLDER / f"{node.name}.state"
        state.mkdir()
        files = ("-c", f"{FOLDER}/{node.name}.lan", "-f", f"{FOLDER}/commands", "-s", str(state))
        leave_running(f"bmc-{node.name}", "ipmi_sim", "-n", *files)


def _write(file: Path, text: str) -> None:
    file.touch(mode=0o600)
    file.write_text(text)


def management(node: Node) -> dict[str, Any]:
    """How nm reaches the node's BMC."""
    secret = {"password": SECRET}
    place = {"driver": "ipmi", "address": node.bmc, "port": PORT, "cipher": 3}  # it knows no later suite
    return {**place, "user": USER, "secrets": secret}


def password(lab: Lab) -> str:
    """The BMCs' password, for who looks whether it leaks."""
    return (lab.folder / "secrets" / SECRET).read_text()
