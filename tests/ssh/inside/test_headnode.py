"""A head node in the house: linky's power goes through a real sshd, dnsmasq answers real DHCP clients.

The head node is a folder, and an interface `head0` of the house's; the group's network is a bridge, with a
network namespace a machine. Power is simulated: files that hold what they were told.
"""

import contextlib
import errno
import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from nm_head.door import Door
from nm_head.seed import put
from nm_head.settings import load

from nm import seed
from nm.headdoor import HeadDoor
from nm.headkeys import HeadKeys
from tests.headnode.conftest import CENTOS, PROGRAM, mac, unpacked, write_list
from tests.ssh.house import House

NETWORK = "192.168.10"
LISTENING = {f"{NETWORK}.1:69", f"{NETWORK}.1%head0:80", "0.0.0.0%head0:67"}
ON_HEAD0 = r"192\.168\.10\.1[:%]|\[fd6e:6d::|.*%head0:"
UDHCPC = """#!/bin/sh
[ "$1" = bound ] || exit 0
ip addr add "$ip/24" dev "$interface"
echo "$ip $boot_file $siaddr" >"$ANSWER"
"""


class Head:
    """The head node of a group that was just deployed with all nodes of the house."""

    def __init__(self, house: House, folder: Path, group: str) -> None:
        self.house, self.folder, self.group = house, folder, group
        for name in ("moc", "tftp", "state", "door", "run"):
            (folder / name).mkdir(parents=True)
        folder.chmod(0o755)
        lines = [f"{name} = {folder / name}" for name in ("moc", "tftp", "state", "door", "run")]
        (folder / "head.conf").write_text("\n".join(["[head]", *lines, "interface = head0", ""]))
        self.seed()

    @property
    def account(self) -> dict[str, Any]:
        """The head node's account as nm has it now."""
        assert self.house.rack.service is not None
        found = self.house.rack.service.database.get("account_head-h1")
        assert found is not None
        return found

    def seed(self) -> None:
        """What the seed brings."""
        config = self.house.rack.config
        keys = HeadKeys(config.daemon.database)
        door = HeadDoor(config.headnodes.door, config.headnodes.host_keys, keys).of(self.account)
        told = seed.Seed("1", "h1", self.group, mac(99), f"{NETWORK}.1/24", door=door)
        place = unpacked(seed.image(told, cloud=False), self.folder / "seed")
        assert put(place / "nm", self.folder / "door")

    def give(self, *nodes: str) -> None:
        """Give it the list of these nodes."""
        numbers = {node: int(node[1:]) for node in nodes}
        machines = [
            {
                "name": node,
                "mac": mac(number),
                "ip": f"{NETWORK}.{10 + number}",
                "hostname": node,
                "image": CENTOS,
            }
            for node, number in numbers.items()
        ]
        write_list(self.folder / "moc", machines)

    @property
    def link(self) -> Path:
        """Of n0."""
        return self.folder / "tftp/pxelinux.cfg/01-52-54-00-00-00-00"

    @property
    def environment(self) -> dict[str, str]:
        return {**os.environ, "HEAD_CONF": str(self.folder / "head.conf")}

    def start(self, *words: str, **environment: str) -> "subprocess.Popen[str]":
        return subprocess.Popen(
            [sys.executable, "-I", PROGRAM, *words], env={**self.environment, **environment},
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip

    def linky(self, *words: str, **environment: str) -> tuple[int, str]:
        """Run it: its exit status, and what it said."""
        process = self.start("linky", *words, **environment)
        _, said = process.communicate(timeout=60)
        return process.returncode, said

    def known(self) -> dict[str, bool]:
        """By MAC: whether linky knows that it has power-cycled that machine."""
        told = json.loads((self.folder / "state/state.json").read_text())
        return {one: known["cycled"] for one, known in told["machines"].items()}

    def cycles(self) -> list[str]:
        """The nodes whose power cycle was asked for, in the order of their jobs, by whomever."""
        jobs = self.house.rack.call("GetJobs", {"kind": "power", "group": self.group})
        assert self.house.rack.service is not None
        records = [self.house.rack.service.database.get(f"job_{job['id']}") for job in jobs]
        return [
            str(one["subject"]).partition(":")[2]
            for one in records
            if one is not None and one["arguments"]["action"] == "cycle"
        ]


def logins(house: House) -> int:
    """How often a head node has logged in so far."""
    return house.sshd_log.read_text().count("Accepted publickey for head-h1 ")


def power(house: House, node: str) -> Path:
    return house.folder / f"{node}.power"


@pytest.fixture(scope="module", autouse=True)
def network(house: House) -> Iterator[None]:
    """head0, on a bridge of its own."""
    house.rack.until(lambda: house.rack.service is not None)
    script = f"""
        ip link add rack0 type bridge && ip link set rack0 up
        ip link add head0 type veth peer name port0 && ip link set port0 master rack0 up
        ip addr add {NETWORK}.1/24 dev head0 && ip link set head0 up
    """
    subprocess.run(["sh", "-ec", script], check=True)
    yield
    subprocess.run(["ip", "link", "del", "rack0"], check=True)
    subprocess.run(["ip", "link", "del", "head0"], check=True)


@pytest.fixture
def head(house: House, tmp_path: Path) -> Iterator[Head]:
    group = "g" + str(abs(hash(tmp_path)) % 10**6)
    for node in house.rack.nodes:
        management = {"driver": "simulated", "file": str(power(house, node))}
        house.rack.call("UpdateNode", node, {"management": management})
    house.rack.call("CreateGroup", group, {"nodes": house.rack.nodes, "headnode": "h1"})
    house.rack.deploy(group)
    yield Head(house, house.folder / "heads" / group, group)
    assert house.rack.wait(house.rack.call("DestroyGroup", group))["state"] == "done"
    house.rack.call("ClearHeadNode", "h1")
    for node in house.rack.nodes:
        power(house, node).unlink(missing_ok=True)


# ---- linky, and the door


def test_just_those_that_joined_are_cycled(head: Head) -> None:
    head.give("n0", "n1")
    assert head.linky()[0] == 0
    assert sorted(head.cycles()) == ["n0", "n1"]
    assert json.loads(power(head.house, "n0").read_text()) == {"power": "on", "boot": "pxe"}
    assert (head.folder / "tftp/pxelinux.cfg/01-52-54-00-00-00-00").readlink() == Path(
        "../centos/pxelinux.cfg"
    )
    assert head.linky() == (0, "")  # as after a reboot
    head.give("n1", "n2")
    assert head.linky() == (0, "linky: n2 was power-cycled\n")
    assert head.known() == {mac(1): True, mac(2): True}
    assert not head.link.is_symlink()
    assert head.linky("--all")[0] == 0
    assert sorted(head.cycles()) == ["n0", "n1", "n1", "n2", "n2"]
    events = head.house.rack.call("GetEvents", 0, 1000)
    assert {one["who"] for one in events if one["what"] == "power cycle"} == {"head-h1"}


def test_one_login_carries_a_whole_run(head: Head) -> None:
    before = logins(head.house)
    head.give("n0", "n1", "n2")
    assert head.linky()[0] == 0
    assert sorted(head.cycles()) == ["n0", "n1", "n2"]
    assert logins(head.house) == before + 1
    assert list((head.folder / "run").glob("ssh-*")) == []
    assert ssh_processes(head) == []


def ssh_processes(head: Head) -> list[int]:
    """Of this head node."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if str(head.folder / "run").encode() in (folder / "cmdline").read_bytes():
                found.append(int(folder.name))
    return found


def test_a_connection_that_died_is_replaced(head: Head) -> None:
    before = logins(head.house)
    with closing(Door(load(head.folder / "head.conf"))) as door:
        assert door.power("n0", "pxe") == "off"
        (folder,) = (head.folder / "run").glob("ssh-*")
        assert folder.stat().st_mode & 0o777 == 0o700
        (master,) = ssh_processes(head)
        os.kill(master, signal.SIGKILL)
        head.house.rack.until(lambda: refuses(folder / "s"))
        assert (folder / "s").is_socket()  # what it left is no connection
        assert door.power("n0", "cycle") == "on"
        assert logins(head.house) == before + 2
        assert len(ssh_processes(head)) == 1
    head.house.rack.until(lambda: ssh_processes(head) == [])


def refuses(path: Path) -> bool:
    """Whether nobody listens there. A process that was killed has lost its name before its sockets."""
    with socket.socket(socket.AF_UNIX) as client:
        return client.connect_ex(str(path)) == errno.ECONNREFUSED


def test_a_call_on_a_dying_connection_logs_in_by_itself_and_is_sent_once(head: Head) -> None:
    """A master that still listens, and hangs up on whoever comes: as one that is just being killed."""
    before = logins(head.house)
    with closing(Door(load(head.folder / "head.conf"))) as door, socket.socket(socket.AF_UNIX) as dying:
        (folder,) = (head.folder / "run").glob("ssh-*")
        dying.bind(str(folder / "s"))
        dying.listen()
        hanging_up = threading.Thread(target=hang_up, args=(dying,))
        hanging_up.start()
        try:
            number = door.call("PowerNode", "n0", "cycle")
        finally:
            dying.shutdown(socket.SHUT_RDWR)
            hanging_up.join()
        assert logins(head.house) == before + 1
        assert door.call("WaitJob", number, 50)["state"] == "done"
        assert head.cycles() == ["n0"]
        assert logins(head.house) == before + 2 and len(ssh_processes(head)) == 1


def hang_up(listening: socket.socket) -> None:
    """On whoever connects, until it is shut down."""
    with contextlib.suppress(OSError):
        while True:
            listening.accept()[0].close()


def test_one_that_fails_is_told_and_tried_again_and_stops_nobody(head: Head) -> None:
    power(head.house, "n0").write_text("what is this?")
    head.give("n0", "n1")
    status, said = head.linky()
    assert status == 1 and "linky: n0: pxe: " in said and "not the state of a simulated node" in said
    assert head.known() == {mac(0): False, mac(1): True}
    power(head.house, "n0").unlink()
    assert head.linky() == (0, "linky: n0 was power-cycled\n")


def test_after_a_crash_just_the_rest_is_cycled(head: Head) -> None:
    """The program ssh kills linky once the first node is done: when it is told of the second one."""
    fake = head.folder / "bin"
    fake.mkdir()
    real = subprocess.run(["sh", "-c", "command -v ssh"], capture_output=True, text=True, check=True)
    (fake / "ssh").write_text(
        f"#!/bin/sh\ngrep -q '\"cycled\": true' {head.folder}/state/state.json && kill -9 $PPID && exit\n"
        f'exec {real.stdout.strip()} "$@"\n'
    )
    (fake / "ssh").chmod(0o755)
    with (head.folder / "head.conf").open("a") as file:
        file.write("at_once = 1\n")
    head.give("n0", "n1")
    assert head.linky(PATH=f"{fake}:{os.environ['PATH']}")[0] == -9
    assert head.cycles() == ["n0"] and head.known()[mac(0)]
    assert head.linky()[0] == 0
    assert head.cycles() == ["n0", "n1"]


def test_two_at_once_cycle_each_node_once(head: Head) -> None:
    head.give("n0", "n1")
    runs = [head.start("linky") for _ in range(2)]
    for one in runs:
        one.communicate(timeout=60)
    assert [one.returncode for one in runs] == [0, 0]
    assert sorted(head.cycles()) == ["n0", "n1"]


def test_the_door_is_shut_when_the_head_node_goes(head: Head) -> None:
    head.give("n0")
    assert head.linky()[0] == 0
    head.house.rack.call("SetHeadNode", head.group, None)
    head.house.rack.deploy(head.group)
    head.give("n0", "n1")
    status, said = head.linky()
    assert status == 1 and "the door: " in said and "Permission denied" in said
    head.house.rack.call("ClearHeadNode", "h1")
    head.house.rack.call("SetHeadNode", head.group, "h1")
    head.house.rack.deploy(head.group)
    assert head.linky()[0] == 1  # the key is that of the incarnation before
    head.seed()
    assert head.linky() == (0, "linky: n1 was power-cycled\n")


def test_another_machine_in_nms_place_gets_nothing(head: Head) -> None:
    other = head.house.key("impostor").public.split()[:2]
    (head.folder / "door/known_hosts").write_text(f"[127.0.0.1]:2222 {' '.join(other)}\n")
    head.give("n0")
    status, said = head.linky()
    assert status == 1 and "Host key verification failed" in said and head.cycles() == []


def test_boot_disk_as_a_command(head: Head) -> None:
    head.give("n0", "n1")
    assert head.linky()[0] == 0
    process = head.start("boot-disk", "n0")
    assert process.communicate(timeout=60)[1] == "" and process.returncode == 0
    assert json.loads(power(head.house, "n0").read_text())["boot"] == "disk"
    assert not head.link.is_symlink()


# ---- the network


class Machine:
    """A machine on the group's network: a network namespace."""

    def __init__(self, number: int, folder: Path) -> None:
        self.name, self.answer = f"m{number}", folder / f"m{number}.answer"
        script = f"""
            ip netns add {self.name}
            ip link add eth{number} type veth peer name port{number + 1}
            ip link set port{number + 1} master rack0 up
            ip link set eth{number} address {mac(number)} netns {self.name} name eth0
            ip -n {self.name} link set eth0 up
        """
        subprocess.run(["sh", "-ec", script], check=True)
        self._script = folder / "udhcpc.sh"
        self._script.write_text(UDHCPC)
        self._script.chmod(0o755)

    def run(self, *command: str, seconds: float = 20.0) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            ["ip", "netns", "exec", self.name, *command], env={**os.environ, "ANSWER": str(self.answer)},
            capture_output=True, text=True, timeout=seconds, check=False,
        )  # fmt: skip

    def dhcp(self, *options: str, tries: int = 5) -> list[str]:
        """Address, boot file and server that it is given; nothing when nobody answers."""
        self.answer.unlink(missing_ok=True)
        self.run("ip", "addr", "flush", "dev", "eth0", "scope", "global")
        self.run("busybox", "udhcpc", "-i", "eth0", "-n", "-q", "-f", "-t", str(tries), "-T", "1",
                 "-s", str(self._script), *options)  # fmt: skip
        return self.answer.read_text().split() if self.answer.exists() else []

    def remove(self) -> None:
        subprocess.run(["ip", "netns", "del", self.name], check=True)


