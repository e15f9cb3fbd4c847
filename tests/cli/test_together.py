"""Options that cancel each other: a verb refuses them in one line, and does nothing."""

from pathlib import Path

import pytest
from click.testing import CliRunner

from gatecrash.cli import main

# the command line, and what the refusal says; PROFILE is a merchant that runs already
TABLE = [
    ("serve --port 0 --memory --data d2", "give one of the two"),
    ("init --start run --runs-at http://127.0.0.1:1", "--runs-at does nothing with --start"),
    ("init --force --yes --runs-at http://127.0.0.1:1 --start run", "--runs-at does nothing with --start"),
    ("prove PROFILE --jobs 2", "--jobs does nothing with"),
    ("prove PROFILE --faults 1", "--faults goes with --world simulated"),
    ("prove PROFILE --workloads 2", "--workloads goes with --world simulated"),
    ("prove PROFILE --world simulated --repeat 2", "--repeat goes with --world real"),
    ("prove PROFILE --world simulated --fail-fast", "--fail-fast goes with --world real"),
    ("prove PROFILE --world simulated --faults 0 --kinds crash", "--kinds does nothing with --faults 0"),
    ("prove PROFILE --world simulated --faults 0 --no-prune", "--no-prune does nothing with --faults 0"),
    ("prove PROFILE --world simulated --workloads 2 --story timeout", "--story does not go with --workloads"),
    ("prove PROFILE --world simulated --workloads 2 --seconds 5m", "--seconds does not go with --workloads"),
    ("prove PROFILE --only-mine", "--stories names a file or folder"),
    ("prove PROFILE --story timeout --except timeout", "timeout: asked for and left out at once"),
    ("prove PROFILE --group money --except money", "money: asked for and left out at once"),
    ("mutants --faults 1", "--faults does nothing with --world real"),
    ("mutants --world simulated --all", "--story and --all go with --world real"),
    ("mutants --world simulated --story timeout", "--story and --all go with --world real"),
    ("stories timeout --group money", "--group does nothing beside a NAME"),
    ("explain --long", "--long does nothing without a CODE"),
    ("faults add operation.committed reset --seed 1", "--seed does nothing without --probability"),
    ("faults add operation.committed=reset delay", "give one of the two"),
    ("lint --rules --final", "--final does nothing with --rules"),
    ("lint --rules --journal PROFILE", "--journal does nothing with --rules"),
    ("listen --forward-to http://127.0.0.1:1 --answer 500", "--answer does nothing with --forward-to"),
    ("listen --skip-verify", "--skip-verify does nothing without --forward-to"),
    ("listen --print-secret --answer 500", "--answer does nothing with --print-secret"),
    ("listen --print-secret --events charge.*", "--events does nothing with --print-secret"),
    ("listen --print-secret --host ::1", "--host does nothing with --print-secret"),
    ("listen --print-secret --port 0", "--port does nothing with --print-secret"),
    ("listen --print-secret --forward-to http://127.0.0.1:1", "--forward-to does nothing with --print-secret"),
    ("journal --sandbox a --key sk_test_b", "--sandbox and --key were both given"),
    ("clock advance 3d --to-next", "give either a DURATION, such as 3d, or --to-next"),
]


@pytest.mark.parametrize(("typed", "said"), TABLE, ids=[typed for typed, _ in TABLE])
def test_options_that_cancel_each_other_are_refused_in_one_line(
    typed: str, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    made = CliRunner().invoke(main, ["init", "--runs-at", "http://127.0.0.1:1", "--yes"])
    assert made.exit_code == 0, made.output
    words = [word.replace("PROFILE", "merchant.toml") for word in typed.split()]
    refused = CliRunner().invoke(main, words)
    assert refused.exit_code == 2, refused.output
    assert refused.stdout == ""
    (line,) = [each for each in refused.stderr.splitlines() if not each.startswith(("Usage: ", "Try ")) and each]
    assert said in line
    assert {path.name for path in tmp_path.iterdir()} == {"merchant.toml"}


def test_a_variable_of_the_environment_is_no_option_that_was_typed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GATECRASH_URL", "http://127.0.0.1:1")
    assert CliRunner().invoke(main, ["listen", "--print-secret"]).exit_code == 0
