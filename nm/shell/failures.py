"""How nmctl fails: a message, a hint, and an exit status that scripts can rely on.

Every file of the shell may raise these. Exit statuses are nmctl's promise: do not renumber them.
"""

from nm.shell import wording

OK = 0
GENERAL = 1
USAGE = 2
CONFIG = 3
DENIED = 4
NOT_FOUND = 5
CONFLICT = 6
DEVICE = 7
UNREACHABLE = 8
PARTIAL = 9
INTERRUPTED = 130

STATUS_OF_FAULT = {
    100: GENERAL,  # unknown method: another version of the daemon
    101: USAGE,
    102: USAGE,
    104: GENERAL,
    105: CONFLICT,
    106: NOT_FOUND,
    107: DEVICE,
    108: DENIED,
    109: CONFLICT,  # a limit: try later, as with busy
}
UNKNOWN_METHOD = 100
INVALID_CODE, CONFLICT_CODE, MISSING_CODE = 102, 105, 106  # what nmctl finds itself, as the API would say it
LIMIT = 109


class Failure(Exception):
    """Why a command failed.

    `code` is what `--json` tells: the API's fault code, or the exit status when nmctl itself failed.
    """

    def __init__(self, message: str, hint: str = "", status: int = GENERAL, code: int | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.status = status
        self.code = status if code is None else code


class Usage(Failure):
    """The command line is not one that nmctl understands."""

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message, hint, USAGE)


def of_fault(code: int, text: str) -> Failure:
    """The failure that a fault of the API means. Its text is the message, a semicolon, the hint."""
    message, _, hint = text.partition("; ")
    return Failure(message, wording.spoken(hint), STATUS_OF_FAULT.get(code, GENERAL), code)
