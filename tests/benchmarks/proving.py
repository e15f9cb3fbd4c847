"""`python -m tests.benchmarks.proving [--whole]`: how fast the explorer proves the reference merchant, in every story that comes
with Gatecrash, on two cores: schedules a second with one fault, as a ratio to the same stories without any.

With `--whole`, which takes minutes, also how long every combination of two faults takes, and how long it takes to catch every
mutant.
"""

import argparse
import sys
import time
from collections.abc import Sequence
from typing import NamedTuple

from gatecrash.harness.explore.bound import Bound
from gatecrash.harness.explore.explorer import Explorer
from gatecrash.harness.explore.pool import PlayerSpec, Pool
from gatecrash.harness.merchant_profile import reference
from gatecrash.harness.mutants import known
from gatecrash.harness.prove import sort_out
from gatecrash.harness.smallest import PLAYER, smallest
from gatecrash.harness.story import Story, load_all
from gatecrash.resources import reference_merchant
from tests.benchmarks.stories import cores

#: The baseline is short, so it is measured so many times, and the best is quoted: only disturbances make one slower.
ROUNDS = 3


class Proved(NamedTuple):
    """`worlds` were played: the schedules, and each story without a fault once more. `seconds` are of real time, `playing` those
    of all processes together. `wrong` names stories that were violated, or not played to the end.
    """

    schedules: int
    worlds: int
    seconds: float
    playing: float
    wrong: tuple[str, ...]

    @property
    def rate(self) -> float:
        return self.worlds / self.seconds


def prove(pool: Pool, stories: Sequence[Story], faults: int) -> Proved:
    found = Explorer(pool, Bound(faults=faults)).explore([story.name for story in stories])
    searches = found.searches.values()
    schedules = sum(search.schedules for search in searches)
    return Proved(
        schedules=schedules,
        worlds=schedules + len(searches),
        seconds=found.seconds,
        playing=sum(search.seconds for search in searches),
        wrong=tuple(search.story for search in searches if search.found or search.unplayed),
    )


def proofs(stories: Sequence[Story], jobs: int, faults: Sequence[int]) -> list[str]:
    """Prints a line for each number of faults; the stories in which something was wrong."""
    documents = {story.name: story.document for story in stories}
    spec = PlayerSpec(PLAYER, {"profile_path": str(reference_merchant() / "merchant.toml"), "stories": documents})
    wrong: list[str] = []
    with Pool(spec, jobs) as pool:
        prove(pool, stories[:jobs], 1)  # what starts is not measured
        baseline = max((prove(pool, stories, 0) for _ in range(ROUNDS)), key=lambda proved: proved.rate)
        print(f"the reference merchant; stories: {len(stories)}, cores: {jobs}")
        print(f"without a fault: {baseline.rate:,.0f} worlds/s, the baseline of what follows")
        for up_to in faults:
            proved = prove(pool, stories, up_to)
            wrong += proved.wrong
            print(
                f"up to {up_to} fault{'' if up_to == 1 else 's'}: {proved.schedules:,} schedules in {proved.seconds:.1f} s, "
                f"{proved.rate:,.0f} worlds/s, {proved.rate / baseline.rate:.2f} of the baseline; "
                f"a core plays {proved.worlds / proved.playing:,.0f}/s",
                flush=True,
            )
    return wrong


def mutants(stories: Sequence[Story], jobs: int) -> list[str]:
    """Prints how long it takes to catch them all; those that were not."""
    began = time.perf_counter()
    rows = list(smallest(list(known().values()), stories, faults=2, jobs=jobs))
    took = time.perf_counter() - began
    caught, schedules = sum(row.caught for row in rows), sum(row.schedules for row in rows)
    print(f"{caught} of {len(rows)} mutants caught, with up to 2 faults: {schedules:,} schedules, {took:.0f} s")
    return [row.mutant.name for row in rows if not row.caught]


def main() -> int:
    said = argparse.ArgumentParser(prog="python -m tests.benchmarks.proving", description="How fast is a proof?")
    said.add_argument("--whole", action="store_true", help="also up to two faults, and all mutants: takes minutes")
    asked = said.parse_args()
    jobs = cores()
    told = load_all()
    stories, _ = sort_out(told, reference())
    wrong = proofs(stories, jobs, (1, 2) if asked.whole else (1,))
    if wrong:
        print(f"violated, or not played: {', '.join(wrong)}; a figure of a shop that fails is none")
    missed = mutants(told, jobs) if asked.whole else []
    if missed:
        print(f"missed: {', '.join(missed)}")
    return 1 if wrong or missed else 0


if __name__ == "__main__":
    sys.exit(main())
