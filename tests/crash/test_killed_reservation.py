"""A reservation whose nmd is killed in the middle: what was asked for is wired and switched on anyway."""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from nm.database import Database
from tests.core.isolation import crossings
from tests.crash.test_killed_loan import killed_nmd
from tests.federation.guests import Door, urn_of
from tests.geni.lab import asked, rspec
from tests.rack import Rack, rack

KILLS = 1


def seen(nm: Any) -> list[Any]:
    """How slivers and their nodes are, as an operator sees it."""
    slivers = [(one["node"], one["operational"]) for one in nm.GetReservations({})]
    return [slivers, [(node["name"], node["state"]) for node in nm.GetNodes({})]]


def killed_until(lab: Rack, folder: Path, end: Callable[[Any], bool]) -> None:
    """Start nmd, and kill it when something has changed, until what is seen has come to its end."""
    for kills_left in range(KILLS, -1, -1):
        with killed_nmd(lab, folder) as nm:
            before = seen(nm)
            lab.until(partial(is_far_enough, nm, before, end, kills_left > 0), 60)
            last = seen(nm)
        store = Database.open(folder / "db")
        assert crossings(store, lab.states(), lab.links()) == []
        store.close()
        if end(last):
            return
    raise AssertionError(f"it came to no end: {last}")


def is_far_enough(nm: Any, before: Any, end: Callable[[Any], bool], any_change: bool) -> bool:
    now = seen(nm)
    return end(now) or (any_change and now != before)


def all_ready(found: Any) -> bool:
    return {state for _, state in found[0]} == {"geni_ready"}


def asked_for(folder: Path, *calls: Any) -> None:
    """What guests ask for while no nmd runs, so that none was there to do it at once."""
    store = Database.open(folder / "db")
    try:
        for call in calls:
            call(Door(store))
    finally:
        store.close()


def test_kill_9_anywhere_in_the_life_of_a_reservation(tmp_path: Path) -> None:
    with rack(tmp_path, nodes=4, management=True) as lab:
        assert lab.service is not None
        door = Door(lab.service.database)
        door.allocate(rspec(asked("a"), asked("b")))
        door.provision()
        lab.until(lambda: all_ready(seen(door_of(lab))))
        for switch in lab.switches:
            lab.set_faults(switch, delay=0.1)
        lab.stop()
        restart = partial(Door.perform, action="geni_restart")
        beta = partial(Door.allocate, text=rspec(asked("c")), slice=urn_of("beta"))
        asked_for(tmp_path, restart, beta, lambda door: door.provision(urn_of("beta")))
        killed_until(lab, tmp_path, all_ready)
        store = Database.open(tmp_path / "db")
        jobs = [job["arguments"]["action"] for job in store.range("job") if job["kind"] == "power"]
        store.close()
        assert sorted(jobs) == ["off"] * 2 + ["on"] * 5


def door_of(lab: Rack) -> Any:
    """The rack's own API, as a client has it."""
    names = ("GetReservations", "GetNodes")
    return SimpleNamespace(**{name: partial(lab.call, name) for name in names})
