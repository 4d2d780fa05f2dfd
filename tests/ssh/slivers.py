"""Slivers of a house: their records and accounts, and guests for them that are made without libvirt.

A container here is what libvirt's are to nm-enter: a process (the keeper, whose pid is where libvirt_lxc's
would be) with a child in namespaces of its own, a root of its own, and fewer rights than root has. A virtual
machine is an sshd in a network of its own, behind the address that nm gives.
"""

import os
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from nm import people
from nm.accountwork import Settle
from nm.calls import Call, Caller
from nm.container import RUNNING
from nm.facts import sliver_domain
from nm.guestkeys import Guest, GuestKeys
from nm.records import Record, record_key
from nm.store import Transaction
from tests.ssh.house import NETWORK, House, run

LOST = "-sys_module,-sys_time,-mknod,-sys_rawio"  # rights that a container has not
ROOT = """
set -eu
mount --make-rprivate /
mount -t tmpfs -o mode=755 tmpfs "$1"
cd "$1"
mkdir -p usr etc proc sys dev/pts root tmp old run
for place in bin sbin lib lib64; do ln -s "usr/$place" "$place"; done
mount --bind /usr usr
mount -o remount,bind,ro usr
printf 'root:x:0:0:root:/root:/bin/bash\\n' >etc/passwd
echo "guest $2" >etc/marker
for device in null zero; do touch "dev/$device"; mount --bind "/dev/$device" "dev/$device"; done
mount -t proc proc proc
mount -t devpts -o newinstance,ptmxmode=666 devpts dev/pts
ln -s pts/ptmx dev/ptmx
hostname "$2"
pivot_root . old
umount -l old
exec sleep 1000000
"""


# ---- records


def put(house: House, name: str, type: str, key: str | None = None, **fields: Any) -> Record:
    """A sliver with its account, as nm's workers keep them, for a key: the account's record."""
    public = house.key(key or name).public
    told = {
        "name": name, "account": people.unix_name(name), "type": type, "keys": [public], "enabled": 1,
        "_state": "running", "_why": None, "_index": 1, "_life": 1, **fields,
    }  # fmt: skip
    service = house.rack.service
    assert service is not None

    def write(tx: Transaction) -> Record:
        tx.put({"record_key": record_key("sliver", name), "timestamp": 1, "expiry": None, **told})
        call = Call(Caller(0, "root", admin=True), "", 1.0, service._site())
        return people.enroll_sliver(tx, call, name, type)

    account = service.database.transact(write)
    service.crew.send(people.SUBJECT, Settle(account["account"]))
    house.rack.until(lambda: record_of(house, account["account"]).get("_made") is True)
    return record_of(house, account["account"])


def record_of(house: House, account: str) -> Record:
    """An account's record; empty when there is none."""
    service = house.rack.service
    assert service is not None
    return service.database.get(people.account_key(account)) or {}


def change(house: House, name: str, **fields: Any) -> None:
    """Write to a sliver's record; its account follows by itself."""
    service = house.rack.service
    assert service is not None
    key = record_key("sliver", name)

    def write(tx: Transaction) -> None:
        record = tx.get(key)
        assert record is not None
        tx.put({**record, **fields})

    service.database.transact(write)


def recall(house: House, account: str) -> None:
    """Have the account removed."""
    service = house.rack.service
    assert service is not None

    def write(tx: Transaction) -> None:
        record = tx.get(people.account_key(account))
        assert record is not None
        people.recall(tx, record, 1.0)

    service.database.transact(write)
    service.crew.send(people.SUBJECT, Settle(account))
    house.rack.until(lambda: record_of(house, account) == {})


def running(program: str) -> list[int]:
    """The processes of that program with those arguments, or that run the script of that name."""
    found = []
    for pid in filter(str.isdigit, os.listdir("/proc")):
        with suppress(OSError):
            words = Path(f"/proc/{pid}/cmdline").read_bytes().decode(errors="replace").split("\0")
            if " ".join(words).strip() == program or program in words[2:3]:
                found.append(int(pid))
    return found


