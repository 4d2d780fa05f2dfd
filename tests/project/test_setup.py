"""What a newcomer types: README, Makefile, set-up and CI agree, and set-up does no harm."""

import os
import re
import shutil
import subprocess
import tomllib
from pathlib import Path

import pytest

from tests.project.tree import ROOT, files, name

SET_UP = ("setup.py", "pyproject.toml", "scripts/setup.sh", "scripts/debian-packages.txt")
EVERYWHERE = {"passwd", "mount"}  # on every Debian
MISSING = "real nm-no-such-package to see what happens\n"


def read(path: str) -> str:
    return (ROOT / path).read_text(encoding="utf-8")


def targets() -> set[str]:
    return set(re.findall(r"^([a-z0-9-]+):", read("Makefile"), re.MULTILINE))


def test_every_target_is_explained_and_phony() -> None:
    assert targets() == set(re.findall(r"^([a-z0-9-]+):.*## \w", read("Makefile"), re.MULTILINE))
    phony = re.search(r"^\.PHONY: (.*)$", read("Makefile"), re.MULTILINE)
    assert phony is not None
    assert targets() == set(phony[1].split())


def test_every_target_but_these_sets_the_machine_up() -> None:
    for line in re.findall(r"^[a-z0-9-]+:.*## .*$", read("Makefile"), re.MULTILINE):
        target, needs = line.split("##")[0].split(":")
        assert target in {"help", "setup", "clean", "test"} or "setup" in needs.split(), target


@pytest.mark.parametrize("path", [path for path in files() if path.suffix == ".md"], ids=name)
def test_targets_that_are_named_exist(path: Path) -> None:
    named = set(re.findall(r"(?:`|^ {4}|^)make ([a-z0-9-]+)", path.read_text(encoding="utf-8"), re.MULTILINE))
    assert named <= targets()


def test_ci_runs_the_test_command_of_the_readme() -> None:
    assert "make test" in read("README.md")
    assert read(".ci/run").rstrip().endswith("\nYES=1 make test")


def test_programs_are_there() -> None:
    scripts = tomllib.loads(read("pyproject.toml"))["project"]["scripts"]
    for program, place in scripts.items():
        module, _, function = place.partition(":")
        assert f"def {function}(" in read(module.replace(".", "/") + ".py"), program


def test_every_dependency_has_a_range_and_a_reason() -> None:
    project = tomllib.loads(read("pyproject.toml"))["project"]
    for requirement in project["dependencies"] + project["optional-dependencies"]["dev"]:
        assert re.fullmatch(r"[a-z0-9-]+(\[[a-z0-9]+\])?>=[0-9.]+,<[0-9.]+", requirement)
        assert re.search(rf'"{re.escape(requirement)}", +# \w', read("pyproject.toml")), requirement


def test_every_debian_package_has_a_reason_and_its_place() -> None:
    lines = [line for line in read("scripts/debian-packages.txt").splitlines() if not line.startswith("#")]
    assert all(re.fullmatch(r"(build|real) +[a-z0-9-]+ +\w.{10,}", line) for line in lines)
    assert len({line.split()[1] for line in lines}) == len(lines)


def test_set_up_brings_what_our_packages_need() -> None:
    """Else tests run without it, or with what happens to be on a machine."""
    listed = {line.split()[1] for line in read("scripts/debian-packages.txt").splitlines()}
    needed = re.findall(r"^Depends: (.*)$", read("packaging/debian/control"), re.MULTILINE)
    words = {word.split()[0] for line in needed for word in line.split(", ") if not word.startswith("$")}
    assert words >= {"python3", "openssh-client"} and words - EVERYWHERE <= listed


