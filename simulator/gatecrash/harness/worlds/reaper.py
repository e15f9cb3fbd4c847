"""A program that outlives the harness by a moment, and ends what a harness leaves behind that was killed itself.

It is told on standard input, a line each: `+123` a process group that runs, `+/path` a folder that lies about, and the same with
`-` when it is gone. Standard input ends with the harness, whatever ends that; what is left then is killed and removed.
"""

import os
import shutil
import signal
import sys
from collections.abc import Iterable
from contextlib import suppress


def remaining(lines: Iterable[str]) -> list[str]:
    """What was announced and never taken back, in the order in which it came."""
    left: dict[str, None] = {}
    for line in lines:
        sign, what = line[0], line[1:].rstrip("\n")
        if sign == "+":
            left[what] = None
        else:
            left.pop(what, None)
    return list(left)


def reap(left: Iterable[str]) -> None:
    for what in left:
        if what.isdecimal():
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(int(what), signal.SIGKILL)
    for what in left:
        if not what.isdecimal():
            shutil.rmtree(what, ignore_errors=True)


if __name__ == "__main__":
    reap(remaining(sys.stdin))
