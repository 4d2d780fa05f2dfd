"""Slivers' rates under Debian's stock kernel, whose modules come when they are wanted."""

from tests.slivers.test_network import (
    net,
    node,
    test_a_queue_of_somebody_elses_stays,
    test_a_restart_changes_nothing_and_a_change_little,
    test_frames_go_through_their_slivers_classes,
    test_nobody_sends_in_anothers_name,
    way,
)

__all__ = [
    "net",
    "node",
    "test_a_queue_of_somebody_elses_stays",
    "test_a_restart_changes_nothing_and_a_change_little",
    "test_frames_go_through_their_slivers_classes",
    "test_nobody_sends_in_anothers_name",
    "way",
]
