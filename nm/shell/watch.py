"""Events as they happen: `nmctl watch`, and `nmctl events`.

The daemon is asked once a second. One event a line, or with --json one document a line; Ctrl-C ends it.
"""

import time
from collections.abc import Callable, Mapping
from typing import Any

from nm.shell import columns, times
from nm.shell.failures import INTERRUPTED
from nm.shell.output import Line
from nm.shell.run import show_answer
from nm.shell.session import Session
from nm.shell.table import Command, Options

PAGE = 1000  # events that one call asks for
PAUSE = 1.0  # seconds between two looks at the events

STYLES = {
    "red": ("error", "failed", "drift", "debt", "ends held back"),
    "green": ("deployed", "gone", "released", "drift gone"),
    "yellow": ("expired", "destroy called", "removed", "unregistered"),
}
_STYLE_OF = {what: style for style, words in STYLES.items() for what in words}

Event = Mapping[str, Any]


def events(session: Session, _command: Command, options: Options) -> int:
    """List events; with --follow go on until Ctrl-C."""
    last = max(0, newest_event(session) - options.limit) if options.after is None else options.after
    if options.follow:
        return follow(session, last, lambda _event: True)
    return show_answer(session, _after(session, last, options.limit), columns.listed("events"), options)


def watch(session: Session, _command: Command, options: Options) -> int:
    """Follow events from now on, or from a time on; those of one group when it is named."""
    if not {"admin", "spy"} & set(session.call("WhoAmI")["rights"]):
        session.output.note("you see what happens to your own groups")
    subject = f"group {options.group}"
    since = options.since
    last = newest_event(session) if since is None else 0
    return follow(
        session,
        last,
        lambda event: (
            (options.group is None or event["subject"] == subject)
            and (since is None or bool(event["time"] >= since))
        ),
    )


def follow(session: Session, last: int, wanted: Callable[[Event], bool]) -> int:
    """Tell the events behind that id as they come, until Ctrl-C."""
    try:
        while True:
            for event in _after(session, last, PAGE):
                last = event["id"]
                if wanted(event):
                    _tell(session, event)
            time.sleep(PAUSE)
    except KeyboardInterrupt:
        return INTERRUPTED


def _after(session: Session, after: int, limit: int) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    while len(found) < limit:
        page = session.call("GetEvents", after, min(PAGE, limit - len(found)))
        found.extend(page)
        if not page or len(page) < PAGE:
            break
        after = page[-1]["id"]
    return found


def newest_event(session: Session) -> int:
    """The id of the newest event, found with few calls: double until there is none, then halve."""
    low, high = 0, 1
    while session.call("GetEvents", high, 1):
        low, high = high, high * 2
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if session.call("GetEvents", middle, 1) else (low, middle)
    return high


def _tell(session: Session, event: Event) -> None:
    if session.output.json:
        session.output.document(event)
        return
    moment = times.clock_time(event["time"])
    words = (str(event.get(name, "")) for name in ("who", "subject", "what", "detail"))
    said = "  ".join((str(event["id"]), moment, *words)).rstrip()
    session.output.show([Line(said, _STYLE_OF.get(str(event.get("what")), ""))])
    session.output.stdout.flush()
