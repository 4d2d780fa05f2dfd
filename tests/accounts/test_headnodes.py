"""Head nodes' accounts: a whole nm on a copy of this machine's files, and the keys that nobody stores."""

import stat
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from nm import config
from nm.calls import Caller
from nm.errors import Conflict, DeviceFailed, NMError
from nm.headdoor import HeadDoor
from nm.headkeys import FILE, HeadKeys
from nm.passwd import Entry, read_passwd
from nm.records import Record
from tests.accounts import CALLS, FIRST, LAST
from tests.rack import Rack, rack

SHELL = "/usr/lib/nm/forward_api_calls"
DOOR = config.HeadNodes(door="nm.example:2222")


def made(tmp_path: Path, root: Path, headnodes: config.HeadNodes) -> Iterator[Rack]:
    accounts = config.Accounts(shell=SHELL, homes="/homes", root=str(root), first_uid=FIRST, last_uid=LAST)
    with rack(tmp_path, nodes=2, accounts=accounts, headnodes=headnodes, management=True) as lab:
        yield lab


@pytest.fixture
def lab(tmp_path: Path, root: Path) -> Iterator[Rack]:
    yield from made(tmp_path, root, DOOR)


@pytest.fixture
def doorless(tmp_path: Path, root: Path) -> Iterator[Rack]:
    yield from made(tmp_path, root, config.HeadNodes())


def found(root: Path) -> dict[str, Entry]:
    return {name: entry for name, entry in read_passwd(root).items() if FIRST <= entry.uid <= LAST}


def record(lab: Rack, name: str) -> Record:
    assert lab.service is not None
    account = lab.service.database.get(f"account_{name}")
    assert account is not None
    return account


def expected(lab: Rack, name: str) -> list[str]:
    """What is to stand in authorized_keys."""
    account = record(lab, name)
    keys = HeadKeys(lab.config.daemon.database)
    return [f"{CALLS} {keys.public(name, account['id'])}"]


def keys(root: Path, name: str) -> list[str]:
    return (root / "homes" / name / ".ssh/authorized_keys").read_text().splitlines()


def events(lab: Rack) -> list[tuple[str, str, str]]:
    return [(one["who"], one["subject"], one["what"]) for one in lab.call("GetEvents", 0, 1000)]


def test_the_account_comes_and_goes_with_the_deploys(lab: Rack, root: Path) -> None:
    lab.call("CreateGroup", "alpha", {"nodes": ["n0"], "headnode": "h1"})
    assert found(root) == {}
    [step] = [step for step in lab.call("PlanDeploy", "alpha")["steps"] if step["target"] == "head-h1"]
    assert step["text"] == "account head-h1: with the key of head node h1"
    lab.deploy("alpha")
    first = found(root)["head-h1"]
    assert first.comment == "nm headnode h1" and keys(root, "head-h1") == expected(lab, "head-h1")
    caller = Caller(first.uid, "head-h1")
    job = lab.wait(lab.call("PowerNode", "n0", "on", caller=caller))
    assert job["state"] == "done"
    lab.until(lambda: ("head-h1", "node n0", "power on") in events(lab))
    lab.call("SetHeadNode", "alpha", "h2")
    lab.deploy("alpha")
    assert set(found(root)) == {"alpha", "head-h2"} and not (root / "homes/head-h1").exists()
    lab.call("SetHeadNode", "alpha", None)
    lab.deploy("alpha")
    assert set(found(root)) == {"alpha"}
    lab.call("ClearHeadNode", "h1")
    lab.call("SetHeadNode", "alpha", "h1")
    lab.deploy("alpha")
    assert found(root)["head-h1"].uid > first.uid
    lab.wait(lab.call("DestroyGroup", "alpha"))
    assert found(root) == {}


def test_every_incarnation_has_a_key_of_its_own(lab: Rack, root: Path) -> None:
    seen = []
    for group in ("alpha", "beta"):
        lab.call("CreateGroup", group, {"headnode": "h1"})
        lab.deploy(group)
        seen += keys(root, "head-h1")
        assert lab.call("GetStatus", group)["deployed"]["account/head-h1"]["head"] == "h1"
        lab.wait(lab.call("DestroyGroup", group))
        lab.call("ClearHeadNode", "h1")
    assert len(set(seen)) == 2


def test_an_account_that_stays_keeps_the_head_node_from_others(lab: Rack, root: Path) -> None:
    lab.call("CreateGroup", "alpha", {"headnode": "h1"})
    lab.deploy("alpha")
    (root / "etc/gshadow").rename(root / "etc/away")
    (root / "etc/gshadow").mkdir()  # no tool can change an account now
    job = lab.call("DestroyGroup", "alpha")
    lab.until(lambda: "tried again" in lab.call("GetJob", job)["step"])
    assert keys(root, "head-h1") == []  # it is closed all the same
    lab.until(lambda: not lab.call("GetHeadNodes", {"name": "h1"})[0]["running"])
    assert lab.call("GetHeadNodes", {"name": "h1"})[0]["group"] == "alpha"
    (root / "etc/gshadow").rmdir()
    (root / "etc/away").rename(root / "etc/gshadow")
    assert lab.wait(job)["state"] == "done"
    assert lab.call("GetHeadNodes", {"name": "h1"})[0]["group"] is None and found(root) == {}


