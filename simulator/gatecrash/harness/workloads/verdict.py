"""What workloads came to. Each is explored whole, but they are a sample of all that there could be: nothing is proved by it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from gatecrash.counted import counted
from gatecrash.harness.blind_spots import BlindSpot
from gatecrash.harness.explore.verdict import HELD, UNFINISHED, VIOLATED, Verdict
from gatecrash.harness.story import Story
from gatecrash.harness.workloads.trials import Trials


@dataclass(frozen=True, slots=True, kw_only=True)
class Sampled:
    """`of` has every workload that was explored, the one that failed last and at its smallest; in several sets of channels each
    is a story for each of them. `asked` and `workloads` count workloads, `smaller` those that were tried to make that one small;
    `steps` says in how many workloads each step was.
    """

    of: Verdict
    asked: int
    workloads: int
    smaller: int
    steps: Mapping[str, int]
    stories: tuple[Story, ...]
    failed: Mapping[str, Any] | None

    @property
    def verdict(self) -> str:
        if self.failed is not None:
            return VIOLATED
        return HELD if self.workloads == self.asked and self.of.finished else UNFINISHED

    def as_json(self) -> dict[str, Any]:
        return {
            **self.of.as_json(),
            "workloads": {
                "asked": self.asked,
                "explored": self.workloads,
                "smaller": self.smaller,
                "steps": dict(sorted(self.steps.items())),
                "failed": self.failed,
            },
            "verdict": self.verdict,
        }

    def in_words(self) -> list[str]:
        """The last lines: what it comes to, with its bound, and that it is a sample."""
        totals, said = self.of.totals, self.of
        word = {
            VIOLATED: f"violated in the last of {counted(self.workloads, 'workload')} made up",
            HELD: f"held in {counted(self.workloads, 'workload')} made up",
            UNFINISHED: f"not finished, explored {self.workloads:,} of {counted(self.asked, 'workload')} made up",
        }[self.verdict]
        incomplete = f"INCOMPLETE, {said.incomplete}: " if said.incomplete else ""
        lines = [
            f"{incomplete}{said.merchant}: {word}, {said.size_in_words(' in each')}, seed {said.seed}, {said.seconds:.0f} s.",
            f"Their steps: {', '.join(f'{step} in {count:,}' for step, count in sorted(self.steps.items()))}.",
        ]
        if totals["kinds_fired"]:
            lines.append("Struck: " + ", ".join(f"{kind} {count:,}×" for kind, count in totals["kinds_fired"].items()) + ".")
        lines += said.not_judged_in_words()
        if said.never_fired:
            lines.append(f"Never struck, so nothing is said of it: {', '.join(said.never_fired)}.")
        lines += [f"Left out: {what}: {why}." for what, why in said.left_out]
        doubtful = [story for story in said.stories if story.doubts and not story.violations]
        lines += [f"{story.name}: {'; '.join(story.doubts)}." for story in doubtful]
        if self.verdict != VIOLATED:
            lines.append("A sample, and no proof: another workload may fail. Another --seed makes up others.")
        return lines


def sampled(trials: Trials, seconds: float, not_judged: Sequence[BlindSpot] = ()) -> Sampled:
    """What the trials came to, in so many seconds, and what no workload can show of this merchant."""
    explored = [*trials.held, *([trials.failed] if trials.failed else [])]
    never = [set(trial.said.never_fired) for trial in explored]
    return Sampled(
        of=Verdict(
            merchant=trials.merchant,
            bound=trials.bound,
            seed=trials.seed,
            stories=tuple(story for trial in explored for story in trial.said.stories),
            left_out=tuple(trials.left_out),
            not_judged=tuple(not_judged),
            never_fired=tuple(sorted(set.intersection(*never))) if never else (),
            swarm=None,
            interrupted=trials.interrupted,
            crash=trials.crash,
            seconds=seconds,
        ),
        asked=trials.wanted,
        workloads=len(explored),
        smaller=trials.smaller,
        steps=trials.verbs,
        stories=tuple(story for trial in explored for story in trial.stories),
        failed=_violated(trials.failed.stories, trials.failed.said) if trials.failed else None,
    )


def _violated(stories: Sequence[Story], said: Verdict) -> Mapping[str, Any]:
    """The document of the story that was objected to; its channels are part of it."""
    name = next(story.name for story in said.stories if story.violations)
    document = next(story.document for story in stories if story.name == name)
    assert document is not None, "it was made of one"
    return document
