"""The forwarder, built for the tests: with a socket in its current folder, and little patience."""

import os
import subprocess
import sys
import xmlrpc.client
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

SOURCE = Path(__file__).parents[2] / "forward_api_calls"
PROGRAMS = {"hardened": "forward_api_calls", "sanitized": "sanitized", "covered": "covered"}
TARGETS = {"hardened": "all", "sanitized": "sanitize", "covered": "covered"}
COVERAGE = os.environ.get("NM_FORWARDER_COVERAGE")  # the folder for builds that count, set by coverage.py
KINDS = ["covered"] if COVERAGE else ["hardened", "sanitized"]
LATE = 0.6  # seconds until a hasty one gives up


@dataclass(frozen=True)
class Result:
    status: int
    output: bytes

    @property
    def value(self) -> Any:
        """What the answer says; raises xmlrpc.client.Fault."""
        return xmlrpc.client.loads(self.output)[0][0]

    @property
    def fault(self) -> xmlrpc.client.Fault:
        """The fault that the answer is."""
        try:
            raise AssertionError(f"no fault but {self.value!r}")
        except xmlrpc.client.Fault as fault:
            return fault


@dataclass(frozen=True)
class Forwarder:
    """A build of the program, to be run in a folder."""

    program: Path
    folder: Path

    @property
    def path(self) -> Path:
        return self.folder / "api.sock"

    def start(self, *arguments: str, **how: Any) -> subprocess.Popen[bytes]:
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
        return subprocess.Popen([self.program, *arguments], cwd=self.folder, **{**pipes, **how})

    def run(self, request: bytes = b"<methodCall/>", *arguments: str, **how: Any) -> Result:
        with self.start(*arguments, **how) as process:
            try:
                return finish(process, request)
            finally:
                process.kill()

    def call(self, method: str, *arguments: Any) -> Result:
        return self.run(xmlrpc.client.dumps(arguments, method).encode())


def finish(process: subprocess.Popen[bytes], request: bytes | None = None) -> Result:
    """Let it end, and see that it complained of nothing."""
    output, errors = process.communicate(request, timeout=30)
    assert errors in (b"", None), errors.decode()
    return Result(process.returncode, output)


Build = Callable[..., Path]


@pytest.fixture(scope="session")
def build(tmp_path_factory: pytest.TempPathFactory) -> Build:
    """Makes builds, each once."""
    made: dict[tuple[str, int, int, int], Path] = {}
    root = Path(COVERAGE) if COVERAGE else tmp_path_factory.mktemp("forwarder")

    def make(kind: str, total: int = 20_000, request: int = 10_000, owner: int | None = None) -> Path:
        key = (kind, total, request, os.geteuid() if owner is None else owner)
        if key not in made:
            made[key] = compiled(root / "-".join(map(str, key)), *key)
        return made[key]

    return make


def compiled(
    folder: Path, kind: str, total: int = 20_000, request: int = 10_000, owner: int | None = None
) -> Path:
    """Build it there; its patience in milliseconds, in all and for the request, and the daemon's uid."""
    macros = {"SOCKET": '\\"api.sock\\"', "OWNER": os.geteuid() if owner is None else owner}
    macros |= {"REQUEST_TIME": request, "TOTAL_TIME": total}
    flags = " ".join(f"-D{name}={value}" for name, value in macros.items())
    run_make([TARGETS[kind]], BUILD=str(folder), CPPFLAGS=flags)
    return folder / PROGRAMS[kind]


def run_make(targets: Sequence[str], **variables: str) -> str:
    """Run the forwarder's own Makefile; what it printed."""
    words = [f"{name}={value}" for name, value in variables.items()]
    command = [
        "make",
        "--no-print-directory",
        "-C",
        str(SOURCE),
        *targets,
        f"PYTHON={sys.executable}",
        *words,
    ]
    clean = {name: value for name, value in os.environ.items() if not name.startswith("MAKE")}
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, env=clean, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(params=KINDS)
def kind(request: pytest.FixtureRequest) -> str:
    """How it is built."""
    return str(request.param)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Where the program runs, and the socket is."""
    tmp_path.chmod(0o755)
    return tmp_path


@pytest.fixture
def forwarder(kind: str, build: Build, folder: Path) -> Forwarder:
    return Forwarder(build(kind), folder)


@pytest.fixture
def hasty(kind: str, build: Build, folder: Path) -> Forwarder:
    """One that gives up soon."""
    return Forwarder(build(kind, total=int(LATE * 1000)), folder)


@pytest.fixture
def hasty_reader(kind: str, build: Build, folder: Path) -> Forwarder:
    """One that gives up its input soon."""
    return Forwarder(build(kind, request=int(LATE * 1000)), folder)


@pytest.fixture
def strange(kind: str, build: Build, folder: Path) -> Forwarder:
    """One whose daemon would be somebody else."""
    return Forwarder(build(kind, owner=os.geteuid() + 1), folder)
