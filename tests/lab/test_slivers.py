"""Slivers in a lab: what a PLC says becomes running guests, and stays so; people enter; limits hold.

One lab with everything real: libvirt's containers, control groups, HTB, sshd, a PLC over HTTPS. What takes
longer, because it is measured, is benchmarks/slivers.py.
"""

import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from nm.lab import daemon, lifecycle, measure, source, watch, world
from nm.lab.place import obstacle
from tests.lab.slivers import CONTROLLER, DELEGATED, LAYOUT, PATIENCE, VIRSH, WEB, Reply, Slivers

pytestmark = [pytest.mark.real, pytest.mark.timeout(240)]
SHARE = 32  # of the kernel's weight, one share
SHORT = "demo_short"
LOAN = [[WEB, "cpu_share", 10]]


@pytest.fixture(scope="module")
def _lab() -> Iterator[Slivers]:
    if (why := obstacle(slivers=True)) is not None:
        pytest.skip(str(why))
    name = f"test-slivers-{os.getpid()}"
    try:
        yield Slivers(lifecycle.up(name, LAYOUT))
    finally:
        lifecycle.down(name)


@pytest.fixture
def lab(_lab: Slivers) -> Slivers:
    """The sample's slivers, as if nothing had been before."""
    _lab.reset()
    return _lab


def test_what_a_plc_said_becomes_running_slivers(lab: Slivers) -> None:
    found = {one["name"]: one for one in lab.call("GetSlivers", {})}
    states = [found[name]["state"] for name in (WEB, DELEGATED, CONTROLLER)]
    assert states == ["running", "absent", "absent"]
    assert found[WEB]["unenforced"] == {} and found[WEB]["error"] is None
    assert lab.domains().keys() == {f"nm-sliver-{WEB}"}
    lab.until(lambda: lab.ssh(WEB, "cat /tmp/hello").stdout == "hello\n", "its initscript has run")
    assert lab.limit(WEB, "cpu.shares") == 30 * SHARE
    lab.until(lambda: lab.classes(WEB)[0]["ceil"] == 2e6, "its rate is enforced")
    assert lab.call("GetSource")["online"] is True
    assert WEB in lab.call("GetXIDs")
    lab.until(lambda: lab.sliver(CONTROLLER)["uid"] is not None, "the controller has its account")


def test_people_enter_by_ssh_and_others_do_not(lab: Slivers) -> None:
    for person in ("alice", "bob"):
        assert lab.said(WEB, "hostname; id -u", person) == "demo-web\n0\n"

    def without_bob(reply: Reply) -> None:
        reply["slivers"][0]["keys"] = [one for one in reply["slivers"][0]["keys"] if "alice" in one["key"]]

    lab.tell(without_bob)
    lab.until(lambda: lab.ssh(WEB, "true", "bob").returncode == 255, "bob is let in no more")
    assert lab.said(WEB, "hostname") == "demo-web\n"
    lab.ask("Stop", WEB)
    done = lab.ssh(WEB, "hostname")
    assert done.returncode != 0 and "hostname" not in done.stdout and "nm" in done.stderr


def test_the_same_reply_twice_changes_nothing(lab: Slivers) -> None:
    lab.ask("Create", DELEGATED)
    lab.call("SetLoans", DELEGATED, LOAN)
    lab.until_runs(WEB, DELEGATED)
    lab.settle()
    domains, jobs = lab.domains(), len(lab.call("GetJobs", {}))
    assert lab.question() == (0, {})
    assert lab.question() == (0, {})
    assert lab.domains() == domains
    assert len(lab.call("GetJobs", {})) == jobs + 2  # those of the questions alone


def test_one_changed_tag_changes_one_sliver(lab: Slivers) -> None:
    lab.ask("Create", DELEGATED)
    lab.until_runs(WEB, DELEGATED)
    lab.settle()
    domains, before = lab.domains(), lab.records()
    assert lab.tag(WEB, net_max_rate="3000", cpu_share="40")["changed"] == 1
    lab.until(lambda: lab.classes(WEB)[0]["ceil"] == 3e6, "its rate is another")
    lab.until(lambda: lab.limit(WEB, "cpu.shares") == 40 * SHARE, "its weight is another")
    after = lab.records()
    different = {key for key in after if after[key] != before[key]}
    assert f"sliver_{WEB}" in different
    assert different <= {f"sliver_{WEB}", f"account_{WEB}"}  # the account is looked at anew
    assert lab.domains() == domains  # none was started anew


def with_a_short_one(reply: Reply) -> None:
    """A sliver more, that expires soon."""
    first = reply["slivers"][0]
    reply["slivers"].append({**first, "name": SHORT, "slice_id": 9, "expires": int(time.time()) + 5})


def reboot(lab: Slivers) -> None:
    """The host's power is cut: nothing runs, and what was in memory is gone. nmd is not yet back."""
    daemon.kill(lab.lab)
    for name in lab.domains():
        lab.lab.run([*VIRSH, "destroy", name])
    pid = lab.lab.run(["cat", "/run/libvirtd.pid"]).strip()
    lab.lab.run(["sh", "-c", f"kill -9 {pid}; while kill -0 {pid} 2>/dev/null; do sleep 0.02; done"])
    lab.lab.run(["sh", "-c", "rm -rf /run/libvirt/* /run/libvirtd.pid /run/nm/guests"])
    lab.lab.run(["tc", "qdisc", "del", "dev", world.UPLINK, "root"])
    lab.lab.run(["libvirtd", "--daemon"])


