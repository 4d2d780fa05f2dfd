"""The page in a real Chromium, on a whole nm: what it shows is what the daemon says, and it follows."""

import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from nm.calls import Caller
from nm.shell.feed import SILENT
from nm.shell.output import Output
from nm.shell.session import Choice, Session
from nm.shell.web.server import STREAMS
from tests.rack import Rack
from tests.web.conftest import NARROW, WIDE, Nmd, Open
from tests.web.world import Hall, Laboratory, Page, Seat, Stack, furnished, hanging, served, shown

if TYPE_CHECKING:
    from playwright.sync_api import Page as Tab

pytestmark = pytest.mark.real

PORTS = "#switches .port"


def until(tab: "Tab", true: str, *arguments: Any) -> None:
    """Wait until a JavaScript function says so."""
    tab.wait_for_function(true, arg=list(arguments), polling=50)


def said(tab: "Tab", port: str) -> str:
    """What a port says to who cannot see it."""
    return str(tab.get_attribute(f'[data-port="{port}"]', "aria-label"))


def says(tab: "Tab", port: str, words: str) -> None:
    tab.wait_for_selector(f'[data-port="{port}"][aria-label*="{words}"]')


def focused(tab: "Tab") -> str:
    return str(tab.evaluate("document.activeElement.dataset.port ?? document.activeElement.id"))


def drawn_groups(tab: "Tab") -> dict[str, str | None]:
    """For each port the group whose letter it shows."""
    found: dict[str, str | None] = tab.evaluate(
        """() => {
            const names = new Map([...document.querySelectorAll('#groups button')].map(
                (button) => [button.querySelector('.badge').textContent, button.dataset.id]));
            return Object.fromEntries([...document.querySelectorAll('#switches .port')].map(
                (port) => [port.dataset.port, names.get(port.textContent) ?? null]));
        }"""
    )
    return found


def true_groups(lab: Laboratory) -> dict[str, str | None]:
    """The same by the daemon's word."""
    group_of = {node["name"]: node["group"] for node in lab.call("GetNodes", {})}
    return {
        f"{port['switch']}:{port['port']}": group_of.get(port["node"]) for port in lab.call("GetPorts", {})
    }


def test_ports_show_the_groups_that_the_daemon_says(
    still: Laboratory, still_page: Page, open_page: Open
) -> None:
    tab = open_page(still_page)
    assert drawn_groups(tab) == true_groups(still)
    assert set(true_groups(still).values()) == {"physics", "render-farm", "thesis", "weather", None}
    assert said(tab, "leaf1:p1") == "port p1, group physics, joined, node node01 eth0, untagged 101"
    assert said(tab, "leaf1:p24") == "port p24, trunk, trunk spine, isolated"
    assert "unverified" in said(tab, "leaf1:p20")
    assert "nothing connected" in said(tab, "leaf1:p21")
    assert tab.locator("#headnodes .chip").all_text_contents() == ["Phead1", "Rhead2", "Hhead3free"]
    assert tab.url == still_page.base  # the token is not left in the address


def test_a_deploy_shows_itself_without_a_reload(lab: Laboratory, page: Page, open_page: Open) -> None:
    tab = open_page(page)
    tab.evaluate("window.mark = document.querySelector('[data-port=\"leaf1:p15\"]')")
    assert "weather, joining" in said(tab, "leaf1:p15")
    lab.deploy("weather")
    says(tab, "leaf1:p15", "weather, joined")
    lab.call("CreateGroup", "alpha", {"nodes": ["node05", "node06"]})
    says(tab, "leaf1:p5", "group alpha")
    lab.wait(lab.call("DestroyGroup", "thesis"))
    until(tab, "() => !document.querySelector('#groups [data-id=thesis]')")
    says(tab, "leaf1:p11", "free")
    assert drawn_groups(tab) == true_groups(lab)
    assert tab.evaluate("window.mark === document.querySelector('[data-port=\"leaf1:p15\"]')")


def test_a_job_shows_its_progress_and_its_end(lab: Laboratory, page: Page, open_page: Open) -> None:
    tab = open_page(page)
    lab.set_faults("leaf1", down=True)
    job = lab.call("Deploy", "weather")
    tab.wait_for_selector(f'#jobs [data-job="{job}"] .state.moving')
    assert tab.locator(f'#jobs [data-job="{job}"] progress').count() == 1
    assert tab.text_content(f'#jobs [data-job="{job}"] .what') == "deploy group weather"
    lab.set_faults("leaf1", down=False)
    assert lab.wait(job)["state"] == "done"
    tab.wait_for_selector(f'#jobs [data-job="{job}"] .state.good')
    until(tab, "([job]) => { const bar = document.querySelector(`[data-job='${job}'] progress`);"
               " return bar.value === bar.max; }", job)  # fmt: skip


