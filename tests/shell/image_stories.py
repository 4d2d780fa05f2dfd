"""The stories of images and consoles; test_commands.py tells them."""

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


def images_of_groups(nmctl: Nmctl, folder: Path) -> None:
    nmctl.rack.call("CreateGroup", "alpha", {"nodes": ["n0"]})
    for image in ("debian", "rescue", "test"):
        nmctl.rack.call("RegisterImage", image, {"kind": "netboot"})
    nmctl("group", "set-image", "alpha", "debian")
    nmctl("group", "set-image", "alpha", "rescue", "--nodes", "n0")
    nmctl("group", "add", "alpha", "n1", "--image", "test")
    told = nmctl.one("GetGroups", name="alpha")
    assert (told["image"], told["images"]) == ("debian", {"n0": "rescue", "n1": "test"})
    nmctl("group", "set-image", "alpha", "none")
    nmctl("group", "set-image", "alpha", "none", "--nodes", "n0,n1")
    told = nmctl.one("GetGroups", name="alpha")
    assert (told["image"], told["images"]) == (None, {})
    assert "no image nosuch" in nmctl("group", "set-image", "alpha", "nosuch", status=5).err
    nmctl("group", "create", "imaged", "--image", "debian")
    assert nmctl.one("GetGroups", name="imaged")["image"] == "debian"
