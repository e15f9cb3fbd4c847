"""Waiting for a condition: looked at again and again, and given up only when something must be wrong."""

import asyncio
import time
from collections.abc import Callable
from pathlib import Path
from subprocess import Popen
from typing import Any

# far longer than a busy machine takes, and shorter than a test may
PATIENCE_S = 60.0
_PAUSE_S = 0.004


async def eventually(condition: Callable[[], Any]) -> Any:
    """What a condition gives, as soon as it is true; it may be a coroutine function."""
    async with asyncio.timeout(PATIENCE_S):
        while True:
            found = condition()
            if asyncio.iscoroutine(found):
                found = await found
            if found:
                return found
            await asyncio.sleep(_PAUSE_S)


def until(condition: Callable[[], Any]) -> Any:
    """The same where there is no event loop."""
    give_up_at = time.monotonic() + PATIENCE_S
    while not (found := condition()):
        assert time.monotonic() < give_up_at, f"{condition} did not come true in {PATIENCE_S:g} s"
        time.sleep(_PAUSE_S)
    return found


def written(file: Path, process: "Popen[Any]", log: Path | None = None) -> str:
    """What a process has written to a file that it makes when it is ready."""

    def there() -> bool:
        if process.poll() is not None:
            said = log.read_text(errors="replace") if log else ""
            raise AssertionError(f"it ended with status {process.returncode}\n{said}")
        return file.exists()

    until(there)
    return file.read_text()
