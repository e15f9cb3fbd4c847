"""What is measured of a proof is a proof."""

import re

import pytest

from gatecrash.harness.story import load_all
from tests.benchmarks.proving import proofs

HAPPY = [story for story in load_all() if story.name == "happy-path"]


def test_the_rate_of_proving_is_told_for_each_number_of_faults(capsys: pytest.CaptureFixture[str]) -> None:
    assert proofs(HAPPY, 1, (1,)) == []
    stories, baseline, up_to = capsys.readouterr().out.splitlines()
    assert stories == "the reference merchant; stories: 1, cores: 1"
    assert baseline.startswith("without a fault: ")
    assert re.match(r"up to 1 fault: [1-9]\d+ schedules in ", up_to)
