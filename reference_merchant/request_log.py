"""The log: lines of JSON, one for each request with its route, how it ended and how long it took; nothing that a client wrote.

Card numbers arrive where they should not, and secrets stand in headers. A log that never holds a body, a header
or a query cannot leak them.
"""

from __future__ import annotations

import asyncio
import json
import logging
from datetime import UTC, datetime

from aiohttp import web
from aiohttp.typedefs import Middleware

from .decisions import Decisions
from .errors import Handler, route_of

log = logging.getLogger("reference_merchant.requests")


class JsonLines(logging.Formatter):
    """Each record is `{at, level, logger, message}` in one line, with the request's fields or the traceback, if it has any."""

    def format(self, record: logging.LogRecord) -> str:
        at = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")
        line = {"at": at, "level": record.levelname, "logger": record.name, "message": record.getMessage()}
        if record.exc_info:
            line["traceback"] = self.formatException(record.exc_info)
        return json.dumps(line | getattr(record, "entry", {}))


def request_log(decisions: Decisions) -> Middleware:
    """A middleware that logs `{method, route, status, ms}`; a status of 0 is a client that left."""

    @web.middleware
    async def middleware(request: web.Request, handler: Handler) -> web.StreamResponse:
        began, status = asyncio.get_running_loop().time(), 0
        try:
            response = await handler(request)
            status = response.status
            return response
        except web.HTTPException as redirect:
            status = redirect.status
            raise
        finally:
            took_ms = round((asyncio.get_running_loop().time() - began) * 1000, 1)
            entry = {"method": request.method, "route": route_of(request), "status": status, "ms": took_ms}
            log.info("request", extra={"entry": await decisions.log_entry(entry, request)})

    return middleware
