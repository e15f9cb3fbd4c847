"""What `serve` cannot do, it says in one line, with exit status 2 and without a traceback."""

import os
import shutil
import socket
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.process import ServerProcess


def serve(*flags: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "gatecrash", "serve", *flags]
    return subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)


def assert_refused(run: subprocess.CompletedProcess[str], *said: str) -> None:
    lines = run.stderr.strip().splitlines()
    assert run.returncode == 2, (run.returncode, run.stderr)
    assert len(lines) == 1, run.stderr
    assert lines[0].startswith("gatecrash: ")
    assert all(word in lines[0] for word in said), lines[0]
    assert run.stdout == ""


@pytest.fixture
def taken() -> Iterator[int]:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        yield other.getsockname()[1]


def test_a_taken_port_is_named(taken: int) -> None:
    assert_refused(serve("--memory", "--port", str(taken)), f"port {taken}", "taken", "--port")


@pytest.mark.parametrize("host", ["999.1.1.1", "no such host", "a..b", "x" * 70, "", "nowhere.invalid"])
def test_a_host_that_is_no_address_is_named(host: str) -> None:
    assert_refused(serve("--memory", "--port", "0", "--host", host), "--host", repr(host))


def test_a_host_of_another_machine_is_named() -> None:
    assert_refused(serve("--memory", "--port", "0", "--host", "203.0.113.7"), "203.0.113.7", "--host")


@pytest.mark.parametrize("below", ["", "/below", "/far/below"])
def test_a_data_folder_that_a_file_stands_in_the_way_of_is_named(tmp_path: Path, below: str) -> None:
    (tmp_path / "file").write_text("")
    wanted = f"{tmp_path}/file{below}"
    assert_refused(serve("--port", "0", "--data", wanted), "--data", wanted)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_data_folder_without_rights_is_named(tmp_path: Path) -> None:
    (tmp_path / "locked").mkdir(mode=0o500)
    assert_refused(serve("--port", "0", "--data", str(tmp_path / "locked")), "--data", "rights")


def test_a_url_file_in_a_missing_folder_is_named(tmp_path: Path) -> None:
    assert_refused(
        serve("--memory", "--port", "0", "--url-file", str(tmp_path / "no" / "urls")), "--url-file", str(tmp_path / "no")
    )


def test_a_url_file_that_is_a_folder_is_named(tmp_path: Path) -> None:
    assert_refused(serve("--memory", "--port", "0", "--url-file", str(tmp_path)), "--url-file", str(tmp_path))


@pytest.fixture(scope="module")
def left(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data folder that a gateway has used."""
    folder = tmp_path_factory.mktemp("used")
    assert ServerProcess(folder, "--data", str(folder / "data")).stop() == 0
    return folder / "data"


@pytest.fixture
def used(left: Path, tmp_path: Path) -> Path:
    """A copy of it to do harm to."""
    return Path(shutil.copytree(left, tmp_path / "data"))


def test_a_database_of_a_newer_version_is_left_alone(used: Path) -> None:
    path = used / "gatecrash.sqlite3"
    with sqlite3.connect(path) as db:
        db.execute("PRAGMA user_version = 99")
    db.close()
    before = path.read_bytes()
    assert_refused(serve("--port", "0", "--data", str(used)), str(path), "99", "newer", "Upgrade")
    assert path.read_bytes() == before


def test_a_file_that_is_no_database_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "gatecrash.sqlite3"
    path.write_bytes(os.urandom(8192))
    before = path.read_bytes()
    assert_refused(serve("--port", "0", "--data", str(tmp_path)), str(path), "not a database")
    assert path.read_bytes() == before


def test_a_database_damaged_inside_is_told(used: Path) -> None:
    path = used / "gatecrash.sqlite3"
    with path.open("r+b") as file:
        file.seek(100)
        file.write(b"\xff" * (path.stat().st_size - 100))
    assert_refused(serve("--port", "0", "--data", str(used)), str(path), "damaged")


def test_a_database_that_lost_its_tables_is_told(used: Path) -> None:
    with sqlite3.connect(used / "gatecrash.sqlite3") as db:
        db.execute("DROP TABLE sandboxes")
    db.close()
    assert_refused(serve("--port", "0", "--data", str(used)), "gatecrash.sqlite3", "sandboxes")


def test_somebody_elses_database_is_told_and_left_alone(tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / "gatecrash.sqlite3") as db:
        db.execute("CREATE TABLE charges (theirs)")
    db.close()
    assert_refused(serve("--port", "0", "--data", str(tmp_path)), "gatecrash.sqlite3", "charges")
    with sqlite3.connect(tmp_path / "gatecrash.sqlite3") as db:
        assert db.execute("SELECT name FROM sqlite_master").fetchall() == [("charges",)]
    db.close()


def test_a_folder_in_the_place_of_the_database_is_told(tmp_path: Path) -> None:
    (tmp_path / "gatecrash.sqlite3").mkdir()
    assert_refused(serve("--port", "0", "--data", str(tmp_path)), "gatecrash.sqlite3")


@pytest.mark.parametrize("size", [0, 31, 33])
def test_a_damaged_vault_key_is_told(used: Path, size: int) -> None:
    (used / "vault.key").write_bytes(b"k" * size)
    assert_refused(serve("--port", "0", "--data", str(used)), "vault.key", f"{size} bytes", "32")


def test_a_missing_vault_key_is_told_instead_of_making_one_that_opens_nothing(used: Path) -> None:
    (used / "vault.key").unlink()
    assert_refused(serve("--port", "0", "--data", str(used)), "vault.key")
    assert not (used / "vault.key").exists()


def test_another_vault_key_is_told(used: Path) -> None:
    (used / "vault.key").write_bytes(os.urandom(32))
    assert_refused(serve("--port", "0", "--data", str(used)), "vault.key")


def test_a_folder_in_the_place_of_the_vault_key_is_told(tmp_path: Path) -> None:
    (tmp_path / "vault.key").mkdir()
    assert_refused(serve("--port", "0", "--data", str(tmp_path)), "vault.key")


def test_the_vault_key_is_for_its_owner_alone(left: Path) -> None:
    assert (left / "vault.key").stat().st_mode & 0o777 == 0o600
    assert len((left / "vault.key").read_bytes()) == 32


@pytest.mark.parametrize("port", ["65536", "-1", "http", ""])
def test_a_port_that_is_none_is_named_with_what_was_expected(port: str) -> None:
    assert_refused(serve("--memory", "--port", port), "--port", repr(port), "1 to 65535")


def test_an_unknown_flag_is_refused_with_the_usage() -> None:
    run = serve("--colour", "red")
    assert run.returncode == 2
    assert "Usage: " in run.stderr
    assert "--colour" in run.stderr
    assert "Traceback" not in run.stderr
