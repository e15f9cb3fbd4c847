"""`gatecrash prove --workloads N` as a user runs it, with a toy for a player: options, words, files, exit codes."""

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from xml.etree import ElementTree

import pytest
from jsonschema import Draft202012Validator

from gatecrash import resources
from gatecrash.harness import schedule
from gatecrash.harness.story import parse
from tests.support.waiting import written

ROOT = Path(__file__).parents[3]
PROFILE = str(resources.reference_merchant() / "merchant.toml")
CODE = """
import sys
{}
from gatecrash.cli import _simulated, main
_simulated.FACTORY = "tests.harness.workloads.toys:make_for"
_simulated.alphabet = lambda: dict.fromkeys(("lost request", "lost answer", "flood"))
main(prog_name="gatecrash")
"""
#: As it is where nobody has installed it.
NO_HYPOTHESIS = 'sys.modules["hypothesis"] = None'

Prove = Callable[..., "subprocess.CompletedProcess[str]"]


def command(*arguments: str, first: str = "") -> list[str]:
    return [sys.executable, "-c", CODE.format(first), "prove", PROFILE, "--world", "simulated", "--jobs", "1", *arguments]


def surroundings(bug: str = "", gate: str = "") -> dict[str, str]:
    path = os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])
    return {**os.environ, "PYTHONPATH": path, "TOY_BUG": bug, "TOY_GATE": gate}


@pytest.fixture
def prove(tmp_path: Path) -> Prove:
    def run(*arguments: str, bug: str = "", first: str = "") -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            command(*arguments, first=first), cwd=tmp_path, capture_output=True, text=True, timeout=100, check=False,
            env=surroundings(bug),
        )  # fmt: skip

    return run


def test_workloads_that_held_are_told_with_their_bound_and_not_proved(prove: Prove) -> None:
    done = prove("--workloads", "8", "--faults", "1", "--seed", "3")
    assert done.returncode == 0, done.stderr
    assert "reference: held in 8 workloads made up, up to 1 fault of 2 kinds in each, " in done.stdout
    assert ", seed 3, " in done.stdout
    assert "Their steps: " in done.stdout
    assert "Struck: lost answer " in done.stdout
    assert "Never struck, so nothing is said of it: flood." in done.stdout
    assert "A sample, and no proof: another workload may fail. Another --seed makes up others." in done.stdout
    assert "proved" not in done.stdout


def test_the_json_says_so_too(prove: Prove) -> None:
    schema = Draft202012Validator(json.loads((resources.contracts() / "exploration.schema.json").read_text(encoding="utf-8")))
    held = json.loads(prove("--workloads", "5", "--faults", "1", "--json").stdout)
    violated = json.loads(prove("--workloads", "60", "--faults", "1", "--json", bug="lost refund").stdout)
    for said in (held, violated):
        schema.validate(said)
    assert (held["verdict"], held["workloads"]["explored"], held["workloads"]["failed"]) == ("held", 5, None)
    assert len(held["stories"]) == 5
    assert held["workloads"]["steps"]["place_order"] == 5
    assert violated["verdict"] == "violated"
    assert violated["workloads"]["failed"]["steps"] == ["place_order", {"pay": "visa"}, "refund"]
    assert violated["stories"][-1]["name"] == violated["workloads"]["failed"]["name"]
    assert violated["stories"][-1]["violations"]


def test_a_failure_is_printed_as_a_story_and_saved_as_a_schedule(prove: Prove, tmp_path: Path) -> None:
    done = prove("--workloads", "60", "--faults", "1", "--junit", "out/junit.xml", "--report", "out", bug="lost refund")
    assert done.returncode == 1, done.stderr
    assert "  S8 given back twice\n    ⚡ charges.create #1: lost answer\n    customer " in done.stdout

    [saved] = (tmp_path / "gatecrash-failures").glob("*-S8.yaml")
    assert f"gatecrash replay {saved.relative_to(tmp_path)}" in done.stdout
    found = schedule.load(saved)
    assert (found.violations, list(map(str, found.faults or ()))) == (("S8",), ["charges.create #1: lost answer"])

    named, _, printed = done.stdout.partition("\n# ")[2].partition("\n")
    story = parse(printed.partition("\n\n")[0], tmp_path / named)
    assert [step.verb for step in story.steps] == ["place_order", "pay", "refund"]
    assert story.faults == ({"station": "operation.committed", "kind": "reset", "match": {"operation": "charges.create"}},)
    assert re.search(r"reference: violated in the last of [0-9]+ workloads made up, up to 1 fault of 2 kinds", done.stdout)

    suite = ElementTree.fromstring((tmp_path / "out" / "junit.xml").read_text(encoding="utf-8"))  # noqa: S314 - our own
    assert suite.get("failures") == "1"
    assert "violated in the last of" in (tmp_path / "out" / "index.html").read_text(encoding="utf-8")


def test_who_presses_ctrl_c_is_told_what_was_found_so_far(tmp_path: Path) -> None:
    process = subprocess.Popen(
        command("--workloads", "100000", "--faults", "1", "--json", "--junit", "out.xml"),
        cwd=tmp_path, env=surroundings(gate="gate"), text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip
    written(tmp_path / "gate", process)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 130, err
    assert "interrupted; what is told above is what was found so far" in err
    said = json.loads(out)
    assert said["interrupted"]
    assert said["verdict"] == "unfinished"
    assert 'name="incomplete" value="interrupted"' in (tmp_path / "out.xml").read_text(encoding="utf-8")
    assert 0 < said["workloads"]["explored"] < 100_000


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("--world", "real"), "--workloads goes with --world simulated"),
        (
            ("--story", "happy-path"),
            "--story does not go with --workloads: they are made up, and no story that is told is played",
        ),
        (("--shard", "1/2"), "--shard does not go with --workloads: give each machine another --seed"),
        (("--resume", "kept.json"), "--resume does not go with --workloads: the same --seed makes up the same ones again"),
        (("--kinds", "thrice"), "no kind of fault called 'thrice'; there are: lost request, "),
        (("--channels", "dark"), "no channels called 'dark'; there are: all, "),
    ],
)
def test_what_is_wrong_with_the_usage_is_told(prove: Prove, arguments: tuple[str, ...], told: str) -> None:
    done = prove("--workloads", "3", *arguments)
    assert done.returncode == 2
    assert told in done.stderr
    assert "Traceback" not in done.stderr


def test_a_number_of_workloads_is_one_or_more(prove: Prove) -> None:
    done = prove("--workloads", "0")
    assert done.returncode == 2
    assert "0 is no whole number from 1 to 100,000" in done.stderr


def test_whoever_has_no_hypothesis_is_told_what_to_install(prove: Prove) -> None:
    done = prove("--workloads", "3", first=NO_HYPOTHESIS)
    assert done.returncode == 2
    assert "workloads are written by Hypothesis, which is not installed; pip install 'gatecrash[workloads]'" in done.stderr
