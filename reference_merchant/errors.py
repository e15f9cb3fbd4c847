"""How the shop says no: JSON with a code, a message and, where one is to blame, the parameter."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable

from aiohttp import web
from aiohttp.web_protocol import RequestHandler

log = logging.getLogger("reference_merchant")
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class RefusedError(Exception):
    """A request that the shop turns down. `extra` goes beside `error` in the answer."""

    def __init__(self, status: int, code: str, message: str, param: str | None = None, /, **extra: object) -> None:
        super().__init__(message)
        self.status, self.code, self.message, self.param, self.extra = status, code, message, param, extra

    def response(self) -> web.Response:
        """`{"error": {code, message, param?}, …}` with its status."""
        error = {"code": self.code, "message": self.message}
        if self.param is not None:
            error["param"] = self.param
        return web.json_response({"error": error, **self.extra}, status=self.status)


@web.middleware
async def errors_as_json(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Give every failure the same shape, and never show a traceback."""
    try:
        return await handler(request)
    except RefusedError as refused:
        return refused.response()
    except web.HTTPException as error:
        if error.status < 400:
            raise
        code = error.reason.lower().replace(" ", "_")
        answer = RefusedError(error.status, code, f"{error.status} {error.reason}").response()
        if "Allow" in error.headers:
            answer.headers["Allow"] = error.headers["Allow"]
        return answer
    except Exception:
        log.exception("a request failed: %s %s", request.method, route_of(request))
        return RefusedError(500, "internal_error", "the shop failed; try again").response()


def route_of(request: web.Request) -> str:
    """The route without its arguments: what a client writes in a path stays out of the log."""
    resource = request.match_info.route.resource
    return resource.canonical if resource else "(no route)"


class JsonRunner(web.AppRunner):
    """Runs an application; what is not HTTP at all is answered in JSON, too, and kept out of the log."""

    async def _make_server(self) -> web.Server:
        server = await super()._make_server()
        server.__class__ = _JsonServer
        return server


class _JsonServer(web.Server):
    def __call__(self) -> RequestHandler:
        return _JsonConnection(self, loop=self._loop, **self._kwargs)


class _JsonConnection(RequestHandler):
    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        if request.writer.output_size > 0:
            raise ConnectionError("an answer was under way already")
        answer = RefusedError(status, "http_malformed", "this is not a well-formed HTTP request").response()
        answer.force_close()
        return answer
