"""The courier: sends one webhook and reads what the merchant says to it."""

import asyncio
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextvars import ContextVar
from typing import Any, NamedTuple

import aiohttp

from gatecrash.core.errors import Refused
from gatecrash.core.redaction import mask
from gatecrash.sockets import open_socket, reset_on_close
from gatecrash.together import Together
from gatecrash.webhooks.message import Message
from gatecrash.webhooks.targets import LocalResolver, check_url

_EXCERPT = 500
_READ_AT_MOST = 64 * 1024
# shorter than any server keeps a silent connection, so that none is closed under a webhook
_KEEP_ALIVE_S = 1.0


# the sockets of the attempt at hand, so that it can be reset
_opened: ContextVar[list[socket.socket]] = ContextVar("_opened")


def _own_socket(address: aiohttp.AddrInfoType) -> socket.socket:
    opened = open_socket(*address[:3])
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
    retry_after: str | None = None
    error: str | None = None


class Courier:
    """`allowed`: hosts outside loopback and private addresses that may be told too."""

    def __init__(self, allowed: frozenset[str]) -> None:
        self._allowed = allowed
        self._sessions: dict[bool, aiohttp.ClientSession] = {}

    async def close(self) -> None:
        for session in self._sessions.values():
            await session.close()

    def _session(self, *, own_socket: bool) -> aiohttp.ClientSession:
        """An attempt whose connection a fault may break has a socket of its own; all others share connections."""
        session = self._sessions.get(own_socket)
        if session is None:
            resolver = LocalResolver(self._allowed)
            if own_socket:
                connector = aiohttp.TCPConnector(limit=0, resolver=resolver, force_close=True, socket_factory=_own_socket)
            else:
                connector = aiohttp.TCPConnector(limit=0, resolver=resolver, keepalive_timeout=_KEEP_ALIVE_S)
            session = aiohttp.ClientSession(connector=connector, auto_decompress=False, cookie_jar=aiohttp.DummyCookieJar())
            self._sessions[own_socket] = session
        return session

    async def send(
        self,
        url: str,
        message: Message,
        timeout_s: float,
        at_sent: Callable[[], Awaitable[None]] | None = None,
        together: Together | None = None,
    ) -> Sent:
        """POST it and read the answer; every failure to do so is an outcome, not an exception.

        It arrives at one moment with the others of `together`. `at_sent` runs when all is written and nothing of the answer is
        read; what it raises ends the attempt.
        """
        opened: list[socket.socket] = []
        _opened.set(opened)
        written, go_on = asyncio.Event(), asyncio.Event()

        async def held_body() -> AsyncIterator[bytes]:
            if together is None:
                yield message.body
            else:
                async for part in together.body(message.body, id(opened)):
                    yield part
            # asked for more: what was given is on its way
            written.set()
            await go_on.wait()

        if at_sent is None:
            go_on.set()
        held = together is not None or at_sent is not None
        post = asyncio.ensure_future(self._post(url, message, held_body() if held else message.body, timeout_s))
        tasks: list[asyncio.Future[Any]] = [post]
        try:
            if at_sent is not None:
                arrived = asyncio.ensure_future(written.wait())
                tasks.append(arrived)
                await asyncio.wait((post, arrived), return_when=asyncio.FIRST_COMPLETED)
                if written.is_set():
                    striking = asyncio.ensure_future(at_sent())
                    tasks.append(striking)
                    done, _ = await asyncio.wait((striking,), timeout=timeout_s)
                    if not done:  # held for longer than anybody waits for an answer
                        striking.cancel()
                        raise TimeoutError
                    await striking
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
            if together is not None:
                together.there(id(opened))
            for task in tasks:
                task.cancel()
                await asyncio.wait((task,))
                if not task.cancelled():
                    task.exception()  # whoever cut us off has heard of it already

    async def _post(self, url: str, message: Message, data: bytes | AsyncIterator[bytes], timeout_s: float) -> Sent:
        check_url(url, self._allowed)
        headers = {**message.headers, "Content-Length": str(len(message.body))}
        timeout = aiohttp.ClientTimeout(total=timeout_s)
        session = self._session(own_socket=not isinstance(data, bytes))
        async with session.post(url, data=data, headers=headers, allow_redirects=False, timeout=timeout) as answer:
            start = await _read_answer(answer.content)
            excerpt = mask(start[: _EXCERPT * 2].decode(errors="replace"))[:_EXCERPT]
            return Sent(answer.status, excerpt or None, answer.headers.get("Retry-After"))


async def _read_answer(content: aiohttp.StreamReader) -> bytes:
    """The whole answer, or as much of it as anybody wants to know. One that does not come in time is none."""
    start = b""
    while len(start) < _READ_AT_MOST and (more := await content.read(_READ_AT_MOST - len(start))):
        start += more
    return start
