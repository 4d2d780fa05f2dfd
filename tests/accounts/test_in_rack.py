"""Accounts from the API to passwd: a whole nm on a copy of this machine's files."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from nm import config
from nm.calls import Caller
from nm.errors import Conflict, Denied, NotFound
from nm.passwd import Entry, read_passwd
from tests.accounts import CALLS, FIRST, LAST
from tests.rack import Rack, rack
from tests.shell.conftest import run

KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIHG9PQ9B8t1vHzn9pYc0R0nGzqXhUjBq0jXo3aJfY1xL alice"
OTHER = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIHG9PQ9B8t1vHzn9pYc0R0nGzqXhUjBq0jXo3aJfY1xM bob"
SHELL = "/usr/lib/nm/forward_api_calls"


@pytest.fixture
def lab(tmp_path: Path, root: Path) -> Iterator[Rack]:
    accounts = config.Accounts(shell=SHELL, homes="/homes", root=str(root), first_uid=FIRST, last_uid=LAST)
    with rack(tmp_path, nodes=2, accounts=accounts) as made:
        yield made


def found(root: Path) -> dict[str, Entry]:
    return {name: entry for name, entry in read_passwd(root).items() if FIRST <= entry.uid <= LAST}


def keys(root: Path, name: str) -> list[str]:
    return (root / "homes" / name / ".ssh/authorized_keys").read_text().splitlines()


def break_tools(root: Path) -> None:
    """No tool can change an account now."""
    (root / "etc/gshadow").rename(root / "etc/away")
    (root / "etc/gshadow").mkdir()


def mend_tools(root: Path) -> None:
    (root / "etc/gshadow").rmdir()
    (root / "etc/away").rename(root / "etc/gshadow")


def test_a_delegates_life(lab: Rack, root: Path) -> None:
    assert lab.wait(lab.call("CreateDelegate", "snoop", [KEY], ["spy"]))["state"] == "done"
    entry = found(root)["snoop"]
    assert entry.shell == SHELL and keys(root, "snoop") == [f"{CALLS} {KEY}"]
    assert lab.call("GetDelegates", {})[0]["state"] == "ready"
    caller = Caller(entry.uid, "snoop")
    assert lab.call("GetSwitchState", "sw0", caller=caller)
    with pytest.raises(Denied, match="snoop may not call ResetPorts"):
        lab.call("ResetPorts", "sw0", caller=caller)
    assert lab.wait(lab.call("DestroyDelegate", "snoop"))["state"] == "done"
    assert found(root) == {} and lab.call("GetDelegates", {}) == []
    assert lab.wait(lab.call("CreateDelegate", "snoop", [], []))["state"] == "done"
    assert found(root)["snoop"].uid == entry.uid + 1


def test_a_groups_account_comes_and_goes_with_it(lab: Rack, root: Path) -> None:
    lab.call("CreateGroup", "Web.1", {"nodes": ["n0"], "keys": [KEY]})
    assert found(root) == {}
    lab.deploy("Web.1")
    [(name, entry)] = found(root).items()
    assert name.startswith("web-1-") and keys(root, name) == [f"{CALLS} {KEY}"]
    account = Caller(entry.uid, name)
    assert lab.call("WhoAmI", caller=account)["groups"] == ["Web.1"]
    assert lab.call("GetGroups", {})[0]["account"] == name
    lab.wait(lab.call("Deploy", "Web.1", caller=account))
    with pytest.raises(Denied):
        lab.call("SetKeys", "Web.1", [], caller=account)
    lab.call("SetKeys", "Web.1", [OTHER])
    lab.until(lambda: keys(root, name) == [f"{CALLS} {OTHER}"])
    lab.wait(lab.call("StartAudit", "Web.1"))
    assert lab.call("GetAudit", "Web.1")["differences"] == []
    (root / "homes" / name / ".ssh/authorized_keys").write_text("")
    lab.wait(lab.call("StartAudit", "Web.1"))
    assert [one["hand"] for one in lab.call("GetAudit", "Web.1")["differences"]] == ["account"]
    assert lab.wait(lab.call("Repair", "Web.1"))["state"] == "done"
    assert keys(root, name) == [f"{CALLS} {OTHER}"]
    assert lab.wait(lab.call("DestroyGroup", "Web.1"))["state"] == "done"
    assert found(root) == {} and not (root / "homes" / name).exists()
    lab.call("CreateGroup", "Web.1", {})
    lab.deploy("Web.1")
    assert found(root)[name].uid > entry.uid


def test_a_group_that_was_never_deployed_leaves_nothing(lab: Rack, root: Path) -> None:
    lab.call("CreateGroup", "a", {})
    lab.call("SetKeys", "a", [KEY])
    lab.wait(lab.call("DestroyGroup", "a"))
    assert found(root) == {}
    lab.call("CreateDelegate", "a", [], [])


def test_a_name_made_again_while_the_old_one_goes(lab: Rack, root: Path) -> None:
    job = lab.wait(lab.call("CreateDelegate", "snoop", [KEY], []))
    break_tools(root)
    gone = lab.call("DestroyDelegate", "snoop")
    lab.until(lambda: "tried again" in lab.call("GetJob", gone)["step"])
    new = lab.call("CreateDelegate", "snoop", [OTHER], [])
    assert new != job["id"]
    mend_tools(root)
    assert lab.wait(new)["state"] == lab.wait(gone)["state"] == "done"
    entry = found(root)["snoop"]
    assert entry.uid == lab.call("GetDelegates", {})[0]["uid"] and keys(root, "snoop") == [f"{CALLS} {OTHER}"]


def test_what_a_daemon_left_undone_the_next_one_does(lab: Rack, root: Path) -> None:
    break_tools(root)
    job = lab.call("CreateDelegate", "snoop", [KEY], [])
    lab.until(lambda: "tried again" in lab.call("GetJob", job)["step"])
    lab.stop()
    mend_tools(root)
    lab.start()
    assert lab.wait(job)["state"] == "done"
    assert "snoop" in found(root)


def test_an_empty_database_removes_nothing(lab: Rack, root: Path, tmp_path: Path) -> None:
    for at in range(5):
        lab.wait(lab.call("CreateDelegate", f"d{at}", [], []))
    before = found(root)
    assert len(before) == 5
    lab.stop()
    lab.config = replace(lab.config, daemon=config.Daemon(database=str(tmp_path / "empty"), log=""))
    lab.start()
    with pytest.raises(NotFound):
        lab.call("DestroyDelegate", "d0")
    with pytest.raises(Conflict, match="which nm did not make"):
        lab.call("CreateDelegate", "d0", [], [])
    lab.wait(lab.call("CreateDelegate", "new", [], []))
    after = found(root)
    assert after.pop("new").uid not in {entry.uid for entry in before.values()}
    assert after == before


def test_many_delegates_at_once(lab: Rack, root: Path) -> None:
    jobs = [lab.call("CreateDelegate", f"d{at}", [KEY], []) for at in range(30)]
    assert {lab.wait(job)["state"] for job in jobs} == {"done"}
    assert len(found(root)) == 30
    jobs = [lab.call("DestroyDelegate", f"d{at}") for at in range(30)]
    assert {lab.wait(job)["state"] for job in jobs} == {"done"}
    assert found(root) == {} and not list((root / "homes").iterdir())


def test_nmctl(lab: Rack, root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NM_ADDRESS", str(tmp_path / "api.sock"))
    (tmp_path / "keys").write_text(f"# people\n{KEY}\n{OTHER}\n")
    words = ("snoop", "spy", "reserve.nodes=3", "--key-file", str(tmp_path / "keys"), "--wait")
    assert "create delegate snoop" in run("delegate", "create", *words).out
    assert keys(root, "snoop") == [f"{CALLS} {KEY}", f"{CALLS} {OTHER}"]
    assert f"snoop  snoop    {FIRST}  delegate  ready" in run("delegate", "list").out
    (tmp_path / "new").write_text(f"{OTHER}\n")
    assert run("delegate", "keys", "snoop", str(tmp_path / "new"), "--wait").status == 0
    assert keys(root, "snoop") == [f"{CALLS} {OTHER}"]
    assert run("rights", "set", "snoop", "--none").status == 0
    assert lab.call("GetDelegates", {})[0]["rights"] == {}
    assert run("delegate", "destroy", "snoop", "--wait").status == 0
    assert found(root) == {}
