"""`nmctl sf console`: a description in the terminal, live, and its attributes changed. Loaded when asked for.

One thread: it asks the daemon, draws, and waits for keys for as long as what is shown is fresh.
"""

import time
from typing import TYPE_CHECKING, Any

from nm.shell import consoleview, jobs, keyboard
from nm.shell.consoleview import Ask, View
from nm.shell.failures import INTERRUPTED, NOT_FOUND, OK, UNREACHABLE, Failure, Usage
from nm.shell.session import Session
from nm.shell.table import Options

if TYPE_CHECKING:
    from rich.text import Text

FRESH = {True: 0.5, False: 2.0}  # seconds that what is shown is good: while something is at it, else
PATIENCE = 10.0  # seconds without an answer until the picture says that it is old
STYLES = {"bad": "bold red", "good": "green", "moving": "yellow", "dim": "dim", "bold": "bold"}


def console(session: Session, options: Options) -> int:
    """Show the description, from a component or a console of it on, until somebody leaves."""
    import sys

    output = session.output
    view = View(options.name, options.path or "")
    view.take(_asked(session, view))  # what is wrong with it is told here, not on the screen
    if output.json:
        return _documents(session, view)
    if not (output.terminal and sys.stdin.isatty()):
        hint = f"nmctl sf status {options.name} --attributes; or --json for a document with every change"
        raise Usage("a console needs a terminal", hint)
    session.hush()  # it would write into the drawing
    session.timeout = min(session.timeout or PATIENCE, PATIENCE)
    session.close()  # the next connection has that patience
    try:
        with keyboard.opened() as keys:
            _watch(session, view, keys)
    except KeyboardInterrupt:
        return INTERRUPTED
    return OK


def _asked(session: Session, view: View) -> dict[str, Any]:
    answer: dict[str, Any] = session.call("GetComponentTree", view.name, view.wanted())
    return answer


def _documents(session: Session, view: View) -> int:
    """A document now, and with every change."""
    shown: Any = None
    try:
        while True:
            if view.answer != shown:
                session.output.document(view.answer)
                shown = view.answer
            time.sleep(FRESH[True])
            view.take(_asked(session, view))
    except KeyboardInterrupt:
        return INTERRUPTED


class _Screen:
    """What is at it: the view, the job that is followed, and how long what is shown is good."""

    def __init__(self, session: Session, view: View) -> None:
        self.session, self.view = session, view
        self.job: int | None = None
        self._doing = ""  # what the job does, in words
        self._changed = ""  # the attribute that it changes
        self._asked_at = time.monotonic()
        self._wanted = view.wanted()

    @property
    def busy(self) -> bool:
        """Whether something is at it."""
        return self.job is not None or self.view.answer["description"]["job"] is not None

    def refresh(self) -> None:
        """Ask for what is to be seen, when that is due, or something else is to be seen."""
        wanted = self.view.wanted()
        if wanted == self._wanted and time.monotonic() - self._asked_at < FRESH[self.busy]:
            return
        try:
            if self.job is not None:
                self._follow(self.job)
            self.view.take(_asked(self.session, self.view))
            if self._changed and self.job is None:
                self.view.changed(self._changed)
                self._changed = ""
        except Failure as failure:
            if failure.status not in (UNREACHABLE, NOT_FOUND):
                raise
            self.view.trouble = f"what is shown is old: {failure.message}"
        self._asked_at, self._wanted = time.monotonic(), wanted

    def _follow(self, number: int) -> None:
        """How the change stands."""
        job = self.session.call("GetJob", number)
        if job["state"] in jobs.OVER:
            self.job = None
            failed = jobs.trouble(job, self._doing)
            words = failed.message if failed is not None else f"done: {self._doing}"
            self._changed = "" if failed is not None else self._changed
            self.view.say(words, wrong=failed is not None)

    def ask(self, ask: Ask) -> None:
        """Try a change, or do it."""
        try:
            if ask.dry:
                told = self.session.call("DryRun", ask.method, list(ask.arguments))
                self.view.told(ask, told["remarks"])
                self._doing = self.view.said
            else:
                self.job = self.session.call(ask.method, *ask.arguments)
                self._changed = ask.arguments[1].rpartition(":")[2]
                self.view.say(f"job {self.job}: {self._doing}")
        except Failure as failure:
            hint = f"; {failure.hint}" if failure.hint else ""
            self.view.say(f"{failure.message}{hint}", wrong=True)


def _watch(session: Session, view: View, keys: keyboard.Keyboard) -> None:
    from rich.console import Console
    from rich.live import Live

    drawn_on = Console(file=session.output.stdout, highlight=False)
    screen = _Screen(session, view)
    with Live(console=drawn_on, screen=True, auto_refresh=False) as live:
        while not view.over:
            screen.refresh()
            live.update(_rich(view, drawn_on.width, drawn_on.height), refresh=True)
            for key in keys.pressed(FRESH[screen.busy]):
                ask = view.press(key)
                if ask is not None:
                    screen.ask(ask)


def _rich(view: View, width: int, height: int) -> "Text":
    from rich.text import Text

    drawn = Text(no_wrap=True, overflow="crop")
    for number, line in enumerate(consoleview.draw(view, width, height)):
        drawn.append("\n" if number else "")
        for text, style in line:
            drawn.append(text, STYLES.get(style, ""))
    return drawn
