"""The log: one line an event, as key=value, to stderr, the journal, or a file.

Ground: the daemon sets it up once, after it has become a daemon and before other threads begin.
Every room logs by the standard library (`logging.getLogger(__name__)`, details in `extra`); the
standard library's handler lock keeps lines whole. Lines cannot be forged: whatever does not print is
escaped. Secrets have no business in a log; those that are known are struck out all the same.

Nobody who logs waits for who reads stderr, perhaps a pipe that is full for ever: a thread of its own writes
there.
"""

import io
import logging
import os
import queue
import re
import sys
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import partial
from logging.handlers import QueueHandler
from pathlib import Path
from typing import TextIO

LEVELS = {"debug": logging.DEBUG, "info": logging.INFO, "warning": logging.WARNING, "error": logging.ERROR}
PRIORITIES = ((logging.ERROR, 3), (logging.WARNING, 4), (logging.INFO, 6), (logging.DEBUG, 7))  # syslog's
SHORTEST = 4  # letters; striking out shorter secrets would leave no text
STRUCK = "(secret)"
WAITING = 10_000  # lines in memory that stderr has not taken yet; further ones are lost, and counted
LAST = 1.0  # seconds that the end waits for them

_OWN = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}
_PLAIN = re.compile(r"[A-Za-z0-9_./:@%+,-]+")


class Guard:
    """Strikes known secrets out of text. Threads may share one: it is replaced, never changed."""

    def __init__(self) -> None:
        self._secrets: tuple[str, ...] = ()

    def hide(self, secret: str) -> None:
        """From now on, strike that out."""
        if len(secret) >= SHORTEST and secret not in self._secrets:
            # The longest first, so that none leaves a part of another.
            self._secrets = tuple(sorted({*self._secrets, secret}, key=len, reverse=True))

    def clean(self, text: str) -> str:
        """The text without secrets."""
        for secret in self._secrets:
            text = text.replace(secret, STRUCK)
        return text


class Lines(logging.Formatter):
    """Formats a record as `time=… level=… room=… text="…" key=value`, in one line whatever it holds."""

    def __init__(self, guard: Guard, *, priority: bool = False) -> None:
        super().__init__()
        self._guard = guard
        self._priority = priority

    def format(self, record: logging.LogRecord) -> str:
        """The record's line, without its end."""
        moment = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created))
        words = [
            f"time={moment}.{int(record.msecs):03d}Z",
            f"level={record.levelname.lower()}",
            f"room={self._quote(record.name.removeprefix('nm.'))}",
            "text=" + self._quote(record.getMessage(), always=True),
        ]
        words += self._details(vars(record))
        if record.exc_info:
            words.append("trace=" + self._quote(self.formatException(record.exc_info), always=True))
        line = " ".join(words)
        return f"<{_priority(record.levelno)}>{line}" if self._priority else line

    def _details(self, values: Mapping[str, object]) -> list[str]:
        return [f"{name}={self._quote(str(value))}" for name, value in values.items() if name not in _OWN]

    def _quote(self, text: str, *, always: bool = False) -> str:
        """The text without secrets, in quotes where it needs them; what does not print is escaped."""
        text = self._guard.clean(text)
        if not always and _PLAIN.fullmatch(text):
            return text
        return '"' + "".join(_escaped(sign) for sign in text) + '"'


class Patient(QueueHandler):
    """Hands lines to a thread that writes them. How many were lost is told as soon as there is room."""

    def __init__(self, write: Callable[[str], object]) -> None:
        self._ways: queue.Queue[str | None] = queue.Queue(WAITING)
        super().__init__(self._ways)
        self._write = write
        self._lost = 0
        self._thread = threading.Thread(target=self._hand_on, name="log", daemon=True)
        self._thread.start()

    def prepare(self, record: logging.LogRecord) -> str:
        """The record's line: secrets are struck out before it waits anywhere."""
        return self.format(record)

    def enqueue(self, line: str) -> None:  # type: ignore[override]
        """Let the line be written, or count it. Called under the handler's lock."""
        with suppress(queue.Full):
            self._tell_lost()
            self._ways.put_nowait(line)
            return
        self._lost += 1

    def _tell_lost(self, patience: float = 0) -> None:
        if self._lost:
            text = "lines were lost: nobody read them in time"
            record = logging.LogRecord("nm.logs", logging.WARNING, __file__, 0, text, None, None)
            vars(record).update(lost=self._lost)
            self._ways.put(self.format(record), timeout=patience)
            self._lost = 0

    def _hand_on(self) -> None:
        while (line := self._ways.get()) is not None:
            with suppress(OSError, ValueError):  # a stderr that is closed
                self._write(f"{line}\n")

    def close(self) -> None:
        """Give what still waits a moment."""
        with suppress(queue.Full):
            self._tell_lost(LAST)
            self._ways.put(None, timeout=LAST)
        self._thread.join(LAST)
        super().close()


