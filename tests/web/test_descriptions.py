"""Descriptions in a real Chromium: their trees, and attributes that are changed in nmd by the page."""

import pwd
import threading
from collections.abc import Iterator
from contextlib import closing
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from nm.calls import Caller
from tests.web.conftest import NARROW, WIDE, Open
from tests.web.described import Described
from tests.web.world import Page, Seat, furnished, served, shown

if TYPE_CHECKING:
    from playwright.sync_api import Page as Tab

pytestmark = pytest.mark.real

READER = Caller(pwd.getpwnam("games").pw_uid, "games")  # an account that every machine has


@pytest.fixture
def rack(tmp_path: Path) -> Iterator[Described]:
    with furnished(Described(tmp_path)) as made:
        yield made


@pytest.fixture
def page(rack: Described) -> Iterator[Page]:
    with shown(rack) as made:
        yield made


def console(tab: "Tab", page: Page, name: str = "web") -> None:
    """Go to the console of a description."""
    tab.goto(f"{page.base}descriptions#/{name}")
    tab.wait_for_selector('[role="treeitem"]')


def line(path: str) -> str:
    return f'[role="treeitem"][data-id="{path}"]'


def unfold(tab: "Tab", *paths: str) -> None:
    for path in paths:
        tab.click(f"{line(path)} .sign")
        tab.wait_for_selector(f'{line(path)}[aria-expanded="true"]')


def choose(tab: "Tab", path: str) -> None:
    tab.click(line(path))
    tab.wait_for_selector(f'#component-title:text-is("{path}")')


def lines(tab: "Tab") -> list[str]:
    found: list[str] = tab.evaluate(
        "[...document.querySelectorAll('[role=treeitem]')].map((line) => line.dataset.id)"
    )
    return found


def meant(tab: "Tab", words: str) -> None:
    """The page says so before anything is done."""
    tab.wait_for_selector(f'#effect:has-text("{words}")')


def done(tab: "Tab", words: str) -> None:
    """Do it; the page says so afterwards."""
    tab.click("#do")
    tab.wait_for_selector(f'#said:has-text("{words}"):has-text("is done")')


@pytest.fixture
def tab(page: Page, open_page: Open) -> "Tab":
    """The console of `web`, with a component chosen."""
    opened = open_page(page)
    console(opened, page)
    unfold(opened, "front", "back")
    choose(opened, "front:balancer")
    return opened


def test_the_tree_is_folded_and_shows_what_is_unfolded(page: Page, open_page: Open) -> None:
    tab = open_page(page)
    tab.click("#pools a")
    tab.wait_for_selector(line("back"))
    assert lines(tab) == ["sfConfig", "front", "back"]
    assert "5 components" in str(tab.text_content(line("back")))
    unfold(tab, "back", "back:deep")
    assert lines(tab)[2:] == [
        "back",
        "back:display",
        "back:store",
        "back:deep",
        "back:deep:one",
        "back:deep:two",
    ]
    tab.click(f"{line('back')} .sign")
    tab.wait_for_selector(f'{line("back")}[aria-expanded="false"]')
    assert lines(tab) == ["sfConfig", "front", "back"]


def test_an_attribute_is_changed(rack: Described, tab: "Tab") -> None:
    tab.click('button[aria-label="Change memory"]')
    assert tab.input_value("#edit-text") == "512"
    tab.fill("#edit-text", "1024")
    meant(tab, "it counts at once")
    assert rack.attributes("web", "front:balancer")["memory"] == 512  # asked only
    done(tab, "memory of front:balancer is set: it counts at once")
    assert rack.attributes("web", "front:balancer")["memory"] == 1024
    tab.wait_for_selector('#attributes tr:has-text("memory"):has-text("1024")')
    assert "1 attribute set since the description was applied" in str(tab.text_content("#standing"))


