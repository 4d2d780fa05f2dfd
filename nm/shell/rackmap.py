"""`nmctl map`: the rack in the terminal. Loaded when it is asked for.

The drawing is pure: lines of pieces of text, each with the name of a style. On a terminal they are coloured,
elsewhere they are plain; what a colour says a letter or a sign says too.
"""

import itertools
import math
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from nm.counted import counted
from nm.shell import picture, times
from nm.shell.failures import INTERRUPTED, OK, Usage
from nm.shell.output import Output, clean
from nm.shell.picture import Picture, Struct
from nm.shell.session import Session
from nm.shell.table import Options

if TYPE_CHECKING:
    from rich.text import Text

    from nm.shell.feed import Feed

Piece = tuple[str, str]  # text, style
Line = list[Piece]

CHANGE = 1.0  # seconds that a change is waited for at a time
WIDEST = 24  # ports beside each other, as on a switch of 48
ONE_ROW = 12  # so many ports need no second row
PLAIN_WIDTH = 110  # columns where there is no terminal
MOST_NAMES = 40  # of nodes, in one list
WORDS = {"out": "out-of-service", "taken": "other"}
# What stands for a port that shows no group: its sign, its style, and what the legend says.
SIGNS = {
    "free": (".", "free", "free"),
    "unused": ("-", "dim", "nothing connected"),
    "taken": ("*", "", "in use"),
    "trunk": ("=", "trunk", "trunk"),
    "unverified": ("?", "unverified", "unverified"),
    "out": ("#", "dim", "out of service"),
}
# What stands behind a group's letter.
AFTER = {
    "joining": (">", "joining"),
    "leaving": ("<", "leaving"),
    "parked": ("-", "in a group, isolated"),
    "failed": ("!", "failed"),
    "dirty": ("%", "dirty"),
}
DRIFTED = ("~", "differs from what nm deployed")
STYLES = {
    "free": "green",
    "dim": "dim",
    "trunk": "bold",
    "unverified": "magenta",
    "bad": "bold red",
    "moving": "yellow",
    "head": "bold",
}


# ---- the drawing


def draw(rack: Picture, width: int, now: float) -> Iterator[Line]:
    """The lines of the picture. `now`: seconds since 1970."""
    groups = {group["name"]: group for group in rack["groups"]}
    if trouble := rack["rack"][0]["trouble"]:
        of = times.of_day(rack["rack"][0]["as_of"], now)
        yield from _wrapped([(f"{trouble}; what is shown is of {of}", "bad")], width)
    for switch in rack["switches"]:
        ports = [port for port in rack["ports"] if port["switch"] == switch["name"]]
        yield from _panel(switch, ports, groups, width, now)
        yield []
    if not rack["switches"]:
        yield [("no switches", "")]
    yield from _legend(rack["ports"], width)
    for group in rack["groups"]:
        yield from _wrapped(_group(group), width)
    yield from _machines(rack, width)
    yield from (line for job in rack["jobs"] for line in _wrapped([_job(job)], width))
    yield from (line for words in troubles(rack) for line in _wrapped([(f"! {words}", "bad")], width))


