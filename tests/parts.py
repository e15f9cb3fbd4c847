"""The parts of the suite: `soak` is long hunts, run by `make soak` alone; `once` is run by one Python; `each` by every Python.

The paths in ONCE are below tests/. Those with the longest tests come first, so that no worker ends up alone with one.
"""

from pathlib import Path

ONCE = (
    # contracts and workloads: as many examples as are tried, whoever tries them
    "contracts/test_fuzz.py",
    "core/test_lifecycle_machine.py",
    "harness/workloads",
    # in processes of their own: every story, mutant and example, and the verbs that play them
    "examples",
    "docs",
    "harness/simulated/test_pruning.py",
    "scenarios",
    "harness/explore",
    "harness/simulated/test_smallest.py",
    "harness/simulated/test_unplayable.py",
    "harness/test_broken_setups.py",
    "harness/test_check.py",
    "harness/test_mutants.py",
    "harness/test_prove.py",
    "benchmarks",
    "cli/test_interrupted.py",
    "cli/test_refusals.py",
    "cli/test_help.py",
    # in other hands: a browser, other languages, pytest in a project, of which each Python runs that of the README
    "browser",
    "webhooks/test_docs.py",
    "packaging/test_plugin.py",
    "plugin",
    # whole tables of what is the same for each Python
    "contracts/test_links.py",
    "dialects/native/test_canaries.py",
    "server/test_canaries.py",
    "reference_merchant/test_mutants.py",
)
_TESTS = Path(__file__).parent
assert all((_TESTS / path).exists() for path in ONCE), [path for path in ONCE if not (_TESTS / path).exists()]


#: The folder of what runs for many minutes: attacks by the hundred, whole tables, a million examples.
SOAK = "soak"
PARTS = ("each", "once", "soak")


def place(file: Path) -> int | None:
    """The index in ONCE of a file of tests or of a folder around it; None for a file that each Python runs."""
    names = _names(file)
    return next((place for place, path in enumerate(ONCE) if path in names), None)


def part(file: Path) -> str:
    """The part that a file of tests belongs to."""
    if SOAK in _names(file):
        return "soak"
    return "each" if place(file) is None else "once"


def _names(file: Path) -> list[str]:
    """The file's path below tests/, and those of the folders around it."""
    below = file.relative_to(_TESTS)
    return [str(below), *map(str, below.parents)]
