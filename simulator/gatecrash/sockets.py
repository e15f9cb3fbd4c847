"""What faults do to a socket itself."""

import socket
import struct

# SO_LINGER on, zero seconds: close() sends RST instead of FIN
_LINGER_RESET = struct.pack("ii", 1, 0)


def reset_on_close(sock: socket.socket) -> None:
    """Have closing it send RST: the other side reads `connection reset by peer`."""
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _LINGER_RESET)
