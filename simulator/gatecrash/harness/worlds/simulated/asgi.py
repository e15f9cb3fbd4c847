"""An ASGI application behind aiohttp's server: HTTP with bodies that stream both ways, and its lifespan.

Much as uvicorn serves it: the application's call goes on in a task of its own after its answer is complete (background tasks), it
hears `http.disconnect` when its client is gone, and one that knows no lifespan does without.
"""

import asyncio
import inspect
import logging
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any
from urllib.parse import unquote

from aiohttp import ClientPayloadError, hdrs, web
from aiohttp.web_protocol import RequestHandler

from gatecrash.harness.worlds.simulated.threads import inline_anyio

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Application = Callable[[Message, Receive, Send], Awaitable[None]]

_ASGI = {"version": "3.0", "spec_version": "2.4"}
_OF_THE_CONNECTION = {"connection", "transfer-encoding", "keep-alive"}
log = logging.getLogger(__name__)


class StartupFailed(Exception):
    """What the application said when it could not begin."""


def is_application(found: Any) -> bool:
    """Whether it is called as `await found(scope, receive, send)`."""
    if isinstance(found, type) or not (inspect.iscoroutinefunction(found) or inspect.iscoroutinefunction(type(found).__call__)):
        return False
    try:
        inspect.signature(found).bind({}, None, None)
    except (TypeError, ValueError):
        return False
    return True


async def serve(application: Application) -> "AsgiServer":
    """Begin its lifespan, and give what `create_server` makes protocols of. StartupFailed if it does not want to begin."""
    inline_anyio()
    server = AsgiServer(application)
    await server.lifespan.startup()
    return server


class AsgiServer(web.Server):
    """The protocol factory; `stop` ends it with grace."""

    def __init__(self, application: Application) -> None:
        super().__init__(self._handle, access_log=None)
        self.application = application
        self.lifespan = Lifespan(application)
        self._gone: dict[RequestHandler, asyncio.Event] = {}
        self._calls: set[asyncio.Task[None]] = set()

    def connection_made(self, handler: RequestHandler, transport: asyncio.Transport) -> None:
        super().connection_made(handler, transport)
        self._gone[handler] = asyncio.Event()

    def connection_lost(self, handler: RequestHandler, exc: BaseException | None = None) -> None:
        super().connection_lost(handler, exc)
        if (gone := self._gone.pop(handler, None)) is not None:
            gone.set()

    async def _handle(self, request: web.BaseRequest) -> web.StreamResponse:
        exchange = _Exchange(request, self._gone.get(request.protocol) or _set_event())
        call = asyncio.create_task(self._call(exchange))
        self._calls.add(call)
        call.add_done_callback(self._calls.discard)
        await exchange.answered.wait()
        return exchange.response or web.Response(status=500, text="Internal Server Error")

    async def _call(self, exchange: "_Exchange") -> None:
        try:
            await self.application(exchange.scope(self.lifespan.state), exchange.receive, exchange.send)
        except Exception as error:
            if not (isinstance(error, OSError) and exchange.gone.is_set()):
                log.exception("Exception in ASGI application")
        finally:
            exchange.end()

    async def stop(self) -> None:
        """Let what runs come to its end, then end the lifespan."""
        await self.shutdown(None)
        if self._calls:
            await asyncio.wait(self._calls)
        await self.lifespan.shutdown()


def _set_event() -> asyncio.Event:
    event = asyncio.Event()
    event.set()
    return event


