"""The network of a simulated world: connections in memory, on virtual time, as slow and as unreliable as they are told to be.

What is written travels as a message with a small latency of its own, in order within a connection. All hosts have the address
127.0.0.1, and are told apart by their ports, as on a developer's machine.
"""

import asyncio
import contextvars
import errno
import ipaddress
import os
import random
import socket
from collections import deque
from collections.abc import Callable
from functools import cache
from typing import TYPE_CHECKING, Any

import aiohappyeyeballs

from gatecrash.harness.worlds.simulated.guard import cannot_simulate
from gatecrash.harness.worlds.simulated.hosts import HARNESS, HOST, Incarnation
from gatecrash.harness.worlds.simulated.messages import Cut, Delay, Fate, Hold, Kind, Lose, Message
from gatecrash.harness.worlds.simulated.sockets import Address, SimulatedSocket
from gatecrash.harness.worlds.simulated.transport import Connection

if TYPE_CHECKING:
    from gatecrash.harness.worlds.simulated.loop import VirtualLoop

_FIRST_PORT = 49152
_FIRST_CLIENT_PORT = 32768
# a number no descriptor of the process has
_FIRST_DESCRIPTOR = 1_000_000


class Listener(asyncio.AbstractServer):
    """A port that is listened on, in the words of asyncio.Server."""

    def __init__(self, network: "Network", sock: SimulatedSocket, factory: Callable[[], Any]) -> None:
        self.network, self.sock, self.factory = network, sock, factory
        self.port = sock.address[1]
        self.context = contextvars.copy_context()
        self.host = HOST.get()
        self.name = self.host.name if self.host else HARNESS
        self._over = network.loop.create_future()
        sock.listener = self

    @property
    def sockets(self) -> tuple[SimulatedSocket, ...]:
        return (self.sock,) if self.is_serving() else ()

    def close(self) -> None:
        self.network.unlisten(self)
        if not self._over.done():
            self._over.set_result(None)
        self.sock.release()

    def close_clients(self) -> None:
        for end in self.network.accepted(self):
            end.close()

    def abort_clients(self) -> None:
        for end in self.network.accepted(self):
            end.abort()

    def get_loop(self) -> asyncio.AbstractEventLoop:
        return self.network.loop

    def is_serving(self) -> bool:
        return self.network.listener(self.port) is self

    async def start_serving(self) -> None:
        pass

    async def serve_forever(self) -> None:
        try:
            await asyncio.shield(self._over)
        finally:
            self.close()

    async def wait_closed(self) -> None:
        await asyncio.shield(self._over)


