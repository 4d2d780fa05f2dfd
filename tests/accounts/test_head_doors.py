"""The way to nm's door in reach of head nodes: it follows the door, and ends with the group."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from nm import config, libvirt_host, seed
from nm.headkeys import FILE
from tests.accounts import FIRST, LAST
from tests.headnode.conftest import unpacked
from tests.rack import Rack, rack

SIZE = 1 << 20


class House:
    """A whole nm, with sshd's keys, and a group of h1's that is deployed."""

    def __init__(self, lab: Rack, folder: Path) -> None:
        self.lab, self.folder = lab, folder
        (folder / "ssh").mkdir()
        self.host_key("AAAA")

    def host_key(self, key: str) -> None:
        (self.folder / "ssh/ssh_host_ed25519_key.pub").write_text(f"ssh-ed25519 {key} root@nm\n")

    def restart(self, door: str = "nm.example") -> None:
        heads = config.HeadNodes(door=door, host_keys=str(self.folder / "ssh"))
        self.lab.stop()
        self.lab.config = config.Config(**{**vars(self.lab.config), "headnodes": heads})
        self.lab.start()

    def content(self, head: str = "h1") -> bytes:
        host = libvirt_host.connect("test:///default")
        try:
            return host.storage.get(None, f"{head}+seed", SIZE)
        finally:
            host.close()

    def seen(self, head: str = "h1") -> dict[str, str]:
        """The files of the door, as the head node has them."""
        content, number = self.content(head), len(list(self.folder.glob("seen*")))
        if seed.door_of(content) is None:
            return {}
        place = unpacked(content, self.folder / f"seen{number}") / "nm"
        return {path.name: path.read_text() for path in place.iterdir()}

    def deployed(self, head: str = "h1") -> dict[str, Any]:
        found: dict[str, Any] = self.lab.call("GetStatus", "alpha")["deployed"][f"head/{head}"]
        return found


@pytest.fixture
def house(tmp_path: Path, root: Path) -> Iterator[House]:
    accounts = config.Accounts(
        shell="/usr/lib/nm/forward_api_calls", homes="/homes", root=str(root), first_uid=FIRST, last_uid=LAST
    )
    with rack(tmp_path, nodes=2, accounts=accounts) as lab:
        made = House(lab, tmp_path)
        lab.call("CreateGroup", "alpha", {"nodes": ["n0"], "headnode": "h1"})
        lab.deploy("alpha")
        yield made
        lab.wait(lab.call("DestroyGroup", "alpha"))
        assert (made.content("h1"), made.content("h2")) == (b"", b"")


@pytest.mark.parametrize("bring", ["Repair", "Deploy"])
def test_a_door_that_is_set_later_comes_to_a_head_node_that_stays(house: House, bring: str) -> None:
    assert house.seen() == {} and "door" not in house.deployed()
    house.restart()
    lab = house.lab
    for method in ("StartAudit", "GetAudit"):
        lab.call(method, "alpha")
    job = lab.wait(lab.call(bring, "alpha"))
    assert job["state"] == "done", job
    files = house.seen()
    assert json.loads(files["door.json"]) == {
        "host": "nm.example", "port": 22, "account": "head-h1", "group": "alpha",
    }  # fmt: skip
    assert files["known_hosts"] == "nm.example ssh-ed25519 AAAA\n" and set(files) == {
        "door.json", "key", "known_hosts",
    }  # fmt: skip
    assert seed.door_of(house.content()) == house.deployed()["door"]
    assert lab.wait(lab.call("StartAudit", "alpha"))["result"]["differences"] == 0


def test_the_seed_follows_whatever_leads_in(house: House) -> None:
    lab = house.lab
    house.restart()
    lab.deploy("alpha")
    marks = [house.deployed()["door"]]

    def other(**differs: bool) -> dict[str, str]:
        before = house.seen()
        assert lab.wait(lab.call("Repair", "alpha"))["state"] == "done"
        files = house.seen()
        assert {name: files[name] != before[name] for name in differs} == differs
        marks.append(house.deployed()["door"])
        assert seed.door_of(house.content()) == marks[-1]
        return files

    house.restart("nm.example:2222")
    assert json.loads(other(**{"door.json": True})["door.json"])["port"] == 2222
    house.host_key("BBBB")
    house.restart("nm.example:2222")
    assert "BBBB" in other(known_hosts=True)["known_hosts"]
    key = house.seen()["key"]
    (house.folder / "db" / FILE).unlink()  # head nodes get new keys
    house.restart("nm.example:2222")
    assert other()["key"] != key
    assert len(set(marks)) == len(marks)
    house.restart("")
    assert lab.wait(lab.call("Repair", "alpha"))["state"] == "done"
    assert house.seen() == {} and "door" not in house.deployed() and house.content().strip(b"\0") == b""


def test_another_head_node_another_seed_and_nothing_of_it_is_left(house: House) -> None:
    lab = house.lab
    house.restart()
    lab.deploy("alpha")
    old = house.seen()
    key = "".join(old["key"].splitlines()[1:-1])
    database = lab.service.database if lab.service else None
    assert database is not None and key not in str([*database.range("group"), *database.range("meta")])
    lab.call("SetHeadNode", "alpha", "h2")
    lab.deploy("alpha")
    assert house.content("h1") == b"" and house.seen("h2")["key"] != old["key"]
    assert json.loads(house.seen("h2")["door.json"])["account"] == "head-h2"


def test_a_seed_that_somebody_emptied_is_seen_and_written_anew(house: House) -> None:
    lab = house.lab
    house.restart()
    lab.deploy("alpha")
    host = libvirt_host.connect("test:///default")
    host.storage.remove(None, ["h1+seed"])
    host.close()
    lab.wait(lab.call("StartAudit", "alpha"))
    assert [one["hand"] for one in lab.call("GetAudit", "alpha")["differences"]] == ["head"]
    assert lab.wait(lab.call("Repair", "alpha"))["state"] == "done"
    assert set(house.seen()) == {"door.json", "key", "known_hosts"}


def test_a_door_whose_keys_cannot_be_read_is_told_by_the_deploy(house: House) -> None:
    lab = house.lab
    (house.folder / "ssh/ssh_host_ed25519_key.pub").unlink()
    house.restart()
    job = lab.wait(lab.call("Deploy", "alpha"))
    assert job["state"] == "failed" and "correct headnodes.host_keys" in job["error"]["text"]
    house.host_key("AAAA")
    house.restart()
    lab.deploy("alpha")
    assert house.seen()
