"""Whose a reserved node is, to the second."""

import pytest

from nm.reservations import IDLE, SHARED, holder, next_change, read_leases, waits
from nm.slices import Reading, read_reply
from tests.plc.conftest import SAMPLE

REPLY = read_reply(SAMPLE["node2.demo.org"], Reading(node_id=2))
LEASES = read_leases(REPLY.sections["leases"])
START, END = 1795222800, 1795226400
WEB, DELEGATED, CONTROLLER = (REPLY.records[f"sliver_demo_{name}"] for name in ("web", "deleg", "ctl"))


def test_leases_count_to_the_second() -> None:
    assert [holder(LEASES, now) for now in (START - 1, START, END - 1, END)] == [
        None,
        "demo_web",
        "demo_web",
        None,
    ]
    assert [next_change(LEASES, now) for now in (0, START, END)] == [START, END, None]


@pytest.mark.parametrize(
    ("policy", "now", "running"),
    [
        (IDLE, START - 1, set()), (IDLE, START, {"demo_web"}),
        (SHARED, START - 1, {"demo_web", "demo_deleg"}), (SHARED, START, {"demo_web"}),
        ("none", START, {"demo_web", "demo_deleg"}), (None, START, {"demo_web", "demo_deleg"}),
    ],
)  # fmt: skip
def test_who_runs(policy: object, now: int, running: set[str]) -> None:
    assert {one["name"] for one in (WEB, DELEGATED) if waits(one, policy, LEASES, now) is None} == running
    assert waits(CONTROLLER, policy, LEASES, now) is None
    assert waits({**DELEGATED, "tags": {"system": "1"}}, policy, LEASES, now) is None


def test_the_reason_is_told() -> None:
    assert waits(DELEGATED, IDLE, LEASES, START) == "the node is reserved for demo_web"
    assert waits(WEB, IDLE, LEASES, END) == "the node runs reserved slivers only"


def test_what_is_no_lease_is_left_out() -> None:
    good = {"name": "a", "t_from": 5, "t_until": 9}
    bad = [None, {}, {**good, "t_until": 5}, {**good, "name": None}, {**good, "t_from": "5"}]
    bad.append({**good, "t_from": False, "t_until": True})
    assert len(read_leases([*bad, good])) == 1 and read_leases(None) == ()
