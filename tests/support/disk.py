"""Disks that are full, as the gateway meets them: a file system without space, and a limit on the size of files."""

import resource
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Protocol

import pytest

_SIZE = 16 * 1024 * 1024
_PAGE = 4096


class Disk(Protocol):
    """`folder` lies on it. `fill` has nothing more fit, for these processes and whatever they start; `free` takes that back."""

    folder: Path

    def fill(self, *pids: int) -> None: ...

    def free(self, *pids: int) -> None: ...


class LimitedFiles:
    """No file may grow beyond what the database's log has now: what `write` says of that is EFBIG. Linux alone can do it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def fill(self, *pids: int) -> None:
        largest = max((path.stat().st_size for path in self.folder.rglob("*") if path.is_file()), default=0)
        for pid in pids:
            resource.prlimit(pid, resource.RLIMIT_FSIZE, (largest, resource.RLIM_INFINITY))

    def free(self, *pids: int) -> None:
        for pid in pids:
            resource.prlimit(pid, resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))


class SmallDisk:
    """A file system of its own with a few megabytes, which `fill` takes up: what `write` says of that is ENOSPC."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._filler = folder / "filler"

    def fill(self, *pids: int) -> None:
        with suppress(OSError), self._filler.open("ab", buffering=0) as filler:
            while filler.write(bytes(_PAGE)):
                pass

    def free(self, *pids: int) -> None:
        self._filler.unlink()


@contextmanager
def disk(kind: str, folder: Path) -> Iterator[Disk]:
    """A disk of one of `KINDS`; the test is skipped where this machine has none of them."""
    if not hasattr(resource, "prlimit"):
        pytest.skip(f"{kind}: only Linux limits another process")
    folder.mkdir()
    if kind == "limited files":
        yield LimitedFiles(folder)
        return
    mount = ["mount", "-t", "tmpfs", "-o", f"size={_SIZE}", "tmpfs", str(folder)]
    mounted = subprocess.run(mount, capture_output=True, text=True, check=False)
    if mounted.returncode:
        pytest.skip(f"NOT TESTED on a file system that is full: cannot mount one ({mounted.stderr.strip()})")
    try:
        yield SmallDisk(folder)
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


KINDS = ("limited files", "small disk")
