"""The harness's HTTP client in simulated time: one exchange at a time over connections that are kept, and nothing besides.

aiohttp's own does far more, and takes most of the time that a whole story takes. Its parser does the reading here, so that
what a merchant sends is understood as everywhere else.
"""

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from aiohttp.client_proto import ResponseHandler
from multidict import CIMultiDict
from yarl import URL

from gatecrash.harness.worlds.simulated.transport import Connection

if TYPE_CHECKING:
    from gatecrash.harness.worlds.simulated.loop import VirtualLoop

_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_REDIRECTS_MAX = 10
_SAME_AGAIN = frozenset({307, 308})
_BODILESS = frozenset({"GET", "HEAD", "OPTIONS"})
_COMMON = "Accept: */*\r\nUser-Agent: gatecrash\r\n"


class Client:
    """Of nobody: to be used, and closed, by the harness alone."""

    def __init__(self, loop: "VirtualLoop") -> None:
        self._loop = loop
        self._kept: dict[int, list[ResponseHandler]] = {}

    async def request(
        self,
        method: str,
        url: str,
        body: Any = None,
        *,
        form: bool = False,
        headers: Mapping[str, str] | None = None,
        redirects: bool = True,
    ) -> tuple[int, bytes, Mapping[str, str]]:
        """The answer's status, body and headers. Raises what aiohttp's client would: ClientError, OSError."""
        target, (sent, given) = URL(url), content(body, form, headers)
        for _ in range(_REDIRECTS_MAX):
            status, raw, received = await self._exchange(method, target, sent, given)
            location = received.get("Location")
            if status not in _REDIRECTS or not location or not redirects:
                break
            target = target.join(URL(location))
            if status not in _SAME_AGAIN:
                method, (sent, given) = "GET", content(None, False, headers)
        return status, raw, received

    def close(self) -> None:
        for protocols in self._kept.values():
            for protocol in protocols:
                protocol.close()
        self._kept.clear()

    async def _exchange(
        self, method: str, url: URL, content: bytes | None, headers: Mapping[str, str]
    ) -> tuple[int, bytes, Mapping[str, str]]:
        port = url.port or 80
        protocol = await self._connected(str(url.host), port)
        assert protocol.transport is not None
        try:
            protocol.set_response_params(read_until_eof=True, skip_payload=method == "HEAD")
            protocol.transport.write(_head(method, url, content, headers) + (content or b""))
            message, payload = await protocol.read()
            while 100 <= message.code < 200:
                message, payload = await protocol.read()
            raw = await payload.read()
        except BaseException:
            protocol.abort()
            raise
        if protocol.should_close:
            protocol.close()
        else:
            self._kept.setdefault(port, []).append(protocol)
        return message.code, raw, message.headers

    async def _connected(self, host: str, port: int) -> ResponseHandler:
        """A kept connection whose other end is still there: a dead host's would carry its death into the next request."""
        kept = self._kept.get(port, ())
        while kept:
            protocol = kept.pop()
            connection = protocol.transport
            if isinstance(connection, Connection) and not (connection.is_closing() or connection.peer.is_closing()):
                return protocol
            protocol.close()
        made: ResponseHandler
        _, made = await self._loop.create_connection(lambda: ResponseHandler(self._loop), host, port)
        return made


def content(body: Any, form: bool, headers: Mapping[str, str] | None) -> tuple[bytes | None, CIMultiDict[str]]:
    """The body as bytes, and the headers with what it says of itself, unless they say it."""
    given = CIMultiDict(headers or {})
    if body is None:
        return None, given
    if isinstance(body, bytes):
        sent, kind = body, "application/octet-stream"
    elif form:
        sent, kind = urlencode(body, doseq=True).encode(), "application/x-www-form-urlencoded"
    else:
        sent, kind = json.dumps(body).encode(), "application/json"
    given.setdefault("Content-Type", kind)
    return sent, given


def _head(method: str, url: URL, content: bytes | None, headers: Mapping[str, str]) -> bytes:
    lines = f"{method} {url.raw_path_qs} HTTP/1.1\r\nHost: {url.host}:{url.port}\r\n{_COMMON}"
    if content is not None or method not in _BODILESS:
        lines += f"Content-Length: {len(content or b'')}\r\n"
    for name, value in headers.items():
        lines += f"{name}: {value}\r\n"
    return (lines + "\r\n").encode()
