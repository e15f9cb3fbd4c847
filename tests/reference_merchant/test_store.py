"""The books' file: made once, kept, and refused when it is of another version."""

import sqlite3
from pathlib import Path

import pytest

from reference_merchant.store import Store


def test_a_file_is_opened_again_with_what_is_in_it(tmp_path: Path) -> None:
    path = str(tmp_path / "shop.sqlite")
    first = Store(path)
    first.execute("INSERT INTO events VALUES ('evt_1', 't', 0)")
    first.close()

    again = Store(path)
    assert again.scalar("SELECT count(*) FROM events") == 1
    again.close()


def test_a_file_of_another_version_is_refused_with_what_to_do(tmp_path: Path) -> None:
    path = str(tmp_path / "old.sqlite")
    old = sqlite3.connect(path)
    old.execute("PRAGMA user_version = 1")
    old.close()

    with pytest.raises(sqlite3.DatabaseError, match=r"of version 1, this shop knows \d+; begin a new file"):
        Store(path)
