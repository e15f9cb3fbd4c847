"""Retry-After (RFC 9110 §10.2.3), in both its forms: a number of seconds, or a date."""

from datetime import UTC
from email.utils import parsedate_to_datetime

# nobody who asks for more than this means it
_LONGEST_S = 10_000_000


def seconds(value: str | None, real_now: int) -> float | None:
    """How long to wait, from `real_now` (milliseconds) on; None if nothing was said that can be understood."""
    if value is None or not value.isascii():
        return None
    waits = float(value) if value.isdigit() and len(value) < 12 else _until(value, real_now)
    return waits if waits is not None and 0 <= waits < _LONGEST_S else None


def _until(date: str, real_now: int) -> float | None:
    try:
        moment = parsedate_to_datetime(date)
    except (ValueError, OverflowError):
        return None
    # the oldest of the three ways to write it names no zone; all of them mean UTC
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp() - real_now / 1000
