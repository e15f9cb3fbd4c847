"""The sockets of a simulated world: as much of one as those who have a transport ask for."""

import errno
import os
import socket
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from gatecrash.harness.worlds.simulated.network import Listener, Network
    from gatecrash.harness.worlds.simulated.transport import Connection

Address = tuple[str, int]


class SimulatedSocket:
    """What a socket is asked by those who have a transport: its addresses, its options, and to be closed."""

    def __init__(self, network: "Network", family: int = socket.AF_INET, kind: int = socket.SOCK_STREAM, proto: int = 0) -> None:
        self.family, self.type, self.proto = socket.AddressFamily(family), socket.SocketKind(kind), proto or socket.IPPROTO_TCP
        self.end: Connection | None = None
        self.listener: Listener | None = None
        self.linger_reset = False
        self.address: Address = ("0.0.0.0", 0)  # noqa: S104 — nothing is bound for real
        self._network = network
        self._descriptor = network.next_descriptor()
        self._options: dict[tuple[int, int], Any] = {}

    def __repr__(self) -> str:
        return f"<SimulatedSocket {self._descriptor} {self.address}>"

    def __enter__(self) -> "SimulatedSocket":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def fileno(self) -> int:
        return self._descriptor

    def setsockopt(self, level: int, option: int, value: Any, length: int | None = None) -> None:
        self._open()
        if (level, option) == (socket.SOL_SOCKET, socket.SO_LINGER):
            # struct linger: on or off, and the seconds
            self.linger_reset = bytes(value[:4]) != bytes(4) and bytes(value[4:8]) == bytes(4)
        self._options[level, option] = value

    def getsockopt(self, level: int, option: int, buflen: int = 0) -> Any:
        self._open()
        if (level, option) == (socket.SOL_SOCKET, socket.SO_ERROR):
            return 0
        return self._options.get((level, option), 0)

    def setblocking(self, flag: bool) -> None:
        pass

    def settimeout(self, value: float | None) -> None:
        pass

    def gettimeout(self) -> float:
        return 0.0

    def bind(self, address: tuple[Any, ...]) -> None:
        self._open()
        self.address = self._network.reserve((str(address[0]), int(address[1])))

    def listen(self, backlog: int = 128) -> None:
        pass

    def getsockname(self) -> Address:
        self._open()
        return self.address

    def getpeername(self) -> Address:
        self._open()
        if self.end is None:
            raise OSError(errno.ENOTCONN, os.strerror(errno.ENOTCONN))
        return self.end.peer.sock.address

    def close(self) -> None:
        """Also ends the connection or the listening it stands for."""
        if self._descriptor < 0:
            return
        if self.end is not None:
            self.end.close()
        if self.listener is not None:
            self.listener.close()
        self.release()

    def release(self) -> None:
        self._descriptor = -1

    def shutdown(self, how: int) -> None:
        if self.end is not None and how != socket.SHUT_RD:
            self.end.write_eof()

    def _open(self) -> None:
        if self._descriptor < 0:
            raise OSError(errno.EBADF, os.strerror(errno.EBADF))
