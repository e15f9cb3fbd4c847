"""A client that speaks raw bytes, to see just how an answer ends."""

import asyncio
import json
from typing import Any, NamedTuple

from multidict import CIMultiDict

from tests.support import held
from tests.support.client import Client
from tests.support.waiting import PATIENCE_S


class Heard(NamedTuple):
    """What came over a connection until it ended: `reset` by RST, else by FIN."""

    raw: bytes
    reset: bool

    @property
    def head(self) -> list[str]:
        return self.raw.partition(b"\r\n\r\n")[0].decode().split("\r\n")

    @property
    def body(self) -> bytes:
        return self.raw.partition(b"\r\n\r\n")[2]

    def header(self, name: str) -> str | None:
        fields = dict(line.lower().split(": ", 1) for line in self.head[1:])
        return fields.get(name.lower())


class Wire:
    """One connection to the gateway, as a client's sandbox."""

    def __init__(self, client: Client, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._client, self.reader, self.writer = client, reader, writer
        self._asked: tuple[str, str, dict[str, str]] | None = None

    @classmethod
    async def open(cls, client: Client) -> "Wire":
        host, _, port = client.url.removeprefix("http://").partition(":")
        return cls(client, *await asyncio.open_connection(host, int(port)))

    async def ask(self, method: str, path: str, body: Any = None, **headers: str) -> None:
        """Send a whole request, and read nothing."""
        raw = b"" if body is None else json.dumps(body).encode()
        fields = {
            "Host": "gateway", "Authorization": f"Bearer sk_test_{self._client.sandbox}", "Content-Length": str(len(raw)),
            **{name.replace("_", "-"): value for name, value in headers.items()},
        }  # fmt: skip
        self._asked = method, path, fields
        lines = [f"{method} {path} HTTP/1.1", *(f"{name}: {value}" for name, value in fields.items())]
        self.writer.write("\r\n".join(lines).encode() + b"\r\n\r\n" + raw)
        await self.writer.drain()

    async def listen(self) -> Heard:
        """Everything until the connection ends."""
        heard = b""
        async with asyncio.timeout(PATIENCE_S):
            while True:
                try:
                    chunk = await self.reader.read(65536)
                except ConnectionResetError:
                    return self._checked(Heard(heard, reset=True))
                if not chunk:
                    self.leave()
                    return self._checked(Heard(heard, reset=False))
                heard += chunk

    def _checked(self, heard: Heard) -> Heard:
        """Held against the contract, if it came whole."""
        if (
            self._asked is not None
            and heard.raw.startswith(b"HTTP/1.1 ")
            and heard.header("Content-Length") == str(len(heard.body))
        ):
            method, path, fields = self._asked
            headers = CIMultiDict(line.split(": ", 1) for line in heard.head[1:])
            held.check(self._client.url, method, path, fields, int(heard.head[0].split()[1]), headers, heard.body)
        return heard

    async def listen_for(self, size: int) -> bytes:
        """As many bytes, of a connection that stays open."""
        async with asyncio.timeout(PATIENCE_S):
            return await self.reader.readexactly(size)

    def silent(self) -> bool:
        """Whether nothing has come yet, not even the end."""
        return not self.reader.at_eof() and not self.reader._buffer  # type: ignore[attr-defined]

    def leave(self) -> None:
        self.writer.close()


async def ask(client: Client, method: str, path: str, body: Any = None, **headers: str) -> Heard:
    """One request on a connection of its own, and all that comes back until it ends."""
    wire = await Wire.open(client)
    await wire.ask(method, path, body, **headers)
    return await wire.listen()
