"""What the shop takes from outside: the time and fresh ids. Nothing else reads a clock or is random."""

from __future__ import annotations

import secrets
from collections.abc import Callable

#: Unix seconds. Webhook timestamps are judged by it; pauses are on the event loop's time instead.
Clock = Callable[[], float]
#: From a prefix to `PREFIX_…`, at most 64 characters, never the same twice, also not after a restart.
Ids = Callable[[str], str]


def random_ids(prefix: str) -> str:
    """Ids that nobody can guess."""
    return f"{prefix}_{secrets.token_hex(12)}"
