"""Every story against one merchant: which can be played, what was found, and what it comes to."""

import traceback
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

from gatecrash.harness.blind_spots import blind_spots
from gatecrash.harness.customer import ORDINARY
from gatecrash.harness.demo import play_for_real
from gatecrash.harness.explore.verdict import CRASHED, HELD, INTERRUPTED, UNFINISHED, VIOLATED
from gatecrash.harness.merchant_profile import MerchantProfile
from gatecrash.harness.oracles import Violation
from gatecrash.harness.oracles.causes import cause_of
from gatecrash.harness.run import Outcome
from gatecrash.harness.story import Story
from gatecrash.harness.templates import placeholders
from gatecrash.harness.world import CannotPlay, SetupFailed
from gatecrash.harness.worlds.struck import Blow

#: The verdict of a story without an outcome.
LEFT_OUT, NOT_PLAYED = "left out", "not played"

#: What a shop sells in that is told no currency.
ORDINARY_CURRENCY = ORDINARY[1]

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
    "begin_refund": ("refund", "[refund]"),
    "wait_for_webhook": ("webhook_path", "[webhooks]"),
    "rotate_secret": ("webhook_path", "[webhooks]"),
}


class LeftOut(NamedTuple):
    """A story that this merchant cannot play, with the reason. It proves nothing, and is nobody's fault."""

    story: Story
    reason: str


class NotPlayed(NamedTuple):
    """A story that ought to have an outcome and has none: its set-up failed, the run was stopped, or the harness itself failed.

    `crash` is the traceback when the harness itself failed: that is a bug of Gatecrash.
    """

    story: Story
    reason: str
    crash: str = ""


class NotJudged(NamedTuple):
    """What an oracle could not judge, with the reason: the merchant does not tell what it needs. In all stories, or in these."""

    oracle: str
    reason: str
    stories: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Proof:
    """What was found of one merchant: `outcomes` in the stories' order, and what is missing, each with its reason.

    `incomplete` says why it is not the whole proof, such as `interrupted`. Where more was played than these outcomes, `bound`
    says what was proved by it, and `explored` the verdict in a word.
    """

    merchant: str
    world: str
    outcomes: tuple[Outcome, ...]
    left_out: tuple[LeftOut, ...] = ()
    not_played: tuple[NotPlayed, ...] = ()
    not_judged: tuple[NotJudged, ...] = ()
    incomplete: str = ""
    seconds: float
    bound: str = ""
    explored: str = ""

    @property
    def verdict(self) -> str:
        if self.explored:
            return self.explored
        if any(outcome.violations for outcome in self.outcomes):
            return VIOLATED
        return UNFINISHED if self.not_played or self.incomplete else HELD

    @property
    def crashed(self) -> tuple[NotPlayed, ...]:
        """The stories in which the harness itself failed."""
        return tuple(each for each in self.not_played if each.crash)

    def as_json(self) -> dict[str, Any]:
        """What contracts/proof.schema.json describes."""
        played = [
            {
                "name": outcome.story.name,
                "verdict": VIOLATED if outcome.violations else HELD,
                "violations": [_violation(outcome, each) for each in outcome.violations],
                "seconds": round(outcome.seconds, 3),
                "faults_fired": outcome.history.faults,
                **({"never_fired": list(outcome.history.unfired)} if outcome.history.unfired else {}),
                **({"plays": outcome.plays} if outcome.plays > 1 else {}),
            }
            for outcome in self.outcomes
        ]
        without = [
            {"name": each.story.name, "verdict": word, "violations": [], "seconds": 0.0, "faults_fired": 0, "reason": each.reason}
            for word, several in ((NOT_PLAYED, self.not_played), (LEFT_OUT, self.left_out))
            for each in several
        ]
        judged = [
            {"oracle": each.oracle, "reason": each.reason, **({"stories": list(each.stories)} if each.stories else {})}
            for each in self.not_judged
        ]
        return {
            "merchant": self.merchant, "world": self.world, "stories": [*played, *without],
            **({"not_judged": judged} if judged else {}), **({"incomplete": self.incomplete} if self.incomplete else {}),
            "verdict": self.verdict,
        }  # fmt: skip


def not_judged(profile: MerchantProfile) -> tuple[NotJudged, ...]:
    """What no story can show of this merchant."""
    return tuple(NotJudged(code, each.reason) for each in blind_spots(profile) for code in each.oracles)


def _violation(outcome: Outcome, found: Violation) -> dict[str, str]:
    cause = cause_of(outcome.history, found)
    why = {"cause": cause.name, "why": cause.says, "fix": cause.fix} if cause else {}
    return {"oracle": found.oracle, "message": found.message, **why}


