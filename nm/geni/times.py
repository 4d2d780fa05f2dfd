"""Times as GENI writes them: RFC 3339, as text; one without a zone is UTC's. Pure."""

import re
from datetime import UTC, datetime

from nm.errors import Invalid

LATEST = 253370764800  # seconds since 1970: the year 9999

_FORM = re.compile(r"\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d:\d\d(\.\d{1,9})?([Zz]|[+-]\d\d:?\d\d)?", re.ASCII)


def parse(text: str) -> float:
    """Seconds since 1970. Invalid when it is no such time."""
    given = text.strip()
    if len(given) > 40 or not _FORM.fullmatch(given):
        raise _malformed()
    try:
        found = datetime.fromisoformat(given.upper().replace(" ", "T"))
        seconds = (found if found.tzinfo else found.replace(tzinfo=UTC)).timestamp()
    except (ValueError, OverflowError):
        raise _malformed() from None
    if not 0 <= seconds < LATEST:
        raise _malformed()
    return seconds


def render(seconds: float) -> str:
    """That time in UTC, to the second that has begun."""
    return datetime.fromtimestamp(int(seconds), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _malformed() -> Invalid:
    return Invalid("this is no time of RFC 3339", "give it as 2030-12-31T23:59:59Z")
