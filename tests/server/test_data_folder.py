"""The data folder: only its user may read it, no link leads out of it, and it is free as soon as its gateway is gone."""

import json
import os
import signal
import stat
import subprocess
import sys
import urllib.request
from pathlib import Path

import aiohttp
import pytest

from tests.support.client import Client
from tests.support.process import ServerProcess
from tests.support.waiting import until


def modes(folder: Path) -> dict[str, str]:
    return {path.name: oct(stat.S_IMODE(path.lstat().st_mode)) for path in (folder, *folder.iterdir())}


def serve(folder: Path, *flags: str) -> subprocess.CompletedProcess[str]:
    """A start that is expected to be refused."""
    command = [sys.executable, "-m", "gatecrash", "serve", "--port", "0", "--data", str(folder), *flags]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


@pytest.mark.asyncio
async def test_no_other_user_may_read_anything_in_it(http: aiohttp.ClientSession, tmp_path: Path) -> None:
    data = tmp_path / "data"
    server = ServerProcess(tmp_path, "--data", str(data))
    await Client(http, server.url).charge()
    found = modes(data)
    server.stop()
    assert found.pop("data") == "0o700"
    assert "gatecrash.sqlite3-wal" in found
    assert set(found.values()) == {"0o600"}, found


@pytest.mark.asyncio
async def test_a_folder_of_an_earlier_gateway_that_everybody_could_read_is_closed_to_others(tmp_path: Path) -> None:
    data = tmp_path / "data"
    ServerProcess(tmp_path, "--data", str(data)).stop()
    data.chmod(0o755)
    for path in data.iterdir():
        path.chmod(0o644)
    server = ServerProcess(tmp_path, "--data", str(data))
    found = modes(data)
    server.stop()
    del found[".gitignore"]  # no secret
    assert found.pop("data") == "0o700"
    assert set(found.values()) == {"0o600"}, found


def test_a_folder_that_holds_other_things_keeps_its_mode(tmp_path: Path) -> None:
    data = tmp_path / "shared"
    data.mkdir()
    data.chmod(0o755)
    ServerProcess(tmp_path, "--data", str(data)).stop()
    assert modes(data)["shared"] == "0o755"


@pytest.mark.parametrize("name", ["gatecrash.lock", "gatecrash.sqlite3", "gatecrash.sqlite3-wal", "vault.key"])
def test_a_symbolic_link_in_the_place_of_a_file_is_refused_and_not_followed(tmp_path: Path, name: str) -> None:
    data, elsewhere = tmp_path / "data", tmp_path / "precious"
    ServerProcess(tmp_path, "--data", str(data)).stop()
    elsewhere.write_bytes(b"of somebody else\n" * 10)
    (data / name).unlink(missing_ok=True)
    (data / name).symlink_to(elsewhere)
    refused = serve(data)
    assert refused.returncode == 2
    assert "symbolic link" in refused.stderr
    assert name in refused.stderr or "gatecrash.sqlite3" in refused.stderr
    assert len(refused.stderr.splitlines()) == 1, refused.stderr
    assert elsewhere.read_bytes() == b"of somebody else\n" * 10


def test_a_symbolic_link_in_the_place_of_the_draft_of_the_url_file_is_not_followed(tmp_path: Path) -> None:
    elsewhere = tmp_path / "precious"
    elsewhere.write_bytes(b"of somebody else")
    (tmp_path / "urls.json.part").symlink_to(elsewhere)
    ServerProcess(tmp_path, "--memory").stop()
    assert elsewhere.read_bytes() == b"of somebody else"


def test_it_is_free_as_soon_as_the_worker_of_a_killed_supervisor_is_gone(tmp_path: Path) -> None:
    """The worker is stopped, so that it notices late: the next start has to wait for it."""
    data, url_file = tmp_path / "data", tmp_path / "next.json"
    server = ServerProcess(tmp_path, "--data", str(data))
    with urllib.request.urlopen(f"{server.url}/healthz") as answer:
        worker = json.load(answer)["pid"]
    os.kill(worker, signal.SIGSTOP)
    server.process.kill()
    server.process.wait()
    command = [sys.executable, "-m", "gatecrash", "serve", "--port", "0", "--data", str(data), "--url-file", str(url_file)]
    again = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    try:
        lock = (data / "gatecrash.lock").stat()
        until(lambda: has_open(again.pid, lock))
        os.kill(worker, signal.SIGCONT)
        until(lambda: again.poll() is not None or url_file.exists())
    finally:
        again.terminate()
        said = again.communicate()[1]
    assert url_file.exists(), said


def has_open(pid: int, file: os.stat_result) -> bool:
    """Whether a process has this file open, so that it waits for its lock."""
    for handle in Path(f"/proc/{pid}/fd").iterdir():
        try:
            about = handle.stat()
        except OSError:
            continue
        if (about.st_dev, about.st_ino) == (file.st_dev, file.st_ino):
            return True
    return False


def test_a_lock_file_is_never_cut_off(tmp_path: Path) -> None:
    data = tmp_path / "data"
    ServerProcess(tmp_path, "--data", str(data)).stop()
    with (data / "gatecrash.lock").open("ab") as lock:
        lock.write(b"and a word of somebody else\n")
    ServerProcess(tmp_path, "--data", str(data)).stop()
    assert (data / "gatecrash.lock").read_bytes().endswith(b"and a word of somebody else\n")
