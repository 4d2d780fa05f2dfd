"""Keeps the picture up to date while somebody looks at it, in one thread, however many look.

The thread asks the daemon; who looks waits for revisions, and sees even while the daemon hangs that it does.
`_changed` guards everything that the threads share.
"""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from nm.shell import lookout, picture
from nm.shell.failures import Failure
from nm.shell.lookout import Lookout
from nm.shell.picture import Picture

FRESH = 60.0  # seconds that a picture is good to begin with: changes follow within a second
LATE = 5.0  # seconds without an answer from the daemon until the picture is called old
PATIENCE = 6.0  # seconds that somebody waits for a first picture: more than LATE
LEAVING = 2.0  # seconds that an answer under way is waited for at the end
SILENT = "no answer from the daemon"


class Feed:
    """The picture and its revision, which grows with every change.

    `look` has looked once. `clock` gives seconds that never go back, `now` those since 1970.
    """

    def __init__(
        self,
        look: Lookout,
        clock: Callable[[], float] = time.monotonic,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._look = look
        self._clock = clock
        self._now = now
        self._changed = threading.Condition()
        self._revision = 1
        self._picture = look.picture
        self._trouble = ""
        self._true_at = now()  # when the daemon last said that the picture is true
        self._whole_at = clock()  # when it was last looked at whole
        self._asking_since: float | None = None
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
        self._thread.join(LEAVING)

    def ask(self) -> None:
        """Begin to look: somebody is about to want a picture."""
        with self._changed:
            self._asked = True
            self._changed.notify_all()

    def current(self) -> tuple[int, Picture]:
        """Revision and picture to begin with: not the newest, perhaps, but at once."""
        self.ask()
        good = self._clock() - FRESH
        with self._changed:
            self._changed.wait_for(lambda: self._stopped or self._trouble or self._whole_at > good, PATIENCE)
            self._notice_silence()
            return self._revision, self._picture

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

    def changes(self, revision: int, seconds: float) -> Iterator[tuple[int, Picture] | None]:
        """Each next revision with its picture, and None when there was none for so long; until the end."""
        while not self._stopped:
            found = self.after(revision, seconds)
            revision = found[0] if found else revision
            yield found

    def after(self, revision: int, seconds: float) -> tuple[int, Picture] | None:
        """The next revision and its picture; None when there is none for so long, or never again."""
        with self._changed:
            self._changed.wait_for(lambda: self._stopped or self._revision != revision, seconds)
            self._notice_silence()
            over = self._stopped or self._revision == revision
            return None if over else (self._revision, self._picture)

    @property
    def stopped(self) -> bool:
        """Whether there will be no more changes."""
        return self._stopped

    # ---- the thread that looks

    def _run(self) -> None:
        pause = 0.0
        try:
            while True:
                with self._changed:
                    self._changed.wait_for(lambda: self._stopped, pause)
                    self._changed.wait_for(lambda: self._stopped or self._asked or self._watchers > 0)
                    if self._stopped:
                        return
                    self._asking_since = self._clock()
                pause = 0.0 if self._tick() else lookout.TICK
        finally:  # without this thread nobody is to wait for a picture
            with self._changed:
                self._stopped = True
                self._changed.notify_all()

    def _tick(self) -> bool:
        """Look once; whether there is more to be asked for at once."""
        changed, trouble = False, ""
        try:
            changed = self._look.tick()
        except Failure as failure:
            trouble = failure.message
        more = self._look.busy and not trouble
        with self._changed:
            self._asking_since = None
            if not trouble:
                self._true_at = self._now()
            if not more:
                self._whole_at = self._clock()
                self._asked = False
            if changed or trouble != self._trouble:
                self._show(self._look.picture, trouble)
            self._changed.notify_all()
        return more

    # ---- with `_changed` held

    def _notice_silence(self) -> None:
        """Say that the picture is old when the daemon has been asked long ago and has not answered."""
        asking = self._asking_since
        if asking is not None and self._clock() - asking >= LATE and not self._trouble:
            self._show(self._picture, SILENT)
            self._changed.notify_all()

    def _show(self, found: Picture, trouble: str) -> None:
        self._trouble = trouble
        self._picture = picture.aged(found, trouble, self._true_at) if trouble else found
        self._revision += 1
