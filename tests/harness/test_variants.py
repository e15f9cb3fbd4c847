"""Stories with other channels open, and without what breaks in them."""

import pytest

from gatecrash.harness.channels import CHANNELS
from gatecrash.harness.story import StoryError, load_all
from gatecrash.harness.variants import in_channels, unbroken

STORIES = {each.name: each for each in load_all()}


def test_a_story_in_other_channels_keeps_what_happens_and_shuts_what_they_shut() -> None:
    told = STORIES["happy-path"]
    [gone] = in_channels([told], ["abandon"])
    assert (gone.name, gone.channels, gone.customer_gone) == ("happy-path@abandon", "abandon", True)
    assert gone.standing_faults == CHANNELS["abandon"].standing_faults
    assert [(each.verb, each.argument) for each in gone.steps] == [(each.verb, each.argument) for each in told.steps]
    assert gone.document is not None
    assert gone.document["name"] == "happy-path@abandon"


def test_what_a_story_comes_to_is_told_of_its_own_channels_alone() -> None:
    lost = STORIES["answers-lost-page-reloaded"]
    own, other = in_channels([lost], [lost.channels, "all"])
    assert own.expect == lost.expect
    assert lost.expect is not None
    assert other.expect is None


def test_every_story_can_be_told_in_every_channel_and_without_its_faults() -> None:
    plain = list(map(unbroken, STORIES.values()))
    variants = in_channels([*STORIES.values(), *plain], CHANNELS)
    assert len({each.name for each in variants}) == len(CHANNELS) * len({*STORIES, *(each.name for each in plain)})


def test_channels_that_there_are_not_are_named_beside_those_that_there_are() -> None:
    with pytest.raises(StoryError, match="no channels called 'dark'; there are: all, hookonly, reconly, abandon"):
        in_channels(STORIES.values(), ["all", "dark"])


def test_without_what_breaks_a_story_is_what_customers_and_staff_do_and_how_time_passes() -> None:
    told = unbroken(STORIES["card-form-expired-meanwhile"])
    assert told.name == "card-form-expired-meanwhile-unbroken"
    assert [each.verb for each in told.steps] == ["place_order", "begin_pay", "advance", "retry_while_unpaid"]
    assert told.faults == ()
    assert told.channels == "reconly"


def test_a_story_in_which_nothing_breaks_is_its_own_unbroken_one() -> None:
    assert unbroken(STORIES["happy-path"]) is STORIES["happy-path"]
