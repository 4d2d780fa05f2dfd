"""Which privilege grants which call, and what may be passed on."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nm.geni import privileges
from tests.geni.world import call, issued

CALLS = ["Describe", "Status", "Allocate", "Provision", "PerformOperationalAction", "Renew", "Delete"]
GRANTED = {
    "embed": {*CALLS, "Shutdown"},
    "control": set(CALLS),
    "sa": set(CALLS),
    "*": {*CALLS, "Shutdown"},
    "authority": {*CALLS, "Shutdown"},
    "bind": set(),
    "info": set(),
    "refresh": set(),
    "resolve": set(),
    "createsliver": set(),
}
SETS = st.dictionaries(st.sampled_from(sorted(GRANTED)), st.booleans())


@pytest.mark.parametrize("privilege", GRANTED)
def test_what_a_privilege_grants_on_a_slice(privilege: str) -> None:
    rights = privileges.operations({privilege: False}, "slice")
    granted = {name for name, needed in privileges.NEEDED.items() if needed & rights}
    assert granted == GRANTED[privilege]


def test_listing_needs_a_credential_and_no_right() -> None:
    made = call(issued(privileges={}), operation="ListResources", target=None)
    assert made.judged().rights == frozenset()


def test_everything_of_a_user_grants_no_call() -> None:
    assert not privileges.operations({"*": True}, "user")
    assert not privileges.operations({"*": True}, "node")


@given(SETS, SETS)
def test_nobody_gets_more_than_the_parent_has(child: dict[str, bool], parent: dict[str, bool]) -> None:
    if not privileges.beyond(child, parent, "slice"):
        passed = {name: True for name, may in parent.items() if may}
        mine, most = (privileges.operations(one, "slice") for one in (child, passed))
        assert mine <= most


@given(SETS)
def test_all_may_be_passed_on_where_each_may(some: dict[str, bool]) -> None:
    assert not privileges.beyond(some, dict.fromkeys(some, True), "slice")