def test_an_event_shows_itself(lab: Laboratory, page: Page, open_page: Open) -> None:
    tab = open_page(page)
    lab.call("UpdateSwitch", "leaf2", {"available": False, "reason": "firmware of <b>May</b>"})
    newest = lab.call("GetEvents", 0, 1000)[-1]
    shown = tab.wait_for_selector(f'#events [data-event="{newest["id"]}"]')
    assert shown is not None
    assert "switch leaf2 changed" in str(shown.text_content())
    assert tab.evaluate("document.querySelector('#events li').dataset.event") == str(newest["id"])
    tab.wait_for_selector('.switch.out[data-switch="leaf2"] .note >> text="firmware of <b>May</b>"')
    says(tab, "leaf2:p1", "out of service")


def test_drift_is_marked_until_it_is_mended(lab: Laboratory, page: Page, open_page: Open) -> None:
    tab = open_page(page)
    tab.wait_for_selector('.port.drift[data-port="leaf1:p8"]')
    assert "wanted untagged 103, seen untagged 119" in said(tab, "leaf1:p8")
    assert "render-farm differs" in str(tab.text_content("#troubles"))
    with lab.edit("leaf1") as table:
        table["ports"]["p1"]["untagged"] = 118
    lab.wait(lab.call("StartAudit", "physics"))
    tab.wait_for_selector('.port.drift[data-port="leaf1:p1"]')
    for group in ("physics", "render-farm"):
        assert lab.wait(lab.call("Repair", group))["state"] == "done"
    # One that was never reset is left alone by a group's repair.
    assert lab.wait(lab.call("ResetPorts", "leaf1", ["p20"]))["state"] == "done"
    for group in ("physics", "render-farm"):
        lab.wait(lab.call("StartAudit", group))
    until(tab, "() => !document.querySelector('#switches .drift')")
    assert "differs" not in str(tab.text_content("#troubles"))


def test_the_daemon_goes_and_comes_back(lab: Laboratory, page: Page, open_page: Open) -> None:
    tab = open_page(page)
    lab.stop()
    tab.wait_for_selector('#banner:has-text("nm daemon")')
    assert tab.locator(PORTS).count() == 48
    lab.start()
    tab.wait_for_selector("#banner", state="hidden")
    lab.deploy("weather")
    says(tab, "leaf1:p15", "weather, joined")


OLD = '#live.lost:has-text("old, of ")'
NEW = '#live:not(.lost):text-is("live")'


def banner(words: str) -> str:
    return f'#banner:has-text("{words}"):has-text("; what is shown is of ")'


def test_a_daemon_that_hangs(nmd: Nmd, open_page: Open) -> None:
    with closing(Session(Choice(nmd.socket), Output())) as session, served(session) as page:
        tab = open_page(page)
        with hanging(nmd.pid):
            late = tab.context.new_page()  # it has never seen the daemon answer
            late.goto(page.base)
            for one in (tab, late):
                one.wait_for_selector(OLD)
                one.wait_for_selector(banner(SILENT))
        tab.wait_for_selector(NEW)
        tab.wait_for_selector("#banner", state="hidden")