def test_an_attribute_is_added(rack: Described, tab: "Tab") -> None:
    tab.click("#add")
    known = tab.evaluate("[...document.querySelectorAll('#known option')].map((option) => option.value)")
    assert {"sfLivenessDelay", "sfUpdatable"} <= set(known) and "sfClass" not in known
    tab.fill("#edit-name", "hosts")
    tab.select_option("#edit-type", "list")
    tab.fill("#edit-text", '["a", 5, true]')
    meant(tab, "it counts at once")
    done(tab, "hosts of front:balancer is set")
    assert rack.attributes("web", "front:balancer")["hosts"] == ["a", 5, True]
    tab.click("#add")
    tab.fill("#edit-name", "sfLivenessDelay")
    assert tab.input_value("#edit-type") == "number"
    assert "seconds between two looks" in str(tab.text_content("#meaning"))
    tab.fill("#edit-text", "7")
    done(tab, "sfLivenessDelay of front:balancer is set")
    assert rack.attributes("web", "front:balancer")["sfLivenessDelay"] == 7


def test_an_attribute_is_deleted(rack: Described, tab: "Tab") -> None:
    tab.click('button[aria-label="Delete colour"]')
    tab.wait_for_selector('#edit-title:has-text("Delete colour of front:balancer?")')
    meant(tab, "it counts at once")
    tab.click("#cancel")
    assert "colour" in rack.attributes("web", "front:balancer")
    tab.click('button[aria-label="Delete colour"]')
    done(tab, "colour of front:balancer is deleted")
    assert "colour" not in rack.attributes("web", "front:balancer")
    tab.wait_for_selector('#attributes tr:has-text("colour")', state="detached")


def test_it_is_said_when_a_change_counts_only_at_the_end(rack: Described, tab: "Tab") -> None:
    choose(tab, "sfConfig")
    tab.wait_for_selector('#attributes tr:has-text("sfSyncTerminate"):has-text("when it ends")')
    tab.click('button[aria-label="Change sfSyncTerminate"]')
    tab.fill("#edit-text", "false")
    meant(tab, "it counts when the component ends")
    done(tab, "it counts when the component ends")
    assert rack.attributes("web", "sfConfig")["sfSyncTerminate"] is False


def test_what_is_refused_is_told_and_changes_nothing(rack: Described, tab: "Tab") -> None:
    before = rack.attributes("web", "front:balancer")
    tab.click("#add")
    tab.fill("#edit-name", "sfLivenessDelay")
    tab.select_option("#edit-type", "text")
    tab.fill("#edit-text", "often")
    meant(tab, "sfLivenessDelay")
    tab.click("#do")
    tab.wait_for_selector("#effect.bad")
    tab.select_option("#edit-type", "number")
    meant(tab, "'often' is no number; as 5, 5000000000L or 0.5")
    assert tab.is_visible("#edit")  # what was typed is still there
    assert rack.attributes("web", "front:balancer") == before
    assert tab.locator('button[aria-label="Change sfClass"]').is_hidden()


def test_what_waits_for_the_next_start_and_what_is_in_trouble(rack: Described, tab: "Tab") -> None:
    rack.begun("web", "back:store", "Domain", cmdline="quiet")
    tab.wait_for_selector(f'{line("back:store")}:has-text("cmdline waits for the next start")')
    rack.live("web", "back:deep:one", state="ended", going="abnormal", words="it <b>broke</b>")
    tab.wait_for_selector(f'{line("back:deep")}:has-text("1 in trouble")')
    unfold(tab, "back:deep")
    tab.wait_for_selector(f'{line("back:deep:one")}.bad:has-text("it <b>broke</b>")')
    rack.live("web", "back:store", hindered="there is no bridge br7")
    choose(tab, "back:store")
    tab.wait_for_selector('#facts:has-text("In the way"):has-text("there is no bridge br7")')
    choose(tab, "back:deep:one")
    assert "attributes are changed while the component runs" in str(tab.text_content("#why"))
    assert tab.locator("#component button:visible").all_text_contents() == ["Close"]


