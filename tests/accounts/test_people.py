"""Accounts and people of a whole nm: nobody becomes an administrator by the name of an account of nm's."""

import pwd
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from nm import config
from tests.accounts import FIRST, LAST
from tests.accounts.test_in_rack import SHELL
from tests.rack import Rack, rack


@pytest.fixture
def lab(tmp_path: Path, root: Path) -> Iterator[Rack]:
    accounts = config.Accounts(shell=SHELL, homes="/homes", root=str(root), first_uid=FIRST, last_uid=LAST)
    with rack(tmp_path, nodes=2, accounts=accounts) as made:
        yield made


def administers(lab: Rack, account: pwd.struct_passwd) -> bool:
    assert lab.service is not None
    return lab.service._api._server.people.caller(account.pw_uid, "unix", 0.0).admin


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