class _Exchange:
    """One request and its answer, as messages."""

    def __init__(self, request: web.BaseRequest, gone: asyncio.Event) -> None:
        self.request = request
        self.gone = gone
        self.answered = asyncio.Event()  # completely, or never will be
        self.response: web.StreamResponse | None = None
        self._start: Message | None = None
        self._body_read = False
        self._receiving = asyncio.Lock()

    def scope(self, state: dict[str, Any]) -> Message:
        request = self.request
        path, _, query = request.raw_path.partition("?")
        transport = request.transport
        return {
            "type": "http",
            "asgi": _ASGI,
            "http_version": f"{request.version.major}.{request.version.minor}",
            "method": request.method,
            "scheme": request.scheme,
            "path": unquote(path),
            "raw_path": path.encode("latin-1"),
            "query_string": query.encode("latin-1"),
            "root_path": "",
            "headers": [(name.lower(), value) for name, value in request.raw_headers],
            "client": None if transport is None else tuple(transport.get_extra_info("peername")[:2]),
            "server": None if transport is None else tuple(transport.get_extra_info("sockname")[:2]),
            "state": state.copy(),
            "extensions": {},
        }

    async def receive(self) -> Message:
        async with self._receiving:
            if not self._body_read:
                return await self._read()
        over = {asyncio.ensure_future(each.wait()) for each in (self.gone, self.answered)}
        try:
            await asyncio.wait(over, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for each in over:
                each.cancel()
        return {"type": "http.disconnect"}

    async def _read(self) -> Message:
        try:
            chunk = await self.request.content.readany()
        except (ClientPayloadError, ConnectionError):
            self._body_read = True
            return {"type": "http.disconnect"}
        self._body_read = self.request.content.at_eof()
        return {"type": "http.request", "body": chunk, "more_body": not self._body_read}

    async def send(self, message: Message) -> None:
        kind = message["type"]
        if self.gone.is_set():
            raise ConnectionResetError("the client is gone")
        if self.answered.is_set():
            raise RuntimeError(f"the answer is complete, and {kind!r} comes after it")
        if kind == "http.response.start" and self._start is None:
            self._start = message
        elif kind == "http.response.body" and self._start is not None:
            await self._write(bytes(message.get("body", b"")), more=message.get("more_body", False))
        else:
            expected = "http.response.start" if self._start is None else "http.response.body"
            raise RuntimeError(f"the application sent {kind!r}; expected {expected!r}")

    async def _write(self, body: bytes, *, more: bool) -> None:
        response, whole = self.response, False
        if response is None:
            whole = not more
            response = self.response = self._answer(body if whole else None)
            await response.prepare(self.request)
        try:
            if body and not whole and self.request.method != hdrs.METH_HEAD:
                await response.write(body)
            if not more:
                await response.write_eof()
        finally:
            if not more:
                self.answered.set()

    def _answer(self, body: bytes | None) -> web.StreamResponse:
        assert self._start is not None
        status = self._start["status"]
        made: web.StreamResponse = web.StreamResponse(status=status) if body is None else web.Response(status=status, body=body)
        for name, value in self._start.get("headers", ()):
            header, text = name.decode("latin-1"), value.decode("latin-1")
            if header.lower() == "connection" and text.lower() == "close":
                made.force_close()
            elif header.lower() not in _OF_THE_CONNECTION:
                made.headers.add(header, text)
        return made

    def end(self) -> None:
        """The application's call is over: what it has not said, it never will."""
        if self.answered.is_set():
            return
        if self.response is not None and self.request.transport is not None:
            self.request.transport.abort()  # half an answer must not look like one
        self.answered.set()


class Lifespan:
    """What the application does before its first request and after its last."""

    def __init__(self, application: Application) -> None:
        self._application = application
        self._events: asyncio.Queue[Message] = asyncio.Queue()
        self._said: asyncio.Queue[Message] = asyncio.Queue()
        self._task: asyncio.Task[None] | None = None
        self.state: dict[str, Any] = {}

    async def startup(self) -> None:
        scope = {"type": "lifespan", "asgi": _ASGI, "state": self.state}
        self._task = asyncio.create_task(self._run(scope))
        await self._ask("startup")

    async def shutdown(self) -> None:
        if self._task is not None and not self._task.done():
            await self._ask("shutdown")
            await self._task

    async def _run(self, scope: Message) -> None:
        try:
            await self._application(scope, self._events.get, self._said.put)
        except Exception as error:  # it knows none, which is its right; or it said before what failed
            log.debug("the application's lifespan ended: %r", error)
        finally:
            self._said.put_nowait({"type": "over"})

    async def _ask(self, what: str) -> None:
        self._events.put_nowait({"type": f"lifespan.{what}"})
        told = await self._said.get()
        if told["type"] == f"lifespan.{what}.failed":
            reason = told.get("message", "").strip().rpartition("\n")[2]  # of a traceback, what it was about
            raise StartupFailed(f"the application's {what} failed: {reason or 'it gave no reason'}")
