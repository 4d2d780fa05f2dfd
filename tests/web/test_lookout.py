"""When the daemon is asked for what, by a clock that the test turns."""

from nm.calls import Caller
from nm.shell import lookout
from nm.shell.lookout import Lookout
from tests.web.world import Clock, Laboratory, Seat

WHOLE = "GetPorts"


def looking(lab: Laboratory, clock: Clock, caller: Caller | None = None) -> tuple[Lookout, Seat]:
    seat = Seat(lab, caller) if caller else Seat(lab)
    look = Lookout(seat, clock)
    assert look.refresh()
    seat.asked.clear()
    return look, seat


def test_while_nothing_happens_only_events_are_asked_for(lab: Laboratory, clock: Clock) -> None:
    look, seat = looking(lab, clock)
    clock.now += lookout.TICK
    assert not look.refresh()
    assert seat.asked == ["GetEvents"]
    clock.now += lookout.JOBS
    assert not look.refresh()
    assert seat.asked == ["GetEvents", "GetEvents", "GetJobs"]
    clock.now += lookout.WHOLE[True]
    look.refresh()
    assert WHOLE in seat.asked


def test_an_event_is_shown_at_once_and_all_is_asked_for_once_a_second(lab: Laboratory, clock: Clock) -> None:
    look, seat = looking(lab, clock)
    lab.retire("node18", "dusty")
    assert look.refresh()
    assert look.picture["events"][-1]["subject"] == "node node18"
    assert WHOLE not in seat.asked
    assert look.picture["nodes"][17]["note"] == ""
    clock.now += lookout.LEAST
    assert look.refresh()
    assert look.picture["nodes"][17]["note"] == "dusty"
    assert seat.asked.count(WHOLE) == 1


def test_events_are_kept_up_to_a_number(lab: Laboratory, clock: Clock) -> None:
    look, _ = looking(lab, clock)
    for number in range(lookout.EVENTS + 5):
        lab.retire("node18", f"reason {number}")
    look.refresh()
    ids = [event["id"] for event in lab.call("GetEvents", 0, 1000)]
    assert [event["id"] for event in look.picture["events"]] == ids[-lookout.EVENTS :]


def test_a_job_is_followed_to_its_end(lab: Laboratory, clock: Clock) -> None:
    look, _ = looking(lab, clock)
    lab.set_faults("leaf1", down=True)
    job = lab.call("Deploy", "weather")
    look.refresh()
    assert next(one["state"] for one in look.picture["jobs"] if one["id"] == job) in lookout.GOING
    lab.set_faults("leaf1", down=False)
    lab.wait(job)
    clock.now += lookout.LEAST
    look.refresh()
    assert [one["state"] for one in look.picture["jobs"] if one["id"] == job] == ["done"]


def test_somebody_without_events_looks_more_often(lab: Laboratory, clock: Clock) -> None:
    look, _ = looking(lab, clock, Caller(4711, "stranger"))
    lab.call("UpdateSwitch", "leaf2", {"available": False, "reason": "private"})
    clock.now += lookout.WHOLE[False]
    assert look.refresh()
    assert [switch["state"] for switch in look.picture["switches"]] == ["ok", "out"]
    assert "private" not in str(look.picture)
