"""Whether a library of green threads has put its own in the place of threads and sockets: gevent or eventlet."""

import sys
from typing import Any


def patched_by() -> str | None:
    """`gevent` or `eventlet`, once its monkey patch has replaced threads, sockets or select; else None. Imports neither.

    A gateway cannot live in a thread then: its thread would be a green one, and its event loop would keep all others waiting.
    """
    gevent: Any = sys.modules.get("gevent.monkey")
    if gevent is not None and any(map(gevent.is_module_patched, ("thread", "threading", "socket", "select"))):
        return "gevent"
    eventlet: Any = sys.modules.get("eventlet.patcher")
    if eventlet is not None and any(map(eventlet.is_monkey_patched, ("thread", "socket", "select"))):
        return "eventlet"
    return None