class Network:
    """`latency_s`: the least and the most a message takes, drawn with the seed.

    `faults` is asked what becomes of each message before it leaves, and None lets it go; `heard` is told when, which, and what
    became of it; `landed` is told which has arrived.
    """

    def __init__(self, loop: "VirtualLoop", seed: int = 0, latency_s: tuple[float, float] = (0.0001, 0.001)) -> None:
        self.loop, self.latency_s = loop, latency_s
        self.faults: Callable[[Message], Fate | None] | None = None
        self.heard: Callable[[float, Message, Fate | None], None] | None = None
        self.landed: Callable[[Message], None] | None = None
        self._random = random.Random(seed)  # noqa: S311 — not for secrets
        self._listeners: dict[int, Listener] = {}
        self._reserved: set[int] = set()
        # in the order they were opened; a dict is a set that remembers it
        self._ends: dict[Connection, None] = {}
        self._accepted: dict[Connection, Listener] = {}
        self._flying: dict[int, Message] = {}
        self._holding: dict[Connection, Hold] = {}
        self._sent = self._connections = 0
        self._next_port, self._next_client_port, self._descriptors = _FIRST_PORT, _FIRST_CLIENT_PORT, _FIRST_DESCRIPTOR

    # names and ports

    def resolve(self, host: bytes | str | None, port: bytes | str | int | None, family: int = 0) -> list[Any]:
        """In the shape of getaddrinfo; only addresses and localhost have a meaning here."""
        name = host.decode() if isinstance(host, bytes) else host or "127.0.0.1"
        if name == "localhost" or name.endswith(".localhost"):
            name = "127.0.0.1"
        try:
            version = _address(name).version
        except ValueError:
            raise socket.gaierror(socket.EAI_NONAME, f"{name} is not known in a simulated world; use 127.0.0.1") from None
        of = socket.AF_INET if version == 4 else socket.AF_INET6
        if family not in (0, of):
            raise socket.gaierror(socket.EAI_NONAME, f"{name} has no address of that family")
        address = (name, int(port or 0)) if version == 4 else (name, int(port or 0), 0, 0)
        return [(of, socket.SOCK_STREAM, socket.IPPROTO_TCP, "", address)]

    def reserve(self, address: Address) -> Address:
        """The address to listen on, with a port where none was asked for."""
        host, port = address
        if port == 0:
            while self._next_port in self._listeners:
                self._next_port += 1
            port = self._next_port
            self._next_port += 1
        elif port in self._listeners:
            raise OSError(errno.EADDRINUSE, f"error while attempting to bind on address {address!r}: address already in use")
        return host, port

    def next_descriptor(self) -> int:
        self._descriptors += 1
        return self._descriptors

    # listening and connecting

    def listen(self, sock: SimulatedSocket, factory: Callable[[], Any]) -> Listener:
        _check()
        if sock.address[1] == 0:
            sock.bind(sock.address)
        else:
            self.reserve(sock.address)
        listener = Listener(self, sock, factory)
        self._listeners[listener.port] = listener
        return listener

    def unlisten(self, listener: Listener) -> None:
        if self._listeners.get(listener.port) is listener:
            del self._listeners[listener.port]

    def listener(self, port: int) -> Listener | None:
        return self._listeners.get(port)

    def accepted(self, listener: Listener) -> list[Connection]:
        return [end for end, by in self._accepted.items() if by is listener]

    async def connect(self, sock: SimulatedSocket, address: tuple[Any, ...]) -> None:
        """Returns when it is connected; ConnectionRefusedError when nobody listens."""
        _check()
        host, port = self.resolve(address[0], address[1])[0][4][:2]
        if not _is_here(host):
            raise OSError(errno.ENETUNREACH, f"Connect call failed {(host, port)!r}: a simulated world ends at loopback")
        self._next_client_port += 1
        if sock.address[1] == 0:
            sock.address = (host, self._next_client_port)
        self._connections += 1
        context = contextvars.copy_context()
        owner = HOST.get()
        end = Connection(self, self._connections, sock, owner.name if owner else HARNESS, context)
        far = SimulatedSocket(self)
        far.address = (host, port)
        listener = self._listeners.get(port)
        other = Connection(self, self._connections, far, listener.name if listener else f"port {port}", self.loop.neutral)
        end.peer, other.peer = other, end
        self._ends[end] = None
        connected: asyncio.Future[None] = self.loop.create_future()
        end.connecting = connected
        self.send(end, Kind.CONNECT)
        try:
            await connected
        except ConnectionRefusedError:
            end.discard()
            raise
        except BaseException:
            end.abort()
            raise

    def attach(self, sock: SimulatedSocket, factory: Callable[[], Any]) -> tuple[Connection, Any]:
        """A transport and a protocol over a connected socket."""
        _check()
        if sock.end is None or sock.end.is_closing():
            raise ConnectionResetError(errno.ECONNRESET, os.strerror(errno.ECONNRESET))
        protocol = factory()
        protocol.connection_made(sock.end)
        sock.end.begin(protocol)
        return sock.end, protocol

    def _accept(self, end: Connection) -> None:
        """A connection request has arrived where somebody may listen."""
        waiter, end.connecting = end.connecting, None
        if waiter is None or waiter.done():
            return
        far = end.peer
        listener = self._listeners.get(far.sock.address[1])
        if listener is None or (listener.host is not None and not listener.host.alive):
            address = far.sock.address
            waiter.set_exception(ConnectionRefusedError(errno.ECONNREFUSED, f"Connect call failed {address!r}"))
            return
        far.name, far.context, far.host = listener.name, listener.context.copy(), listener.host
        self._ends[far] = None
        self._accepted[far] = listener
        waiter.set_result(None)
        far._call(self._serve, far, listener)

    def _serve(self, end: Connection, listener: Listener) -> None:
        protocol = listener.factory()
        end.set_protocol(protocol)
        protocol.connection_made(end)

    # messages

    def send(self, end: Connection, kind: Kind, data: bytes = b"") -> None:
        """Put it on its way. The dead send nothing but the reset that their system sends for them."""
        host = end.host
        if host is not None and not host.alive and kind is not Kind.RESET:
            return
        message = Message(end.number, end.name, end.peer.name, kind, data)
        least, most = self.latency_s
        latency = least if least == most else least + (most - least) * self._random.random()
        fate = None if self.faults is None else self.faults(message)
        if host is not None and not host.alive and kind is not Kind.RESET:
            return  # that was its end
        if self.heard is not None:
            self.heard(self.loop.time(), message, fate)
        if fate is None:
            self._fly(end, message, latency)
        else:
            self._befall(end, message, fate, latency)

    def _befall(self, end: Connection, message: Message, fate: Fate, latency: float) -> None:
        match fate:
            case Lose():
                end.muted = True
            case Delay(seconds):
                self._fly(end, message, latency + seconds)
            case Cut():
                end.muted = end.peer.muted = True
                self.loop.call_later(latency, self._sever, end, context=self.loop.neutral)
            case Hold():
                if end.held is None:
                    end.held = deque()
                    self._holding[end] = fate
                    self.loop.call_later(fate.at_most_s, self._release, end, end.held, context=self.loop.neutral)
                end.held.append(message)

    def _fly(self, end: Connection, message: Message, latency: float) -> None:
        if end.muted:
            return
        if end.held is not None:
            end.held.append(message)
            return
        arrival = self.loop.time() + latency
        if arrival < end.last_arrival:
            arrival = end.last_arrival
        end.last_arrival = arrival
        self._sent += 1
        self._flying[self._sent] = message
        self.loop.call_at(arrival, self._land, self._sent, end, message, context=self.loop.neutral)

    def _land(self, number: int, end: Connection, message: Message) -> None:
        del self._flying[number]
        if message.kind is Kind.CONNECT:
            self._accept(end)
        else:
            end.peer.arrived(message)
        if self.landed is not None:
            self.landed(message)
        for held in [each for each, hold in self._holding.items() if each.number != end.number and hold.until(message)]:
            self._release(held, held.held)

    def _release(self, end: Connection, messages: deque[Message] | None) -> None:
        if messages is None or end.held is not messages:
            return  # these went on already
        end.held = None
        del self._holding[end]
        for message in messages:
            self._fly(end, message, 0.0)

    def _sever(self, end: Connection) -> None:
        end.broken()
        end.peer.broken()

    def in_flight(self) -> list[Message]:
        """What is under way or held, in the order it was sent."""
        return [*self._flying.values(), *(message for _, message in self.held())]

    def held(self) -> list[tuple[str, Message]]:
        """What is held, and what it waits for."""
        return [(hold.what_for, message) for end, hold in self._holding.items() for message in end.held or ()]

    # the end

    def forget(self, end: Connection) -> None:
        self._ends.pop(end, None)
        self._accepted.pop(end, None)

    def sever(self, host: Incarnation) -> None:
        """Its ports refuse, and its connections are reset."""
        for listener in [each for each in self._listeners.values() if each.host is host]:
            self.unlisten(listener)
        for end in [each for each in self._ends if each.host is host]:
            end.dead()

    def close(self) -> None:
        for end in list(self._ends):
            end.muted = True
        self._listeners.clear()
        self._ends.clear()
        self._accepted.clear()
        self._flying.clear()
        self._holding.clear()
        self.faults = self.heard = self.landed = None


