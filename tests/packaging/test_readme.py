"""What README shows in Python runs, and what it names is there, as it stands there."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text()
SNIPPETS = re.findall(r"^```python\n(.*?)^```", README, re.MULTILINE | re.DOTALL)
TESTS = [code for code in SNIPPETS if "def test_" in code]
PROGRAMS = [code for code in SNIPPETS if "def test_" not in code]


def run(*argv: str, cwd: Path) -> None:
    done = subprocess.run([sys.executable, *argv], cwd=cwd, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("code", PROGRAMS)
def test_a_program_of_the_readme_runs(code: str, tmp_path: Path) -> None:
    (tmp_path / "program.py").write_text(code)
    run("program.py", cwd=tmp_path)


@pytest.mark.parametrize("code", TESTS)
def test_the_tests_of_the_readme_pass(code: str, tmp_path: Path) -> None:
    (tmp_path / "test_shop.py").write_text(code)
    run("-m", "pytest", "-q", "-p", "no:cacheprovider", "test_shop.py", cwd=tmp_path)


def test_the_readme_shows_both() -> None:
    assert TESTS
    assert PROGRAMS


def test_every_file_that_the_readme_links_to_is_there() -> None:
    links = re.findall(r"\]\(([^)#]+)[^)]*\)", README)
    assert links
    assert [link for link in links if "://" not in link and not (ROOT / link).exists()] == []


def test_every_verb_that_the_readme_types_is_one() -> None:
    from gatecrash.cli import main

    typed = set(re.findall(r"^\$ gatecrash ([a-z]+)", README, re.MULTILINE))
    assert typed
    assert typed <= set(main.list_commands(None))  # type: ignore[arg-type]
