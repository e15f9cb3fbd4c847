"""Processes that play schedules. Each is a fresh interpreter with a player of its own: what a world patches stays there."""

import os
import signal
import subprocess
import sys
import tempfile
import time
from collections import deque
from collections.abc import Mapping
from contextlib import suppress
from multiprocessing.connection import Connection, wait
from types import TracebackType
from typing import Any, NamedTuple

from gatecrash.harness.explore.fault import Failure, Play, Schedule, Told, in_words
from gatecrash.harness.explore.worker import READY

#: Given to a worker ahead, so that it never waits for the next.
_AHEAD = 8
#: A worker that is not ready by then never will be, in seconds.
_START_S = 60.0
#: What a worker prints is kept for its last words, up to about so many bytes.
_LOG_MAX = 1 << 20
_LAST_WORDS = 4000


class PlayerSpec(NamedTuple):
    """`factory` is `module:function`; called with `kwargs`, in each worker, it makes its player."""

    factory: str
    kwargs: Mapping[str, Any]


class PlayerFailed(Exception):
    """No player could be made; the message says why, `detail` has what its process said."""

    def __init__(self, failure: Failure) -> None:
        super().__init__(failure.why)
        self.detail = failure.detail


class Task(NamedTuple):
    """`token` is whatever the caller knows it by."""

    token: Any
    story: str
    schedule: Schedule
    told: Told
    looks: bool


class _Worker:
    def __init__(self, spec: PlayerSpec) -> None:
        self.ready = False
        self.tasks: deque[Task] = deque()
        self.since = time.monotonic()  # when the task at the head, or the start, began
        self._log = tempfile.TemporaryFile("a+b")  # noqa: SIM115 - closed by `close`
        their_in, our_out = os.pipe()
        our_in, their_out = os.pipe()
        path = os.pathsep.join(each or os.getcwd() for each in sys.path)
        command = [sys.executable, "-P", "-m", "gatecrash.harness.explore.worker", str(their_in), str(their_out)]
        try:
            # a session of its own: Ctrl-C is the caller's to deal with
            self._process = subprocess.Popen(
                command, env={**os.environ, "PYTHONPATH": path}, stdin=subprocess.DEVNULL, stdout=self._log,
                stderr=subprocess.STDOUT, pass_fds=(their_in, their_out), start_new_session=True,
            )  # fmt: skip
        finally:
            os.close(their_in)
            os.close(their_out)
        self.plays = Connection(our_in, writable=False)
        self._tasks = Connection(our_out, readable=False)
        self._tasks.send((spec.factory, dict(spec.kwargs)))

    def send(self, task: Task) -> None:
        if not self.tasks:
            self.since = time.monotonic()
        self.tasks.append(task)
        with suppress(BrokenPipeError):  # it has died: seen when its answer is read
            self._tasks.send((task.told, task.schedule, task.looks))

    def trim(self) -> None:
        if os.fstat(self._log.fileno()).st_size > _LOG_MAX:
            self._log.truncate(0)

    def last_words(self) -> str:
        size = os.fstat(self._log.fileno()).st_size
        return os.pread(self._log.fileno(), _LAST_WORDS, max(0, size - _LAST_WORDS)).decode(errors="replace").strip()

    def where_it_hangs(self) -> str:
        """Asks the process for its stack; whatever it said within a moment."""
        before = len(self.last_words())
        with suppress(ProcessLookupError):
            self._process.send_signal(signal.SIGUSR1)
        for _ in range(20):
            time.sleep(0.01)
            if len(self.last_words()) != before:
                break
        return self.last_words()

    def reap(self, within_s: float = 5.0) -> int:
        """Waits for a process that is about to end; its exit code."""
        try:
            return self._process.wait(within_s)
        except subprocess.TimeoutExpired:
            self._process.kill()
            return self._process.wait()

    def kill(self) -> None:
        self._process.kill()
        self.close()

    def hang_up(self) -> None:
        """It ends by itself once it has played what it is playing; `close` waits for it."""
        self._tasks.close()
        self.plays.close()

    def close(self) -> None:
        self.hang_up()
        self.reap(2.0)
        self._log.close()


