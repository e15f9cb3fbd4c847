"""Connections in memory: what one side does is what the other side sees, and what befalls their messages."""

import asyncio
import errno
import socket
import struct
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from gatecrash.harness.worlds.simulated.guard import CannotSimulate
from gatecrash.harness.worlds.simulated.hosts import Incarnation
from gatecrash.harness.worlds.simulated.loop import VirtualLoop
from gatecrash.harness.worlds.simulated.messages import Cut, Delay, Fate, Hold, Kind, Lose, Message
from gatecrash.harness.worlds.simulated.sockets import SimulatedSocket
from gatecrash.sockets import break_connection, open_socket


class Side(asyncio.Protocol):
    """One side of a connection; `seen` is what it was told, with when."""

    transport: asyncio.Transport

    def __init__(self, keep_open: bool = False) -> None:
        self.seen: list[Any] = []
        self.keep_open = keep_open
        self.paused = False

    def connection_made(self, transport: Any) -> None:
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        self.seen.append(data)

    def eof_received(self) -> bool:
        self.seen.append("eof")
        return self.keep_open

    def connection_lost(self, error: Exception | None) -> None:
        self.seen.append("closed" if error is None else type(error).__name__)

    def pause_writing(self) -> None:
        self.paused = True

    def resume_writing(self) -> None:
        self.paused = False

    @property
    def text(self) -> str:
        return b"".join(each for each in self.seen if isinstance(each, bytes)).decode()


async def pair(loop: VirtualLoop, port: int = 80, keep_open: bool = False) -> tuple[Side, Side]:
    """Client and server, connected."""
    servers: list[Side] = []

    def accept() -> Side:
        servers.append(Side(keep_open))
        return servers[-1]

    await loop.create_server(accept, "127.0.0.1", port)
    _, client = await loop.create_connection(Side, "127.0.0.1", port)
    return client, servers[0]


def connected(loop: VirtualLoop, main: Callable[[Side, Side], Coroutine[Any, Any, None]], keep_open: bool = False) -> None:
    async def story() -> None:
        await main(*await pair(loop, keep_open=keep_open))

    loop.run_until_complete(story())


def test_what_is_written_arrives_in_order_and_a_little_later(loop: VirtualLoop) -> None:
    async def main(client: Side, server: Side) -> None:
        sent = loop.time()
        for number in range(100):
            client.transport.write(b"%d," % number)
        assert server.seen == []
        while not server.text.endswith("99,"):  # noqa: ASYNC110 — time is virtual
            await asyncio.sleep(0.0001)
        assert server.text == "".join(f"{number}," for number in range(100))
        assert 0.0001 <= loop.time() - sent <= 0.0012

    connected(loop, main)


def test_closing_sends_what_was_written_and_then_the_end(loop: VirtualLoop) -> None:
    async def main(client: Side, server: Side) -> None:
        client.transport.write(b"bye")
        client.transport.close()
        assert client.transport.is_closing()
        await asyncio.sleep(1)
        assert client.seen == ["closed"]
        assert server.seen == [b"bye", "eof", "closed"]

    connected(loop, main)


def test_half_a_connection_may_be_closed(loop: VirtualLoop) -> None:
    async def main(client: Side, server: Side) -> None:
        client.transport.write_eof()
        with pytest.raises(RuntimeError, match="write_eof"):
            client.transport.write(b"more")
        await asyncio.sleep(1)
        server.transport.write(b"still here")
        server.transport.close()
        await asyncio.sleep(1)
        assert server.seen == ["eof", "closed"]
        assert client.seen == [b"still here", "eof", "closed"]

    connected(loop, main, keep_open=True)


def abort(side: Side) -> None:
    side.transport.abort()


def linger_for_no_time_and_close(side: Side) -> None:
    side.transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    side.transport.close()


def break_it_as_a_fault_does(side: Side) -> None:
    break_connection(side.transport, reset=True)


@pytest.mark.parametrize("reset", [abort, linger_for_no_time_and_close, break_it_as_a_fault_does])
def test_a_reset_is_read_as_one(loop: VirtualLoop, reset: Callable[[Side], None]) -> None:
    async def main(client: Side, server: Side) -> None:
        reset(client)
        await asyncio.sleep(1)
        assert client.seen == ["closed"]
        assert server.seen == ["ConnectionResetError"]

    connected(loop, main)


