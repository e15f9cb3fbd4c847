"""Every shipped story in real processes: the reference merchant holds, the naive one is caught."""

import pytest

from gatecrash.harness.demo import play_for_real
from gatecrash.harness.merchant_profile import reference
from gatecrash.harness.story import Story, load_all

STORIES = load_all()


@pytest.mark.asyncio
@pytest.mark.parametrize("story", STORIES, ids=lambda story: story.name)
async def test_the_reference_merchant_survives(story: Story) -> None:
    outcome = await play_for_real(story, reference())
    assert outcome.violations == ()
    assert outcome.history.unfired == (), "a fault that never struck proves nothing"


@pytest.mark.asyncio
@pytest.mark.parametrize("story", STORIES, ids=lambda story: story.name)
async def test_the_naive_merchant_is_caught_by_what_the_story_teaches(story: Story) -> None:
    outcome = await play_for_real(story, reference("naive"))
    caught = {violation.oracle for violation in outcome.violations}
    assert story.teaches <= caught, outcome.history
    assert outcome.history.unfired == ()
