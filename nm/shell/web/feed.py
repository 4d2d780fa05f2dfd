"""Keeps the picture up to date while somebody looks at it, in one thread, however many look.

`_changed` guards everything that the server's threads share with it.
"""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

from nm.shell import lookout
from nm.shell.failures import Failure
from nm.shell.lookout import Lookout
from nm.shell.picture import Picture

FRESH = 60.0  # seconds that a picture is good to begin with: changes follow within a second, on /live
PATIENCE = 10.0  # seconds that somebody waits for a first picture


class Feed:
    """The picture and its revision, which grows with every change."""

    def __init__(self, look: Lookout) -> None:
        self._look = look
        self._changed = threading.Condition()
        self._revision = 1
        self._looked_at = time.monotonic() if look.picture else -FRESH  # when the picture was true
        self._watchers = 0
        self._asked = False
        self._stopped = False
        self._thread = threading.Thread(target=self._run, name="picture", daemon=True)

    def start(self) -> None:
        """Begin to look, when somebody asks."""
        self._thread.start()

    def stop(self) -> None:
        """Let everybody go."""
        with self._changed:
            self._stopped = True
            self._changed.notify_all()
        self._thread.join(PATIENCE)

    def ask(self) -> None:
        """Begin to look: somebody is about to want a picture."""
        with self._changed:
            self._asked = True
            self._changed.notify_all()

    def current(self) -> tuple[int, Picture]:
        """Revision and picture to begin with: not the newest, perhaps, but at once."""
        self.ask()
        began = time.monotonic()
        with self._changed:
            self._changed.wait_for(lambda: self._stopped or self._looked_at > began - FRESH, PATIENCE)
            return self._revision, self._look.picture

    @contextmanager
    def watching(self) -> Iterator[None]:
        """Around who waits for changes: for so long the picture is kept up to date."""
        with self._changed:
            self._watchers += 1
            self._changed.notify_all()
        try:
            yield
        finally:
            with self._changed:
                self._watchers -= 1

    def after(self, revision: int, seconds: float) -> tuple[int, Picture] | None:
        """The next revision and its picture; None when there is none for so long, or never again."""
        with self._changed:
            self._changed.wait_for(lambda: self._stopped or self._revision != revision, seconds)
            return (
                None if self._stopped or self._revision == revision else (self._revision, self._look.picture)
            )

    @property
    def stopped(self) -> bool:
        """Whether there will be no more changes."""
        return self._stopped

    def _run(self) -> None:
        try:
            while not self._stopped:
                with self._changed:
                    self._changed.wait_for(lambda: self._stopped or self._asked or self._watchers > 0)
                    self._asked = False
                if not self._stopped:
                    self._tick()
                with self._changed:
                    self._changed.wait_for(lambda: self._stopped, lookout.TICK)
        finally:  # without this thread nobody is to wait for a picture
            with self._changed:
                self._stopped = True
                self._changed.notify_all()

    def _tick(self) -> None:
        try:
            changed = self._look.tick() | self._look.trouble("")
        except Failure as failure:
            changed = self._look.trouble(f"{failure.message}; what is shown is of before")
        with self._changed:
            self._looked_at = time.monotonic()
            self._revision += changed
            self._changed.notify_all()
