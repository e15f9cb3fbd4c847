"""What the shop takes from outside: the time and fresh ids. Nothing else reads a clock or is random."""

from __future__ import annotations

import secrets
import time
from typing import Protocol


class Clock(Protocol):
    """Tells the time that is compared with the gateway's: webhook timestamps, the age of keys."""

    async def now(self) -> float:
        """Unix seconds."""
        ...


class Ids(Protocol):
    """Makes ids that are never repeated, also not after a restart over the same database."""

    def __call__(self, prefix: str) -> str:
        """`PREFIX_…`, at most 64 characters."""
        ...


class WallClock:
    """The machine's clock: what a shop in production uses."""

    async def now(self) -> float:
        """Unix seconds."""
        return time.time()


def random_ids(prefix: str) -> str:
    """Ids that nobody can guess."""
    return f"{prefix}_{secrets.token_hex(12)}"
