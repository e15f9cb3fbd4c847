"""`gatecrash prove --world simulated` as a user runs it, with a toy for a player: options, words, files, exit codes."""

import json
import os
import re
import signal
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
from gatecrash.cli._progress import line
from gatecrash.harness.explore.progress import Progress
from tests.harness.explore.toys import truth
from tests.support.waiting import written

BUG = "new key at the third try"
ROOT = Path(__file__).parents[3]
PROFILE = str(resources.reference_merchant() / "merchant.toml")
CODE = """
from gatecrash.cli import _simulated, main
_simulated.FACTORY = "tests.harness.explore.toys:make_for"
_simulated.alphabet = lambda: dict.fromkeys(("crash", "lost request", "lost answer", "lost", "twice", "flood"))
main(prog_name="gatecrash")
"""

Prove = Callable[..., "subprocess.CompletedProcess[str]"]


def command(*arguments: str) -> list[str]:
    world = ("--world", "simulated", "--jobs", "1")
    return [sys.executable, "-c", CODE, "prove", PROFILE, *world, "--story", "happy-path", *arguments]


def surroundings(bug: str, gate: str = "") -> dict[str, str]:
    path = os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])
    return {**os.environ, "PYTHONPATH": path, "TOY_BUG": bug, "TOY_GATE": gate}


@pytest.fixture
def prove(tmp_path: Path) -> Prove:
    def run(*arguments: str, bug: str = "") -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            command(*arguments), cwd=tmp_path, capture_output=True, text=True, timeout=100, check=False, env=surroundings(bug)
        )

    return run


def test_a_story_is_proved_in_each_set_of_channels_that_is_named(prove: Prove) -> None:
    done = prove("--faults", "0", "--channels", "reconly, abandon", "--channels", "reconly", "--json")
    assert done.returncode == 0, done.stderr
    assert [story["name"] for story in json.loads(done.stdout)["stories"]] == ["happy-path@reconly", "happy-path@abandon"]
    done = prove("--channels", "dark")
    assert done.returncode == 2
    assert "no channels called 'dark'; there are: all, hookonly, reconly, abandon" in done.stderr


def test_a_proof_is_told_with_its_bound(prove: Prove) -> None:
    done = prove("--faults", "2", "--no-prune")
    assert done.returncode == 0, done.stderr
    schedules = len(dict(truth("happy-path", "", 2)))
    assert re.search(rf"^proved +happy-path +{schedules} schedules ", done.stdout, re.MULTILINE)
    assert f"reference: proved in 1 of 1 story, up to 2 faults of 5 kinds, {schedules} schedules, " in done.stdout
    for kind in ("crash", "lost", "lost answer", "lost request", "twice"):
        assert re.search(rf"^Struck: .*{kind} [0-9,]+×", done.stdout, re.MULTILINE)


def test_one_of_something_is_told_as_one(prove: Prove) -> None:
    done = prove("--faults", "0")
    assert re.search(r"^proved +happy-path +1 schedule +0 states$", done.stdout, re.MULTILINE), done.stdout
    assert "reference: proved in 1 of 1 story, up to 0 faults of 0 kinds, 1 schedule, 0 states, " in done.stdout


def test_how_far_it_has_come_is_told_in_a_line() -> None:
    one = Progress("exploring", done=1, left=0.0, rate=2.0, eta_s=0.5, stories_done=1, stories=1, violations=1)
    assert line(one) == "exploring: 1 schedule, 2/s, 1 of 1 story, 1 violation"
    more = one._replace(done=1234, left=5612.0, eta_s=90.0, stories=40, violations=2, things=("workload", "workloads"))
    assert line(more) == "exploring: 1,234 schedules, about 5,600 left, 2/s, 1m 30s to go, 1 of 40 workloads, 2 violations"


