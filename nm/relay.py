"""A session that runs as long as its connection: who waits for both, and passes on what a terminal says.

Of nm-enter alone (nm/enter.py): standard library only, quick to load.
"""

import contextlib
import errno
import fcntl
import os
import select
import signal
import termios
import tty
from collections.abc import Callable, Iterator, Sequence
from functools import partial

CHUNK = 1 << 16  # bytes that are passed on at once
PATIENCE = 2.0  # seconds for a session to end by itself
HURRY = (signal.SIGHUP, signal.SIGTERM, signal.SIGINT)


class Pump:
    """Passes bytes on from one descriptor to another; no more are read than the other takes."""

    def __init__(self, source: int, sink: int) -> None:
        self.source, self.sink = source, sink
        self._left = b""
        self.open = True

    def wants(self) -> tuple[int, int]:
        """The descriptor to poll, and for what."""
        return (self.sink, select.POLLOUT) if self._left else (self.source, select.POLLIN)

    def move(self) -> bool:
        """One step; whether there was one to make."""
        try:
            if not self._left:
                self._left = os.read(self.source, CHUNK)
                self.open = bool(self._left)
            written = os.write(self.sink, self._left) if self._left else 0
        except BlockingIOError:
            return False
        except OSError as error:
            if error.errno not in (errno.EIO, errno.EPIPE):
                raise
            self.open = False  # a terminal's other end is closed
            return False
        self._left = self._left[written:]
        return self.open

    @property
    def waits(self) -> bool:
        """Whether something is left that was read."""
        return bool(self._left)


class Session:
    """The first process of a session, and the connection that it is for (a pidfd).

    `group`: that process leads a process group of its own, all of which ends with the connection.
    """

    def __init__(self, child: int, connection: int, group: bool) -> None:
        self._child = child
        self._ended = os.pidfd_open(child)
        self._connection = connection
        self._end = os.killpg if group else os.kill
        self._wakes, wake = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        signal.set_wakeup_fd(wake)
        for number in (*HURRY, signal.SIGWINCH):
            signal.signal(number, lambda *_: None)

    def wait(self) -> int:
        """Until it ends, or the connection does: its exit status, as a shell says it."""
        self._until_over((), lambda: None)
        return self._status()

    def relay(self, terminal: int, master: int) -> int:
        """The same, while two terminals pass on to each other what is said."""
        pumps = (Pump(terminal, master), Pump(master, terminal))
        resize = partial(follow_size, terminal, master)
        with raw(terminal), nonblocking(terminal, master):
            resize()
            self._until_over(pumps, resize)
            if self._is_over():
                self._drain(pumps[1])
        os.close(master)  # whoever is still at that terminal is told so by the kernel
        return self._status()

    def _until_over(self, pumps: Sequence[Pump], resize: Callable[[], None]) -> None:
        while True:
            poll = select.poll()
            for descriptor in (self._ended, self._connection, self._wakes):
                poll.register(descriptor, select.POLLIN)
            for descriptor, events in _wanted(pumps).items():
                poll.register(descriptor, events)
            ready = {descriptor for descriptor, _ in poll.poll()}
            for pump in pumps:
                if pump.open and pump.wants()[0] in ready:
                    pump.move()
            if ready & {self._ended, self._connection}:
                return
            if self._wakes in ready:
                if not set(os.read(self._wakes, CHUNK)).isdisjoint(HURRY):
                    return
                resize()

    def _drain(self, pump: Pump) -> None:
        """The last words are passed on, as long as there is somebody to read them."""
        while pump.move() or pump.waits:
            if not pump.open:
                return
            poll = select.poll()
            poll.register(self._connection, select.POLLIN)
            if pump.waits:
                poll.register(pump.sink, select.POLLOUT)
            if self._connection in dict(poll.poll(None if pump.waits else 0)):
                return

    def _is_over(self) -> bool:
        """Whether the process has ended."""
        return bool(select.select([self._ended], [], [], 0.0)[0])

    def _status(self) -> int:
        """Ends it, if it has not ended by itself."""
        patience = {signal.SIGHUP: PATIENCE, signal.SIGTERM: PATIENCE, signal.SIGKILL: None}
        for number, seconds in patience.items():
            if self._is_over():
                break
            with contextlib.suppress(ProcessLookupError):
                self._end(self._child, number)
            select.select([self._ended], [], [], seconds)
        code = os.waitstatus_to_exitcode(os.waitpid(self._child, 0)[1])
        return code if code >= 0 else 128 - code


def _wanted(pumps: Sequence[Pump]) -> dict[int, int]:
    """What pumps wait for, by descriptor."""
    found: dict[int, int] = {}
    for descriptor, events in (pump.wants() for pump in pumps if pump.open):
        found[descriptor] = found.get(descriptor, 0) | events
    return found


@contextlib.contextmanager
def raw(terminal: int) -> Iterator[None]:
    """Every key is passed on, ctrl-C too: the other terminal knows what it means."""
    before = termios.tcgetattr(terminal)
    tty.setraw(terminal, termios.TCSADRAIN)  # what was typed before counts
    try:
        yield
    finally:
        with contextlib.suppress(termios.error):  # it is gone
            termios.tcsetattr(terminal, termios.TCSADRAIN, before)


@contextlib.contextmanager
def nonblocking(*descriptors: int) -> Iterator[None]:
    """So that nobody who does not read holds up the other way."""
    for descriptor in descriptors:
        os.set_blocking(descriptor, False)
    try:
        yield
    finally:
        for descriptor in descriptors:
            os.set_blocking(descriptor, True)


def follow_size(terminal: int, master: int) -> None:
    """Let the one have the other's rows and columns."""
    with contextlib.suppress(OSError):
        fcntl.ioctl(master, termios.TIOCSWINSZ, fcntl.ioctl(terminal, termios.TIOCGWINSZ, bytes(8)))
