"""P oracles: what does no harm in this run, and will in another. Judged by the rules of `gatecrash lint`."""

from gatecrash import lint
from gatecrash.harness.history import History
from gatecrash.harness.oracles._oracle import Findings, oracle


@oracle("P1", "keys that do not protect")
def keys_that_do_not_protect(history: History) -> Findings:
    """A payment was tried under a new idempotency key while the outcome of an earlier try was unknown, or one key was
    used for two different requests. The first makes a second charge possible, the second makes the payment impossible.
    Store a key with each attempt before the first call, repeat the attempt under it until the outcome is known, and give
    the next attempt, or a changed cart, a key of its own. Judged from the requests in the gateway's journal.
    """
    yield from _found(history, {"new_key_after_unknown", "key_reused"})


@oracle("P2", "no cap or no backoff")
def storm(history: History) -> Findings:
    """A call was repeated again and again without growing pauses, or sooner than the gateway had asked for with
    Retry-After. A thousand shops that do so keep a gateway down that has stumbled. Double the pause from try to try, add
    some chance, give up for the time being after a few, and honour Retry-After. Judged from the requests in the gateway's
    journal.
    """
    yield from _found(history, {"retry_without_backoff", "retry_after_ignored"})


def _found(history: History, rules: set[str]) -> Findings:
    """What the rules found, in their words; told once, however often the shop did it."""
    told: dict[str, None] = {}
    for finding in lint.lint(history.journal):
        if finding.rule in rules:
            about = f"order {finding.order_id}: " if finding.order_id else ""
            told[f"{about}{finding.detail}"] = None
    yield from told