def test_a_key_that_somebody_changed_is_seen_and_mended(lab: Rack, root: Path) -> None:
    lab.call("CreateGroup", "alpha", {"headnode": "h1"})
    lab.deploy("alpha")
    (root / "homes/head-h1/.ssh/authorized_keys").write_text("ssh-ed25519 AAAA somebody\n")
    lab.wait(lab.call("StartAudit", "alpha"))
    [difference] = lab.call("GetAudit", "alpha")["differences"]
    assert (difference["hand"], difference["target"]) == ("account", "head-h1")
    assert lab.wait(lab.call("Repair", "alpha"))["state"] == "done"
    assert keys(root, "head-h1") == expected(lab, "head-h1")


def test_staged_and_never_deployed_it_leaves_nothing(lab: Rack, root: Path) -> None:
    lab.call("CreateGroup", "alpha", {"headnode": "h1"})
    assert record(lab, "head-h1")["group"] == "alpha"
    lab.call("SetHeadNode", "alpha", "h2")
    assert lab.service is not None and lab.service.database.get("account_head-h1") is None
    lab.wait(lab.call("DestroyGroup", "alpha"))
    assert lab.service.database.get("account_head-h2") is None and found(root) == {}


def test_a_name_that_is_taken(lab: Rack) -> None:
    lab.wait(lab.call("CreateDelegate", "head-h1", [], []))
    with pytest.raises(Conflict, match="account head-h1 exists already, for delegate head-h1"):
        lab.call("CreateGroup", "alpha", {"headnode": "h1"})
    assert lab.call("GetHeadNodes", {"name": "h1"})[0]["free"]


def test_without_a_door_there_is_no_account_until_there_is_one(doorless: Rack, root: Path) -> None:
    doorless.call("CreateGroup", "alpha", {"headnode": "h1"})
    doorless.deploy("alpha")
    assert set(found(root)) == {"alpha"}
    doorless.stop()
    doorless.config = config.Config(**{**vars(doorless.config), "headnodes": DOOR})
    doorless.start()
    doorless.call("SetHeadNode", "alpha", "h1")
    doorless.deploy("alpha")
    assert set(found(root)) == {"alpha", "head-h1"}


# ---- keys, and the files of a seed


def test_keys_follow_from_the_secret_alone(tmp_path: Path) -> None:
    one, again, other = HeadKeys(tmp_path), HeadKeys(tmp_path), HeadKeys(tmp_path / "else")
    assert one.public("head-h1", 7) == again.public("head-h1", 7)
    different = {one.public("head-h1", 7), one.public("head-h1", 8), one.public("head-h2", 7)}
    assert len({*different, other.public("head-h1", 7)}) == 4
    assert stat.S_IMODE((tmp_path / FILE).stat().st_mode) == 0o600
    (tmp_path / "key").touch(mode=0o600)
    (tmp_path / "key").write_text(one.private("head-h1", 7))
    told = subprocess.run(
        ["ssh-keygen", "-y", "-f", tmp_path / "key"], capture_output=True, text=True, check=True
    )
    assert told.stdout.split()[:2] == one.public("head-h1", 7).split()[:2]


def test_a_head_node_keeps_its_key_from_release_to_release(tmp_path: Path) -> None:
    (tmp_path / FILE).touch(mode=0o600)
    (tmp_path / FILE).write_bytes(bytes(32))
    assert HeadKeys(tmp_path).public("head-h1", 7) == (
        "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAW2eLvMW4FJoN09tMnbFxfcHtCC6OZyvT40iYk06HSc head-h1"
    )


@pytest.mark.parametrize("content", [b"", b"short", b"x" * 33])
def test_a_damaged_secret_is_never_used_nor_replaced(tmp_path: Path, content: bytes) -> None:
    (tmp_path / FILE).touch(mode=0o600)
    (tmp_path / FILE).write_bytes(content)
    with pytest.raises(DeviceFailed, match="32 bytes"):
        HeadKeys(tmp_path).public("head-h1", 1)
    assert (tmp_path / FILE).read_bytes() == content


def test_a_secret_that_others_can_read_is_refused(tmp_path: Path) -> None:
    HeadKeys(tmp_path).public("head-h1", 1)
    (tmp_path / FILE).chmod(0o640)
    with pytest.raises(DeviceFailed, match="open to others"):
        HeadKeys(tmp_path).public("head-h1", 1)
    (tmp_path / FILE).unlink()
    (tmp_path / FILE).symlink_to("/etc/passwd")
    with pytest.raises(NMError):
        HeadKeys(tmp_path).public("head-h1", 1)


def test_what_a_seed_is_told_of_the_door(tmp_path: Path) -> None:
    (tmp_path / "ssh_host_ed25519_key.pub").write_text("ssh-ed25519 AAAAC3 root@nm\n")
    (tmp_path / "ssh_host_rsa_key.pub").write_text("ssh-rsa AAAAB3 root@nm\n")
    account = {"account": "head-h1", "id": 7, "group": "alpha"}
    door = HeadDoor("nm.example:2222", tmp_path, HeadKeys(tmp_path)).of(account)
    assert (door.host, door.port, door.account) == ("nm.example", 2222, "head-h1")
    assert "PRIVATE KEY" in door.key and "PRIVATE" not in repr(door)
    assert door.known_hosts == ("[nm.example]:2222 ssh-ed25519 AAAAC3\n[nm.example]:2222 ssh-rsa AAAAB3\n")
    plain = HeadDoor("10.0.0.1", tmp_path, HeadKeys(tmp_path)).of(account)
    assert plain.known_hosts.startswith("10.0.0.1 ssh-ed25519")
    with pytest.raises(DeviceFailed, match="ssh_host"):
        HeadDoor("10.0.0.1", tmp_path / "none", HeadKeys(tmp_path)).of(account)
