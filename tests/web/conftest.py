"""A laboratory, its page, and a real Chromium; what needs Chromium skips itself where there is none."""

import os
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.core.test_daemon import Daemon
from tests.web.world import Clock, Laboratory, Page, furnished, shown

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
    with furnished(Laboratory(tmp_path)) as made:
        yield made


@pytest.fixture(scope="module")
def still(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Laboratory]:
    """One in which no test changes anything."""
    with furnished(Laboratory(tmp_path_factory.mktemp("still"))) as made:
        yield made


@pytest.fixture
def clock() -> Clock:
    """One that the test turns."""
    return Clock()


@pytest.fixture
def page(lab: Laboratory) -> Iterator[Page]:
    """The page of the first."""
    with shown(lab) as made:
        yield made


@pytest.fixture
def still_page(still: Laboratory) -> Iterator[Page]:
    """The page of the second."""
    with shown(still) as made:
        yield made


@dataclass(frozen=True)
class Nmd:
    """A daemon in a process of its own."""

    pid: int
    socket: str


@pytest.fixture
def nmd(tmp_path: Path) -> Iterator[Nmd]:
    """One that answers."""
    daemon = Daemon(tmp_path)
    try:
        pid = daemon.start().pid
        daemon.wait_ready()
        yield Nmd(pid, str(daemon.socket))
    finally:
        daemon.end()


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
    """Opens a page by its link in a browser profile of its own.

    At the end no page may have complained, but of what the test has `expected`.
    """
    complaints: list[str] = []
    contexts = []

    def opened(page: Page | str, expected: str = "", **settings: Any) -> "Tab":
        def complain(words: str) -> None:
            if not (expected and expected in words):
                complaints.append(words)

        context = browser.new_context(**{"viewport": WIDE, **settings})
        contexts.append(context)
        context.set_default_timeout(PATIENCE)
        tab = context.new_page()
        tab.on("console", lambda said: complain(said.text) if said.type != "log" else None)
        tab.on("pageerror", lambda error: complain(str(error)))
        tab.goto(page if isinstance(page, str) else page.url)
        tab.wait_for_selector("#live:not(.lost)")
        return tab

    yield opened
    for context in contexts:
        context.close()
    assert complaints == []
