"""What the oracles make of a shop that nobody would mistake for the reference merchant: its honest traits offend none of them, in
any story that it can play, and each of its bugs is caught by its own mechanism. In simulated time, where a story takes no time.
"""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from gatecrash.harness.explore.fault import Failure
from gatecrash.harness.explore.pool import PlayerSpec, Pool
from gatecrash.harness.merchant_profile import load
from gatecrash.harness.prove import sort_out
from gatecrash.harness.run import Outcome
from gatecrash.harness.smallest import PLAYER
from gatecrash.harness.story import load_all

SHOP = Path(__file__).parent / "other_shop"
DOCUMENTS = {story.name: story.document for story in load_all()}

HONEST = (
    "",
    "reverses, names no order",
    "captures later, reverses",
    "captures later, gives up, stays open, says nothing of refunds",
)


def refunds(*steps: Any, **more: Any) -> dict[str, Any]:
    """A story in which staff gives money back."""
    return {
        "name": "refunds", "title": "Refunds", "group": "refunds and captures", "about": "Staff gives money back. " * 5,
        "order": {"amount": 4200, "currency": "usd"}, "steps": ["place_order", {"pay": "visa"}, *steps], **more,
    }  # fmt: skip


TEN = {"refund": {"amount": 1000}}
LOST = [{"station": "operation.committed", "kind": "reset", "match": {"operation": "refunds.create"}}]
TWO_EQUAL = refunds(TEN, TEN)
FIRST_LOST = refunds(TEN, {"wait": {"seconds": 2}}, TEN, faults=LOST)

#: Traits, the story that shows what is wrong with them, and the oracle.
BUGS = [
    ("never asks again, says wait", DOCUMENTS["rate-limited"], "L2"),  # under a reference of its own
    ("never asks again, says wait, names no order", DOCUMENTS["rate-limited"], "L2"),
    ("sends refunds twice", DOCUMENTS["refund-answer-lost"], "S8"),
    ("sends refunds twice, one key for equal refunds", FIRST_LOST, "S8"),  # the sum is right, and the first was made twice
    ("one key for equal refunds", TWO_EQUAL, "L6"),
    ("refunds again", DOCUMENTS["refund-told-by-webhook"], "S8"),
]


@contextmanager
def opened(folder: Path, traits: str, documents: dict[str, Any], *, hooks: bool = False) -> Iterator[tuple[Pool, Path]]:
    """A shop with these traits in simulated time; where it has `hooks`, it hears webhooks."""
    shutil.copytree(SHOP, folder, dirs_exist_ok=True)
    profile = folder / "merchant.toml"
    text = profile.read_text(encoding="utf-8").replace('TRAITS = ""', f'TRAITS = "{traits}"')
    profile.write_text(text + ('\n[webhooks]\npath = "/webhooks"\n' if hooks else ""), encoding="utf-8")
    with Pool(PlayerSpec(PLAYER, {"profile_path": str(profile), "stories": documents, "tells": True})) as pool:
        yield pool, profile


def played(pool: Pool, name: str) -> Outcome:
    play = pool.play(name, ())
    assert not isinstance(play, Failure), play.detail
    assert play.outcome is not None
    return play.outcome


@pytest.mark.parametrize("traits", HONEST)
def test_an_honest_shop_offends_no_oracle_in_any_story_that_it_can_play(tmp_path: Path, traits: str) -> None:
    with opened(tmp_path, traits, DOCUMENTS) as (pool, profile):
        playable, _ = sort_out(load_all(), load(profile))
        outcomes = [played(pool, story.name) for story in playable]
    assert len(outcomes) > 40
    assert {each.story.name: each.violations for each in outcomes if each.violations} == {}


@pytest.mark.parametrize(("traits", "document", "oracle"), BUGS, ids=[f"{traits}-{oracle}" for traits, _, oracle in BUGS])
def test_its_bugs_are_caught_and_the_same_story_is_clean_without_them(
    tmp_path: Path, traits: str, document: dict[str, Any], oracle: str
) -> None:
    name = document["name"]
    found = {}
    for each in (traits, ""):
        with opened(tmp_path / (each or "honest"), each, {name: document}, hooks="webhook" in name) as (pool, _):
            found[each] = {violation.oracle for violation in played(pool, name).violations}
    assert oracle in found[traits]
    assert found[""] == set()
