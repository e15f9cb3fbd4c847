"""Every mutant in each story that claims to catch it, in real processes and in simulated time: what its row names objects, or
a stronger oracle.
"""

import pytest

from gatecrash.harness.demo import play_for_real
from gatecrash.harness.explore.fault import Failure
from gatecrash.harness.explore.pool import PlayerSpec, Pool
from gatecrash.harness.merchant_profile import reference
from gatecrash.harness.mutants import Mutant, counts, known
from gatecrash.harness.story import Story, load_all

MUTANTS = known()
STORIES = load_all()
CLAIMS = [(name, story) for story in STORIES for name in story.catches]


@pytest.mark.asyncio
@pytest.mark.parametrize(("name", "story"), CLAIMS, ids=[f"{name}-{story.name}" for name, story in CLAIMS])
async def test_the_mutant_is_caught_by_what_its_row_names(name: str, story: Story) -> None:
    mutant: Mutant = MUTANTS[name]
    outcome = await play_for_real(story, reference(name))
    found = {violation.oracle for violation in outcome.violations}
    assert any(counts(oracle, mutant.violates) for oracle in found), outcome.history
    assert outcome.history.unfired == ()


@pytest.mark.parametrize("name", MUTANTS)
def test_the_mutant_is_caught_in_simulated_time_as_well(name: str) -> None:
    stories = {story.name: str(story.path) for claimed, story in CLAIMS if claimed == name}
    made = {"profile_path": "", "stories": stories, "mutant": name}
    with Pool(PlayerSpec("gatecrash.harness.worlds.simulated.player:make", made), 1) as pool:
        for story in stories:
            play = pool.play(story, ())
            assert not isinstance(play, Failure), play.detail
            assert any(counts(oracle, MUTANTS[name].violates) for oracle, _ in play.violations), (story, play.violations)
