"""A sandbox's clock: how its time follows real time, mode by mode."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gatecrash.core.clock import DAY, HOUR, MINUTE, SECOND, Clock, parse_rfc3339, rfc3339
from gatecrash.core.errors import Refused
from tests.support.clock import NOON


def test_a_real_clock_follows_real_time() -> None:
    clock = Clock.at(NOON)
    assert clock.now(NOON) == NOON
    assert clock.now(NOON + 1234) == NOON + 1234


def test_a_real_clock_goes_on_from_wherever_it_was_moved() -> None:
    clock = Clock.at(NOON)
    clock.move_to(NOON + DAY, NOON + SECOND)
    assert clock.now(NOON + 3 * SECOND) == NOON + DAY + 2 * SECOND


def test_a_scaled_clock_runs_at_its_rate_from_the_moment_it_is_set() -> None:
    clock = Clock.at(NOON)
    clock.set(NOON + SECOND, "scaled", rate=60)
    assert clock.now(NOON + 2 * SECOND) == NOON + SECOND + MINUTE
    clock.set(NOON + 2 * SECOND, "real")
    assert clock.now(NOON + 3 * SECOND) == NOON + 2 * SECOND + MINUTE


def test_a_frozen_clock_stands_until_it_is_moved() -> None:
    clock = Clock.at(NOON)
    clock.set(NOON, "frozen")
    assert clock.now(NOON + DAY) == NOON
    clock.move_to(NOON + HOUR, NOON + DAY)
    assert clock.now(NOON + 2 * DAY) == NOON + HOUR


def test_a_frozen_clock_that_is_let_go_runs_again() -> None:
    for mode in ("real", "auto", "scaled"):
        clock = Clock.at(NOON)
        clock.set(NOON, "frozen")
        clock.set(NOON, mode)  # type: ignore[arg-type]
        assert clock.now(NOON + SECOND) == NOON + SECOND, mode


def test_a_scaled_clock_keeps_its_rate_when_it_is_only_moved() -> None:
    clock = Clock.at(NOON)
    clock.set(NOON, "scaled", rate=60)
    clock.set(NOON, "scaled", now=NOON + DAY)
    assert (clock.now(NOON + SECOND), clock.rate) == (NOON + DAY + MINUTE, 60)


def test_time_never_runs_backwards_when_real_time_does() -> None:
    clock = Clock.at(NOON)
    assert clock.now(NOON - DAY) == NOON


def test_a_clock_can_be_set_to_a_time_and_a_mode_at_once() -> None:
    clock = Clock.at(NOON)
    clock.set(NOON, "frozen", now=0)
    assert clock.now(NOON + DAY) == 0


@pytest.mark.parametrize(
    ("mode", "rate", "wait_s"), [("real", None, 60.0), ("auto", None, 60.0), ("scaled", 120.0, 0.5), ("frozen", None, None)]
)
def test_it_tells_how_long_a_timer_is_away_in_real_time(mode: str, rate: float | None, wait_s: float | None) -> None:
    clock = Clock.at(NOON)
    clock.set(NOON, mode, rate=rate)  # type: ignore[arg-type]
    assert clock.real_delay_s(NOON + MINUTE, NOON) == wait_s
    assert clock.real_delay_s(NOON, NOON) == 0.0
    assert clock.real_delay_s(NOON - DAY, NOON) == 0.0


@pytest.mark.parametrize("at", [-1, 253_402_300_800_000, 10**20])
def test_a_time_that_cannot_be_written_is_refused(at: int) -> None:
    clock = Clock.at(NOON)
    with pytest.raises(Refused, match="years 1970 to 9999"):
        clock.move_to(at, NOON)
    assert clock.now(NOON) == NOON


def test_times_are_written_in_utc_with_milliseconds() -> None:
    assert rfc3339(NOON) == "2026-01-31T12:00:00.000Z"
    assert rfc3339(NOON + 7) == "2026-01-31T12:00:00.007Z"
    assert rfc3339(0) == "1970-01-01T00:00:00.000Z"
    assert rfc3339(253_402_300_799_999) == "9999-12-31T23:59:59.999Z"


@given(st.integers(0, 253_402_300_799_999))
def test_a_written_time_reads_back_as_the_same(ms: int) -> None:
    assert parse_rfc3339(rfc3339(ms), "now") == ms


@pytest.mark.parametrize("text", ["2026-01-31T12:00:00Z", "2026-01-31T13:00:00+01:00", "2026-01-31 12:00:00.000+00:00"])
def test_times_are_read_with_any_offset(text: str) -> None:
    assert parse_rfc3339(text, "now") == NOON


@pytest.mark.parametrize("text", ["", "noon", "2026-01-31T12:00:00", "2026-13-01T00:00:00Z", "x" * 1000])
def test_what_is_no_time_is_refused_by_the_name_of_its_field(text: str) -> None:
    with pytest.raises(Refused) as refused:
        parse_rfc3339(text, "now")
    assert (refused.value.code, refused.value.param) == ("parameter_invalid", "now")
    assert repr(text[:40]) in refused.value.detail
