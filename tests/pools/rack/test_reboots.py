"""A host is booted: its domains are off, libvirt knows nothing of them, and what becomes of them."""

import os
import signal
from contextlib import suppress
from pathlib import Path

from nm.pools import keeping
from tests.hosts.rack.conftest import kill_libvirtd, qemu, start_libvirtd
from tests.pools.rack.conftest import Rack, domains
from tests.pools.rack.test_life import pair
from tests.waiting import until


def boot() -> None:
    """What is left of a machine that was switched off and on: no processes, and nothing in /run."""
    processes = [qemu(name) for name in domains()]
    kill_libvirtd()
    for process in processes:
        os.kill(process, signal.SIGKILL)
        until(lambda process=process: not os.path.exists(f"/proc/{process}"))  # type: ignore[misc]
    for path in Path("/run/libvirt/qemu").iterdir():
        if path.is_file():
            path.unlink()
    start_libvirtd()


def test_what_ran_runs_again(rack: Rack) -> None:
    rack.run(rack.apply("web", pair()))
    boot()
    assert domains() == []
    rack.later(20)
    pool = rack.pool("web")
    assert pool is not None and (pool["state"], pool["error"]) == ("running", None)
    assert domains() == ["a", "other"] and set(rack.states("web").values()) == {"running"}
    rack.done.clear()
    rack.later(40)
    assert rack.done == []
    rack.run(rack.terminate("web"))
    assert (domains("--all"), rack.files(), rack.left()) == ([], [], [])


def test_it_is_started_again_also_when_nmd_is_killed_meanwhile(rack: Rack) -> None:
    rack.run(rack.apply("web", pair()))
    boot()
    rack.done.clear()
    with suppress(AssertionError):
        rack.later(20)
    rack.crash()
    rack.later(40)
    assert domains() == ["a", "other"] and set(rack.states("web").values()) == {"running"}


def test_what_is_to_end_then_ends(rack: Rack) -> None:
    rack.run(rack.apply("web", pair('onReboot "end";')))
    boot()
    rack.later(20)
    pool = rack.pool("web")
    assert pool is not None and pool["state"] == "failed" and "does not run any more" in pool["error"]
    assert (domains("--all"), rack.files()) == ([], [])


def test_what_cannot_start_again_is_tried_until_it_can(rack: Rack) -> None:
    """What was mounted later than libvirtd came up; nothing of it is taken away meanwhile."""
    rack.run(rack.apply("web", pair()))
    files = rack.files()
    away = {disk: disk.rename(disk.with_name(f".{disk.name}")) for disk in rack.disks.glob("nm-pool-*")}
    boot()
    rack.later(3 * rack.patience.deadline)
    pool = rack.pool("web")
    assert away and pool is not None and pool["state"] == "running"
    hindered = [entry.get("hindered", "") for entry in keeping.entries(rack.database, pool).values()]
    assert domains() == [] and sum("not there any more" in words for words in hindered) == 2
    for disk, kept in away.items():
        kept.rename(disk)
    rack.later(rack.patience.longest_pause + 1)
    assert domains() == ["a", "other"] and set(rack.states("web").values()) == {"running"}
    assert rack.files() == files
    rack.run(rack.terminate("web"))
    assert (domains("--all"), rack.files(), rack.left()) == ([], [], [])
