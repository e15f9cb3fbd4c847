"""The HTTP edge: aiohttp's low-level server, with our shape for its own errors and a word when a client leaves."""

import asyncio
import socket
from collections.abc import Awaitable, Callable
from typing import Any

from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError
from aiohttp.web_protocol import RequestHandler

from gatecrash.core.errors import Refused
from gatecrash.dialects.interface import Answer
from gatecrash.dialects.native.errors import problem
from gatecrash.sockets import reset_on_close

Handler = Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]


class _Connection(RequestHandler):
    """aiohttp's connection, except that what it cannot parse is answered as a problem, and nothing is logged for it."""

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        if request.writer.output_size > 0:
            raise ConnectionError("an answer was under way already")
        if status == 500:
            self.log_exception("unhandled error", exc_info=exc)
            refused = Refused(
                "internal_error",
                "the gateway failed on this request; its log says more. Retry with the same key.",
            )
        else:
            reason = (getattr(exc, "message", None) if isinstance(exc, HttpProcessingError) else None) or message or "unreadable"
            first_line = str(reason).strip().partition("\n")[0].rstrip(":")[:100]
            refused = Refused("http_malformed", f"this is not an HTTP/1.1 request: {first_line}; send a well-formed one.")
        # what is no request has no id: there is nothing to find again
        response = to_response(problem(refused, "req_unparsed", status=status))
        response.force_close()
        return response


class HttpServer(web.Server):
    """Serves one handler; `when_gone` tells when the client of a request has left."""

    def __init__(self, handler: Handler) -> None:
        super().__init__(handler, access_log=None, keepalive_timeout=75.0, lingering_time=1.0)
        self._leaving: dict[Any, asyncio.Event] = {}

    def __call__(self) -> RequestHandler:
        return _Connection(self, loop=self._loop, **self._kwargs)

    def when_gone(self, request: web.BaseRequest, left: asyncio.Event) -> None:
        """Have `left` set when the connection of `request` is lost."""
        if request.transport is None:
            left.set()
        else:
            self._leaving[request.protocol] = left

    def forget(self, request: web.BaseRequest) -> None:
        self._leaving.pop(request.protocol, None)

    def connection_lost(self, handler: RequestHandler, exc: BaseException | None = None) -> None:
        left = self._leaving.pop(handler, None)
        if left is not None:
            left.set()
        super().connection_lost(handler, exc)


class NoAnswer(web.StreamResponse):
    """Stands for an answer where aiohttp is to send none: it went out already, or the connection is broken."""

    def __init__(self, *, keep_alive: bool = False) -> None:
        super().__init__()
        self._keep_alive = keep_alive

    async def prepare(self, request: web.BaseRequest) -> None:
        return None

    async def write_eof(self, data: bytes = b"") -> None:
        return None


def to_response(answer: Answer) -> web.Response:
    return web.Response(
        status=answer.status,
        body=answer.body,
        headers={"Content-Type": answer.content_type, **answer.headers},
    )


def break_connection(transport: asyncio.Transport | None, *, reset: bool) -> None:
    """Break it now: RST when `reset`, else FIN after what was written."""
    if transport is None or transport.is_closing():
        return
    if not reset:
        transport.close()
        return
    sock = transport.get_extra_info("socket")
    if sock is not None and sock.family in (socket.AF_INET, socket.AF_INET6):
        reset_on_close(sock)
    transport.abort()
