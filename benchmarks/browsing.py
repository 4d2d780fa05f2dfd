"""What benchmarks of pages share: a real nmd, a real `nmctl web` and a Chromium, each its own process."""

import contextlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.nmd import Nmd, place
from nm.client import connect

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page


@contextlib.contextmanager
def chromium() -> Iterator["Browser"]:
    """A browser without windows. FileNotFoundError when none is installed."""
    found = shutil.which("chromium")
    if found is None:
        raise FileNotFoundError("chromium is not installed")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        arguments = [] if os.geteuid() else ["--no-sandbox"]
        browser = playwright.chromium.launch(executable_path=found, args=arguments)
        yield browser
        browser.close()


@contextlib.contextmanager
def daemon() -> Iterator[tuple[Path, Any]]:
    """A new nmd: its folder, and its API."""
    with place() as (folder, lists):
        nmd = Nmd(folder, lists)
        nmd.start()
        try:
            with connect(str(folder / "api.sock")) as nm:
                yield folder, nm
        finally:
            nmd.kill()


@contextlib.contextmanager
def served(folder: Path) -> Iterator[str]:
    """`nmctl web` of the nmd in that folder; gives its link."""
    address = str(folder / "api.sock")
    command = [sys.executable, "-m", "nm.shell.main", "--address", address, "web", "--json"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield json.loads(process.stdout.readline())["result"]["url"]
        finally:
            process.terminate()


def new_page(browser: "Browser", state: Any = None) -> "Page":
    """An empty page in a profile of its own."""
    return browser.new_context(viewport={"width": 1440, "height": 900}, storage_state=state).new_page()
