"""Scripts of descriptions on nmd's own machine, run by a whole nm: as whom, when, and how they end."""

import json
import os
import pwd
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from nm.configdescriptions import Descriptions
from nm.errors import Denied, NMError
from tests.core.site_program import below
from tests.pools.daemon import Daemon
from tests.pools.scripted import (
    LINGERING,
    Scripts,
    described,
    killed_in_between,
    says,
    scratch,
    script,
    stages,
)

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="needs root to be somebody else")

USER = "nobody"


@pytest.fixture
def folder() -> Iterator[Path]:
    with scratch() as made:
        yield made


@pytest.fixture
def lab(tmp_path: Path, folder: Path) -> Iterator[Scripts]:
    made = Scripts(tmp_path, folder)
    yield made
    made.stop()


# ---- when, and what


def test_scripts_run_in_the_stages_of_their_lives(lab: Scripts) -> None:
    assert lab.applied(stages("a") + stages("b"))["error"] is None
    assert lab.said() == ["deploy a", "deploy b", "start a", "start b"]
    assert lab.parts() == dict.fromkeys(("sfConfig", "sh", "a", "b"), "running")
    assert lab.terminated()["error"] is None
    assert lab.said()[4:] == ["terminate b", "terminate a"]
    assert lab.call("GetDescriptions", {}) == []
    assert list((lab.folder / "db" / "scripts").iterdir()) == []


def test_a_script_is_a_text_a_list_or_data_whose_attributes_are_lines(lab: Scripts) -> None:
    data = """extends DATA {
        first "x=1";
        more ["x=${x}2", ["echo", "$x", LAZY who, 5, true, ">>", "FOLDER/said"]];
        last LAZY PARENT:PARENT:line;
    }"""
    text = (
        'who "me"; line "echo $x $NM_POOL $NM_COMPONENT $NM_STAGE >> FOLDER/said";'
        + script("a", startScript=data)
        + script("b", startScript="##echo one >> FOLDER/said\necho two >> FOLDER/said#")
    )
    assert lab.applied(text)["error"] is None
    assert lab.said() == ["12 me 5 true", "12 web a start", "one", "two"]


