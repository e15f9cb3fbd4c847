"""Who catches what: the reference merchant's mutants, played in real processes by the stories that ought to expose them.

A story says in `catches` which mutants it is the first to be played to. A mutant is caught when an oracle objects that its
row names, or a stronger one. The reference merchant plays every story in question, too, and must come out clean: an oracle
that also objects to a shop without a bug has caught nothing.
"""

from collections.abc import AsyncGenerator, Iterable, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from functools import partial
from types import MappingProxyType
from typing import Any, NamedTuple

from gatecrash.harness.demo import AT_ONCE, in_turn, play_for_real
from gatecrash.harness.merchant_profile import MerchantProfile, reference
from gatecrash.harness.prove import sort_out
from gatecrash.harness.run import Outcome
from gatecrash.harness.story import Story
from gatecrash.harness.world import SetupFailed

#: How much harm an oracle's family stands for. Stronger than what a row names is what belongs to a family of more harm:
#: goods or money are wrong for good (S), somebody waits for what never comes (L), nothing happened yet (P).
HARM: Mapping[str, int] = MappingProxyType({"S": 3, "L": 2, "P": 1})


class Mutant(NamedTuple):
    """A row of `python -m reference_merchant --mutant list`; `violates` are the codes of the oracles that must object."""

    name: str
    violates: tuple[str, ...]
    bug: str


class Unplayed(NamedTuple):
    """A run that came to nothing: the mutant did not do what the story waits for."""

    merchant: str
    story: Story
    reason: str


class Catch(NamedTuple):
    """What the oracles said of a mutant in one story; `counts` when one of them is what its row names, or stronger.
    `unplayed`: why there was nothing to judge.
    """

    story: str
    oracles: tuple[str, ...] = ()
    counts: bool = False
    unplayed: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """A mutant and all that was played to it, in the stories' order."""

    mutant: Mutant
    catches: tuple[Catch, ...]

    @property
    def caught(self) -> bool:
        return bool(self.caught_in)

    @property
    def caught_in(self) -> tuple[str, ...]:
        return tuple(each.story for each in self.catches if each.counts)


@dataclass(frozen=True, slots=True, kw_only=True)
class Matrix:
    """`alarms` are the stories in which an oracle objected to the reference merchant, with which."""

    rows: tuple[Row, ...]
    played: int
    alarms: tuple[Catch, ...]
    seconds: float
    incomplete: str = ""  #: why not all was played that was to be

    @property
    def complete(self) -> bool:
        return all(row.caught for row in self.rows) and not self.alarms and not self.incomplete

    def as_json(self) -> dict[str, Any]:
        """`{mutants: [{name, bug, violates, caught, stories: [{name, oracles, counts}]}], reference: {stories, violations:
        [{name, oracles}]}, seconds, verdict}`; the verdict is `caught`, `missed`, or
        `unfinished` where `incomplete` says why not all was played. A story that could not be played to a
        mutant says why in `unplayed`.
        """
        return {
            "mutants": [
                {
                    "name": row.mutant.name, "bug": row.mutant.bug, "violates": list(row.mutant.violates), "caught": row.caught,
                    "stories": [
                        {
                            "name": one.story, "oracles": list(one.oracles), "counts": one.counts,
                            **({"unplayed": one.unplayed} if one.unplayed else {}),
                        }
                        for one in row.catches
                    ],
                }
                for row in self.rows
            ],
            "reference": {
                "stories": self.played,
                "violations": [{"name": each.story, "oracles": list(each.oracles)} for each in self.alarms],
            },
            "seconds": round(self.seconds, 3),
            **({"incomplete": self.incomplete} if self.incomplete else {}),
            "verdict": "caught" if self.complete else "unfinished" if self.incomplete else "missed",
        }  # fmt: skip


def known() -> dict[str, Mutant]:
    """All mutants of the reference merchant, in its order."""
    from reference_merchant.mutants import MUTANTS

    return {name: Mutant(name, mutant.violates, mutant.bug()) for name, mutant in MUTANTS.items()}


def counts(oracle: str, violates: Iterable[str]) -> bool:
    """Whether an oracle is one of those that a row names, or stronger than the weakest of them."""
    violates = tuple(violates)
    named = [HARM[code[0]] for code in violates if code[0] in HARM]
    return oracle in violates or HARM.get(oracle[0], 0) > min(named, default=max(HARM.values()))


def pairs(mutants: Sequence[Mutant], stories: Sequence[Story], *, every: bool) -> list[tuple[Mutant | None, Story]]:
    """Who plays what: each mutant the stories that are to catch it, or `every` story; first the reference merchant (None)
    all stories that anybody plays.
    """
    playable, _ = sort_out(stories, reference())
    wanted = [(mutant, story) for mutant in mutants for story in playable if every or mutant.name in story.catches]
    involved = {story.name for _, story in wanted}
    return [*((None, story) for story in playable if story.name in involved), *wanted]


async def play(wanted: Sequence[tuple[Mutant | None, Story]], at_once: int = AT_ONCE) -> AsyncGenerator[Outcome | Unplayed, None]:
    """The runs, in this order. Raises SetupFailed for one of the reference merchant's."""
    profiles: dict[Mutant | None, MerchantProfile] = {mutant: reference(mutant and mutant.name) for mutant, _ in wanted}

    async def one(mutant: Mutant | None, story: Story) -> Outcome | Unplayed:
        try:
            return await play_for_real(story, profiles[mutant])
        except SetupFailed as failed:
            if mutant is None:
                raise
            return Unplayed(mutant.name, story, str(failed))

    async with aclosing(in_turn([partial(one, *pair) for pair in wanted], at_once)) as runs:
        async for outcome in runs:
            yield outcome


def matrix(mutants: Sequence[Mutant], outcomes: Iterable[Outcome | Unplayed], seconds: float, *, incomplete: str = "") -> Matrix:
    """What finished runs come to."""
    by_name: dict[str, list[Catch]] = {mutant.name: [] for mutant in mutants}
    row = {mutant.name: mutant.violates for mutant in mutants}
    alarms, played = [], 0
    for outcome in outcomes:
        if isinstance(outcome, Unplayed):
            by_name[outcome.merchant].append(Catch(outcome.story.name, unplayed=outcome.reason))
            continue
        oracles = tuple(dict.fromkeys(each.oracle for each in outcome.violations))
        violates = row.get(outcome.merchant)
        if violates is None:
            played += 1
            alarms += [Catch(outcome.story.name, oracles, True)] if oracles else []
        else:
            catch = Catch(outcome.story.name, oracles, any(counts(each, violates) for each in oracles))
            by_name[outcome.merchant].append(catch)
    rows = tuple(Row(mutant=mutant, catches=tuple(by_name[mutant.name])) for mutant in mutants)
    return Matrix(rows=rows, played=played, alarms=tuple(alarms), seconds=seconds, incomplete=incomplete)
