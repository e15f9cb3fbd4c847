"""Shops of other designs, described by their profiles alone: the honest one holds, and the same with a bug is caught."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Run = Callable[..., "subprocess.CompletedProcess[str]"]
SHOPS = Path(__file__).parent / "foreign"
#: A good day, a lost answer, and a card that is declined: what every way of telling an outcome has to get through.
STORIES = ("happy-path", "lost-response", "decline-then-other-card")


@pytest.fixture
def gatecrash(tmp_path: Path) -> Run:
    """A verb in a folder with the shops and their profiles."""
    for file in SHOPS.iterdir():
        if file.is_file():
            shutil.copy(file, tmp_path)

    def run(*arguments: str) -> "subprocess.CompletedProcess[str]":
        command = [sys.executable, "-m", "gatecrash", *arguments]
        return subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=110, check=False)

    return run


def change(folder: Path, profile: str, old: str, new: str) -> None:
    text = (folder / profile).read_text(encoding="utf-8")
    assert old in text
    (folder / profile).write_text(text.replace(old, new, 1), encoding="utf-8")


def prove(gatecrash: Run, profile: str, *stories: str) -> tuple[dict[str, set[str]], dict[str, Any]]:
    """The oracles that objected, by story; and the whole verdict."""
    wanted = [part for name in stories for part in ("--story", name)]
    done = gatecrash("prove", profile, "--json", *wanted)
    assert done.stdout, done.stderr
    said = json.loads(done.stdout)
    left_out = {story["name"]: story.get("reason") for story in said["stories"] if story["verdict"] not in ("held", "violated")}
    assert left_out == {}
    return {story["name"]: {each["oracle"] for each in story["violations"]} for story in said["stories"]}, said


@pytest.mark.parametrize("profile", ["api.toml", "web.toml"])
def test_an_honest_shop_of_another_design_holds(gatecrash: Run, profile: str) -> None:
    found, _ = prove(gatecrash, profile, *STORIES)
    assert found == {name: set() for name in STORIES}


@pytest.mark.parametrize("profile", ["api.toml", "web.toml"])
def test_the_same_shop_is_caught_when_it_charges_under_a_new_key(gatecrash: Run, tmp_path: Path, profile: str) -> None:
    change(tmp_path, profile, 'BUG = ""', 'BUG = "new-key"')
    found, _ = prove(gatecrash, profile, "lost-response")
    assert found["lost-response"] & {"S1", "L1", "P1"}


@pytest.mark.parametrize("profile", ["api.toml", "web.toml"])
def test_check_finds_every_line_of_their_profiles_true(gatecrash: Run, profile: str) -> None:
    done = gatecrash("check", profile)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "ok  the order after a restart: PAID" in done.stdout
    assert "ok  a fresh start knows nothing of it" in done.stdout
    assert "ok  the order with the declined card: FAILED" in done.stdout


def test_a_shop_that_ships_twice_is_not_told_that_it_held_without_the_word_that_nobody_looked(
    gatecrash: Run, tmp_path: Path
) -> None:
    change(tmp_path, "api.toml", 'BUG = ""', 'BUG = "ships-twice"')
    blind = gatecrash("prove", "api.toml", "--story", "happy-path", "--junit", "junit.xml", "--report", "report")
    assert blind.returncode == 0, blind.stdout + blind.stderr
    last = blind.stdout.splitlines()[-1]
    assert "held" in last
    assert "S4" in last, "the sentence that says it held says what was not judged"
    for file in ("junit.xml", "report/index.html"):
        assert "[read_order] has no fulfilments" in (tmp_path / file).read_text(encoding="utf-8")
    _, said = prove(gatecrash, "api.toml", "happy-path")
    assert {"S4", "L4"} <= {each["oracle"] for each in said["not_judged"]}

    advised = gatecrash("check", "api.toml").stdout
    line = 'fulfilments = "/boxes_shipped"'
    assert line in advised
    change(tmp_path, "api.toml", "[read_order]", f"[read_order]\n{line}")
    found, said = prove(gatecrash, "api.toml", "happy-path")
    assert found == {"happy-path": {"S4"}}
    assert "S4" not in {each["oracle"] for each in said["not_judged"]}


def test_check_finds_the_setting_that_has_all_stories_share_one_database(gatecrash: Run, tmp_path: Path) -> None:
    change(tmp_path, "api.toml", 'BUG = ""', 'BUG = "stays-at-home"')
    done = gatecrash("check", "api.toml")
    assert done.returncode == 2, done.stdout
    assert "NO  a fresh start knows nothing of it" in done.stdout
    assert "it wrote books.sqlite in its own folder" in done.stdout
    assert "[start] env.BOOKS names a file that was never written" in done.stdout


def test_a_shop_without_a_session_after_a_restart_is_logged_in_again(gatecrash: Run) -> None:
    found, _ = prove(gatecrash, "web.toml", "merchant-killed-after-charge")
    assert found == {"merchant-killed-after-charge": set()}


def test_a_visit_that_does_not_give_what_it_should_is_told_with_its_line(gatecrash: Run, tmp_path: Path) -> None:
    change(tmp_path, "web.toml", "field:csrf", "field:crumb")
    for verb in ("check", "prove"):
        done = gatecrash(verb, "web.toml", *(("--story", "happy-path") if verb == "prove" else ()))
        assert done.returncode == 2
        said = done.stdout + done.stderr
        assert "web.toml:15: [[visit]] take.csrf: GET /login was answered 200" in said, said
        assert "expected {csrf} at 'field:crumb'" in said


@pytest.mark.skipif(os.name != "posix", reason="a command of the profile is a shell script")
def test_what_a_shop_believes_is_read_by_a_command_from_its_own_database(gatecrash: Run, tmp_path: Path) -> None:
    (tmp_path / "believes.py").write_text(
        "import json, os, sqlite3, sys\n"
        "books = sqlite3.connect(os.environ['BOOKS'])\n"
        "found = books.execute('SELECT paid, declined, boxes FROM carts WHERE id = ?', sys.argv[1:]).fetchone()\n"
        "print(json.dumps(found and {'paid': found[0], 'declined': found[1], 'boxes': found[2]}))\n",
        encoding="utf-8",
    )
    text = (tmp_path / "api.toml").read_text(encoding="utf-8")
    before, _, rest = text.partition("[read_order]")
    after = rest[rest.index("[statuses]") :].replace('"/money/paid" = true', '"/paid" = 1')
    after = after.replace('"/money/declined" = true', '"/declined" = 1').replace('"/money/paid" = false', '"/paid" = 0')
    command = '[read_order]\ncommand = ["{python}", "believes.py", "{order_id}"]\nfulfilments = "/boxes"\n\n'
    pay = '[pay]\nstatus = "/nowhere"\ncodes = { 200 = "PAID" }'
    (tmp_path / "api.toml").write_text(before.replace("[pay]", pay) + command + after, encoding="utf-8")
    found, _ = prove(gatecrash, "api.toml", *STORIES)
    assert found == {name: set() for name in STORIES}
    change(tmp_path, "api.toml", 'BUG = ""', 'BUG = "ships-twice"')
    found, _ = prove(gatecrash, "api.toml", "happy-path")
    assert found == {"happy-path": {"S4"}}


def test_a_bug_that_shows_now_and_then_is_found_by_repeating_and_ends_the_run_when_asked_to(
    gatecrash: Run, tmp_path: Path
) -> None:
    change(tmp_path, "api.toml", 'BUG = ""', 'BUG = "now-and-then"')
    once, said = prove(gatecrash, "api.toml", "lost-response")
    assert once == {"lost-response": set()}, "the first play does not show it"
    (tmp_path / "lives").unlink()
    options = ("--story", "lost-response", "--group", "money", "--except", "yen-have-no-cents", "--repeat", "3", "--fail-fast")
    done = gatecrash("prove", "api.toml", "--json", "--jobs", "1", *options)
    assert done.returncode == 1, done.stderr
    said = json.loads(done.stdout)
    first, *others = said["stories"]
    assert (first["name"], first["verdict"], first["plays"]) == ("lost-response", "violated", 2)
    assert {story["verdict"] for story in others} <= {"not played", "left out"}
    assert "yen-have-no-cents" not in {story["name"] for story in others}
    assert "--fail-fast" in said["incomplete"]


def test_repeating_an_honest_shop_says_how_often_it_held(gatecrash: Run) -> None:
    done = gatecrash("prove", "api.toml", "--story", "happy-path", "--repeat", "2", "--fail-fast")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "held in 1 of 1 story, up to 2 plays each" in done.stdout


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (("--group", "monny"), "no group called 'monny'; the groups are: baseline, lost-answers, money"),
        (("--world", "simulated", "--repeat", "2"), "--repeat goes with --world real"),
        (("--repeat", "0"), "--repeat"),
    ],
)
def test_options_that_cannot_be_meant_are_refused(gatecrash: Run, options: tuple[str, ...], told: str) -> None:
    done = gatecrash("prove", "api.toml", *options)
    assert (done.returncode, told in done.stderr) == (2, True), done.stderr
