"""A story that cannot be played to a merchant is left out with its reason, and the others are judged."""

import asyncio
import shutil
from collections.abc import Callable
from pathlib import Path
from xml.etree import ElementTree

import pytest

from gatecrash.cli import _proof, prove
from gatecrash.cli._failed import WrongUse
from gatecrash.harness import junit, run, steps
from gatecrash.harness.merchant_profile import load
from gatecrash.harness.prove import Findings, Proof, sort_out
from gatecrash.harness.story import Story, load_all, parse

TOY = Path(__file__).parent / "toy"
Prove = Callable[..., Proof]


@pytest.fixture
def proved(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Prove:
    """The verdict on the toy shop, broken in one way, in these stories."""
    monkeypatch.setattr(steps, "STRIKE_WITHIN_S", 1.0)
    for name in ("shop.py", "merchant.toml"):
        shutil.copy(TOY / name, tmp_path)

    def run(how: str, *stories: str | Story) -> Proof:
        path = tmp_path / "merchant.toml"
        path.write_text(path.read_text(encoding="utf-8").replace('BREAK = ""', f'BREAK = "{how}"'), encoding="utf-8")
        ours = {story.name: story for story in load_all()}
        told = [ours[each] if isinstance(each, str) else each for each in stories]
        findings = Findings("toy", "real", told)
        with _proof.ending(findings, path) as ending:
            asyncio.run(prove.play(findings, load(path), 2, quiet=True))
        return ending.proof

    return run


def one_story(steps: str, more: str = "") -> Story:
    document = (
        f"{{name: x, title: X, group: money, order: {{amount: 4200, currency: usd}}, about: {'x' * 80}, steps: {steps}{more}}}"
    )
    return parse(document, Path("x.yaml"))


def left_out(proof: Proof) -> dict[str, str]:
    return {story.name: reason for story, reason in proof.left_out}


def test_a_shop_that_authorizes_and_captures_in_two_calls_is_judged_in_the_other_stories(proved: Prove) -> None:
    proof = proved("captures-later", "lost-acknowledgement", "happy-path")
    assert [outcome.story.name for outcome in proof.outcomes] == ["happy-path"]
    assert "no fault struck at webhook.acknowledged" in left_out(proof)["lost-acknowledgement"]
    assert (proof.verdict, proof.not_played) == ("held", ())


def test_a_story_whose_faults_never_strike_is_not_told_to_have_held(proved: Prove) -> None:
    proof = proved("captures-later", "happy-path", "duplicated-webhook")
    assert [outcome.story.name for outcome in proof.outcomes] == ["happy-path"]
    assert left_out(proof)["duplicated-webhook"].startswith("duplicate at webhook.due never struck")


def test_an_expectation_is_not_judged_where_a_fault_of_the_story_never_struck(proved: Prove) -> None:
    wanted = ", faults: [{station: webhook.due, kind: duplicate, match: {event_type: charge.expired}}], expect: {status: FAILED}"
    proof = proved("", "happy-path", one_story("[place_order, {pay: visa}]", wanted))
    assert "x" in left_out(proof)


def test_a_violation_counts_though_the_faults_of_the_story_never_struck(proved: Prove) -> None:
    never = ", faults: [{station: webhook.due, kind: duplicate, match: {event_type: charge.expired}}]"
    proof = proved("", one_story("[place_order, {pay: visa}, {pay: visa}]", never))
    assert [each.oracle for each in proof.outcomes[0].violations][:1] == ["S1"]


def test_a_shop_that_sells_in_one_currency_is_judged_by_the_orders_it_takes(proved: Prove) -> None:
    proof = proved("dollars-only", "yen-have-no-cents", "happy-path")
    assert "does not take an order of 500 jpy: 422" in left_out(proof)["yen-have-no-cents"]
    assert (proof.verdict, proof.not_played) == ("held", ())


def test_a_shop_that_answers_a_decline_with_an_error_is_judged(proved: Prove) -> None:
    proof = proved("fails-at-declines", "decline-then-other-card")
    assert [outcome.story.name for outcome in proof.outcomes] == ["decline-then-other-card"]


def test_a_shop_that_does_not_come_back_after_a_kill_is_stuck(proved: Prove) -> None:
    proof = proved("locks-itself {scratch}", "merchant-killed-after-charge", "happy-path")
    by_story = {outcome.story.name: outcome.violations for outcome in proof.outcomes}
    assert by_story["happy-path"] == ()
    [said] = [each.message for each in by_story["merchant-killed-after-charge"] if each.oracle == "L2"]
    assert "never came back" in said
    assert "another one is running" in said


def test_a_wrong_set_up_that_shows_late_loses_no_verdict_and_is_no_success(proved: Prove) -> None:
    late = one_story("[place_order, {pay: visa}, place_order]")
    proof = proved("dies-of-a-second-order", "happy-path", late)
    assert [outcome.story.name for outcome in proof.outcomes] == ["happy-path"]
    [(story, reason, crash)] = proof.not_played
    assert (story.name, crash) == ("x", "")
    assert "[place_order]: when nothing was broken yet" in reason
    assert proof.verdict == "unfinished"


def test_a_failure_of_the_harness_itself_in_one_story_loses_no_other_and_has_an_exit_code_of_its_own(
    proved: Prove, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    async def fails(stage: object, argument: object) -> None:
        raise ZeroDivisionError("a bug of ours")

    monkeypatch.setattr(run, "VERBS", {**steps.VERBS, "kill_gateway": fails})
    proof = proved("", one_story("[place_order, {pay: visa}, kill_gateway]"), "happy-path")
    assert [outcome.story.name for outcome in proof.outcomes] == ["happy-path"]
    [(story, reason, crash)] = proof.crashed
    assert (story.name, reason) == ("x", "Gatecrash itself failed: ZeroDivisionError: a bug of ours")
    assert proof.verdict == "unfinished"
    with pytest.raises(SystemExit) as ended:
        _proof.Ending(proof).exit(None)
    assert ended.value.code == 3
    told = capsys.readouterr().err
    assert crash.rstrip() in told
    assert "Please report it with the traceback above" in told
    assert ElementTree.fromstring(junit.render(proof)).get("errors") == "1"  # noqa: S314 - our own


def test_a_merchant_to_which_no_story_can_be_played_gets_no_verdict(proved: Prove) -> None:
    with pytest.raises(WrongUse, match=r"none of these stories came to a verdict:\n  lost-acknowledgement: no fault struck"):
        proved("captures-later", "lost-acknowledgement")


def test_a_shop_without_refunds_is_not_asked_for_one_that_was_made_elsewhere() -> None:
    stories = [story for story in load_all() if story.name in ("happy-path", "refunded-elsewhere")]
    playable, out = sort_out(stories, load(TOY / "merchant.toml"))
    assert [story.name for story in playable] == ["happy-path"]
    assert "needs a shop with refunds" in out[0].reason
