"""The Debian package in a booted system, by `make test-system`; too long for `make test`."""

import os
import re
import shutil
import stat
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import nm
from nm import config
from tests.project.tree import ROOT
from tests.service import booted

pytestmark = [
    pytest.mark.real,
    pytest.mark.timeout(600),
    pytest.mark.skipif("NM_TEST_SYSTEM" not in os.environ, reason="make test-system runs it"),
    pytest.mark.skipif(bool(booted.missing()), reason=booted.missing()),
]


def run(*command: str, umask: int = -1, **environment: str) -> str:
    done = subprocess.run(
        command,
        cwd=ROOT,
        env=os.environ | environment,
        capture_output=True,
        text=True,
        timeout=500,
        umask=umask,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def package() -> Path:
    """nm's package as `make deb` builds it."""
    return ROOT / run("scripts/deb.sh", TOOLS=sys.executable).split()[0]


def newer(package: Path, folder: Path) -> Path:
    """The next version of the package: the same with another number, in its program too."""
    run("dpkg-deb", "--raw-extract", str(package), str(folder / "tree"))
    for path, pattern in (
        (folder / "tree/DEBIAN/control", r"(?<=^Version: )0\.1\.0$"),
        (next((folder / "tree").glob("usr/lib/nm/lib/*/site-packages/nm/__init__.py")), r"0\.1\.0"),
    ):
        text, count = re.subn(pattern, "0.1.1", path.read_text(), flags=re.MULTILINE)
        assert count == 1
        path.write_text(text)
    run("dpkg-deb", "-Znone", "--root-owner-group", "--build", str(folder / "tree"), str(folder / "new.deb"))
    return folder / "new.deb"


def test_make_install(tmp_path: Path) -> None:
    """Everything is below the prefix, works from there, and a site's configuration stays as it is."""
    install = ("scripts/install.sh",)
    settings: Any = {"PREFIX": "/opt/nm", "DESTDIR": str(tmp_path), "TOOLS": sys.executable}
    run(*install, umask=0o077, **settings)
    kept_from_others = [path for path in tmp_path.rglob("*") if not path.lstat().st_mode & stat.S_IROTH]
    rule = tmp_path / "etc/sudoers.d/nm"
    assert kept_from_others == [rule] and stat.S_IMODE(rule.stat().st_mode) == 0o440
    assert "= /opt/nm/lib/nm/nm-enter\n" in rule.read_text()
    unit = (tmp_path / "opt/nm/lib/systemd/system/nmd.service").read_text()
    assert "\nExecStart=/opt/nm/sbin/nmd\n" in unit
    assert {path.name for path in tmp_path.iterdir()} == {"etc", "opt"}
    sample = tmp_path / "etc/nm/nm.toml"
    assert config.load(sample) == config.Config()
    assert config.parse(re.sub(r"(?m)^#(?=[a-z0-9_]+ = )", "", sample.read_text())) == config.Config()
    assert all(f"\n#{key.name} = " in sample.read_text() for _, key in config.all_keys())
    sample.write_text("# ours\n")
    run(*install, **settings)
    assert sample.read_text() == "# ours\n"
    python = str(tmp_path / "opt/nm/lib/nm/bin/python")
    shell = run(python, "-I", "-c", "from nm.config import Config; print(Config().accounts.shell)").strip()
    assert shell == str(tmp_path / "opt/nm/lib/nm/forward_api_calls")
    assert os.access(shell, os.X_OK)
    session = Path(shell).with_name("sliver_shell")
    assert b"/opt/nm/lib/nm/nm-enter" in session.read_bytes() and os.access(session, os.X_OK)
    enter = [python, "-I", str(session.with_name("nm-enter"))]
    entering = subprocess.run(enter, capture_output=True, text=True, check=False)
    assert (entering.returncode, entering.stdout) == (126, "") and "by sudo" in entering.stderr
    for program in ("sbin/nmd", "bin/nmctl", "bin/nm-ticket"):
        text = (tmp_path / "opt/nm" / program).read_text()
        assert text.startswith("#!/opt/nm/lib/nm/bin/python -I\n")
        told = run(python, "-I", str(tmp_path / "opt/nm" / program), "--version")
        assert told == f"{Path(program).name} {nm.__version__}\n"
    described = tmp_path / "pool.sf"
    described.write_text('#include "org/smartfrog/components.sf"\nsfConfig extends Prim;')
    parsed = run(python, "-I", str(tmp_path / "opt/nm/bin/sfParse"), str(described))
    assert parsed.startswith("the description is good: 1 component")
    described.unlink()
    naming = [
        path for path in tmp_path.rglob("*") if path.is_file() and str(ROOT).encode() in path.read_bytes()
    ]
    assert naming == []


@pytest.mark.skipif(shutil.which("lintian") is None, reason="lintian is not installed")
def test_lintian_has_nothing_to_say(package: Path) -> None:
    assert run("lintian", "--allow-root", str(package)) == ""


def test_life_of_the_package(package: Path, tmp_path: Path) -> None:
    (tmp_path / "shared").mkdir()
    shutil.copy(package, tmp_path / "shared/old.deb")
    shutil.copy(newer(package, tmp_path), tmp_path / "shared/new.deb")
    print(booted.boot(tmp_path, (Path(__file__).parent / "lifecycle.sh").read_text(), seconds=300))
