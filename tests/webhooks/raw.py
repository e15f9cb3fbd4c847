"""Receivers that answer a webhook with bytes of the test's own choice, over a real socket."""

import asyncio
import gzip
import itertools
from collections.abc import Iterable

OK = b"HTTP/1.1 200 OK\r\n"
CHUNKED = OK + b"Transfer-Encoding: chunked\r\n\r\n"


class RawReceiver:
    """Answers each webhook with `pieces`, which may be endless, and waits `pause_s` between them. `taken`: bytes that left."""

    def __init__(self, pieces: Iterable[bytes], pause_s: float = 0.0) -> None:
        self._pieces = pieces
        self._pause_s = pause_s
        self.taken = self.hits = 0
        self._server: asyncio.Server

    async def start(self) -> None:
        self._server = await asyncio.start_server(self._answer, "127.0.0.1", 0)
        self.url = f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}/hooks"

    async def stop(self) -> None:
        self._server.close()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await reader.readuntil(b"\r\n\r\n")
            self.hits += 1
            for piece in self._pieces:
                writer.write(piece)
                await writer.drain()
                self.taken += len(piece)
                await asyncio.sleep(self._pause_s)
        except (ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass
        finally:
            writer.transport.abort()


def endless(start: bytes, again: bytes) -> Iterable[bytes]:
    """`start`, then `again` for ever, some of it at a time."""
    return itertools.chain([start], itertools.repeat(again * (1 + 4000 // len(again))))


# the name of an answer → its bytes, and what the attempt's error says
LONG, MANY = "longer than 65536 bytes", "more than 32 interim answers"
WITHOUT_A_HEAD: dict[str, tuple[Iterable[bytes], str]] = {
    "100 for ever": (endless(b"", b"HTTP/1.1 100 Continue\r\n\r\n"), MANY),
    "103 for ever": (endless(b"", b"HTTP/1.1 103 Early Hints\r\nLink: </a>; rel=preload\r\n\r\n"), MANY),
    "a few long 103s": (endless(b"", b"HTTP/1.1 103 Early Hints\r\nLink: " + b"a" * 9000 + b"\r\n\r\n"), LONG),
    "header fields for ever": (endless(OK, b"X-More: and more\r\n"), LONG),
    "short header fields for ever": (endless(OK, b"a:\r\n"), LONG),
    "long header fields for ever": (endless(OK, b"X-More: " + b"a" * 4000 + b"\r\n"), LONG),
    "one header for ever": (endless(OK + b"X-More: ", b"a"), LONG),
    "a status line for ever": (endless(b"HTTP/1.1 200 ", b"a"), LONG),
    "no HTTP": ([b"SSH-2.0-OpenSSH_9.6\r\n\r\n"], "the answer is no HTTP"),
}
# the name of an answer → its bytes; its status is 200 whatever follows it
WITH_A_HEAD: dict[str, Iterable[bytes]] = {
    "one-byte chunks for ever": endless(CHUNKED, b"1\r\na\r\n"),
    "chunk extensions for ever": endless(CHUNKED, b"1;" + b"x" * 1000 + b"\r\na\r\n"),
    "a body for ever": endless(OK + b"\r\n", b"a"),
    "a gigabyte by its length": endless(OK + b"Content-Length: 1000000000\r\n\r\n", b"a"),
    "a gzip bomb": [OK + b"Content-Encoding: gzip\r\n\r\n" + gzip.compress(bytes(20_000_000))],
    "a header of 40 KiB": [OK + b"Set-Cookie: " + b"a" * 40_000 + b"\r\nContent-Length: 2\r\n\r\nok"],
    "4,000 header fields": [OK + b"X-Trace: abc\r\n" * 4000 + b"Content-Length: 2\r\n\r\nok"],
    "a few interim answers": [b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n" * 30, OK + b"Content-Length: 2\r\n\r\nok"],
}
