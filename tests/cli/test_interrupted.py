"""Whoever stops a verb that runs worlds, by Ctrl-C, a polite kill, a closed terminal or SIGKILL, leaves nothing behind."""

import json
import os
import pty
import signal
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest
import yaml

from gatecrash import resources
from tests.support.waiting import PATIENCE_S, until

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="looks for survivors in /proc")
REFERENCE = resources.reference_merchant() / "merchant.toml"
#: A story that goes on long enough to be interrupted.
STORY = "webhooks-never-come"
#: verb → its arguments; `check` waits for a merchant that never gets ready, the others for stories to end.
VERBS = {
    "demo": (),
    "prove": (str(REFERENCE), "--story", STORY, "--story", "happy-path"),
    "mutants": ("--mutant", "recon_none"),
    "replay": ("schedule.yaml", str(REFERENCE)),
    "check": ("slow.toml",),
}
SLOW = """\
name = "slow"
[start]
command = ["{python}", "-c", "import time; time.sleep(600)", "{port}", "{scratch}"]
[place_order]
path = "/orders"
[pay]
path = "/pay"
[read_order]
path = "/orders/{order_id}"
"""


def start(folder: Path, verb: str, sent: signal.Signals) -> "subprocess.Popen[bytes]":
    (folder / "scratch").mkdir()
    (folder / "slow.toml").write_text(SLOW, encoding="utf-8")
    story = yaml.safe_load((resources.scenarios() / f"{STORY}.yaml").read_text(encoding="utf-8"))
    (folder / "schedule.yaml").write_text(yaml.safe_dump({"gatecrash": "schedule", "story": story}), encoding="utf-8")
    return subprocess.Popen(
        [sys.executable, "-m", "gatecrash", verb, *VERBS[verb]],
        cwd=folder,
        env={**os.environ, "TMPDIR": str(folder / "scratch"), "PYTHONPATH": str(REFERENCE.parent.parent)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        # whoever runs the tests in the background has SIGINT ignored, and a child would inherit that
        preexec_fn=lambda: signal.signal(sent, signal.SIG_DFL) if sent is not signal.SIGKILL else None,
    )


def stopped_by(folder: Path, verb: str, sent: signal.Signals) -> tuple[int, str]:
    """The exit status, and what was said, once gateway and shop run and the signal was sent."""
    running = start(folder, verb, sent)
    try:
        # the gateway's supervisor, its worker and the shop
        until(lambda: len(survivors(folder / "scratch")) >= 3 or running.poll() is not None)
        running.send_signal(sent)
        _, told = running.communicate(timeout=PATIENCE_S)
    finally:
        running.kill()
        running.wait()
    return running.returncode, told.decode()


@pytest.mark.parametrize(
    ("verb", "sent"),
    [*((verb, signal.SIGINT) for verb in VERBS), ("demo", signal.SIGTERM), ("prove", signal.SIGTERM), ("prove", signal.SIGHUP)],
    ids=lambda each: getattr(each, "name", each),
)
def test_an_interrupted_verb_leaves_nothing_running(tmp_path: Path, verb: str, sent: signal.Signals) -> None:
    code, told = stopped_by(tmp_path, verb, sent)
    assert (code, told.splitlines()[-1]) == (130, f"gatecrash {verb}: interrupted; everything it had started is stopped")
    assert survivors(tmp_path / "scratch") == []
    assert list((tmp_path / "scratch").iterdir()) == [], "scratch directories are gone"


@pytest.mark.parametrize("verb", ["prove", "check"])
def test_neither_gateway_nor_shop_nor_their_folder_outlives_a_verb_that_is_killed(tmp_path: Path, verb: str) -> None:
    code, _ = stopped_by(tmp_path, verb, signal.SIGKILL)
    assert code == -signal.SIGKILL
    until(lambda: survivors(tmp_path / "scratch") == [] and list((tmp_path / "scratch").iterdir()) == [])


def test_who_presses_ctrl_c_at_a_question_is_done(tmp_path: Path) -> None:
    ours, theirs = pty.openpty()
    asking = subprocess.Popen(
        [sys.executable, "-m", "gatecrash", "init", "profile.toml"], cwd=tmp_path, stdin=theirs, stdout=theirs, stderr=theirs
    )
    os.close(theirs)
    told = b""
    while b"your merchant?" not in told:
        told += os.read(ours, 1024)
    # an interrupt between the question and the wait for its answer is seen with the next key
    until(lambda: Path(f"/proc/{asking.pid}/stat").read_text().rpartition(") ")[2].startswith("S"))
    asking.send_signal(signal.SIGINT)
    assert asking.wait(PATIENCE_S) == 130
    os.close(ours)
    assert not (tmp_path / "profile.toml").exists()


def naive(folder: Path) -> Path:
    """The profile of the naive merchant, in a folder."""
    text = REFERENCE.read_text(encoding="utf-8").replace("[start.env]", '[start.env]\nMUTANT = "naive"')
    path = folder / "naive.toml"
    path.write_text(text.replace('cwd = ".."', f'cwd = "{REFERENCE.parent.parent}"'), encoding="utf-8")
    return path


@pytest.mark.parametrize("more", [(), ("--world", "simulated", "--faults", "0", "--jobs", "1")], ids=["real", "simulated"])
def test_a_reader_that_goes_away_changes_neither_verdict_nor_reports(tmp_path: Path, more: tuple[str, ...]) -> None:
    reads, writes = os.pipe()
    os.close(reads)
    arguments = ("prove", str(naive(tmp_path)), "--story", "lost-response", "--junit", "j.xml", *more)
    done = subprocess.run(
        [sys.executable, "-m", "gatecrash", *arguments],
        cwd=tmp_path,
        stdout=writes,
        stderr=subprocess.PIPE,
        text=True,
        check=False,
    )
    os.close(writes)
    assert done.returncode == 1, done.stderr
    assert "Error" not in done.stderr
    assert (tmp_path / "j.xml").exists()


def test_a_demo_that_is_interrupted_tells_of_the_runs_that_were_played(tmp_path: Path) -> None:
    stories = ("--story", "happy-path", "--story", STORY)
    running = subprocess.Popen(
        [sys.executable, "-m", "gatecrash", "demo", "--merchant", "reference", *stories, "--json"],
        cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env={**os.environ, "TMPDIR": str(tmp_path)},
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )  # fmt: skip
    try:
        # both stories' processes have run, and those of one are gone; its outcome may be under way to the list
        until(lambda: len(survivors(tmp_path)) > 3 or running.poll() is not None)
        until(lambda: len(survivors(tmp_path)) == 3 or running.poll() is not None)
        running.send_signal(signal.SIGINT)
        out, err = running.communicate(timeout=PATIENCE_S)
    finally:
        running.kill()
        running.wait()
    assert running.returncode == 130, err
    assert [(each["story"], each["violations"]) for each in json.loads(out)] in ([], [("happy-path", [])])


@pytest.mark.parametrize("sent", [signal.SIGINT, signal.SIGTERM], ids=lambda each: each.name)
def test_what_was_found_before_an_interrupt_is_saved_told_and_reported(tmp_path: Path, sent: signal.Signals) -> None:
    naive(tmp_path)
    # the long story is told first: what is found while it goes on is not told yet
    stories = ("--story", STORY, "--story", "lost-response")
    running = subprocess.Popen(
        [sys.executable, "-m", "gatecrash", "prove", "naive.toml", *stories, "--json", "--junit", "j.xml", "--report", "out"],
        cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, preexec_fn=lambda: signal.signal(sent, signal.SIG_DFL),
    )  # fmt: skip
    try:
        until(lambda: list(tmp_path.glob("gatecrash-failures/*-lost-response.yaml")) or running.poll() is not None)
        running.send_signal(sent)
        out, err = running.communicate(timeout=PATIENCE_S)
    finally:
        running.kill()
        running.wait()
    assert running.returncode == 130, err
    said = json.loads(out)
    assert (said["incomplete"], said["verdict"]) == ("interrupted", "violated")
    verdicts = {story["name"]: (story["verdict"], story.get("reason")) for story in said["stories"]}
    assert verdicts == {"lost-response": ("violated", None), STORY: ("not played", "interrupted")}
    suite = ElementTree.parse(tmp_path / "j.xml").getroot()  # noqa: S314 - our own
    assert [(each.get("failures"), each.get("skipped"), each.get("errors")) for each in [suite]] == [("1", "1", "0")]
    assert [(each.get("name"), each.get("value")) for each in suite.iter("property")] == [("incomplete", "interrupted")]
    page = (tmp_path / "out" / "index.html").read_text(encoding="utf-8")
    assert "Incomplete: interrupted." in page
    assert "<svg" in page


def test_mutants_that_are_interrupted_tell_of_those_that_were_played(tmp_path: Path) -> None:
    for arguments in (("--mutant", "recon_none"), ("--world", "simulated", "--faults", "2", "--mutant", "recon_404")):
        running = subprocess.Popen(
            [sys.executable, "-m", "gatecrash", "mutants", *arguments, "--json"], cwd=tmp_path, stdout=subprocess.PIPE,
            stderr=subprocess.PIPE, preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
            env={**os.environ, "TMPDIR": str(tmp_path)},
        )  # fmt: skip
        try:
            until(lambda: survivors(tmp_path) or children(running.pid) or running.poll() is not None)  # noqa: B023
            running.send_signal(signal.SIGINT)
            out, err = running.communicate(timeout=PATIENCE_S)
        finally:
            running.kill()
            running.wait()
        assert running.returncode == 130, err
        said = json.loads(out)
        assert (said["incomplete"], said["verdict"]) == ("interrupted", "unfinished"), said


def children(pid: int) -> list[str]:
    """The ids of the processes that any thread of this one has started: each thread lists its own."""
    lists = Path(f"/proc/{pid}/task").glob("*/children")
    return [child for each in lists for child in _read(each).split()]


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except OSError:
        return ""  # the thread has ended meanwhile


def survivors(scratch: Path) -> list[str]:
    """The command lines of running processes that mention the scratch directory, or whose folder is below it."""
    found = []
    for entry in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            line = entry.read_bytes().replace(b"\0", b" ").decode(errors="replace")
            folder = os.readlink(entry.with_name("cwd"))
        except OSError:
            continue  # gone meanwhile
        if (str(scratch) in line or folder.startswith(f"{scratch}/")) and f"/{os.getpid()}/" not in str(entry):
            found.append(line)
    return found
