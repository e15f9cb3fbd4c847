"""Which request goes where: dialects, the control API and the hosted pages, behind one router for each port."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Mapping
from functools import lru_cache, partial
from typing import Any, NamedTuple, cast

from aiohttp import web
from yarl import URL

from gatecrash.core.errors import Refused
from gatecrash.core.params import given_twice
from gatecrash.dialects.interface import Answer, Asked, Dialect, Route
from gatecrash.faults.exchange import Broken
from gatecrash.server import bodies, control, hosted
from gatecrash.server.cors import add_cors, preflight
from gatecrash.server.gateway import Gateway
from gatecrash.server.guard import TOKEN_HEADER, Guard
from gatecrash.server.http import HttpServer, NoAnswer, to_response
from gatecrash.server.pipeline import Pipeline
from gatecrash.sockets import break_connection

_PREFLIGHT_ALLOWED = "OPTIONS, POST"

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
        # headers of which one value alone can count
        self._once = ("Authorization", TOKEN_HEADER, *{dialect.policy.header for dialect in mounts.values()})

    async def serve(self, request: web.BaseRequest) -> web.StreamResponse:
        """Answer one request; `NoAnswer` when nothing more is to be sent."""
        try:
            _check_framing(request)
            match = await self._routes.router.resolve(cast(web.Request, request))
            if match.http_exception is None and match.handler not in self._routes.for_browsers:
                self.guard.check_hosts(_hosts(request))
            _refuse_repeated(request, self._once)
            # where there is no route the body is read too: what is wrong with it is told first, and the connection goes on
            waits = match.http_exception is not None and "Expect" in request.headers
            body = await bodies.read(request, self.server) if request.body_exists and not waits else b""
            if match.http_exception is not None:
                return await self._without_route(request, match)
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
        path = _clean(request.path).replace("\0", "\ufffd")  # for the journal; a parameter that holds U+0000 is refused by name
        asked = Asked(request.method, path, request.query, request.headers, body, path_params)
        return await cast(Target, match.handler)(self, request, asked)

    async def _without_route(self, request: web.BaseRequest, match: web.UrlMappingMatchInfo) -> web.StreamResponse:
        """Answer what no route is for: OPTIONS with what there is, anything else with a refusal that says it."""
        method, path, problem = request.method[:20], request.path[:100], match.http_exception
        if isinstance(problem, web.HTTPMethodNotAllowed):
            allowed = ", ".join(sorted({*problem.allowed_methods, "OPTIONS"}))
            if method == "OPTIONS":
                return self._options(request, allowed)
            detail = f"{method} is not allowed at {path}; allowed: {allowed}."
            raise Refused("method_not_allowed", detail, allow=allowed)
        if method == "OPTIONS" and request.raw_path == "*":
            return self._options(request, ", ".join(sorted(self._routes.methods)))
        meant = _plain(request.rel_url.raw_path)
        if meant != request.rel_url.raw_path:
            found = await self._routes.router.resolve(cast(web.Request, _Sought(request.method, URL(meant, encoded=True))))
            if not isinstance(found.http_exception, web.HTTPNotFound):
                if method == "OPTIONS" and meant in self._routes.cors:
                    return self._options(request, _PREFLIGHT_ALLOWED, preflight(request.headers))
                detail = f"{method} {path} is no route of this gateway; leave the surplus slashes out: {meant[:100]}."
                raise Refused("route_unknown", detail)
        raise Refused("route_unknown", f"{method} {path} is no route of this gateway; GET /docs shows them all.")

    def _options(self, request: web.BaseRequest, allowed: str, headers: Mapping[str, str] = {}) -> web.Response:
        response = web.Response(status=204, headers={"Allow": allowed, "Request-Id": self.gateway.request_id(), **headers})
        if headers:
            add_cors(response, request.headers.get("Origin"))
        return response

    def refuse(self, refused: Refused, request: web.BaseRequest | None) -> web.Response:
        """A refusal in the shape of the dialect that the path belongs to; that of the port where there is no request."""
        path = "" if request is None else request.path
        prefix = max((prefix for prefix in self.mounts if path == prefix or path.startswith(f"{prefix}/")), key=len, default="")
        request_id = self.gateway.request_id()
        response = to_response(self.mounts[prefix].refusal(refused, None, request_id))
        response.headers["Request-Id"] = request_id
        if request is None:
            add_cors(response, "*")  # whoever it was: it says nothing of anybody's state
        elif _plain(path) in self._routes.cors:
            add_cors(response, request.headers.get("Origin"))
        return response


async def _to_dialect(prefix: str, route: Route, app: App, request: web.BaseRequest, asked: Asked) -> web.StreamResponse:
    return await app.pipelines[prefix].handle(route, request, asked)


async def _to_control(route: control.ControlRoute, app: App, request: web.BaseRequest, asked: Asked) -> web.StreamResponse:
    try:
        work = control.handle(app.gateway, app.guard, route, asked, request.transport)
        if route.ends_with_caller and request.transport is not None:
            return to_response(await _while_it_waits(app.server, request, work))
        return to_response(await work)
    except Broken:
        break_connection(request.transport, reset=True)
        return NoAnswer()


async def _while_it_waits(server: HttpServer, request: web.BaseRequest, work: Coroutine[Any, Any, Answer]) -> Answer:
    """Do work as long as its client waits for it; Broken, once the client has left."""
    left = asyncio.Event()
    server.when_gone(request, left)
    working, leaving = asyncio.ensure_future(work), asyncio.ensure_future(left.wait())
    try:
        await asyncio.wait((working, leaving), return_when=asyncio.FIRST_COMPLETED)
        if not working.done():
            raise Broken("the client left before its answer was there")
        return await working
    finally:
        server.forget(request)
        for task in (working, leaving):
            task.cancel()
        await asyncio.wait((working, leaving))
        if not working.cancelled():
            working.exception()  # nobody waits for it any more


async def _to_page(page: hosted.Page, app: App, request: web.BaseRequest, asked: Asked) -> web.StreamResponse:
    try:
        response = page(asked)
    except Refused as refused:
        return app.refuse(refused, request)
    response.headers["Request-Id"] = app.gateway.request_id()
    return response


class _Routes(NamedTuple):
    """`cors`: the paths that pages of other origins may read. `for_browsers`: what they may call, so under any name, too."""

    router: web.UrlDispatcher
    cors: frozenset[str]
    for_browsers: frozenset[Any]
    methods: frozenset[str]


class _Sought(NamedTuple):
    """As much of a request as the router looks at."""

    method: str
    rel_url: URL


@lru_cache(maxsize=16)
def _routes(mounts: tuple[tuple[str, Dialect], ...], main: bool) -> _Routes:
    """The routes of all apps of this shape: they take longer to make than an app."""
    router = web.UrlDispatcher()
    cors: set[str] = set()
    for_browsers: set[Target] = set()
    methods = {"OPTIONS"}

    def add(method: str, path: str, target: Target, *, browsers: bool = False) -> None:
        # the router never calls a target, it only finds it: ours take what was read along with the request
        for each in (method, "HEAD") if method == "GET" else (method,):
            router.add_route(each, path, cast(Any, target))
            methods.add(each)
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
    return _Routes(router, frozenset(cors), frozenset(for_browsers), frozenset(methods))


def _check_framing(request: web.BaseRequest) -> None:
    """Refuse what another program on the way could read otherwise (RFC 9112 §3.2, §6.1)."""
    hosts = request.headers.getall("Host", ())
    if len(hosts) > 1:
        raise Refused("http_malformed", f"Host was given {len(hosts)} times; send it once.", "Host")
    coding = ", ".join(request.headers.getall("Transfer-Encoding", ()))
    if coding and coding.strip().lower() != "chunked":
        raise Refused(
            "http_malformed", f"Transfer-Encoding was {coding[:100]!r}; expected chunked alone, or none.", "Transfer-Encoding"
        )


def _refuse_repeated(request: web.BaseRequest, headers: Iterable[str]) -> None:
    for name in headers:
        if len(request.headers.getall(name, ())) > 1:
            raise given_twice("the headers", name)
    query = request.query
    if len(query) > 1 and len(set(query)) != len(query):
        raise given_twice("the query", next(name for name in query if len(query.getall(name)) > 1))


def _hosts(request: web.BaseRequest) -> list[str]:
    """Every host that a request names: in Host, and in a target of absolute form."""
    hosts = list(request.headers.getall("Host", ()))
    if "://" in request.raw_path and not request.raw_path.startswith("/"):
        hosts.append(request.host)
    return hosts


def _clean(text: str) -> str:
    """Text that can be stored and shown: bytes that are no UTF-8 become U+FFFD."""
    return text if text.isascii() else text.encode(errors="replace").decode(errors="replace")


def _plain(path: str) -> str:
    """The path without surplus slashes."""
    return "/" + "/".join(part for part in path.split("/") if part)


def _preflight(asked: Asked) -> web.StreamResponse:
    response = web.Response(status=204, headers={"Allow": _PREFLIGHT_ALLOWED, **preflight(asked.headers)})
    add_cors(response, asked.headers.get("Origin"))
    return response
