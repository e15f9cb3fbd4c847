"""Speaks to the gateway over HTTP and reports what was heard, without judging it.

A call that got no answer (refused, reset, timed out, cut off, unreadable) is an `Answer` without a status:
the outcome is *unknown*, since the gateway may have done the work before the line went dead. Whether to
repeat the call is not decided here.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote, urlencode

import aiohttp

log = logging.getLogger("reference_merchant.gateway")
BODY_BYTES_MAX = 1 << 20
Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Answer:
    """What the gateway said. `status` is None if nothing usable came back, and `lack` says what came instead:
    `timeout`, `connection` (refused, reset, cut off) or `unreadable`. `retry_after` is in seconds.
    """

    status: int | None
    body: Json = field(default_factory=dict)
    retry_after: float | None = None
    lack: str = ""

    @property
    def code(self) -> str:
        """The gateway's error code, or an empty string."""
        code = self.body.get("code")
        return code if isinstance(code, str) else ""


class GatewayClient:
    """The gateway's calls that the shop uses. Opened inside the event loop, closed with the shop."""

    def __init__(self, url: str, secret_key: str, timeout_s: float) -> None:
        self._url = url
        self._session = aiohttp.ClientSession(
            headers={"Authorization": f"Bearer {secret_key}"}, timeout=aiohttp.ClientTimeout(total=timeout_s)
        )

    async def close(self) -> None:
        """Close all connections."""
        await self._session.close()

    async def charge(self, body: str, key: str | None) -> Answer:
        """Charge a nonce. `body` is sent as it is, so that a repetition is the same to the byte."""
        return await self.call("POST", "/v1/charges", body, key)

    async def get_charge(self, charge_id: str) -> Answer:
        """A charge as it stands now."""
        return await self.call("GET", f"/v1/charges/{quote(charge_id, safe='')}")

    async def modify(self, kind: str, charge_id: str, body: str, key: str | None) -> Answer:
        """Capture, void or refund a charge."""
        path = {"capture": "capture", "void": "void", "refund": "refunds"}[kind]
        return await self.call("POST", f"/v1/charges/{quote(charge_id, safe='')}/{path}", body, key)

    async def get_refund(self, refund_id: str) -> Answer:
        """A refund as it stands now."""
        return await self.call("GET", f"/v1/refunds/{quote(refund_id, safe='')}")

    async def find_charge(self, order_id: str, wanted: Callable[[Json], bool]) -> Answer:
        """The charge of an order that is wanted: 200 with it, 404 if there surely is none, or no answer."""
        return await self._find("/v1/charges", {"order_id": order_id}, wanted)

    async def find_refund(self, charge_id: str, wanted: Callable[[Json], bool]) -> Answer:
        """The refund of a charge that is wanted: 200 with it, 404 if there surely is none, or no answer."""
        return await self._find("/v1/refunds", {"charge_id": charge_id}, wanted)

    async def client_token(self) -> Answer:
        """A single-use key with which one browser may turn one card into a nonce."""
        return await self.call("POST", "/v1/client_tokens", "{}")

    async def _find(self, path: str, query: dict[str, str], wanted: Callable[[Json], bool]) -> Answer:
        query = {**query, "limit": "100"}
        while True:
            page = await self.call("GET", f"{path}?{urlencode(query)}")
            data = page.body.get("data")
            if page.status != 200 or not isinstance(data, list):
                return Answer(None, retry_after=page.retry_after)  # "no" is only what a whole list says
            for item in data:
                if wanted(item):
                    return Answer(200, item)
            if not page.body.get("has_more") or not data:
                return Answer(404, {"code": "not_found"})
            query["starting_after"] = data[-1]["id"]

    async def call(self, method: str, path: str, body: str | None = None, key: str | None = None) -> Answer:
        """One HTTP exchange; never raises for what the network or the gateway does."""
        headers = {} if body is None else {"Content-Type": "application/json"}
        if key is not None:
            headers["Idempotency-Key"] = key
        data = None if body is None else body.encode()
        try:
            async with self._session.request(
                method, self._url + path, data=data, headers=headers, allow_redirects=False
            ) as response:
                raw = await response.content.read(BODY_BYTES_MAX)
                while len(raw) < BODY_BYTES_MAX and (more := await response.content.read(BODY_BYTES_MAX)):
                    raw += more
                parsed = json.loads(raw)
        except (aiohttp.ClientError, OSError, TimeoutError, ValueError, RecursionError) as error:
            log.warning("%s %s: no usable answer (%s)", method, path.partition("?")[0], type(error).__name__)
            lack = "timeout" if isinstance(error, TimeoutError) else "unreadable" if unread(error) else "connection"
            return Answer(None, lack=lack)
        retry_after = retry_after_s(response.headers.get("Retry-After"))
        return Answer(response.status, parsed if isinstance(parsed, dict) else {}, retry_after)


def unread(error: Exception) -> bool:
    """Whether an answer came, but no JSON in it."""
    return isinstance(error, ValueError | RecursionError) and not isinstance(error, aiohttp.ClientError)


def retry_after_s(header: str | None) -> float | None:
    """Retry-After in its form of seconds; the form of a date is left to our own back-off."""
    return float(header) if header is not None and header.strip().isdecimal() else None
