"""The HTTP edge: aiohttp's low-level server, with our shape for its own errors, a word when a client leaves, and limits.

Lines and header fields are at most 8 KiB, headers at most 128 (aiohttp's own limits), bodies 1 MiB (`bodies`). A request has to
arrive whole within a time, and an answer to be read within a time. The number of connections is limited, and so are the bytes
that slow clients have the gateway keep.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import Any, cast

from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError
from aiohttp.streams import StreamReader
from aiohttp.web_protocol import RequestHandler

from gatecrash.core.errors import Refused
from gatecrash.dialects.interface import Answer
from gatecrash.sockets import reset_connection

# how many bytes of its answers a connection may leave unread before they count, and have to be read in time
_UNREAD_MOST = 16 * 1024
# and how many bytes all slow connections together may have
_BYTES_MOST = 128 * 1024 * 1024
# how long a connection may be idle
_IDLE_S = 75.0

Handler = Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]
# a refusal → the answer; None where there is no request yet
Refuse = Callable[[Refused, web.BaseRequest | None], web.Response]


class Capacity:
    """What clients may take of the gateway at once, over all ports: connections, and bytes of what is slow to come or go."""

    def __init__(self, most: int, bytes_most: int = _BYTES_MOST) -> None:
        self.most, self.bytes_most = most, bytes_most
        self.taken = self.bytes = 0
        # by connection, the longest slow first
        self._slow: dict[_Connection, int] = {}

    def hold(self, connection: "_Connection", size: int) -> None:
        """Count bytes that a slow client has the gateway keep; when they are too many, reset who has been slow for longest."""
        self.release(connection)
        self._slow[connection] = size
        self.bytes += size
        while self.bytes > self.bytes_most and len(self._slow) > 1:
            slowest = next(iter(self._slow))
            self.release(slowest)
            slowest.reset()

    def release(self, connection: "_Connection") -> None:
        self.bytes -= self._slow.pop(connection, 0)


class _Connection(RequestHandler):
    """aiohttp's connection, except that what it cannot parse is answered as a problem, and nothing is logged for it."""

    _server: "HttpServer"
    _newest: StreamReader
    _late: asyncio.TimerHandle | None = None
    _unread: asyncio.TimerHandle | None = None
    _answered = 0
    half_closed = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # aiohttp forgets its own when it closes it, though much may be unsent then
        self._wire = cast(asyncio.Transport, transport)
        self._wire.set_write_buffer_limits(high=_UNREAD_MOST)
        capacity = self._server.capacity
        capacity.taken += 1
        super().connection_made(transport)
        if capacity.taken > capacity.most:
            self._end_with(
                Refused(
                    "too_many_connections",
                    f"the gateway holds {capacity.most} connections at once; close some, or try again later.",
                    retry_after_s=1,
                )
            )

    def connection_lost(self, exc: BaseException | None) -> None:
        self._server.capacity.taken -= 1
        self._in_time()
        self._all_read()
        super().connection_lost(exc)

    # --- answers that the client does not read

    def pause_writing(self) -> None:
        super().pause_writing()
        self._watch_unread()

    def resume_writing(self) -> None:
        self._all_read()
        super().resume_writing()

    def force_close(self) -> None:
        super().force_close()
        self._watch_unread()

    async def start(self) -> None:
        await super().start()
        self._watch_unread()  # it is closed now, as soon as all is read

    def _watch_unread(self) -> None:
        """Give the client a while to read what is written; then reset the connection, which frees it at once."""
        if self._unread is None and (size := self._wire.get_write_buffer_size()):
            self._unread = self._loop.call_later(self._server.request_s, self.reset)
            self._server.capacity.hold(self, size)

    def _all_read(self) -> None:
        self._server.capacity.release(self)
        if self._unread is not None:
            self._unread.cancel()
            self._unread = None

    def reset(self) -> None:
        """End the connection now, whatever is on its way."""
        reset_connection(self._wire)

    # --- requests

    def data_received(self, data: bytes) -> None:
        before = self._request_count
        super().data_received(data)
        if self._request_count != before:
            self._newest = self._messages[-1][1]
            self._in_time()
        elif self._waiter is not None and self._late is None:
            # the start of a request; the rest may take its time, but not for ever
            self._late = self._loop.call_later(self._server.request_s, self._end_with, too_slow(self._server.request_s))

    def eof_received(self) -> bool:  # type: ignore[override]  # aiohttp's own says nothing
        """The client says no more: what it has said whole is answered before the connection ends."""
        whole = self._answered < self._request_count and self._newest.is_eof()
        self.half_closed = whole and not self._server.watches(self)
        return self.half_closed

    def _in_time(self) -> None:
        if self._late is not None:
            self._late.cancel()
            self._late = None

    def _end_with(self, refused: Refused) -> None:
        """Answer what is no whole request, and close."""
        if self.transport is None:
            return
        self.transport.write(_raw(self._server.refuse(refused, None)))
        self.force_close()

    async def finish_response(
        self, request: web.BaseRequest, resp: web.StreamResponse, start_time: float | None
    ) -> tuple[web.StreamResponse, bool]:
        finished = await super().finish_response(request, resp, start_time)
        self._answered += 1
        if self.half_closed and self._answered == self._request_count:
            self.close()
        return finished

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        if request.writer.output_size > 0:
            raise ConnectionError("an answer was under way already")
        if status >= 500:
            refused = Refused(
                "internal_error",
                "the gateway failed on this request; its log says more. Retry with the same key.",
            )
        else:
            reason = (getattr(exc, "message", None) if isinstance(exc, HttpProcessingError) else None) or message or "unreadable"
            first_line = str(reason).strip().partition("\n")[0].rstrip(":")[:100]
            refused = Refused("http_malformed", f"this is not an HTTP/1.1 request: {first_line}; send a well-formed one.")
        response = self._server.refuse(refused, request)
        if status >= 500:
            self.log_exception("unhandled error in %s", response.headers["Request-Id"], exc_info=exc)
        response.force_close()
        return response