@contextlib.contextmanager
def machines(*numbers: int, folder: Path) -> Iterator[list[Machine]]:
    with contextlib.ExitStack() as made:
        found = []
        for number in numbers:
            found.append(Machine(number, folder))
            made.callback(found[-1].remove)
        yield found


@contextlib.contextmanager
def following(head: Head) -> Iterator["subprocess.Popen[str]"]:
    process = head.start("moc-list")
    try:
        yield process
    finally:
        process.terminate()
        process.communicate(timeout=20)


def test_moc_list_makes_machines_boot(head: Head) -> None:
    """From the list to the machine, and when the list changes."""
    (head.folder / "moc/boot/debian").mkdir(parents=True)
    (head.folder / "moc/boot/debian/kernel").write_bytes(b"a kernel")
    (head.folder / "tftp/undionly.kpxe").write_bytes(b"a loader")
    (head.folder / "tftp/ipxe.efi").write_bytes(b"another loader")
    head.give("n0")
    until = head.house.rack.until
    with machines(0, 1, folder=head.folder) as (known, unknown), following(head):
        until(lambda: (head.folder / "run/dnsmasq.pid").exists() and head.cycles() == ["n0"])
        uefi = ("-x", "0x5d:0007")
        until(lambda: known.dhcp("-x", "0x5d:0000") == [f"{NETWORK}.10", "undionly.kpxe", f"{NETWORK}.1"])
        assert known.dhcp(*uefi) == [f"{NETWORK}.10", "ipxe.efi", f"{NETWORK}.1"]
        assert known.dhcp(*uefi, "-x", "0xaf:01") == [f"{NETWORK}.10", "boot.ipxe", f"{NETWORK}.1"]
        assert unknown.dhcp(tries=1) == []
        got = known.run("busybox", "tftp", "-g", "-l", "/dev/stdout", "-r", "boot.ipxe", f"{NETWORK}.1")
        assert got.stdout.startswith("#!ipxe\n"), got.stderr
        url = f"http://{NETWORK}.1"
        assert known.run("busybox", "wget", "-qO-", f"{url}/nm-boot/debian/kernel").stdout == "a kernel"
        for path in ("", "nm-boot/", "../state/state.json", "%2e%2e/state/state.json"):
            assert known.run("busybox", "wget", "-qO-", f"{url}/{path}").returncode == 1, path
        until(lambda: json.loads(power(head.house, "n0").read_text())["boot"] == "pxe")
        refused = known.run("busybox", "wget", "-O-", f"{url}/boot-disk?mac={mac(1)}")
        assert "403" in refused.stderr and head.link.is_symlink()
        done = known.run("busybox", "wget", "-qO-", f"{url}/boot-disk?mac={mac(0).replace(':', '-').upper()}")
        assert done.stdout == f"{mac(0)} boots from its disk\n"
        assert json.loads(power(head.house, "n0").read_text())["boot"] == "disk"
        head.give("n1")  # n0 leaves, n1 comes
        until(lambda: head.cycles() == ["n0", "n1"])
        assert unknown.dhcp()[:1] == [f"{NETWORK}.11"]
        until(lambda: "fd6e:6d::" in known.run("ip", "-6", "addr", "show", "dev", "eth0").stdout)
        told = subprocess.run(["ss", "-lntuH"], capture_output=True, text=True, check=True).stdout
        doors = {line.split()[4] for line in told.splitlines()}
        ours = {one for one in doors if one.endswith((":80", ":67", ":69"))}
        assert ours >= LISTENING and all(re.match(ON_HEAD0, one) for one in ours), ours
    until(lambda: not alive(head.folder / "run/dnsmasq.pid"))


def alive(pid_file: Path) -> bool:
    try:
        os.kill(int(pid_file.read_text()), 0)
    except (OSError, ValueError):
        return False
    return True


def test_as_cgi(head: Head) -> None:
    head.give("n0")
    assert head.linky()[0] == 0
    with machines(0, folder=head.folder) as (known,):
        known.run("ip", "addr", "add", f"{NETWORK}.10/24", "dev", "eth0")
        head.house.rack.until(lambda: known.run("ping", "-c1", "-W1", f"{NETWORK}.1").returncode == 0)
        asked = {"GATEWAY_INTERFACE": "CGI/1.1", "REQUEST_METHOD": "GET", "QUERY_STRING": f"mac={mac(0)}"}
        stranger = head.start("boot-disk", **asked, REMOTE_ADDR=f"{NETWORK}.99").communicate(timeout=60)[0]
        assert stranger.startswith("Status: 403 Forbidden")
        done = head.start("boot-disk", **asked, REMOTE_ADDR=f"{NETWORK}.10").communicate(timeout=60)[0]
    assert done.startswith("Status: 200 OK") and done.endswith(f"{mac(0)} boots from its disk\n")
