"""File descriptors: as many as there are, not all of them for connections, and few words when they run out."""

import asyncio
import errno
import resource
import sys
from typing import Any

_CONNECTIONS_MAX = 10_000
_WANTED = 65_536
_COMPLAIN_EVERY_S = 10.0


def raise_limit() -> None:
    """Take as many as the system gives this process."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _WANTED if hard == resource.RLIM_INFINITY else hard
    if wanted > soft:
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
        except (ValueError, OSError):
            return  # some systems have a limit that they do not tell of


def connections_max() -> int:
    """How many connections there may be; as many descriptors stay for webhooks, the database and whatever else."""
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return _CONNECTIONS_MAX if soft == resource.RLIM_INFINITY else min(_CONNECTIONS_MAX, soft // 2)


class Complaints:
    """What the event loop has to complain of; that descriptors run out, once in a while and not a thousand times a second."""

    def __init__(self) -> None:
        self._next_at = 0.0

    def __call__(self, loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        if getattr(context.get("exception"), "errno", None) not in (errno.EMFILE, errno.ENFILE):
            loop.default_exception_handler(context)
        elif loop.time() >= self._next_at:
            self._next_at = loop.time() + _COMPLAIN_EVERY_S
            print("gatecrash: out of file descriptors; new connections wait. Raise `ulimit -n`.", file=sys.stderr, flush=True)
