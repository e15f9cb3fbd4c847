"""Which request goes where: dialects, the control API and the hosted pages, behind one router for each port."""

import asyncio
from collections.abc import Awaitable, Callable
from functools import lru_cache, partial
from typing import Any, NamedTuple, cast

from aiohttp import web

from gatecrash.core.errors import Refused
from gatecrash.dialects.interface import Asked, Dialect, Route
from gatecrash.dialects.native.errors import problem
from gatecrash.faults.exchange import Broken
from gatecrash.server import control, hosted
from gatecrash.server.cors import add_cors, preflight
from gatecrash.server.gateway import Gateway
from gatecrash.server.guard import Guard
from gatecrash.server.http import HttpServer, NoAnswer, to_response, too_slow
from gatecrash.server.pipeline import Pipeline
from gatecrash.sockets import break_connection

BODY_MAX = 1024 * 1024


# what a route leads to, in the app that serves it; `Asked` is the request, read whole
Target = Callable[["App", web.BaseRequest, Asked], Awaitable[web.StreamResponse]]


class App:
    """One port: the dialects it speaks under their prefixes, and on the main port everything else too."""

    def __init__(
        self, gateway: Gateway, mounts: dict[str, Dialect], *, main: bool, names: frozenset[str] | None = frozenset()
    ) -> None:
        """`names`: those that the port may be called by, besides addresses and localhost (`guard.Guard`); None for any."""
        self.gateway, self.mounts = gateway, mounts
        self.guard = Guard(gateway.host.control_token, names)
        self.server = HttpServer(self.serve, self.refuse, gateway.capacity, gateway.host.request_s)
        self.pipelines = {prefix: Pipeline(gateway, self.server, dialect, self.guard) for prefix, dialect in mounts.items()}
        self._routes = _routes(tuple(mounts.items()), main)

    async def serve(self, request: web.BaseRequest) -> web.StreamResponse:
        """Answer one request; `NoAnswer` when nothing more is to be sent."""
        try:
            match = await self._routes.router.resolve(cast(web.Request, request))
            if match.http_exception is not None:
                raise _no_route(request, match)
            if match.handler not in self._routes.for_browsers:
                self.guard.check_hosts(_hosts(request))
            body = await _read(request, self.server.request_s) if request.body_exists else b""
        except ConnectionError:
            return NoAnswer()  # the client left in the middle of its request
        except Refused as refused:
            response = self.refuse(refused, request)
            if refused.code == "request_timeout":
                response.force_close()
            return response
        path_params = {name: _clean(value) for name, value in match.items()}
        task = asyncio.current_task()
        assert task is not None
        self.gateway.running.add(task)
        task.add_done_callback(self.gateway.running.discard)
        asked = Asked(request.method, _clean(request.path), request.query, request.headers, body, path_params)
        return await cast(Target, match.handler)(self, request, asked)

    def refuse(self, refused: Refused, request: web.BaseRequest | None) -> web.Response:
        """A refusal in the shape of the dialect that the path belongs to; that of the port where there is no request."""
        path = "" if request is None else request.path
        prefix = max((prefix for prefix in self.mounts if path == prefix or path.startswith(f"{prefix}/")), key=len, default="")
        request_id = self.gateway.request_id()
        response = to_response(self.mounts[prefix].render_refusal(refused, request_id))
        response.headers["Request-Id"] = request_id
        if request is not None and path in self._routes.cors:
            add_cors(response, request.headers.get("Origin"))
        return response


async def _to_dialect(prefix: str, route: Route, app: App, request: web.BaseRequest, asked: Asked) -> web.StreamResponse:
    return await app.pipelines[prefix].handle(route, request, asked)


async def _to_control(route: control.ControlRoute, app: App, request: web.BaseRequest, asked: Asked) -> web.StreamResponse:
    try:
        return to_response(await control.handle(app.gateway, app.guard, route, asked, request.transport))
    except Broken:
        break_connection(request.transport, reset=True)
        return NoAnswer()


