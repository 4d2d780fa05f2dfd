"""Known problems of PlanetLab's node manager that no other test looks for (docs/planetlab.md)."""

import ast
import socket
import threading
from collections.abc import Iterator
from contextlib import ExitStack
from functools import cache, partial
from pathlib import Path

import pytest

from nm.api import listen_tcp, listen_unix
from nm.disk import Disk
from nm.lastgood import LastGood
from nm.plc import Watch
from nm.records import Record, new
from nm.slices import read_reply
from nm.store import Transaction
from tests.database.conftest import Opener
from tests.plc.authority import Authority
from tests.plc.conftest import READING, Told
from tests.plc.fake_plc import FakePlc
from tests.plc.test_source import client

ROOT = Path(__file__).parents[2]
CALLERS = 128
STARTS = {"run", "Popen", "call", "check_call", "check_output"}
EVALUATES = {"eval", "exec", "compile", "__import__", "system", "popen", "getoutput", "getstatusoutput"}


# ---- what comes from outside is text


@cache
def shipped() -> dict[str, ast.Module]:
    """All modules that are shipped, by their path."""
    paths = [*ROOT.glob("nm/**/*.py"), *ROOT.glob("headnode/**/*.py")]
    return {str(path.relative_to(ROOT)): ast.parse(path.read_text(encoding="utf-8")) for path in paths}


def calls() -> Iterator[tuple[str, ast.Call, str]]:
    """Every call in what is shipped: the place, the call, and the last word of what is called."""
    for path, tree in shipped().items():
        for node in ast.walk(tree):
            if isinstance(node, ast.Call):
                yield f"{path}:{node.lineno}", node, getattr(node.func, "attr", getattr(node.func, "id", ""))


def imports(module: str) -> set[str]:
    """The modules that import it."""
    return {
        path
        for path, tree in shipped().items()
        for node in ast.walk(tree)
        if isinstance(node, ast.Import | ast.ImportFrom)
        and module in (getattr(node, "module", None), *(alias.name for alias in node.names))
    }


def test_no_text_is_run() -> None:
    """Neither as Python nor by a shell; pickles are read in one place, which knows plain data only."""
    found = list(calls())
    assert not [
        place
        for place, call, called in found
        if called in EVALUATES and not (called == "compile" and isinstance(call.func, ast.Attribute))
    ]
    assert not [
        place
        for place, call, called in found
        if called in STARTS and any(word.arg == "shell" for word in call.keywords)
    ]
    assert imports("pickle") == {"nm/pickles.py"}


def test_chance_decides_of_pauses_alone() -> None:
    """Keys, nonces and names come from the kernel's random numbers."""
    assert imports("random") == {"nm/service.py"}


@pytest.mark.parametrize("tag", ["interface", "vsys", "initscript", "anything"])
def test_a_tag_is_text_whatever_it_says(told: Told, tmp_path: Path, tag: str) -> None:
    trace = tmp_path / "trace"
    text = f"__import__('pathlib').Path('{trace}').touch() $(touch {trace}) `touch {trace}` </x>\"'"
    told["slivers"][0]["attributes"].append({"tagname": tag, "value": text})
    record = read_reply(told, READING).records[f"sliver_{told['slivers'][0]['name']}"]
    assert record["tags"].get(tag, text) == text or text in record["tags"][tag]
    assert not trace.exists()


# ---- many at once


@pytest.mark.parametrize("way", ["tcp", "unix"])
def test_many_callers_find_room_before_anybody_accepts(tmp_path: Path, way: str) -> None:
    """With room for five the others would try again after a second, and after three."""
    with ExitStack() as stack:
        path = tmp_path / "api.sock"
        listener = stack.enter_context(listen_tcp(port=0) if way == "tcp" else listen_unix(path))
        family = socket.AF_INET if way == "tcp" else socket.AF_UNIX
        for _ in range(CALLERS):
            one = stack.enter_context(socket.socket(family))
            one.settimeout(0.5)
            one.connect(listener.getsockname())


def test_records_are_read_while_they_change(opener: Opener) -> None:
    """What was read stays as it was, and no look at many is disturbed by who writes meanwhile."""
    database = opener()
    over = threading.Event()

    def change(turn: int, tx: Transaction) -> None:
        tx.put(new("node", turn % 40, turn, twice=[turn, turn]))
        if tx.get(old := f"node_{(turn + 20) % 40}") is not None:
            tx.delete(old)

    def write() -> None:
        try:
            for turn in range(100):
                database.transact(partial(change, turn))
        finally:
            over.set()

    writer = threading.Thread(target=write)
    writer.start()
    seen: list[list[tuple[Record, int]]] = []
    while not over.is_set():
        seen = seen[-1000:]
        seen.append([(record, record["twice"][0]) for record in database.range("node")])
    writer.join()
    assert seen[-1] and all(record["twice"] == [turn, turn] for look in seen for record, turn in look)


# ---- a PLC


def test_nothing_is_written_at_a_plc(plc: FakePlc, authority: Authority, tmp_path: Path) -> None:
    """A storm of tags cannot begin: nm asks one thing, however often, and tells a PLC nothing."""
    source = client(plc, authority)
    watch = Watch(lambda: (source, READING), LastGood(tmp_path / "last.json", Disk()))
    for turn in range(3):
        plc.reply["timestamp"] += turn
        assert watch.ask(1_800_000_000.0 + turn) is not None
    assert plc.calls == ["GetSession by hmac", *["GetSlivers by session"] * 3]
