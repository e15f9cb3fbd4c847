"""Folders that Gatecrash makes are ignored by Git; a folder that was there is left as it is."""

import subprocess
from pathlib import Path

import pytest

from gatecrash import files
from tests.support.process import ServerProcess


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    subprocess.run(["git", "init", "--quiet", str(tmp_path)], check=True)
    return tmp_path


def untracked(repository: Path) -> list[str]:
    command = ["git", "-C", str(repository), "status", "--porcelain", "--untracked-files=all"]
    told = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    return [line.removeprefix("?? ") for line in told.splitlines()]


def test_the_data_folder_of_a_gateway_is_ignored(repository: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    data = repository / "gatecrash-data"
    assert ServerProcess(tmp_path_factory.mktemp("log"), "--data", str(data)).stop() == 0
    assert (data / "gatecrash.sqlite3").exists()
    assert untracked(repository) == []


def test_a_folder_for_reports_is_ignored_with_all_that_is_put_into_it(repository: Path) -> None:
    for _ in range(2):
        files.make_reports_folder(repository / "far" / "reports")
        (repository / "far" / "reports" / "index.html").write_text("")
    assert untracked(repository) == []


@pytest.mark.parametrize("make", [files.make_folder, files.make_reports_folder])
def test_a_folder_that_was_there_is_left_as_it_is(make: object, repository: Path) -> None:
    assert callable(make)
    (repository / "mine").mkdir()
    (repository / "mine" / "notes").write_text("")
    make(repository / "mine")
    assert untracked(repository) == ["mine/notes"]
