"""The story of the source of slices and of tickets; test_commands.py tells it."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

from nm import marshal
from tests.shell.conftest import Nmctl

SLIVER: dict[str, Any] = {
    "name": "demo_web",
    "instantiation": "delegated",
    "expires": None,
    "keys": [],
    "attributes": [],
}


def a_source(nmctl: Nmctl, folder: Path) -> None:
    assert nmctl("source", "show", "--json").json["result"]["address"] == ""
    assert "plc.address" in nmctl("source", "ask", status=6).err
    rack, file = nmctl.rack, folder / "slices.json"
    file.write_text(json.dumps({"timestamp": 1000, "slivers": [SLIVER]}))
    (folder / "node_id").write_text("1")
    rack.stop()
    rack.config = replace(
        rack.config, plc=replace(rack.config.plc, address=str(file), node_id_file=str(folder / "node_id"))
    )
    rack.start()
    nmctl("source", "ask", "--wait")
    shown = nmctl("source", "show").out
    assert str(file) in shown and "online" in shown and "1970-01-01" in shown, "times are for people"
    file.write_text(json.dumps({"timestamp": 900, "slivers": [{**SLIVER, "name": "other"}, SLIVER]}))
    assert "`nmctl source ask` with the option older" in nmctl("source", "ask", "--wait", status=6).err
    assert "is known" in nmctl("health", status=7).out
    nmctl("source", "ask", "--older", "--wait")
    assert "source" not in nmctl("health").out
    file.write_text(json.dumps({"timestamp": 1001, "slivers": []}))
    nmctl("source", "ask", "--wait")
    said = nmctl("health", status=7).out
    assert "the removal of 2 slivers is held back: `nmctl sliver confirm`" in said


def a_ticket(nmctl: Nmctl, folder: Path) -> None:
    file = folder / "ticket.xml"
    file.write_bytes(marshal.answer({"timestamp": 1000, "slivers": [SLIVER]}))
    assert "this is no ticket" in nmctl("ticket", str(file), status=2).err
    assert nmctl("ticket", str(file), "--unsigned").out == "ticket taken\n"
    assert nmctl("ticket", str(file), "--unsigned", "--json").json["result"] == 1
    assert "cannot read" in nmctl("ticket", str(folder / "none"), status=3).err
