"""ASGI applications behind aiohttp's server, on virtual time."""

import asyncio
import logging
import sqlite3
import threading
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import pytest

pytest.importorskip("starlette")
from starlette.applications import Starlette
from starlette.background import BackgroundTask
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response, StreamingResponse
from starlette.routing import Route

from gatecrash.harness.worlds.simulated import asgi, threads
from gatecrash.harness.worlds.simulated.hosts import Incarnation
from gatecrash.harness.worlds.simulated.loop import VirtualLoop

URL = "http://127.0.0.1:8000"


def served(
    loop: VirtualLoop, application: Any, main: Callable[[aiohttp.ClientSession], Awaitable[Any]], *, then_stop: bool = True
) -> Any:
    """What `main` returned, with the application up as a host of its own."""

    async def up() -> asgi.AsgiServer:
        server = await asgi.serve(application)
        await loop.create_server(server, "127.0.0.1", 8000)
        return server

    async def story() -> Any:
        merchant = Incarnation(loop, "merchant")
        server = await merchant.spawn(up())
        async with aiohttp.ClientSession(URL) as session:
            result = await main(session)
        if then_stop:
            await merchant.spawn(server.stop())
        merchant.bury()
        return result

    try:
        return loop.run_until_complete(story())
    finally:
        threads.uninstall()


async def echo(scope: asgi.Message, receive: asgi.Receive, send: asgi.Send) -> None:
    """Knows no lifespan; answers with what it was asked."""
    assert scope["type"] == "http"
    body = b""
    while True:
        message = await receive()
        body += message["body"]
        if not message["more_body"]:
            break
    told = {name: value for name, value in scope.items() if name not in ("extensions", "headers")}
    await send(
        {
            "type": "http.response.start",
            "status": 201,
            "headers": [(b"content-type", b"text/plain"), (b"x-a", b"1"), (b"x-a", b"2")],
        }
    )
    await send({"type": "http.response.body", "body": repr((told, dict(scope["headers"]).get(b"x-b"), body)).encode()})


def test_the_scope_is_the_request(loop: VirtualLoop) -> None:
    async def main(session: aiohttp.ClientSession) -> None:
        async with session.post("/a%20b/c?x=1&y=%C3%A4", data=b"bytes", headers={"X-B": "3"}) as answer:
            assert answer.status == 201
            assert answer.headers.getall("x-a") == ["1", "2"]
            assert answer.headers["content-type"] == "text/plain"
            told, header, body = eval(await answer.text())  # noqa: S307 - our own repr
        assert (told["path"], told["raw_path"], told["query_string"]) == ("/a b/c", b"/a%20b/c", b"x=1&y=%C3%A4")
        assert (told["method"], told["http_version"], told["scheme"], told["server"]) == (
            "POST",
            "1.1",
            "http",
            ("127.0.0.1", 8000),
        )
        assert told["client"][0] == "127.0.0.1"
        assert (header, body) == (b"3", b"bytes")

    served(loop, echo, main)


def test_what_is_an_application() -> None:
    class Whole:
        async def __call__(self, scope: Any, receive: Any, send: Any) -> None: ...

    async def handler(request: Any) -> None: ...

    assert asgi.is_application(echo)
    assert asgi.is_application(Whole())
    assert asgi.is_application(Starlette())
    for other in (Whole, handler, print, lambda scope, receive, send: None, aiohttp.web.Application(), object(), None):
        assert not asgi.is_application(other)


def test_a_body_streams_both_ways(loop: VirtualLoop) -> None:
    async def shout(request: Request) -> Response:
        async def louder() -> AsyncIterator[bytes]:
            async for chunk in request.stream():
                yield chunk.upper()

        return StreamingResponse(louder())

    async def slowly() -> AsyncIterator[bytes]:
        for part in (b"one ", b"two ", b"three"):
            yield part
            await asyncio.sleep(60)

    async def main(session: aiohttp.ClientSession) -> None:
        began, parts = loop.time(), []
        async with session.post("/", data=slowly()) as answer:
            async for part in answer.content.iter_any():
                parts.append((round(loop.time() - began), part))
        assert parts == [(0, b"ONE "), (60, b"TWO "), (120, b"THREE")]

    served(loop, Starlette(routes=[Route("/", shout, methods=["POST"])]), main)


