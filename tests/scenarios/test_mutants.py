"""Every mutant in each story that claims to catch it, in real processes: what its row names objects, or a stronger oracle.
`test_table_of_mutants.py` has them in simulated time, and their counterexamples in both worlds.
"""

import pytest

from gatecrash.harness.demo import play_for_real
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
