"""The layers' contracts hold, and every one of them would notice."""

import shutil
import subprocess
import sys
from pathlib import Path

from tests.project.tree import ROOT

WRONG = {
    "nm/records.py": "from nm import jobs",
    "nm/plan.py": "import socket",
    "nm/http.py": "from nm import vm",
    "nm/geni/urns.py": "from nm.geni import credentials",
    "nm/pools/tree.py": "from nm.pools import plan",
    "nm/geni/rspec/texts.py": "from nm.geni.rspec import request",
    "nm/export.py": "from nm import groups",
    "nm/client.py": "from nm import database",
    "nm/waiting.py": "import libvirt",
}


def lint(folder: Path) -> str:
    program = Path(sys.executable).with_name("lint-imports")
    return subprocess.run(
        [str(program), "--no-cache"], cwd=folder, capture_output=True, text=True, timeout=50, check=False
    ).stdout


def test_each_contract_notices_what_it_forbids(tmp_path: Path) -> None:
    shutil.copytree(ROOT / "nm", tmp_path / "nm")
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    assert " 0 broken" in lint(tmp_path)
    for module, line in WRONG.items():
        with (tmp_path / module).open("a", encoding="utf-8") as file:
            file.write(f"\n{line}\n")
    assert f" 0 kept, {len(WRONG)} broken" in lint(tmp_path)
