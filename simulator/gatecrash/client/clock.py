"""A sandbox's time."""

from datetime import UTC, datetime, timedelta

from gatecrash.client.call import Calls, Json, given

__tracebackhide__ = True  # pytest shows the line of the test instead

# every timer on the way is run before the answer comes, attempts at endpoints that never answer included
_ADVANCE_WITHIN_S = 600.0


class Clock:
    """The clock of one sandbox. Each method answers `{mode, now, rate, next_timer_at}`."""

    def __init__(self, calls: Calls) -> None:
        self._calls = calls

    def show(self) -> Json:
        clock: Json = self._calls.call("GET", "/_gatecrash/clock")
        return clock

    def freeze(self, now: datetime | str | None = None) -> Json:
        """Time stands still, at `now` (RFC 3339 or a datetime) if it is given, until it is moved."""
        return self._set(mode="frozen", now=now)

    def advance(self, seconds: float | timedelta) -> Json:
        """Move time on, doing in order all that falls due on the way, webhooks included; `timers_fired` says how many."""
        seconds = seconds.total_seconds() if isinstance(seconds, timedelta) else seconds
        moved: Json = self._calls.call("POST", "/_gatecrash/clock/advance", {"seconds": seconds}, timeout_s=_ADVANCE_WITHIN_S)
        return moved

    def stop(self) -> Json:
        """Stop the call that is moving time, if there is one: it raises, and the clock stays as far as it came."""
        stopped: Json = self._calls.call("DELETE", "/_gatecrash/clock/advance")
        return stopped

    def scale(self, rate: float) -> Json:
        """Time runs `rate` times as fast as real time."""
        return self._set(mode="scaled", rate=rate)

    def auto(self) -> Json:
        """Whenever nothing is in flight, time jumps to the next timer."""
        return self._set(mode="auto")

    def real(self, now: datetime | str | None = None) -> Json:
        """Time runs as it does outside."""
        return self._set(mode="real", now=now)

    def _set(self, mode: str, now: datetime | str | None = None, rate: float | None = None) -> Json:
        clock: Json = self._calls.call("POST", "/_gatecrash/clock", given(mode=mode, now=_rfc3339(now), rate=rate))
        return clock


def _rfc3339(time: datetime | str | None) -> str | None:
    if not isinstance(time, datetime):
        return time
    if time.tzinfo is None:
        raise ValueError(f"now was {time.isoformat()}, without a time zone; give datetime(…, tzinfo=UTC), say.")
    return time.astimezone(UTC).isoformat().replace("+00:00", "Z")