def test_lingering_for_a_while_is_no_reset(loop: VirtualLoop) -> None:
    async def main(client: Side, server: Side) -> None:
        client.transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 5))
        break_connection(client.transport, reset=False)
        await asyncio.sleep(1)
        assert server.seen == ["eof", "closed"]

    connected(loop, main)


def test_who_writes_to_somebody_gone_is_reset(loop: VirtualLoop) -> None:
    async def main(client: Side, server: Side) -> None:
        server.transport.close()
        await asyncio.sleep(1)
        client.transport.write(b"anybody there?")
        client.transport.write(b"hello?")
        await asyncio.sleep(1)
        assert client.seen == ["eof", "ConnectionResetError"]

    async def story() -> None:
        accepted: list[Side] = []

        def accept() -> Side:
            accepted.append(Side())
            return accepted[-1]

        await loop.create_server(accept, "127.0.0.1", 80)
        _, client = await loop.create_connection(lambda: Side(keep_open=True), "127.0.0.1", 80)
        await main(client, accepted[0])

    loop.run_until_complete(story())


def test_a_reader_that_pauses_holds_its_writer_up(loop: VirtualLoop) -> None:
    async def main(client: Side, server: Side) -> None:
        server.transport.pause_reading()
        assert not server.transport.is_reading()
        client.transport.write(b"x" * 70_000)
        await asyncio.sleep(1)
        assert (server.seen, client.paused, client.transport.get_write_buffer_size()) == ([], True, 70_000)
        server.transport.resume_reading()
        await asyncio.sleep(1)
        assert (len(server.text), client.paused, client.transport.get_write_buffer_size()) == (70_000, False, 0)

    connected(loop, main)


def test_the_marks_of_a_write_buffer_can_be_set(loop: VirtualLoop) -> None:
    async def main(client: Side, server: Side) -> None:
        client.transport.set_write_buffer_limits(high=10)
        assert client.transport.get_write_buffer_limits() == (2, 10)
        client.transport.write(b"x" * 11)
        assert client.paused
        await asyncio.sleep(1)
        assert not client.paused
        with pytest.raises(ValueError, match="high"):
            client.transport.set_write_buffer_limits(high=1, low=2)

    connected(loop, main)


def test_closing_with_something_unread_is_a_reset(loop: VirtualLoop) -> None:
    async def main(client: Side, server: Side) -> None:
        server.transport.pause_reading()
        client.transport.write(b"never read")
        await asyncio.sleep(1)
        server.transport.close()
        await asyncio.sleep(1)
        assert client.seen == ["ConnectionResetError"]

    connected(loop, main)


def test_both_ends_know_their_addresses(loop: VirtualLoop) -> None:
    async def main(client: Side, server: Side) -> None:
        assert client.transport.get_extra_info("peername") == ("127.0.0.1", 80)
        assert server.transport.get_extra_info("sockname") == ("127.0.0.1", 80)
        assert client.transport.get_extra_info("sockname") == server.transport.get_extra_info("peername")
        assert client.transport.get_extra_info("ssl_object", "none") == "none"
        sock = client.transport.get_extra_info("socket")
        assert sock.getpeername() == ("127.0.0.1", 80)
        assert sock.fileno() > 0
        sock.close()
        assert sock.fileno() == -1
        with pytest.raises(OSError, match="Bad file descriptor"):
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, True)
        await asyncio.sleep(1)
        assert server.seen == ["eof", "closed"]

    connected(loop, main)


def test_a_protocol_that_fails_loses_its_connection(loop: VirtualLoop) -> None:
    heard: list[dict[str, Any]] = []
    loop.set_exception_handler(lambda _, context: heard.append(context))

    async def main(client: Side, server: Side) -> None:
        server.data_received = lambda data: 1 // 0  # type: ignore[assignment,func-returns-value]
        client.transport.write(b"boom")
        await asyncio.sleep(1)
        assert client.seen == ["ConnectionResetError"]

    connected(loop, main)
    assert [type(context["exception"]) for context in heard] == [ZeroDivisionError]


