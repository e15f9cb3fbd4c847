"""Processes that play: real ones, that may die, hang and refuse."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from gatecrash.harness.explore.fault import Failure, Fault, Play, Schedule
from gatecrash.harness.explore.pool import PlayerFailed, PlayerSpec, Pool
from tests.harness.explore.toys import Toy

LOST = (Fault("charges.create", 1, "lost answer"),)
TWICE = (Fault("webhook charge.succeeded", 1, "twice"),)


def toys(**kwargs: object) -> PlayerSpec:
    return PlayerSpec("tests.harness.explore.toys:make", kwargs)


def play_all(pool: Pool, schedules: list[Schedule]) -> dict[int, Play | Failure]:
    came: dict[int, Play | Failure] = {}
    waiting = list(enumerate(schedules))
    while waiting or pool.busy:
        while waiting and pool.room:
            number, schedule = waiting.pop(0)
            pool.submit(number, "once", schedule)
        came.update(pool.results(1.0))
    return came


def test_many_plays_come_back_from_several_processes() -> None:
    schedules: list[Schedule] = [(), LOST, TWICE] * 30
    with Pool(toys(bug="no dedupe"), 2) as pool:
        came = play_all(pool, schedules)
    toy = Toy("no dedupe")
    assert [came[number] for number in range(90)] == [toy.play("once", schedule) for schedule in schedules]


@pytest.mark.parametrize(
    ("how", "why"),
    [
        ("die", "once with charges.create #1: lost answer: the process that played it was killed by SIGKILL"),
        ("hang", "once with charges.create #1: lost answer: the process that played it did not end within 2 s"),
        ("raise", "ValueError: cannot play this"),
    ],
)
def test_a_play_that_takes_its_process_along_is_named_and_the_others_are_played(how: str, why: str) -> None:
    with Pool(toys(lame="charges.create #1: lost answer", how=how), 1, hang_s=2) as pool:
        came = play_all(pool, [(), LOST, TWICE, ()])
    failure = came.pop(1)
    assert isinstance(failure, Failure)
    assert failure.why == why
    # its last words, where it hangs, or the traceback
    assert {"die": "my last words", "hang": "in _fail", "raise": "in _fail"}[how] in failure.detail
    assert [came[number] for number in (0, 2, 3)] == [Toy().play("once", schedule) for schedule in ((), TWICE, ())]


@pytest.mark.parametrize(
    ("factory", "why"),
    [
        ("tests.harness.explore.toys:make_nothing", "RuntimeError: no such merchant"),
        ("tests.harness.explore.nowhere:make", "No module named 'tests.harness.explore.nowhere'"),
        ("os:abort", "before it was ready, the process that plays was killed by SIGABRT"),
    ],
)
def test_a_player_that_cannot_be_made_says_why(factory: str, why: str) -> None:
    with Pool(PlayerSpec(factory, {})) as pool, pytest.raises(PlayerFailed, match=why):
        pool.play("once", ())


def test_no_process_is_left_behind() -> None:
    with Pool(toys(), 2) as pool:
        assert isinstance(pool.play("once", ()), Play)
        processes = [worker._process.pid for worker in pool._workers]
    for pid in processes:
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)


def test_a_process_whose_caller_is_killed_ends_by_itself(tmp_path: Path) -> None:
    caller = tmp_path / "caller.py"
    caller.write_text(
        "import os, signal\n"
        "from gatecrash.harness.explore.pool import PlayerSpec, Pool\n"
        "pool = Pool(PlayerSpec('tests.harness.explore.toys:make', {}))\n"
        "pool.play('once', ())\n"
        "print(pool._workers[0]._process.pid, flush=True)\n"
        "os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    path = os.pathsep.join([str(Path(__file__).parents[3]), os.environ.get("PYTHONPATH", "")])
    done = subprocess.run(
        [sys.executable, str(caller)], capture_output=True, text=True, env={**os.environ, "PYTHONPATH": path}, check=False
    )
    pid = int(done.stdout)
    until = time.monotonic() + 30
    while Path(f"/proc/{pid}").exists() and "Z" not in Path(f"/proc/{pid}/stat").read_text().split(")")[1].split()[0]:
        assert time.monotonic() < until
        time.sleep(0.01)
