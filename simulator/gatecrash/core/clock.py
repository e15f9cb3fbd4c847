"""A sandbox's clock. Time itself comes in as an argument; this only says how sandbox time follows it."""

from calendar import monthrange
from datetime import UTC, datetime, timedelta
from typing import Literal

from msgspec import Struct

from gatecrash.core.errors import Refused

Mode = Literal["real", "scaled", "frozen", "auto"]

SECOND = 1_000
MINUTE = 60 * SECOND
HOUR = 60 * MINUTE
DAY = 24 * HOUR

# ten years: the farthest a clock is moved at once where something recurs
LONGEST_JUMP = 3650 * DAY

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
# 9999-12-31T23:59:59.999Z, the last time RFC 3339 can write
_LAST = 253_402_300_799_999


class Clock(Struct, kw_only=True):
    """Sandbox time: `anchor` at real time `since`, going on at `rate` (0 when frozen). All in milliseconds.

    real: rate 1, wherever it was moved to. scaled: any rate. frozen: stands still. auto: real, and jumps to the next timer
    whenever nothing is in flight.
    """

    mode: Mode = "real"
    rate: float = 1.0
    anchor: int
    since: int

    @classmethod
    def at(cls, real_now: int) -> "Clock":
        return cls(anchor=real_now, since=real_now)

    def now(self, real_now: int) -> int:
        if self.mode == "frozen":
            return self.anchor
        return min(_LAST, self.anchor + int(max(0, real_now - self.since) * self.rate))

    def real_delay_s(self, due_at: int, real_now: int) -> float | None:
        """Real seconds until sandbox time `due_at`; None if this clock never gets there by itself."""
        ahead = due_at - self.now(real_now)
        if ahead <= 0:
            return 0.0
        if self.mode == "frozen" or self.rate == 0:
            return None
        return ahead / self.rate / SECOND

    def move_to(self, at: int, real_now: int, param: str = "seconds") -> None:
        """Go on from sandbox time `at`; `param` is the field that asked for it."""
        if not 0 <= at <= _LAST:
            raise Refused(
                "parameter_invalid",
                f"the clock would be at {at} ms since 1970; expected a time in the years 1970 to 9999.",
                param,
            )
        self.anchor, self.since = at, real_now

    def set(self, real_now: int, mode: Mode, now: int | None = None, rate: float | None = None) -> None:
        """Change the mode, from this moment or sandbox time `now` on. A scaled clock without a `rate` keeps the one it had."""
        self.move_to(self.now(real_now) if now is None else now, real_now, "now")
        if mode == "scaled":
            self.rate = rate if rate is not None else self.rate if self.mode == "scaled" else 1.0
        else:
            self.rate = 0.0 if mode == "frozen" else 1.0
        self.mode = mode


def rfc3339(ms: int) -> str:
    """Milliseconds since 1970 → `2026-01-31T12:00:00.000Z`. What lies beyond the year 9999 is written as its last moment."""
    seconds, millis = divmod(min(ms, _LAST), 1000)
    return f"{_second(seconds)}.{millis:03d}Z"


def months_after(anchor: int, months: int) -> int:
    """The same day and time of day so many calendar months later, in UTC; or that month's last day, if it is shorter.

    31 January, 28 February, 31 March: each is counted from the anchor. What lies beyond the year 9999 never comes.
    """
    then = datetime.fromtimestamp(anchor // SECOND, UTC)
    year, month = divmod(then.year * 12 + then.month - 1 + months, 12)
    if year > 9999:
        return _LAST + 1
    day = min(then.day, monthrange(year, month + 1)[1])
    return int(then.replace(year=year, month=month + 1, day=day).timestamp()) * SECOND + anchor % SECOND


_seen: dict[int, str] = {}


def _second(seconds: int) -> str:
    text = _seen.get(seconds)
    if text is None:
        if len(_seen) > 4096:
            _seen.clear()
        text = _seen[seconds] = datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S")
    return text


def parse_rfc3339(text: str, param: str) -> int:
    """`2026-01-31T12:00:00Z` → milliseconds since 1970."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        moment = None
    if moment is None or moment.tzinfo is None:
        raise Refused(
            "parameter_invalid",
            f"{param} was {text[:40]!r}; expected an RFC 3339 time with its offset, such as '2026-01-31T12:00:00Z'.",
            param,
        )
    return (moment - _EPOCH) // timedelta(milliseconds=1)
