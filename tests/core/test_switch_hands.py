"""The hand of a switch while its settings change, or another device takes its place."""

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from nm import hands
from nm.errors import DeviceFailed
from nm.facts import Order, Outcome
from nm.switch import Registry
from nm.switches import builtin
from nm.switches.breaker import MOST_FAILURES, Breaker
from nm.switches.simulated import Simulated, new_table
from nm.workers import Errand, HandWorker, Reading
from tests.rack import Rack, rack


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[Rack]:
    """Group a has n1, on p1 of sw1."""
    with rack(tmp_path, nodes=4) as made:
        made.call("CreateGroup", "a", {"nodes": ["n1"], "vlan": 101})
        made.deploy("a")
        yield made


def another(lab: Rack, **faults: Any) -> dict[str, Any]:
    """A factory-new switch like sw1; the settings by which it is reached."""
    path = lab.folder / "new.json"
    path.write_text(json.dumps(new_table(lab.ports("sw1"), **faults)))
    return {"file": str(path)}


def access_value(vlan: int) -> dict[str, Any]:
    return {"untagged": vlan, "tagged": []}


def test_a_hand_that_is_open_is_opened_anew_for_the_new_device(lab: Rack) -> None:
    assert lab.service is not None
    store = lab.service.database
    heard: list[Outcome] = []
    hand = hands.switch_worker("sw1", store, builtin(), str, 10.0, Breaker(lambda: 0.0))
    hand.handle([Reading(["port/sw1/p1"], heard.extend)])
    lab.set_faults("sw1", down=True)
    lab.call("ReplaceSwitch", "sw1", another(lab, delay=60))
    hand.handle([Reading(["port/sw1/p1"], heard.extend)])
    assert [outcome.seen for outcome in heard] == [
        access_value(101),
        {"untagged": 1, "tagged": [], "open": True},
    ]
    lab.stop(0.1)


def left_alone(lab: Rack, heard: list[Outcome]) -> HandWorker:
    """The hand of sw1 after too many failures: the switch is well again, the breaker's clock stands still."""
    assert lab.service is not None
    hand = hands.switch_worker("sw1", lab.service.database, builtin(), str, 10.0, Breaker(lambda: 0.0))
    lab.set_faults("sw1", down=True)
    for _ in range(MOST_FAILURES):
        hand.handle([Reading(["port/sw1/p1"], heard.extend)])
    lab.set_faults("sw1")
    return hand


def test_what_somebody_waits_for_is_tried_at_once(lab: Rack) -> None:
    heard: list[Outcome] = []
    hand = left_alone(lab, heard)
    hand.handle([Reading(["port/sw1/p1"], heard.extend, urgent=True)])
    assert heard[-1].seen == access_value(101)


def test_a_switch_that_is_reached_in_another_way_is_tried_at_once(lab: Rack) -> None:
    heard: list[Outcome] = []
    hand = left_alone(lab, heard)
    hand.handle([Reading(["port/sw1/p1"], heard.extend)])
    assert "tried again in" in str(heard[-1].error)
    lab.call("UpdateSwitch", "sw1", {"secrets": {"password": "the-right-one"}})
    hand.handle([Reading(["port/sw1/p1"], heard.extend)])
    assert heard[-1].seen == access_value(101)


def test_the_key_of_a_device_that_was_replaced_at_its_log_in_is_not_pinned(lab: Rack) -> None:
    class Replaced(Simulated):
        def open(self) -> dict[str, str]:
            lab.call("ReplaceSwitch", "sw1", another(lab))
            return {"host_key": "ssh-rsa OLD"}

    assert lab.service is not None
    heard: list[Outcome] = []
    registry = Registry({"simulated": Replaced})
    hand = hands.switch_worker("sw1", lab.service.database, registry, str, 10.0, Breaker(lambda: 0.0))
    hand.handle([Reading(["port/sw1/p1"], heard.extend)])
    assert "other settings meanwhile" in str(heard[0].error)
    assert lab.call("GetSwitches", {"name": "sw1"})[0]["host_key"] is None


def told(lab: Rack, *keys: str) -> list[Any]:
    """What sw1's struct says of its health."""
    struct = lab.call("GetSwitches", {"name": "sw1"})[0]
    return [struct[key] for key in keys]


def test_a_switchs_struct_tells_that_it_is_left_alone_and_that_it_is_back(lab: Rack) -> None:
    assert lab.service is not None
    up, heard = [0.0], list[Outcome]()
    breaker = Breaker(lambda: up[0], first_pause=600.0, longest_pause=600.0)
    hand = hands.switch_worker("sw1", lab.service.database, builtin(), str, 10.0, breaker)
    lab.set_faults("sw1", down=True)
    before = time.time()
    for failures in range(1, MOST_FAILURES + 1):
        hand.handle([Reading(["port/sw1/p1"], heard.extend)])
        assert told(lab, "failures", "error") == [failures, str(heard[-1].error)]
        assert (told(lab, "retry_at") == [None]) == (failures < MOST_FAILURES)
    (retry_at,) = told(lab, "retry_at")
    assert retry_at > before + 500
    lab.set_faults("sw1")
    up[0] = 601.0
    hand.handle([Reading(["port/sw1/p1"], heard.extend)])
    assert told(lab, "failures", "error", "retry_at") == [0, None, None]


def test_what_an_audit_could_not_read_is_readable_again_when_a_deploy_has_read_it(lab: Rack) -> None:
    lab.set_faults("sw1", down=True)
    lab.wait(lab.call("AuditAll"))
    assert "cannot be reached" in str(told(lab, "error"))
    lab.set_faults("sw1")
    lab.call("AddNodes", "a", ["n3"])
    lab.deploy("a")
    lab.until(lambda: told(lab, "error", "failures") == [None, 0])
    events = [event for event in lab.call("GetEvents", 0, 1000) if event["subject"] == "switch sw1"]
    assert events[-1]["what"] == "readable again"


def test_a_switchs_struct_tells_what_it_would_forget(lab: Rack) -> None:
    class Full(Simulated):
        full = True

        def save(self) -> None:
            if Full.full:
                raise DeviceFailed("its flash is full", "make room there")

    assert lab.service is not None
    heard: list[Outcome] = []
    registry, breaker = Registry({"simulated": Full}), Breaker(lambda: 0.0)
    hand = hands.switch_worker("sw1", lab.service.database, registry, str, 10.0, breaker)
    for _ in range(MOST_FAILURES + 1):  # it answers: nobody leaves it alone for that
        hand.handle([Errand([Order("port/sw1/p3", None)], heard.extend)])
        unsaved, *rest = told(lab, "unsaved", "error", "failures", "retry_at")
        assert unsaved == str(heard[-1].error) and "would forget it at a power cut" in unsaved
        assert "its flash is full" in unsaved
        assert rest == [unsaved, 0, None]
    Full.full = False
    hand.handle([Errand([Order("port/sw1/p3", None)], heard.extend)])
    assert heard[-1].error is None and told(lab, "unsaved", "error") == [None, None]