def test_a_head_and_an_empty_answer_have_no_body(loop: VirtualLoop) -> None:
    async def nothing(_: Request) -> Response:
        return Response(status_code=204)

    async def something(_: Request) -> Response:
        return PlainTextResponse("four")

    async def main(session: aiohttp.ClientSession) -> None:
        async with session.get("/nothing") as answer:
            assert (answer.status, await answer.read()) == (204, b"")
        async with session.head("/something") as answer:
            assert (answer.headers["content-length"], await answer.read()) == ("4", b"")
        async with session.get("/something") as answer:
            assert await answer.text() == "four"

    served(loop, Starlette(routes=[Route("/nothing", nothing), Route("/something", something)]), main)


def test_a_lifespan_begins_before_the_first_request_and_ends_after_the_last(loop: VirtualLoop) -> None:
    seen: list[str] = []

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[dict[str, str]]:
        seen.append("up")
        ticking = asyncio.create_task(tick())
        yield {"shop": "ours"}
        ticking.cancel()
        seen.append("down")

    async def tick() -> None:
        while True:
            await asyncio.sleep(3600)
            seen.append("tick")

    async def look(request: Request) -> Response:
        seen.append(request.state.shop)
        return PlainTextResponse("")

    async def main(session: aiohttp.ClientSession) -> None:
        await session.get("/")
        await asyncio.sleep(2 * 3600 + 1)

    served(loop, Starlette(routes=[Route("/", look)], lifespan=lifespan), main)
    assert seen == ["up", "ours", "tick", "tick", "down"]


def test_an_application_that_cannot_begin_says_why(loop: VirtualLoop) -> None:
    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        raise RuntimeError("no database at all")
        yield

    async def main(_: aiohttp.ClientSession) -> None:
        raise AssertionError("it never began")

    with pytest.raises(asgi.StartupFailed, match="no database at all"):
        served(loop, Starlette(lifespan=lifespan), main)
    loop.close()


def test_an_exception_is_a_500_and_half_an_answer_is_none(loop: VirtualLoop, caplog: pytest.LogCaptureFixture) -> None:
    async def app(scope: asgi.Message, receive: asgi.Receive, send: asgi.Send) -> None:
        if scope["path"] == "/half":
            await send({"type": "http.response.start", "status": 200, "headers": []})
            await send({"type": "http.response.body", "body": b"ha", "more_body": True})
        raise ValueError("a bug of the shop")

    async def main(session: aiohttp.ClientSession) -> None:
        async with session.get("/") as answer:
            assert (answer.status, await answer.text()) == (500, "Internal Server Error")
        with pytest.raises(aiohttp.ClientError):
            async with session.get("/half") as answer:
                await answer.read()

    with caplog.at_level(logging.ERROR):
        served(loop, app, main)
    assert "a bug of the shop" in caplog.text


def test_work_goes_on_after_the_answer(loop: VirtualLoop) -> None:
    done: list[float] = []

    async def later() -> None:
        await asyncio.sleep(5)
        done.append(loop.time())

    async def accept(_: Request) -> Response:
        return JSONResponse({"accepted": True}, background=BackgroundTask(later))

    async def main(session: aiohttp.ClientSession) -> None:
        for _ in range(2):  # over one connection
            async with session.get("/") as answer:
                assert await answer.json() == {"accepted": True}
        assert loop.time() < 1
        assert done == []

    served(loop, Starlette(routes=[Route("/", accept)]), main)
    assert len(done) == 2


def test_an_application_hears_that_its_client_is_gone(loop: VirtualLoop) -> None:
    heard: list[float] = []

    async def wait(scope: asgi.Message, receive: asgi.Receive, send: asgi.Send) -> None:
        assert scope["type"] == "http"
        assert (await receive())["type"] == "http.request"
        assert (await receive())["type"] == "http.disconnect"
        heard.append(round(loop.time()))
        with pytest.raises(OSError, match="gone"):
            await send({"type": "http.response.start", "status": 200, "headers": []})

    async def main(session: aiohttp.ClientSession) -> None:
        with pytest.raises(TimeoutError):
            await session.get("/", timeout=aiohttp.ClientTimeout(total=10))
        await asyncio.sleep(1)

    served(loop, wait, main)
    assert heard == [10]


