"""The files of an open database, and whether they are still the ones that it was opened with.

A process goes on writing to a file that somebody has deleted or replaced, and nobody ever reads that again. So the store
looks before each commit, and the next process looks before it opens.
"""

import os
import sqlite3
from collections.abc import Sequence
from typing import NamedTuple


class FileMark(NamedTuple):
    """A file as it was seen last: none of a database's shrinks while the gateway runs."""

    path: str
    device: int
    inode: int
    size: int


class DatabaseChanged(sqlite3.OperationalError):
    """A file of the database was deleted, replaced or truncated by somebody else."""


def mark(path: str) -> FileMark:
    about = os.stat(path, follow_symlinks=False)
    return FileMark(path, about.st_dev, about.st_ino, about.st_size)


def check(marks: Sequence[FileMark]) -> list[FileMark]:
    """The files as they are now. Raises DatabaseChanged."""
    seen = []
    for before in marks:
        try:
            now = mark(before.path)
        except FileNotFoundError:
            raise DatabaseChanged(f"{before.path} was deleted while the gateway ran") from None
        if (now.device, now.inode) != (before.device, before.inode):
            raise DatabaseChanged(f"{before.path} was replaced while the gateway ran")
        if now.size < before.size:
            raise DatabaseChanged(f"{before.path} was truncated while the gateway ran, from {before.size} to {now.size} bytes")
        seen.append(now)
    return seen