class Pool:
    """`jobs` workers. A play that takes longer than `hang_s` of real time, or takes its process with it, is a Failure."""

    def __init__(self, spec: PlayerSpec, jobs: int = 1, *, hang_s: float = 60.0) -> None:
        self._spec = spec
        self._hang_s = hang_s
        self._workers = [_Worker(spec) for _ in range(jobs)]
        self._answers = 0
        self._brought: dict[str, Told] = {}

    def __enter__(self) -> "Pool":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        for worker in self._workers:
            worker.hang_up()
        for worker in self._workers:
            worker.close()

    @property
    def room(self) -> bool:
        return any(len(worker.tasks) < _AHEAD for worker in self._workers)

    @property
    def busy(self) -> bool:
        return any(worker.tasks for worker in self._workers)

    def bring(self, story: str, document: Told) -> None:
        """What a story that the players were not made with is, from now on."""
        self._brought[story] = document

    def submit(self, token: Any, story: str, schedule: Schedule, *, looks: bool = False) -> None:
        task = Task(token, story, schedule, self._brought.get(story, story), looks)
        min(self._workers, key=lambda worker: len(worker.tasks)).send(task)

    def results(self, timeout_s: float) -> list[tuple[Any, Play | Failure]]:
        """What has come back, waiting up to this long for something. Raises PlayerFailed."""
        by_pipe = {worker.plays: worker for worker in self._workers if worker.tasks or not worker.ready}
        came: list[tuple[Any, Play | Failure]] = []
        for pipe in wait(list(by_pipe), timeout_s):
            assert isinstance(pipe, Connection)
            came += self._read(by_pipe[pipe])
        now = time.monotonic()
        for worker in list(self._workers):
            patience = self._hang_s if worker.ready else max(self._hang_s, _START_S)
            if (worker.tasks or not worker.ready) and now - worker.since > patience:
                came += self._lost(worker, f"did not end within {patience:g} s", worker.where_it_hangs())
        return came

    def play(self, story: str, schedule: Schedule) -> Play | Failure:
        """One schedule, when nothing else is being played."""
        assert not self.busy
        self.submit(None, story, schedule)
        while True:
            for _, play in self.results(1.0):
                return play

    def _read(self, worker: _Worker) -> list[tuple[Any, Play | Failure]]:
        came: list[tuple[Any, Play | Failure]] = []
        while worker.plays.poll():
            try:
                answer = worker.plays.recv()
            except (EOFError, OSError):
                return came + self._lost(worker, _how_it_ended(worker.reap()), worker.last_words())
            worker.since = time.monotonic()
            if not worker.ready:
                if answer != READY:
                    raise PlayerFailed(answer)
                worker.ready = True
                continue
            came.append((worker.tasks.popleft().token, answer))
            self._answers += 1
            if self._answers % 256 == 0:
                worker.trim()
        return came

    def _lost(self, worker: _Worker, why: str, words: str) -> list[tuple[Any, Play | Failure]]:
        """A worker's end: the play at its head has failed, the others go to a new one."""
        worker.kill()
        if not worker.ready:
            raise PlayerFailed(Failure(f"before it was ready, the process that plays {why}", words))
        fresh = _Worker(self._spec)
        self._workers[self._workers.index(worker)] = fresh
        if not worker.tasks:
            return []
        failed, *others = worker.tasks
        for task in others:
            fresh.send(task)
        what = f"{failed.story} with {in_words(failed.schedule)}: the process that played it {why}"
        return [(failed.token, Failure(what, words))]


def _how_it_ended(code: int) -> str:
    return f"was killed by {signal.Signals(-code).name}" if code < 0 else f"ended by itself, with exit code {code}"
