"""`gatecrash completion`: what a shell asks for when TAB is pressed."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

BIN = str(Path(sys.executable).parent)


def run(*command: str, **environment: str) -> subprocess.CompletedProcess[str]:
    env = {**os.environ, "PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}", **environment}
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False, env=env)


# a shell completes `gatecrash serve --mem`, with the script as its start-up file would read it
_BASH = """
eval "$(gatecrash completion bash)"
COMP_WORDS=(gatecrash serve --mem) COMP_CWORD=2
_gatecrash_completion gatecrash
echo "${COMPREPLY[@]}"
"""


def test_bash_completes_an_option() -> None:
    told = run("bash", "-c", _BASH)
    assert (told.stdout, told.stderr) == ("--memory\n", "")


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_script_of_a_shell_is_printed_and_reads_as_one(shell: str) -> None:
    told = run("gatecrash", "completion", shell)
    assert told.returncode == 0
    assert f"_GATECRASH_COMPLETE={shell}_complete" in told.stdout.replace(" ", "")
    if shutil.which(shell):
        flag = "--no-execute" if shell == "fish" else "-n"
        assert subprocess.run([shell, flag], input=told.stdout, text=True, check=False, timeout=60).returncode == 0


def test_verbs_are_completed() -> None:
    asked = {"_GATECRASH_COMPLETE": "bash_complete", "COMP_WORDS": "gatecrash st", "COMP_CWORD": "1"}
    assert run("gatecrash", **asked).stdout.split() == ["plain,stories"]


def test_an_unknown_shell_is_refused_with_those_there_are() -> None:
    told = run("gatecrash", "completion", "tcsh")
    assert told.returncode == 2
    assert "'bash', 'zsh', 'fish'" in told.stderr
