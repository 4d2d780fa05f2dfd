"""A head node made from an image on another machine: the same libvirt, reached through a real sshd."""

import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from nm.consoles import Consoles, ConsoleWorker, Look
from nm.records import new
from tests.hosts.rack.conftest import kill_libvirtd, sh, start_libvirtd, tags
from tests.hosts.rack.test_images import CONSOLE, DOMAIN, MAC, House, house, on
from tests.hosts.test_consoles import put
from tests.memory_store import MemoryStore
from tests.waiting import until

__all__ = ["house"]  # a fixture
ADDRESS = "10.9.9.1"
URI = f"qemu+ssh://root@{ADDRESS}/system"
STARTED = Path("/run/libvirt/qemu/autostarted")  # libvirt starts domains once a boot

pytestmark = pytest.mark.skipif(not shutil.which("sshd"), reason="needs openssh-server")


@pytest.fixture
def sshd(rack_folder: Path) -> Iterator[None]:
    """An sshd, and a home of root's that can come in; both end with the test."""
    home = rack_folder / "root"
    (home / ".ssh").mkdir(mode=0o700, parents=True)
    sh("mount", "--bind", home, "/root")
    sh("ip", "address", "add", f"{ADDRESS}/32", "dev", "lo")
    for key in (home / ".ssh/id_ed25519", rack_folder / "host-key"):
        sh("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", key)
    shutil.copy(home / ".ssh/id_ed25519.pub", home / ".ssh/authorized_keys")
    known = (rack_folder / "host-key.pub").read_text()
    (home / ".ssh/known_hosts").write_text(f"{ADDRESS} {known}")
    Path("/run/sshd").mkdir(exist_ok=True)
    options = ["UsePAM=no", "StrictModes=no", "PermitRootLogin=yes", f"ListenAddress={ADDRESS}"]
    settings = [word for option in options for word in ("-o", option)]
    command = [
        str(shutil.which("sshd")),
        "-D",
        "-f",
        "/dev/null",
        "-h",
        str(rack_folder / "host-key"),
        *settings,
    ]
    process = subprocess.Popen(command, stderr=subprocess.DEVNULL)
    until(lambda: subprocess.run(["ssh", ADDRESS, "true"], capture_output=True, check=False).returncode == 0)
    yield
    process.terminate()
    process.wait()
    sh("ip", "address", "del", f"{ADDRESS}/32", "dev", "lo")
    sh("umount", "/root")


def test_made_and_brought_back_by_libvirt_and_removed(sshd: None, house: House, tmp_path: Path) -> None:
    house.uri = house.host["uri"] = URI
    house.image |= dict.fromkeys(("kernel", "initrd", "cmdline"))  # it need not boot
    assert house.do(on(101)).error is None and house.seen() == on(101)
    assert tags() == {MAC: "101"} and house.volumes() == ["nm-h1+disk", "nm-h1+seed"]
    copies = Copies(tmp_path)
    CONSOLE.write_text("said by the guest\n")
    assert copies.said() == "said by the guest\n"

    # The machine reboots, and nmd is elsewhere.
    sh("virsh", "destroy", DOMAIN)
    kill_libvirtd()
    assert STARTED.exists() and tags() == {}
    STARTED.unlink()
    start_libvirtd()
    until(lambda: house.seen() == on(101), 30)
    assert tags() == {MAC: "101"}
    assert house.do(on(101)).error is None and house.do(None).error is None
    assert (house.seen(), tags(), house.volumes()) == (None, {}, [])
    assert not CONSOLE.exists()
    copies.worker.close()


class Copies:
    """The door's way to that console."""

    def __init__(self, folder: Path) -> None:
        store = MemoryStore()
        put(store, new("host", "vmhost", 0.0, uri=URI))
        put(store, new("group", "alpha", 0.0, created=1.0))
        put(store, new("headnode", "h1", 0.0, host="vmhost", image="i", group="alpha"))
        self.worker = ConsoleWorker("vmhost", store, folder / "copies")
        self._door = Consoles(store, folder / "copies", lambda subject, item: None)

    def said(self) -> str:
        self.worker.handle([Look("h1")])
        text: str = self._door.read("h1", 0)["text"]
        return text