# ---- guests


@contextmanager
def container(house: House, account: str, hostname: str, users: bool = False) -> Iterator[int]:
    """A container, until the end: the pid of its first process. `users`: its root is not this machine's."""
    root = house.folder / f"root-{hostname}"
    root.mkdir()
    root.chmod(0o755)
    more = ["--user", "--map-root-user"] if users else []
    words = ["setpriv", f"--bounding-set={LOST}", "unshare", "--mount", "--pid", "--uts", "--ipc", "--net"]
    words += ["--fork", "--kill-child", *more, "sh", "-c", ROOT, "container", str(root), hostname]
    with subprocess.Popen(words, stdin=subprocess.DEVNULL) as keeper:
        try:
            children = Path(f"/proc/{keeper.pid}/task/{keeper.pid}/children")
            house.rack.until(lambda: _is_up(keeper, children))
            RUNNING.mkdir(parents=True, exist_ok=True)
            file = RUNNING / f"{sliver_domain(account)}.pid"
            file.write_text(str(keeper.pid))
            yield int(children.read_text().split()[0])
            file.unlink()
        finally:
            keeper.kill()
    root.rmdir()


def _is_up(keeper: subprocess.Popen[bytes], children: Path) -> bool:
    assert keeper.poll() is None, "the container was not made"
    with suppress(OSError, IndexError):
        return Path(f"/proc/{children.read_text().split()[0]}/comm").read_text() == "sleep\n"
    return False


SSHD = """
ListenAddress {address}
PidFile none
UsePAM no
PasswordAuthentication no
PermitRootLogin prohibit-password
AuthorizedKeysFile {folder}/authorized_keys
StrictModes no
Subsystem sftp /usr/lib/openssh/sftp-server
AcceptEnv LANG LC_*
HostKey {folder}/host
"""


@contextmanager
def machine(house: House, account: Mapping[str, Any], address: str, life: int = 1) -> Iterator[Path]:
    """An sshd in a network and with a host name of its own, told the keys that nm makes. Its folder."""
    folder = house.private / f"machine-{account['account']}"
    folder.mkdir(mode=0o700)
    keys = GuestKeys(house.rack.config.daemon.database)
    guest = Guest(account["account"], account["id"], life)
    (folder / "host").touch(mode=0o600)
    (folder / "host").write_text(keys.host_private(guest))
    (folder / "authorized_keys").write_text(f"{keys.entry_public(guest)}\n")
    (folder / "sshd_config").write_text(SSHD.format(address=address, folder=folder))
    script = 'hostname machine; ip link set lo up; read go; exec /usr/sbin/sshd -D -e -f "$1"/sshd_config'
    words = ["unshare", "--net", "--uts", "sh", "-c", script, "machine", str(folder)]
    with (
        (folder / "log").open("wb") as log,
        subprocess.Popen(words, stdin=subprocess.PIPE, stderr=log) as process,
    ):
        try:
            house.rack.until(lambda: _has_own_network(process.pid))
            _connect(process.pid, address)
            assert process.stdin is not None
            process.stdin.write(b"go\n")
            process.stdin.close()
            house.rack.until(lambda: "listening" in (folder / "log").read_text())
            yield folder
        finally:
            process.kill()
    subprocess.run(["ip", "link", "del", "guests"], check=False, capture_output=True)
    shutil.rmtree(folder)


def _has_own_network(pid: int) -> bool:
    return os.readlink(f"/proc/{pid}/ns/net") != os.readlink("/proc/self/ns/net")


def _connect(pid: int, address: str) -> None:
    prefix = NETWORK.partition("/")[2]
    run("ip", "link", "add", "guests", "type", "veth", "peer", "name", "eth0", "netns", str(pid))
    run("ip", "address", "add", NETWORK, "dev", "guests")
    run("ip", "link", "set", "guests", "up")
    inside = ("nsenter", "--target", str(pid), "--net", "ip")
    run(*inside, "address", "add", f"{address}/{prefix}", "dev", "eth0")
    run(*inside, "link", "set", "eth0", "up")
