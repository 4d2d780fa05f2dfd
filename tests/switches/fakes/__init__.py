"""Fake switches that execute what is typed into them, over real SSH (and telnet): for tests and benchmarks.

In a test:

    from tests.switches.fakes import start

    with start("cisco_ios", ports=48, enable="topsecret", latency=0.02) as switch:
        switch.port, switch.host_key            # on 127.0.0.1; user "admin", password "letmein"
        switch.fault("reject", line=3)          # faults.py has all kinds, and what they hit
        switch.fault("lie", like="switchport access")
        switch.mend()
        switch.ports()[NAME]                    # Carried(untagged=1, tagged=(), shut=False, mode=, open=)
        switch.ports()[NAME].state              # the same as a PortState
        switch.vlans(), switch.startup_ports(), switch.startup_vlans()
        switch.reaches(NAME, 101)               # where a frame comes out, by the tables
        switch.running.ports[NAME].shut = True  # somebody else changes it
        switch.counts.saves, switch.counts.most_sessions, switch.lines(), switch.dump()
        switch.reboot(), switch.replace(), switch.cut_sessions(), switch.let_pass(60)

All settings are those of `FakeSwitch`. `DIALECTS` names the dialects; `switch.cli.device_type` is netmiko's
name. As a process of its own, which prints its port and its host key and then takes what to do line by line,
such as `dump`, which it answers with JSON:

    python -m tests.switches.fakes cisco_ios --port 0 --latency 0.02 --login 0.3 --save 1.0

A new dialect is a module with a subclass of `Cli` (cli.py says how a command is written; ciscolike.py is the
base of those that look like Cisco's) and a name in `DIALECTS`. The fakes know nothing of nm's drivers: they
were written from the vendors' grammar, so that a driver's misunderstanding is not theirs too.
"""

from typing import Any

from tests.switches.fakes.arista_eos import AristaEos
from tests.switches.fakes.aruba_aoscx import ArubaAoscx
from tests.switches.fakes.cisco_ios import CiscoIos
from tests.switches.fakes.cisco_nxos import CiscoNxos
from tests.switches.fakes.cli import Cli
from tests.switches.fakes.dell_os6 import DellOs6
from tests.switches.fakes.dell_os9 import DellOs9
from tests.switches.fakes.dell_os10 import DellOs10
from tests.switches.fakes.dell_powerconnect import DellPowerconnect
from tests.switches.fakes.faults import Fault
from tests.switches.fakes.hp_procurve import HpProcurve
from tests.switches.fakes.huawei_vrp import HuaweiVrp
from tests.switches.fakes.juniper_junos import JuniperJunos
from tests.switches.fakes.nvue import CumulusNvue
from tests.switches.fakes.sonic import Sonic
from tests.switches.fakes.state import Carried
from tests.switches.fakes.switch import FakeSwitch
from tests.switches.fakes.tplink_jetstream import TplinkJetstream

__all__ = ["DIALECTS", "Carried", "FakeSwitch", "Fault", "make", "start"]

KINDS: tuple[type[Cli], ...] = (
    AristaEos,
    ArubaAoscx,
    CiscoIos,
    CiscoNxos,
    CumulusNvue,
    DellOs10,
    DellOs6,
    DellOs9,
    DellPowerconnect,
    HuaweiVrp,
    HpProcurve,
    JuniperJunos,
    Sonic,
    TplinkJetstream,
)
DIALECTS = {each.dialect: each for each in KINDS}


def make(dialect: str, **settings: Any) -> FakeSwitch:
    """A switch that is not yet started; the settings are those of FakeSwitch."""
    return FakeSwitch(DIALECTS[dialect], **settings)


def start(dialect: str, **settings: Any) -> FakeSwitch:
    """A switch that can be reached. In a with block, or with stop() in the end."""
    return make(dialect, **settings).start()
