"""The demo's act of described pools, in a lab of its own: a text becomes domains on two hosts."""

import os
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any

from nm.client import connect
from nm.demo.show import Show
from nm.lab import lifecycle, watch
from nm.lab.errors import LabError
from nm.lab.layout import HOST, OTHER, Layout
from nm.lab.place import SOURCE, Lab

LAYOUT = Layout(switches=1, nodes=0, headnodes=0, pools=True)
EXAMPLE = SOURCE / "docs" / "examples" / "distVirtualPool.sf"
NAME = "web"
MORE = "sfConfig:computer1:domain1:memory 112;\n"
PATIENCE = 90.0  # seconds for a job, and for machines to boot
VIRSH = ("virsh", "-q", "-c")
URIS = {HOST: "qemu:///system", OTHER: f"qemu+ssh://root@{OTHER}/system"}
Domain = dict[str, Any]


def play(show: Show) -> bool:
    """Whether all domains answer, the same ones after a change, and none is left at the end."""
    show.act(
        "i. Described pools",
        f"A text, docs/examples/{EXAMPLE.name}, has three domains on two hosts, the second reached by SSH.",
    )
    with lifecycle.passing(f"demo-pools-{os.getpid()}", LAYOUT) as lab:
        nm: Any  # its methods are whatever the daemon has
        with connect(str(lab.socket)) as nm:
            return _play(lab, nm, show)


def _play(lab: Lab, nm: Any, show: Show) -> bool:
    text = EXAMPLE.read_text(encoding="utf-8")
    show.progress(nm, [nm.ApplyDescription(NAME, text, {}, {})], PATIENCE)
    good = _all_answer(lab, nm, show)
    before = _running(lab)
    show.say(f"  one more line, {MORE.strip()}")
    for line in nm.PlanDescription(NAME, text + MORE, {}, {})["lines"]:
        show.say(f"    {line}")
    show.progress(nm, [nm.ApplyDescription(NAME, text + MORE, {}, {})], PATIENCE)
    good = _is(_running(lab) == before, "no domain was stopped for it", show) and good
    show.progress(nm, [nm.TerminateDescription(NAME)], PATIENCE)
    return _is(not any(_running(lab).values()), "both hosts have no domain any more", show) and good


def _all_answer(lab: Lab, nm: Any, show: Show) -> bool:
    """Wait until all domains answer pings, and show them; False when one does not."""
    domains = [part for part in nm.GetComponents(NAME) if part["kind"] == "XenDomain"]
    with ThreadPoolExecutor() as threads:
        answered = list(threads.map(lambda part: _answers(lab, part["attributes"]["ip"]), domains))
    rows = [
        (part["path"], part["host"], part["attributes"]["ip"], "answers" if good else "DOES NOT ANSWER")
        for part, good in zip(domains, answered, strict=True)
    ]
    show.table(("component", "host", "address", "ping"), rows)
    return _is(all(answered), "all of them answer", show)


def _answers(lab: Lab, address: str) -> bool:
    def once() -> bool:
        with suppress(LabError):
            return bool(lab.run(["ping", "-c1", "-W1", address]))
        return False

    with suppress(LabError):
        watch.until(once, PATIENCE, f"{address} answers")
        return True
    return False


def _running(lab: Lab) -> dict[str, str]:
    """Host -> its running domains, with the numbers that they were given when they started."""
    return {host: lab.run([*VIRSH, uri, "list"], timeout=PATIENCE).strip() for host, uri in URIS.items()}


def _is(good: bool, words: str, show: Show) -> bool:
    show.say(f"  {words}: {'so it is' if good else 'NO'}", "green" if good else "bold red")
    return good
