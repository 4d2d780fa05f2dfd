"""The traces in traces.txt: small trees, what happens to them, what is ordered then.

A block begins with `# section of the rules: what it shows`, then `tree:` with what is inside sfConfig (`tree
A:` when that is taken down at once), `fails:` with orders that fail, `silent:` with orders that nobody
answers. Then events, each with the orders that follow from it and `= how the whole stands: what runs`.
`python -m tests.pools.traces` writes what follows anew; read the difference before it is committed.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from nm.pools.lifecycle import Event
from tests.pools.world import World, parts, path_of, pool

FILE = Path(__file__).with_name("traces.txt")
SHORT = re.compile(r"tree( \w+)?: ?(.*)")


@dataclass
class Trace:
    """One block."""

    name: str
    kind: str = "C"
    tree: str = ""
    fails: list[str] = field(default_factory=list)
    silent: list[str] = field(default_factory=list)
    events: list[str] = field(default_factory=list)
    written: str = ""


def traces() -> Iterator[Trace]:
    """The blocks of the file."""
    for block in FILE.read_text(encoding="utf-8").split("\n\n"):
        trace = Trace("", written=block.strip())
        for line in trace.written.splitlines():
            _read(trace, line)
        yield trace


def _read(trace: Trace, line: str) -> None:
    if line.startswith("# "):
        trace.name = line[2:]
    elif found := SHORT.match(line):
        trace.kind, trace.tree = (found[1] or "C").strip(), found[2]
    elif line.startswith(("fails: ", "silent: ")):
        name, _, orders = line.partition(": ")
        setattr(trace, name, orders.split(", "))
    elif not line.startswith("  "):
        trace.events.append(line)


def told(trace: Trace) -> str:
    """The block as it should be written."""
    head = [
        line for line in trace.written.splitlines() if line.startswith(("# ", "tree", "fails:", "silent:"))
    ]
    world = World(pool(trace.tree, trace.kind), trace.fails, silent=trace.silent)
    lines = []
    for event in trace.events:
        happen(world, event, trace.kind)
        orders = world.trace()
        lines += [
            event,
            *([f"  {orders}"] if orders else []),
            f"  = {world.standing}: {world.running}".rstrip(": "),
        ]
    return "\n".join([*head, *lines])


def happen(world: World, said: str, kind: str) -> None:
    """Let an event of a trace happen."""
    word, _, rest = said.partition(" ")
    if word == "update":
        world.update(parts(f"sfConfig extends {kind} {{ {rest} }}"))
    elif word == "time":
        world.pass_time(float(rest))
    elif word == "ended":
        name, status = rest.split()
        world.tell(Event("ended", path_of(name), status="normal" if status == "normal" else "abnormal"))
    elif word == "crash":
        world.crash()
        world.work()
    else:
        event = {
            "deploy": "deploy",
            "terminate": "terminate",
            "unreachable": "unreachable",
            "reached": "reached",
        }
        world.tell(Event(event[word], path_of(rest or ".")))  # type: ignore[arg-type]  # its names are known


def main() -> None:
    """Write the file anew."""
    FILE.write_text("\n\n".join(map(told, traces())) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
