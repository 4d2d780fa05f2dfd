"""One run of a site's program: what it is given, what ends it, whose it must be; a killed nmd."""

import contextlib
import fcntl
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from nm import hookwork, kept
from nm.client import ClientError, connect
from tests.core.site_program import SiteProgram, below
from tests.rack import Rack, rack
from tests.waiting import until

# A child that left the program's session, and one of its own; both write as long as they live.
_LINGERING = """#!/bin/sh
echo "began $NM_MOMENT" >> {folder}/runs
sh -c 'while :; do echo x >> {folder}/alive; sleep 0.02; done' &
setsid sh -c 'trap "" TERM HUP; while :; do echo x >> {folder}/alive; sleep 0.02; done' &
until [ -e {folder}/finish ]; do sleep 0.02; done
"""


@pytest.fixture
def program(tmp_path: Path) -> Iterator[SiteProgram]:
    yield SiteProgram(tmp_path)
    assert below(tmp_path) == []


def deploy_one(
    program: SiteProgram, seconds: float = 20.0, state: str = "done"
) -> tuple[Rack, dict[str, str]]:
    """Give out n0 on a rack of its own; the node's struct, and the job's last run."""
    with rack(program.folder, switches=1, nodes=1, management=True, hooks=program.settings(seconds)) as lab:
        lab.call("CreateGroup", "alpha", {"nodes": ["n0"]})
        job = lab.deploy("alpha", state)
        return lab, job["hooks"][-1]


