"""Every story against one merchant: which can be played, what was found, and what it comes to."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from gatecrash.harness.demo import play_for_real
from gatecrash.harness.merchant_profile import MerchantProfile, placeholders
from gatecrash.harness.run import Outcome
from gatecrash.harness.story import Story
from gatecrash.harness.world import CannotPlay, SetupFailed
from gatecrash.harness.worlds.struck import Blow

HELD, VIOLATED, LEFT_OUT = "held", "violated", "left out"

#: What a step needs the profile to have: its field, and the table of merchant.toml that gives it.
_NEEDS = {
    "kill_merchant": ("start", "[start]: a merchant that runs already cannot be killed and started again"),
    "restart_merchant": ("start", "[start]: a merchant that runs already cannot be killed and started again"),
    "edit_order": ("edit_order", "[edit_order]"),
    "cancel": ("cancel", "[cancel]"),
    "refund": ("refund", "[refund]"),
    "ship": ("ship", "[ship]"),
    "come_back": ("return_url", "[return_url]"),
    "post_webhook": ("webhook_path", "[webhooks]"),
    "rotate_secret": ("webhook_path", "[webhooks]"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Proof:
    """Outcomes in the stories' order; `left_out` are stories that were not played, with the reason. Where more was played than
    these outcomes, `bound` says what was proved by it, and `explored` the verdict in a word.
    """

    merchant: str
    world: str
    outcomes: tuple[Outcome, ...]
    left_out: tuple[tuple[Story, str], ...]
    seconds: float
    bound: str = ""
    explored: str = ""
    set_up_wrong: bool = False  #: whether one was left out because the set-up is wrong, and not because it does not apply

    @property
    def verdict(self) -> str:
        if self.explored:
            return self.explored
        return VIOLATED if any(outcome.violations for outcome in self.outcomes) else HELD

    def as_json(self) -> dict[str, Any]:
        """`{merchant, world, stories: [{name, verdict, violations: [{oracle, message}], seconds, faults_fired}], verdict}`;
        a story that was left out has a `reason` as well.
        """
        played = [
            {
                "name": outcome.story.name,
                "verdict": VIOLATED if outcome.violations else HELD,
                "violations": [{"oracle": each.oracle, "message": each.message} for each in outcome.violations],
                "seconds": round(outcome.seconds, 3),
                "faults_fired": outcome.history.faults,
                **({"never_fired": list(outcome.history.unfired)} if outcome.history.unfired else {}),
            }
            for outcome in self.outcomes
        ]
        skipped = [
            {"name": story.name, "verdict": LEFT_OUT, "violations": [], "seconds": 0.0, "faults_fired": 0, "reason": reason}
            for story, reason in self.left_out
        ]
        return {
            "merchant": self.merchant, "world": self.world, "stories": [*played, *skipped], "verdict": self.verdict,
        }  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Unjudged:
    """A story that came to no verdict, and why. `set_up_wrong`: the profile or the merchant is to be mended first."""

    story: Story
    reason: str
    set_up_wrong: bool = False


async def judged(story: Story, merchant: MerchantProfile, struck_by: Sequence[Blow] = ()) -> Outcome | Unjudged:
    """Play one story in the real world. A story none of whose faults struck has tested nothing: it is no verdict, unless
    an oracle objects all the same.
    """
    try:
        outcome = await play_for_real(story, merchant, struck_by)
    except SetupFailed as error:
        return Unjudged(story=story, reason=str(error), set_up_wrong=not isinstance(error, CannotPlay))
    if outcome.violations or not (untested := outcome.history.untested):
        return outcome
    return Unjudged(story=story, reason=f"{untested} never struck: the merchant never did what the story breaks")


def sort_out(stories: Sequence[Story], profile: MerchantProfile) -> tuple[list[Story], list[tuple[Story, str]]]:
    """The stories this profile can play, and the others with the reason."""
    playable, left_out = [], []
    for story in stories:
        reason = _missing(story, profile)
        if reason is None:
            playable.append(story)
        else:
            left_out.append((story, reason))
    return playable, left_out


def _missing(story: Story, profile: MerchantProfile) -> str | None:
    for step in story.steps:
        field, table = _NEEDS.get(step.verb, (None, ""))
        if field is not None and getattr(profile, field) is None:
            return f"{step.verb} needs the profile to have {table}"
        if step.verb == "pay_tampered" and not profile.pay.speaks_of("amount"):
            return "a page that names a price needs {amount} in the profile's [pay]"
        if step.verb == "charge_elsewhere" and story.steps[0] is step and not profile.place_order.speaks_of("order_id"):
            return "an order paid before it is placed needs {order_id} in the profile's [place_order]"
    if profile.webhook_path is None and any(rule["station"].startswith("webhook.") for rule in story.faults):
        return "what it breaks are webhooks: it needs the profile to have [webhooks]"
    if story.capture == "later" and not profile.place_order.speaks_of("capture"):
        return "an order that is charged when it ships needs {capture} in the profile's [place_order]"
    known = placeholders((profile.start.command, profile.start.env)) if profile.start else set()
    for name in sorted(story.shop.keys() - known):
        return f"the shop must be told {name}: {{{name}}} in the command or the environment of [start]"
    return None
