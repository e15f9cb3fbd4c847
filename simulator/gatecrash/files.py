"""Files that belong to the gateway alone: mode 0600, and never reached through a link."""

import errno
import os
import stat
import tempfile
from pathlib import Path

_OTHERS = stat.S_IRWXG | stat.S_IRWXO


def make_folder(path: Path, mode: int = 0o700) -> None:
    """Make a folder that Git ignores, and that only this user may enter unless `mode` says otherwise. A folder that is there
    already stays as it is: it may hold other things.
    """
    try:
        path.mkdir(mode=mode, parents=True)
    except FileExistsError:
        if not path.is_dir():
            raise
    else:
        ignored = path / ".gitignore"
        ignored.write_text("*\n", encoding="ascii")
        ignored.chmod(mode & 0o644)


def make_reports_folder(path: Path) -> None:
    """Make a folder for files that others may read, which Git ignores."""
    make_folder(path, 0o777)


class NoScratch(OSError):
    """There is no folder for temporary files."""

    def __init__(self, why: OSError) -> None:
        super().__init__(
            why.errno, "a folder for temporary files is needed, and none can be written; name one that can in TMPDIR."
        )

    def __str__(self) -> str:
        return str(self.strerror)


def scratch() -> Path:
    """A new folder for temporary files. Raises NoScratch."""
    try:
        return Path(tempfile.mkdtemp(prefix="gatecrash-"))
    except OSError as error:
        raise NoScratch(error) from error


def tighten(path: Path) -> None:
    """Take the rights of group and others away from something that is ours. Where this user may not, it stays as it is."""
    about = path.lstat()
    if about.st_mode & _OTHERS and about.st_uid == os.geteuid() and not stat.S_ISLNK(about.st_mode):
        path.chmod(stat.S_IMODE(about.st_mode) & ~_OTHERS)


def claim(path: Path, *, make: bool) -> bool:
    """Have a file be a regular one with mode 0600; whether it is there. `make` it, empty, where it is not. Raises OSError.

    The file is not opened if it is there: closing it would drop the locks that this process has on it.
    """
    try:
        mode = path.lstat().st_mode
    except FileNotFoundError:
        if make:
            os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
        return make
    if stat.S_ISLNK(mode):
        raise OSError(errno.ELOOP, "it is a symbolic link, and the gateway follows none", str(path))
    if not stat.S_ISREG(mode):
        raise OSError(errno.EINVAL, "it is no regular file", str(path))
    tighten(path)
    return True


def replace(path: Path, content: bytes) -> None:
    """Write a file whole or not at all: who waits for it never reads half of it. A link in its place is replaced, too."""
    draft = path.with_name(path.name + ".part")
    draft.unlink(missing_ok=True)
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644), "wb") as file:
        file.write(content)
    draft.replace(path)
