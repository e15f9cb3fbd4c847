"""A warm parent: a process that has imported the gateway, and forks `gatecrash serve` in a tenth of the time that a start takes.

`start` asks for one. The parent is started on first use and ends with the process that asked, however that ends; the gateways
that it forked have lifelines of their own.

On the wire, over a Unix socket, a gateway is one message, JSON with its arguments, environment and folder, and three descriptors:
standard input, the file for its output, and a socket. Over that socket the parent tells the process id, then the exit status. It
reaps the process only once the asking side has closed the socket: until then the process id belongs to the gateway, and may be
signalled.
"""

import atexit
import contextlib
import json
import os
import selectors
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

_WIDEST = 1 << 20


class Forked:
    """A gateway that the warm parent forked; used like a `subprocess.Popen`. `stdin`: the pipe that it reads, if any."""

    def __init__(self, tells: socket.socket, stdin: Any) -> None:
        self._tells = tells
        self.stdin = stdin
        said = tells.recv(16)
        if not said:
            raise OSError("the warm parent is gone")
        self.pid = int(said)
        self.returncode: int | None = None
        tells.setblocking(False)

    def poll(self) -> int | None:
        """The exit status, negative for a signal; None while it runs."""
        if self.returncode is None:
            try:
                said = self._tells.recv(16)
            except BlockingIOError:
                return None
            self.returncode = int(said) if said else -signal.SIGKILL  # the parent was killed, and takes its children along
            self._tells.close()
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        give_up_at = None if timeout is None else time.monotonic() + timeout
        while (status := self.poll()) is None:
            left_s = None if give_up_at is None else give_up_at - time.monotonic()
            if left_s is not None and left_s <= 0:
                raise subprocess.TimeoutExpired("gatecrash serve", timeout or 0)
            with selectors.DefaultSelector() as selector:
                selector.register(self._tells, selectors.EVENT_READ)
                selector.select(left_s)
        return status

    def send_signal(self, number: int) -> None:
        if self.poll() is None:
            os.kill(self.pid, number)

    def terminate(self) -> None:
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)


_lock = threading.Lock()
_parent: "tuple[int, subprocess.Popen[bytes], socket.socket] | None" = None


def start(arguments: Sequence[str], *, env: Mapping[str, str], cwd: Path, output: int, stdin: bool = False) -> Forked:
    """Fork `gatecrash ARGUMENTS…` in a session of its own. `output`: the descriptor that standard output and error go to.

    `stdin`: give it a pipe to read, as a lifeline; else it reads nothing. Raises OSError if the warm parent cannot be had.
    """
    here, there = socket.socketpair()
    reads, writes = os.pipe() if stdin else (os.open(os.devnull, os.O_RDONLY), -1)
    try:
        message = json.dumps({"arguments": list(arguments), "env": dict(env), "cwd": str(cwd)}).encode(errors="surrogateescape")
        with _lock:
            asks = _warm_parent()
            asks.sendall(len(message).to_bytes(4, "big"))
            socket.send_fds(asks, [b"!"], [reads, output, there.fileno()])
            asks.sendall(message)
        there.close()
        return Forked(here, os.fdopen(writes, "wb", buffering=0) if stdin else None)
    except BaseException:
        here.close()
        if writes >= 0:
            os.close(writes)
        raise
    finally:
        there.close()
        os.close(reads)


def _warm_parent() -> socket.socket:
    """The socket to the warm parent of this process; a new one in a process that was itself forked."""
    global _parent
    if _parent is not None:
        owner, process, asks = _parent
        if owner == os.getpid() and process.poll() is None:
            return asks
        asks.close()
    here, there = socket.socketpair()
    with there:
        process = subprocess.Popen(
            [sys.executable, "-m", "gatecrash.warm", str(there.fileno())],
            pass_fds=[there.fileno()],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            cwd=Path(__file__).parents[1],  # not the user's folder: -m would import what lies there under our name
            env={name: value for name, value in os.environ.items() if not name.startswith("GATECRASH_")},
            start_new_session=True,
        )
    if _parent is None:
        atexit.register(_end)
    _parent = os.getpid(), process, here
    return here