class HttpServer(web.Server):
    """Serves one handler; `when_gone` tells when the client of a request has left.

    `refuse` makes the answer to what the handler cannot refuse itself; `request_s` is how long a request may take to arrive, and
    a large answer to be taken.
    """

    def __init__(self, handler: Handler, refuse: Refuse, capacity: Capacity, request_s: float) -> None:
        super().__init__(handler, access_log=None, keepalive_timeout=_IDLE_S, lingering_time=1.0, auto_decompress=False)
        self.refuse, self.capacity, self.request_s = refuse, capacity, request_s
        self._leaving: dict[Any, asyncio.Event] = {}

    def __call__(self) -> RequestHandler:
        connection = _Connection(self, loop=self._loop, **self._kwargs)
        connection._server = self
        return connection

    def when_gone(self, request: web.BaseRequest, left: asyncio.Event) -> None:
        """Have `left` set when the connection of `request` is lost. Who asks for that takes a client that says no more for gone:
        nobody can tell one that only half-closes from one that does not wait any longer.
        """
        connection = cast(_Connection, request.protocol)
        if request.transport is not None and connection.half_closed:
            connection.force_close()
        if request.transport is None:
            left.set()
        else:
            self._leaving[connection] = left

    def watches(self, connection: RequestHandler) -> bool:
        """Whether somebody wants to know when this client leaves."""
        return connection in self._leaving

    @contextmanager
    def receiving(self, request: web.BaseRequest, size: int) -> Iterator[None]:
        """Count the body of a request that is still on its way: `size` bytes at most."""
        connection = cast(_Connection, request.protocol)
        self.capacity.hold(connection, size)
        try:
            yield
        finally:
            self.capacity.release(connection)

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


def too_slow(seconds: float) -> Refused:
    return Refused("request_timeout", f"the request was not there whole after {seconds:g} s; send it in one go.")


def _raw(response: web.Response) -> bytes:
    """An answer as bytes, where there is no request to answer with aiohttp's means."""
    assert isinstance(response.body, bytes)
    headers = {**response.headers, "Content-Length": str(len(response.body)), "Connection": "close"}
    lines = [f"HTTP/1.1 {response.status} {response.reason}", *(f"{name}: {value}" for name, value in headers.items())]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + response.body


def to_response(answer: Answer) -> web.Response:
    return web.Response(
        status=answer.status,
        body=answer.body,
        headers={"Content-Type": answer.content_type, **answer.headers},
    )
