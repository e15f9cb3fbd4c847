"""The courier: sends one webhook and reads what the merchant says to it."""

import asyncio
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextvars import ContextVar
from typing import NamedTuple

import aiohttp

from gatecrash.core.errors import Refused
from gatecrash.core.redaction import mask
from gatecrash.sockets import reset_on_close
from gatecrash.webhooks.message import Message
from gatecrash.webhooks.targets import LocalResolver, check_url

_EXCERPT = 500
_READ_AT_MOST = 64 * 1024


# the sockets of the attempt at hand, so that it can be reset
_opened: ContextVar[list[socket.socket]] = ContextVar("_opened")


def _open_socket(address: aiohttp.AddrInfoType) -> socket.socket:
    opened = socket.socket(*address[:3])
    _opened.get().append(opened)
    return opened


class Cut(Exception):
    """Raised by `at_sent` to break the connection: with RST when `reset`, else with FIN."""

    def __init__(self, *, reset: bool) -> None:
        super().__init__("a fault rule broke the connection before the answer was read")
        self.reset = reset


class Sent(NamedTuple):
    """How it went: the merchant's status, the start of its body and its Retry-After; or `error`, why there is none."""

    status: int | None = None
    excerpt: str | None = None
    retry_after_s: float | None = None
    error: str | None = None


class Courier:
    """`allowed`: hosts outside loopback and private addresses that may be told too."""

    def __init__(self, allowed: frozenset[str]) -> None:
        self._allowed = allowed
        self._session: aiohttp.ClientSession | None = None

    async def close(self) -> None:
        if self._session is not None:
            await self._session.close()

    def _client(self) -> aiohttp.ClientSession:
        if self._session is None:
            resolver = LocalResolver(self._allowed)
            connector = aiohttp.TCPConnector(
                limit=0, limit_per_host=0, resolver=resolver, force_close=True, socket_factory=_open_socket
            )
            self._session = aiohttp.ClientSession(connector=connector, auto_decompress=False)
        return self._session

    async def send(
        self, url: str, message: Message, timeout_s: float, at_sent: Callable[[], Awaitable[None]] | None = None
    ) -> Sent:
        """POST it and read the answer; every failure to do so is an outcome, not an exception.

        `at_sent` runs when all is written and nothing of the answer is read; what it raises ends the attempt.
        """
        opened: list[socket.socket] = []
        _opened.set(opened)
        written, go_on = asyncio.Event(), asyncio.Event()

        async def held_body() -> AsyncIterator[bytes]:
            yield message.body
            # asked for more: what was given is on its way
            written.set()
            await go_on.wait()

        post = asyncio.ensure_future(self._post(url, message, message.body if at_sent is None else held_body(), timeout_s))
        try:
            if at_sent is not None:
                arrived = asyncio.ensure_future(written.wait())
                await asyncio.wait((post, arrived), return_when=asyncio.FIRST_COMPLETED)
                arrived.cancel()
                if written.is_set():
                    held = asyncio.ensure_future(at_sent())
                    done, _ = await asyncio.wait((held,), timeout=timeout_s)
                    if not done:  # held for longer than anybody waits for an answer
                        held.cancel()
                        raise TimeoutError
                    await held
                go_on.set()
            return await post
        except Cut as cut:
            for sock in opened if cut.reset else ():
                if sock.fileno() >= 0:
                    reset_on_close(sock)
            raise
        except TimeoutError:
            return Sent(error=f"no answer within {timeout_s:g} s")
        except (aiohttp.ClientError, OSError, ValueError, Refused) as error:
            return Sent(error=mask(str(error) or type(error).__name__)[:_EXCERPT])
        finally:
            if not post.done():
                post.cancel()
                await asyncio.wait((post,))

    async def _post(self, url: str, message: Message, data: bytes | AsyncIterator[bytes], timeout_s: float) -> Sent:
        check_url(url, self._allowed)
        headers = {**message.headers, "Content-Length": str(len(message.body))}
        timeout = aiohttp.ClientTimeout(total=timeout_s)
        async with self._client().post(url, data=data, headers=headers, allow_redirects=False, timeout=timeout) as answer:
            start = await answer.content.read(_READ_AT_MOST)
            excerpt = mask(start[: _EXCERPT * 2].decode(errors="replace"))[:_EXCERPT]
            return Sent(answer.status, excerpt or None, _retry_after(answer.headers.get("Retry-After")))


def _retry_after(value: str | None) -> float | None:
    """Seconds of Retry-After (RFC 9110 §10.2.3); the date form is not honoured, the schedule stands instead."""
    return float(value) if value is not None and value.isascii() and value.isdigit() and len(value) < 8 else None
