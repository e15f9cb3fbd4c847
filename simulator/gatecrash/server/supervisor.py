"""The supervisor: forks the gateway's worker, and another one when it dies, on the same ports.

It imports everything before it forks and opens nothing, so a worker is up again in milliseconds and, while one is down,
connections are refused. What it does hold is the lock on the data folder.
"""

import fcntl
import os
import select
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import FrameType

import msgspec

from gatecrash.server import worker
from gatecrash.server.serving import Settings, SetupError
from gatecrash.server.worker import Report

LOCK = "gatecrash.lock"
_DEATHS_BEFORE_READY_MAX = 3
_GRACE_S = 5
_STOPS = (signal.SIGTERM, signal.SIGINT)


class Supervisor:
    """`serve` runs until SIGTERM or SIGINT, or until the set-up proves wrong. `on_ready(ports)` runs once."""

    def __init__(self, settings: Settings, on_ready: Callable[[dict[str, int]], None]) -> None:
        self._settings = settings
        self._on_ready = on_ready
        self._child = 0
        self._stopping = False
        self._wake, self._woken = os.pipe()
        self._lock = -1

    def serve(self) -> int:
        """The exit status: 0 stopped, 1 the worker keeps dying, 2 the set-up is wrong."""
        try:
            assert self._settings.data is not None, "what is forked anew keeps its state in a folder"
            self._lock = lock(self._settings.data)
        except SetupError as error:
            print(f"gatecrash: {error}", file=sys.stderr)
            return 2
        for number in _STOPS:
            signal.signal(number, self._stop)
        signal.signal(signal.SIGALRM, self._end)
        ready_once = False
        deaths = 0
        while True:
            last, status, was_ready = self._one_life(rebinding=ready_once, announce=not ready_once)
            ready_once = ready_once or was_ready
            if self._stopping:
                return 0
            if last.error is not None:
                print(f"gatecrash: {last.error}", file=sys.stderr)
                return 2
            deaths = 0 if was_ready else deaths + 1
            if deaths >= _DEATHS_BEFORE_READY_MAX:
                print(
                    f"gatecrash: the gateway died {deaths} times before it was ready; its messages above say why",
                    file=sys.stderr,
                )
                return 1
            down_s = last.down_s or 0.0
            print(
                f"gatecrash: the gateway {_how(status)}; up again in {down_s:g} s",
                file=sys.stderr,
                flush=True,
            )
            if down_s:
                self._stay_down(down_s)
            if self._stopping:
                return 0

    def _stay_down(self, seconds: float) -> None:
        """Wait; a signal ends it, and so does the end of whoever started us."""
        lifelines = [] if self._settings.lifeline is None else [self._settings.lifeline]
        ready, _, _ = select.select([self._wake, *lifelines], [], [], seconds)
        if ready == lifelines != [] and worker.ended(lifelines[0]):
            self._stopping = True

    def _stop(self, number: int, frame: FrameType | None) -> None:
        """Ask the worker to end; asked a second time, or after a while, end it."""
        asked_before, self._stopping = self._stopping, True
        os.write(self._woken, b"x")
        signal.alarm(_GRACE_S)
        if self._child:
            os.kill(self._child, signal.SIGKILL if asked_before else signal.SIGTERM)

    def _end(self, number: int, frame: FrameType | None) -> None:
        if self._child:
            os.kill(self._child, signal.SIGKILL)

    def _one_life(self, *, rebinding: bool, announce: bool) -> tuple[Report, int, bool]:
        """Fork a worker and listen to it until it ends: its last words, its wait status, whether it was ever ready."""
        told, tell = os.pipe()
        alive_here, alive_there = os.pipe()
        sys.stdout.flush()
        sys.stderr.flush()
        # a signal that came while there are two of us, and one does not know who it is, would be lost
        signal.pthread_sigmask(signal.SIG_BLOCK, _STOPS)
        child = os.fork()
        if child == 0:
            os.close(told)
            os.close(alive_there)
            self._be_worker(tell, alive_here, rebinding)
        os.close(tell)
        os.close(alive_here)
        self._child = child
        signal.pthread_sigmask(signal.SIG_UNBLOCK, _STOPS)
        if self._stopping:
            os.kill(child, signal.SIGTERM)
        last, ready = Report(), False
        with os.fdopen(told, "rb") as lines:
            for line in lines:
                last = msgspec.json.decode(line, type=Report)
                if last.ready is not None:
                    ready = True
                    self._settings = self._settings._replace(ports=last.ready)
                    if announce:
                        self._on_ready(last.ready)
        status = self._reap(child)
        os.close(alive_there)
        self._child = 0
        return last, status, ready

    def _reap(self, child: int) -> int:
        """Wait for a worker that has said its last; one that will not go is killed."""
        deadline = time.monotonic() + _GRACE_S
        while time.monotonic() < deadline:
            pid, status = os.waitpid(child, os.WNOHANG)
            if pid:
                return status
            select.select([], [], [], 0.002)
        os.kill(child, signal.SIGKILL)
        return os.waitpid(child, 0)[1]

    def _be_worker(self, tell: int, parent: int, rebinding: bool) -> None:
        status = 1
        try:
            for number in _STOPS:
                signal.signal(number, signal.SIG_DFL)
            signal.pthread_sigmask(signal.SIG_UNBLOCK, _STOPS)

            def report(what: Report) -> None:
                os.write(tell, msgspec.json.encode(what) + b"\n")

            status = worker.run(self._settings, report, parent, rebinding=rebinding)
        except BaseException:
            import traceback

            traceback.print_exc()
        finally:
            sys.stderr.flush()
            os._exit(status)


def lock(data: Path) -> int:
    """Take the data folder for this gateway alone, as long as the supervisor or a worker of it lives: the worker's descriptor is
    the same one, so a folder is not free in the moment of a crash, nor before the last worker is gone.
    """
    path = data / LOCK
    try:
        handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    except OSError as error:
        raise SetupError(f"cannot lock {path}: {error.strerror}; give --data a folder that this user may write.") from error
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        holder = os.read(handle, 20).decode(errors="replace").strip()
        os.close(handle)
        by = f"gateway with process id {holder}" if holder.isdigit() else "other gateway"
        raise SetupError(
            f"the folder {data} is in use by the {by}; stop it, or give --data a folder that no other gateway uses."
        ) from error
    os.ftruncate(handle, 0)
    os.write(handle, b"%d\n" % os.getpid())
    return handle


def _how(status: int) -> str:
    if os.WIFSIGNALED(status):
        return f"was killed by {signal.Signals(os.WTERMSIG(status)).name}"
    return f"ended with status {os.WEXITSTATUS(status)}"


def write_urls(path: Path, urls: dict[str, str]) -> None:
    """Write the url file whole or not at all: who waits for it never reads half of it."""
    draft = path.with_name(path.name + ".part")
    draft.write_bytes(msgspec.json.encode(urls) + b"\n")
    os.replace(draft, path)
