"""The examples of docs/power.md are taken as they stand there."""

import re
import subprocess
import textwrap
from pathlib import Path

from nm import pool
from nm.calls import Call, Caller, Site
from nm.management import KINDS
from nm.shell.values import settings
from tests.memory_store import MemoryStore

PAGE = (Path(__file__).parents[2] / "docs" / "power.md").read_text(encoding="utf-8")
SITE = Site(power={kind: driver.settings for kind, driver in KINDS.items()})
CALL = Call(Caller(0, "root", admin=True), "RegisterNode", 1_800_000_000.0, SITE)


def test_every_driver_has_an_example_that_registers_a_node() -> None:
    store, seen = MemoryStore(), set()
    for number, text in enumerate(
        re.findall(r"^    nmctl node update n1 --management (\S+)$", PAGE, re.MULTILINE)
    ):
        told = settings(text)
        nics = [{"name": "eth0", "mac": f"52:54:00:00:00:{number:02x}"}]
        node = {"nics": nics, "management": told}
        store.transact(lambda tx, n=number, node=node: pool.register_node(tx, CALL, f"n{n}", node))  # type: ignore[misc]
        seen.add(told["driver"])
    assert seen == set(KINDS) - {"simulated"}
    assert set(re.findall(r"^## .*`driver=(\w+)`$", PAGE, re.MULTILINE)) == set(KINDS)


def test_every_setting_is_on_the_page() -> None:
    for kind, driver in KINDS.items():
        part = PAGE.partition(f"`driver={kind}`")[2].partition("\n## ")[0]
        assert not [name for name in driver.settings.own if not re.search(rf"\b{name}\b", part)], kind


def test_the_program_on_the_page_is_one() -> None:
    program = textwrap.dedent(PAGE[PAGE.index("    #!/bin/sh") :].partition("\n\n")[0])
    subprocess.run(["sh", "-n"], input=program, text=True, check=True)
    refused = subprocess.run(
        ["sh", "-s", "10.0.9.1", "pxe"], input=program, text=True, check=False, capture_output=True
    )
    assert (refused.returncode, refused.stderr) == (3, "not with a PDU\n")
