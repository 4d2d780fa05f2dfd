"""The reference pages in docs/ are those that the code makes."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize(
    ("module", "page"),
    [
        ("nm.reference", "api.md"),
        ("nm.config", "nm.toml"),
        ("nm.shell.spl.reference", "shell.md"),
        ("nm.pools.page", "components.md"),
    ],
)
def test_reference_page_is_true(module: str, page: str) -> None:
    made = subprocess.run(
        [sys.executable, "-m", module], capture_output=True, text=True, check=True, cwd=ROOT
    )
    assert (ROOT / "docs" / page).read_text() == made.stdout, "run make docs"
