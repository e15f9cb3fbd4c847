"""The loop that never waits."""

import asyncio
import gc
import socket
import threading
import time
import weakref
from collections.abc import AsyncIterator

import pytest

from gatecrash.harness.worlds.simulated.guard import CannotSimulate
from gatecrash.harness.worlds.simulated.loop import Deadlock, Livelock, VirtualLoop


def test_a_day_takes_no_time(loop: VirtualLoop) -> None:
    began = time.monotonic()
    loop.run_until_complete(asyncio.sleep(86_400))
    assert loop.time() == 86_400
    assert time.monotonic() - began < 60


def test_equal_deadlines_are_first_come_first_served(loop: VirtualLoop) -> None:
    heard: list[int] = []
    for number in range(100):
        loop.call_at(1.0, heard.append, number)
    loop.call_at(0.5, heard.append, -1)
    loop.run_until_complete(asyncio.sleep(2))
    assert heard == list(range(-1, 100))


def test_time_is_the_deadline_itself(loop: VirtualLoop) -> None:
    seen: list[float] = []
    deadlines = [0.1 * n for n in range(1, 50)]
    for deadline in deadlines:
        loop.call_at(deadline, lambda: seen.append(loop.time()))
    loop.run_until_complete(asyncio.sleep(10))
    assert seen == deadlines


def test_who_is_ready_goes_before_any_deadline(loop: VirtualLoop) -> None:
    heard: list[str] = []
    loop.call_later(0.001, heard.append, "timer")

    async def busy() -> None:
        for _ in range(50):
            await asyncio.sleep(0)
        heard.append("busy")
        await asyncio.sleep(1)

    loop.run_until_complete(busy())
    assert heard == ["busy", "timer"]


def test_a_cancelled_timer_does_not_move_time(loop: VirtualLoop) -> None:
    loop.call_later(500, print).cancel()
    for _ in range(1000):
        loop.call_later(1000, print).cancel()
    assert loop.pending() == []
    loop.run_until_complete(asyncio.sleep(1))
    assert loop.time() == 1


def test_what_is_scheduled_is_told_in_its_order(loop: VirtualLoop) -> None:
    def later() -> None: ...
    def sooner() -> None: ...

    loop.call_at(2.0, later)
    loop.call_at(1.0, sooner)
    assert [(when, name.rpartition(".")[2]) for when, name in loop.pending()] == [(1.0, "sooner"), (2.0, "later")]


def test_a_deadlock_names_who_waits_and_where(loop: VirtualLoop) -> None:
    async def waits_for_ever() -> None:
        await asyncio.Event().wait()

    async def main() -> None:
        await asyncio.create_task(waits_for_ever(), name="the one")

    with pytest.raises(Deadlock, match=r"the one \(.*waits_for_ever\) waits at .*test_loop\.py:\d+"):
        loop.run_until_complete(main())


def test_who_turns_in_circles_is_told_of(loop: VirtualLoop) -> None:
    async def spin() -> None:
        while loop.time() < 1:  # noqa: ASYNC110
            await asyncio.sleep(0)

    with pytest.raises(Livelock, match="spin"):
        loop.run_until_complete(spin())


def test_who_waits_for_no_time_at_all_turns_in_circles_too(loop: VirtualLoop) -> None:
    def again() -> None:
        loop.call_later(0, again)

    loop.call_at(1.0, again)
    with pytest.raises(Livelock, match=r"at 1\.0 s .* harness: .*again"):
        loop.run_until_complete(asyncio.Event().wait())


def test_a_loop_is_idle_when_nobody_is_ready(loop: VirtualLoop) -> None:
    assert loop.idle()
    handle = loop.call_soon(print)
    assert not loop.idle()
    handle.cancel()
    assert loop.idle()


def test_timeouts_strike_in_virtual_time(loop: VirtualLoop) -> None:
    async def main() -> None:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(15):
                await asyncio.Event().wait()
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(asyncio.Event().wait(), 5)

    loop.run_until_complete(main())
    assert loop.time() == 20


