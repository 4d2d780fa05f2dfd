"""The story of `nmctl health`, told by test_commands.py."""

import errno
import os
import time
from pathlib import Path

from nm.records import changed
from tests.shell.conftest import Nmctl, run


def health(nmctl: Nmctl, folder: Path) -> None:
    nmctl.rack.call("CreateGroup", "alpha", {"nodes": ["n0", "n1"]})
    nmctl.rack.deploy("alpha")
    assert "all is well" in nmctl("health").out
    nmctl.rack.set_faults("sw0", down=True)
    run("switch", "inspect", "sw0", "--wait")
    assert "switch sw0" in nmctl("health", status=7).out
    troubled = nmctl("health", "--json", status=7).json["result"]
    assert [problem["subject"] for problem in troubled] == ["switch sw0"]
    assert troubled[0]["problem"] == nmctl.one("GetSwitches", name="sw0")["error"]
    nmctl.rack.set_faults("sw0", down=False)
    run("switch", "inspect", "sw0", "--wait")
    assert nmctl("health", "--json").json["result"] == []
    health_of_a_delegate(nmctl)
    health_of_the_disk(nmctl)


def health_of_a_delegate(nmctl: Nmctl) -> None:
    assert nmctl.rack.service is not None
    database = nmctl.rack.service.database
    run("rights", "set", "nobody", "spy")
    (account,) = database.range("account")
    database.transact(lambda tx: tx.put(changed(account, time.time(), error="its home is in the way")))
    assert nmctl("health", "--json", status=7).json["result"] == [
        {"subject": "delegate nobody", "problem": "its home is in the way"}
    ]
    database.transact(lambda tx: tx.put(changed(account, time.time(), error=None)))


def health_of_the_disk(nmctl: Nmctl) -> None:
    assert nmctl.rack.service is not None
    disk = nmctl.rack.service.database._folder.disk
    disk.sync = fails  # type: ignore[method-assign]
    run("vlan", "register", "4000")
    (trouble,) = nmctl("health", "--json", status=7).json["result"]
    assert trouble["subject"] == "database"
    assert "takes no changes" in trouble["problem"]
    del disk.sync
    nmctl.rack.until(lambda: not nmctl.rack.call("GetVersion")["read_only"])
    nmctl("health")


def fails(fd: int) -> None:
    raise OSError(errno.EIO, os.strerror(errno.EIO))
