"""virtualbmc and sushy-tools' emulator, each over libvirt's stand-in domain `test`, in a process of its own.

    python -m tests.power.emulators virtualbmc|redfish PORT FOLDER

Both open libvirt anew for each thing they are asked, and the stand-in forgets everything with its last
connection: so one is held here. Over standard input, a line each: `state` (answered by what libvirt itself
says, as JSON), `idle` (from now on it says yes, and does nothing), `obey`, and the end of the file.
"""

import json
import os
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import bcrypt
import libvirt

from tests.power.account import PASSWORD, USER

URI = "test:///default"
DOMAIN = "test"


def nothing(*arguments: Any, **more: Any) -> None:
    """What an idle one does."""


def virtualbmc(port: int, folder: Path) -> tuple[Callable[[], None], type, tuple[str, ...]]:
    """A BMC that speaks IPMI."""
    from virtualbmc.vbmc import VirtualBMC

    bmc = VirtualBMC(USER, PASSWORD, port, "127.0.0.1", DOMAIN, URI)
    verbs = ("power_on", "power_off", "power_shutdown", "set_boot_device")
    return bmc.listen, VirtualBMC, verbs


def redfish(port: int, folder: Path) -> tuple[Callable[[], None], type, tuple[str, ...]]:
    """A processor that speaks Redfish."""
    from sushy_tools.emulator.main import main
    from sushy_tools.emulator.resources.systems.libvirtdriver import LibvirtDriver

    users, config = folder / "users", folder / "emulator.conf"
    users.write_text(f"{USER}:{bcrypt.hashpw(PASSWORD.encode(), bcrypt.gensalt(4)).decode()}\n")
    config.write_text(
        f"SUSHY_EMULATOR_LISTEN_IP = '127.0.0.1'\nSUSHY_EMULATOR_LISTEN_PORT = {port}\n"
        f"SUSHY_EMULATOR_LIBVIRT_URI = '{URI}'\nSUSHY_EMULATOR_AUTH_FILE = '{users}'\n"
        f"SUSHY_EMULATOR_STATE_DIR = '{folder}'\n"
    )
    sys.argv = ["sushy-emulator", "--config", str(config)]
    return main, LibvirtDriver, ("set_power_state", "set_boot_device")


def state(connection: "libvirt.virConnect") -> str:
    """The domain's power, and the first thing it boots from."""
    domain = connection.lookupByName(DOMAIN)
    boots = ET.fromstring(domain.XMLDesc(libvirt.VIR_DOMAIN_XML_INACTIVE))
    first = boots.find("os/boot")
    boot = None if first is None else first.get("dev")
    for device in boots.findall("devices/*[boot]"):  # sushy-tools gives each device its turn instead
        if device.find("boot[@order='1']") is not None:
            boot = {"interface": "network", "disk": "hd"}.get(device.tag)
    return json.dumps({"on": bool(domain.isActive()), "boot": boot})


def obey(connection: "libvirt.virConnect", kind: type, verbs: tuple[str, ...]) -> None:
    """Answer those who wrote to standard input."""
    own = {verb: getattr(kind, verb) for verb in verbs}
    for line in sys.stdin:
        if line.strip() != "state":
            idle = line.strip() == "idle"
            for verb in verbs:
                setattr(kind, verb, nothing if idle else own[verb])
        print(state(connection), flush=True)
    os._exit(0)  # who started it has gone


def begin(name: str, port: str, folder: str) -> None:
    """Serve until standard input ends."""
    connection = libvirt.open(URI)
    serve, kind, verbs = {"virtualbmc": virtualbmc, "redfish": redfish}[name](int(port), Path(folder))
    threading.Thread(target=obey, args=(connection, kind, verbs), daemon=True).start()
    serve()  # in the main thread, for signals are handled there


if __name__ == "__main__":
    begin(*sys.argv[1:])
