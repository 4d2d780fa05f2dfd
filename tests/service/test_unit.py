"""The systemd unit: well formed, and as hard as was asked for."""

import json
import re
import shutil
import subprocess
from fnmatch import fnmatch
from pathlib import Path

import pytest

from nm import accounts, config, daemon, guestaccounts, metrics, unixaccounts
from tests.project.tree import ROOT

UNIT = ROOT / "packaging/nmd.service"
DOCS = ROOT / "docs/service.md"
MOST = 3.2

pytestmark = pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd is not installed")


def analyzed(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["systemd-analyze", *words], capture_output=True, text=True, timeout=30, check=False
    )


@pytest.fixture
def unit(tmp_path: Path) -> Path:
    """The unit with programs that are there, for systemd looks whether they are."""
    path = tmp_path / "nmd.service"
    text = UNIT.read_text().replace("/usr/sbin/nmd", "/bin/true")
    path.write_text(re.sub("^Documentation=.*\n", "", text, flags=re.MULTILINE))
    return path


def test_systemd_has_nothing_to_say(unit: Path) -> None:
    said = analyzed("verify", "--man=no", str(unit))
    assert (said.returncode, said.stderr) == (0, "")


def test_a_word_that_systemd_does_not_know_is_seen(unit: Path) -> None:
    unit.write_text(unit.read_text().replace("WatchdogSec", "WatchdogSeconds"))
    assert "WatchdogSeconds" in analyzed("verify", "--man=no", str(unit)).stderr


def crosses() -> tuple[float, dict[str, float]]:
    """The exposure, and what of it is left by which setting."""
    said = analyzed("security", "--offline=true", "--no-pager", "--json=short", str(UNIT))
    table = {row["name"]: float(row["exposure"]) for row in json.loads(said.stdout) if row["exposure"]}
    told = analyzed("security", "--offline=true", "--no-pager", str(UNIT)).stdout
    exposure = re.search(r"Overall exposure level for nmd\.service: ([0-9.]+)", told)
    assert exposure is not None
    return float(exposure[1]), table


def test_exposure_is_small_and_explained() -> None:
    exposure, left = crosses()
    assert exposure <= MOST
    docs = DOCS.read_text()
    explained = set(re.findall(r"^- `([^`]+)`", docs, re.MULTILINE))
    assert explained == set(left), "docs/service.md explains other crosses than there are"
    assert f"exposure is {exposure}" in docs


def test_folders_are_those_of_the_configuration() -> None:
    unit = UNIT.read_text()
    defaults = config.Config()
    for setting, above, path in (
        ("StateDirectory", "/var/lib", defaults.daemon.database),
        ("RuntimeDirectory", "/run", str(Path(defaults.api.socket).parent)),
        ("LogsDirectory", "/var/log", str(Path(defaults.daemon.log).parent)),
        ("ConfigurationDirectory", "/etc", str(config.DEFAULT_PATH.parent)),
    ):
        assert f"\n{setting}={Path(path).relative_to(above)}\n" in unit


def test_what_may_pass_is_tried_again_for_ever() -> None:
    unit = UNIT.read_text()
    assert f"\nRestartPreventExitStatus={daemon.CONFIG_BAD} {daemon.BUSY}\n" in unit
    assert unit.index("\nStartLimitIntervalSec=0\n") < unit.index("\n[Service]\n")


def test_clients_leave_descriptors_for_everything_else() -> None:
    (allowed,) = re.findall(r"(?m)^LimitNOFILE=(\d+)$", UNIT.read_text())
    assert int(allowed) >= 8 * (config.Config().api.max_connections + metrics.LIMITS.connections)


def test_the_group_and_the_folders_that_are_made() -> None:
    defaults = config.Config()
    assert f"\ng {defaults.api.admin_group} -\n" in (ROOT / "packaging/sysusers.conf").read_text()
    folders = (ROOT / "packaging/tmpfiles.conf").read_text()
    assert f"\nd {Path(defaults.api.socket).parent} 0755 root root -\n" in folders
    assert f"\nd {defaults.secrets.folder} 0700 root root -\n" in folders


def test_accounts_live_where_the_unit_and_the_package_know_them() -> None:
    """What purging removes is known by its looks: they are those that nm gives its accounts."""
    homes = config.Config().accounts.homes
    assert f"\nd {homes} 0755 root root -\n" in (ROOT / "packaging/tmpfiles.conf").read_text()
    assert f" -{homes} " in UNIT.read_text()
    purge = (ROOT / "packaging/debian/postrm").read_text()
    assert f"case $shell in {unixaccounts.FORWARD} | {guestaccounts.SHELL})" in purge
    assert f'[ "$home" = "{homes}/$name" ]' in purge
    shells = (unixaccounts.FORWARD, guestaccounts.SHELL)
    types = [kind.TYPE for shell in shells for kind in accounts.REGISTRY.of_shell(shell)]
    [comments] = re.findall(r"case \$comment in (.*?)\)", purge)
    looks = comments.replace('"', "").split(" | ")
    assert types and all(any(fnmatch(f"nm {kind} x", look) for look in looks) for kind in types)
    assert not any(fnmatch("nm someone x", look) or fnmatch("x", look) for look in looks)


def test_the_package_brings_the_programs_that_are_run() -> None:
    """By nmd: useradd and its like; by purging: pkill."""
    control = (ROOT / "packaging/debian/control").read_text()
    needed = re.findall(r"(?ms)^Package: nm$.*?^Depends: (.*?)$", control)[0]
    assert {"passwd", "procps"} <= set(needed.split(", "))


@pytest.mark.parametrize(
    ("tool", "kind"), [("systemd-sysusers", "sysusers"), ("systemd-tmpfiles", "tmpfiles")]
)
def test_systemd_understands_them(tool: str, kind: str, tmp_path: Path) -> None:
    if shutil.which(tool) is None:
        pytest.skip(f"{tool} is not installed")
    for path in ("etc", "run"):
        (tmp_path / path).mkdir()
    (tmp_path / "etc/passwd").write_text("root:x:0:0::/:/bin/sh\n")
    (tmp_path / "etc/group").write_text("root:x:0:\n")
    create = ["--create"] if kind == "tmpfiles" else []
    done = subprocess.run(
        [tool, *create, f"--root={tmp_path}", str(ROOT / f"packaging/{kind}.conf")],
        capture_output=True, text=True, timeout=30, check=False,
    )  # fmt: skip
    if kind == "tmpfiles":
        assert done.returncode == 0, done.stderr
        assert (tmp_path / "etc/nm/secrets").stat().st_mode & 0o777 == 0o700
    else:
        assert "\nnm-admin:x:" in (tmp_path / "etc/group").read_text()
