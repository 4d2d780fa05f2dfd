"""What a guest is told: the same for cloud-init and in plain files, and nothing of it shows in a repr."""

import json
from dataclasses import replace

from nm import guestseed, seed
from nm.guestmaking import Brief
from nm.guestseed import Told

TOLD = Told(
    "pl_a", 3, "pl-a", "52:54:00:00:00:01", "10.20.0.11/16", "10.20.0.1", ("ssh-rsa A a", "ssh-rsa B b"),
    "#!/bin/sh\nsecret-of-the-script\n", "slice", "ssh-ed25519 N nm", "PRIVATE", "ssh-ed25519 H", "d1",
)  # fmt: skip


def user(told: Told) -> dict[str, object]:
    text = guestseed._no_cloud(told)["user-data"]
    first, rest = text.split("\n", 1)
    assert first == "#cloud-config"
    found: dict[str, object] = json.loads(rest)
    return found


def test_plain_files_say_what_cloud_init_is_told() -> None:
    files = guestseed.files(TOLD)
    keys = files["authorized_keys"][0].splitlines()
    assert keys == ["ssh-rsa A a", "ssh-rsa B b", "ssh-ed25519 N nm"]
    assert user(TOLD)["users"] == ["default", {"name": "slice", "ssh_authorized_keys": keys}]
    assert files["initscript"] == (TOLD.initscript, 0o500)
    assert json.loads(files["guest.json"][0])["address"] == "10.20.0.11/16"
    assert files["ssh_host_ed25519_key"] == ("PRIVATE", 0o400)
    assert user(TOLD)["ssh_keys"] == {"ed25519_private": "PRIVATE", "ed25519_public": "ssh-ed25519 H"}


def test_what_is_told_anew_is_another_instance_and_an_old_script_goes() -> None:
    instances = {
        guestseed._no_cloud(told)["meta-data"]
        for told in (TOLD, replace(TOLD, digest="d2"), replace(TOLD, life=4))
    }
    assert len(instances) == 3
    assert user(replace(TOLD, initscript=None))["write_files"] == [
        {"path": guestseed.PER_BOOT, "content": "#!/bin/sh\n", "permissions": "0700", "owner": "root:root"}
    ]


def test_without_an_address_it_asks_for_one() -> None:
    network = json.loads(guestseed._no_cloud(replace(TOLD, address=None, gateway=None))["network-config"])
    [nic] = network["ethernets"].values()
    assert nic == {"match": {"macaddress": TOLD.mac}, "dhcp4": True}


def test_the_disk_is_one_of_cloud_inits_and_grows_in_steps() -> None:
    image = guestseed.image(TOLD)
    assert image.startswith(seed.MARK) and len(image) == seed.UNIT and b"cidata" in image
    assert len(guestseed.image(replace(TOLD, initscript="x" * (1 << 20)))) == 3 * seed.UNIT


def test_no_secret_shows() -> None:
    brief = Brief({}, (), "host", initscript="secret", host_key="PRIVATE")
    assert not any(word in f"{TOLD!r}{brief!r}{brief}" for word in ("secret", "PRIVATE"))
