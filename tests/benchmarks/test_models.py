"""Other fault models beside the explorer's own: they are of its alphabet, keep to their kinds, and differ where they must."""

from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from gatecrash.harness.channels import CHANNELS
from gatecrash.harness.explore.fault import Failure, Fault, Play
from gatecrash.harness.mutants import known
from gatecrash.harness.story import load_all
from gatecrash.harness.worlds.simulated.alphabet import LETTERS
from tests.benchmarks.fault_models import ALL, MODELS, Model, told
from tests.benchmarks.models import Result, alarms, compare, missed, table, told_to_any
from tests.benchmarks.remembered import Remembered
from tests.support.pages import filled

PAGE = Path(__file__).parents[2] / "docs" / "mutants.md"
STORIES = load_all()
#: Those of no more than one fault: they take no time.
SHORT = [model for model in MODELS if model.faults <= 1]


@cache
def compared(name: str, *, taught: bool = False) -> list[Result]:
    return compare(known()[name], STORIES, SHORT, taught=taught)


def catching(results: list[Result]) -> set[str]:
    return {each.model.name for each in results if each.caught}


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.name)
def test_a_model_is_made_of_the_alphabet(model: Model) -> None:
    assert model.kinds <= LETTERS.keys()
    assert bool(model.kinds) == bool(model.faults)


def test_every_kind_is_in_a_model_that_is_less_than_all_but_a_gateway_that_answers_at_odds_with_what_it_did() -> None:
    assert ALL - frozenset().union(*(model.kinds for model in MODELS if model.kinds != ALL)) == {
        "in flight",
        "error after commit",
    }


def test_the_page_tells_of_every_model() -> None:
    page = PAGE.read_text(encoding="utf-8")
    assert filled(page, {"models": "\n".join(told())}) == page


@pytest.mark.parametrize(
    ("mutant", "caught_by"),
    [
        ("no_key", {"lost response at one site", "crashes alone", "all kinds, one fault"}),
        ("charge_first", {"crashes alone", "all kinds, one fault"}),
        ("key_after_decline", {model.name for model in SHORT}),  # a declined card is all it takes
    ],
)
def test_a_bug_is_found_by_the_models_that_have_the_fault_for_it(mutant: str, caught_by: set[str]) -> None:
    assert catching(compared(mutant)) == caught_by


@pytest.mark.parametrize("mutant", ["no_key", "charge_first"])
def test_nothing_strikes_that_is_not_of_the_model(mutant: str) -> None:
    for result in compared(mutant):
        assert result.common.fired <= result.model.kinds
        assert bool(result.common.fired) == bool(result.model.kinds)
        assert not result.common.unplayed


@pytest.mark.parametrize("mutant", ["no_key", "charge_first", "key_after_decline"])
def test_a_model_that_has_all_of_another_finds_what_that_one_finds(mutant: str) -> None:
    found = {each.model: each.caught for each in compared(mutant)}
    pairs = [(less, more) for less in found for more in found if less.kinds <= more.kinds and less.faults <= more.faults]
    assert all(found[less] <= found[more] for less, more in pairs)


def test_what_was_played_for_other_models_before_changes_no_figure() -> None:
    [alone] = compare(known()["no_key"], STORIES, [SHORT[-1]], taught=False)
    among = compared("no_key")[-1]
    assert (alone.common.oracle, alone.common.story) == (among.common.oracle, among.common.story)
    assert alone.common.schedules == among.common.schedules


def test_a_bug_that_the_common_stories_hide_is_looked_for_in_those_that_teach_it() -> None:
    [result] = compare(known()["two_tabs"], STORIES, SHORT[:1], taught=True)
    assert not result.common.oracle
    assert result.taught is not None
    assert (result.caught, result.taught.story) == (True, "two-tabs@all")


def test_no_model_raises_an_alarm_at_the_reference_merchant() -> None:
    involved = [story for story in told_to_any([known()["no_key"]], STORIES, taught=False) if story.name == "happy-path@reconly"]
    said = dict(alarms(involved, SHORT))
    assert [model for model, one in said.items() if one.oracle or one.unplayed] == []
    assert said[SHORT[0]].schedules == 1 < said[SHORT[-1]].schedules


def test_the_table_has_a_row_for_each_model_and_names_what_it_missed() -> None:
    mutants = [known()["no_key"], known()["key_after_decline"]]
    results = [compared(mutant.name) for mutant in mutants]
    heading, rule, *rows = table(SHORT, results, {model.name: [] for model in SHORT}, taught=False)
    assert {line.count("|") for line in (heading, rule, *rows)} == {heading.count("|")}
    happy = next(row for row in rows if row.startswith("| happy path |"))
    assert "| 1 of 2 |" in happy
    assert f"| {len(CHANNELS) * 2 + 5} |" in happy  # all of the one, and the first of the second story to the other
    assert "- happy path: `no_key`" in list(missed(SHORT, mutants, results))


class _Counting:
    """A pool that answers backwards, and counts what it was asked."""

    def __init__(self) -> None:
        self.room = True
        self.asked: list[tuple[Any, Play | Failure]] = []
        self.played = 0

    @property
    def busy(self) -> bool:
        return bool(self.asked)

    def submit(self, token: Any, story: str, schedule: tuple[Fault, ...], *, looks: bool = False) -> None:
        self.played += 1
        self.asked.append((token, Failure(story, "")))

    def results(self, timeout_s: float) -> list[tuple[Any, Play | Failure]]:
        came, self.asked = self.asked[::-1], []
        return came


def test_nothing_is_played_twice_and_answers_come_in_the_order_of_asking() -> None:
    pool = _Counting()
    plays = Remembered(pool, 1)

    def answers() -> Iterator[tuple[int, str]]:
        while plays.busy:
            for token, play in plays.results(1.0):
                assert isinstance(play, Failure)
                yield token, play.why

    for token, story in enumerate(("a", "b", "a", "c")):
        plays.submit(token, story, ())
    assert list(answers()) == [(0, "a"), (1, "b"), (2, "a"), (3, "c")]
    plays.submit(4, "c", ())
    assert list(answers()) == [(4, "c")]
    assert pool.played == 3
