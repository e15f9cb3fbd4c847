"""Worker, supervisor, or both killed under load, a few times; `tests/soak/test_killing.py` does it by the hundred."""

from pathlib import Path

import pytest

from tests.server.killing import kill_again_and_again

pytestmark = [pytest.mark.asyncio, pytest.mark.timeout(300)]


async def test_whoever_is_killed_every_acknowledged_charge_is_there_once(tmp_path: Path) -> None:
    await kill_again_and_again(tmp_path, ["worker", "supervisor", "both"], times=6)
