"""Which branches of the forwarder its tests take: python -m tests.forward.coverage."""

import gzip
import json
import os
import subprocess
import sys
import tempfile
from collections import Counter, defaultdict
from pathlib import Path

PROGRAM = "forward_api_calls.c"
Branches = dict[str, Counter[tuple[int, int]]]


def branches(folder: Path) -> Branches:
    """How often the runs of the builds there took each function's branches, by line and number."""
    found: Branches = defaultdict(Counter)
    for data in folder.rglob("*.gcda"):
        subprocess.run(
            ["gcov", "--branch-probabilities", "--json-format", data.name],
            cwd=data.parent, check=True, capture_output=True,
        )  # fmt: skip
        report = json.loads(gzip.decompress(data.with_suffix(".gcov.json.gz").read_bytes()))
        for file in report["files"]:
            if Path(file["file"]).name == PROGRAM:
                add(found, file["lines"])
    return found


def add(found: Branches, lines: list[dict[str, object]]) -> None:
    """Add one build's counts."""
    for line in lines:
        taken = line["branches"]
        assert isinstance(taken, list)
        for number, branch in enumerate(taken):
            found[str(line.get("function_name"))][int(str(line["line_number"])), number] += branch["count"]


def main() -> int:
    """Run the tests with builds that count; print what was taken."""
    with tempfile.TemporaryDirectory() as folder:
        environment = {**os.environ, "NM_FORWARDER_COVERAGE": folder}
        tests = [sys.executable, "-m", "pytest", "-q", "tests/forward"]
        status = subprocess.run(tests, env=environment, check=False).returncode
        counted = branches(Path(folder))
    for function, taken in counted.items():
        never = sorted(place for place, count in taken.items() if not count)
        print(f"{function:15} {len(taken) - len(never):3} of {len(taken):3} branches", *never)
    return status


if __name__ == "__main__":
    sys.exit(main())
