"""How long an endpoint is left to rest: not at all at first, ever longer as it fails on, no more once it says yes."""

import pytest

from gatecrash.server.rests import Rests


def failed(rests: Rests, times: int, now_s: float = 100.0) -> float:
    for _ in range(times):
        rests.note("we_1", accepted=False, now_s=now_s)
    return rests.left_s("we_1", now_s)


def test_the_first_failures_in_a_row_count_for_nothing() -> None:
    assert failed(Rests(), 20) == 0


def test_each_further_one_makes_the_rest_longer_up_to_a_second() -> None:
    rests = Rests()
    assert failed(rests, 21) == pytest.approx(0.05)
    assert failed(rests, 1) == pytest.approx(0.1)
    assert failed(rests, 1000) == 1.0
    assert rests.left_s("we_1", 100.75) == 0.25
    assert rests.left_s("we_1", 200.0) == 0
    assert rests.left_s("we_2", 100.0) == 0


def test_a_success_ends_it_and_the_count_begins_anew() -> None:
    rests = Rests()
    failed(rests, 50)
    rests.note("we_1", accepted=True, now_s=100.0)
    assert rests.left_s("we_1", 100.0) == 0
    assert failed(rests, 20) == 0