def test_what_others_change_shows_itself(rack: Described, tab: "Tab") -> None:
    rack.wait(rack.call("SetAttribute", "web", "front:balancer:colour", "blue"))
    tab.wait_for_selector('#attributes tr:has-text("colour"):has-text("blue")')
    rack.wait(rack.call("TerminateDescription", "web"))
    tab.wait_for_selector('#nothing:has-text("no description web")')
    assert tab.locator("#component").is_hidden()


def test_a_job_that_is_at_it_is_told(rack: Described, tab: "Tab", open_page: Open) -> None:
    tab.click('button[aria-label="Change memory"]')
    rack.call("TerminateDescription", "web")
    tab.fill("#edit-text", "5")
    tab.wait_for_selector('#nothing:has-text("no description web")')
    assert tab.locator("#edit").is_hidden()


def test_the_daemon_goes_and_comes_back(rack: Described, tab: "Tab") -> None:
    rack.stop()
    tab.wait_for_selector("#banner:not([hidden])")
    assert tab.locator(line("front:balancer")).count() == 1  # what was seen last stays
    tab.click('button[aria-label="Change memory"]')
    tab.fill("#edit-text", "1")
    tab.wait_for_selector("#effect.bad")
    rack.start()
    tab.wait_for_selector("#banner", state="hidden")
    tab.fill("#edit-text", "2")
    meant(tab, "it counts at once")
    done(tab, "memory")
    assert rack.attributes("web", "front:balancer")["memory"] == 2


def test_consoles_that_the_description_names(rack: Described, page: Page, open_page: Open) -> None:
    tab = open_page(page)
    console(tab, page)
    assert tab.locator("#consoles .title").all_text_contents() == ["web", "The front", "All behind"]
    tab.click('#consoles a:has-text("All behind")')
    tab.wait_for_selector('#tree-title:has-text("All behind of web")')
    tab.wait_for_selector(line("back:store"))
    assert lines(tab)[0] == "back" and not any(path.startswith("front") for path in lines(tab))
    choose(tab, "back:store")
    assert "screenEditable false" in str(tab.text_content("#why"))
    assert tab.locator("#add").is_hidden()
    tab.click('#consoles a:has-text("The front")')
    tab.wait_for_selector(line("front:balancer"))
    choose(tab, "front:balancer")
    tab.click('button[aria-label="Change memory"]')
    tab.fill("#edit-text", "700")
    done(tab, "memory")
    assert rack.attributes("web", "front:balancer")["memory"] == 700


def test_a_reader_without_the_right_sees_no_controls(rack: Described, open_page: Open) -> None:
    rack.call("SetRights", "games", {"spy": True})
    before = rack.attributes("web", "front:balancer")
    with served(Seat(rack, READER)) as page:
        tab = open_page(page)
        console(tab, page)
        unfold(tab, "front")
        choose(tab, "front:balancer")
        assert "you may only look: root may change this" in str(tab.text_content("#why"))
        assert tab.locator("#component button:visible").all_text_contents() == ["Close"]
        asked = {
            "name": "web",
            "path": "front:balancer",
            "attribute": "memory",
            "type": "number",
            "text": "1",
        }
        told = tab.evaluate(
            "async (asked) => (await import('/link.js')).change(asked)", asked
        )  # what a control would do
        assert told["error"]["code"] == 108 and "games" in told["error"]["message"]
    assert rack.attributes("web", "front:balancer") == before


def test_a_stranger_sees_no_description(rack: Described, open_page: Open) -> None:
    with served(Seat(rack, Caller(4712, "stranger"))) as page:
        tab = open_page(page)
        assert tab.locator("#described").is_hidden()
        tab.goto(f"{page.base}descriptions#/web")
        tab.wait_for_selector('#nothing:has-text("no description web")')
        assert tab.locator("#consoles li").count() == 0
        assert "balancer" not in str(tab.text_content("body"))


