"""Watching a job: lines into a pipe, bars on a terminal, for each device that has a part in it."""

import io
import re
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from nm.shell import jobs
from nm.shell.failures import UNREACHABLE
from nm.shell.main import main
from nm.shell.output import Output
from tests.shell.conftest import Nmctl, Terminal, run

PARTS = {
    "switch:sw0": {"done": 2, "total": 2, "error": None, "at": 103},
    "switch:sw1": {"done": 0, "total": 2, "error": "no answer; InspectSwitch it", "at": None},
    "host:vm": {"done": 1, "total": 3, "error": None, "at": 102},
    "": {"done": 1, "total": 4, "error": None, "at": 100},
}
JOB = {"id": 7, "started": 100, "parts": PARTS}


def test_parts_in_words() -> None:
    found = jobs.parts(JOB)
    assert list(found) == ["host vm", "switch sw0", "switch sw1", "machine list, pool"]
    assert [jobs.part_line(name, part, JOB) for name, part in found.items()] == [
        "",
        "  switch sw0: 2/2 done after 3.0s",
        "  switch sw1: 0/2, to be tried again: no answer; `nmctl switch inspect` it",
        "",
    ]
    assert jobs.parts({"parts": {"": PARTS[""]}}) == jobs.parts({}) == {}


def test_lines_of_a_deploy_over_two_switches_and_a_host(nmctl: Nmctl) -> None:
    nmctl.rack.call("CreateGroup", "alpha", {"nodes": ["n0", "n1"], "headnode": "h1"})
    said = nmctl("deploy", "alpha", "--wait").err
    for part in ("switch sw0", "switch sw1", "host vm", "machine list, pool"):
        assert re.search(rf"^  {part}: (\d+)/\1 done after ", said, re.MULTILINE), said
    assert "\x1b" not in said
    job = nmctl.rack.call("GetJob", int(nmctl.last_job()))
    assert sum(part["done"] for part in job["parts"].values()) == job["done"] == job["total"]
    assert set(job["parts"]) == {"", "switch:sw0", "switch:sw1", "host:vm"}


def sw1(nmctl: Nmctl, job: int) -> dict[str, Any]:
    found: dict[str, Any] = nmctl.rack.call("GetJob", job)["parts"].get("switch:sw1", {})
    return found


def test_what_a_switch_rejects_is_told_in_its_part(nmctl: Nmctl) -> None:
    nmctl.rack.call("CreateGroup", "alpha", {"nodes": ["n0", "n1"]})
    nmctl.rack.set_faults("sw1", down=True)
    job = nmctl.rack.call("Deploy", "alpha")
    nmctl.rack.until(lambda: bool(sw1(nmctl, job).get("error")))
    found = nmctl.rack.call("GetJob", job)["parts"]
    assert found["switch:sw0"]["error"] is None and found["switch:sw1"]["done"] == 0
    nmctl.rack.set_faults("sw1", down=False)
    assert nmctl.rack.wait(job)["parts"]["switch:sw1"]["error"] is None


def test_a_job_goes_on_when_the_daemon_does(nmctl: Nmctl) -> None:
    nmctl.rack.call("CreateGroup", "alpha", {"nodes": ["n0", "n1"]})
    nmctl.rack.set_faults("sw1", down=True)
    with ThreadPoolExecutor() as pool:
        waits = pool.submit(run, "deploy", "alpha", "--wait")
        nmctl.rack.until(lambda: waits.done() or bool(nmctl.rack.call("GetJobs", {"state": "running"})))
        job = nmctl.last_job()
        nmctl.rack.stop()
        ran = waits.result()
    assert ran.status == UNREACHABLE
    assert f"job {job} cannot be watched any more" in ran.err
    assert f"goes on when nmd is back: `nmctl job wait {job}` watches it then" in ran.err
    nmctl.rack.set_faults("sw1", down=False)
    nmctl.rack.start()
    assert f"job {job}" in nmctl("job", "wait", job).out


@pytest.mark.parametrize("colour", ["", "1"])
def test_bars_on_a_terminal(nmctl: Nmctl, monkeypatch: pytest.MonkeyPatch, colour: str) -> None:
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("NO_COLOR", colour)
    monkeypatch.setenv("COLUMNS", "150")
    nmctl.rack.call("CreateGroup", "alpha", {"nodes": ["n0", "n1"], "headnode": "h1"})
    nmctl.rack.set_faults("sw1", delay=0.3)
    out, err = Terminal(), Terminal()
    assert main(["deploy", "alpha", "--wait"], Output(out, err)) == 0
    assert "switch sw1" in err.getvalue() and "done after" in err.getvalue()
    assert "done in" in out.getvalue() or "done" in out.getvalue()


def test_quiet_says_nothing_on_the_way(nmctl: Nmctl) -> None:
    nmctl.rack.call("CreateGroup", "alpha", {"nodes": ["n0"]})
    err = io.StringIO()
    assert main(["deploy", "alpha", "--wait", "--quiet"], Output(io.StringIO(), err)) == 0
    assert err.getvalue() == ""
