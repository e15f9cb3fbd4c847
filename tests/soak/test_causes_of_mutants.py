"""A finding names the bug that is there, for every mutant in the table of causes."""

import pytest

from tests.scenarios.causes_of_mutants import TOLD, told_of


@pytest.mark.parametrize("mutant", TOLD)
def test_the_cause_that_is_told_is_the_mutants_bug(mutant: str) -> None:
    assert told_of(mutant) == TOLD[mutant]