def test_a_counterexample_is_told_shrunk_and_saved(prove: Prove, tmp_path: Path) -> None:
    done = prove("--faults", "3", bug=BUG)
    assert done.returncode == 1, done.stderr
    assert "S1 charged 2 times\n    ⚡ charges.create #1: lost request\n    ⚡ charges.create #2: lost answer\n" in done.stdout
    saved = tmp_path / "gatecrash-failures" / "reference-happy-path-S1.yaml"
    assert f"gatecrash replay {saved.relative_to(tmp_path)}" in done.stdout
    document = yaml.safe_load(saved.read_text(encoding="utf-8"))
    assert (document["world"], document["violations"], document["story"]["name"]) == ("simulated", ["S1"], "happy-path")
    assert document["schedule"] == ["charges.create #1: lost request", "charges.create #2: lost answer"]


def test_what_several_oracles_object_to_is_drawn_once_under_the_names_of_all(prove: Prove) -> None:
    told = prove("--faults", "1", bug="a parcel for each charge").stdout
    why = r"(    (why|fix): .*\n)*"
    assert re.search(
        rf"  S1 charged 2 times\n  S4 fulfilled 2 times\n{why}    ⚡ charges.create #1: lost answer\n    customer ", told
    )
    assert told.count("    customer ") == told.count("gatecrash replay") == 1
    assert re.search(
        r"^    found by schedule 4, in 1 of [0-9]+\n    why and what to do: gatecrash explain S1\n    play it again: ",
        told,
        re.MULTILINE,
    ), told


def test_what_needs_no_fault_says_so(prove: Prove) -> None:
    told = prove("--faults", "0", bug="always twice").stdout
    assert re.search(
        r"  S4 fulfilled 2 times\n(    (why|fix): .*\n)*    ⚡ no fault besides what the story breaks itself\n    customer ", told
    )


