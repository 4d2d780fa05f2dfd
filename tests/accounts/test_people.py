"""Accounts and people of a whole nm: nobody becomes an administrator by the name of an account of nm's."""

import pwd
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from nm import config
from nm.database import Database
from nm.identity import Kernel
from tests.accounts import FIRST, LAST
from tests.accounts.test_in_rack import KEY, SHELL, break_tools, found, mend_tools
from tests.rack import Rack, rack


@pytest.fixture
def lab(tmp_path: Path, root: Path) -> Iterator[Rack]:
    accounts = config.Accounts(shell=SHELL, homes="/homes", root=str(root), first_uid=FIRST, last_uid=LAST)
    with rack(tmp_path, nodes=2, accounts=accounts) as made:
        yield made


def administers(lab: Rack, account: pwd.struct_passwd) -> bool:
    assert lab.service is not None
    gate = lab.service._api._server.gate
    assert isinstance(gate, Kernel)
    return gate._people.caller(account.pw_uid, "unix", 0.0).admin


def test_an_account_with_a_uid_of_nms_never_administers(lab: Rack) -> None:
    """Here an account of the machine's own, in whose primary group administrators are."""
    account = pwd.getpwnam("daemon")
    api = replace(lab.config.api, admin_group="daemon")
    lab.config = replace(lab.config, api=api)
    assert lab.service is not None
    lab.service.reload(lab.config)
    assert administers(lab, account)
    low = replace(lab.config.accounts, first_uid=account.pw_uid, last_uid=account.pw_uid)
    lab.service.reload(replace(lab.config, accounts=low))
    assert not administers(lab, account)
    lab.service.reload(replace(lab.config, accounts=replace(low, shell="")))  # then nm makes none
    assert administers(lab, account)


def taken_over(lab: Rack, root: Path) -> int:
    """A delegate that cannot be removed just now, and a group that has taken its name. The delegate's job."""
    assert lab.wait(lab.call("CreateDelegate", "x", [KEY], []))["state"] == "done"
    break_tools(root)
    job: int = lab.call("DestroyDelegate", "x")
    lab.until(lambda: "tried again" in lab.call("GetJob", job)["step"])
    lab.call("CreateGroup", "x", {"nodes": ["n0"]})
    return job


def test_a_delegate_goes_though_a_group_of_its_name_has_come_and_gone(lab: Rack, root: Path) -> None:
    job = taken_over(lab, root)
    assert lab.wait(lab.call("DestroyGroup", "x"))["state"] == "done"
    assert "x" in found(root) and lab.call("GetJob", job)["state"] == "running"
    assert [one["state"] for one in lab.call("GetDelegates", {})] == ["leaving"]
    mend_tools(root)
    assert lab.wait(job)["state"] == "done"
    lab.until(lambda: found(root) == {} and lab.call("GetDelegates", {}) == [])
    assert lab.wait(lab.call("CreateDelegate", "x", [KEY], []))["state"] == "done"


def test_a_delegate_goes_after_a_restart_though_a_group_has_its_name(lab: Rack, root: Path) -> None:
    """Its job was forgotten long ago; the group, which is not deployed, has inherited the duty."""
    job = taken_over(lab, root)
    lab.stop()
    with closing(Database.open(lab.folder / "db")) as store:
        store.transact(lambda tx: tx.delete(f"job_{job}"))
    mend_tools(root)
    lab.start()
    lab.until(lambda: found(root) == {})
    lab.deploy("x")
    assert found(root)["x"].uid == FIRST + 1