def test_a_program_is_given_the_node_and_nothing_of_nmds_own(
    program: SiteProgram, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NM_PRIVATE", "nmd's own")
    program.write(
        "#!/bin/sh\nenv -u PWD -u SHLVL -u _\necho --\nls /proc/self/fd\necho --\n"
        "pwd; ps -o sid= $$; echo $$\ncat\n"
    )
    with rack(program.folder, switches=1, nodes=1, hooks=program.settings()) as lab:
        secrets = program.folder / "secrets"
        secrets.mkdir(mode=0o700)
        management = {
            "driver": "simulated",
            "file": str(program.folder / "power"),
            "secrets": {"password": "bmc0"},
        }
        lab.call("UpdateNode", "n0", {"management": management, "metadata": {"rack": "3\u00b5"}})
        lab.call("CreateGroup", "alpha", {"nodes": ["n0"]})
        (secrets / "bmc0").write_text("s3cret")
        (secrets / "bmc0").chmod(0o600)
        said = lab.deploy("alpha")["hooks"][0]["output"]
    environment, descriptors, rest = said.split("--\n")
    assert dict(line.split("=", 1) for line in environment.splitlines()) == {
        "PATH": os.environ["PATH"],
        "NM_MOMENT": "before_give",
        "NM_NODE": "n0",
        "NM_GROUP": "alpha",
    }
    assert descriptors.split() == ["0", "1", "2", "3"]  # 3 is ls's own
    folder, session, pid, node = rest.split("\n", 3)
    assert (folder, session.strip()) == ("/", pid)
    told = json.loads(node)
    assert (told["name"], told["metadata"], told["state"]) == ("n0", {"rack": "3\u00b5"}, "joining")
    assert "bmc0" not in node
    assert told["nics"][0]["port"] == "p0"


def test_all_of_a_program_ends_at_its_time_limit(program: SiteProgram) -> None:
    program.write(_LINGERING.format(folder=program.folder))
    _, run = deploy_one(program, 0.5, "failed")
    assert run["error"] == "did not end within 0.5 s"
    assert (program.folder / "alive").stat().st_size > 10


def test_a_program_whose_keeper_is_killed_ends_with_it(program: SiteProgram) -> None:
    program.write(f"#!/bin/sh\necho began >> {program.folder}/runs\nexec tail -f {program.path}\n")
    with rack(program.folder, switches=1, nodes=1, hooks=program.settings()) as lab:
        lab.call("CreateGroup", "alpha", {"nodes": ["n0"]})
        job = lab.call("Deploy", "alpha")
        lab.until(lambda: bool(program.runs("began")))
        parent = int(Path("/proc", str(below(program.folder)[0]), "stat").read_text().split()[3])
        os.kill(parent, signal.SIGKILL)
        assert "somebody killed its keeper" in lab.wait(job)["error"]["text"]
        lab.until(lambda: below(program.folder) == [])


@pytest.mark.parametrize("given", [{"command": ["echo", "a\0b"]}, {"input": "a\ud800"}])
def test_what_no_program_can_be_told_is_an_error_of_its_run(tmp_path: Path, given: dict[str, Any]) -> None:
    lock = str(tmp_path / "runs" / "lock")
    told = {"command": ["echo"], "environment": {}, "input": "", "seconds": 20.0, "lock": lock, **given}
    ended = kept.keep(kept.Run(**told))
    assert (ended.how, "null byte" in ended.said[0] or "surrogate" in ended.said[0]) == ("error", True)
    assert not Path(lock).exists()


def test_what_a_program_leaves_behind_ends_with_it(program: SiteProgram) -> None:
    program.write(_LINGERING.format(folder=program.folder))
    (program.folder / "finish").touch()
    _, run = deploy_one(program)
    assert run["error"] is None


def test_what_a_program_says_is_bounded_and_plain(program: SiteProgram) -> None:
    program.write(
        "#!/bin/sh\nyes line | head -c 5000000\nprintf '\\033[2Jlast \\377 word\\n' >&2\nkill -9 $$\n"
    )
    _, run = deploy_one(program, state="failed")
    assert run["error"] == "was ended by signal 9: [2Jlast \ufffd word"
    assert len(run["output"]) <= 1001
    assert "\033" not in run["output"]


def test_a_program_that_does_not_read_and_one_that_cannot_start(program: SiteProgram) -> None:
    program.write("#!/bin/sh\nexec 0<&-\n")
    assert deploy_one(program)[1]["error"] is None


def test_who_may_write_a_program_decides_whether_it_is_run(tmp_path: Path) -> None:
    folder = tmp_path / "site"
    folder.mkdir()
    path = folder / "program"
    path.write_text("#!/bin/sh\n")
    path.chmod(0o755)
    assert hookwork.unsafe(str(path)) is None
    path.chmod(0o775)
    assert "writable by nobody else" in str(hookwork.unsafe(str(path)))
    path.chmod(0o644)
    assert "not an executable file" in str(hookwork.unsafe(str(path)))
    path.chmod(0o755)
    folder.chmod(0o777)
    assert str(folder) in str(hookwork.unsafe(str(path)))
    folder.chmod(0o755)
    (tmp_path / "link").symlink_to(folder)
    assert str(path) in str(hookwork.unsafe(str(tmp_path / "link" / "program")))
    assert "No such file" in str(hookwork.unsafe(str(folder / "none")))
    assert "not an executable file" in str(hookwork.unsafe(str(folder)))
    if os.geteuid() == 0:
        os.chown(path, 1000, -1)
        assert "belong to root" in str(hookwork.unsafe(str(path)))


def test_a_program_that_is_not_roots_alone_is_not_run(program: SiteProgram) -> None:
    program.path.chmod(0o777)
    _, run = deploy_one(program, state="failed")
    assert "writable by nobody else" in str(run["error"])
    assert program.runs("began") == []


def test_one_that_cannot_be_executed_says_so(program: SiteProgram) -> None:
    program.write("\x7fELF nonsense")
    _, run = deploy_one(program, state="failed")
    assert run["error"] == "could not be started: Exec format error"


# ---- an nmd that is killed


def _nmd(folder: Path, program: SiteProgram) -> "subprocess.Popen[bytes]":
    place = folder / "nm.toml"
    place.write_text(
        f'[daemon]\ndatabase = "{folder}/db"\nlock = "{folder}/lock"\npid_file = "{folder}/pid"\nlog = ""\n'
        f'[api]\nsocket = "{folder}/api.sock"\ntcp = false\n[export]\nfolder = "{folder}/export"\n'
        f'[hooks]\nbefore_give = "{program.path}"\nseconds = 30\n'
    )
    return subprocess.Popen(
        [sys.executable, "-m", "nm.daemon", "--config", str(place)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )


def _deploys(door: Path) -> bool:
    """Whether somebody is there who takes the call."""
    with contextlib.suppress(ClientError, OSError), connect(str(door)) as proxy:
        return bool(proxy.Deploy("alpha"))
    return False


def test_a_killed_nmd_takes_its_programs_along_and_the_next_one_runs_them_anew(program: SiteProgram) -> None:
    folder = program.folder
    with rack(folder, switches=1, nodes=1) as lab:
        lab.call("CreateGroup", "alpha", {"nodes": ["n0"]})
    program.write(_LINGERING.format(folder=folder).replace("began $NM_MOMENT", "began $NM_MOMENT $PPID"))
    nmd = _nmd(folder, program)
    try:
        until(lambda: _deploys(folder / "api.sock"))
        until(lambda: (folder / "alive").exists() and len(program.runs("began")) == 1)
        nmd.send_signal(signal.SIGKILL)
        nmd.wait()
        nmd = _nmd(folder, program)
        until(lambda: len(program.runs("began")) == 2)
        until(lambda: len(below(folder / "alive")) == 2)  # those of the new run
        (folder / "finish").touch()
        until(lambda: lab.ports("sw0")["p0"]["untagged"] is not None)
    finally:
        nmd.kill()
        nmd.wait()
    until(lambda: below(folder) == [])


def test_a_run_does_not_begin_beside_an_old_one(program: SiteProgram) -> None:
    """As when an nmd was killed, and its keeper cannot end all of it."""
    locks = program.folder / "db" / "hooks"
    locks.mkdir(parents=True)
    with (locks / "n0").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        _, run = deploy_one(program, 0.3, "failed")
    assert run["error"] == "did not run: the last one does not end"
    assert program.runs("began") == []


def test_a_run_that_nobody_wants_any_more_while_it_waits_for_the_last_is_no_failure(
    program: SiteProgram,
) -> None:
    hooks = program.settings()
    with rack(program.folder, switches=1, nodes=1, management=True, hooks=hooks) as lab:
        folder = program.folder / "db" / "hooks"
        folder.mkdir(mode=0o700)
        with (folder / "n0").open("w") as held:
            fcntl.flock(held, fcntl.LOCK_EX)  # as the keeper of a run that does not end
            lab.call("CreateGroup", "alpha", {"nodes": ["n0"]})
            lab.call("Deploy", "alpha")
            lab.until(lambda: "hook started" in {one["what"] for one in lab.call("GetEvents", 0, 1000)})
            job = lab.call("ReleaseNode", "n0", True)
            lab.until(
                lambda: [one for one in lab.call("GetEvents", 0, 1000) if one["what"] == "hook ended"] != []
            )
        assert lab.wait(job)["result"] == "free"
        assert program.runs() == ["after_return n0 alpha"]
        assert lab.call("GetNodes", {})[0]["state"] == "free"
