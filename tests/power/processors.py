"""Management processors to switch: real programs, and stand-ins that execute what they are told.

Each says by another way than nm's drivers what its state is, and can be made idle: then it says yes and does
nothing. All end with their `close`.
"""

import json
import shutil
import socket
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import libvirt

from nm.management import KINDS
from nm.management.command import in_folder
from nm.management.libvirt import LibvirtPower
from nm.processor import Kinds
from tests.power.account import PASSWORD, USER
from tests.power.fake_amt import FakeAmt

SECRETS = {"password": PASSWORD}
START = 30.0  # seconds; the emulators import a lot

# What a client of IPMI 2.0 asks first: Get Channel Authentication Capabilities.
HELLO = bytes.fromhex("0600ff07 000000000000000000 09 2018c8 8100388e04b5")


def free_port(kind: socket.SocketKind) -> int:
    with closing(socket.socket(socket.AF_INET, kind)) as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


def until(true: Callable[[], bool], seconds: float = START) -> None:
    """Wait until it is so; AssertionError when it does not become so."""
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, "did not come true in time"
        time.sleep(0.02)


def greets(port: int) -> bool:
    """Whether a BMC answers there."""
    with closing(socket.socket(socket.AF_INET, socket.SOCK_DGRAM)) as client:
        client.settimeout(0.2)
        client.connect(("127.0.0.1", port))
        try:
            client.send(HELLO)
            return bool(client.recv(100))
        except OSError:
            return False


def listens(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), 1).close()
    except OSError:
        return False
    return True


class Processor:
    """One of them. `persistent`: whether what it boots from can be read back."""

    persistent = True
    management: dict[str, Any]
    kinds: Kinds = KINDS

    def state(self) -> tuple[bool, str | None]:
        """Whether it is on, and what it boots from."""
        raise AssertionError

    def be_idle(self) -> None:
        """Say yes and do nothing from now on."""
        raise AssertionError

    def close(self) -> None:
        """End it."""


