"""A number of workloads, written by Hypothesis and explored one after the other, and what they came to."""

from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from importlib.util import find_spec

from gatecrash.harness.explore.bound import Bound
from gatecrash.harness.explore.pool import Pool
from gatecrash.harness.explore.progress import Progress
from gatecrash.harness.merchant_profile import MerchantProfile
from gatecrash.harness.workloads.scope import Scope
from gatecrash.harness.workloads.trials import Objection, Over, Trials


class NoHypothesis(Exception):
    """It is not installed; the message says what to do."""


def require() -> None:
    """Raises NoHypothesis."""
    if find_spec("hypothesis") is None:
        raise NoHypothesis("workloads are written by Hypothesis, which is not installed; pip install 'gatecrash[workloads]'")


def run(
    pool: Pool,
    bound: Bound,
    merchant: MerchantProfile,
    *,
    workloads: int,
    seed: int = 0,
    channels: Sequence[str] = (),
    alphabet: Iterable[str] = (),
    tell: Callable[[Progress], None] = lambda progress: None,
    stop: Callable[[], bool] = lambda: False,
) -> Trials:
    """Until one fails and none smaller does, or so many have held. `channels`: each of them in each of these sets. Raises
    NoHypothesis and PlayerFailed.
    """
    require()
    from gatecrash.harness.workloads.generate import write

    trials = Trials(
        pool, bound, workloads=workloads, merchant=merchant.name, seed=seed, channels=channels, alphabet=alphabet, tell=tell,
        stop=stop,
    )  # fmt: skip
    scope = Scope.of(merchant)
    try:
        with suppress(Objection):
            write(scope, trials, workloads=workloads, seeded=seed)
        trials.shrink(scope)
    except Over:
        if trials.error is not None:
            raise trials.error from None
    return trials
