"""What docs/slivers.md plays in a lab goes as printed: nmctl, xmlrpc.client, ssh as in PlanetLab."""

from pathlib import Path

import pytest

from nm.lab import lifecycle
from nm.lab.place import obstacle
from tests.docs.reader import Reader
from tests.docs.site import SOURCE, troubles
from tests.docs.transcript import steps

LAB = "slices"  # as the page calls it


@pytest.mark.real
@pytest.mark.timeout(200)
def test_the_page_goes_as_printed(tmp_path: Path) -> None:
    if (why := obstacle(slivers=True)) is not None:
        pytest.skip(str(why))
    page = steps((SOURCE / "docs" / "slivers.md").read_text(encoding="utf-8"))
    assert any("SetLoans" in step.command for step in page)
    try:
        assert troubles(Reader(tmp_path), page) == []
    finally:
        lifecycle.down(LAB)
