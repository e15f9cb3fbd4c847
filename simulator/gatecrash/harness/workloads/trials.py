"""Explores workloads as they are written, up to the first that an oracle objects to; then those that are smaller.

The explorer tries every combination of faults in each, as in any other story. Once one has failed, smaller ones are tried with
no more than what it took: the faults of its shrunk schedule. They fail if the same oracle objects, or one that means more harm.
"""

import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
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
from gatecrash.harness.workloads.scope import Scope
from gatecrash.harness.workloads.script import Script, verb
from gatecrash.harness.workloads.smaller import smallest, weight

#: No workload is worth more smaller ones than this: of Hypothesis', and of ours after that.
SMALLER_MAX = 40
PLAINER_MAX = 80


class Objection(Exception):
    """An oracle has objected to a workload: `trial`."""

    def __init__(self, trial: "Trial") -> None:
        super().__init__(trial.document["name"])
        self.trial = trial


class Over(KeyboardInterrupt):
    """Nothing more is to be written: there is enough, somebody wants to stop, or it cannot go on."""


class Enough(Over):
    """No more smaller ones are to be tried."""


@dataclass(frozen=True, slots=True)
class Trial:
    """A workload and what exploring it came to; `stories` are what it is in each set of channels."""

    document: Mapping[str, Any]
    stories: tuple[Story, ...]
    said: Verdict


class Trials:
    """Called with each script, until `wanted` have held. `channels`: each is explored in each of these sets. `held` are the
    workloads that nobody objected to, `failed` the smallest of those that failed.

    `interrupted`: `stop` said so. `error`: why it could not go on. `crash`: the traceback, where Gatecrash itself failed.
    """

    def __init__(
        self,
        pool: Pool,
        bound: Bound,
        *,
        wanted: int,
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
        self.left_out: Sequence[tuple[str, str]] = ()  #: what no workload asks for, with the reason
        self.interrupted = False
        self.error: Exception | None = None
        self.crash = ""
        self.pool, self.bound, self.wanted, self.merchant, self.seed = pool, bound, wanted, merchant, seed
        self._channels, self._alphabet = channels, tuple(alphabet)
        self._tell, self._stop = tell, stop
        self._rate, self._schedules = Rate(time.monotonic), 0
        self._smaller_max = SMALLER_MAX
        self._known: dict[str, Trial | None] = {}  # those that failed, by name; None for one that did not
        self._target: tuple[str, str, Bound] | None = None  # who objected, in which channels, to what

    def __call__(self, script: Script) -> None:
        """Raises Objection for a workload that fails, Over when no more are wanted, Enough when no smaller ones are."""
        document = script.document()
        name = document["name"]
        try:
            if name not in self._known:
                if self._target is not None and self.smaller >= self._smaller_max:
                    raise Enough
                self._known[name] = self._tried(document)
        except Exception as error:
            self.error = error
            raise Over from error
        if (trial := self._known[name]) is not None:
            if self.failed is None or weight(document) <= weight(self.failed.document):
                self.failed = trial
            raise Objection(trial)
        if self.failed is None and len(self.held) >= self.wanted:
            raise Over

    def shrink(self, scope: Scope) -> None:
        """Takes away from the workload that failed what it can do without. Raises what calling it raises, but for Objection."""
        if self.failed is None:
            return
        self._smaller_max = self.smaller + PLAINER_MAX

        def fails(script: Script) -> bool:
            try:
                self(script)
            except Objection:
                return True
            return False

        smallest(self.failed.document, scope, fails)

    def _tried(self, document: dict[str, Any]) -> Trial | None:
        if self._target is None:
            return self._first(document)
        self.smaller += 1
        oracle, channels, bound = self._target
        trial = self._explored(document, (channels,) if channels else (), bound)
        return (
            trial
            if any(each.oracle == oracle or _harm(each) > HARM.get(oracle[0], 0) for each, _ in _objections(trial))
            else None
        )

    def _first(self, document: dict[str, Any]) -> Trial | None:
        trial = self._explored(document, self._channels, self.bound)
        self.verbs.update({verb(step) for step in document["steps"]})
        found = _objections(trial)
        if not found:
            self.held.append(trial)
            return None
        if _harm(worst(each for each, _ in found)) < max(HARM.values()):  # the first was no great harm, and others may be
            trial = self._explored(document, self._channels, replace(self.bound, first_only=False))
            found = _objections(trial)
        one = worst(each for each, _ in found)
        channels = next(channels for each, channels in found if each is one)
        self._target = one.oracle, channels if self._channels else "", _just(one, self.bound)
        return trial

    def _explored(self, document: dict[str, Any], channels: Sequence[str], bound: Bound) -> Trial:
        told = parse_document(document, Path(f"{document['name']}.yaml"))
        stories = in_channels([told], channels) if channels else [told]
        for story in stories:
            assert story.document is not None, "it was made of one"
            self.pool.bring(story.name, story.document)
        explorer = Explorer(self.pool, bound, tell=self._passed_on, stop=self._stop)
        found = explorer.explore([story.name for story in stories])
        self.interrupted, self.crash = found.interrupted, found.crash
        if found.interrupted or found.crash:
            raise Over
        said = verdict(found, merchant=self.merchant, seed=self.seed, alphabet=self._alphabet)
        self._schedules += sum(story.schedules for story in said.stories)
        return Trial(document, tuple(stories), said)

    def _passed_on(self, progress: Progress) -> None:
        done = self._schedules + progress.done
        rate, tried = self._rate(done), len(self.held)
        left = progress.left + (self.wanted - tried - 1) * self._schedules / tried if tried and not self.failed else 0.0
        doing = "exploring" if self.failed is None else "looking for a smaller one"
        eta_s = left / rate if rate else None
        self._tell(Progress(doing, done, left, rate, eta_s, tried, self.wanted, bool(self.failed), ("workload", "workloads")))


def _objections(trial: Trial) -> list[tuple[Counterexample, str]]:
    """With the channels that were open."""
    told = zip(trial.stories, trial.said.stories, strict=True)
    return [(each, story.channels) for story, said in told for each in said.violations]


def worst(found: Iterable[Counterexample]) -> Counterexample:
    """The one that means most harm, and of those the first."""
    return max(found, key=_harm)


def _harm(found: Counterexample) -> int:
    return HARM.get(found.oracle[0], 0)


def _just(found: Counterexample, bound: Bound) -> Bound:
    """What it takes to find it: so many faults, of these kinds."""
    kinds = frozenset(fault.kind for fault in found.schedule)
    return Bound(faults=len(found.schedule), kinds=kinds or bound.kinds, prune=bound.prune)