class Findings:
    """What is found while `stories` are played, so that nothing of it is lost, however the run ends."""

    def __init__(
        self, merchant: str, world: str, stories: Sequence[Story], left_out: Sequence[LeftOut] = (),
        not_judged: Sequence[NotJudged] = (),
    ) -> None:  # fmt: skip
        self.merchant, self.world, self.stories = merchant, world, tuple(stories)
        self._left_out, self._not_judged = tuple(left_out), tuple(not_judged)
        self.stopped = ""  #: why no more stories are begun, if that was wanted
        self._found: dict[str, Outcome | LeftOut | NotPlayed] = {}

    def add(self, found: Outcome | LeftOut | NotPlayed) -> None:
        self._found[found.story.name] = found

    @property
    def outcomes(self) -> tuple[Outcome, ...]:
        """In the stories' order, as far as they are there."""
        return tuple(each for each in self._in_order() if isinstance(each, Outcome))

    def proof(self, seconds: float, *, incomplete: str = "") -> Proof:
        """What is there now. A story of which nothing is there was not played, since the run is `incomplete`."""
        incomplete = incomplete or self.stopped
        missing = [NotPlayed(story, incomplete or INTERRUPTED) for story in self.stories if story.name not in self._found]
        found = [*self._in_order(), *missing]
        return Proof(
            merchant=self.merchant, world=self.world, outcomes=self.outcomes, seconds=seconds, incomplete=incomplete,
            left_out=(*self._left_out, *(each for each in found if isinstance(each, LeftOut))),
            not_played=tuple(each for each in found if isinstance(each, NotPlayed)), not_judged=self._not_judged,
        )  # fmt: skip

    def _in_order(self) -> list[Outcome | LeftOut | NotPlayed]:
        return [self._found[story.name] for story in self.stories if story.name in self._found]


async def judged_again(
    story: Story, merchant: MerchantProfile, struck_by: Sequence[Blow] = (), *, times: int = 1
) -> Outcome | LeftOut | NotPlayed:
    """Play one story so often, each time with a gateway and a merchant of its own, until a play is violated or has no outcome."""
    seconds = 0.0
    for number in range(1, times + 1):
        found = await judged(story, merchant, struck_by)
        if not isinstance(found, Outcome):
            return found
        seconds += found.seconds
        found = replace(found, plays=number, seconds=seconds)
        if found.violations:
            break
    return found


async def judged(story: Story, merchant: MerchantProfile, struck_by: Sequence[Blow] = ()) -> Outcome | LeftOut | NotPlayed:
    """Play one story in the real world. What keeps it from its outcome is an answer, too: the other stories go on. A story none
    of whose faults struck has tested nothing: it is no verdict, unless an oracle objects all the same.
    """
    try:
        outcome = await play_for_real(story, merchant, struck_by)
    except CannotPlay as error:
        return LeftOut(story, str(error))
    except SetupFailed as error:
        return NotPlayed(story, str(error))
    except Exception as error:
        return NotPlayed(story, f"{CRASHED}: {type(error).__name__}: {error}", crash=traceback.format_exc())
    if outcome.violations or not (untested := outcome.history.untested):
        return outcome
    return LeftOut(story, f"{untested} never struck: the merchant never did what the story breaks")


def by_reason(missing: Iterable[LeftOut | NotPlayed]) -> Mapping[str, list[str]]:
    """The names of stories without an outcome, under the reason that they share."""
    names: dict[str, list[str]] = {}
    for each in missing:
        names.setdefault(each.reason, []).append(each.story.name)
    return names


def sort_out(stories: Sequence[Story], profile: MerchantProfile) -> tuple[list[Story], list[LeftOut]]:
    """The stories this profile can play, and the others with the reason."""
    playable: list[Story] = []
    left_out: list[LeftOut] = []
    for story in stories:
        reason = _missing(story, profile)
        if reason is None:
            playable.append(story)
        else:
            left_out.append(LeftOut(story, reason))
    return playable, left_out


def _missing(story: Story, profile: MerchantProfile) -> str | None:
    for step in story.steps:
        field, table = _NEEDS.get(step.verb, (None, ""))
        if field is not None and getattr(profile, field) is None:
            return f"{step.verb} needs the profile to have {table}"
        if step.verb == "refund_elsewhere" and not profile.shows_refunds:
            return "a refund made at the gateway itself needs a shop with refunds: [refund], or a word for REFUNDED in [statuses]"
        if step.verb == "pay_tampered" and not profile.pay.speaks_of("amount"):
            return "a page that names a price needs {amount} in the profile's [pay]"
        if step.verb == "charge_elsewhere" and story.steps[0] is step and not profile.orders_speak_of("order_id"):
            return "an order paid before it is placed needs {order_id} in the profile's [place_order]"
    if profile.webhook_path is None and any(rule["station"].startswith("webhook.") for rule in story.faults):
        return "what it breaks are webhooks: it needs the profile to have [webhooks]"
    if story.capture == "later" and not profile.orders_speak_of("capture"):
        return "an order that is charged when it ships needs {capture} in the profile's [place_order]"
    if story.currency != ORDINARY_CURRENCY and not profile.orders_speak_of("currency"):
        return f"an order in {story.currency} needs {{currency}} in the profile's [place_order], or in [pay] where there is none"
    known = placeholders((profile.start.command, profile.start.env)) if profile.start else set()
    for name in sorted(story.shop.keys() - known):
        return f"the shop must be told {name}: {{{name}}} in the command or the environment of [start]"
    return None
