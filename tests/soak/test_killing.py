"""Hundreds of SIGKILLs of worker, supervisor and both under load: every acknowledged charge is there once."""

from pathlib import Path

import pytest

from tests.server.killing import kill_again_and_again

pytestmark = [pytest.mark.asyncio, pytest.mark.timeout(3600)]
TIMES = 300


@pytest.mark.parametrize("whom", [["worker"], ["supervisor"], ["both"], ["worker", "supervisor", "both"]], ids="-".join)
async def test_whoever_is_killed_every_acknowledged_charge_is_there_once(tmp_path: Path, whom: list[str]) -> None:
    await kill_again_and_again(tmp_path, whom, TIMES)
