"""The nodes' management processors, wired to the lab's libvirt: one kind of them in a lab.

`ipmi`: ipmi_sim (of OpenIPMI), one for each node, speaks the protocol; `chassis.sh` does to the machine what
it is told. `virtualbmc`: the same by virtualbmc. `redfish`: one emulator of sushy-tools for all. They have
one password, made with the lab; nmd finds it in a file of its secrets. Used by rack and register.
"""

import secrets
import shutil
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nm.lab import machines
from nm.lab.archive import HERE
from nm.lab.errors import LabError
from nm.lab.layout import Node
from nm.lab.place import Lab
from nm.lab.running import INSIDE, leave_running

FOLDER = Path("/run/nm-bmc")  # inside the lab, root's alone: what the BMCs know, the password too
USER, SECRET = "admin", "bmc"
IPMI, REDFISH = 623, 8000
REDFISH_ADDRESS = "127.9.255.1"
LIBVIRT = "qemu:///system"
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
_VIRTUALBMC = """\
[default]
config_dir = {folder}/nodes
pid_file = {folder}/virtualbmc.pid
"""
_VIRTUAL = """\
[VirtualBMC]
username = {user}
password = {password}
domain_name = {name}
libvirt_uri = {libvirt}
address = {address}
port = {port}
active = True
"""
_SUSHY = """\
SUSHY_EMULATOR_LISTEN_IP = "{address}"
SUSHY_EMULATOR_LISTEN_PORT = {port}
SUSHY_EMULATOR_LIBVIRT_URI = "{libvirt}"
SUSHY_EMULATOR_AUTH_FILE = "{folder}/users"
SUSHY_EMULATOR_STATE_DIR = "{folder}"
"""


def start(kind: str, nodes: Sequence[Node]) -> None:
    """The processors of all nodes, and the file with their password."""
    password = secrets.token_hex(8)  # 16 characters: all that IPMI 1.5 can have
    kept = Path(INSIDE, "secrets")
    kept.mkdir(mode=0o700, exist_ok=True)
    _write(kept / SECRET, password)
    FOLDER.mkdir(mode=0o700)
    KINDS[kind].start(nodes, password)


def _start_ipmi(nodes: Sequence[Node], password: str) -> None:
    shutil.copy(HERE / "chassis.sh", FOLDER)
    (FOLDER / "chassis.sh").chmod(0o700)
    _write(FOLDER / "commands", _COMMANDS)
    for node in nodes:
        guid = secrets.token_hex(16)
        _write(FOLDER / f"{node.name}.lan", _LAN.format(**_words(node, password), guid=guid))
        (FOLDER / f"{node.name}.state").mkdir()
        files = ("-c", f"{node.name}.lan", "-f", "commands", "-s", f"{node.name}.state")
        leave_running(f"bmc-{node.name}", "ipmi_sim", "-n", *files, cwd=FOLDER)


def _start_virtualbmc(nodes: Sequence[Node], password: str) -> None:
    for node in nodes:
        (FOLDER / "nodes" / node.name).mkdir(parents=True)
        _write(FOLDER / "nodes" / node.name / "config", _VIRTUAL.format(**_words(node, password)))
    _write(FOLDER / "virtualbmc.conf", _VIRTUALBMC.format(folder=FOLDER))
    command = ("env", f"VIRTUALBMC_CONFIG={FOLDER}/virtualbmc.conf", _program("vbmcd"), "--foreground")
    leave_running("virtualbmc", *command)


def _start_redfish(_nodes: Sequence[Node], password: str) -> None:
    import bcrypt  # comes with paramiko

    digest = bcrypt.hashpw(password.encode(), bcrypt.gensalt(4)).decode()
    _write(FOLDER / "users", f"{USER}:{digest}\n")
    words = {"address": REDFISH_ADDRESS, "port": REDFISH, "libvirt": LIBVIRT, "folder": FOLDER}
    _write(FOLDER / "sushy.conf", _SUSHY.format(**words))
    leave_running("redfish", _program("sushy-emulator"), "--config", f"{FOLDER}/sushy.conf")


def _words(node: Node, password: str) -> dict[str, object]:
    return {
        "name": node.name, "address": node.bmc, "port": IPMI, "user": USER, "password": password,
        "folder": FOLDER, "libvirt": LIBVIRT,
    }  # fmt: skip


def _program(name: str) -> str:
    """A program of this Python's environment."""
    path = Path(sys.prefix, "bin", name)
    if not path.exists():
        raise LabError(f"this Python has no {name}", "make setup; or leave --bmc out")
    return str(path)


def _write(file: Path, text: str) -> None:
    file.touch(mode=0o600)
    file.write_text(text)


def management(kind: str, node: Node) -> dict[str, Any]:
    """How nm reaches the node's processor."""
    return {**KINDS[kind].management(node), "user": USER, "secrets": {"password": SECRET}}


def _by_ipmi(node: Node) -> dict[str, Any]:
    return {"driver": "ipmi", "address": node.bmc, "port": IPMI, "cipher": 3}  # both know no later suite


def _by_redfish(node: Node) -> dict[str, Any]:
    place = {"address": REDFISH_ADDRESS, "port": REDFISH, "tls": False}
    return {"driver": "redfish", **place, "system": machines.identity(node)}


@dataclass(frozen=True)
class Kind:
    """One kind of processors: how those of all nodes are started, and how nm reaches one."""

    start: Callable[[Sequence[Node], str], None]
    management: Callable[[Node], dict[str, Any]]


KINDS: Mapping[str, Kind] = {
    "ipmi": Kind(_start_ipmi, _by_ipmi),
    "virtualbmc": Kind(_start_virtualbmc, _by_ipmi),
    "redfish": Kind(_start_redfish, _by_redfish),
}


def password(lab: Lab) -> str:
    """The processors' password, for who looks whether it leaks."""
    return (lab.folder / "secrets" / SECRET).read_text()
