"""Gateways forked from a warm parent: processes like any other, and gone with the process that asked for them."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from gatecrash import warm
from gatecrash.client import Http
from tests.support.waiting import PATIENCE_S, until, written


def serve(folder: Path, *flags: str, stdin: bool = False, **env: str) -> warm.Forked:
    arguments = ("serve", "--port", "0", "--memory", "--url-file", "urls.json", *flags)
    with (folder / "log").open("ab") as log:
        return warm.start(arguments, env={**os.environ, **env}, cwd=folder, output=log.fileno(), stdin=stdin)


def gone(pid: int) -> bool:
    """Whether no process has this id, or only one that waits to be reaped."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except FileNotFoundError:
        return True


def test_it_has_the_folder_the_environment_and_the_output_that_it_was_given(tmp_path: Path) -> None:
    running = serve(tmp_path, GATECRASH_SEED="of its own", GATECRASH_MISSPELT="1")
    urls = json.loads(written(tmp_path / "urls.json", running))  # type: ignore[arg-type]
    assert Http(urls["native"]).request("GET", "/healthz").status == 200
    assert os.getsid(running.pid) == running.pid
    assert running.poll() is None
    with pytest.raises(subprocess.TimeoutExpired):
        running.wait(0.01)
    running.terminate()
    assert running.wait(PATIENCE_S) == running.poll() == 0
    said = (tmp_path / "log").read_text()
    assert "Gatecrash is ready at" in said
    assert "GATECRASH_MISSPELT" in said


def test_the_status_of_one_that_fails_or_is_killed_is_told(tmp_path: Path) -> None:
    wrong = serve(tmp_path, "--port", "none")
    assert wrong.wait(PATIENCE_S) == 2
    assert "--port was 'none'" in (tmp_path / "log").read_text()
    killed = serve(tmp_path)
    os.killpg(killed.pid, signal.SIGKILL)
    assert killed.wait(PATIENCE_S) == -signal.SIGKILL
    killed.terminate()  # of one that has ended: nothing


def test_a_warm_parent_that_was_killed_is_replaced(tmp_path: Path) -> None:
    assert serve(tmp_path, "--help").wait(PATIENCE_S) == 0
    assert warm._parent is not None
    warm._parent[1].kill()
    warm._parent[1].wait()
    assert serve(tmp_path, "--help").wait(PATIENCE_S) == 0


ASKS = """
import os, sys, time
from pathlib import Path
from gatecrash import warm
with open("log", "ab") as log:
    running = warm.start(
        ("serve", "--port", "0", "--memory", "--with-stdin", "--url-file", "urls.json"), env=dict(os.environ), cwd=Path.cwd(),
        output=log.fileno(), stdin=True,
    )
print(running.pid, warm._parent[1].pid, flush=True)
time.sleep(3600)
"""


def test_nothing_is_left_when_the_process_that_asked_is_killed(tmp_path: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", ASKS], cwd=tmp_path, stdout=subprocess.PIPE, text=True) as asking:
        assert asking.stdout is not None
        pids = [int(word) for word in asking.stdout.readline().split()]
        written(tmp_path / "urls.json", asking)
        asking.kill()
    until(lambda: all(map(gone, pids)))
