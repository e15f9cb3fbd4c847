"""What is found in simulated time is no artefact of it: each counterexample is played again there, and in real processes."""

import json
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import yaml

from gatecrash import resources

Run = Callable[..., subprocess.CompletedProcess[str]]


class Found(NamedTuple):
    """A mutant, the story it is explored in, the kinds of fault that are tried, and what comes out smallest."""

    mutant: str
    story: str
    kinds: str
    oracle: str
    schedule: tuple[str, ...]


CONFIRMED = [
    Found("new_key_timeout", "happy-path", "late request", "P1", ("charges.create #1: late request",)),
    Found("timeout_failed", "happy-path", "late request", "S1", ("charges.create #1: late request",)),
    Found("timeout_paid", "decline-then-other-card", "late answer", "S3", ("charges.create #1: late answer",)),
    Found("no_dedupe", "happy-path", "twice", "S4", ("webhook charge.succeeded #1: twice",)),
    Found(
        *("dedupe_memory", "happy-path", "killed before send", "S4"),
        ("merchant answers POST /webhooks/payment #1: killed before send",),
    ),
    Found(
        *("stale_attempt", "late-news-of-the-first-card", "lost,in flight", "S1"),
        ("webhook charge.failed #1: lost", "charges.create #2: in flight"),
    ),
]

#: Found where nobody outside can strike: between two commits of the merchant.
BETWEEN_COMMITS = Found("naive", "happy-path", "killed before commit", "S1", ("merchant commit #1: killed before commit",))


@pytest.fixture
def gatecrash(tmp_path: Path) -> Run:
    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "gatecrash", *arguments]
        return subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=200, check=False)

    return run


def profile(folder: Path, mutant: str | None = None) -> str:
    """The profile of the reference merchant, or of a mutant, in a folder."""
    merchant = resources.reference_merchant()
    text = (merchant / "merchant.toml").read_text(encoding="utf-8").replace('cwd = ".."', f'cwd = "{merchant.parent}"')
    if mutant:
        text = text.replace('name = "reference"', f'name = "{mutant}"').replace(
            "[start.env]", f'[start.env]\nMUTANT = "{mutant}"'
        )
    path = folder / "merchant.toml"
    path.write_text(text, encoding="utf-8")
    return str(path)


def explore(gatecrash: Run, folder: Path, found: Found) -> Path:
    """The schedule that the explorer saved of it."""
    ours = Path(__file__).with_name(f"{found.story}.yaml")
    stories = ("--stories", str(ours)) if ours.exists() else ()
    done = gatecrash(
        *("prove", profile(folder, found.mutant), "--world", "simulated", "--jobs", "1", "--story", found.story, *stories),
        *("--kinds", found.kinds, "--faults", str(len(found.schedule)), "--failures", "found", "--json"),
    )
    assert done.returncode == 1, done.stderr
    [story] = json.loads(done.stdout)["stories"]
    assert (found.oracle, list(found.schedule)) in [(each["oracle"], each["schedule"]) for each in story["violations"]]
    return folder / "found" / f"{found.mutant}-{found.story}-{found.oracle}.yaml"


def played(done: subprocess.CompletedProcess[str]) -> Any:
    [story] = json.loads(done.stdout)["stories"]
    return story


@pytest.mark.parametrize("found", CONFIRMED, ids=lambda found: f"{found.mutant}-{found.oracle}")
def test_what_was_found_in_simulated_time_is_so_in_real_processes(gatecrash: Run, tmp_path: Path, found: Found) -> None:
    file = explore(gatecrash, tmp_path, found)
    for world in ("simulated", "real"):
        done = gatecrash("replay", str(file), "--world", world, "--json")
        assert done.returncode == 1, done.stderr
        story = played(done)
        assert found.oracle in {each["oracle"] for each in story["violations"]}, world
        assert "never_fired" not in story, world


def test_what_lies_between_two_commits_has_no_equivalent_in_real_processes(gatecrash: Run, tmp_path: Path) -> None:
    found = BETWEEN_COMMITS
    file = explore(gatecrash, tmp_path, found)
    again = gatecrash("replay", str(file), "--json")
    assert found.oracle in {each["oracle"] for each in played(again)["violations"]}
    done = gatecrash("replay", str(file), "--world", "real")
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert f"no equivalent in the real world: {found.schedule[0]}" in done.stderr


def test_orders_that_are_open_side_by_side_are_told_apart_in_both_worlds(gatecrash: Run, tmp_path: Path) -> None:
    ours = ("--stories", str(Path(__file__).with_name("side-by-side.yaml")), "--only-mine")
    for world in (("real",), ("simulated", "--faults", "0", "--jobs", "1")):
        done = gatecrash("prove", profile(tmp_path), *ours, "--world", *world)
        assert done.returncode == 0, (world, done.stdout, done.stderr)
    broken = profile(tmp_path, "refund_twice")
    found = gatecrash("prove", broken, *ours, "--world", "simulated", "--jobs", "1", "--faults", "1", "--kinds", "late request")
    assert found.returncode == 1, found.stdout + found.stderr
    [saved] = (tmp_path / "gatecrash-failures").glob("*-S8.yaml")
    for world in ("simulated", "real"):
        done = gatecrash("replay", str(saved), "--world", world)
        assert done.returncode == 1, (world, done.stdout, done.stderr)
        assert re.match(r"violated  side-by-side +[0-9]+\.[0-9] s  .*\(S8\)", done.stdout), done.stdout
        assert re.search(r"^ *1 │.* staff: refund 1\.00 usd", done.stdout, re.MULTILINE), done.stdout
        assert re.search(r"^ *2 │.* pays with mastercard", done.stdout, re.MULTILINE), done.stdout


@pytest.mark.parametrize("where", ["merchant sends POST /v1/charges", "merchant answers POST /create-payment"])
def test_a_merchant_dies_in_real_processes_where_it_died_in_simulated_time(gatecrash: Run, tmp_path: Path, where: str) -> None:
    story = yaml.safe_load((resources.scenarios() / "happy-path.yaml").read_text(encoding="utf-8"))
    faults = [f"{where} #1: killed before send"]
    saved = {"gatecrash": "schedule", "world": "simulated", "seed": 0, "violations": [], "schedule": faults, "story": story}
    file = tmp_path / "death.yaml"
    file.write_text(yaml.safe_dump(saved), encoding="utf-8")
    for world in ("simulated", "real"):
        page = tmp_path / world / "index.html"
        done = gatecrash("replay", str(file), profile(tmp_path), "--world", world, "--json", "--report", str(page.parent))
        story_played = played(done)
        assert (story_played["verdict"], "never_fired" in story_played) == ("held", False), (world, done.stdout, done.stderr)
        assert "killed before send: merchant" in page.read_text(encoding="utf-8"), world
