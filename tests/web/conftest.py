"""A laboratory, its page, and a real Chromium; what needs Chromium skips itself where there is none."""

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.web.world import Laboratory, Page, furnished, served, session_of

if TYPE_CHECKING:
    from playwright.sync_api import Browser, ViewportSize
    from playwright.sync_api import Page as Tab

CHROMIUM = shutil.which("chromium")
SANDBOX = [] if os.geteuid() else ["--no-sandbox"]  # Chromium has none for root
WIDE: "ViewportSize" = {"width": 1440, "height": 900}
NARROW: "ViewportSize" = {"width": 360, "height": 740}
PATIENCE = 20_000  # ms

Open = Callable[..., "Tab"]


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[Laboratory]:
    """A furnished laboratory."""
    made = Laboratory(tmp_path)
    with furnished(made):
        yield made


@pytest.fixture
def page(lab: Laboratory) -> Iterator[Page]:
    """Its page, as root sees it."""
    with session_of(lab) as session, served(session) as made:
        yield made


@pytest.fixture(scope="module")
def still(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Laboratory]:
    """A laboratory in which no test changes anything."""
    made = Laboratory(tmp_path_factory.mktemp("still"))
    with furnished(made):
        yield made


@pytest.fixture
def still_page(still: Laboratory) -> Iterator[Page]:
    """Its page."""
    with session_of(still) as session, served(session) as made:
        yield made


@pytest.fixture(scope="module")
def browser() -> Iterator["Browser"]:
    """Chromium, for one module's tests: with it runs an event loop, which others' pyroute2 does not bear."""
    if CHROMIUM is None:
        pytest.skip("chromium is not installed")
    api = pytest.importorskip("playwright.sync_api")
    with api.sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=CHROMIUM, args=SANDBOX)
        yield started
        started.close()


@pytest.fixture
def open_page(browser: "Browser") -> Iterator[Open]:
    """Opens a page by its link in a browser profile of its own; at the end no page may have complained."""
    complaints: list[str] = []
    contexts = []

    def opened(page: Page, **settings: Any) -> "Tab":
        context = browser.new_context(**{"viewport": WIDE, **settings})
        contexts.append(context)
        context.set_default_timeout(PATIENCE)
        tab = context.new_page()
        tab.on("console", lambda said: complaints.append(said.text) if said.type != "log" else None)
        tab.on("pageerror", lambda error: complaints.append(str(error)))
        tab.goto(page.url)
        tab.wait_for_selector("#live:not(.lost)")
        return tab

    yield opened
    for context in contexts:
        context.close()
    assert complaints == []
