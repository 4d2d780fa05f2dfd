"""When a group is to end, as descriptions say it: `+30d` from when it is made or changed, or a date. Pure."""

import datetime as dt
import re

from nm.errors import Invalid

UNITS = {"m": 60, "h": 3600, "d": 86400, "w": 7 * 86400}
_SPAN = re.compile(r"\+(\d{1,6})([mhdw])")
HINT = 'write "+12h", "+30d", "2027-01-31" or "2027-01-31T18:00", which is UTC'


def end_of(text: object, now: float) -> int | None:
    """Seconds since 1970; None where nothing is said. Invalid when it has none of the forms."""
    if text is None:
        return None
    if isinstance(text, str) and (span := _SPAN.fullmatch(text)) is not None:
        return int(now) + int(span[1]) * UNITS[span[2]]
    try:
        moment = dt.datetime.fromisoformat(str(text))
        return int((moment if moment.tzinfo else moment.replace(tzinfo=dt.UTC)).timestamp())
    except (ValueError, OverflowError):
        raise Invalid(f"expires: {str(text)[:70]!r} is not a time", HINT) from None
