"""The pictures in docs/images, of the racks that tests have: python -m tests.web.screenshots [NAME...]."""

import subprocess
import sys
import tempfile
from pathlib import Path

from playwright.sync_api import Browser, BrowserContext, sync_playwright

from tests.web.conftest import CHROMIUM, NARROW, SANDBOX, WIDE
from tests.web.described import Described
from tests.web.world import Hall, Laboratory, Page, furnished, shown

IMAGES = Path(__file__).resolve().parents[2] / "docs/images"
COLOURS = "192"  # enough for a page, and a third of the bytes


def shot(context: BrowserContext, name: str, group: str = "") -> None:
    """A picture of the page, with a group chosen."""
    tab = context.pages[0]
    tab.wait_for_selector("#live:not(.lost)")
    if group:
        tab.click(f"#groups [data-id={group}]")
        tab.mouse.move(5, 5)
    path = IMAGES / f"{name}.png"
    tab.screenshot(path=path, animations="disabled")
    subprocess.run(
        ["pngquant", "--force", "--skip-if-larger", "--ext", ".png", COLOURS, str(path)], check=True
    )
    print(f"{name}.png {path.stat().st_size // 1000} kB")


def entered(browser: Browser, page: Page) -> BrowserContext:
    """A browser profile that has used the link."""
    context = browser.new_context(viewport=WIDE, color_scheme="light", timezone_id="UTC")
    context.new_page().goto(page.url)
    return context


def laboratory(browser: Browser, folder: Path) -> None:
    """Wide in light and in dark, and narrow, while a job runs."""
    with furnished(Laboratory(folder)) as lab, shown(lab) as page:
        light = entered(browser, page)
        lab.hold(8.0)
        job = lab.call("Deploy", "weather")
        light.pages[0].wait_for_selector(f'#jobs [data-job="{job}"] .state:has-text("/")')
        shot(light, "web-light")
        state = light.storage_state()
        dark = browser.new_context(viewport=WIDE, color_scheme="dark", storage_state=state, timezone_id="UTC")
        narrow = browser.new_context(
            viewport=NARROW, color_scheme="light", storage_state=state, timezone_id="UTC"
        )
        for context, name, group in ((dark, "web-dark", "physics"), (narrow, "web-narrow", "")):
            context.new_page().goto(page.base)
            shot(context, name, group)
        lab.wait(job)


def hall(browser: Browser, folder: Path) -> None:
    """2,000 ports."""
    with furnished(Hall(folder)) as made, shown(made) as page:
        shot(entered(browser, page), "web-2000-ports", "project03")


def console(browser: Browser, folder: Path) -> None:
    """A description, with an attribute that is being changed."""
    with furnished(Described(folder)) as rack, shown(rack) as page:
        rack.begun("web", "back:store", "Domain", cmdline="quiet")
        rack.live("web", "back:deep:two", state="ended", going="abnormal", words="it does not run any more")
        context = entered(browser, page)
        tab = context.pages[0]
        tab.wait_for_selector("#live:not(.lost)")
        tab.goto(f"{page.base}descriptions#/web")
        for path in ("front", "back", "back:deep"):
            tab.click(f'[role="treeitem"][data-id="{path}"] .sign')
            tab.wait_for_selector(f'[role="treeitem"][data-id="{path}"][aria-expanded="true"]')
        tab.click('[role="treeitem"][data-id="front:balancer"]')
        tab.click('button[aria-label="Change memory"]')
        tab.fill("#edit-text", "1024")
        tab.wait_for_selector("#effect:not(:empty)")
        shot(context, "web-console")


def main() -> int:
    """Make them all."""
    IMAGES.mkdir(exist_ok=True)
    with sync_playwright() as playwright, tempfile.TemporaryDirectory() as folder:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=SANDBOX)
        for name, rack in (("laboratory", laboratory), ("hall", hall), ("console", console)):
            if sys.argv[1:] and name not in sys.argv[1:]:
                continue
            home = Path(folder, name)
            home.mkdir()
            rack(browser, home)
        browser.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
