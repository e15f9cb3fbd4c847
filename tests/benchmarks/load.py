"""A load generator that costs little: keep-alive connections, each sending prepared requests one after another."""

import asyncio
import time
from collections.abc import Iterator


class _Connection(asyncio.Protocol):
    """Sends the next request as soon as the answer to the last one is complete."""

    def __init__(self, requests: Iterator[bytes], latencies: list[float], statuses: dict[bytes, int]) -> None:
        self._requests = requests
        self._latencies = latencies
        self._statuses = statuses
        self._buffer = b""
        self._sent_at = 0.0
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._next()

    def _next(self) -> None:
        request = next(self._requests, None)
        if request is None:
            self._transport.close()
            if not self.done.done():
                self.done.set_result(None)
            return
        self._sent_at = time.perf_counter()
        self._transport.write(request)

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        head, found, body = self._buffer.partition(b"\r\n\r\n")
        if not found:
            return
        length = head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0]
        if len(body) < int(length):
            return
        self._latencies.append(time.perf_counter() - self._sent_at)
        status = head[9:12]
        self._statuses[status] = self._statuses.get(status, 0) + 1
        self._buffer = b""
        self._next()

    def connection_lost(self, exc: Exception | None) -> None:
        if not self.done.done():
            self.done.set_exception(exc or ConnectionError("the server closed the connection"))


async def measure(port: int, requests: list[bytes], connections: int, expected: int) -> tuple[float, list[float]]:
    """Requests per second, and every latency in seconds, sorted. Every answer must have the `expected` status."""
    latencies: list[float] = []
    statuses: dict[bytes, int] = {}
    shared = iter(requests)
    loop = asyncio.get_running_loop()
    began = time.perf_counter()
    made = [
        await loop.create_connection(lambda: _Connection(shared, latencies, statuses), "127.0.0.1", port)
        for _ in range(connections)
    ]
    await asyncio.gather(*(connection.done for _, connection in made))
    took = time.perf_counter() - began
    assert statuses == {b"%d" % expected: len(requests)}, statuses
    return len(requests) / took, sorted(latencies)


def request(method: str, path: str, body: bytes, **headers: str) -> bytes:
    """A request as bytes. Header names are given with `_` for `-`."""
    lines = [f"{method} {path} HTTP/1.1", "Host: 127.0.0.1", "Content-Type: application/json", f"Content-Length: {len(body)}"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body
