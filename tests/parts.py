"""What takes long and depends on the Python least is run by one of them; everything else by each.

The paths are below tests/, those that hold the longest tests first: whoever is left with one at the end has the others wait.
"""

from pathlib import Path

ONCE = (
    # contracts and workloads: as many examples as are tried, whoever tries them
    "contracts/test_fuzz.py",
    "core/test_lifecycle_machine.py",
    "harness/workloads",
    # in processes of their own: every story, mutant and example, and the verbs that play them
    "examples",
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


def place(file: Path) -> int | None:
    """Where in the table a file of tests, or a folder that it is in, stands; None for one that each Python runs."""
    below = file.relative_to(_TESTS)
    names = [str(below), *map(str, below.parents)]
    return next((place for place, path in enumerate(ONCE) if path in names), None)