def test_an_nmctl_that_hangs_and_one_that_ends(still: Laboratory, open_page: Open) -> None:
    words = ["--address", str(still.folder / "api.sock"), "web"]
    program = [sys.executable, "-m", "nm.shell.main", *words]
    with subprocess.Popen(program, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            tab = open_page(process.stdout.readline().strip(), expected="ERR_")
            with hanging(process.pid):
                tab.wait_for_selector(OLD)
                tab.wait_for_selector(banner("no answer from nmctl web"))
            tab.wait_for_selector(NEW)
            process.send_signal(signal.SIGINT)
            tab.wait_for_selector(banner("no answer from nmctl web"))
        finally:
            process.kill()


def test_one_page_too_many_looks_now_and_then(
    lab: Laboratory, page: Page, open_page: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    tab = open_page(page, expected="503")
    with ExitStack() as taken:
        for _ in range(STREAMS - 1):
            assert page.server.streams.acquire(blocking=False)
            taken.callback(page.server.streams.release)
        late = tab.context.new_page()
        late.goto(page.base)
        late.wait_for_selector(banner("too many pages are open"))
        assert late.locator(PORTS).count() == 48
        lab.deploy("weather")
        says(late, "leaf1:p15", "weather, joined")
    late.wait_for_selector(NEW)
    tab.wait_for_selector(NEW)


def test_a_page_that_is_let_in_no_more_says_so(still_page: Page, open_page: Open) -> None:
    tab = open_page(still_page, expected="403")
    still_page.server.gate._session = "another"
    tab.evaluate("document.dispatchEvent(new Event('visibilitychange'))")  # it connects anew
    tab.wait_for_selector(banner("does not let this page in any more"))


def test_what_is_dirty_is_not_called_failed(lab: Laboratory, page: Page, open_page: Open) -> None:
    tab = open_page(page)
    lab.wait(lab.call("DestroyGroup", "physics"))
    tab.wait_for_selector('.chip.dirty[data-id="head1"][aria-label="head node head1, dirty"]')
    assert tab.text_content('.chip[data-id="head1"] .state') == "dirty"


@pytest.mark.parametrize("width", [1280, 1440, NARROW["width"]])
def test_a_switch_of_several_modules(tmp_path: Path, open_page: Open, width: int) -> None:
    with furnished(Stack(tmp_path)) as stack, shown(stack) as page:
        tab = open_page(page, viewport={"width": width, "height": 900})
        names = tab.evaluate(
            """[...document.querySelectorAll('#switches .port')].map((port) =>
                `${port.closest('.module').dataset.name ?? ''}${port.dataset.name}`)"""
        )
        assert names[:2] == ["Gi1/0/1", "Gi1/0/3"]
        assert {"Gi2/0/1", "Te1/1/1", "Ma1"} <= set(names)
        assert len(set(names)) == len(Stack.PORTS)
        assert tab.evaluate("document.documentElement.scrollWidth") == width
        out = tab.evaluate(
            """[...document.querySelectorAll('#switches .port')].filter((port) =>
                port.getBoundingClientRect().right >
                port.closest('.switch').getBoundingClientRect().right).length"""
        )
        assert out == 0


def test_an_empty_rack(tmp_path: Path, open_page: Open) -> None:
    rack = Rack(tmp_path, switches=0, nodes=0)
    with ExitStack() as stack:
        stack.callback(rack.stop)
        tab = open_page(stack.enter_context(shown(rack)))
        assert "no switch is registered" in tab.inner_text("main")
        assert "no group yet" in tab.inner_text("aside")


def test_walking_by_keyboard(still_page: Page, open_page: Open) -> None:
    tab = open_page(still_page)
    tab.keyboard.press("Tab")
    assert tab.evaluate("document.activeElement.textContent") == "Skip to switches"
    tab.keyboard.press("Enter")
    assert focused(tab) == "switches-title"
    tab.keyboard.press("Tab")
    assert focused(tab) == "leaf1:p1"
    steps = (
        "ArrowDown p2", "ArrowRight p4", "ArrowUp p3", "ArrowLeft p1", "ArrowLeft p1",
        "End p23", "ArrowDown p24", "Home p2", "Control+End p24", "Control+Home p1",
    )  # fmt: skip
    for step in steps:
        key, port = step.split()
        tab.keyboard.press(key)
        assert focused(tab) == f"leaf1:{port}", step
    tab.keyboard.press("PageDown")
    assert focused(tab) == "leaf2:p1"
    tab.keyboard.press("PageUp")
    tab.keyboard.press("Enter")
    assert focused(tab) == "details"
    assert "Port leaf1:p1" in str(tab.text_content("#details"))
    assert "physics (P)" in str(tab.text_content("#facts"))
    tab.keyboard.press("Escape")
    assert focused(tab) == "leaf1:p1"
    assert tab.locator("#details").is_hidden()
    tab.keyboard.press("Tab")
    assert focused(tab) == "leaf2:p1"  # one stop a switch


def test_choosing_a_group_shows_what_belongs_to_it(still_page: Page, open_page: Open) -> None:
    tab = open_page(still_page)
    assert tab.locator("#behind path").count() > 0
    tab.click("#groups [data-id=physics]")
    tab.mouse.move(700, 850)
    bright = {f"leaf{leaf}:p{number}" for leaf in (1, 2) for number in range(1, 5)} | {"leaf1:p23"}
    shown = tab.evaluate(
        "[...document.querySelectorAll('#switches .port:not(.dim)')].map((p) => p.dataset.port)"
    )
    assert set(shown) == bright
    assert tab.locator("#front path").count() == 9  # of four nodes two each, and the head node's
    assert tab.get_attribute("#groups [data-id=physics]", "aria-pressed") == "true"
    assert "head1" in str(tab.text_content("#facts"))
    tab.click("#close")
    assert tab.locator("#switches .port.dim").count() == 0


@pytest.mark.parametrize(
    ("words", "count"), [("physics", 8), ("leaf2 thesis", 2), ("node07 p7", 2), ("101", 5), ("nonsense", 0)]
)
def test_finding_ports(still_page: Page, open_page: Open, words: str, count: int) -> None:
    tab = open_page(still_page)
    tab.get_by_label("Find").fill(words)
    until(tab, "([count]) => document.querySelectorAll('#switches .port:not(.dim)').length === count", count)
    assert tab.text_content("#found") == f"{count} of 48 ports"
    tab.fill("#search", "")
    assert tab.locator("#switches .port.dim").count() == 0


def test_filtering_by_state(still: Laboratory, still_page: Page, open_page: Open) -> None:
    tab = open_page(still_page)
    free = {node["name"] for node in still.call("GetNodes", {"free": True})}
    ports = [p for p in still.call("GetPorts", {}) if p["node"] in free]
    tab.get_by_label("Show").select_option("free")
    assert tab.text_content("#found") == f"{len(ports)} of 48 ports"


def test_a_narrow_screen(still_page: Page, open_page: Open) -> None:
    tab = open_page(still_page, viewport=NARROW)
    assert tab.evaluate("document.documentElement.scrollWidth") == NARROW["width"]
    assert tab.locator(PORTS).count() == 48
    right = tab.evaluate(
        "Math.max(...[...document.querySelectorAll('.port')].map((p) => p.getBoundingClientRect().right))"
    )
    assert right <= NARROW["width"]
    tab.focus('[data-port="leaf1:p2"]')
    tab.keyboard.press("ArrowDown")
    assert focused(tab) == "leaf1:p13"  # the next pair of rows
    tab.set_viewport_size(WIDE)
    until(tab, "() => document.querySelectorAll('[data-switch=leaf1] [role=row]').length === 2")
    assert focused(tab) == "leaf1:p13"


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("viewport", [WIDE, NARROW], ids=["wide", "narrow"])
def test_nothing_stands_in_the_way_of_anybody(
    lab: Laboratory, page: Page, open_page: Open, scheme: str, viewport: dict[str, int]
) -> None:
    axe = pytest.importorskip("axe_playwright_python.sync_playwright").Axe()
    tab = open_page(page, viewport=viewport, color_scheme=scheme, reduced_motion="reduce")
    lab.set_faults("leaf1", down=True)
    job = lab.call("Deploy", "weather")
    tab.wait_for_selector(f'#jobs [data-job="{job}"]')
    tab.click("#groups [data-id=render-farm]")
    tab.fill("#search", "node")
    found = axe.run(tab).response["violations"]
    assert {one["id"]: [node["html"] for node in one["nodes"]][:3] for one in found} == {}


def test_somebody_who_may_see_little(lab: Laboratory, open_page: Open) -> None:
    stranger = Caller(4711, "stranger")
    lab.call("CreateGroup", "hers", {"nodes": ["node05"]})
    lab.call("SetDelegations", "hers", [])
    with served(Seat(lab, stranger)) as page:
        tab = open_page(page)
        assert tab.locator(PORTS).count() == 48
        assert tab.locator("#groups li").count() == 0
        assert "names and availability" in str(tab.text_content("#about"))
        shown = tab.text_content("body")
        assert not any(group in str(shown) for group in ("physics", "thesis", "hers"))
        lab.call("UpdateSwitch", "leaf2", {"available": False, "reason": "private"})
        tab.wait_for_selector('.switch.out[data-switch="leaf2"]')
        assert "private" not in str(tab.text_content("body"))


@pytest.fixture
def hall(tmp_path: Path) -> Iterator[Hall]:
    made = Hall(tmp_path)
    with furnished(made):
        yield made


def test_two_thousand_ports(hall: Hall, open_page: Open) -> None:
    with served(Seat(hall)) as page:
        tab = open_page(page)
        assert tab.locator(PORTS).count() == 2000
        assert tab.locator("#groups li").count() == 40
        assert tab.locator("#nodes .chip").count() == 0  # those of what is chosen only
        badges = tab.locator("#groups .badge").all_text_contents()
        assert len(set(badges)) == 40
        tab.click("#groups [data-id=project07]")
        assert tab.locator("#nodes .chip").count() == 30
        tab.evaluate("window.mark = document.querySelector('[data-port=\"tor42:p1\"]')")
        hall.call("RemoveNodes", "project07", [hall.nodes[270]])
        hall.deploy("project07")
        until(tab, "() => document.querySelectorAll('#nodes .chip').length === 29")
        assert tab.evaluate("window.mark === document.querySelector('[data-port=\"tor42:p1\"]')")
