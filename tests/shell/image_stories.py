"""The story of images and consoles; test_commands.py tells it."""

from pathlib import Path

from tests.shell.conftest import Nmctl


def images(nmctl: Nmctl, folder: Path) -> None:
    disk = "/var/lib/nm-images/tiny.qcow2"
    nmctl("image", "register", "tiny", "--kind", "disk", "--disk", disk, "memory=256")
    nmctl("image", "register", "debian", "--kind", "netboot", "--profile", "12")
    assert nmctl.one("GetImages", name="tiny")["memory"] == 256
    assert nmctl.one("GetImages", name="debian")["profile"] == "12"
    assert disk in nmctl("image", "list").out
    assert nmctl("image", "show", "tiny", "--json").json["result"]["format"] == "qcow2"
    assert "images.folders" in nmctl("image", "register", "x", "--kind", "disk", "--disk", "/etc/passwd",
                                     status=2).err  # fmt: skip
    nmctl("headnode", "register", "made", "--host", "vm", "--image", "tiny")
    assert "used by head node made" in nmctl("image", "unregister", "tiny", status=6).err
    assert nmctl("console", "made").out == ""
    assert "virsh console" in nmctl("console", "h1", status=6).err
    assert nmctl("console", "made", "--json").json["result"] == {"text": "", "next": 0}
    nmctl("headnode", "unregister", "made")
    nmctl("image", "unregister", "tiny", "debian")
    assert nmctl.rack.call("GetImages", {}) == []
