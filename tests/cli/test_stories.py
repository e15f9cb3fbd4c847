"""`gatecrash stories` and `gatecrash explain STORY`: what breaks, what must hold, what each catches."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from gatecrash.cli import main
from gatecrash.harness.story import load_all

STORIES = load_all()


def gatecrash(*arguments: str, code: int = 0) -> Result:
    told = CliRunner().invoke(main, arguments)
    assert told.exit_code == code, told.output
    return told


def test_every_story_stands_in_one_line_under_its_group() -> None:
    lines = gatecrash("stories").stdout.splitlines()
    for story in STORIES:
        (at,) = [number for number, line in enumerate(lines) if line.split()[:1] == [story.name]]
        assert story.title in lines[at]
        assert [line for line in lines[:at] if line and not line.startswith(" ")][-1] == story.group


def test_the_docs_show_what_is_told() -> None:
    docs = (Path(__file__).parents[2] / "docs" / "cli.md").read_text(encoding="utf-8")
    assert f"$ gatecrash stories lost-response\n{gatecrash('stories', 'lost-response').stdout}```" in docs


def test_a_story_is_told_with_what_breaks_what_must_hold_and_what_it_catches() -> None:
    told = gatecrash("stories", "lost-response").stdout
    assert "What breaks: reset at operation.committed where operation=charges.create, once" in told
    assert "status PAID, captured 4200" in told
    assert "A naive shop violates: S1: " in told
    assert "Bugs it must catch: naive: " in told
    assert gatecrash("explain", "lost-response").stdout == told


def test_every_story_can_be_told_at_length() -> None:
    found = json.loads(gatecrash("stories", "--json").stdout)
    assert [each["name"] for each in found] == [story.name for story in STORIES]
    for each, story in zip(found, STORIES, strict=True):
        assert len(each["breaks"]) == len(story.faults) + len(story.standing_faults)
        assert len(each["catches"]) == len(story.catches)
        assert len(each["happens"]) == len(story.steps)
    gatecrash("stories", *(story.name for story in STORIES))


def test_only_the_stories_of_a_group_or_of_ones_own_are_listed(tmp_path: Path) -> None:
    assert "lost-response" not in gatecrash("stories", "--group", "money").stdout
    text = (STORIES[0].path or Path()).read_text(encoding="utf-8").replace(STORIES[0].name, "my-own", 1)
    (tmp_path / "my-own.yaml").write_text(text, encoding="utf-8")
    assert "my-own" in gatecrash("stories", "--stories", str(tmp_path)).stdout


@pytest.mark.parametrize(("verb", "code"), [("stories", 2), ("explain", 1)])
def test_a_misspelt_story_is_refused_with_the_nearest(verb: str, code: int) -> None:
    assert "did you mean lost-response" in gatecrash(verb, "lost-responce", code=code).stderr
