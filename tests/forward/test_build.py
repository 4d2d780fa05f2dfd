"""The program's size, its hardening, its installation, and some seconds of fuzzing."""

import re
import subprocess
from pathlib import Path

import pytest

from tests.forward.conftest import SOURCE, Build, run_make
from tests.forward.coverage import branches

LINES = 200


@pytest.fixture(scope="session")
def program(build: Build) -> Path:
    return build("hardened")


def read_elf(program: Path, what: str) -> str:
    return subprocess.run(["readelf", "-W", what, program], capture_output=True, text=True, check=True).stdout


def test_it_can_be_read_in_one_sitting() -> None:
    lines = (SOURCE / "forward_api_calls.c").read_text().splitlines()
    assert len(lines) <= LINES
    assert max(map(len, lines)) <= 120


def test_it_is_hardened(program: Path) -> None:
    assert re.search(r"Type:\s+DYN \(Position-Independent", read_elf(program, "-h"))
    assert "NOW" in read_elf(program, "-d")
    segments = read_elf(program, "-l")
    assert "GNU_RELRO" in segments
    assert re.search(r"GNU_STACK .* RW +0x", segments)
    assert {"__stack_chk_fail", "__vsnprintf_chk"} <= used_functions(program)


def used_functions(program: Path) -> set[str]:
    """What it takes from libraries."""
    return set(re.findall(r" UND (\w+)@", read_elf(program, "--dyn-syms")))


def test_it_can_run_no_program_open_no_file_and_read_no_environment(program: Path) -> None:
    harmless = """
        __libc_start_main __cxa_finalize __errno_location __stack_chk_fail __memcpy_chk __snprintf_chk
        __vsnprintf_chk aligned_alloc clock_gettime connect exit getsockopt lstat madvise memcpy memmem poll
        read send signal socket strcasestr strcspn strerror strlen strncmp strspn strtol vmsplice write
    """
    assert used_functions(program) <= set(harmless.split())


def test_it_names_the_daemons_socket_and_root(tmp_path: Path) -> None:
    run_make(["all"], BUILD=str(tmp_path))
    assert b"/run/nm/api.sock" in (tmp_path / "forward_api_calls").read_bytes()


def test_installation(tmp_path: Path) -> None:
    run_make(["install"], BUILD=str(tmp_path / "build"), DESTDIR=str(tmp_path / "root"), PREFIX="/usr")
    installed = {path for path in (tmp_path / "root").rglob("*") if path.is_file()}
    assert installed == {
        tmp_path / "root/usr/lib/nm" / name for name in ("forward_api_calls", "sliver_shell")
    }
    assert {path.stat().st_mode & 0o7777 for path in installed} == {0o755}


def test_seconds_of_fuzzing_find_nothing(tmp_path: Path) -> None:
    run_make(["fuzz"], BUILD=str(tmp_path), SECONDS="3")


def test_fuzzing_takes_every_branch_of_the_parser(tmp_path: Path) -> None:
    run_make(["fuzz"], BUILD=str(tmp_path), SECONDS="1", sanitizers="--coverage")
    counted = branches(tmp_path)
    for function in ("parse_length", "check_head", "read_answer"):
        assert counted[function]
        assert min(counted[function].values()) > 0, counted[function]
