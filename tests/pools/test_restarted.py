"""Descriptions through a whole nm: what was answered is there after a restart, and means the same."""

import time
from dataclasses import replace
from pathlib import Path

import pytest

from nm.configdescriptions import Descriptions
from nm.errors import Denied
from nm.pools import keeping
from tests.described.turns import TurnRack
from tests.rack import rack

INCLUDE = '#include "org/smartfrog/components.sf"\n'
PRIMS = INCLUDE + "sfConfig extends Compound { a extends Prim { size IPROPERTY size; } }"
LATE = """
#include "org/smartfrog/sfcore/workflow/combinators/components.sf"
sfConfig extends Timeout { time 1; action extends DATA Delay { time 600000; } }
"""
SHELL = '#include "org/smartfrog/services/shellscript/components.sf"\nsfConfig extends BashShell;'


def test_a_description_is_there_after_a_restart(tmp_path: Path) -> None:
    with rack(tmp_path, nodes=0) as here:
        here.stop()
        here.config = replace(here.config, descriptions=Descriptions(properties=("size=7",)))
        here.start()
        job = here.call("ApplyDescription", "web", PRIMS, {})
        assert here.call("GetJob", job)["subject"] == "pool:web"
        here.stop()
        here.config = replace(here.config, descriptions=Descriptions())
        here.start()
        [found] = here.call("GetDescriptions", {"name": "web"})
        assert (found["revision"], found["components"], found["owner"]["name"]) == (1, 2, "root")
        assert here.service is not None
        pool = here.service.database.get("pool_web")
        assert pool is not None
        assert keeping.target_parts(here.service.database, pool)[1].attributes["size"] == 7
        assert any(event["subject"] == "pool web" for event in here.call("GetEvents", 0, 100))


def test_time_and_chance_are_those_of_before_a_restart(tmp_path: Path) -> None:
    chances = PRIMS.replace("size IPROPERTY size;", "made extends date; x extends random;")
    text = f'#include "org/smartfrog/functions.sf"\n{chances}'
    with rack(tmp_path, nodes=0) as here:
        here.call("WaitJob", here.call("ApplyDescription", "web", text, {}), 60)
        before = here.call("GetComponents", "web")
        here.stop()
        here.start()
        assert here.call("PlanDescription", "web", text, {})["changes"] == []
        here.call("WaitJob", here.call("ApplyDescription", "web", text, {}), 60)
        told = [part["attributes"] for part in here.call("GetComponents", "web")]
        assert told == [part["attributes"] for part in before]
        assert told[1]["made"].endswith(f"UTC {time.gmtime().tm_year}")


def test_the_configuration_decides_about_shells_while_nm_runs(tmp_path: Path) -> None:
    with rack(tmp_path, nodes=0) as here:
        with pytest.raises(Denied, match=r"descriptions\.shells"):
            here.call("ApplyDescription", "web", SHELL, {})
        assert here.service is not None
        here.service.reload(replace(here.config, descriptions=Descriptions(shells=True)))
        assert here.call("PlanDescription", "web", SHELL, {})["changes"]


def test_a_description_that_runs_goes_on_after_a_restart(tmp_path: Path) -> None:
    """There is no job that would wake it; what was due meanwhile happens."""
    here = TurnRack(tmp_path, nodes=0)
    try:
        assert here.wait(here.call("ApplyDescription", "web", LATE, {}))["state"] == "done"
        here.kill()

        def is_late() -> bool:
            here.turns.turn()
            return bool(here.call("GetDescriptions", {})[0]["state"] == "failed")

        here.until(is_late, 20)
    finally:
        here.stop()
