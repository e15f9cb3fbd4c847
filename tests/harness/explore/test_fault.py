"""The words of exploring, and the parts of one."""

import pickle

import pytest

from gatecrash.harness.explore.bound import Shard
from gatecrash.harness.explore.fault import Fault, in_words


@pytest.mark.parametrize(
    "text",
    [
        "charges.create #2: lost answer",
        "webhook charge.succeeded #1: lost",
        "merchant send #1 of two #12: crash: late",
    ],
)
def test_a_fault_is_told_and_read_again(text: str) -> None:
    fault = Fault.parse(text)
    assert str(fault) == text
    assert pickle.loads(pickle.dumps(fault)) == fault  # noqa: S301 - our own


@pytest.mark.parametrize("text", ["", "charges.create", "charges.create #0: lost", "charges.create #1:", "#1: lost", "a #-1: b"])
def test_what_is_no_fault_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(ValueError, match="expected LABEL #OCCURRENCE: KIND, such as"):
        Fault.parse(text)


def test_a_schedule_is_told_in_its_order() -> None:
    assert in_words((Fault("b", 1, "x"), Fault("a", 2, "y"))) == "b #1: x; a #2: y"
    assert in_words(()) == "no fault"


@pytest.mark.parametrize("text", ["", "0/2", "3/2", "1", "1/0", "a/b", "-1/2"])
def test_what_is_no_shard_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="expected I/N"):
        Shard.parse(text)


def test_each_first_fault_belongs_to_one_shard() -> None:
    faults = [Fault("charges.create", occurrence, "lost") for occurrence in range(1, 200)]
    owners = [[number for number in range(1, 5) if Shard(number, 4).has("happy", fault)] for fault in faults]
    assert all(len(each) == 1 for each in owners)
    assert {each[0] for each in owners} == {1, 2, 3, 4}
