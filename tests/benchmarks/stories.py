"""`python -m tests.benchmarks.stories`: how long `gatecrash prove` needs for every story that comes with Gatecrash.

The reference merchant, in real processes, on two cores. What it costs in processor time says how much of that is work; the rest
of a story is waiting, for processes to start and for timeouts to pass, which is why several are under way at once.
"""

import asyncio
import os
import resource
import sys
import time
from collections import defaultdict

from gatecrash.harness.demo import AT_ONCE, play_all
from gatecrash.harness.merchant_profile import reference
from gatecrash.harness.run import Outcome
from gatecrash.harness.story import load_all

CORES, SLOWEST = 2, 5


def cores() -> int:
    """How many are used: two where the system lets us choose."""
    if not hasattr(os, "sched_setaffinity"):
        return os.cpu_count() or 1
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:CORES])
    return len(os.sched_getaffinity(0))


async def play() -> list[Outcome]:
    return [outcome async for outcome in play_all(load_all(), [reference()])]


def main() -> int:
    used = cores()
    began = time.perf_counter()
    outcomes = asyncio.run(play())
    took = time.perf_counter() - began
    spent = resource.getrusage(resource.RUSAGE_CHILDREN)
    print(f"{len(outcomes)} stories, the reference merchant, {used} cores, {AT_ONCE} at once: {took:.1f} s")
    print(f"  processor time: {spent.ru_utime + spent.ru_stime:.1f} s, {took * used:.1f} s there were")
    groups: dict[str, list[float]] = defaultdict(list)
    for outcome in outcomes:
        groups[outcome.story.group].append(outcome.seconds)
    for group, seconds in groups.items():
        print(f"  {group:24}{len(seconds):>4} stories{sum(seconds) / len(seconds):>8.2f} s each")
    for outcome in sorted(outcomes, key=lambda each: -each.seconds)[:SLOWEST]:
        print(f"  slowest: {outcome.story.name:40}{outcome.seconds:>6.2f} s")
    accused = [outcome.story.name for outcome in outcomes if outcome.violations]
    if accused:
        print(f"violated: {', '.join(accused)}; a figure of a shop that fails is none")
    return 1 if accused else 0


if __name__ == "__main__":
    sys.exit(main())
