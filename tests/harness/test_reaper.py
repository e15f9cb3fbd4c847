"""What the reaper has been told to mind, and not that it is gone, it ends; the rest it leaves alone."""

import subprocess
import sys
from pathlib import Path

from gatecrash.harness.worlds.reaper import reap, remaining


def test_what_is_gone_is_no_more_its_business() -> None:
    assert remaining(["+12\n", "+/here/a b\n", "+13\n", "-12\n", "-7\n"]) == ["/here/a b", "13"]


def test_a_group_is_killed_and_a_folder_removed_and_what_is_gone_does_no_harm(tmp_path: Path) -> None:
    (tmp_path / "left" / "inside").mkdir(parents=True)
    process = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE, start_new_session=True)
    with process:
        gone = subprocess.Popen([sys.executable, "-c", ""], start_new_session=True)
        gone.wait()
        reap([str(process.pid), str(gone.pid), str(tmp_path / "left"), str(tmp_path / "never")])
        assert process.wait() == -9
    assert list(tmp_path.iterdir()) == []
