"""The operational states of a sliver, what leads from one to another, and how an advertisement says so. Pure.

The one table of them: whoever carries out actions looks here, too.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from lxml import etree

from nm.geni.rspec.vocabulary import OPSTATE, SLIVER_TYPE

PENDING, NOT_READY, CONFIGURING = "geni_pending_allocation", "geni_notready", "geni_configuring"
STOPPING, READY, BUSY = "geni_stopping", "geni_ready", "geni_ready_busy"
FAILED, UPDATING = "geni_failed", "geni_updating_users"
SUCCESS, FAILURE = "geni_success", "geni_failure"
START = NOT_READY  # that of a sliver which is allocated


@dataclass(frozen=True)
class State:
    """What a state means, and what may come after it."""

    description: str
    actions: Mapping[str, str] = field(default_factory=dict)  # action -> the state that it leads to at once
    waits: Mapping[str, str] = field(default_factory=dict)  # how that ends by itself -> the state then


STATES: Mapping[str, State] = {
    PENDING: State("the nodes are being set up", waits={SUCCESS: NOT_READY, FAILURE: FAILED}),
    NOT_READY: State("the node is the slice's and is off, or not set up yet", {"geni_start": CONFIGURING}),
    CONFIGURING: State("the node is being wired and switched on", waits={SUCCESS: READY, FAILURE: FAILED}),
    READY: State(
        "the node is wired and on, and people's keys are installed",
        {
            "geni_restart": BUSY,
            "geni_stop": STOPPING,
            "geni_update_users": UPDATING,
        },
    ),
    BUSY: State("the node is being switched off and on", waits={SUCCESS: READY, FAILURE: FAILED}),
    STOPPING: State("the node is being switched off", waits={SUCCESS: NOT_READY, FAILURE: FAILED}),
    UPDATING: State(
        "keys are being installed",
        {"geni_updating_users_cancel": READY},
        {SUCCESS: READY, FAILURE: FAILED},
    ),
    FAILED: State(
        "a device did not do what it was asked; it is asked again by geni_start", {"geni_start": CONFIGURING}
    ),
}


def element(aggregate: str) -> etree._Element:
    """The table, as an advertisement has it. `aggregate`: the aggregate manager's name."""
    root = _new("rspec_opstate", aggregate_manager_id=aggregate, start=START)
    root.append(_new("sliver_type", name=SLIVER_TYPE))
    for name, state in STATES.items():
        told = _new("state", name=name)
        told.extend(_new("action", name=action, next=after) for action, after in state.actions.items())
        told.extend(_new("wait", type=how, next=after) for how, after in state.waits.items())
        description = _new("description")
        description.text = state.description
        told.append(description)
        root.append(told)
    return root


def _new(tag: str, /, **attributes: str) -> etree._Element:
    return etree.Element(f"{{{OPSTATE}}}{tag}", attributes, nsmap={"opstate": OPSTATE})
