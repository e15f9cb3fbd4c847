"""`python -m tests.benchmarks.plugin`: what the pytest plugin costs a test, as the difference to a test without it."""

import re
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

TESTS, ROUNDS = 400, 5
BODIES = {
    "bare": "def test_it(n): pass",
    "with a private sandbox": "def test_it(gateway, n): pass",
    "with a private sandbox, and a charge": "def test_it(gateway, n): gateway.charge()",
    "with a rule armed by the marker": '@pytest.mark.gateway_fault("webhook.due", "drop")\ndef test_it(gateway, n): pass',
}


def seconds(folder: Path, body: str) -> float:
    """What a run of so many tests takes, without the start of pytest and of the gateway."""
    (folder / "test_it.py").write_text(
        f"import pytest\ndef test_first(gateway): pass\n@pytest.mark.parametrize('n', range({TESTS}))\n{body}\n"
    )
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--durations=1", "--durations-min=0"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=True)
    slowest = re.search(r"([\d.]+)s setup +test_it.py::test_first", done.stdout)
    whole = re.search(r"passed in ([\d.]+)s", done.stdout)
    assert slowest is not None
    assert whole is not None
    return float(whole[1]) - float(slowest[1])


def importing() -> float:
    """How long `import gatecrash.pytest_plugin` takes where pytest is loaded, in seconds."""
    code = "import pytest, time; a = time.perf_counter(); import gatecrash.pytest_plugin; print(time.perf_counter() - a)"
    return float(subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout)


def main() -> None:
    taken: dict[str, list[float]] = {name: [] for name in BODIES}
    with tempfile.TemporaryDirectory(prefix="gatecrash-bench-") as folder:
        for _ in range(ROUNDS):  # in turns, so that a machine whose speed drifts spoils no difference
            for name, body in BODIES.items():
                taken[name].append(seconds(Path(folder), body))
    print(f"{TESTS} tests a run, {ROUNDS} runs each, in turns; milliseconds a test: the quickest run, and the median")
    best_of_bare, median_of_bare = min(taken["bare"]), statistics.median(taken["bare"])
    print(f"{'bare':40}{1000 * best_of_bare / TESTS:>8.2f}{1000 * median_of_bare / TESTS:>8.2f}")
    for name, runs in list(taken.items())[1:]:
        best, median = min(runs) - best_of_bare, statistics.median(runs) - median_of_bare
        print(f"{name:40}{1000 * best / TESTS:>+8.2f}{1000 * median / TESTS:>+8.2f}")
    print(f"{'loading the plugin, ms a run':40}{1000 * statistics.median(importing() for _ in range(9)):>8.1f}")


if __name__ == "__main__":
    main()
