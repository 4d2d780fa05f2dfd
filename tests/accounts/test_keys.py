"""From when on a key lets in: told by the order of what happens, whatever the time between is."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from nm import config
from nm.records import kind_of
from nm.store import Published
from tests.accounts import CALLS, FIRST, LAST
from tests.accounts.test_in_rack import KEY, OTHER, SHELL, keys
from tests.rack import Rack, rack


@pytest.fixture
def lab(tmp_path: Path, root: Path) -> Iterator[Rack]:
    accounts = config.Accounts(shell=SHELL, homes="/homes", root=str(root), first_uid=FIRST, last_uid=LAST)
    with rack(tmp_path, nodes=2, accounts=accounts) as made:
        yield made


def test_a_key_lets_in_when_its_job_is_over(lab: Rack, root: Path) -> None:
    """Of a delegate and of a group: at the moment when `done` is published, sshd would find it."""
    found: list[list[str]] = []
    account = "snoop"

    def look(published: Published) -> None:
        for key, record in published.changes.items():
            if kind_of(key) == "job" and record and (record["kind"], record["state"]) == ("keys", "done"):
                found.append(keys(root, account))

    lab.wait(lab.call("CreateDelegate", account, [KEY], []))
    lab.call("CreateGroup", "alpha", {"nodes": ["n0"], "keys": [KEY]})
    lab.deploy("alpha")
    assert lab.service is not None
    lab.service.database.subscribe(look)
    lab.call("SetDelegateKeys", account, [OTHER])
    lab.until(lambda: len(found) == 1)
    lab.call("SetDelegateKeys", account, [])
    lab.until(lambda: len(found) == 2)
    account = lab.call("GetGroups", {})[0]["account"]
    lab.call("SetKeys", "alpha", [OTHER])
    lab.until(lambda: len(found) == 3)
    assert found == [[f"{CALLS} {OTHER}"], [], [f"{CALLS} {OTHER}"]]
