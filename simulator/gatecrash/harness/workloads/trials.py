"""Explores workloads as they are written, up to the first that an oracle objects to; then those that are smaller.

The explorer tries every combination of faults in each, as in any other story. Once one has failed, smaller ones are tried with
no more than what it took: the faults of its shrunk schedule.
"""

import time
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gatecrash.harness.explore.bound import Bound
from gatecrash.harness.explore.explorer import Explorer
from gatecrash.harness.explore.pool import Pool
from gatecrash.harness.explore.progress import Progress, Rate
from gatecrash.harness.explore.verdict import Counterexample, Verdict, verdict
from gatecrash.harness.mutants import HARM
from gatecrash.harness.story import Story, parse_document
from gatecrash.harness.variants import in_channels
from gatecrash.harness.workloads.script import Script, verb

#: No workload is worth more smaller ones than this.
SMALLER_MAX = 150


class Objection(Exception):
    """An oracle has objected to a workload."""


class Over(KeyboardInterrupt):
    """Nothing more is to be written: there is enough, somebody wants to stop, or it cannot go on."""


@dataclass(frozen=True, slots=True)
class Trial:
    """A workload and what exploring it came to; `stories` are what it is in each set of channels."""

    stories: tuple[Story, ...]
    said: Verdict


class Trials:
    """Called with each script. `held` are the workloads that nobody objected to, `failed` the smallest one so far that failed.

    `interrupted`: `stop` said so. `error`: why it could not go on.
    """

    def __init__(
        self,
        pool: Pool,
        bound: Bound,
        *,
        workloads: int,
        merchant: str,
        seed: int = 0,
        channels: Sequence[str] = (),
        alphabet: Iterable[str] = (),
        tell: Callable[[Progress], None] = lambda progress: None,
        stop: Callable[[], bool] = lambda: False,
    ) -> None:
        self.held: list[Trial] = []
        self.failed: Trial | None = None
        self.verbs: Counter[str] = Counter()  #: in how many workloads each step was
        self.smaller = 0
        self.interrupted = False
        self.error: Exception | None = None
        self._pool, self._bound, self._wanted, self._channels = pool, bound, workloads, channels
        self._merchant, self._seed, self._alphabet = merchant, seed, tuple(alphabet)
        self._tell, self._stop = tell, stop
        self._rate, self._schedules = Rate(time.monotonic), 0
        self._known: dict[str, bool] = {}  # whether it failed, by name
        self._target: tuple[str, str, Bound] | None = None  # who objected, in which channels, to what

    def __call__(self, script: Script) -> None:
        """Raises Objection for a workload that fails, Over when no more are wanted."""
        document = script.document()
        name = document["name"]
        try:
            if name not in self._known:
                self._known[name] = self._fails(document)
        except Exception as error:
            self.error = error
            raise Over from error
        if self._known[name]:
            raise Objection(name)
        if self.failed is None and len(self.held) >= self._wanted:
            raise Over

    def _fails(self, document: dict[str, Any]) -> bool:
        if self._target is None:
            return self._first(document)
        if self.smaller >= SMALLER_MAX:
            return False
        self.smaller += 1
        oracle, channels, bound = self._target
        trial = self._explored(document, (channels,) if channels else (), bound)
        failed = any(each.oracle == oracle for story in trial.said.stories for each in story.violations)
        if failed:
            self.failed = trial  # each that fails is smaller than the one before, or Hypothesis would not keep it
        return failed

    def _first(self, document: dict[str, Any]) -> bool:
        trial = self._explored(document, self._channels, self._bound)
        self.verbs.update({verb(step) for step in document["steps"]})
        found = [
            (each, story.channels)
            for story, said in zip(trial.stories, trial.said.stories, strict=True)
            for each in said.violations
        ]
        if not found:
            self.held.append(trial)
            return False
        worst, channels = max(found, key=lambda each: HARM.get(each[0].oracle[0], 0))
        self.failed = trial
        self._target = worst.oracle, channels if self._channels else "", _just(worst, self._bound)
        return True

    def _explored(self, document: dict[str, Any], channels: Sequence[str], bound: Bound) -> Trial:
        told = parse_document(document, Path(f"{document['name']}.yaml"))
        stories = in_channels([told], channels) if channels else [told]
        for story in stories:
            assert story.document is not None, "it was made of one"
            self._pool.bring(story.name, story.document)
        explorer = Explorer(self._pool, bound, tell=self._passed_on, stop=self._stop)
        found = explorer.explore([story.name for story in stories])
        if found.interrupted:
            self.interrupted = True
            raise Over
        said = verdict(found, merchant=self._merchant, seed=self._seed, alphabet=self._alphabet)
        self._schedules += sum(story.schedules for story in said.stories)
        return Trial(tuple(stories), said)

    def _passed_on(self, progress: Progress) -> None:
        done = self._schedules + progress.done
        rate, tried = self._rate(done), len(self.held)
        left = progress.left + (self._wanted - tried - 1) * self._schedules / tried if tried and not self.failed else 0.0
        doing = "exploring workloads" if self.failed is None else "looking for smaller workloads"
        self._tell(Progress(doing, done, left, rate, left / rate if rate else None, tried, self._wanted, bool(self.failed)))


def _just(found: Counterexample, bound: Bound) -> Bound:
    """What it takes to find it: so many faults, of these kinds."""
    kinds = frozenset(fault.kind for fault in found.schedule)
    return Bound(faults=len(found.schedule), kinds=kinds or bound.kinds, prune=bound.prune)
