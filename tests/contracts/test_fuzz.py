"""The gateway as its user runs it, held to the contract by schemathesis: examples, boundaries, invention, and chains of calls."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from gatecrash import resources
from tests.contracts.checker import load
from tests.support.process import ServerProcess

ROOT = Path(__file__).parents[2]


@pytest.mark.timeout(300)
def test_whatever_is_sent_the_answer_is_in_the_contract(tmp_path: Path) -> None:
    server = ServerProcess(tmp_path, "--memory")
    try:
        command = [
            sys.executable, "-m", "schemathesis.cli", "--config-file", str(Path(__file__).with_name("schemathesis.toml")),
            "--no-color", "run", str(resources.contracts() / "gateway.openapi.yaml"), "--url", server.url,
        ]  # fmt: skip
        environment = {**os.environ, "PYTHONPATH": str(ROOT)}
        # from a folder of its own: what it leaves behind is no part of the repository
        run = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=280)
        assert run.returncode == 0, run.stdout[-20_000:] + run.stderr[-5_000:]
        assert "No issues found" in run.stdout
        assert f"Tested: {len(load('gateway').operations)}\n" in run.stdout
    finally:
        server.stop()
    assert "Traceback" not in server.log
