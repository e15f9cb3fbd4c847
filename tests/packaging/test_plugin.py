"""The pytest plugin of the built wheel and of an editable install, in a project with folders of our names."""

import os
from pathlib import Path

import pytest

from tests.support.project import COMMANDS, PROJECT, assert_passed, run_pytest, write


@pytest.fixture(params=["wheel", "editable"])
def path(request: pytest.FixtureRequest) -> list[Path]:
    """What that way to install puts on the path."""
    return [request.getfixturevalue("installed")] if request.param == "wheel" else request.getfixturevalue("editable")


@pytest.mark.parametrize("command", COMMANDS)
def test_a_project_passes(path: list[Path], tmp_path: Path, command: str) -> None:
    (package,) = [folder / "gatecrash" for folder in path if (folder / "gatecrash/__init__.py").exists()]
    here = f"import gatecrash; assert gatecrash.__file__ == {str(package / '__init__.py')!r}; "
    write(tmp_path, {**PROJECT, "conftest.py": here + PROJECT["conftest.py"]})
    assert_passed(run_pytest(tmp_path, command=command, env={"PYTHONPATH": os.pathsep.join(map(str, path))}))
