"""Times as people write and read them. Pure: the time and the zone are arguments."""

import datetime as dt
import re

from nm.shell.failures import Usage

UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 7 * 86400}
LAST = 253_402_300_799  # the end of the year 9999
_SPAN = re.compile(r"(\d+)([smhdw])")
_FORMS = "write +2h, +3d, +1d12h, 2027-01-31, 2027-01-31T18:00, seconds since 1970, or never"


def when(text: str, now: float, zone: dt.tzinfo | None = None) -> int | None:
    """Seconds since 1970 of `text`: from now (+2h), a date or time of that zone (None: local), or never."""
    if text == "never":
        return None
    moment = _moment(text, now, zone)
    if moment is None:
        raise Usage(f"{text!r} is not a time", _FORMS)
    if not now < moment <= LAST:
        raise Usage(f"{text} is {'in the past' if moment <= now else 'after the year 9999'}", _FORMS)
    return moment


def past(text: str, now: float, zone: dt.tzinfo | None = None) -> int:
    """Seconds since 1970 of a time that is over: 2h (ago), -2h, or a date or time of that zone."""
    ago = span(text.removeprefix("-"))
    moment = int(now) - ago if ago is not None else _moment(text, now, zone)
    if moment is None or moment > now:
        raise Usage(f"{text!r} is not a time that is over", "write 2h, 2027-01-31 or seconds since 1970")
    return moment


def _moment(text: str, now: float, zone: dt.tzinfo | None) -> int | None:
    """Seconds since 1970; None when the text has none of the forms."""
    if text[:1] in ("+", "-") and (seconds := span(text[1:])) is not None:
        return int(now) + (seconds if text[0] == "+" else -seconds)
    try:
        if (digits := text.removeprefix("-")).isascii() and digits.isdigit():
            return int(text)
        moment = dt.datetime.fromisoformat(text)
        if moment.tzinfo is None:
            moment = moment.replace(tzinfo=zone) if zone else moment.astimezone()
        return int(moment.timestamp())
    except (ValueError, OverflowError):
        return None


def span(text: str) -> int | None:
    """Seconds in a span such as 90m or 1d12h; None when it is none."""
    found = _SPAN.findall(text)
    if not found or "".join(number + unit for number, unit in found) != text:
        return None
    return sum(int(number) * UNITS[unit] for number, unit in found)


def human(moment: float | None, now: float, zone: dt.tzinfo | None = None) -> str:
    """The time in the zone (None: local), and how far from now it is, as `2026-11-23 18:00 (in 2d)`."""
    if moment is None:
        return "never"
    try:
        local = dt.datetime.fromtimestamp(moment, dt.UTC).astimezone(zone)
    except (ValueError, OverflowError, OSError):
        return str(moment)
    return f"{local:%Y-%m-%d %H:%M} ({distance(moment - now)})"


def of_day(moment: float, now: float, zone: dt.tzinfo | None = None) -> str:
    """The time of day in the zone (None: local); of another day than now's with its date."""
    local, today = (dt.datetime.fromtimestamp(one, dt.UTC).astimezone(zone) for one in (moment, now))
    return f"{local:%H:%M:%S}" if local.date() == today.date() else f"{local:%Y-%m-%d %H:%M:%S}"


def distance(seconds: float) -> str:
    """How far a time is from now, as `in 2d` or `5m ago`."""
    if -1 < seconds < 1:
        return "now"
    text = length(abs(seconds))
    return f"in {text}" if seconds > 0 else f"{text} ago"


def length(seconds: float) -> str:
    """A span with its two largest units, as `1d12h` or `3.2s`."""
    if seconds < 10:
        return f"{seconds:.1f}s"
    for large, small in (("d", "h"), ("h", "m"), ("m", "s")):
        count, rest = divmod(round(seconds / UNITS[small]), UNITS[large] // UNITS[small])
        if count:
            return f"{count}{large}{rest}{small}" if rest else f"{count}{large}"
    return f"{round(seconds)}s"


def clock_time(moment: float, zone: dt.tzinfo | None = None) -> str:
    """The time in the zone (None: local) to the second."""
    return f"{dt.datetime.fromtimestamp(moment, dt.UTC).astimezone(zone):%Y-%m-%d %H:%M:%S}"
