"""Every story on a busy machine: the reference merchant holds, and the mutants that a story claims are caught."""

import pytest

from gatecrash.harness.demo import in_turn, play_for_real
from gatecrash.harness.merchant_profile import reference
from gatecrash.harness.mutants import counts, known
from gatecrash.harness.story import Story, load_all
from tests.support.load import busy

ROUNDS = 3


@pytest.mark.asyncio
@pytest.mark.parametrize("story", load_all(), ids=lambda story: story.name)
async def test_no_verdict_depends_on_the_machine(story: Story) -> None:
    async def play(mutant: str | None) -> None:
        outcome = await play_for_real(story, reference(mutant))
        oracles = {violation.oracle for violation in outcome.violations}
        if mutant is None:
            assert not oracles, outcome.violations
            assert outcome.history.unfired == ()
        else:
            assert any(counts(each, known()[mutant].violates) for each in oracles), f"{mutant}: {oracles}"

    with busy(8):
        async for _ in in_turn([lambda who=who: play(who) for who in (None, *story.catches) for _ in range(ROUNDS)], 2):
            pass