async def _to_page(page: hosted.Page, app: App, request: web.BaseRequest, asked: Asked) -> web.StreamResponse:
    request_id = app.gateway.request_id()
    try:
        response = page(asked)
    except Refused as refused:
        response = to_response(problem(refused, request_id))
    response.headers["Request-Id"] = request_id
    return response


class _Routes(NamedTuple):
    """`cors`: the paths that pages of other origins may read. `for_browsers`: what they may call, so under any name, too."""

    router: web.UrlDispatcher
    cors: frozenset[str]
    for_browsers: frozenset[Any]


@lru_cache(maxsize=16)
def _routes(mounts: tuple[tuple[str, Dialect], ...], main: bool) -> _Routes:
    """The routes of all apps of this shape: they take longer to make than an app."""
    router = web.UrlDispatcher()
    cors: set[str] = set()
    for_browsers: set[Target] = set()

    def add(method: str, path: str, target: Target, *, browsers: bool = False) -> None:
        # the router never calls a target, it only finds it: ours take what was read along with the request
        router.add_route(method, path, cast(Any, target))
        if browsers:
            for_browsers.add(target)

    for prefix, dialect in mounts:
        for route in dialect.routes:
            add(route.method, prefix + route.path, partial(_to_dialect, prefix, route), browsers=route.cors)
            if route.cors:
                cors.add(prefix + route.path)
                add("OPTIONS", prefix + route.path, partial(_to_page, _preflight), browsers=True)
    if main:
        for control_route in control.ROUTES:
            add(control_route.method, control_route.path, partial(_to_control, control_route))
        for path, page in hosted.PAGES.items():
            add("GET", path, partial(_to_page, page), browsers=True)
    return _Routes(router, frozenset(cors), frozenset(for_browsers))


def _hosts(request: web.BaseRequest) -> list[str]:
    """Every host that a request names: in Host, and in a target of absolute form."""
    hosts = list(request.headers.getall("Host", ()))
    if "://" in request.raw_path and not request.raw_path.startswith("/"):
        hosts.append(request.host)
    return hosts


def _clean(text: str) -> str:
    """Text that can be stored and shown: bytes that are no UTF-8 become U+FFFD."""
    return text if text.isascii() else text.encode(errors="replace").decode(errors="replace")


async def _read(request: web.BaseRequest, within_s: float) -> bytes:
    too_large = Refused("body_too_large", f"the body is larger than {BODY_MAX} bytes; send less.")
    if request.content_length is not None and request.content_length > BODY_MAX:
        raise too_large
    if request.headers.get("Expect", "").lower() == "100-continue":
        # RFC 9110 §10.1.1: the client waits for this before it sends the body
        await request.writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        request.writer.output_size = 0
    try:
        if request.content.is_eof():  # all of it is here
            return await request.read()
        async with asyncio.timeout(within_s):
            return await request.read()
    except TimeoutError:
        raise too_slow(within_s) from None
    except web.HTTPRequestEntityTooLarge:
        raise too_large from None
    except (web.RequestPayloadError, ValueError) as error:
        raise Refused("body_incomplete", f"the body could not be read: {str(error)[:100]}; send it whole.") from error


def _no_route(request: web.BaseRequest, match: Any) -> Refused:
    path = request.path[:100]
    if isinstance(match.http_exception, web.HTTPMethodNotAllowed):
        allowed = ", ".join(sorted(match.http_exception.allowed_methods))
        return Refused(
            "method_not_allowed",
            f"{request.method[:20]} is not allowed at {path}; allowed: {allowed}.",
            allow=allowed,
        )
    return Refused(
        "route_unknown",
        f"{request.method[:20]} {path} is no route of this gateway; GET /docs shows them all.",
    )


def _preflight(asked: Asked) -> web.StreamResponse:
    response = web.Response(status=204, headers=preflight(asked.headers))
    add_cors(response, asked.headers.get("Origin"))
    return response