def test_streams_of_asyncio_work(loop: VirtualLoop) -> None:
    async def shout(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while line := await reader.readline():
            writer.write(line.upper())
            await writer.drain()
        writer.close()
        await writer.wait_closed()

    async def main() -> bytes:
        async with await asyncio.start_server(shout, "127.0.0.1", 0) as server:
            reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
            writer.write(b"one\ntwo\n")
            writer.write_eof()
            everything = await reader.read()
            writer.close()
            return everything

    assert loop.run_until_complete(main()) == b"ONE\nTWO\n"


def test_protocols_with_buffers_of_their_own_work(loop: VirtualLoop) -> None:
    class Buffered(asyncio.BufferedProtocol):
        def __init__(self) -> None:
            self.buffer, self.text = bytearray(4), b""

        def get_buffer(self, sizehint: int) -> bytearray:
            return self.buffer

        def buffer_updated(self, nbytes: int) -> None:
            self.text += bytes(self.buffer[:nbytes])

    served: list[Buffered] = []

    def accept() -> Buffered:
        served.append(Buffered())
        return served[-1]

    async def main() -> None:
        await loop.create_server(accept, "127.0.0.1", 80)
        transport, _ = await loop.create_connection(Side, "127.0.0.1", 80)
        transport.write(b"longer than four")
        await asyncio.sleep(1)
        assert served[0].text == b"longer than four"

    loop.run_until_complete(main())


def test_ports_are_given_out_in_order_and_never_twice(loop: VirtualLoop) -> None:
    async def main() -> None:
        first, second = [await loop.create_server(Side, None, 0) for _ in range(2)]
        assert [server.sockets[0].getsockname()[1] for server in (first, second)] == [49152, 49153]
        with pytest.raises(OSError, match="address already in use") as raised:
            await loop.create_server(Side, "127.0.0.1", 49152)
        assert raised.value.errno == errno.EADDRINUSE
        assert first.is_serving()
        first.close()
        await first.wait_closed()
        assert (first.is_serving(), first.sockets) == (False, ())
        again = await loop.create_server(Side, "127.0.0.1", 49152)
        again.close_clients()
        again.abort_clients()

    loop.run_until_complete(main())


def test_a_socket_can_be_bound_first_and_listened_on_later(loop: VirtualLoop) -> None:
    async def main() -> None:
        sock = loop.open_socket()
        sock.bind(("127.0.0.1", 0))
        sock.listen()
        server = await loop.create_server(Side, sock=sock)
        _, client = await loop.create_connection(Side, *sock.getsockname())
        server.close_clients()
        await asyncio.sleep(1)
        assert client.seen == ["eof", "closed"]

    loop.run_until_complete(main())


def test_connections_beyond_loopback_lead_nowhere(loop: VirtualLoop) -> None:
    async def main() -> None:
        with pytest.raises(OSError, match="ends at loopback"):
            await loop.create_connection(Side, "10.0.0.1", 80)
        with pytest.raises(ConnectionRefusedError):
            await loop.create_connection(Side, "localhost", 80)

    loop.run_until_complete(main())


def test_a_socket_of_the_system_is_refused(loop: VirtualLoop) -> None:
    async def main() -> None:
        with socket.socket() as real, pytest.raises(CannotSimulate, match=r"socket\.socket"):
            await loop.create_connection(Side, sock=real)

    loop.run_until_complete(main())


@pytest.mark.asyncio
async def test_other_loops_open_sockets_of_the_system() -> None:
    with open_socket(socket.AF_INET, socket.SOCK_STREAM, 0) as sock:
        assert not isinstance(sock, SimulatedSocket)


def befalls(loop: VirtualLoop, text: bytes, fate: Fate) -> list[Message]:
    """Have it befall each message of that text; whatever it struck."""
    struck: list[Message] = []

    def decide(message: Message) -> Fate | None:
        if message.data != text:
            return None
        struck.append(message)
        return fate

    loop.network.faults = decide
    return struck


def test_a_lost_message_silences_its_direction(loop: VirtualLoop) -> None:
    struck = befalls(loop, b"lost", Lose())

    async def main(client: Side, server: Side) -> None:
        server.transport.write(b"heard")
        server.transport.write(b"lost")
        server.transport.write(b"too late")
        server.transport.close()
        client.transport.write(b"into the void")
        await asyncio.sleep(60)
        assert client.seen == [b"heard"]
        assert struck == [Message(1, "harness", "harness", Kind.DATA, b"lost")]

    connected(loop, main)


def test_a_delayed_message_holds_up_those_behind_it(loop: VirtualLoop) -> None:
    befalls(loop, b"slow", Delay(30))

    async def main(client: Side, server: Side) -> None:
        for text in (b"slow", b"behind"):
            client.transport.write(text)
        await asyncio.sleep(29)
        assert server.seen == []
        await asyncio.sleep(2)
        assert server.seen == [b"slow", b"behind"]

    connected(loop, main)


def test_a_cut_resets_both_sides(loop: VirtualLoop) -> None:
    befalls(loop, b"cut", Cut())

    async def main(client: Side, server: Side) -> None:
        client.transport.write(b"cut")
        await asyncio.sleep(1)
        assert client.seen == server.seen == ["ConnectionResetError"]

    connected(loop, main)


@pytest.mark.parametrize(("fate", "error"), [(Cut(), ConnectionResetError), (Lose(), TimeoutError)])
def test_a_connection_can_fail_to_come_about(loop: VirtualLoop, fate: Fate, error: type[Exception]) -> None:
    loop.network.faults = lambda message: fate if message.kind is Kind.CONNECT else None

    async def main() -> None:
        await loop.create_server(Side, "127.0.0.1", 80)
        with pytest.raises(error):
            await asyncio.wait_for(loop.create_connection(Side, "127.0.0.1", 80), 5)

    loop.run_until_complete(main())


def test_a_held_message_is_overtaken_by_one_of_another_connection(loop: VirtualLoop) -> None:
    befalls(loop, b"held", Hold())
    heard: list[bytes] = []

    class Told(Side):
        def data_received(self, data: bytes) -> None:
            heard.append(data)

    async def main() -> None:
        await loop.create_server(Told, "127.0.0.1", 80)
        (first, _), (second, _) = [await loop.create_connection(Side, "127.0.0.1", 80) for _ in range(2)]
        for text in (b"held", b"behind"):
            first.write(text)
        await asyncio.sleep(0.1)
        assert heard == []
        assert [message.data for message in loop.network.in_flight()] == [b"held", b"behind"]
        assert [message.data for _, message in loop.network.held()] == [b"held", b"behind"]
        second.write(b"other")
        await asyncio.sleep(0.1)
        assert heard == [b"other", b"held", b"behind"]
        first.write(b"held")
        await asyncio.sleep(0.9)
        assert len(heard) == 3
        await asyncio.sleep(0.2)  # nobody overtakes it, and it goes on
        assert len(heard) == 4

    loop.run_until_complete(main())


def test_messages_tell_between_which_hosts_they_go(loop: VirtualLoop) -> None:
    heard: list[Message] = []
    loop.network.heard = lambda when, message, fate: heard.append(message)
    shop, gateway = Incarnation(loop, "shop"), Incarnation(loop, "gateway")

    async def ask() -> None:
        transport, _ = await loop.create_connection(Side, "127.0.0.1", 80)
        transport.write(b"hi")
        assert loop.network.in_flight() == [Message(1, "shop", "gateway", Kind.DATA, b"hi")]
        transport.close()

    async def main() -> None:
        await gateway.spawn(loop.create_server(Side, "127.0.0.1", 80))
        await shop.spawn(ask())
        await asyncio.sleep(1)

    loop.run_until_complete(main())
    assert [(each.source, each.target, each.kind) for each in heard] == [
        ("shop", "gateway", Kind.CONNECT),
        ("shop", "gateway", Kind.DATA),
        ("shop", "gateway", Kind.EOF),
        ("gateway", "shop", Kind.EOF),
    ]
    assert loop.network.in_flight() == []