def test_who_has_the_cookie_alone_may_only_look(
    rack: Described, page: Page, open_page: Open, browser: Any
) -> None:
    first = open_page(page)
    with closing(
        browser.new_context(storage_state={"cookies": first.context.cookies(), "origins": []})
    ) as other:
        tab = other.new_page()
        console(tab, page)
        unfold(tab, "front")
        choose(tab, "front:balancer")
        assert "this browser may only look" in str(tab.text_content("#why"))
    second = first.context.new_page()  # of the same browser
    console(second, page)
    unfold(second, "front")
    choose(second, "front:balancer")
    assert second.locator("#add").is_visible()


class Hostile(BaseHTTPRequestHandler):
    """Another server on this machine, whose pages try to change something by somebody's browser."""

    target = ""

    def do_GET(self) -> None:
        body = f"""<!DOCTYPE html><title>hostile</title>
            <form method="post" action="{self.target}" enctype="text/plain" target="frame">
            <input name='{{"name":"web","path":"front:balancer","attribute":"memory","remove":true,"x":"'
                   value='"}}'></form><iframe name="frame"></iframe>
            <script>
            const body = '{{"name":"web","path":"front:balancer","attribute":"memory","remove":true}}';
            const tries = [{{}}, {{mode: "no-cors"}}, {{headers: {{"Content-Type": "application/json"}}}},
                {{headers: {{"Content-Type": "application/json", "X-Nm-Write": "guessed"}}}}];
            Promise.allSettled(tries.map((one) => fetch("{self.target}",
                {{method: "POST", credentials: "include", body, ...one}}))).then(() => {{
                    document.querySelector("iframe").onload = () => {{ document.title = "tried"; }};
                    document.forms[0].submit();
                }});
            </script>""".encode()
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing."""


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_another_page_in_the_same_browser_changes_nothing(
    rack: Described, page: Page, open_page: Open, host: str
) -> None:
    before = rack.call("GetDescriptions", {})
    tab = open_page(page)
    hostile = ThreadingHTTPServer(("127.0.0.1", 0), type("", (Hostile,), {"target": f"{page.base}attribute"}))
    thread = threading.Thread(target=hostile.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        other = tab.context.new_page()
        other.goto(f"http://{host}:{hostile.server_port}/")
        other.wait_for_function("() => document.title === 'tried'", polling=50)
    finally:
        hostile.shutdown()
        thread.join()
        hostile.server_close()
    assert rack.call("GetDescriptions", {}) == before
    assert rack.attributes("web", "front:balancer")["memory"] == 512


def test_secrets_are_not_on_the_page(rack: Described, page: Page, open_page: Open) -> None:
    rack.apply("secret", 'sfConfig extends Compound { p extends Prim { userData "hush-hush"; memory 5; } }')
    tab = open_page(page)
    told: list[str] = []
    tab.context.on("response", lambda answer: told.append(answer.text()) if ".json" in answer.url else None)
    console(tab, page, "secret")
    choose(tab, "p")
    tab.wait_for_selector('#attributes tr:has-text("userData"):has-text("(not shown)")')
    assert any("(not shown)" in text for text in told)
    assert "hush" not in str(told) + tab.content()


def test_all_by_keyboard(rack: Described, page: Page, open_page: Open) -> None:
    tab = open_page(page)
    console(tab, page)

    def focused() -> str:
        return str(tab.evaluate("document.activeElement.dataset.id ?? document.activeElement.id"))

    tab.keyboard.press("Tab")
    assert tab.evaluate("document.activeElement.textContent") == "Skip to components"
    tab.keyboard.press("Enter")
    assert focused() == "tree-title"
    tab.keyboard.press("Tab")
    for key, path in (
        ("ArrowDown", "front"), ("End", "back"), ("Home", "sfConfig"), ("ArrowUp", "sfConfig"),
        ("ArrowRight", "front"),
    ):  # fmt: skip
        tab.keyboard.press(key)
        assert focused() == path, key
    tab.keyboard.press("ArrowRight")
    tab.wait_for_selector(line("front:balancer"))
    for key, path in (
        ("ArrowRight", "front:console"), ("ArrowLeft", "front"), ("ArrowRight", "front:console"),
        ("ArrowDown", "front:balancer"),
    ):  # fmt: skip
        tab.keyboard.press(key)
        assert focused() == path, key
    tab.keyboard.press("Enter")
    tab.wait_for_function("() => document.activeElement.id === 'component-title'", polling=50)
    tab.keyboard.press("Tab")
    assert focused() == "close"
    tab.keyboard.press("Tab")
    assert tab.evaluate("document.activeElement.getAttribute('aria-label')") == "Change memory"
    tab.keyboard.press("Enter")
    assert focused() == "edit-text"
    tab.keyboard.press("Control+A")
    tab.keyboard.type("64")
    meant(tab, "it counts at once")
    tab.keyboard.press("Escape")
    assert tab.evaluate("document.activeElement.getAttribute('aria-label')") == "Change memory"
    tab.keyboard.press("Enter")
    tab.keyboard.press("Control+A")
    tab.keyboard.type("65")
    tab.keyboard.press("Enter")
    tab.wait_for_selector('#said:has-text("is done")')
    assert rack.attributes("web", "front:balancer")["memory"] == 65
    tab.keyboard.press("Escape")
    assert focused() == "front:balancer"
    tab.keyboard.press("ArrowLeft")
    tab.keyboard.press("ArrowLeft")
    tab.wait_for_selector(f'{line("front")}[aria-expanded="false"]')
    assert focused() == "front"


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("viewport", [WIDE, NARROW], ids=["wide", "narrow"])
def test_nothing_stands_in_the_way_of_anybody(
    rack: Described, page: Page, open_page: Open, scheme: str, viewport: dict[str, int]
) -> None:
    axe = pytest.importorskip("axe_playwright_python.sync_playwright").Axe()
    tab = open_page(page, viewport=viewport, color_scheme=scheme, reduced_motion="reduce")
    found = axe.run(tab).response["violations"]
    console(tab, page)
    rack.live("web", "back:deep:one", state="ended", going="abnormal", words="it broke")
    rack.begun("web", "front:balancer", "Domain", cmdline="quiet")
    unfold(tab, "front", "back", "back:deep")
    tab.wait_for_selector(f'{line("front:balancer")}:has-text("waits")')
    choose(tab, "front:balancer")
    tab.click("#add")
    tab.fill("#edit-name", "memory")
    tab.fill("#edit-text", "much")
    tab.wait_for_selector("#effect.bad")
    found += axe.run(tab).response["violations"]
    assert {one["id"]: [node["html"] for node in one["nodes"]][:3] for one in found} == {}
    assert tab.evaluate("document.documentElement.scrollWidth") == viewport["width"]


def test_a_thousand_components(rack: Described, page: Page, open_page: Open) -> None:
    inside = "".join(f"p{number} extends Prim {{ memory 512; }} " for number in range(1000))
    rack.apply("wide", f"sfConfig extends Compound {{ {inside} }}")
    tab = open_page(page)
    told: list[int] = []
    tab.context.on(
        "response", lambda answer: told.append(len(answer.body())) if "components" in answer.url else None
    )
    console(tab, page, "wide")
    tab.wait_for_selector('[role=treeitem].more:has-text("800 components more")')
    assert len(lines(tab)) == 202
    assert told and max(told) < 100_000
    tab.click("[role=treeitem].more")
    tab.wait_for_selector('[role=treeitem].more:has-text("600 components more")')
    assert len(lines(tab)) == 402
    tab.fill("#search", "p7")
    tab.wait_for_selector('#found:has-text("111 of 111 found")')
    tab.fill("#search", "p777")
    tab.wait_for_selector('#found:has-text("1 of 1 found")')
    tab.press("#search", "Enter")
    tab.keyboard.press("Enter")
    tab.wait_for_selector('#component-title:text-is("p777")')
    tab.click('button[aria-label="Change memory"]')
    tab.fill("#edit-text", "513")
    tab.click("#do")
    tab.wait_for_selector('#said:has-text("is done")')
    assert rack.attributes("wide", "p777")["memory"] == 513
