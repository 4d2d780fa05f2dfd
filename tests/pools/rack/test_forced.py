"""Pools that are taken down by force: what hosts do not answer for is told, owed and taken away later."""

from nm.pools import operations
from tests.hosts.rack.conftest import kill_libvirtd, start_libvirtd
from tests.pools.rack.conftest import Rack, domains, virsh
from tests.pools.rack.test_life import pair


def forced(rack: Rack, name: str) -> int:
    return rack.terminate(name, force=True)


def owed(rack: Rack) -> list[str]:
    return sorted(":".join(one["path"]) for one in rack.database.range("leftover"))


def test_what_does_not_answer_is_owed_and_taken_away_later(rack: Rack) -> None:
    rack.run(rack.apply("web", pair()))
    kill_libvirtd()
    waits = rack.terminate("web")
    rack.later(40)
    assert rack.job(waits)["state"] == "running" and owed(rack) == []
    job = rack.run(forced(rack, "web"))
    assert (job["state"], job["error"]) == ("done", None)
    assert rack.job(waits)["state"] == "superseded" and rack.left() == []
    assert sorted(one["path"] for one in job["result"]["left"]) == owed(rack) == ["a", "b", "one", "two"]
    assert {one["host"] for one in job["result"]["left"]} == {"h0"}
    rack.crash()  # what is owed is a record
    start_libvirtd()
    assert domains() == ["a", "other"]
    rack.owe()
    rack.later(60)
    assert (owed(rack), domains("--all"), rack.files()) == ([], [], [])


def test_what_came_since_in_its_place_stays(rack: Rack) -> None:
    rack.run(rack.apply("web", pair()))
    kill_libvirtd()
    rack.run(forced(rack, "web"))
    start_libvirtd()
    rack.workers.pop("leftovers:", None)
    rack.wakes.pop("leftovers:", None)
    assert rack.run(rack.apply("web", pair()))["error"] is None  # the same names, another birth
    numbers = [virsh("domid", name) for name in domains()]
    disks = [name for name in rack.files() if name.endswith("+disk")]
    rack.owe()
    rack.later(60)
    assert owed(rack) == [] and [virsh("domid", name) for name in domains()] == numbers
    left = [name for name in rack.files() if name.endswith("+disk")]
    assert len(disks) == 4 and len(left) == 2 and set(left) < set(disks)
    rack.run(rack.terminate("web"))
    assert (domains("--all"), rack.files(), rack.left()) == ([], [], [])


def test_with_hosts_that_answer_it_is_as_without_force(rack: Rack) -> None:
    rack.run(rack.apply("web", pair()))
    job = rack.run(forced(rack, "web"))
    assert (job["state"], job["result"]) == ("done", {"left": []})
    assert (domains("--all"), rack.files(), rack.left(), owed(rack)) == ([], [], [], [])
    rack.run(rack.apply("web", pair()))
    number = rack.operate(operations.terminate, "web", True)
    assert rack.operate(operations.terminate, "web") == number  # another one, without, changes nothing