def _writer(stream: TextIO) -> Callable[[str], object]:
    """What writes there, past Python's buffer: its flush at the end would wait for a full pipe."""
    try:
        return partial(_write_whole, stream.fileno())
    except (OSError, ValueError):
        return stream.write


def _write_whole(descriptor: int, text: str) -> None:
    left = text.encode(errors="backslashreplace")
    while left:
        left = left[os.write(descriptor, left) :]


class LogFile(logging.FileHandler):
    """A log file that can be opened anew, for those who rotate it."""

    def __init__(self, path: str) -> None:
        self._stale = False
        super().__init__(path, encoding="utf-8", errors="backslashreplace")

    def reopen(self) -> None:
        """Open the file anew before the next line. May be called by a signal's handler."""
        self._stale = True

    def emit(self, record: logging.LogRecord) -> None:
        """Write the record's line."""
        if self._stale:
            self._stale = False
            self._renew()
        super().emit(record)

    def _renew(self) -> None:
        """Go over to the file that has the name now; stay with the old one when that cannot be opened."""
        try:
            new = self._open()
        except OSError as error:
            text = f"the log file cannot be opened anew: {error.strerror}"
            super().emit(logging.LogRecord(__name__, logging.ERROR, __file__, 0, text, None, None))
        else:
            old = self.setStream(new)
            if old is not None:
                old.close()

    def _open(self) -> io.TextIOWrapper:
        return open(self.baseFilename, "a", encoding=self.encoding, errors=self.errors, opener=_open_private)


def _open_private(path: str, flags: int) -> int:
    """Open a file that its group may read and others not, and that is no link."""
    return os.open(path, flags | os.O_NOFOLLOW, 0o640)


class Log:
    """The log as it was set up; what the daemon's signals work on."""

    def __init__(self, handler: logging.Handler, guard: Guard) -> None:
        self.guard = guard
        self._handler = handler

    def set_level(self, level: str) -> None:
        """Log our own rooms' lines from this level on: debug, info, warning or error."""
        logging.getLogger("nm").setLevel(LEVELS[level])

    def reopen(self) -> None:
        """Open the file anew, if it is one."""
        if isinstance(self._handler, LogFile):
            self._handler.reopen()

    def close(self) -> None:
        """Log no more."""
        logging.captureWarnings(False)
        logging.getLogger().removeHandler(self._handler)
        self._handler.close()


def start(file: str = "", level: str = "info") -> Log:
    """Log to that file, its folder made when absent, or (empty) to stderr.

    OSError when the file cannot be opened.
    """
    guard = Guard()
    handler: logging.Handler
    if file:
        Path(file).parent.mkdir(mode=0o750, parents=True, exist_ok=True)
        handler = LogFile(file)
    else:
        handler = Patient(_writer(sys.stderr))
    handler.setFormatter(Lines(guard, priority=not file and _is_journal()))
    logging.getLogger().addHandler(handler)
    logging.captureWarnings(True)
    log = Log(handler, guard)
    log.set_level(level)
    return log


def _is_journal() -> bool:
    """Whether stderr leads to systemd's journal, which takes a priority in front of each line."""
    try:
        status = os.fstat(sys.stderr.fileno())
    except (OSError, ValueError):
        return False
    return os.environ.get("JOURNAL_STREAM") == f"{status.st_dev}:{status.st_ino}"


def _priority(level: int) -> int:
    return next((priority for least, priority in PRIORITIES if level >= least), PRIORITIES[-1][1])


def _escaped(sign: str) -> str:
    if sign in '"\\':
        return "\\" + sign
    if sign == "\n":
        return "\\n"
    if sign.isprintable():
        return sign
    return f"\\u{ord(sign):04x}" if ord(sign) < 0x10000 else f"\\U{ord(sign):08x}"
