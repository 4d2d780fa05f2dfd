"""What docs/lab.md plays in a lab with described pools goes as printed."""

from pathlib import Path

import pytest

from nm.lab import lifecycle
from nm.lab.place import obstacle
from tests.docs.reader import Reader
from tests.docs.site import SOURCE, troubles
from tests.docs.transcript import steps

LAB = "farm"  # as the page calls it
TITLE = "## A lab with described pools\n"


@pytest.mark.real
@pytest.mark.timeout(400)
def test_the_section_goes_as_printed(tmp_path: Path) -> None:
    if (why := obstacle(pools=True)) is not None:
        pytest.skip(str(why))
    text = (SOURCE / "docs" / "lab.md").read_text(encoding="utf-8")
    section = text.partition(TITLE)[2].partition("\n## ")[0]
    (tmp_path / "docs").symlink_to(SOURCE / "docs")  # the reader is in nm's folder
    try:
        assert troubles(Reader(tmp_path), steps(section)) == []
        assert "sfTerminate" in section
    finally:
        lifecycle.down(LAB)