@pytest.mark.skipif(shutil.which("shellcheck") is None, reason="shellcheck is not installed")
@pytest.mark.parametrize(
    "path", [path for path in files() if path.suffix == ".sh" or path.parent.name == ".ci"], ids=name
)
def test_shellcheck(path: Path) -> None:
    dialect = "bash" if "bash" in path.read_text(encoding="utf-8").partition("\n")[0] else "dash"
    strictness = "style" if path.parent.name in {"scripts", ".ci"} else "error"  # others: tiny guests
    command = ["shellcheck", f"--severity={strictness}", f"--shell={dialect}", str(path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    assert done.stdout == ""


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A project of our set-up's files alone, in which one package is wanted that does not exist."""
    for path in SET_UP:
        (tmp_path / path).parent.mkdir(exist_ok=True)
        shutil.copy(ROOT / path, tmp_path / path)
    (tmp_path / "scripts/debian-packages.txt").write_text(MISSING)
    return tmp_path


def set_up(tree: Path, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    inherited = {word: value for word, value in os.environ.items() if word not in {"YES", "CI", "PYTHON"}}
    return subprocess.run(
        ["scripts/setup.sh", *arguments],
        cwd=tree,
        env=inherited | environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )


@pytest.mark.skipif(shutil.which("dpkg-query") is None, reason="this is not Debian")
class TestSetUp:
    def test_dry_run_tells_and_does_nothing(self, tree: Path) -> None:
        before = sorted(tree.rglob("*"))
        done = set_up(tree, "--dry-run")
        assert done.returncode == 0
        assert "nm-no-such-package     to see what happens" in done.stdout
        assert "would install nm and its tools into .venv" in done.stdout
        assert sorted(tree.rglob("*")) == before

    @pytest.mark.skipif(os.geteuid() != 0 and shutil.which("sudo") is None, reason="nobody to be root")
    def test_nobody_to_ask(self, tree: Path) -> None:
        done = set_up(tree)
        assert done.returncode == 1
        assert "nm-no-such-package" in done.stdout
        assert "To agree: YES=1 make setup" in done.stderr
        assert not (tree / ".venv").exists()

    def test_unknown_option(self, tree: Path) -> None:
        done = set_up(tree, "--yes")
        assert done.returncode == 1
        assert "unknown option --yes" in done.stderr

    def test_ready_is_quick_and_silent(self, tree: Path) -> None:
        (tree / "scripts/debian-packages.txt").write_text("build coreutils there anyhow\n")
        make_environment(tree)
        done = set_up(tree)
        assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def make_environment(tree: Path) -> None:
    """Let set-up believe that it has made the Python environment."""
    (tree / ".venv/bin").mkdir(parents=True)
    (tree / ".venv/bin/python").symlink_to(shutil.which("true") or "/bin/true")
    stamp = "cat pyproject.toml setup.py scripts/setup.sh | sha256sum >.venv/.setup-done"
    subprocess.run(["bash", "-c", stamp], cwd=tree, check=True, timeout=10)


IN_A_MOUNT_NAMESPACE = """
set -eu
mount -t tmpfs none "$1/scratch"
mkdir "$1/scratch/upper" "$1/scratch/work"
mount -t overlay overlay -o "lowerdir=/usr/sbin,upperdir=$1/scratch/upper,workdir=$1/scratch/work" /usr/sbin
mount -t tmpfs none /run
mkdir -p /run/systemd/system
rm -f /usr/sbin/policy-rc.d
[ -z "$2" ] || printf '%s\\n' "$2" >/usr/sbin/policy-rc.d
PATH="$1/bin:$PATH" YES=1 "$1/scripts/setup.sh" && status=0 || status=$?
echo "set-up ended with $status"
echo "left: $(cat /usr/sbin/policy-rc.d 2>/dev/null || echo nothing)"
ls /usr/sbin | grep policy-rc.d. || true
"""
APT = """#!/bin/sh
[ "$1" = update ] || { /usr/sbin/policy-rc.d libvirtd start; echo "policy $?"; } >>output
echo "new.service enabled enabled" >>units
"""
SYSTEMCTL = """#!/bin/sh
case $1 in
    list-unit-files) cat units ;;
    disable) echo "$@" >>output ;;
esac
"""


@pytest.mark.real
@pytest.mark.skipif(os.geteuid() != 0, reason="only root can make a mount namespace")
@pytest.mark.parametrize("policy", ["", "#!/bin/sh\nexit 0"], ids=["no policy", "a policy"])
@pytest.mark.parametrize(
    ("end", "status"), [("exit 0", 0), ("exit 100", 1), ("kill -INT $PPID", 130), ("kill -TERM $PPID", 143)]
)
def test_services_are_left_as_they_were(tree: Path, policy: str, end: str, status: int) -> None:
    """No service may start meanwhile, and the machine's own policy comes back however that ends."""
    for folder in ("bin", "scratch"):
        (tree / folder).mkdir()
    make_environment(tree)
    for program, text in (("apt-get", APT + end + "\n"), ("systemctl", SYSTEMCTL)):
        (tree / "bin" / program).write_text(text)
        (tree / "bin" / program).chmod(0o755)
    (tree / "units").write_text("old.service enabled enabled\n")
    done = set_up_apart(tree, policy)
    happened = (tree / "output").read_text().splitlines()
    assert happened[0] == "policy 101"
    assert ("disable new.service" in happened) == (status == 0)
    assert "disable old.service" not in happened
    assert done.stdout.endswith(f"set-up ended with {status}\nleft: {policy or 'nothing'}\n")


def set_up_apart(
    tree: Path, policy: str, script: str = IN_A_MOUNT_NAMESPACE
) -> subprocess.CompletedProcess[str]:
    """Set-up with an /usr/sbin of its own, which begins with that policy."""
    done = subprocess.run(
        ["unshare", "--mount", "bash", "-c", script, "bash", str(tree), policy],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    if "mount:" in done.stderr:
        pytest.skip("this machine has no overlay mounts")
    return done


KILLED = """mark="# Made by nm's set-up, for as long as it installs packages."
printf '#!/bin/sh\\n%s\\nexit 101\\n' "$mark" >/usr/sbin/policy-rc.d
"""


@pytest.mark.real
@pytest.mark.skipif(os.geteuid() != 0, reason="only root can make a mount namespace")
@pytest.mark.parametrize("policy", ["", "#!/bin/sh\nexit 0"], ids=["no policy", "a policy"])
def test_what_a_killed_run_left_is_mended_though_nothing_is_missing(tree: Path, policy: str) -> None:
    (tree / "scratch").mkdir()
    (tree / "scripts/debian-packages.txt").write_text("build coreutils there anyhow\n")
    make_environment(tree)
    saved = '[ -z "$2" ] || mv /usr/sbin/policy-rc.d /usr/sbin/policy-rc.d.before-nm\n'
    begin, run, end = IN_A_MOUNT_NAMESPACE.partition('PATH="$1/bin')
    done = set_up_apart(tree, policy, f"{begin}{saved}{KILLED}{run}{end}")
    assert "restored /usr/sbin/policy-rc.d" in done.stdout
    assert done.stdout.endswith(f"set-up ended with 0\nleft: {policy or 'nothing'}\n")


def test_packages_are_added_and_never_taken_away() -> None:
    installs = re.findall(r"^\s+apt-get install .*", read("scripts/setup.sh"), re.MULTILINE)
    assert installs
    assert all("--no-remove" in install for install in installs)