def test_a_script_is_somebody_without_rights_and_gets_nothing_of_nmds_own(
    lab: Scripts, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NM_PRIVATE", "nmd's own")
    lines = [
        "cd FOLDER; grep -E '^(Uid|Gid|Groups|NoNewPrivs|Cap(Eff|Prm|Amb)):' /proc/self/status > status",
        "env -u PWD -u OLDPWD -u SHLVL -u _ > env",
        "ls /proc/self/fd > fds",
        'pwd > said; [ "$(ps -o sid= $$ | tr -d " ")" = $$ ] && echo leads >> said',
        "touch made; ulimit -Hu > most; cat /proc/self/oom_score_adj >> most",
    ]
    shell = 'mine extends BashShell { exec:envProperties ["COLOUR=blue", "PATH=/bin:/usr/bin"]; } '
    body = "[" + ", ".join(json.dumps(line) for line in lines) + "]"
    text = shell + f"a extends Script {{ shell LAZY ATTRIB mine; startScript {body}; }}"
    assert lab.applied(text)["error"] is None
    told = [line.split() for line in lab.said("status")]
    entry = pwd.getpwnam(USER)
    status = {key.rstrip(":"): values for key, *values in told}
    assert status["Uid"] == [str(entry.pw_uid)] * 4 and status["Gid"] == [str(entry.pw_gid)] * 4
    assert status["Groups"] == [] and status["NoNewPrivs"] == ["1"]
    assert {int(status[cap][0], 16) for cap in ("CapEff", "CapPrm", "CapAmb")} == {0}
    assert dict(line.split("=", 1) for line in lab.said("env")) == {
        "PATH": "/bin:/usr/bin", "LANG": "C.UTF-8", "HOME": entry.pw_dir, "USER": USER, "LOGNAME": USER,
        "NM_POOL": "web", "NM_COMPONENT": "a", "NM_STAGE": "start", "COLOUR": "blue",
    }  # fmt: skip
    assert lab.said("fds") == ["0", "1", "2", "3"]  # 3 is ls's own
    assert lab.said() == [str(lab.scratch), "leads"]
    assert (lab.scratch / "made").stat().st_uid == entry.pw_uid
    assert lab.said("most") == ["1000", "1000"]  # processes, and before nmd when there is no memory


def test_a_run_has_no_unix_groups_of_its_keeper(tmp_path: Path) -> None:
    run = f'kept.Run(["id", "-G"], {{"PATH": "/bin:/usr/bin"}}, "", 30.0, "{tmp_path}/lock", user="{USER}")'
    program = f"from nm import kept; print(kept.keep({run}).said[0])"
    done = subprocess.run(
        [sys.executable, "-c", program], extra_groups=[4, 27], capture_output=True, check=True
    )
    assert done.stdout.split() == [str(pwd.getpwnam(USER).pw_gid).encode()]


def test_a_shell_is_a_program_in_a_folder_that_reads_commands(lab: Scripts) -> None:
    shell = 'py extends BashShell { exec:cmd [| "python3", "-" |]; exec:dir "FOLDER"; } '
    text = shell + "a extends Script { shell LAZY ATTRIB py; startScript \"open('said', 'w').write('hi')\"; }"
    assert lab.applied(text)["error"] is None
    assert lab.said() == ["hi"]
    told = lab.applied('no extends BashShell { exec:dir "/none"; } a extends Script { shell LAZY ATTRIB no; '
                       'startScript "true"; }', name="none")  # fmt: skip
    assert "No such file or directory: /none" in told["error"]["text"]


def test_a_script_that_terminates_by_itself_makes_room_for_the_next(lab: Scripts) -> None:
    inside = "".join(stages(name, autoTerminate="true") for name in "ab")
    lab.applied(f"seq extends Sequence {{ {inside} }}", more="")
    lab.until(lambda: lab.call("GetDescriptions", {})[0]["state"] == "ended")
    said = [f"{stage} {name}" for name in "ab" for stage in ("deploy", "start", "terminate")]
    assert lab.said() == said


# ---- what goes wrong


def test_a_script_that_fails_fails_its_part_with_its_last_line(lab: Scripts) -> None:
    failing = script("b", deployScript='["echo looking", "echo no disk there >&2", "exit 3"]')
    job = lab.applied(stages("a") + failing + stages("c"))
    assert job["state"] == "failed"
    assert "deployScript ended with status 3: no disk there" in job["error"]["text"]
    assert lab.said() == ["deploy a", "terminate a"]  # c was not to be deployed yet, so nothing is cleared up


def test_what_failed_is_cleared_up_and_others_stay_where_that_is_said(lab: Scripts) -> None:
    failing = stages("b", startScript='"false"')
    job = lab.applied(stages("a") + failing, more="keepOnFailure true;")
    assert "startScript ended with status 1" in job["error"]["text"]
    assert lab.said() == ["deploy a", "deploy b", "start a", "terminate b"]
    assert lab.parts()["a"] == "running"


def test_a_script_that_fails_at_the_end_holds_up_nobody(lab: Scripts) -> None:
    lab.applied(stages("a") + script("b", terminateScript='"kill -9 $$"'))
    assert lab.terminated()["error"] is None
    assert lab.said()[-1] == "terminate a" and lab.call("GetDescriptions", {}) == []


def test_a_script_is_tried_again_where_that_is_described(lab: Scripts) -> None:
    again = script("a", startScript='"echo x >> FOLDER/said; test $(wc -l < FOLDER/said) -ge 3"')
    assert lab.applied(f"r extends Retry {{ retry 5; {again} }}")["error"] is None
    assert lab.said() == ["x", "x", "x"]


def test_all_of_a_script_ends_at_its_time_limit(lab: Scripts) -> None:
    job = lab.applied(script("a", startScript=LINGERING, timeout="1"))
    assert "startScript did not end within 1 s" in job["error"]["text"]
    assert lab.said("runs") == ["began"] and lab.said("alive") and below(lab.scratch) == []


def test_what_a_script_leaves_in_the_background_ends_with_it(lab: Scripts) -> None:
    (lab.scratch / "finish").touch()
    assert lab.applied(script("a", startScript=LINGERING))["error"] is None
    assert lab.said("runs") == ["began", "ended"] and below(lab.scratch) == []


def test_what_a_script_says_is_bounded(lab: Scripts, caplog: pytest.LogCaptureFixture) -> None:
    noise = "\"yes secret | head -c 1000000; printf '\\\\033[2Jlast \\\\377 word\\\\n' >&2; exit 1\""
    job = lab.applied(script("a", deployScript=noise))
    assert job["error"]["text"].count("secret") == 0
    assert "last \ufffd word" in job["error"]["text"] and "\033" not in job["error"]["text"]
    assert len(job["error"]["text"]) < 400


def test_terminating_ends_a_script_that_is_being_run(lab: Scripts) -> None:
    lab.apply(
        stages("a") + script("b", startScript=LINGERING, terminateScript=says("cleared"), timeout="600")
    )
    lab.until(lambda: lab.said("runs") == ["began"])
    assert lab.terminated()["error"] is None
    assert below(lab.scratch) == [] and lab.said("runs") == ["began"]
    assert lab.said()[-2:] == ["cleared", "terminate a"]


def test_a_slow_script_holds_up_nobody_elses(lab: Scripts) -> None:
    slow = lab.apply(script("a", startScript=LINGERING), name="slow")
    lab.until(lambda: lab.said("runs") == ["began"])
    assert lab.applied(stages("b"))["error"] is None
    assert lab.call("GetJobs", {"id": slow})[0]["state"] == "running"
    (lab.scratch / "finish").touch()
    assert lab.wait(slow)["error"] is None


def test_no_more_run_at_once_than_are_allowed(tmp_path: Path, folder: Path) -> None:
    lab = Scripts(tmp_path, folder, scripts_at_once=2)
    one = '"mkdir FOLDER/run.$$; ls -d FOLDER/run.* | wc -l >> FOLDER/said; sleep 0.1; rmdir FOLDER/run.$$"'
    try:
        jobs = [lab.apply(script("a", startScript=one), name=f"p{n}") for n in range(8)]
        assert [lab.wait(job)["error"] for job in jobs] == [None] * 8
    finally:
        lab.stop()
    assert len(lab.said()) == 8 and max(map(int, lab.said())) <= 2


# ---- who may, and as whom


@pytest.mark.parametrize(
    ("user", "told"),
    [("root", "root runs none"), ("no-such-account", "there is no account no-such-account")],
)
def test_nobody_is_root(tmp_path: Path, folder: Path, user: str, told: str) -> None:
    lab = Scripts(tmp_path, folder, user=user)
    try:
        job = lab.applied(stages("a"))
    finally:
        lab.stop()
    assert told in job["error"]["text"] and lab.said() == []


def test_nothing_runs_unless_the_site_says_so(lab: Scripts) -> None:
    lab.applied(stages("a"))
    service = lab.service
    assert service is not None
    service.reload(replace(lab.config, descriptions=Descriptions()))
    with pytest.raises(Denied, match=r"descriptions\.shells"):
        lab.apply(stages("a"), name="other")
    with pytest.raises(Denied, match=r"descriptions\.shells"):
        lab.call("SetAttribute", "web", "a:terminateScript", "true")
    assert lab.terminated()["error"] is None
    assert lab.said() == ["deploy a", "start a"]


@pytest.mark.parametrize(
    ("inside", "told"),
    [
        (script("a", startScript="extends DATA { x extends DATA { y #HEX#00#; } }"), "it is no script"),
        (script("a", timeout="0"), "timeout is 0"),
        (script("a", timeout="100000"), "it is 1 to 3600 seconds here"),
        ("p extends Prim; a extends Script { shell LAZY ATTRIB p; }", "shell leads to a Prim"),
        ('b extends BashShell { exec:cmd ""; }', "exec:cmd is no command"),
        ('b extends BashShell { exec:dir "data"; }', "exec:dir is no folder"),
        ('b extends BashShell { exec:envProperties ["COLOUR"]; }', "exec:envProperties is no list"),
    ],
)
def test_what_cannot_be_run_is_told_before(lab: Scripts, inside: str, told: str) -> None:
    with pytest.raises(NMError, match=told):
        lab.apply(inside)


def test_a_script_runs_where_its_shell_is(lab: Scripts) -> None:
    lab.call("RegisterHost", "h1", {"uri": "test:///default", "network": {"kind": "linux", "device": "eth0"}})
    with pytest.raises(NMError, match="its shell is on h1"):
        lab.apply('far extends BashShell { sfProcessHost "h1"; } a extends Script { shell LAZY ATTRIB far; }')


# ---- changed while it runs


def test_what_is_changed_counts_when_the_plan_says(lab: Scripts) -> None:
    lab.applied(stages("a"))
    lab.wait(lab.call("SetAttribute", "web", "a:terminateScript", f"echo other end >> {lab.scratch}/said"))
    again = stages("a", startScript=says("again"))
    planned = lab.call("PlanDescription", "web", described(lab.scratch, again), {}, {})["changes"]
    assert [(one["path"], one["action"]) for one in planned] == [("a", "restart")]
    lab.applied(again)
    assert lab.said() == ["deploy a", "start a", "again"]
    assert lab.terminated()["error"] is None
    assert lab.said()[3:] == ["terminate a"]  # what was set was over with the next description


# ---- nmd is killed


@pytest.fixture
def daemon(tmp_path: Path) -> Iterator[Daemon]:
    made = Daemon(tmp_path)
    yield made
    made.kill()


@pytest.mark.parametrize("stage", ["deploy", "start", "terminate"])
def test_killed_while_a_script_runs_it_takes_it_along_and_runs_it_anew(
    daemon: Daemon, folder: Path, stage: str
) -> None:
    text = described(folder, script("a", **{f"{stage}Script": LINGERING}))
    killed_in_between(daemon, folder, stage, text)
