"""A program as its own process group: started with its output in a file, killed and reaped as a whole."""

import atexit
import errno
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from gatecrash.harness.world import SetupFailed
from gatecrash.warm import Forked


@cache
def _reaper() -> "subprocess.Popen[bytes]":
    """The last net: it ends what runs, and removes what lies about, when this process is gone, also by SIGKILL."""
    program = Path(__file__).with_name("reaper.py")
    process = subprocess.Popen(
        [sys.executable, "-I", "-S", str(program)],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        bufsize=0,
        start_new_session=True,  # what strikes our own group, Ctrl-C or a kill, must not strike it
    )
    atexit.register(process.communicate)  # closes the pipe, and waits for it
    return process


#: A program begins when it is told to, so that it never runs unminded: who is killed in between opens no gate.
_GATE = 'read -r go && exec "$0" "$@" </dev/null'


def mind(what: int | Path, *, gone: bool = False) -> None:
    """Have a process group (by its id) or a folder ended with this process, however that ends; or no more, when it is gone."""
    pipe = _reaper().stdin
    assert pipe is not None
    with suppress(BrokenPipeError):
        pipe.write(f"{'-' if gone else '+'}{what}\n".encode())


@dataclass(slots=True)
class Process:
    """One program that may be started again after it was killed. `log` collects the output of all its lives.

    `forks`: starts it in place of `command`, with the log's descriptor, in a session of its own; what it starts must have a
    lifeline to this process.
    """

    name: str
    command: Sequence[str]
    env: Mapping[str, str]
    log: Path
    cwd: Path | None = None
    forks: Callable[[int], Forked] | None = None
    _running: subprocess.Popen[bytes] | Forked | None = field(default=None, repr=False)

    def start(self) -> None:
        """Starts it unless it runs. Raises SetupFailed when there is no such program."""
        if self.alive():
            return
        self.kill()  # reaps one that ended by itself, with whatever it left behind in its group
        if self.forks is not None:
            with self.log.open("ab") as log:
                self._running = self.forks(log.fileno())
            mind(self._running.pid)
            return
        self._check_program()
        with self.log.open("ab") as log:
            try:
                process = subprocess.Popen(
                    ["/bin/sh", "-c", _GATE, *self.command],
                    env=dict(self.env),
                    cwd=self.cwd,
                    stdin=subprocess.PIPE,
                    stdout=log,
                    stderr=subprocess.STDOUT,
                    start_new_session=True,
                )
            except OSError as error:
                raise SetupFailed(f"the {self.name} cannot be started: {self.command[0]}: {error.strerror or error}") from error
        self._running = process
        mind(process.pid)
        assert process.stdin is not None
        with suppress(BrokenPipeError), process.stdin as gate:
            gate.write(b"go\n")

    def _check_program(self) -> None:
        """Raises SetupFailed when there is no such program."""
        name = self.command[0]
        place = str((self.cwd or Path()) / name) if os.sep in name else name
        if shutil.which(place, path=self.env.get("PATH")) is None:
            why = errno.EACCES if Path(place).exists() else errno.ENOENT
            raise SetupFailed(f"the {self.name} cannot be started: {name}: {os.strerror(why)}")

    def alive(self) -> bool:
        return self._running is not None and self._running.poll() is None

    def ended(self) -> str:
        """`status 3` or `SIGSEGV`, when it has ended and nobody here has killed it."""
        code = self._running.poll() if self._running else None
        if code is None:
            return ""
        return f"status {code}" if code >= 0 else signal.Signals(-code).name

    @property
    def pid(self) -> int | None:
        return self._running.pid if self._running else None

    def kill(self) -> None:
        """SIGKILL of the whole group, and reaps the leader: on return none of it runs any more."""
        process, self._running = self._running, None
        if process is None:
            return
        with suppress(ProcessLookupError, PermissionError):  # macOS says EPERM for a group of zombies
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        if self.forks is not None and process.stdin is not None:
            process.stdin.close()
        mind(process.pid, gone=True)
        # the leader is reaped; the others have been sent the signal too, and need a moment to notice. A zombie that
        # nobody reaps stays in the group for ever and does no harm, hence the bound
        for _ in range(50):
            try:
                os.killpg(process.pid, 0)
            except (ProcessLookupError, PermissionError):
                return
            time.sleep(0.001)

    def last_words(self, lines: int = 12) -> str:
        """The end of its output, for an error message."""
        try:
            text = self.log.read_text(encoding="utf-8", errors="replace")
        except OSError:
            return "(no output)"
        return "\n".join(text.splitlines()[-lines:]) or "(no output)"


@dataclass(slots=True)
class Port:
    """A free port kept for one program across its restarts.

    On Linux the reservation stays bound and never listens: the program can bind beside it (both say
    SO_REUSEADDR), while the system gives the port to nobody else. Elsewhere it is let go at once.
    """

    number: int
    _reservation: socket.socket | None

    @classmethod
    def reserve(cls, host: str = "127.0.0.1") -> "Port":
        reservation = socket.socket()
        reservation.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        reservation.bind((host, 0))
        number = int(reservation.getsockname()[1])
        if sys.platform != "linux":
            reservation.close()
            return cls(number, None)
        return cls(number, reservation)

    def release(self) -> None:
        if self._reservation is not None:
            self._reservation.close()
            self._reservation = None
