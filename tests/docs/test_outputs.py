"""What the pages show of commands is what the commands print; `python -m tests.docs.outputs` writes it anew."""

import re

import pytest

from tests.docs.outputs import KEPT, PAGES, ROOT, blocks, counted, is_true, session

NAMES = [str(path.relative_to(ROOT)) for path in PAGES]
SHOWING = [name for name in NAMES if blocks((ROOT / name).read_text(encoding="utf-8"))]


@pytest.mark.parametrize("name", SHOWING)
def test_what_a_page_shows_of_commands_is_what_they_print(name: str) -> None:
    page = (ROOT / name).read_text(encoding="utf-8")
    with session(ROOT / name) as opened:
        for shown in blocks(page):
            printed = opened.play(shown)
            line = page[: page.index(shown)].count("\n") + 1
            assert is_true(shown, printed), (
                f"{name}:{line} is stale: python -m tests.docs.outputs {name}. Now it prints:\n{printed}"
            )


@pytest.mark.parametrize("name", NAMES)
def test_a_block_that_shows_output_is_checked_or_says_why_not(name: str) -> None:
    page = KEPT.sub("", (ROOT / name).read_text(encoding="utf-8"))
    loose = re.findall(r"(?<!^<!-- output -->\n)^```console\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)
    assert [block for block in loose if _shows_output(block)] == []


def _shows_output(block: str) -> bool:
    """Whether any line is neither a command nor the rest of one."""
    whole = re.sub(r"\\\n", "", block)
    return any(not line.startswith("$ ") for line in whole.splitlines() if line)


@pytest.mark.parametrize("name", ["ARCHITECTURE.md", "CONTRIBUTING.md", *NAMES])
def test_the_numbers_of_stories_and_mutants_are_counted(name: str) -> None:
    page = (ROOT / name).read_text(encoding="utf-8")
    assert counted(page) == page, f"python -m tests.docs.outputs {name}"


def test_an_ellipsis_stands_for_what_is_left_out() -> None:
    printed = "$ cmd\na 1\nb\nc\nd 12 s\n"
    assert is_true("$ cmd\na …\n…\nd … s\n", printed)
    assert is_true("$ cmd\na 1\n…\n", printed)
    assert not is_true("$ cmd\na 2\n…\n", printed)
    assert not is_true("$ cmd\n…\nx\n…\n", printed)
