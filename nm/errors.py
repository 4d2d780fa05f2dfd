"""The one family of errors: a code, a message, and a hint that says what to do.

The code is the wire contract: it is the XML-RPC fault code and it decides nmctl's exit status.
Every room may raise these; nothing secret may be put into a message or a hint.
"""

import contextlib
from collections.abc import Iterator

LATEST = 6  # times a device's time-out for which it may still be at what was given up


class NMError(Exception):
    """Any failure that nm explains. `code` is the fault code of docs/api.md."""

    code = 104

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message, hint)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message}; {self.hint}" if self.hint else self.message


class UnknownMethod(NMError):
    """No method of that name."""

    code = 100


class WrongArguments(NMError):
    """Too many or too few arguments."""

    code = 101


class Invalid(NMError):
    """An argument of the wrong type, form or meaning."""

    code = 102


class Conflict(NMError):
    """Taken, in use, busy, or in a state that does not allow it."""

    code = 105


class NotFound(NMError):
    """No such thing, or none that the caller may know of."""

    code = 106


class DeviceFailed(NMError):
    """A switch, a host, a disk or a BMC did not do what it was asked.

    `passing` tells whether trying again later makes sense: silence and refused connections pass,
    a command that the device understood and rejected does not.
    """

    code = 107

    def __init__(self, message: str, hint: str = "", *, passing: bool = True) -> None:
        super().__init__(message, hint)
        self.passing = passing


class Unanswered(DeviceFailed):
    """A device was given up while it was at something, which it may yet carry out for `seconds` more.

    `timeout`: the seconds for which it may be silent.
    """

    def __init__(self, message: str, hint: str, timeout: float) -> None:
        super().__init__(message, hint)
        self.seconds = timeout * LATEST


@contextlib.contextmanager
def only_asked() -> Iterator[None]:
    """What is asked in here changes nothing, so it may be carried out as late as it likes."""
    try:
        yield
    except Unanswered as error:
        raise DeviceFailed(error.message, error.hint) from error


class NoPort(DeviceFailed):
    """The device has no such port; so it carries nothing either."""


class Denied(NMError):
    """The caller lacks a right; the message names the caller and the right."""

    code = 108


class LimitReached(NMError):
    """A limit stands in the way now; try later."""

    code = 109
