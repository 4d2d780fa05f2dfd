"""docs/lab.md, followed as it is printed."""

import os
from pathlib import Path

import pytest

from nm.lab import lifecycle
from nm.lab.place import obstacle
from tests.docs.reader import Reader
from tests.docs.site import SOURCE, troubles
from tests.docs.transcript import steps


@pytest.mark.real
@pytest.mark.timeout(500)
@pytest.mark.skipif(not os.environ.get("NM_TEST_BOOT"), reason="minutes long: make test-boot")
def test_the_page_goes_as_printed(tmp_path: Path) -> None:
    if (why := obstacle(boot=True)) is not None:
        pytest.skip(str(why))
    (tmp_path / "docs").symlink_to(SOURCE / "docs")  # the reader is in nm's folder
    try:
        page = steps((SOURCE / "docs" / "lab.md").read_text(encoding="utf-8"))
        assert troubles(Reader(tmp_path), page) == []
    finally:
        lifecycle.down("rack")
        lifecycle.down("farm")
