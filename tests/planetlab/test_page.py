"""docs/planetlab.md speaks of every feature, defect and problem, and every test that it names is there."""

import ast
import re
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs/planetlab.md").read_text(encoding="utf-8")

TO_COME: set[str] = set()  # what no test shows yet: in the last column as to come: WORD

FEATURES = (
    "API on TCP 812, loopback", "API on a Unix socket", "caller known by peer credentials",
    "delegation of one method", "delegation of a whole sliver", "root may call",
    "a sliver may call for itself", "privileged aggregate account", "Help",
    "Create, Destroy of delegated slivers", "refusals are told", "Start, Stop", "ReCreate",
    "GetRSpec, GetEffectiveRSpec", "GetLoans, SetLoans", "minimum allocation", "GetRecord",
    "GetXIDs, GetSSHKeys", "Ticket", "AdminTicket", "ticket for one node, once, until a time",
    "database is a dict under one lock", "dump that survives a crash", "fsync", "load after a restart",
    "durable before it is answered", "database as text", "guard against mass destruction",
    "records expire", "records expire while the PLC is away", "stale records go by minimum timestamp",
    "fields with an underscore stay", "a thread and a queue per account",
    "create and destroy outside the lock", "one create, one destroy at a time", "bound of the queue",
    "staggered start (-s)", "delegate accounts", "forward_api_calls: buffer",
    "forward_api_calls: time limit", "entry in /etc/shells", "SSH keys of slivers", "types of slivers",
    "disk quota", "CPU share and reservation", "whole cores", "memory limits", "network rates",
    "bytes per day", "exempt networks (Internet2)", "NAT and port forwarding by tags",
    "PLC is asked again and again", "last good reply is kept", "authentication to the PLC",
    "TLS is checked", "configuration files", "initscripts by name", "initscript of a sliver",
    "plugins with priorities", "reservations (leases)", "private bridges", "vsys", "special accounts",
    "re-image when the family changes", "libvirt is met again", "signals", "single instance", "log",
    "introspection, versions", "documentation of the API",
)  # fmt: skip
PLUGINS = (
    "codemux", "drl", "hostmap", "interfaces", "ipv6", "omf_resctl", "rawdisk", "sfagids", "sliverauth",
    "syndicate", "vsys_privs, vsys_sysctl",
)  # fmt: skip
DEFECTS = tuple(str(number) for number in range(1, 14))
PROBLEMS = (
    "mass destruction", "lost or torn database", "pickles run code", "lock leaked",
    "lock held during long work", "everything anew for one loan", "a thread per account",
    "queues that grow or lose", "zombies and orphans", "leaked descriptors, forks of threads",
    "two starts at boot", "libvirt breaks off", "clean-up that fails", "a storm of tags at the PLC",
    "hanging transfers", "plugins called with nothing", "configuration files before the network",
    "a tool that is not there", "names in the code", "eval of a tag", "names in shell commands and XML",
    "unsigned AdminTicket", "ticket replayed", "ReCreate without a check", "socket in /tmp",
    "requests without limit", "weak random numbers", "forwarding by delegates", "queue of five callers",
    "records read while they change", "104 hides 102", "waits of unknown length",
    "interfaces that make clients guess",
)  # fmt: skip
CASES = (
    "a request of more than 1 MiB", "a server that hangs", "standard input left open",
    "no answer, or a part of one", "status of HTTP", "an answer in chunks",
    "a server that closes while it is written to", "a small stack", "a write that takes a part",
    "sizes of numbers in formats", "text that is not ASCII",
    "half of the connection closed before the answer", "who listens at the socket",
    "ports and files through the account",
)  # fmt: skip
WRONG = ("Thirteen defects", "Known problems", "forward_api_calls")

Row = list[str]


def rows(section: str) -> list[Row]:
    """The cells of the rows of that section's table."""
    _, found, rest = PAGE.partition(f"\n## {section}\n")
    assert found, section
    lines = [line for line in rest.partition("\n## ")[0].splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[2:]]


def first(cells: Row) -> str:
    return cells[0]


@cache
def functions(path: Path) -> frozenset[str]:
    """The tests of a file by the names that pytest gives them: NAME, or CLASS::NAME."""
    nodes = ast.parse(path.read_text(encoding="utf-8")).body
    found = [("", node) for node in nodes]
    for node in nodes:
        if isinstance(node, ast.ClassDef):
            found += [(f"{node.name}::", one) for one in node.body]
    return frozenset(f"{place}{one.name}" for place, one in found if isinstance(one, ast.FunctionDef))


def named(text: str) -> list[tuple[str, str]]:
    """The tests that a text names: file, and name in there."""
    return re.findall(r"`(tests/[\w/]+\.py)::((?:Test\w+::)?test_\w+)`", text)


def coming(text: str) -> set[str]:
    return set(re.findall(r"to come: (\w+)", text))


@pytest.mark.parametrize(
    ("section", "names"),
    [
        ("Feature by feature", FEATURES),
        ("The plug-ins", PLUGINS),
        ("Thirteen defects", DEFECTS),
        ("Known problems", PROBLEMS),
        ("forward_api_calls", CASES),
    ],
)
def test_all_of_a_section_is_there(section: str, names: tuple[str, ...]) -> None:
    assert [cells[0] for cells in rows(section)] == list(names)


@pytest.mark.parametrize(
    "cells", rows("Feature by feature") + rows("The plug-ins"), ids=lambda cells: cells[0]
)
def test_a_feature_is_shown_or_left_out_with_a_reason(cells: Row) -> None:
    _, verdict, how, shown = cells
    assert verdict in ("kept", "better", "left out")
    assert len(how.split()) >= 5, "say how, or why not"
    assert verdict == "left out" or named(shown) or coming(shown)


@pytest.mark.parametrize(
    "cells", [row for section in WRONG for row in rows(section)], ids=lambda cells: cells[0]
)
def test_what_was_wrong_has_a_test(cells: Row) -> None:
    assert len(cells) >= 3 and all(cells)
    assert named(cells[-1]) or coming(cells[-1])


def test_every_test_that_is_named_is_there() -> None:
    found = named(PAGE)
    assert len(found) == PAGE.count("`tests/"), "a test is named as `tests/FILE.py::test_NAME`"
    missing = [
        f"{file}::{name}"
        for file, name in found
        if not (ROOT / file).is_file() or name not in functions(ROOT / file)
    ]
    assert not missing


def test_what_is_to_come_is_listed() -> None:
    assert coming(PAGE) == TO_COME
