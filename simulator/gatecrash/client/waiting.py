"""Waiting for a condition, and saying what was seen instead when it does not come about."""

import contextlib
import inspect
import time
from collections.abc import Callable, Sequence
from typing import Any

from gatecrash.client.call import Json
from gatecrash.client.errors import WaitTimeout
from gatecrash.client.lines import lines

__tracebackhide__ = True  # pytest shows the line of the test instead

# how long between two looks: the shortest after something happened, the longest while nothing does
_PAUSES_S = (0.002, 0.05)
_SHOWN = 12
_READS = (".get", ".list")


class Patience:
    """One wait: `pause` says how long until the next look, or raises WaitTimeout when time is up."""

    def __init__(self, condition: Callable[..., Any] | str, timeout: float) -> None:
        if timeout < 0:
            raise ValueError(f"timeout was {timeout}; expected seconds, 0 or more.")
        self._what = condition if isinstance(condition, str) else described(condition)
        self._timeout = timeout
        self._give_up_at = time.monotonic() + timeout
        self._pause_s = _PAUSES_S[0]
        self._journal: list[Json] = []
        # the number of the last entry of the journal that was looked at
        self.heard = 0

    def pause(self, gave: Any, news: Sequence[Json]) -> float:
        """`gave`: what the condition came to; `news`: what the journal has got since `heard`."""
        # looking is itself in the journal, and no news
        happened = [entry for entry in news if not str(entry.get("operation", "")).endswith(_READS)]
        self._journal = [*self._journal, *happened]
        self.heard = int(news[-1]["seq"]) if news else self.heard
        left_s = self._give_up_at - time.monotonic()
        if left_s <= 0:
            seen = "".join(f"\n  {text}" for text in lines(self._journal, _SHOWN)) or " nothing"
            raise WaitTimeout(
                f"waited {self._timeout:g} s for {self._what}; it last gave {_short(gave)}. "
                f"Reads left out, the journal has:{seen}"
            )
        self._pause_s = _PAUSES_S[0] if happened else min(self._pause_s * 1.5, _PAUSES_S[1])
        return min(self._pause_s, left_s)


def described(condition: Callable[..., Any]) -> str:
    """A function by its name, a lambda by its source."""
    name = getattr(condition, "__name__", None) or repr(condition)
    if name == "<lambda>":
        with contextlib.suppress(OSError, TypeError):
            name = "`" + " ".join(inspect.getsource(condition).split()) + "`"
    return name


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 200 else text[:200] + "…"
