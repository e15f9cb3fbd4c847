"""Every shipped story in real processes: the reference merchant holds and lint finds nothing; the naive one is caught by both."""

import pytest

from gatecrash.harness.demo import play_for_real
from gatecrash.harness.merchant_profile import reference
from gatecrash.harness.story import Story, load_all
from gatecrash.lint import lint

STORIES = load_all()


@pytest.mark.asyncio
@pytest.mark.parametrize("story", STORIES, ids=lambda story: story.name)
async def test_the_reference_merchant_survives(story: Story) -> None:
    outcome = await play_for_real(story, reference())
    assert outcome.violations == ()
    assert outcome.history.unfired == (), "a fault that never struck proves nothing"
    assert lint(outcome.history.journal) == []


@pytest.mark.asyncio
@pytest.mark.parametrize("story", STORIES, ids=lambda story: story.name)
async def test_the_naive_merchant_is_caught_by_what_the_story_teaches(story: Story) -> None:
    outcome = await play_for_real(story, reference("naive"))
    caught = {violation.oracle for violation in outcome.violations}
    assert story.teaches <= caught, outcome.history
    if story.group != "refunds and captures":  # it neither captures nor gives back
        assert outcome.history.unfired == ()
    charged = any(not charge.elsewhere for charge in outcome.history.charges)
    assert not charged or "post_without_key" in {finding.rule for finding in lint(outcome.history.journal)}
