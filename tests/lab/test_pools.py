"""docs/examples in a lab with two hosts, the second by SSH: started, changed, taken down, killed."""

import os
import random
import subprocess
import sys
import threading
import xml.etree.ElementTree as ET
from collections.abc import Iterator

import pytest

from nm.lab import lifecycle
from nm.lab.layout import HOST, OTHER, POOL
from nm.lab.place import obstacle
from nm.lab.pools import DISKS
from tests.lab.pools import EXAMPLES, LAYOUT, VIRSH, Pools

pytestmark = [pytest.mark.real, pytest.mark.timeout(600)]
LOCAL = ["10.79.1.1", "10.79.1.2"]
SPREAD = ["10.79.1.11", "10.79.1.12", "10.79.1.13"]
FAR = "10.79.1.21"
ROUNDS = 6
MORE = (  # one is changed, one gets its disk anew, one is restarted
    "sfConfig:computer1:domain1:memory 112;\nsfConfig:computer1:lvm:swapSize 1048576L;\n"
    'sfConfig:computer2:domain2:graphics "vnc";\n'
)


@pytest.fixture(scope="module")
def _lab() -> Iterator[Pools]:
    if (why := obstacle(pools=True)) is not None:
        pytest.skip(str(why))
    name = f"test-pools-{os.getpid()}"
    try:
        yield Pools(lifecycle.up(name, LAYOUT))
    finally:
        lifecycle.down(name)


@pytest.fixture
def here(_lab: Pools) -> Iterator[Pools]:
    yield _lab
    _lab.reset()


def apply(here: Pools, text: str = "") -> int:
    """The example of two hosts, with more written behind it: the job."""
    job: int = here.call("ApplyDescription", "dist", (EXAMPLES / "distVirtualPool.sf").read_text() + text, {})
    return job


def test_two_domains_on_one_host(here: Pools) -> None:
    here.does("sfStart", "localhost", "web", "localVirtualPool.sf")
    assert here.domains(HOST) == ["machine9-dom1", "machine9-dom2"] and here.domains(OTHER) == []
    here.answer(*LOCAL)
    with here.events(HOST) as seen:
        here.does("sfTerminate", "localhost", "web")
    assert here.left() == []
    assert seen == [
        f"machine9-dom{number} {what}" for number in (2, 1) for what in ("Shutdown", "Stopped", "Undefined")
    ]


def test_three_domains_on_two_hosts(here: Pools) -> None:
    here.does("sfStart", "localhost", "dist", "distVirtualPool.sf")
    assert here.domains(HOST) == ["host0-dom1", "host0-dom2"] and here.domains(OTHER) == ["host1-dom2"]
    here.answer(*SPREAD)
    before = [here.process(HOST, "host0-dom1"), here.process(OTHER, "host1-dom2")]
    more = 'sfConfig:computer1:domain1:memory 112;\nsfConfig:computer2:domain2:graphics "vnc";\n'
    assert here.over(apply(here, more))["error"] is None
    after = [here.process(HOST, "host0-dom1"), here.process(OTHER, "host1-dom2")]
    assert after[0] == before[0] and after[1] != before[1]
    there = ET.fromstring(here.on(HOST, f"{VIRSH} dumpxml --inactive host0-dom1"))
    assert there.findtext("currentMemory") == str(112 << 10)
    here.answer(*SPREAD)
    with here.events(HOST) as seen, here.events(OTHER) as far:
        here.does("sfTerminate", "localhost", "dist")
    assert here.left() == []
    assert [one.split()[0] for one in seen if "Undefined" in one] == ["host0-dom2", "host0-dom1"]
    assert far == ["host1-dom2 Shutdown", "host1-dom2 Stopped", "host1-dom2 Undefined"]


