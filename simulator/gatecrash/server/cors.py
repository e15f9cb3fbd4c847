"""What pages of any origin may send and read: the calls of dialect routes with `cors`, which carry a key and never a cookie."""

import re
from collections.abc import Mapping

from aiohttp import web

_HEADERS = ("Authorization", "Content-Type", "Idempotency-Key")
# headers of this name are control powers, which no page from elsewhere has (`guard`)
_CONTROL = "gatecrash-"
# without the `*` that names may hold: alone it would allow all headers
_NAME = re.compile(r"[!#$%&'+.^_`|~0-9A-Za-z-]{1,100}")
_NAMES_MAX = 50


def add_cors(response: web.StreamResponse, origin: str | None) -> None:
    """Let a page of any origin read the answer."""
    if origin:
        response.headers["Access-Control-Allow-Origin"] = origin
        response.headers["Access-Control-Expose-Headers"] = "Request-Id, Idempotent-Replayed, Retry-After"
        response.headers["Vary"] = "Origin"


def preflight(asked: Mapping[str, str]) -> dict[str, str]:
    """The headers that answer a preflight with the headers `asked`.

    A page may add any header but those of control: tracers add `traceparent`, `baggage`, `sentry-trace` and many others.
    """
    wanted = [name.strip() for name in asked.get("Access-Control-Request-Headers", "").split(",")]
    listed = {name.lower() for name in _HEADERS}
    added = [name for name in wanted if _NAME.fullmatch(name) and not name.lower().startswith(_CONTROL)]
    names = [*_HEADERS, *dict.fromkeys(name for name in added if name.lower() not in listed)]
    return {
        "Access-Control-Allow-Methods": "POST, OPTIONS",
        "Access-Control-Allow-Headers": ", ".join(names[:_NAMES_MAX]),
        "Access-Control-Max-Age": "600",
    }
