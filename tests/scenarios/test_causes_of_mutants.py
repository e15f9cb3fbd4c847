"""A finding names the bug that is there: for a mutant of each kind of cause; `tests/soak` has all of them."""

import pytest

from tests.scenarios.causes_of_mutants import TOLD, told_of

#: Mutants whose causes are told apart by more than the oracle.
SOME = ("no_key", "key_in_memory", "key_from_token", "conflict_409", "dedupe_first", "ack_unknown")


@pytest.mark.parametrize("mutant", SOME)
def test_the_cause_that_is_told_is_the_mutants_bug(mutant: str) -> None:
    assert told_of(mutant) == TOLD[mutant]