class IpmiSim(Processor):
    """OpenIPMI's simulator. Its chassis is a program that keeps two files."""

    CHASSIS = """\
        #!/bin/sh
        # ADDRESS get NAME... | ADDRESS set NAME VALUE...
        cd {folder}
        shift; verb=$1; shift
        case $verb in
        get) for name; do [ -f "$name" ] && echo "$name:$(cat "$name")" || echo "$name:0"; done ;;
        set) while [ $# -gt 1 ]; do
                 [ -f idle ] || case $1 in
                 shutdown) echo 0 >power ;;
                 power | boot) echo "$2" >"$1" ;;
                 esac
                 shift 2
             done ;;
        esac
        """
    LAN = """\
        name "bmc"
        set_working_mc 0x20
        startlan 1
          addr 127.0.0.1 {port}
          priv_limit admin
          allowed_auths_callback none md2 md5 straight
          allowed_auths_user none md2 md5 straight
          allowed_auths_operator none md2 md5 straight
          allowed_auths_admin none md2 md5 straight
          guid a123456789abcdefa123456789abcdef
        endlan
        chassis_control "{folder}/chassis 0x20"
        user 1 true "" "" user 10 none md2 md5 straight
        user 2 true "{user}" "{password}" admin 10 none md2 md5 straight
        """
    COMMANDS = "mc_setbmc 0x20\nmc_add 0x20 0 no-device-sdrs 0x23 9 8 0x9f 0x1291 0xf02\nmc_enable 0x20\n"

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.port = free_port(socket.SOCK_DGRAM)
        chassis = folder / "chassis"
        chassis.write_text(textwrap.dedent(self.CHASSIS).format(folder=folder))
        chassis.chmod(0o755)
        lan = textwrap.dedent(self.LAN)
        (folder / "lan.conf").write_text(
            lan.format(port=self.port, folder=folder, user=USER, password=PASSWORD)
        )
        (folder / "commands").write_text(self.COMMANDS)
        self.process = subprocess.Popen(
            ["ipmi_sim", "-c", "lan.conf", "-f", "commands", "-n", "-s", "state"],
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        self.management = {
            "driver": "ipmi",
            "address": "127.0.0.1",
            "port": self.port,
            "user": USER,
            "cipher": 3,
            "secrets": {"password": "bmc"},
        }
        until(lambda: greets(self.port))

    def state(self) -> tuple[bool, str | None]:
        def held(name: str) -> str:
            file = self._folder / name
            return file.read_text().strip() if file.exists() else ""

        return held("power") == "1", {"pxe": "pxe", "default": "disk"}.get(held("boot"))

    def be_idle(self) -> None:
        (self._folder / "idle").touch()

    def close(self) -> None:
        self.process.kill()
        self.process.wait()


class Emulator(Processor):
    """virtualbmc or sushy-tools, over a domain of libvirt's."""

    def __init__(self, folder: Path, name: str, port: int, ready: Callable[[int], bool]) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tests.power.emulators", name, str(port), str(folder)],
            cwd=Path(__file__).parents[2],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        try:
            until(lambda: ready(port))
        except AssertionError:
            self.close()
            raise

    def state(self) -> tuple[bool, str | None]:
        found = self._say("state")
        return found["on"], {"network": "pxe", "hd": "disk"}.get(found["boot"])

    def be_idle(self) -> None:
        self._say("idle")

    def _say(self, word: str) -> Any:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(f"{word}\n")
        self.process.stdin.flush()
        line = self.process.stdout.readline()
        while not line.startswith("{"):  # Flask greets on standard output
            assert line, "the emulator has ended"
            line = self.process.stdout.readline()
        return json.loads(line)

    def close(self) -> None:
        self.process.kill()
        self.process.communicate()


class VirtualBmc(Emulator):
    """virtualbmc: a BMC whose only cipher suite is 3, and that has more habits of its own."""

    def __init__(self, folder: Path) -> None:
        port = free_port(socket.SOCK_DGRAM)
        self.management = {
            "driver": "ipmi",
            "address": "127.0.0.1",
            "port": port,
            "user": USER,
            "secrets": {"password": "bmc"},
        }
        super().__init__(folder, "virtualbmc", port, greets)


class Redfish(Emulator):
    """sushy-tools' emulator."""

    def __init__(self, folder: Path) -> None:
        port = free_port(socket.SOCK_STREAM)
        self.management = {
            "driver": "redfish",
            "address": "127.0.0.1",
            "port": port,
            "user": USER,
            "tls": False,
            "secrets": {"password": "bmc"},
        }
        super().__init__(folder, "redfish", port, listens)


class Amt(Processor):
    """A fake that executes."""

    persistent = False

    def __init__(self, folder: Path) -> None:
        self.server = FakeAmt()
        self.management = {
            "driver": "amt",
            "address": "127.0.0.1",
            "port": self.server.server_address[1],
            "user": USER,
            "secrets": {"password": "bmc"},
        }

    def state(self) -> tuple[bool, str | None]:
        return self.server.on, self.server.source

    def be_idle(self) -> None:
        self.server.idle = True

    def close(self) -> None:
        self.server.close()


class Command(Processor):
    """A program of the site's own, that keeps its node in two files and knows its password."""

    PROGRAM = """\
        #!/bin/sh
        cd {folder} || exit 1
        read -r password
        [ "$password" = '{password}' ] || {{ echo "who is $password?" >&2; exit 3; }}
        [ "$NM_USER" = {user} ] || {{ echo "who is $NM_USER?" >&2; exit 3; }}
        [ "$1" = 10.0.0.7 ] || {{ echo "no node $1" >&2; exit 3; }}
        case $2 in
        status) cat power ;;
        boot) cat boot ;;
        *) [ ! -f idle ] || exit 0 ;;
        esac
        case $2 in
        on) echo on >power ;;
        off | soft-off) echo off >power ;;
        pxe | disk) echo "$2" >boot ;;
        esac
        """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        programs = folder / "programs"
        programs.mkdir(mode=0o755)
        self.program = programs / "site-power"
        text = textwrap.dedent(self.PROGRAM)
        self.program.write_text(text.format(folder=folder, password=PASSWORD, user=USER))
        self.program.chmod(0o755)
        (folder / "power").write_text("off\n")
        (folder / "boot").write_text("disk\n")
        self.kinds = in_folder(KINDS, str(programs), folder / "locks")
        self.management = {
            "driver": "command",
            "address": "10.0.0.7",
            "program": "site-power",
            "user": USER,
            "secrets": {"password": "bmc"},
        }

    def state(self) -> tuple[bool, str | None]:
        return (self._folder / "power").read_text() == "on\n", (self._folder / "boot").read_text().strip()

    def be_idle(self) -> None:
        (self._folder / "idle").touch()


class Domain(Processor):
    """A domain of libvirt's stand-in, which is in this process. It cannot be idle."""

    def __init__(self, folder: Path) -> None:
        self.management = {"driver": "libvirt", "uri": "test:///default", "domain": f"node-{folder.name}"}
        LibvirtPower(self.management, {}).is_on()  # so that it is there
        self._connection = libvirt.open("test:///default")
        self._domain = self._connection.lookupByName(self.management["domain"])

    def state(self) -> tuple[bool, str | None]:
        first = ET.fromstring(self._domain.XMLDesc(0)).find("os/boot")
        assert first is not None
        return bool(self._domain.isActive()), {"network": "pxe", "hd": "disk"}[first.get("dev", "")]

    def close(self) -> None:
        if self._domain.isActive():
            self._domain.destroy()
        self._domain.undefine()
        self._connection.close()


class Simulated(Processor):
    """nm's own power switch in a file."""

    def __init__(self, folder: Path) -> None:
        self._file = folder / "node.json"
        self._file.write_text('{"power": "off", "boot": "disk"}')
        self.management = {"driver": "simulated", "file": str(self._file)}

    def state(self) -> tuple[bool, str | None]:
        found = json.loads(self._file.read_text())
        return found["power"] == "on", found["boot"]

    def be_idle(self) -> None:
        self._file.write_text(json.dumps({**json.loads(self._file.read_text()), "fault": "idle"}))


PROCESSORS: dict[str, Callable[[Path], Processor]] = {
    "ipmi_sim": IpmiSim,
    "virtualbmc": VirtualBmc,
    "redfish": Redfish,
    "amt": Amt,
    "command": Command,
    "libvirt": Domain,
    "simulated": Simulated,
}
NEEDED = {"ipmi_sim": ("ipmi_sim", "ipmitool"), "virtualbmc": ("ipmitool",)}  # programs


def lacking(name: str) -> list[str]:
    """The programs without which there is no such processor here."""
    return [program for program in NEEDED.get(name, ()) if shutil.which(program) is None]
