"""docs/lab.md, followed as it is printed."""

import os
import shlex
import sys
from pathlib import Path

import pytest

from nm.lab import lifecycle
from nm.lab.place import PATH, obstacle
from tests.docs.site import SOURCE, in_shell, troubles
from tests.docs.transcript import Step, steps

PROGRAM = '#!/bin/sh\nexec {python} -m nm.shell.main "$@"\n'


class Reader:
    """Who reads the page: has nmctl on the PATH."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        program = folder / "nmctl"
        program.write_text(PROGRAM.format(python=shlex.quote(sys.executable)))
        program.chmod(0o755)
        self._environment = {**os.environ, "PATH": f"{folder}:{PATH}", "PYTHONPATH": str(SOURCE)}

    def carry_out(self, step: Step) -> tuple[int, str]:
        """A shell does it."""
        return in_shell(step.command, self._folder, self._environment)

    def meanwhile(self, words: str) -> None:
        """Nothing happens behind the reader's back."""
        raise AssertionError(words)


@pytest.mark.real
@pytest.mark.timeout(500)
@pytest.mark.skipif(not os.environ.get("NM_TEST_BOOT"), reason="minutes long: make test-boot")
def test_the_page_goes_as_printed(tmp_path: Path) -> None:
    if (why := obstacle(boot=True)) is not None:
        pytest.skip(str(why))
    try:
        page = steps((SOURCE / "docs" / "lab.md").read_text(encoding="utf-8"))
        assert troubles(Reader(tmp_path), page) == []
    finally:
        lifecycle.down("rack")
