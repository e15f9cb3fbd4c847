"""Gateway and shop as their users run them, held to their contracts by schemathesis: examples, boundaries, invention, and chains
of calls; every check is on.
"""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from gatecrash import resources
from tests.contracts.checker import load
from tests.support.process import ServerProcess, ShopProcess

HERE, ROOT = Path(__file__).parent, Path(__file__).parents[2]


def fuzz(contract: str, config: str, url: str, folder: Path) -> None:
    """Let schemathesis loose; whatever it finds is told as it tells it."""
    command = [
        sys.executable, "-m", "schemathesis.cli", "--config-file", str(HERE / config), "--no-color", "run",
        str(resources.contracts() / f"{contract}.openapi.yaml"), "--url", url,
    ]  # fmt: skip
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    # from a folder of its own: what it leaves behind is no part of the repository
    run = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=580)
    assert run.returncode == 0, run.stdout[-20_000:] + run.stderr[-5_000:]
    assert "No issues found" in run.stdout
    assert f"Tested: {len(load(contract).operations)}\n" in run.stdout


@pytest.mark.timeout(600)
def test_whatever_is_sent_to_the_gateway_the_answer_is_in_its_contract(tmp_path: Path) -> None:
    server = ServerProcess(tmp_path, "--memory")
    try:
        fuzz("gateway", "schemathesis.toml", server.url, tmp_path)
    finally:
        server.stop()
    assert "Traceback" not in server.log


@pytest.mark.timeout(600)
def test_whatever_is_sent_to_the_shop_the_answer_is_in_its_contract(server: ServerProcess, tmp_path: Path) -> None:
    shop = ShopProcess(tmp_path, server.url, "sk_test_fuzzed-shop")
    try:
        fuzz("merchant", "merchant.toml", shop.url, tmp_path)
    finally:
        shop.stop()
    assert "Traceback" not in shop.log
