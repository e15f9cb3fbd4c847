"""A load generator that costs little: keep-alive connections, each sending prepared requests one after another."""

import asyncio
import time
from collections.abc import Iterator
from typing import NamedTuple

import aiohttp


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


class Request(NamedTuple):
    """A POST with a JSON body, for either client."""

    path: str
    headers: dict[str, str]
    body: bytes

    def wire(self) -> bytes:
        lines = [f"POST {self.path} HTTP/1.1", "Host: 127.0.0.1", f"Content-Length: {len(self.body)}"]
        lines += [f"{name}: {value}" for name, value in self.headers.items()]
        return "\r\n".join(lines).encode() + b"\r\n\r\n" + self.body


async def measure(port: int, requests: list[Request], connections: int, expected: int) -> tuple[float, list[float]]:
    """With sockets alone: requests per second, and every latency in seconds, sorted. Every answer must be `expected`."""
    latencies: list[float] = []
    statuses: dict[bytes, int] = {}
    shared = iter([request.wire() for request in requests])
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


async def measure_as_app(port: int, requests: list[Request], connections: int, expected: int) -> tuple[float, list[float]]:
    """The same as an application sees it: through aiohttp's client, whose own work counts too."""
    latencies: list[float] = []
    shared = iter(requests)
    connector = aiohttp.TCPConnector(limit=connections)
    async with aiohttp.ClientSession(f"http://127.0.0.1:{port}", connector=connector) as session:

        async def one_after_another() -> None:
            for path, headers, body in shared:
                sent_at = time.perf_counter()
                async with session.post(path, headers=headers, data=body) as answer:
                    await answer.json()
                    assert answer.status == expected, answer.status
                latencies.append(time.perf_counter() - sent_at)

        began = time.perf_counter()
        await asyncio.gather(*(one_after_another() for _ in range(connections)))
        took = time.perf_counter() - began
    return len(requests) / took, sorted(latencies)
