"""A connection in memory: its two ends, each the transport of a protocol."""

import asyncio
import errno
import os
from collections import deque
from collections.abc import Callable, Iterable
from contextvars import Context
from typing import TYPE_CHECKING, Any

from gatecrash.harness.worlds.simulated.hosts import HOST, Crashed, Incarnation
from gatecrash.harness.worlds.simulated.messages import Kind, Message
from gatecrash.harness.worlds.simulated.sockets import SimulatedSocket

if TYPE_CHECKING:
    from gatecrash.harness.worlds.simulated.network import Network

_HIGH_WATER = 64 * 1024


class Connection(asyncio.Transport):
    """One end of a connection, and the transport over it."""

    def __init__(self, network: "Network", number: int, sock: SimulatedSocket, name: str, context: Context) -> None:
        super().__init__()
        self.network, self.number, self.sock, self.name, self.context = network, number, sock, name, context
        self.host: Incarnation | None = context.get(HOST)
        self.peer: Connection
        # the messages of this end: when the last of them arrives, whether they arrive at all, and those that are held
        self.last_arrival = 0.0
        self.muted = False
        self.held: deque[Message] | None = None
        # set until it is known whether somebody listens
        self.connecting: asyncio.Future[None] | None = None
        self._loop = network.loop
        self._protocol: Any = None
        self._inbox: deque[Message] = deque()
        self._reading = True
        self._closing = self._eof_sent = False
        self._unread = 0
        self._writing_paused = False
        self._high, self._low = _HIGH_WATER, _HIGH_WATER // 4
        sock.end = self

    def __repr__(self) -> str:
        return f"<Connection {self.number} {self.name}→{self.peer.name}{' closing' if self._closing else ''}>"

    # what a protocol asks of its transport

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        if name == "socket":
            return self.sock
        if name == "peername":
            return self.peer.sock.address
        if name == "sockname":
            return self.sock.address
        return default

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        self._protocol = protocol

    def get_protocol(self) -> asyncio.BaseProtocol:
        protocol: asyncio.BaseProtocol = self._protocol
        return protocol

    def is_closing(self) -> bool:
        return self._closing

    def is_reading(self) -> bool:
        return self._reading and not self._closing

    def pause_reading(self) -> None:
        self._reading = False

    def resume_reading(self) -> None:
        if self._reading or self._closing:
            return
        self._reading = True
        if self._inbox:
            self._loop.call_soon(self._read, context=self._loop.neutral)

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        if high is None:
            high = _HIGH_WATER if low is None else 4 * low
        if low is None:
            low = high // 4
        if not 0 <= low <= high:
            raise ValueError(f"high ({high!r}) must be >= low ({low!r}) must be >= 0")
        self._high, self._low = high, low
        self._pause_if_full()

    def get_write_buffer_limits(self) -> tuple[int, int]:
        return self._low, self._high

    def get_write_buffer_size(self) -> int:
        return self._unread

    def write(self, data: bytes | bytearray | memoryview) -> None:
        if self._eof_sent:
            raise RuntimeError("Cannot call write() after write_eof()")
        if not data or self._closing:
            return
        sent = bytes(data)
        self._unread += len(sent)
        self.network.send(self, Kind.DATA, sent)
        self._pause_if_full()

    def writelines(self, list_of_data: Iterable[bytes | bytearray | memoryview]) -> None:
        self.write(b"".join(list_of_data))

    def can_write_eof(self) -> bool:
        return True

    def write_eof(self) -> None:
        if not (self._closing or self._eof_sent):
            self._eof_sent = True
            self.network.send(self, Kind.EOF)

    def close(self) -> None:
        """Ends with EOF after what was written; with a reset when the socket lingers for zero seconds or something is unread."""
        self._close(reset=self.sock.linger_reset or bool(self._inbox))

    def abort(self) -> None:
        """Ends with a reset."""
        self._close(reset=True)

    def _close(self, *, reset: bool) -> None:
        if self._closing:
            return
        self._closing = True
        if reset:
            self.network.send(self, Kind.RESET)
        elif not self._eof_sent:
            self.network.send(self, Kind.EOF)
        self._inbox.clear()
        self._loop.call_soon(self._lost, None, context=self._loop.neutral)

    def _pause_if_full(self) -> None:
        if self._unread > self._high and not self._writing_paused:
            self._writing_paused = True
            if self._protocol is not None:
                self._protocol.pause_writing()

    # what the network asks of it

    def begin(self, protocol: asyncio.BaseProtocol) -> None:
        """Give it the protocol it lacked."""
        self._protocol = protocol
        if self._inbox:
            self._loop.call_soon(self._read, context=self._loop.neutral)

    def arrived(self, message: Message) -> None:
        if self._closing:
            if message.kind is Kind.DATA:
                self.network.send(self, Kind.RESET)
        elif message.kind is Kind.RESET:
            self.broken()
        else:
            self._inbox.append(message)
            if self._reading and self._protocol is not None:
                self._read()

    def broken(self) -> None:
        """The connection is reset, whoever did it."""
        if self._closing:
            return
        self._closing = True
        self._inbox.clear()
        error = ConnectionResetError(errno.ECONNRESET, os.strerror(errno.ECONNRESET))
        waiter, self.connecting = self.connecting, None
        if waiter is not None and not waiter.done():
            waiter.set_exception(error)
        self._lost(error)

    def dead(self) -> None:
        """Its host has crashed: nobody is told, and the system resets what it had open."""
        if not self._closing:
            self._closing = True
            self._inbox.clear()
            self.network.send(self, Kind.RESET)
        self._forget()

    def discard(self) -> None:
        """It never was a connection."""
        self._closing = True
        self._forget()

    def taken(self, size: int) -> None:
        """So many bytes of what this end wrote have been read."""
        self._unread -= size
        if self._writing_paused and self._unread <= self._low and self._protocol is not None and not self._closing:
            self._writing_paused = False
            self._call(self._protocol.resume_writing)

    def _read(self) -> None:
        while self._inbox and self._reading and not self._closing:
            message = self._inbox.popleft()
            if message.kind is Kind.DATA:
                self._call(self._received, message.data)
                self.peer.taken(len(message.data))
            elif not self._call(self._protocol.eof_received):
                self.close()

    def _received(self, data: bytes) -> None:
        protocol = self._protocol
        if not isinstance(protocol, asyncio.BufferedProtocol):
            protocol.data_received(data)
            return
        while data:
            buffer = memoryview(protocol.get_buffer(len(data)))
            size = min(len(buffer), len(data))
            buffer[:size] = data[:size]
            protocol.buffer_updated(size)
            data = data[size:]

    def _lost(self, error: Exception | None) -> None:
        protocol = self._protocol
        self._forget()
        if protocol is not None and (self.host is None or self.host.alive):
            self._call(protocol.connection_lost, error)

    def _forget(self) -> None:
        self._protocol = None
        self.sock.release()
        self.network.forget(self)

    def _call(self, function: Callable[..., Any], *args: Any) -> Any:
        """Call a protocol as its host; when it fails, its connection does."""
        if self.host is not None and not self.host.alive:
            return None
        try:
            return self.context.run(function, *args)
        except (KeyboardInterrupt, SystemExit):
            raise
        except BaseException as error:
            if not isinstance(error, Crashed):
                self._loop.call_exception_handler({"message": "Fatal error on transport", "exception": error, "transport": self})
            self.abort()
            return None
