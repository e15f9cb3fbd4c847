"""`gatecrash prove` as a user runs it: a profile in a folder of their own, real processes, an exit code, reports."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from xml.etree import ElementTree

import pytest

from gatecrash import resources

Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def gatecrash(tmp_path: Path) -> Run:
    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "gatecrash", *arguments]
        return subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=100, check=False)

    return run


@pytest.fixture
def naive(tmp_path: Path) -> Path:
    """The profile of a merchant with a bug."""
    folder = resources.reference_merchant()
    text = (folder / "merchant.toml").read_text(encoding="utf-8")
    text = text.replace('name = "reference"', 'name = "mine"').replace('shop.sqlite"]', 'shop.sqlite", "--mutant", "naive"]')
    path = tmp_path / "merchant.toml"
    path.write_text(text.replace('cwd = ".."', f'cwd = "{folder.parent}"'), encoding="utf-8")
    return path


def test_a_careful_merchant_holds_and_the_exit_code_says_so(gatecrash: Run) -> None:
    profile = str(resources.reference_merchant() / "merchant.toml")
    done = gatecrash("prove", profile, "--story", "lost-response", "--json")
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout)
    assert (said["merchant"], said["world"], said["verdict"]) == ("reference", "real", "held")
    [story] = said["stories"]
    assert (story["name"], story["verdict"], story["violations"], story["faults_fired"]) == ("lost-response", "held", [], 1)
    assert story["seconds"] > 0


def test_a_violation_is_told_drawn_reported_saved_and_replayed(gatecrash: Run, naive: Path, tmp_path: Path) -> None:
    done = gatecrash(
        "prove", "--story", "lost-response", "--story", "happy-path", "--junit", "out/junit.xml", "--report", "out/report"
    )
    assert done.returncode == 1, done.stderr
    assert "S1 order" in done.stdout
    assert "⚡ reset at operation.committed" in done.stdout
    assert "mine: violated in 1 of 2 stories" in done.stdout
    saved = tmp_path / "gatecrash-failures" / "mine-lost-response.yaml"
    assert f"gatecrash replay {saved.relative_to(tmp_path)}" in done.stdout

    suite = ElementTree.parse(tmp_path / "out" / "junit.xml").getroot()  # noqa: S314 - our own
    assert (suite.get("tests"), suite.get("failures")) == ("2", "1")
    [failure] = suite.iter("failure")
    assert failure.get("type", "").startswith("S1")
    page = (tmp_path / "out" / "report" / "index.html").read_text(encoding="utf-8")
    assert "<svg" in page
    assert "charged twice" in page
    assert 'src="http' not in page

    again = gatecrash("replay", str(saved), "--json")
    assert again.returncode == 1, again.stderr
    assert json.loads(again.stdout)["stories"][0]["violations"][0]["oracle"] == "S1"
    careful = gatecrash("replay", str(saved), str(resources.reference_merchant() / "merchant.toml"))
    assert careful.returncode == 0, careful.stdout + careful.stderr


def test_a_story_of_ones_own_is_played_beside_ours_or_alone(gatecrash: Run, naive: Path, tmp_path: Path) -> None:
    text = (resources.scenarios() / "happy-path.yaml").read_text(encoding="utf-8")
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "my-story.yaml").write_text(text.replace("name: happy-path", "name: my-story"), encoding="utf-8")
    done = gatecrash("prove", "--stories", "mine", "--only-mine")
    assert done.returncode == 0, done.stderr
    assert "held" in done.stdout
    assert "my-story" in done.stdout
    twice = gatecrash("prove", "--stories", str(resources.scenarios() / "happy-path.yaml"))
    assert twice.returncode == 2
    assert "there is a story called 'happy-path' already" in twice.stderr


def test_a_folder_without_a_profile_says_how_to_get_one(gatecrash: Run) -> None:
    done = gatecrash("prove")
    assert done.returncode == 2
    assert "merchant.toml: cannot be read" in done.stderr


def test_a_file_that_is_no_schedule_is_not_replayed(gatecrash: Run, naive: Path) -> None:
    done = gatecrash("replay", str(naive))
    assert done.returncode == 2
    assert "schedule" in done.stderr
