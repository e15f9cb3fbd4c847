"""Has Hypothesis write workloads: as many as are asked for, the same for the same seed."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from tempfile import TemporaryDirectory
from typing import Any

from hypothesis import HealthCheck, Phase, Verbosity, seed, settings
from hypothesis.configuration import set_hypothesis_home_dir
from hypothesis.internal.conjecture.providers import AVAILABLE_PROVIDERS, HypothesisProvider
from hypothesis.stateful import run_state_machine_as_test

from gatecrash.harness.workloads.machine import STEPS, Workload
from gatecrash.harness.workloads.scope import Scope
from gatecrash.harness.workloads.script import Script

_PROVIDER = "gatecrash-workloads"
#: Hypothesis may write a workload again that it has written: it is let go on until so many times as many.
_AGAIN = 4


class _Provider(HypothesisProvider):
    """Hypothesis' own choices, but for the constants that it reads in whatever modules happen to be loaded: with them the same
    seed would write other workloads elsewhere.
    """

    def _maybe_draw_constant(self, *args: Any, **kwargs: Any) -> None:
        return None


AVAILABLE_PROVIDERS[_PROVIDER] = f"{__name__}._Provider"


def write(scope: Scope, told: Callable[[Script], None], *, workloads: int, seeded: int) -> None:
    """Calls `told` with each workload. What that raises makes an Exception of a workload that failed: smaller ones are written
    until none fails any more, and the exception of the smallest is raised. Whatever is no Exception ends it at once.
    """

    @seed(seeded)
    def machine() -> Workload:
        return Workload(scope, told)

    with _leaving_nothing():
        run_state_machine_as_test(
            machine,  # type: ignore[arg-type]  # a function that makes one will do
            settings=settings(
                max_examples=_AGAIN * workloads, stateful_step_count=STEPS, backend=_PROVIDER, database=None, deadline=None,
                derandomize=False, phases=[Phase.generate, Phase.shrink], report_multiple_bugs=False, print_blob=False,
                suppress_health_check=list(HealthCheck), verbosity=Verbosity.quiet,
            ),
        )  # fmt: skip


@contextmanager
def _leaving_nothing() -> Iterator[None]:
    """What Hypothesis keeps in a folder of its own, it keeps where it goes."""
    with TemporaryDirectory(prefix="gatecrash-workloads-") as folder:
        set_hypothesis_home_dir(folder)
        try:
            yield
        finally:
            set_hypothesis_home_dir(None)
