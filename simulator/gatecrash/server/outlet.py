"""An answer on its way out, in bytes of our own writing, so that faults can bend each of them."""

from collections.abc import Awaitable, Callable
from email.utils import formatdate

from aiohttp import web
from aiohttp.http import SERVER_SOFTWARE

from gatecrash.faults.exchange import Broken

_BODILESS = (204, 304)


class Outlet:
    """Writes one answer to its connection. What faults order, before or on the way, holds for all that is still to come."""

    def __init__(self, request: web.BaseRequest) -> None:
        self._request = request
        self._head = self._body = b""
        self._sent = 0
        self._cut = False
        self._kept: int | None = None
        self._size = 0
        self._pause: Callable[[], Awaitable[None]] | None = None

    def load(self, response: web.Response) -> None:
        """Take the answer that is to be sent."""
        body = response.body if isinstance(response.body, bytes) else b""
        self._body = b"" if self._request.method == "HEAD" else body
        lines = [f"HTTP/1.1 {response.status} {response.reason}"]
        lines += [f"{name}: {value}" for name, value in response.headers.items() if name.lower() != "content-length"]
        if response.status not in _BODILESS:
            lines.append(f"Content-Length: {len(body)}")
        lines += [f"Date: {formatdate(usegmt=True)}", f"Server: {SERVER_SOFTWARE}"]
        if not self._request.keep_alive:
            lines.append("Connection: close")
        self._head = "\r\n".join(lines).encode() + b"\r\n\r\n"

    # --- what faults order

    def drip(self, size: int, pause: Callable[[], Awaitable[None]]) -> None:
        """From here on write `size` bytes at a time, with a `pause` after each."""
        self._size, self._pause = size, pause

    def truncate(self, size: int | None) -> None:
        """End the connection after `size` bytes of the body; None is half of it."""
        self._cut, self._kept = True, size

    def spoil(self, noise: Callable[[int], bytes]) -> None:
        """Put noise in place of what is not sent yet; the head has promised so many bytes."""
        body_sent = max(0, self._sent - len(self._head))
        self._body = self._body[:body_sent] + noise(len(self._body) - body_sent)

    # --- out

    async def write_half(self) -> None:
        """The head, and half the body."""
        await self._write(len(self._body) // 2)

    async def write_rest(self) -> None:
        await self._write(len(self._body))

    async def write_more(self, noise: bytes) -> None:
        """Bytes that belong to no answer."""
        await self._request.writer.write(noise)

    async def _write(self, body_end: int) -> None:
        whole = len(self._body)
        last = min(whole, whole // 2 if self._kept is None else self._kept) if self._cut else whole
        await self._put((self._head + self._body)[self._sent : len(self._head) + min(body_end, last)])
        if self._cut and body_end >= last:
            raise Broken(f"a fault rule cut the answer off after {last} of the {whole} bytes of its body")

    async def _put(self, raw: bytes) -> None:
        size = self._size or len(raw) or 1
        for start in range(0, len(raw), size):
            piece = raw[start : start + size]
            await self._request.writer.write(piece)
            self._sent += len(piece)
            if self._pause is not None:
                await self._pause()
