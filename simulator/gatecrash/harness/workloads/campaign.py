"""A number of workloads, written by Hypothesis and explored one after the other, and what they came to."""

import traceback
from contextlib import suppress
from dataclasses import replace
from importlib.util import find_spec

from gatecrash.harness.explore.fault import Failure
from gatecrash.harness.explore.pool import PlayerFailed, Pool
from gatecrash.harness.workloads.scope import Scope
from gatecrash.harness.workloads.script import Script
from gatecrash.harness.workloads.trials import Enough, Objection, Over, Trials
from gatecrash.harness.world import SetupFailed


class NoHypothesis(Exception):
    """It is not installed; the message says what to do."""


def require() -> None:
    """Raises NoHypothesis."""
    if find_spec("hypothesis") is None:
        raise NoHypothesis("workloads are written by Hypothesis, which is not installed; pip install 'gatecrash[workloads]'")


def taken(pool: Pool, scope: Scope) -> tuple[Scope, list[tuple[str, str]]]:
    """What of it the shop takes orders for, and what it does not, with the reason: a profile does not tell which currencies a
    shop sells in. Raises SetupFailed for one that takes no orders at all.
    """
    tried = {currency: _refused(pool, scope, currency, later=False) for currency in scope.currencies}
    refused = {currency: why for currency, why in tried.items() if why}
    left_out = [(f"orders in {currency}", failure.why) for currency, failure in refused.items()]
    currencies = tuple(currency for currency in tried if currency not in refused)
    if not currencies:
        first, failure = next(iter(refused.items()))
        raise SetupFailed(f"the shop takes none of the orders that were tried; orders in {first}: {failure.in_full()}")
    if scope.later and (refusal := _refused(pool, scope, currencies[0], later=True)):
        left_out.append(("orders that are charged when they ship", refusal.why))
        return replace(scope, currencies=currencies, later=False, ships=False), left_out
    return replace(scope, currencies=currencies), left_out


def _refused(pool: Pool, scope: Scope, currency: str, *, later: bool) -> Failure | None:
    """Why such an order cannot be placed, when nothing is broken; None where it can."""
    script = Script(scope)
    script.place_order(4200, currency, later=later, customer="ada")
    document = script.document()
    pool.bring(document["name"], document)
    play = pool.play(document["name"], ())
    return play if isinstance(play, Failure) else None


def run(trials: Trials, scope: Scope) -> Trials:
    """Until one fails and none smaller does, or as many as are wanted have held. Raises NoHypothesis, PlayerFailed and
    SetupFailed.
    """
    require()
    from gatecrash.harness.workloads.generate import write

    scope, trials.left_out = taken(trials.pool, scope)
    try:
        with suppress(Objection, Enough):
            write(scope, trials, workloads=trials.wanted, seeded=trials.seed)
        with suppress(Enough):
            trials.shrink(scope)
    except Over:
        error = trials.error
        if isinstance(error, (PlayerFailed, SetupFailed)) and not trials.held and not trials.failed:
            raise error from None
        if error is not None:
            trials.crash = "".join(traceback.format_exception(error))
    return trials
