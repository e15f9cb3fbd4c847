"""P oracles: what does no harm in this run, and will in another. Judged by the rules of `gatecrash lint`."""

from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from gatecrash import lint
from gatecrash.harness.history import History
from gatecrash.harness.oracles._oracle import Findings, oracle
from gatecrash.harness.timeline import in_real_time

Entry = Mapping[str, Any]

_KEYS, _PACE = {"new_key_after_unknown", "key_reused"}, {"retry_without_backoff", "retry_after_ignored"}
#: The rules that are asked here.
RULES = tuple(rule for rule in lint.RULES if rule.code in _KEYS | _PACE)


@oracle("P1", "keys that do not protect")
def keys_that_do_not_protect(history: History) -> Findings:
    """A payment was tried under a new idempotency key while the outcome of an earlier try was unknown, or one key was
    used for two different requests. The first makes a second charge possible, the second makes the payment impossible.
    Store a key with each attempt before the first call, repeat the attempt under it until the outcome is known, and give
    the next attempt, or a changed cart, a key of its own. Judged from the requests in the gateway's journal.
    """
    if any(_found([history.journal], _KEYS)):
        stands = {(finding.rule, finding.seq) for finding in lint.lint(_as_told(history.journal), rules=RULES)}
        yield from _found([history.journal], _KEYS, stands)


@oracle("P2", "no cap or no backoff")
def storm(history: History) -> Findings:
    """A call was repeated again and again without growing pauses, or sooner than the gateway had asked for with
    Retry-After. A thousand shops that do so keep a gateway down that has stumbled. Double the pause from try to try, add
    some chance, give up for the time being after a few, and honour Retry-After. Judged from the requests in the gateway's
    journal.
    """
    # who died cannot remember how long it was to wait, and nobody sees what was tried while the gateway was down
    yield from _found(_lives(history), _PACE)


def _as_told(journal: Sequence[Entry]) -> Sequence[Entry]:
    """The journal with each webhook where it was sent: it tells the shop when it arrives, and stands where it was answered."""

    def at(entry: Entry) -> tuple[datetime, bool]:
        moment, delivered = datetime.fromisoformat(entry["at"]), entry["kind"] == "delivery"
        return moment - timedelta(milliseconds=entry.get("latency_ms") or 0) if delivered else moment, not delivered

    return sorted(journal, key=at)


_linted: tuple[Sequence[Entry], list[lint.Finding]] = [], []


def _lint(journal: Sequence[Entry]) -> list[lint.Finding]:
    """Both oracles mostly read the same journal, one after the other."""
    global _linted
    if _linted[0] != list(journal):
        _linted = list(journal), lint.lint(journal, rules=RULES)
    return _linted[1]


def _found(journals: Iterable[Sequence[Entry]], rules: set[str], stands: Container[tuple[str, int]] | None = None) -> Findings:
    """What the rules found, in their words, if it `stands`; told once, however often the shop did it."""
    told: dict[str, None] = {}
    for journal in journals:
        for finding in _lint(journal):
            if finding.rule in rules and (stands is None or (finding.rule, finding.seq) in stands):
                about = f"order {finding.order_id}: " if finding.order_id else ""
                told[f"{about}{finding.detail}"] = None
    yield from told


def _lives(history: History) -> Iterator[Sequence[Entry]]:
    """The journal, cut where the shop was killed."""
    deaths = sorted(
        note.at_ms for note in history.notes if note.source == note.target == "shop" and note.text.startswith("killed")
    )
    life: list[Entry] = []
    for at_ms, entry in in_real_time(history.journal):
        if entry["kind"] == "start" or (deaths and at_ms > deaths[0]):
            yield life
            life = []
        while deaths and at_ms > deaths[0]:
            deaths.pop(0)
        life.append(entry)
    yield life
