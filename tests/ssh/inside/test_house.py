"""The house itself: what is private in it, and that people get in."""

import os
import xmlrpc.client
from pathlib import Path
from typing import Any

from tests.ssh.house import FIRST_UID, SHELL, House


def test_a_delegate_calls_through_ssh(house: House) -> None:
    account = house.delegate("alice")
    answer = house.call(account, "WhoAmI", key=house.key("alice"))
    assert answer["name"] == account and answer["uid"] >= FIRST_UID and answer["daemon"] == "nmd on house"
    assert house.ssh(account, key=house.key("nobody's")).returncode == 255


def test_both_ways_on_this_machine(house: House) -> None:
    for address in ("localhost", "127.0.0.1", "[::1]"):
        with xmlrpc.client.ServerProxy(f"http://{address}:812") as proxy:
            answer: Any = proxy.WhoAmI()
        assert answer["rights"] == ["admin"]


def test_people_whom_nm_did_not_make(house: House) -> None:
    house.user("worker", 3001, options=f'restrict,command="{SHELL}"')
    assert house.call("worker", "WhoAmI")["uid"] == 3001
    house.authorize("root", Path.home(), f'restrict,command="{SHELL}"')
    assert house.call("root", "WhoAmI")["rights"] == ["admin"]


def test_sshd_may_be_stopped_and_started(house: House) -> None:
    house.delegate("bob")
    house.stop_sshd()
    assert house.ssh("bob").returncode == 255
    house.start_sshd()
    assert house.call("bob", "WhoAmI")["name"] == "bob"


def test_it_is_private(house: House) -> None:
    assert os.getpid() < 100 and os.uname().nodename == "house"
    assert Path.home() == Path("/var/lib/root")
