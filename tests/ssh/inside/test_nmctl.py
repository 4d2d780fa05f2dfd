"""nmctl through SSH: every command's story, as root of the same machine; and what goes wrong on the way."""

import json
import re
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.shell import test_commands
from tests.shell.conftest import Nmctl, run
from tests.shell.test_program import start
from tests.ssh.house import OTHER_PORT, SHELL, House, HouseRack

ROOT = "ssh://root@127.0.0.1"
STORIES = {story.__name__: story for story in test_commands.STORIES.values()}


@pytest.fixture(autouse=True)
def ssh_settings(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """Root has a key and knows the host, as for ssh."""
    monkeypatch.delenv("NM_ADDRESS", raising=False)
    house.authorize("root", Path.home(), f'restrict,command="{SHELL}"')
    (Path.home() / ".ssh/config").write_text(
        f"IdentityFile {house.key('root').file}\nUserKnownHostsFile {house.known_hosts}\n"
    )


@pytest.fixture
def nmctl(house: House, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Nmctl]:
    """nmctl with a rack of its own, named by NM_ADDRESS."""
    house.rack.stop()
    made = HouseRack(tmp_path, nodes=4)
    try:
        made.register(management=True)
        monkeypatch.setenv("NM_ADDRESS", ROOT)
        yield Nmctl(made)
    finally:
        made.stop()
        house.rack.start()


@pytest.mark.parametrize("name", sorted(STORIES))
def test_story(name: str, nmctl: Nmctl, tmp_path: Path) -> None:
    STORIES[name](nmctl, tmp_path)


def test_a_delegate_from_the_command_line(house: House) -> None:
    house.delegate("walker", rights=["reserve"])
    host = ("--host", "ssh://walker@127.0.0.1", "-i", str(house.key("walker").file))
    assert "walker" in run(*host, "whoami").out
    assert run("group", "create", "walked", "--nodes", "n0", *host).status == 0
    assert run("deploy", "walked", "--wait", *host).status == 0
    assert house.rack.call("GetStatus", "walked")["state"] == "deployed"
    assert run("group", "destroy", "walked", "--wait", *host, "--json").json["ok"] is True
    assert house.rack.call("GetGroups", {"name": "walked"}) == []
    denied = run("vlan", "register", "7", *host)
    assert denied.status == 4 and "walker" in denied.err


def test_many_calls_of_one_run_are_one_connection(house: House) -> None:
    house.delegate("counted", rights=["spy"])
    host = ("--host", "ssh://counted@127.0.0.1", "--identity", str(house.key("counted").file))
    assert run("events", "--limit", "5", *host).status == 0
    log = house.sshd_log.read_text()
    assert log.count("Accepted publickey for counted from") == 1
    assert len(re.findall("Starting session: .* for counted from", log)) > 3


def test_following_events_until_ctrl_c(house: House) -> None:
    words = ("events", "--follow", "--json", "--limit", "1", "--host", ROOT)
    with start(*words, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout and process.stderr
        first = json.loads(process.stdout.readline())
        house.rack.call("CreateGroup", "followed", {})
        second = json.loads(process.stdout.readline())
        process.send_signal(signal.SIGINT)
        assert process.wait(30) == 130
        assert process.stderr.read() == ""
    assert (second["subject"], second["what"]) == ("group followed", "created")
    assert second["id"] > first["id"]


def test_what_goes_wrong_is_told_in_two_lines(house: House, tmp_path: Path) -> None:
    (tmp_path / "none").touch()
    stranger = str(house.key("passer-by").file)
    for words, said in (
        (("--host", "ssh://root@127.0.0.1:1"), "connection refused"),
        (("--host", f"ssh://root@localhost:{OTHER_PORT}", "-i", stranger), "takes none of our keys"),
        (("--host", ROOT, "-i", str(tmp_path / "none")), "no private key"),
        (("--host", "ssh://root@127.0.0.1:812"), "no SSH session"),
    ):
        with start("whoami", *words, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
            out, err = process.communicate(timeout=60)
        assert process.returncode == 8
        assert out == ""
        assert said in err
        assert err.startswith("nmctl: ") and "\nhint: " in err and err.count("\n") == 2, err


def test_an_unknown_host_key_stops_it(house: House) -> None:
    (Path.home() / ".ssh/config").write_text(
        f"IdentityFile {house.key('root').file}\nStrictHostKeyChecking no\n"
    )
    stopped = run("--host", ROOT, "whoami", "--json")
    assert stopped.status == 8
    assert "ssh-keyscan 127.0.0.1" in stopped.json["error"]["hint"]
    assert not (Path.home() / ".ssh/known_hosts").exists()
