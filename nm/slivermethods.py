"""The rows of the table of methods for slivers, under the names that PlanetLab gave them. Pure."""

from collections.abc import Callable
from typing import Any

from nm import sliverops
from nm.arguments import LIST, NAME, NAMES, STRUCT, Method, Param, read_row, write_row

_NAME = Param("name", NAME, "a sliver's")
_FILTER = Param("filter", STRUCT, "keys of the structs to a value or a list of values; {} for all")
_AGAIN = "as GetSlivers tells, the job's subject is sliver:NAME. Answers 1."


def _wish(name: str, operation: Callable[..., Any], doc: str) -> Method:
    return write_row(name, operation, doc, _NAME, since=7)


def _look(name: str, operation: Callable[..., Any], result: str, doc: str) -> Method:
    return read_row(name, operation, result, doc, _NAME, since=7)


SLIVERS = (
    _wish("Create", sliverops.create, f"Has a delegated sliver made on this machine; {_AGAIN}"),
    _wish("CreateSliver", sliverops.create, "Create, by its first name."),
    _wish(
        "Destroy",
        sliverops.destroy,
        "Has a delegated sliver unmade, with its disk; its record and its loans stay. Answers 1.",
    ),
    _wish("DestroySliver", sliverops.destroy, "Destroy, by an older name."),
    _wish("DeleteSliver", sliverops.destroy, "Destroy, by its first name."),
    _wish("Start", sliverops.start, f"Has a sliver run, as far as nothing else is in the way; {_AGAIN}"),
    _wish("Stop", sliverops.stop, f"Has a sliver stopped until somebody starts it; {_AGAIN}"),
    _wish("ReCreate", sliverops.recreate, f"Has a sliver's disk made anew, and starts it; {_AGAIN}"),
    _look("GetRSpec", sliverops.get_rspec, "struct", "What a sliver was given: resource to amount."),
    _look(
        "GetEffectiveRSpec",
        sliverops.get_effective_rspec,
        "struct",
        "What a sliver has: what it was given, less what it lends, and what is lent to it.",
    ),
    _look(
        "GetLoans",
        sliverops.get_loans,
        "array",
        "What a sliver lends: list of [recipient, resource, amount].",
    ),
    _look(
        "GetLoanStates",
        sliverops.get_loan_states,
        "array",
        "The same with what came of it: list of {recipient, resource, amount, in_force, reason}.",
    ),
    write_row(
        "SetLoans",
        sliverops.set_loans,
        "Replaces what a sliver lends; without a name, what the caller's own sliver lends. Answers 1.",
        Param("name", NAME, "the lender", optional=True),
        Param("loans", LIST, "of [recipient, resource, amount]; one such triple is a list of one"),
        since=7,
    ),
    read_row(
        "GetRecord",
        sliverops.get_record,
        "struct",
        "The caller's own sliver: what its source says of it, and what became of it here: state, why it does "
        "not run, error, rspec, _rspec (with loans), loans, quota, all that GetSlivers tells. What has no "
        "value is left out.",
        since=7,
    ),
    read_row(
        "GetSlivers",
        sliverops.get_slivers,
        "array",
        "The slivers that the caller may see, in the order of their names.",
        _FILTER,
        since=7,
    ),
    read_row(
        "GetXIDs", sliverops.get_xids, "struct", "Sliver to the uid of its account on this machine.", since=7
    ),
    read_row(
        "GetSSHKeys",
        sliverops.get_ssh_keys,
        "struct",
        "Sliver to the SSH keys of its people, as lines of authorized_keys.",
        since=7,
    ),
    write_row(
        "ConfirmSlivers",
        sliverops.confirm_slivers,
        "Lets slivers go whose removal or expiry was held back because too many were due at once. Answers 1.",
        Param("names", NAMES, "slivers; [] for all that are held back"),
        since=7,
    ),
)
