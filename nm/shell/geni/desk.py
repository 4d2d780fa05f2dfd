"""The commands for operators: which slivers there are, and what awaits somebody's hand."""

from nm.shell import columns
from nm.shell.table import WAIT, Command, filter_by, word

COMMANDS = (
    Command("geni reservations", "GetReservations", "list the slivers of people of elsewhere",
            (filter_by("slice"),), True, show=columns.listed("reservations")),
    Command("geni ready", "GeniReady", "say that a sliver was set up by hand: it is wired now",
            (word("sliver", "its URN, or the last part of that"), WAIT), job=True, say="deploy {sliver}"),
    Command("geni reopen", "GeniReopen", "open a slice again after an emergency stop",
            (word("slice", "its URN, or its group's name"),), say="{slice} is open again"),
)  # fmt: skip