def test_work_for_threads_is_done_here_and_now(loop: VirtualLoop) -> None:
    async def main() -> int:
        with pytest.raises(ZeroDivisionError):
            await asyncio.to_thread(lambda: 1 // 0)
        with pytest.raises(RuntimeError):
            await asyncio.to_thread(next, iter(()))
        return await loop.run_in_executor(None, threading.get_ident)

    assert loop.run_until_complete(main()) == threading.get_ident()


def test_names_are_resolved_without_asking_anybody(loop: VirtualLoop) -> None:
    async def main() -> None:
        for name in ("localhost", "127.0.0.1", "shop.localhost"):
            assert (await loop.getaddrinfo(name, 80))[0][4] == ("127.0.0.1", 80)
        assert await loop.getnameinfo(("127.0.0.1", 80)) == ("127.0.0.1", "80")
        with pytest.raises(socket.gaierror, match=r"example\.com is not known in a simulated world"):
            await loop.getaddrinfo("example.com", 80)

    loop.run_until_complete(main())


@pytest.mark.parametrize(
    ("ask", "told"),
    [
        (lambda loop: loop.add_reader(0, print), "file descriptor"),
        (lambda loop: loop.sock_recv(None, 1), "bare socket"),
        (lambda loop: loop.subprocess_exec(None, "true"), "starting a process"),
        (lambda loop: loop.create_datagram_endpoint(None), "UDP"),
        (lambda loop: loop.create_unix_server(None, "x"), "Unix socket"),
        (lambda loop: loop.start_tls(None, None, None), "TLS"),
    ],
)
def test_what_there_is_not_is_refused_by_name(loop: VirtualLoop, ask: object, told: str) -> None:
    with pytest.raises(CannotSimulate, match=told):
        ask(loop)  # type: ignore[operator]


def test_subprocesses_of_asyncio_are_refused(loop: VirtualLoop) -> None:
    with pytest.raises(CannotSimulate, match=r"starting a process, at .*"):
        loop.run_until_complete(asyncio.create_subprocess_exec("true"))


def test_signal_handlers_are_accepted(loop: VirtualLoop) -> None:
    loop.add_signal_handler(15, print)
    assert loop.remove_signal_handler(15) is False


def test_an_error_in_a_callback_is_handled_as_asyncio_does(loop: VirtualLoop) -> None:
    heard: list[dict[str, object]] = []
    loop.set_exception_handler(lambda _, context: heard.append(context))
    loop.call_soon(lambda: 1 // 0)
    loop.run_until_complete(asyncio.sleep(1))
    (context,) = heard
    assert isinstance(context["exception"], ZeroDivisionError)


def test_a_generator_that_is_left_is_closed_in_its_turn(loop: VirtualLoop) -> None:
    closed: list[float] = []

    async def numbers() -> AsyncIterator[int]:
        try:
            yield 1
            yield 2
        finally:
            await asyncio.sleep(1)
            closed.append(loop.time())

    async def main() -> None:
        async for _ in numbers():
            break
        gc.collect()
        await asyncio.sleep(5)

    loop.run_until_complete(main())
    assert closed == [1.0]


def test_closing_a_loop_ends_what_waits_without_a_word(capfd: pytest.CaptureFixture[str]) -> None:
    loop = VirtualLoop()

    async def waits() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            print("never heard")
            await asyncio.sleep(1)

    async def main() -> weakref.ref[asyncio.Task[None]]:
        task = asyncio.create_task(waits())
        await asyncio.sleep(1)
        return weakref.ref(task)

    task = loop.run_until_complete(main())
    loop.close()
    loop.close()
    gc.collect()
    assert task() is None
    assert capfd.readouterr() == ("", "")
    with pytest.raises(RuntimeError, match="closed"):
        loop.run_forever()


def test_it_runs_under_asyncios_own_runner() -> None:
    async def main() -> float:
        await asyncio.sleep(7)
        return asyncio.get_running_loop().time()

    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        assert runner.run(main()) == 7
