"""A merchant's endpoint that keeps what arrives and answers as it is told."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from datetime import datetime
from itertools import pairwise
from typing import Any, NamedTuple

from aiohttp import web
from standardwebhooks import Webhook

from tests.support.client import Client
from tests.support.waiting import PATIENCE_S


class Hit(NamedTuple):
    """One delivery as it arrived."""

    headers: Any
    body: bytes
    path: str

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def id(self) -> str:
        return str(self.headers["webhook-id"])

    def verified_by(self, secret: str) -> Any:
        """What the public library makes of it; it raises if the signature is wrong."""
        return Webhook(secret).verify(self.body, dict(self.headers))


Answer = int | tuple[int, dict[str, str], str] | Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]


class Receiver:
    """`answers` are given in turn, the last of them again and again."""

    def __init__(self, *answers: Answer) -> None:
        self.answers: list[Answer] = list(answers) or [200]
        self.hits: list[Hit] = []
        self._changed = asyncio.Condition()
        self.port = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/hooks"

    async def start(self) -> None:
        self._runner = web.ServerRunner(web.Server(self._take), shutdown_timeout=0.1)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", self.port).start()
        self.port = self._runner.addresses[0][1]

    async def stop(self) -> None:
        await self._runner.cleanup()

    async def _take(self, request: web.BaseRequest) -> web.StreamResponse:
        body = await request.read()
        answer = self.answers[min(len(self.hits), len(self.answers) - 1)]
        self.hits.append(Hit(request.headers.copy(), body, request.path))
        async with self._changed:
            self._changed.notify_all()
        if callable(answer):
            return await answer(request)
        status, headers, text = answer if isinstance(answer, tuple) else (answer, {}, "")
        return web.Response(status=status, headers=headers, text=text)

    async def got(self, count: int) -> list[Hit]:
        """Everything, once there are so many."""
        async with asyncio.timeout(PATIENCE_S), self._changed:
            await self._changed.wait_for(lambda: len(self.hits) >= count)
        return self.hits

    async def register(self, client: Client, **params: Any) -> Any:
        """Have a sandbox tell this endpoint; the endpoint as it was made, with its secret."""
        reply = await client.post("/v1/webhook_endpoints", {"url": self.url, **params})
        return reply.expect(201).json


async def deliveries(client: Client, event_id: str) -> list[dict[str, Any]]:
    """The deliveries of an event, oldest first."""
    found = (await client.get(f"/v1/events/{event_id}/deliveries?limit=100")).expect(200)["data"]
    return list(reversed(found))


async def only_delivery(client: Client) -> dict[str, Any]:
    """The one delivery of the one event."""
    (event,) = (await client.get("/v1/events")).expect(200)["data"]
    (delivery,) = await deliveries(client, event["id"])
    return delivery


def seconds_between(delivery: dict[str, Any]) -> list[float]:
    """How long after one another the attempts were made, in sandbox time."""
    at = [datetime.fromisoformat(attempt["at"]) for attempt in delivery["attempts"]]
    return [(later - earlier).total_seconds() for earlier, later in pairwise(at)]
