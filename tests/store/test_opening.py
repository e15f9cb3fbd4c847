"""Opening a store: what cannot be used is refused in one clear line."""

import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest

from gatecrash.store.errors import StoreUnusable
from gatecrash.store.sqlite import SCHEMA_VERSION, SqliteStore


def newer(path: Path) -> None:
    SqliteStore(str(path)).close()
    with sqlite3.connect(path) as db:
        db.execute(f"PRAGMA user_version = {SCHEMA_VERSION + 1}")
    db.close()


def older(path: Path) -> None:
    SqliteStore(str(path)).close()
    with sqlite3.connect(path) as db:
        db.execute(f"PRAGMA user_version = {SCHEMA_VERSION - 1}")
    db.close()


def garbage(path: Path) -> None:
    path.write_bytes(b"this is no database, whatever its name says\n" * 100)


def folder(path: Path) -> None:
    path.mkdir()


def somebody_elses(path: Path) -> None:
    with sqlite3.connect(path) as db:
        db.execute("CREATE TABLE events (id INTEGER PRIMARY KEY)")
    db.close()


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (newer, f"format {SCHEMA_VERSION + 1}, made by a newer gatecrash; this one reads format {SCHEMA_VERSION}"),
        (older, f"format {SCHEMA_VERSION - 1}, made by an older gatecrash; this one reads format {SCHEMA_VERSION}"),
        (garbage, "not a database"),
        (folder, "cannot open"),
        (somebody_elses, "cannot open"),
    ],
)
def test_what_is_no_database_of_ours_is_refused_in_one_line(tmp_path: Path, spoil: Callable[[Path], None], said: str) -> None:
    path = tmp_path / "db"
    spoil(path)
    with pytest.raises(StoreUnusable) as refused:
        SqliteStore(str(path))
    message = str(refused.value)
    assert said in message
    assert str(path) in message
    assert "--data" in message
    assert "\n" not in message
    assert message.endswith(".")


def test_a_database_of_somebody_else_is_left_as_it_was(tmp_path: Path) -> None:
    path = tmp_path / "db"
    somebody_elses(path)
    with pytest.raises(StoreUnusable):
        SqliteStore(str(path))
    db = sqlite3.connect(path)
    assert [row[0] for row in db.execute("SELECT name FROM sqlite_master")] == ["events"]
    db.close()


def test_a_folder_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(StoreUnusable, match="cannot open the database"):
        SqliteStore(str(tmp_path / "nowhere" / "db"))


def test_two_gateways_never_share_a_file(tmp_path: Path) -> None:
    first = SqliteStore(str(tmp_path / "db"))
    with pytest.raises(StoreUnusable, match=r"locked.*no other gateway uses"):
        SqliteStore(str(tmp_path / "db"))
    first.close()
    SqliteStore(str(tmp_path / "db")).close()


def test_a_file_can_be_opened_again_and_again(tmp_path: Path) -> None:
    for _ in range(3):
        SqliteStore(str(tmp_path / "db")).close()