def _panel(
    switch: Struct, ports: Sequence[Struct], groups: dict[str, Struct], width: int, now: float
) -> Iterator[Line]:
    read = f"read {times.distance(switch['read_at'] - now)}" if switch["read_at"] else ""
    about = [
        switch["model"],
        counted(len(ports), "port"),
        read,
        "out of service" if switch["state"] == "out" else "",
    ]
    title = [(switch["name"], "head"), ("  " + "  ".join(filter(None, about)), "dim")]
    yield from _wrapped(title, width)
    margin = 2 + max((len(port["module"]) + 1 for port in ports if port["module"]), default=0)
    wide = 1 + max([3, *(len(port["label"]) for port in ports)])
    rows = 1 if len(ports) <= ONE_ROW else 2
    across = max(1, min(WIDEST, (width - margin) // wide))
    for module, those in itertools.groupby(ports, key=lambda port: port["module"]):
        for block in _folded(list(those), rows, across):
            yield from _block(block, rows, f"  {module}".ljust(margin), wide, groups)


def _folded(ports: Sequence[Struct], rows: int, across: int) -> Iterator[Sequence[Struct]]:
    """Blocks of equal width, none with more than so many ports across."""
    columns = math.ceil(len(ports) / rows)
    size = math.ceil(columns / math.ceil(columns / across)) * rows
    return (ports[first : first + size] for first in range(0, len(ports), size))


def _block(
    block: Sequence[Struct], rows: int, module: str, wide: int, groups: dict[str, Struct]
) -> Iterator[Line]:
    """Ports in rows with their labels outside, as on a switch: the first port above the second."""
    for row in range(rows):
        line = block[row::rows]
        start = (module if row == 0 else " " * len(module), "head")
        labels: Line = [start, *((f"{port['label']:<{wide}}", "dim") for port in line)]
        cells: Line = [
            (" " * len(module), ""),
            *(piece for port in line for piece in _cell(port, groups, wide)),
        ]
        yield from ((labels, cells) if row == 0 else (cells, labels))


def _cell(port: Struct, groups: dict[str, Struct], wide: int) -> Iterator[Piece]:
    """A port: its group's letter, or a sign of its state; and what is the matter with it."""
    group = groups.get(port["group"] or "")
    if group is None:
        text, style, *_ = SIGNS.get(port["state"]) or (AFTER.get(port["state"], "!")[0], "bad")
    else:
        text, style = group["label"] + AFTER.get(port["state"], ("",))[0], f"group{group['colour']}"
        style = "dim" if port["state"] == "parked" else style
    text += DRIFTED[0] if port["drift"] else ""
    yield (f"{text:<{wide - 1}}", "bad" if port["drift"] and group is None else style)
    yield (" ", "")


def _legend(ports: Sequence[Struct], width: int) -> Iterator[Line]:
    """The signs that were drawn, and what they mean."""
    alone = {port["state"] for port in ports if not port["group"]}
    behind = {port["state"] for port in ports if port["group"]}
    words = [f"{sign} {about}" for state, (sign, _, about) in SIGNS.items() if state in alone]
    words += dict.fromkeys(
        f"{sign} {about}" for state, (sign, about) in AFTER.items() if state in alone | behind
    )
    if any(port["drift"] for port in ports):
        words.append(" ".join(DRIFTED))
    line = ""
    for word in words:
        if line and len(line) + 2 + len(word) > width:
            yield [(line, "dim")]
            line = ""
        line += f"  {word}" if line else word
    yield [(line, "dim")]
    yield []


def _group(group: Struct) -> Line:
    vlans = ", ".join(str(network["vlan"]) for network in group["networks"] if network["vlan"]) or "none"
    state = group["state"] + (", changes staged" if group["pending"] and group["state"] == "deployed" else "")
    nodes = _some(group["nodes"]) or "no nodes"
    head = f"  head node {group['headnode']}" if group["headnode"] else ""
    return [
        (f" {group['label']:<2}", f"group{group['colour']}"),
        (f" {group['name']}", "head"),
        (f"  VLAN {vlans}  ", ""),
        (state, _style_of(group["state"])),
        (f"  {nodes}{head}", ""),
    ]


def _some(names: Sequence[str]) -> str:
    """The names, or as many of them as somebody would read."""
    more = f" and {len(names) - MOST_NAMES:,} more" if len(names) > MOST_NAMES else ""
    return " ".join(names[:MOST_NAMES]) + more


def _style_of(state: str) -> str:
    moving = state in ("deploying", "destroying", *picture.MOVING)
    return "moving" if moving else "bad" if state in picture.TROUBLED else "dim" if state == "staged" else ""


def _machines(rack: Picture, width: int) -> Iterator[Line]:
    """Nodes that no group shows, by state, and head nodes."""
    by_state: dict[str, list[str]] = {}
    for node in rack["nodes"]:
        if not node["group"]:
            by_state.setdefault(node["state"], []).append(node["name"])
    for state, names in sorted(by_state.items()):
        yield from _wrapped(
            [(f"{WORDS.get(state, state)} nodes: ", SIGNS.get(state, ("", "bad"))[1]), (_some(names), "")],
            width,
        )
    heads = [
        f"{head['name']} ({', '.join(filter(None, [head['group'], head['state']]))})"
        for head in rack["headnodes"]
    ]
    if heads:
        yield from _wrapped([("head nodes: ", ""), (" ".join(heads), "")], width)


def _job(job: Struct) -> Piece:
    count = f" {job['done']}/{job['total']}" if job["total"] else ""
    text = f"job {job['id']} {job['kind']} {job['subject']}: {job['state']}{count}"
    text += f"  {job['step'] or job['error']}" if job["step"] or job["error"] else ""
    return text, "bad" if job["state"] == "failed" else "moving" if job["state"] in (
        "queued",
        "running",
    ) else "dim"


def troubles(rack: Picture) -> list[str]:
    """What is wrong, in words."""
    found = [f"{kind} {one['name']}: {one['note']}" for kind, ones in
             (("switch", "switches"), ("host", "hosts"), ("node", "nodes"), ("head node", "headnodes"))
             for one in rack[ones] if one["note"]]  # fmt: skip
    found += [f"group {group['name']}: {group['error']}" for group in rack["groups"] if group["error"]]
    told = [f"group {group['name']}: {words}" for group in rack["groups"] for words in group["drift"]]
    strays = [f"port {port['id']}: {port['drift']}" for port in rack["ports"]
              if port["drift"] and not any(port["drift"] in words for words in told)]  # fmt: skip
    return [*found, *told, *strays, *rack["rack"][0]["drift"]]


def _wrapped(line: Line, width: int) -> Iterator[Line]:
    """The line in pieces that fit; breaks are at spaces."""
    current: Line = []
    room = width
    for text, style in line:
        for number, word in enumerate(text.split(" ")):
            piece = word if number == 0 else f" {word}"
            if len(piece) > room and current:
                yield current
                current, room, piece = [("    ", "")], width - 4, word
            current.append((clean(piece), style))
            room -= len(piece)
    yield current


# ---- showing it


def plain(line: Line) -> str:
    """The line without colours."""
    return "".join(text for text, _ in line).rstrip()


def _rich(lines: Iterator[Line]) -> "Text":
    from rich.text import Text

    named = {f"group{n}": f"{ink} on {fill}" for n, (fill, ink) in enumerate(picture.COLOURS)} | STYLES
    drawn = Text(no_wrap=True, overflow="crop")
    for line in lines:
        for text, style in line:
            drawn.append(text, named.get(style, ""))
        drawn.append("\n")
    return drawn


def _show(rack: Picture, output: Output, now: float) -> None:
    if output.json:
        output.result(rack)
        return
    with output.writing():
        if not output.terminal:
            print("\n".join(plain(line) for line in draw(rack, PLAIN_WIDTH, now)), file=output.stdout)
            return
        from rich.console import Console

        console = Console(file=output.stdout, highlight=False)
        console.print(_rich(draw(rack, console.width, now)), end="")


def draw_map(session: Session, options: Options) -> int:
    """Draw the rack; with --watch draw it anew whenever something has changed, until Ctrl-C."""
    from nm.shell.feed import Feed
    from nm.shell.lookout import Lookout

    output = session.output
    if options.watch and not (output.terminal or output.json):
        raise Usage(
            "--watch draws on a terminal", "leave it out, or say --json for a document with every change"
        )
    look = Lookout(session)
    look.refresh()
    if not options.watch:
        _show(look.picture, output, session.clock())
        return OK
    session.hush()  # it would write into the drawing, which tells it itself
    feed = Feed(look, now=session.clock)
    feed.start()
    try:
        _watch(feed, session)
    except KeyboardInterrupt:
        pass
    finally:
        feed.stop()
    return INTERRUPTED


def _pictures(feed: "Feed") -> Iterator[Picture]:
    """The picture, and each next one as soon as something has changed."""
    with feed.watching():
        revision, found = feed.current()
        yield found
        yield from (change[1] for change in feed.changes(revision, CHANGE) if change)


def _watch(feed: "Feed", session: Session) -> None:
    if session.output.json:
        for found in _pictures(feed):
            session.output.document(found)
        return
    from rich.console import Console
    from rich.live import Live

    console = Console(file=session.output.stdout, highlight=False)
    with Live(console=console, screen=True, auto_refresh=False) as live:
        for found in _pictures(feed):
            live.update(_rich(draw(found, console.width, session.clock())), refresh=True)
