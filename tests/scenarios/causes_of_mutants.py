"""What a reader is told of each mutant: the cause of the worst violation in the first story that claims to catch it."""

from gatecrash.harness.explore.fault import Failure
from gatecrash.harness.explore.pool import Pool
from gatecrash.harness.mutants import known
from gatecrash.harness.report import by_cause
from gatecrash.harness.smallest import player_of
from gatecrash.harness.story import load_all

#: mutant → the oracle and the cause that a report puts first.
TOLD: dict[str, tuple[str, str]] = {
    "naive": ("S1", "unknown taken for a failure"),
    "no_key": ("S1", "no key"),
    "new_key_retry": ("S1", "two keys for one payment"),
    "new_key_timeout": ("S1", "two keys for one payment"),
    "key_in_memory": ("S1", "key forgotten at a restart"),
    "key_from_token": ("S1", "two payments at once"),
    "key_per_channel": ("S1", "two keys for one payment"),
    "key_after_decline": ("L5", "old key for a new card"),
    "key_new_amount": ("P3", "key not of the attempt"),
    "key_collides": ("S3", "refused key taken for a payment"),
    "key_expired": ("S1", "key after its life"),
    "charge_first": ("L1", "killed between charge and commit"),
    "cached_500": ("L1", "unknown taken for a failure"),
    "conflict_409": ("L1", "409 taken for a failure"),
    "timeout_failed": ("L1", "unknown taken for a failure"),
    "timeout_paid": ("S3", "no answer taken for success"),
    "neterr_failed": ("S1", "unknown taken for a failure"),
    "final_503": ("S1", "unknown taken for a failure"),
    "retry_storm": ("P2", "no backoff"),
    "ignore_429": ("L2", "429 taken for a verdict"),
    "redirect_paid": ("S3", "forged return"),
    "processing_paid": ("S3", "under way taken for paid"),
    "double_click": ("S1", "two payments at once"),
    "two_tabs": ("S1", "charged though known to be paid"),
    "client_amount": ("S2", "price of the browser"),
    "money_unit": ("S2", "float"),
    "unsigned_ok": ("S6", "signature not verified"),
    "sig_presence": ("S6", "signature not verified"),
    "reserialised": ("L3", "JSON written anew"),
    "no_tolerance": ("S6", "timestamp not compared"),
    "skew_strict": ("L3", "no clock skew allowed"),
    "no_dedupe": ("S4", "the same event twice"),
    "dedupe_memory": ("S4", "forgotten at a restart"),
    "dedupe_late": ("S4", "the same event twice"),
    "failure_final": ("L5", "order closed for good"),
    "dedupe_first": ("S5", "marked as seen before it was applied"),
    "ack_early": ("S5", "acknowledged too early"),
    "ack_unknown": ("S5", "event before its order"),
    "reject_unknown": ("L3", "unknown type"),
    "slow_hook": ("L3", "too slow"),
    "one_secret": ("L3", "rotation"),
    "old_secret": ("S3", "forged event"),
    "pan_log": ("S9", "card number kept"),
}


def told_of(name: str) -> tuple[str, str]:
    """The oracle and the cause of the mutant's violation that a report tells first."""
    story = next(story for story in load_all() if name in story.catches)
    spec = player_of(known()[name], [story])
    with Pool(spec._replace(kwargs={**spec.kwargs, "tells": True})) as pool:
        play = pool.play(story.name, ())
    assert not isinstance(play, Failure), play.detail
    assert play.outcome is not None
    group = by_cause([play.outcome])[0]
    return group.code, group.cause.name if group.cause else "none"
