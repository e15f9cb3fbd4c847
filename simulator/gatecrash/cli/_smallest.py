"""`gatecrash mutants --world simulated`: at how few faults each mutant is caught."""

import os
import sys
import time
from typing import TYPE_CHECKING

import click

from gatecrash.cli._output import document, table
from gatecrash.cli._progress import Countdown, shown
from gatecrash.cli._proof import end_early, why_incomplete
from gatecrash.cli._simulated import stoppable
from gatecrash.cli._worlds import not_simulated
from gatecrash.counted import counted

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gatecrash.harness.mutants import Mutant
    from gatecrash.harness.smallest import Row
    from gatecrash.harness.story import Story

_HEADINGS = ("mutant", "violates", "caught by", "k", "in", "schedules", "seconds", "the faults")


def tell(mutants: "Sequence[Mutant]", stories: "Sequence[Story]", *, faults: int, jobs: int | None, as_json: bool) -> None:
    """Print the table, as far as it came, and end the process: 0 when all were caught, 1 when not."""
    from gatecrash.harness.explore.explorer import Interrupted
    from gatecrash.harness.explore.pool import PlayerFailed
    from gatecrash.harness.smallest import smallest

    began, rows = time.monotonic(), []
    failure: BaseException | None = None
    try:
        to_go = Countdown(len(mutants))
        with stoppable() as stop, shown() as show:
            for row in smallest(mutants, stories, faults=faults, jobs=jobs or os.cpu_count() or 1, stop=stop):
                rows.append(row)
                so_far = f"{len(rows)} of {counted(len(mutants), 'mutant')}{to_go(len(rows))}"
                show(f"{so_far}; last: {row.mutant.name} {row.oracle or 'was not caught'}")
    except PlayerFailed as error:
        raise not_simulated(error) from error
    except Interrupted:
        failure = KeyboardInterrupt()
    except Exception as error:
        failure = error
    incomplete = why_incomplete(failure)
    seconds, caught = time.monotonic() - began, sum(row.caught for row in rows)
    if as_json:
        verdict = "missed" if caught < len(rows) else "unfinished" if incomplete else "caught"
        document({
            "world": "simulated", "faults": faults, "mutants": [row.as_json() for row in rows],
            "schedules": sum(row.schedules for row in rows), "seconds": round(seconds, 3),
            **({"incomplete": incomplete} if incomplete else {}), "verdict": verdict,
        })  # fmt: skip
    else:
        table(_HEADINGS, map(_cells, rows), empty="No mutants.")
        all_of_them, most = counted(len(rows), "mutant"), counted(faults, "fault")
        schedules = counted(sum(row.schedules for row in rows), "schedule")
        told = f"INCOMPLETE, {incomplete} after {len(rows)} of {len(mutants)}: " if incomplete else ""
        click.echo(f"\n{told}{caught} of {all_of_them} caught with up to {most}; {schedules} in {seconds:.0f} s.")
    end_early(failure)
    sys.exit(0 if caught == len(rows) else 1)


def _cells(row: "Row") -> tuple[object, ...]:
    found = (row.oracle, len(row.schedule), row.story) if row.caught else ("NO", None, None)
    faults = "; ".join(row.schedule) or ("those of the story" if row.whole else None)
    return (row.mutant.name, " ".join(row.mutant.violates), *found, row.schedules, f"{row.seconds:.1f}", faults)