def fastapi_shop(orders: dict[str, str]) -> Any:
    pytest.importorskip("fastapi")
    from fastapi import Depends, FastAPI, HTTPException
    from pydantic import BaseModel

    app = FastAPI()

    class Order(BaseModel):
        id: str
        amount: int

    def opened() -> Any:
        connection = sqlite3.connect(":memory:")
        yield connection
        connection.close()

    @app.post("/orders", status_code=201)
    def place(order: Order, connection: Any = Depends(opened)) -> dict[str, Any]:  # noqa: B008 - FastAPI's way
        with pytest.raises(RuntimeError):
            asyncio.get_running_loop()  # as in a thread
        orders[order.id] = "PENDING"
        return {"id": order.id, "one": connection.execute("SELECT 1").fetchone()[0]}

    @app.get("/orders/{order_id}")
    async def show(order_id: str) -> dict[str, str]:
        if order_id not in orders:
            raise HTTPException(404, "no such order")
        return {"status": orders[order_id]}

    return app


def test_a_fastapi_application_runs_unmodified_its_plain_functions_included(loop: VirtualLoop) -> None:
    async def main(session: aiohttp.ClientSession) -> None:
        before = threading.active_count()
        async with session.post("/orders", json={"id": "o1", "amount": 5}) as answer:
            assert (answer.status, await answer.json()) == (201, {"id": "o1", "one": 1})
        async with session.post("/orders", json={"id": "o1"}) as answer:
            assert answer.status == 422
        async with session.get("/orders/o1") as answer:
            assert await answer.json() == {"status": "PENDING"}
        async with session.get("/orders/o2") as answer:
            assert (answer.status, await answer.json()) == (404, {"detail": "no such order"})
        async with session.get("/openapi.json") as answer:
            assert answer.status == 200
        assert threading.active_count() == before

    served(loop, fastapi_shop({}), main)


def test_a_django_application_runs_unmodified(loop: VirtualLoop) -> None:
    pytest.importorskip("django")
    from django.conf import settings
    from django.core.asgi import get_asgi_application
    from django.http import HttpRequest, HttpResponse, JsonResponse
    from django.urls import path

    def plain(request: HttpRequest) -> HttpResponse:
        return HttpResponse(request.body + b" by a plain function")

    async def waiting(request: HttpRequest) -> HttpResponse:
        await asyncio.sleep(1)
        return JsonResponse({"method": request.method})

    urls = type("urls", (), {"urlpatterns": [path("plain", plain), path("waiting", waiting)]})
    if not settings.configured:
        settings.configure(ROOT_URLCONF=urls, ALLOWED_HOSTS=["*"], MIDDLEWARE=["django.middleware.common.CommonMiddleware"])

    async def main(session: aiohttp.ClientSession) -> None:
        before = threading.active_count()
        async with session.post("/plain", data=b"asked") as answer:
            assert await answer.text() == "asked by a plain function"
        async with session.get("/waiting") as answer:
            assert await answer.json() == {"method": "GET"}
        assert threading.active_count() == before

    served(loop, get_asgi_application(), main)


def test_a_crash_in_a_plain_function_ends_the_host_there(loop: VirtualLoop) -> None:
    lives: list[Incarnation] = []
    reached: list[str] = []

    def die(_: Request) -> Response:
        lives[0].kill()
        lives[0].check()
        reached.append("after death")
        return PlainTextResponse("")

    async def up(application: Any) -> None:
        await loop.create_server(await asgi.serve(application), "127.0.0.1", 8000)

    async def main() -> None:
        lives.append(Incarnation(loop, "merchant"))
        await lives[0].spawn(up(Starlette(routes=[Route("/", die)])))
        async with aiohttp.ClientSession(URL) as session:
            with pytest.raises(aiohttp.ClientError):
                await session.get("/")
        lives[0].bury()

    try:
        loop.run_until_complete(main())
    finally:
        threads.uninstall()
    assert reached == []


def test_virtual_hours_pass_in_no_time(loop: VirtualLoop) -> None:
    async def wait(_: Request) -> Response:
        await asyncio.sleep(3600)
        return PlainTextResponse("")

    async def main(session: aiohttp.ClientSession) -> float:
        began = time.perf_counter()
        await session.get("/", timeout=aiohttp.ClientTimeout(total=None))
        return time.perf_counter() - began

    assert served(loop, Starlette(routes=[Route("/", wait)]), main) < 600
    assert loop.time() > 3600
