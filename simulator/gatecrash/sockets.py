"""What faults do to a socket itself, and where one comes from that they may break."""

import asyncio
import socket
import struct
from collections.abc import Callable

# SO_LINGER on, zero seconds: close() sends RST instead of FIN
_LINGER_RESET = struct.pack("ii", 1, 0)


def open_socket(family: int, kind: int, protocol: int) -> socket.socket:
    """A socket to connect through; a loop that simulates its network gives one of its own."""
    opener: Callable[..., socket.socket] = getattr(asyncio.get_running_loop(), "open_socket", socket.socket)
    return opener(family, kind, protocol)


def reset_on_close(sock: socket.socket) -> None:
    """Have closing it send RST: the other side reads `connection reset by peer`."""
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _LINGER_RESET)


def break_connection(transport: asyncio.Transport | None, *, reset: bool) -> None:
    """Break it now: RST when `reset`, else FIN after what was written."""
    if transport is None or transport.is_closing():
        return
    if not reset:
        transport.close()
        return
    reset_connection(transport)


def reset_connection(transport: asyncio.Transport) -> None:
    """RST now, whatever is unsent, also where it is closing already."""
    sock = transport.get_extra_info("socket")
    if sock is not None and sock.family in (socket.AF_INET, socket.AF_INET6):
        reset_on_close(sock)
    transport.abort()