def test_a_host_that_reboots_while_its_plc_is_away_has_every_sliver_back(lab: Slivers) -> None:
    lab.ask("Create", DELEGATED)
    lab.until_runs(WEB, DELEGATED)
    lab.tell(with_a_short_one)
    lab.call("SetLoans", DELEGATED, LOAN)
    for name in (WEB, DELEGATED):
        lab.said(name, f"echo {name} >/kept; sync")
    source.kill(lab.lab)
    reboot(lab)
    assert lab.domains() == {}
    daemon.start(lab.lab, "--startup")
    lab.until_runs(WEB, DELEGATED)
    for name in (WEB, DELEGATED):  # nothing was destroyed, and who may enter may enter
        lab.until(lambda name=name: lab.ssh(name, "cat /kept").stdout == f"{name}\n", "its data is there")  # type: ignore[misc]
    assert [one["in_force"] for one in lab.call("GetLoanStates", DELEGATED)] == [True]
    lab.until(lambda: lab.limit(WEB, "cpu.shares") == (30 + 10) * SHARE, "its weight, with what it borrows")
    assert lab.limit(DELEGATED, "cpu.shares") == (32 - 10) * SHARE
    lab.until(lambda: lab.classes(WEB)[0]["ceil"] == 2e6, "its rate is enforced")
    lab.until(lambda: lab.call("GetSource")["offline_since"] is not None, "it is told that the PLC is away")
    assert lab.call("GetSource")["held"] == []
    lab.until(lambda: "expired" in str(lab.sliver(SHORT)["why"]), "whose time is up expires all the same")
    lab.until(lambda: f"nm-sliver-{SHORT}" not in lab.domains(), "it is stopped")
    assert lab.domains().keys() == {f"nm-sliver-{WEB}", f"nm-sliver-{DELEGATED}"}


def test_a_loan_moves_weights_at_once(lab: Slivers) -> None:
    lab.tag(DELEGATED, cpu_share="60")
    lab.ask("Create", DELEGATED)
    lab.until(lambda: lab.limit(DELEGATED, "cpu.shares") == 60 * SHARE)
    assert lab.limit(WEB, "cpu.shares") == 30 * SHARE
    lab.call("SetLoans", DELEGATED, [[WEB, "cpu_share", 30]])
    lab.until(lambda: lab.limit(WEB, "cpu.shares") == 60 * SHARE)
    lab.until(lambda: lab.limit(DELEGATED, "cpu.shares") == 30 * SHARE)


def test_what_it_sends_goes_through_its_classes(lab: Slivers) -> None:
    lab.until(lambda: lab.classes(WEB)[0]["ceil"] == 2e6, "its rate is enforced")
    assert lab.classes(WEB)[1]["ceil"] == 1e9  # of exempt networks
    for at, address in enumerate((world.FAR, world.EXEMPT)):
        before = [one["bytes"] for one in lab.classes(WEB)]
        lab.said(WEB, f"ping -q -c 3 -i 0.1 -s 1000 {address}")
        sent = [one["bytes"] - then for one, then in zip(lab.classes(WEB), before, strict=True)]
        assert sent[at] >= 3000 and sent[1 - at] < 1000


def test_a_full_disk_and_a_wild_program_stay_the_slivers_own(lab: Slivers) -> None:
    lab.tag(DELEGATED, disk_max="20000", memory="48")
    lab.ask("Create", DELEGATED)
    lab.until_runs(WEB, DELEGATED)
    process = lab.process(DELEGATED)
    full = lab.ssh(DELEGATED, "dd if=/dev/zero of=/much bs=64k count=10000")
    assert full.returncode != 0 and "No space left" in full.stderr
    used = int(lab.lab.run(["sh", "-c", "du -k /run/nm-disks/*demo_deleg+disk | cut -f 1"]))
    assert used <= 20000
    assert lab.said(WEB, "dd if=/dev/zero of=/some bs=64k count=100 2>/dev/null && wc -c </some")
    assert lab.limit(DELEGATED, "memory.limit_in_bytes") == 48 << 20
    wild = lab.ssh(DELEGATED, "dd if=/dev/zero of=/dev/null bs=200M count=1")
    assert wild.returncode != 0
    lab.until(lambda: lab.said(DELEGATED, "hostname") == "demo-deleg\n")
    assert lab.process(DELEGATED) == process


def test_a_lab_whose_holder_was_killed_leaves_nothing(lab_name: str) -> None:
    if (why := obstacle(slivers=True)) is not None:
        pytest.skip(str(why))
    dead = lifecycle.up(lab_name, LAYOUT)
    groups, holder = dead.record["cgroups"], dead.holder
    assert list(Path("/sys/fs/cgroup").glob(f"*/{groups}/machine")) and holder is not None
    os.kill(holder, signal.SIGKILL)
    watch.until(lambda: dead.holder is None, PATIENCE, "it is dead")
    assert lifecycle.down(lab_name)
    assert list(Path("/sys/fs/cgroup").glob(f"*/{groups}")) == []
    assert lab_name not in Path("/proc/self/mountinfo").read_text()


def test_who_leaves_takes_what_ran_along(lab: Slivers) -> None:
    with measure.doing(lab.lab, "exec sleep 4711", WEB):
        lab.until(lambda: "sleep 4711" in lab.said(WEB, "ps"))
    lab.until(lambda: "sleep 4711" not in lab.said(WEB, "ps"))
