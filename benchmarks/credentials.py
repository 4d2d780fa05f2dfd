"""What it costs to judge a call's credential, beside one run of xmlsec1, as GENI's reference has it.

The program looks at one signature and its certificate. Ours are whole judgements: names, chains, rights,
times and signature, of a credential that was never seen before, and of one that was. Then what the processor
needs for the dearest refusals, of all the forgeries that the tests know.
"""

import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from rich.console import Console
from rich.table import Table

from nm.errors import NMError
from nm.geni import credentials, xmlsignature
from tests.geni import reference
from tests.geni.forged_documents import DOCUMENTS
from tests.geni.forgeries import CLAIMS
from tests.geni.reference import Reference
from tests.geni.world import BOB, LAB, Call, call, issued, passed

TURNS, OURS, THEIRS = 10, 50, 3  # in turns, so that what else the machine does hits all alike
RATIO = 20  # times as many a second
LONGEST = 100  # ms of the processor's that a refusal may take
SHOWN = 5


def main() -> bool:
    """Print both tables; true when they are short of what they should be."""
    slow = refusals()
    if reference.PROGRAM is None:
        print("xmlsec1 is not installed: nothing to compare with")
        return slow
    return against_the_program() or slow


def against_the_program() -> bool:
    """Whether a judgement is too slow."""
    text = issued(signer=LAB)
    issued_one, passed_on = call(text), call(passed(), client=BOB)
    kinds = {
        "issued": lambda: _new(issued_one),
        "passed on": lambda: _new(passed_on),
        "issued, and seen before": issued_one.judged,
    }
    times: dict[str, list[float]] = {kind: [] for kind in (*kinds, "xmlsec1")}
    with tempfile.TemporaryDirectory() as folder:
        program = Reference(Path(folder))
        for _ in range(TURNS):
            for kind, judged in kinds.items():
                times[kind].append(_each(judged, OURS))
            times["xmlsec1"].append(_each(lambda: program.accepts(text), THEIRS))
    taken = {kind: statistics.median(found) for kind, found in times.items()}
    table = Table("judged", "ms", "a second", "times xmlsec1's", title="One credential")
    for kind, ms in taken.items():
        table.add_row(kind, f"{ms:.2f}", f"{1000 / ms:.0f}", f"{taken['xmlsec1'] / ms:.1f}")
    Console().print(table)
    return taken["xmlsec1"] / taken["issued"] < RATIO


def refusals() -> bool:
    """Whether one of them takes too long."""
    taken = {}
    for name, forgery in {**CLAIMS, **DOCUMENTS}.items():
        made = forgery.make()
        taken[name] = min(_cost(made) for _ in range(3))
    table = Table("refused", "ms", title=f"The dearest of {len(taken)} refusals")
    for name in sorted(taken, key=lambda name: -taken[name])[:SHOWN]:
        table.add_row(name, f"{taken[name]:.2f}")
    Console().print(table)
    return max(taken.values()) > LONGEST


def _new(made: Call) -> None:
    """Judge it as if it were seen for the first time."""
    forget()
    made.judged()


def forget() -> None:
    """Nothing is remembered of any credential."""
    credentials.parse.cache_clear()
    xmlsignature.forget()


def _each(work: Callable[[], object], times: int) -> float:
    """Ms that each takes."""
    begun = time.perf_counter()
    for _ in range(times):
        work()
    return (time.perf_counter() - begun) / times * 1000


def _cost(made: Call) -> float:
    """The processor's ms until it is refused."""
    begun = time.process_time()
    try:
        made.judged()
    except NMError:
        return (time.process_time() - begun) * 1000
    raise AssertionError("a forgery was granted")
