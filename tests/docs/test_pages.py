"""The commands on the pages of docs/tasks/ do what the pages say, and say what the pages show."""

import re
from pathlib import Path

import pytest

from tests.docs.site import site, troubles
from tests.docs.transcript import differs, pages, steps

DOCS = Path(__file__).parents[2] / "docs"


@pytest.mark.parametrize("page", [*pages(DOCS / "tasks")], ids=lambda page: str(page.stem))
def test_page_is_true(page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NM_ADDRESS", str(tmp_path / "api.sock"))
    with site(tmp_path) as here:
        assert not troubles(here, steps(page.read_text(encoding="utf-8")))


PAGE = """
    $ nmctl node list
    NAME  STATE
    n0    free
    …
    $ nmctl plan
    $ echo $?
    2
    $ nmctl node show n9
    nmctl: no node n9
"""


def test_a_page_is_read_as_its_reader_reads_it() -> None:
    listed, planned, failed = steps(PAGE)
    assert (listed.command, listed.shown, listed.status) == (
        "nmctl node list",
        "NAME  STATE\nn0    free\n…",
        0,
    )
    assert (planned.command, planned.shown, planned.status) == ("nmctl plan", "", 2)
    assert (failed.command, failed.status) == ("nmctl node show n9", None)


@pytest.mark.parametrize(
    ("shown", "said"),
    [
        ("n0  free\n…\nn7  free", "n0    free\nn1    free\nn7    free\n"),
        ("alpha  2026-11-23 10:46 (in 2d)", "alpha  2027-01-01 00:00 (in 1d23h)"),
        ("job 3 deploy alpha: done in 1.0s", "job 3 deploy alpha: done"),
        ("--if-plan 64e3663bfb95d768", "--if-plan 0000000000000000"),
        ("…\nn7", "n7"),
        ("n0\n…", "n0"),
    ],
)
def test_what_varies_is_not_compared(shown: str, said: str) -> None:
    assert not differs(shown, said)


@pytest.mark.parametrize(
    ("shown", "said"),
    [
        ("n0  free", "n0  joined"),
        ("n0  free", "n0  free\nn1  free"),
        ("n0  free\n…\nn7  free", "n0  free\nn1  free"),
        ("job 3 deploy alpha: done in 1.0s", "job 3 deploy alpha: failed in 1.0s"),
        ("alpha  2026-11-23 10:46 (in 2d)", "alpha  -"),
    ],
)
def test_a_page_that_shows_something_else_is_found_out(shown: str, said: str) -> None:
    assert differs(shown, said)


def test_an_outdated_command_is_found_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NM_ADDRESS", str(tmp_path / "api.sock"))
    with site(tmp_path) as here:
        (wrong,) = troubles(here, steps("    $ nmctl whoami\n    $ nmctl group fetch alpha\n"))
    assert wrong.startswith("line 2: nmctl group fetch alpha: status 2")


LINK = re.compile(r"\]\(([^)#:]+)[)#]")


@pytest.mark.parametrize("page", sorted(DOCS.rglob("*.md")), ids=lambda page: str(page.relative_to(DOCS)))
def test_links_lead_somewhere(page: Path) -> None:
    assert [
        name for name in LINK.findall(page.read_text(encoding="utf-8")) if not (page.parent / name).exists()
    ] == []


def test_every_page_is_in_the_index() -> None:
    index = (DOCS / "README.md").read_text(encoding="utf-8")
    named = {(DOCS / name).resolve() for name in LINK.findall(index)}
    assert {page for page in DOCS.rglob("*.md") if page.name != "README.md"} <= named
