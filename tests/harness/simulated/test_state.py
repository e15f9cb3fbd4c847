"""What makes two states the same: what is named otherwise, or a little longer ago; and what does not."""

import asyncio
import sys

import pytest

from gatecrash.harness.worlds.simulated import state
from gatecrash.harness.worlds.simulated.loop import VirtualLoop

NOON_MS = 1_769_860_800_000.0


def digest(*parts: str, now_ms: float = NOON_MS) -> str:
    return state.digest([(now_ms, [part.encode() for part in parts])], "/scratch/world-1")


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("txn_00000011jnsrkceqdnfc", "txn_00000015mdmckksapneb"),
        ("key 18f44bdb7d0fa9a9d5e93718", "key 0c6f7a9018889e993ffddb00"),
        ("v1,mtz8glzreoGpch4B6p9gu1ib0ODBKsYG+DQwSFTkdVg=", "v1,Qc+kNdAgbNzdE5t0u0nHPnohh0qz/2yqyg3Rf25NgN4="),
        (f"due {NOON_MS:.0f}", f"due {NOON_MS - 900:.0f}"),
        ("at 2026-01-31T12:00:00.000Z", "at 2026-01-31T12:00:01.5Z"),
        ("/scratch/world-1/shop.sqlite", "/shop.sqlite"),
    ],
)
def test_names_and_moments_are_alike(one: str, other: str) -> None:
    assert digest(one) == digest(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("txn_00000011jnsrkceqdnfc txn_00000011jnsrkceqdnfc", "txn_00000011jnsrkceqdnfc txn_00000015mdmckksapneb"),
        (f"due {NOON_MS:.0f}", f"due {NOON_MS + 300_000:.0f}"),
        (f"key of {NOON_MS - 60_000:.0f}", f"key of {NOON_MS - 90_000_000:.0f}"),
        ("status_paid", "status_failed"),
        ("amount 4200", "amount 4100"),
    ],
)
def test_which_is_which_how_far_off_and_what_it_is_makes_a_difference(one: str, other: str) -> None:
    assert digest(one) != digest(other)


def test_timers_are_told_by_name_and_magnitude_and_those_of_nobody_are_not() -> None:
    pending = [(0.19, "merchant: Reconciler.run"), (75.0, "gateway: RequestHandler._process_keepalive"), (3.0, "harness: back")]
    assert state.timers(pending) == state.timers([(0.02, "merchant: Reconciler.run")])
    assert state.timers(pending) != state.timers([(5.0, "merchant: Reconciler.run")])


def looked(in_between: int) -> list[bytes]:
    """What a task looks like that is looked at from inside, two calls deep, and another that waits."""
    seen: list[bytes] = []

    async def inner(tries: int) -> None:
        seen.extend(state.tasks(asyncio.all_tasks()))

    async def outer() -> None:
        tries = in_between
        await inner(tries)

    async def waits() -> None:
        await asyncio.sleep(1)

    async def main() -> None:
        waiting = asyncio.create_task(waits())
        await asyncio.sleep(0.1)
        await outer()
        await waiting

    loop = VirtualLoop()
    try:
        loop.run_until_complete(main())
    finally:
        loop.close()
    return seen


def test_a_task_that_runs_is_told_down_to_who_looks_and_one_that_waits_by_where() -> None:
    (running,) = [task for task in looked(1) if b":outer:" in task]
    assert running.index(b":main:") < running.index(b":outer:") < running.index(b":inner:")
    assert any(b":waits:" in task for task in looked(1))
    assert looked(1) == looked(1)
    assert looked(1) != looked(2)
    assert not any(sys.exec_prefix.encode() in task for task in looked(1)), "what libraries do says nothing"
