"""A clock that stands until it is moved: the gateway's real time, in a test's hands."""

# 2026-01-31T12:00:00Z
NOON = 1_769_860_800_000


class ManualClock:
    """Call it for the time in milliseconds. Moving it wakes no timer by itself: `Client.advance` runs what falls due."""

    def __init__(self, at: int = NOON) -> None:
        self.at = at

    def __call__(self) -> int:
        return self.at

    def advance(self, seconds: float) -> None:
        self.at += round(seconds * 1000)
