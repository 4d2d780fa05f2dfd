"""The stories of the commands for slivers, told by test_commands.py; tests/slivers has the details."""

import time
from functools import partial
from pathlib import Path

from nm import delivery, leases, loans
from nm.slices import Reading, read_reply
from nm.store import Store
from tests.rack import Rack
from tests.shell.conftest import Nmctl


def tell(here: Rack, *names: str) -> Store:
    """A source lists these delegated slivers; this machine runs none."""
    assert here.service is not None
    store = here.service.database
    timestamp = max(delivery.minimum(store), 1_700_000_000) + 1
    told = [
        {"name": name, "instantiation": "delegated", "attributes": [{"name": "cpu_min", "value": "100"}]}
        for name in names
    ]
    reply = read_reply({"timestamp": timestamp, "slivers": told}, Reading())
    delivery.update(store, reply, time.time(), leases.Rules())
    while store.transact(loans.settle):
        pass
    return store


def slivers(nmctl: Nmctl, folder: Path) -> None:
    tell(nmctl.rack, "demo_web", "demo_db")
    assert "demo_web" in nmctl("sliver", "list").out and "demo_db" in nmctl("slivers").out
    assert "delegated" in nmctl("sliver", "show", "demo_web").out
    assert "no sliver nobody" in nmctl("sliver", "show", "nobody", status=5).err
    for verb in ("create", "destroy"):
        assert "runs no slivers" in nmctl("sliver", verb, "demo_web", status=6).err
    for verb in ("start", "stop", "recreate"):
        assert "demo_web does not exist here" in nmctl("sliver", verb, "demo_web", "--wait", status=6).err
    assert "own account" in nmctl("sliver", "record", status=4).err
    assert nmctl("sliver", "keys", "--json").json["result"].keys() == {"demo_web", "demo_db"}
    assert nmctl("sliver", "uids", "--json").json["result"] == {}


def slivers_that_lend(nmctl: Nmctl, folder: Path) -> None:
    tell(nmctl.rack, "demo_web", "demo_db")
    nmctl("sliver", "lend", "demo_web", "demo_db:cpu_min=30", "nobody:net_min=5")
    assert nmctl("sliver", "rspec", "demo_web", "--json").json["result"]["cpu_min"] == 70
    assert nmctl("sliver", "rspec", "demo_web", "--given", "--json").json["result"]["cpu_min"] == 100
    shown = nmctl("sliver", "loans", "demo_web").out
    assert "demo_db" in shown and "no sliver nobody" in shown
    assert "is no loan" in nmctl("sliver", "lend", "demo_web", "demo_db", status=2).err
    assert "say --none" in nmctl("sliver", "lend", "demo_web", status=2).err
    nmctl("sliver", "lend", "demo_web", "--none")
    assert nmctl.rack.call("GetLoans", "demo_web") == []


def slivers_that_end(nmctl: Nmctl, folder: Path) -> None:
    names = [f"s{number}" for number in range(8)]
    tell(nmctl.rack, *names)
    store = tell(nmctl.rack, "s0")
    assert "its source lists it no more" not in nmctl("expiry", "holds").out
    assert "s7" in nmctl("expiry", "holds").out and "sliver s7" in nmctl("health", status=7).out
    assert "say --all" in nmctl("sliver", "confirm", status=2).err
    nmctl("sliver", "confirm", "s1")
    nmctl.rack.until(partial(_is_gone, store, "s1"))
    nmctl("sliver", "confirm", "--all")
    nmctl.rack.until(lambda: all(_is_gone(store, name) for name in names[1:]))


def _is_gone(store: Store, name: str) -> bool:
    return bool((store.get(f"sliver_{name}") or {}).get("_gone"))