_address = cache(ipaddress.ip_address)


@cache
def _is_here(host: str) -> bool:
    address = _address(host)
    return address.is_loopback or address.is_unspecified


def simulated(sock: object) -> SimulatedSocket:
    """It, if it is one of ours."""
    if not isinstance(sock, SimulatedSocket):
        raise cannot_simulate(f"using a {type(sock).__module__}.{type(sock).__name__}", "give a host and a port instead")
    return sock


def _check() -> None:
    host = HOST.get()
    if host is not None:
        host.check()


_real_start_connection = aiohappyeyeballs.start_connection


def install() -> None:
    """Have aiohttp's client connect through the network of its loop, where the loop has one; once a process."""
    aiohappyeyeballs.start_connection = _start_connection


async def _start_connection(addr_infos: Any, *, loop: Any = None, socket_factory: Any = None, **options: Any) -> Any:
    """aiohappyeyeballs.start_connection, for loops that have a network of their own."""
    network = getattr(loop or asyncio.get_running_loop(), "network", None)
    if not isinstance(network, Network):
        return await _real_start_connection(addr_infos, loop=loop, socket_factory=socket_factory, **options)
    failed: OSError | None = None
    for address in addr_infos:
        sock = network.loop.open_socket(*address[:3]) if socket_factory is None else socket_factory(address)
        try:
            await network.connect(simulated(sock), address[4])
        except OSError as error:
            failed = error
        else:
            return sock
    raise failed or OSError("getaddrinfo() returned empty list")
