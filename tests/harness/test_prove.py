"""`gatecrash prove` as a user runs it: a profile in a folder of their own, real processes, an exit code, reports."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
import yaml
from jsonschema import Draft202012Validator

from gatecrash import resources

Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def gatecrash(tmp_path: Path) -> Run:
    def run(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "gatecrash", *arguments]
        return subprocess.run(
            command, cwd=tmp_path, env=os.environ | environment, capture_output=True, text=True, timeout=100, check=False
        )

    return run


def verdict(done: subprocess.CompletedProcess[str]) -> Any:
    """What --json printed, held to its schema."""
    said = json.loads(done.stdout)
    schema = json.loads((resources.contracts() / "proof.schema.json").read_text(encoding="utf-8"))
    Draft202012Validator(schema).validate(said)
    return said


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
    said = verdict(done)
    assert said.keys() == {"merchant", "world", "stories", "verdict"}
    assert said["stories"][0].keys() == {"name", "verdict", "violations", "seconds", "faults_fired"}
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
    assert "gatecrash replay gatecrash-failures/mine-lost-response.yaml" in page

    again = gatecrash("replay", str(saved), "--json")
    assert again.returncode == 1, again.stderr
    assert verdict(again)["stories"][0]["violations"][0]["oracle"] == "S1"
    careful = gatecrash("replay", str(saved), str(resources.reference_merchant() / "merchant.toml"))
    assert careful.returncode == 0, careful.stdout + careful.stderr

    naive.write_text(naive.read_text(encoding="utf-8").replace(', "--mutant", "naive"', ""), encoding="utf-8")
    assert saved.exists()
    assert gatecrash("prove", "--story", "lost-response").returncode == 0
    assert not saved.exists(), "what holds now has no failure to play again"


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


def test_a_schedule_whose_merchant_is_gone_asks_for_its_profile(gatecrash: Run, tmp_path: Path) -> None:
    story = yaml.safe_load((resources.scenarios() / "happy-path.yaml").read_text(encoding="utf-8"))
    saved = {"gatecrash": "schedule", "merchant": "/nowhere/merchant.toml", "story": story}
    (tmp_path / "moved.yaml").write_text(yaml.safe_dump(saved), encoding="utf-8")
    done = gatecrash("replay", "moved.yaml")
    assert done.returncode == 2
    assert "moved.yaml was found with /nowhere/merchant.toml, which is not there; give it: gatecrash replay" in done.stderr
    assert "expected a schedule that gatecrash prove has saved" in gatecrash("replay", "nowhere.yaml").stderr


def test_violations_are_annotated_where_github_reads_them(gatecrash: Run, naive: Path) -> None:
    done = gatecrash("prove", "--story", "lost-response", "--json", GITHUB_ACTIONS="true")
    assert done.returncode == 1, done.stderr
    assert verdict(done)["verdict"] == "violated"
    lines = done.stderr.splitlines()
    assert "::error file=merchant.toml,line=1,title=S1 in lost-response::order" in " ".join(lines)
    assert [line for line in lines if line.startswith("::error") and "was charged 2 times: 84.00 usd taken" in line]


def test_a_merchant_that_can_play_nothing_is_not_told_that_it_held(gatecrash: Run, naive: Path) -> None:
    lines = naive.read_text(encoding="utf-8").splitlines()
    at = lines.index("[refund]")
    end = next(index for index in range(at + 1, len(lines)) if lines[index].startswith("["))
    naive.write_text("\n".join(lines[:at] + lines[end:]), encoding="utf-8")
    done = gatecrash("prove", "--story", "refund-answer-lost", "--json")
    assert (done.returncode, done.stdout) == (2, "")
    assert (
        "none of these stories can be played by this merchant:\n  refund-answer-lost: refund needs the profile to have [refund]"
        in done.stderr
    )
    some = gatecrash("prove", "--story", "refund-answer-lost", "--story", "happy-path", "--json")
    assert some.returncode == 0, some.stderr
    stories = {story["name"]: story["verdict"] for story in verdict(some)["stories"]}
    assert stories == {"happy-path": "held", "refund-answer-lost": "left out"}


def test_a_report_that_cannot_be_written_is_told_before_anything_is_played(gatecrash: Run, naive: Path, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    done = gatecrash("prove", "--story", "happy-path", "--junit", "file/junit.xml")
    assert done.returncode == 2
    assert f"--junit was file/junit.xml, but {tmp_path}/file is no folder; name another place" in done.stderr
    assert "happy-path" not in done.stdout + done.stderr
