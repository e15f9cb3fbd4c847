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
from typing import NamedTuple

import msgspec

from gatecrash import files
from gatecrash.server import worker
from gatecrash.server.serving import Settings, SetupError
from gatecrash.server.worker import Report

LOCK = "gatecrash.lock"
_DEATHS_BEFORE_READY_MAX = 3
_GRACE_S = 5
# The worker of a supervisor that was killed holds the lock until it notices. Wait for it: longer where the supervisor is
# known to be gone, and a little in any case, since a process that nobody has reaped yet seems to be there.
_LOCK_WITHIN_S = 1.0
_LOCK_OF_THE_DEAD_WITHIN_S = 10.0
_LOCK_LOOK_S = 0.01
_STOPS = (signal.SIGTERM, signal.SIGINT)

# A worker that dies within a second of being ready rests before the next one starts: not after the first deaths, then
# twice as long each time. SIGKILL comes from a person or a test, who want the gateway back soon.
_SHORT_LIFE_S = 1.0
_FREE_DEATHS = 3
_FIRST_REST_S = 0.1
_REST_MAX_S = 10.0
_REST_AFTER_KILL_MAX_S = 0.2
# how long until a start is tried again that failed for a reason that passes, such as a full disk
_PASSING_REST_S = 0.5


class Life(NamedTuple):
    """One worker's: its last words, its wait status, and for how long it was ready; None if it never was."""

    last: Report
    status: int
    ready_s: float | None


def rest_s(short_lives: int, status: int) -> float:
    """How long to stay down after the last of so many short lives in a row."""
    if short_lives <= _FREE_DEATHS:
        return 0.0
    killed = os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL
    longest_s = _REST_AFTER_KILL_MAX_S if killed else _REST_MAX_S
    return float(min(longest_s, _FIRST_REST_S * 2 ** min(short_lives - _FREE_DEATHS - 1, 20)))


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
            self._lock, waited = lock(self._settings.data)
        except SetupError as error:
            print(f"gatecrash: {error}", file=sys.stderr)
            return 2
        for number in _STOPS:
            signal.signal(number, self._stop)
        signal.signal(signal.SIGALRM, self._end)
        ready_once = False
        unready = short_lives = 0
        waits_for = ""
        while True:
            life = self._one_life(rebinding=ready_once or waited, announce=not ready_once)
            ready_once = ready_once or life.ready_s is not None
            if self._stopping:
                return 0
            if life.last.error is not None:
                if not (life.last.passing and ready_once):
                    print(f"gatecrash: {life.last.error}", file=sys.stderr)
                    return 2
                if life.last.error != waits_for:
                    waits_for = life.last.error
                    print(f"gatecrash: {waits_for} The gateway stays down until that has passed.", file=sys.stderr, flush=True)
                self._stay_down(_PASSING_REST_S)
                if self._stopping:
                    return 0
                continue
            waits_for = ""
            unready = unready + 1 if life.ready_s is None else 0
            if unready >= _DEATHS_BEFORE_READY_MAX:
                print(
                    f"gatecrash: the gateway died {unready} times before it was ready; its messages above say why",
                    file=sys.stderr,
                )
                return 1
            down_s, why = life.last.down_s, ""
            if down_s is None:  # no fault rule: it died by itself, or was killed
                short_lives = short_lives + 1 if life.ready_s is not None and life.ready_s < _SHORT_LIFE_S else 0
                down_s = rest_s(short_lives, life.status)
                if down_s:
                    why = f", for the {short_lives}th time in a row within {_SHORT_LIFE_S:g} s of being ready"
            print(f"gatecrash: the gateway {_how(life.status)}{why}; up again in {down_s:g} s", file=sys.stderr, flush=True)
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

    def _one_life(self, *, rebinding: bool, announce: bool) -> Life:
        """Fork a worker and listen to it until it ends."""
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
        last, ready_at = Report(), None
        with os.fdopen(told, "rb") as lines:
            for line in lines:
                last = msgspec.json.decode(line, type=Report)
                if last.ready is not None:
                    ready_at = time.monotonic()
                    self._settings = self._settings._replace(ports=last.ready, database=last.database)
                    if announce:
                        self._on_ready(last.ready)
        ready_s = None if ready_at is None else time.monotonic() - ready_at
        status = self._reap(child)
        os.close(alive_there)
        self._child = 0
        return Life(last, status, ready_s)

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


def lock(data: Path) -> tuple[int, bool]:
    """Take the data folder for this gateway alone, as long as the supervisor or a worker of it lives: the worker's descriptor is
    the same one, so a folder is not free in the moment of a crash, nor before the last worker is gone.

    Returns the descriptor, and whether an earlier worker held it: its ports may be freed a moment later.
    """
    path = data / LOCK
    try:
        files.claim(path, make=True)
        handle = os.open(path, os.O_RDWR | os.O_NOFOLLOW)
    except OSError as error:
        raise SetupError(f"cannot lock {path}: {error.strerror}; give --data a folder that this user may write.") from error
    began_at = time.monotonic()
    waited = False
    while True:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            break
        except OSError as error:
            holder = os.pread(handle, 20, 0).decode(errors="replace").strip()
            within_s = _LOCK_WITHIN_S if _is_alive(holder) else _LOCK_OF_THE_DEAD_WITHIN_S
            if isinstance(error, BlockingIOError) and time.monotonic() - began_at < within_s:
                waited = True
                time.sleep(_LOCK_LOOK_S)
                continue
            os.close(handle)
            by = f"gateway with process id {holder}" if holder.isdigit() else "other gateway"
            raise SetupError(
                f"the folder {data} is in use by the {by}; stop it, or give --data a folder that no other gateway uses."
            ) from error
    os.pwrite(handle, b"%-20d\n" % os.getpid(), 0)  # of one length, so that nothing need ever be cut off
    return handle, waited


def _is_alive(holder: str) -> bool:
    """Whether the process that a lock file names is there, as far as can be told."""
    try:
        os.kill(int(holder), 0)
    except (ValueError, OverflowError, ProcessLookupError):
        return False
    except OSError:
        return True  # of another user
    return True


def _how(status: int) -> str:
    if os.WIFSIGNALED(status):
        return f"was killed by {signal.Signals(os.WTERMSIG(status)).name}"
    return f"ended with status {os.WEXITSTATUS(status)}"