def _end() -> None:
    if _parent is not None and _parent[0] == os.getpid():
        _parent[2].close()
        _parent[1].wait()


# --- in the warm parent


def _serve(asks: socket.socket) -> None:
    """Fork what is asked for, until nobody can ask any more."""
    woken, wake = socket.socketpair()
    for end in (woken, wake):
        end.setblocking(False)
    signal.set_wakeup_fd(wake.fileno())
    signal.signal(signal.SIGCHLD, lambda number, frame: None)
    children: dict[int, socket.socket] = {}
    ours = (asks, woken, wake)
    ended: set[int] = set()
    with selectors.DefaultSelector() as selector:
        selector.register(asks, selectors.EVENT_READ)
        selector.register(woken, selectors.EVENT_READ)
        while True:
            for key, _ in selector.select():
                if key.fileobj is asks:
                    tells = _fork(ours, children, selector)
                    if tells is None:
                        return
                    selector.register(tells[1], selectors.EVENT_READ, tells[0])
                elif key.fileobj is woken:
                    woken.recv(4096)
                    for pid in children.keys() - ended:
                        if _tell_end(pid, children[pid]):
                            ended.add(pid)
                else:  # closed by who asked: the process id may be anybody's again
                    selector.unregister(key.fileobj)
                    children.pop(key.data).close()
                    if key.data in ended:
                        ended.discard(key.data)
                        os.waitpid(key.data, 0)


def _tell_end(pid: int, tells: socket.socket) -> bool:
    found = os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT)
    if found is None:
        return False
    status = found.si_status if found.si_code == os.CLD_EXITED else -found.si_status
    with contextlib.suppress(OSError):  # nobody wants to know
        tells.sendall(b"%d" % status)
    return True


def _fork(
    ours: tuple[socket.socket, ...], children: dict[int, socket.socket], selector: selectors.BaseSelector
) -> tuple[int, socket.socket] | None:
    asks = ours[0]
    size = _exactly(asks, 4)
    if size is None:
        return None
    _, descriptors, _, _ = socket.recv_fds(asks, 1, 3)
    body = _exactly(asks, min(int.from_bytes(size, "big"), _WIDEST))
    if body is None:
        return None
    stdin, output, tells_fd = descriptors
    tells = socket.socket(fileno=tells_fd)
    # it has a session of its own once this pipe ends: whoever knows the process id may kill its whole group
    begun, begins = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.setsid()
        os.close(begins)
        os.close(begun)
        selector.close()
        signal.set_wakeup_fd(-1)
        for other in (*ours, *children.values(), tells):
            other.close()
        _be_gateway(json.loads(body), stdin, output)
    os.close(begins)
    os.read(begun, 1)
    for descriptor in (begun, stdin, output):
        os.close(descriptor)
    children[pid] = tells
    tells.sendall(b"%d" % pid)
    return pid, tells


def _exactly(asks: socket.socket, size: int) -> bytes | None:
    got = b""
    while len(got) < size:
        piece = asks.recv(size - len(got))
        if not piece:
            return None
        got += piece
    return got


def _be_gateway(asked: dict[str, Any], stdin: int, output: int) -> None:
    """In the child: what a start of `gatecrash ARGUMENTS…` would have made, then that."""
    status = 1
    try:
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        signal.signal(signal.SIGINT, signal.default_int_handler)  # whoever runs us in the background may have it ignored
        for descriptor, place in ((stdin, 0), (output, 1), (output, 2)):
            os.dup2(descriptor, place)
        os.close(stdin)
        os.close(output)
        os.chdir(asked["cwd"])
        os.environ.clear()
        os.environ.update(asked["env"])
        sys.argv = ["gatecrash", *asked["arguments"]]
        from gatecrash.cli import main

        main(asked["arguments"], prog_name="gatecrash")
    except SystemExit as ended:
        status = ended.code if isinstance(ended.code, int) else 0 if ended.code is None else 1
    except BaseException:
        import traceback

        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)


if __name__ == "__main__":
    import gatecrash.cli.serve
    import gatecrash.dialects.native
    import gatecrash.server.app
    import gatecrash.server.supervisor  # noqa: F401 - to have it

    _serve(socket.socket(fileno=int(sys.argv[1])))
