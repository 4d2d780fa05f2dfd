"""What ipmitool says of a BMC that is slow or busy passes; what says that it refuses does not."""

import textwrap
from pathlib import Path
from typing import Any

import pytest

from nm.errors import DeviceFailed
from nm.management import ipmi
from nm.power import Manner, act
from tests.power.processors import SECRETS, IpmiSim
from tests.power.test_power import Watch

SESSION = """\
Loading IANA PEN Registry...
Running Get VSO Capabilities my_addr 0x20, transit 0, target 0x20
Invalid completion code received: Invalid command
Discovered IPMB address 0x0
"""
REFUSED = "Error in open session response message : "
PASSING = {
    "late": "IPMI Request Match NOT FOUND\nIPMI Request Match NOT FOUND",
    "lost": "Set Session Privilege Level to ADMINISTRATOR failed\n"
    "Error: Unable to establish IPMI v2 / RMCP+ session\nClose Session command failed",
    "stale": "packet session id 0x0 does not match active session 0xa0a2a3a4\n"
    "ERROR: Received an Unexpected message ID",
    "full": f"{REFUSED}insufficient resources for session\n"
    "Error: Unable to establish IPMI v2 / RMCP+ session",
    "full later": "RAKP 2 message indicates an error : insufficient resources for session\n"
    "Error: Unable to establish IPMI v2 / RMCP+ session",
    "lapsed": "RAKP 4 message indicates an error : invalid session ID",
    "busy": "Set Chassis Power Control to Up/On failed: Node busy",
    "starting": "Get Chassis Power Status failed: BMC initialization in progress",
    "early": "Get Chassis Power Status failed: Unspecified error",
    "no sensor": "Unable to get Chassis Power Status",
}
FINAL = {
    "password": ("> RAKP 2 HMAC is invalid", "refused the user or the password"),
    "late, and the password": (
        "IPMI Request Match NOT FOUND\n> RAKP 2 HMAC is invalid",
        "refused the user or the password",
    ),
    "user": ("RAKP 2 message indicates an error : unauthorized name", "refused the user or the password"),
    "rights": ("Set Chassis Power Control to Up/On failed: Insufficient privilege level", "too few rights"),
    "command": (
        "Set Chassis Power Control to Up/On failed: Invalid command",
        "Up/On failed: Invalid command",
    ),
}
FAKE = """\
    #!/bin/sh
    # Says what it is to say in so many runs, then is the real one.
    cd {folder}
    case " $* " in *{verb}*) ;; *) PATH={path} exec ipmitool "$@" ;; esac
    runs=$(($(cat runs) + 1))
    echo $runs >runs
    [ $runs -gt {bad} ] || {{ cat words >&2; exit 1; }}
    PATH={path} exec ipmitool "$@"
    """


class Tool:
    """A program ipmitool that stumbles in its first runs of one verb."""

    def __init__(self, folder: Path, words: str, bad: int, verb: str = "") -> None:
        self._runs = folder / "runs"
        self._runs.write_text("0")
        (folder / "words").write_text(SESSION + words + "\n")
        program = folder / "ipmitool"
        text = textwrap.dedent(FAKE)
        program.write_text(text.format(folder=folder, bad=bad, verb=f'"{verb}"', path=ipmi.PATH))
        program.chmod(0o755)
        self.path = f"{folder}:{ipmi.PATH}"

    @property
    def runs(self) -> int:
        return int(self._runs.read_text())


@pytest.fixture(scope="module")
def bmc(tmp_path_factory: pytest.TempPathFactory) -> Any:
    made = IpmiSim(tmp_path_factory.mktemp("bmc"))
    yield made
    made.close()


def do(bmc: IpmiSim, action: str) -> str:
    return act(bmc.management, action, secrets=SECRETS, manner=Manner(clock=Watch().clock))


@pytest.mark.parametrize("name", PASSING)
def test_what_passes_is_asked_again(
    name: str, bmc: IpmiSim, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tool = Tool(tmp_path, PASSING[name], bad=2)
    monkeypatch.setattr(ipmi, "PATH", tool.path)
    assert do(bmc, "status") == "off"
    assert tool.runs == 3


@pytest.mark.parametrize("verb", ["power status", "power on", "power off"])
def test_a_whole_action_gets_through_each_of_its_steps(
    verb: str, bmc: IpmiSim, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert do(bmc, "on") == "on"
    tool = Tool(tmp_path, PASSING["late"], bad=2, verb=verb)
    monkeypatch.setattr(ipmi, "PATH", tool.path)
    assert do(bmc, "cycle") == "on"
    assert tool.runs >= 3
    monkeypatch.undo()
    assert do(bmc, "off") == "off"


@pytest.mark.parametrize("name", FINAL)
def test_what_does_not_pass_is_told_at_once(
    name: str, bmc: IpmiSim, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    words, told = FINAL[name]
    tool = Tool(tmp_path, words, bad=9)
    monkeypatch.setattr(ipmi, "PATH", tool.path)
    with pytest.raises(DeviceFailed, match=told) as failure:
        do(bmc, "on")
    assert not failure.value.passing
    assert tool.runs == 1
