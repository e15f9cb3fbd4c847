"""A verdict depends on the shop alone: on a busy machine it is what it is on an idle one. tests/soak has the long form."""

import pytest

from gatecrash.harness.demo import play_for_real
from gatecrash.harness.merchant_profile import reference
from gatecrash.harness.story import load_all
from tests.support.load import busy

STORIES = {story.name: story for story in load_all()}
#: What is short and turns on something that has to happen in time.
PAIRS = [
    ("webhook-while-retrying", None, set()),
    ("webhook-while-retrying", "key_per_channel", {"S1"}),
    ("webhook-overtakes-answer", None, set()),
    ("timeout", "naive", {"S1"}),
]


@pytest.mark.asyncio
@pytest.mark.parametrize(("story", "mutant", "found"), PAIRS)
async def test_the_verdict_is_the_same_on_a_busy_machine(story: str, mutant: str | None, found: set[str]) -> None:
    with busy(6):
        outcome = await play_for_real(STORIES[story], reference(mutant))
    assert outcome.history.unfired == ()
    oracles = {violation.oracle for violation in outcome.violations}
    assert found <= oracles if found else not oracles, outcome.violations