def test_github_is_told_of_each_violation_beside_the_profile(prove: Prove, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    for more in ((), ("--json",)):
        done = prove("--faults", "1", *more, bug="a parcel for each charge")
        assert f"::error file={PROFILE},line=1,title=S1 in happy-path::charged 2 times\n" in done.stderr
        assert "::error" not in done.stdout


def test_the_json_has_every_figure(prove: Prove) -> None:
    said = json.loads(prove("--faults", "2", "--json", "--kinds", "crash,twice", "--kinds", "flood", bug=BUG).stdout)
    assert (said["merchant"], said["world"], said["verdict"], said["seed"]) == ("reference", "simulated", "proved", 0)
    schema = json.loads((resources.contracts() / "exploration.schema.json").read_text(encoding="utf-8"))
    for each in (said, json.loads(prove("--faults", "3", "--seconds", "0.2", "--json", bug=BUG).stdout)):
        Draft202012Validator(schema).validate(each)
    [story] = said["stories"]
    assert {"name", "schedules", "states", "max_faults", "kinds_fired", "seconds", "violations"} <= story.keys()
    assert (story["max_faults"], set(story["kinds_fired"])) == (2, {"crash", "twice"})
    assert said["totals"]["never_fired"] == ["flood"]
    assert said["totals"]["schedules"] == story["schedules"]


def test_a_counterexample_is_drawn_and_reported_like_any_other_failure(prove: Prove, tmp_path: Path) -> None:
    done = prove("--faults", "3", "--report", "out", "--junit", "out/junit.xml", bug=BUG)
    assert done.returncode == 1, done.stderr
    assert "    customer  " in done.stdout
    page = (tmp_path / "out" / "index.html").read_text(encoding="utf-8")
    assert "violated in 1 of 1 story, up to 3 faults" in page
    assert '<span class="stamp violated">violated</span>' in page
    suite = ElementTree.fromstring((tmp_path / "out" / "junit.xml").read_text(encoding="utf-8"))  # noqa: S314 - our own
    assert (suite.get("tests"), suite.get("failures")) == ("1", "1")
    [failure] = suite.iter("failure")
    assert failure.text is not None
    assert failure.get("type") in done.stdout
    assert "charges.create #1: lost" in failure.text
    assert prove("--faults", "1", "--report", "held").returncode == 0
    page = (tmp_path / "held" / "index.html").read_text(encoding="utf-8")
    assert "proved in 1 of 1 story, up to 1 fault" in page
    assert '<span class="stamp proved">proved</span>' in page


def test_random_schedules_reach_beyond_the_bound(prove: Prove) -> None:
    done = prove("--faults", "1", "--seconds", "0.5", "--seed", "7", bug=BUG)
    assert done.returncode == 1, done.stderr
    assert "of the swarm" in done.stdout
    assert "seed 7" in done.stdout


def test_who_presses_ctrl_c_goes_on_from_the_checkpoint(prove: Prove, tmp_path: Path) -> None:
    process = subprocess.Popen(
        command("--jobs", "2", "--faults", "3", "--checkpoint", "kept.json", "--json", "--junit", "out.xml", "--report", "out"),
        cwd=tmp_path, env=surroundings(BUG, "gate"), text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip
    written(tmp_path / "gate", process)  # all schedules of fewer faults are played
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 130, err
    assert "interrupted; go on with the same options and --resume kept.json" in err
    interrupted = json.loads(out)
    assert interrupted["interrupted"]
    assert interrupted["incomplete"] == "interrupted"
    found = {each["oracle"] for each in interrupted["stories"][0]["violations"]}
    assert found, "the bug shows with fewer faults"
    assert 'name="incomplete" value="interrupted"' in (tmp_path / "out.xml").read_text(encoding="utf-8")
    assert "INCOMPLETE, interrupted" in (tmp_path / "out" / "index.html").read_text(encoding="utf-8")
    assert len(list((tmp_path / "gatecrash-failures").glob("*.yaml"))) == len(found)
    assert interrupted["stories"][0]["left"] > 0

    other = prove("--faults", "2", "--resume", "kept.json", bug=BUG)
    assert other.returncode == 2
    assert "was made with other faults: found 3, expected 2" in other.stderr
    resumed = json.loads(prove("--faults", "3", "--resume", "kept.json", "--json", bug=BUG).stdout)
    whole = json.loads(prove("--faults", "3", "--json", bug=BUG).stdout)
    assert without_seconds(resumed) == without_seconds(whole)


def without_seconds(said: Any) -> Any:
    for each in (said, said["totals"], *said["stories"]):
        del each["seconds"]
    return said


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("--shard", "3/2"), "'3/2' is no shard; expected I/N"),
        (("--shard", ""), "'' is no shard; expected I/N"),
        (("--resume", "nowhere.json"), "prove: nowhere.json: cannot be read: No such file"),
        (("--resume", PROFILE), f"{PROFILE}: is no checkpoint; expected a file that prove --world simulated has left"),
        (("--world", "real", "--no-prune"), "prove: --no-prune goes with --world simulated: add that, or leave --no-prune out"),
        (("--kinds", "twice,thrice"), "no kind of fault called 'thrice'; did you mean twice?"),
        (("--kinds", "hail"), "no kind of fault called 'hail'; there are: crash, lost request, "),
        (("--kinds", ","), "--kinds was ',', which names nothing; name some, or leave --kinds out"),
        (("--channels", ""), "--channels was '', which names nothing"),
        (("--faults", "99"), "99 is no whole number from 0 to 10"),
        (("--faults", "two"), "two is no whole number from 0 to 10"),
        (
            ("--stories", "nowhere"),
            "nowhere: cannot be read: No such file or directory; --stories names a file or folder of stories",
        ),
        (("--junit", "."), "--junit was ., which is a folder; name a file"),
        (("--failures", PROFILE), f"--failures was {PROFILE}, but {PROFILE} is no folder; name another place"),
        (("--report", f"{PROFILE}/x"), f"--report was {PROFILE}/x, but {PROFILE} is no folder"),
        (("--checkpoint", f"{PROFILE}/x"), f"--checkpoint was {PROFILE}/x, but {PROFILE} is no folder"),
    ],
)
def test_what_is_wrong_with_the_usage_is_told(prove: Prove, arguments: tuple[str, ...], told: str) -> None:
    done = prove(*arguments)
    assert done.returncode == 2
    assert told in done.stderr
    assert "Traceback" not in done.stderr
