"""The courier: sends one webhook and reads what the merchant says to it."""

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextvars import ContextVar
from functools import cached_property, partial
from typing import Any, NamedTuple

import aiohttp

from gatecrash.core.errors import Refused
from gatecrash.core.redaction import mask
from gatecrash.sockets import open_socket, reset_on_close
from gatecrash.together import Together
from gatecrash.webhooks.bounded import BoundedAnswer
from gatecrash.webhooks.message import Message
from gatecrash.webhooks.names import Names
from gatecrash.webhooks.targets import LocalResolver, check_url, sandbox_at_work

_EXCERPT = 500
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
    """`allowed`: hosts outside loopback and private addresses that may be told too. `ca`: a PEM file of certificates that https
    receivers may show, besides what the system trusts.
    """

    def __init__(self, allowed: frozenset[str], ca: str | None = None) -> None:
        self._allowed, self._ca = allowed, ca
        self._names = Names()
        self._sessions: dict[bool, aiohttp.ClientSession] = {}

    async def close(self) -> None:
        for session in self._sessions.values():
            await session.close()

    @cached_property
    def _trusted(self) -> ssl.SSLContext:
        """What certificates are trusted: read when the first https receiver is told, as reading the system's takes a while."""
        context = ssl.create_default_context()
        if self._ca is not None:
            context.load_verify_locations(self._ca)
        return context

    def _session(self, *, own_socket: bool) -> aiohttp.ClientSession:
        """An attempt whose connection a fault may break has a socket of its own; all others share connections."""
        session = self._sessions.get(own_socket)
        if session is None:
            common: dict[str, Any] = {
                "limit": 0, "resolver": LocalResolver(self._allowed, self._names),
                # `Names` keeps what it found: aiohttp's own cache would join attempts of one sandbox to those of another
                "use_dns_cache": False,
            }  # fmt: skip
            if own_socket:
                connector = aiohttp.TCPConnector(force_close=True, socket_factory=_own_socket, **common)
            else:
                connector = aiohttp.TCPConnector(keepalive_timeout=_KEEP_ALIVE_S, **common)
            # aiohttp takes no protocol of one's own, and no other place sees each byte of an answer
            connector._factory = partial(BoundedAnswer, asyncio.get_running_loop())  # type: ignore[assignment]
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
        sandbox: str = "",
        verify: bool = True,
    ) -> Sent:
        """POST it and read the answer; every failure to do so is an outcome, not an exception.

        It arrives at one moment with the others of `together`. `at_sent` runs when all is written and nothing of the answer is
        read; what it raises ends the attempt. `sandbox`: the one whose share of look-ups a host name takes.
        `verify`: the certificate of an https receiver is checked.
        """
        opened: list[socket.socket] = []
        _opened.set(opened)
        sandbox_at_work.set(sandbox)
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
        post = asyncio.ensure_future(self._post(url, message, held_body() if held else message.body, timeout_s, verify))
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
            return Sent(error=mask(_reason(error))[:_EXCERPT])
        finally:
            if together is not None:
                together.there(id(opened))
            for task in tasks:
                task.cancel()
                await asyncio.wait((task,))
                if not task.cancelled():
                    task.exception()  # whoever cut us off has heard of it already

    async def _post(self, url: str, message: Message, data: bytes | AsyncIterator[bytes], timeout_s: float, verify: bool) -> Sent:
        check_url(url, self._allowed)
        headers = {**message.headers, "Content-Length": str(len(message.body))}
        timeout = aiohttp.ClientTimeout(total=timeout_s)
        trust = self._trusted if verify and url.lower().startswith("https:") else False
        session = self._session(own_socket=not isinstance(data, bytes))
        async with session.post(url, data=data, headers=headers, allow_redirects=False, timeout=timeout, ssl=trust) as answer:
            start = await answer.content.read()
            excerpt = mask(start[: _EXCERPT * 2].decode(errors="replace"))[:_EXCERPT]
            return Sent(answer.status, excerpt or None, answer.headers.get("Retry-After"))


def _reason(error: Exception) -> str:
    """Why an attempt got no answer, in words."""
    match error:
        case aiohttp.ClientConnectorDNSError(os_error=why):  # `LocalResolver` wrote it
            return str(why)
        case aiohttp.ClientConnectorCertificateError():
            flaw = getattr(error.certificate_error, "verify_message", "") or str(error.certificate_error)
            return (
                f"the certificate of {error.host}:{error.port} is not trusted: {flaw.removesuffix('.')}. Start the gateway with "
                "--webhook-ca FILE, or set the endpoint's `verify` to false."
            )
        case aiohttp.ClientConnectorError():
            return f"cannot connect to {error.host}:{error.port}: {error.strerror or error.os_error}"
        case aiohttp.ClientResponseError():  # it was not parsed
            return f"the answer is no HTTP: {' '.join(error.message.split())}"
    return str(error) or type(error).__name__