def test_one_domain_with_every_attribute_on_another_host(here: Pools) -> None:
    here.does("sfStart", "localhost", "remote", "remoteConfig.sf")
    here.answer(FAR)
    found = ET.fromstring(here.on(OTHER, f"{VIRSH} dumpxml remote-guest"))
    assert found.findtext("uuid") == "0b2a2c6e-6d1e-4b0e-9d0a-79015000c0de"
    assert (found.findtext("memory"), found.findtext("vcpu")) == (str(224 << 10), "2")
    assert str(found.findtext("os/cmdline")).endswith("name=remote-dom1")
    assert [disk.get("dev") for disk in found.findall("devices/disk/target")] == ["vda", "vdb", "vdc"]
    assert found.find("devices/interface/mac").get("address") == "52:54:00:79:01:15"  # type: ignore[union-attr]
    purposes = [name.rpartition("+")[2] for name in here.files(OTHER)]
    assert sorted(purposes) == ["disk", "seed", "swap"] and here.files(HOST) == []
    here.does("nmctl", "sf", "set", "remote", "remote:storage:keepOnTerminate", "true", "--wait")
    here.does("sfTerminate", "localhost", "remote")
    kept = here.files(OTHER)
    assert sorted(name.rpartition("+")[2] for name in kept) == ["disk", "swap"]
    assert here.on(OTHER, f"ls {DISKS}").split() == kept and here.on(OTHER, f"ls /run/{POOL}") == ""


@pytest.mark.skipif(not os.environ.get("NM_TEST_POOLS"), reason="other tests show the same: make test-pools")
def test_the_demo_plays_it() -> None:
    if (why := obstacle(pools=True)) is not None:
        pytest.skip(str(why))
    demo = [sys.executable, "-m", "nm.demo", "pools"]
    done = subprocess.run(demo, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count("so it is") == 3 and done.stdout.count(" answers") >= 3


@pytest.mark.timeout(3000)
@pytest.mark.skipif(not os.environ.get("NM_TEST_POOLS"), reason="minutes long: make test-pools")
def test_everything_is_killed_at_any_moment(here: Pools) -> None:
    """Nmd, and the libvirtd of one host or of both."""
    chance, never = random.Random(), threading.Event()
    for _ in range(ROUNDS):
        for begin in (
            lambda: apply(here),
            lambda: apply(here, MORE),
            lambda: here.call("TerminateDescription", "dist"),
        ):
            job = begin()
            never.wait(chance.uniform(0, 4))
            here.kill(*chance.choice([(), (HOST,), (OTHER,), (HOST, OTHER)]))
            here.start()
            assert here.over(job)["error"] is None
            if here.call("GetDescriptions", {}):
                assert here.domains(HOST) == ["host0-dom1", "host0-dom2"]
                assert here.domains(OTHER) == ["host1-dom2"]
        assert here.left() == []


def test_everything_is_killed_in_the_middle_of_everything(here: Pools) -> None:
    """Nmd and both hosts' libvirtds: of an apply, an update and a termination."""
    job = apply(here)
    here.until(lambda: here.domains(HOST) != [], "the first domain runs")
    here.kill(HOST, OTHER)
    here.start()
    assert here.over(job)["error"] is None
    assert here.domains(HOST) == ["host0-dom1", "host0-dom2"] and here.domains(OTHER) == ["host1-dom2"]
    here.answer(*SPREAD)

    before = [here.process(HOST, "host0-dom1"), here.process(OTHER, "host1-dom2")]
    job = apply(here, MORE)
    here.until(lambda: here.domains(HOST) == ["host0-dom1"], "the domain whose disk is made anew is off")
    here.kill(HOST, OTHER)
    here.start()
    assert here.over(job)["error"] is None
    after = [here.process(HOST, "host0-dom1"), here.process(OTHER, "host1-dom2")]
    assert after[0] == before[0] and after[1] != before[1]
    assert [name.rpartition("+")[2] for name in here.files(HOST)].count("swap") == 1
    here.answer(*SPREAD)

    job = here.call("TerminateDescription", "dist")
    here.until(lambda: here.domains(HOST) == ["host0-dom1"], "the second domain is down")
    here.kill(HOST, OTHER)
    here.start()
    assert here.over(job)["error"] is None
    assert here.left() == []
