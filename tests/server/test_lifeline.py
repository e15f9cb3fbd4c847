"""`serve --with-stdin`: a gateway that ends with whoever started it."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from gatecrash.client import GatewayUnreachable, Sandbox
from tests.support.waiting import until


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    flags = ["--memory", "--port", "0", "--with-stdin", "--url-file", str(tmp_path / "urls.json")]
    process = subprocess.Popen(
        [sys.executable, "-m", "gatecrash", "serve", *flags],
        stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    with process:
        yield process
        process.kill()


def sandbox_of(folder: Path) -> Sandbox:
    until((folder / "urls.json").exists)
    return Sandbox(msgspec.json.decode((folder / "urls.json").read_bytes())["native"], "me")


def test_it_stops_when_standard_input_ends(serve: subprocess.Popen[str], tmp_path: Path) -> None:
    sandbox = sandbox_of(tmp_path)
    assert serve.stdin is not None
    serve.stdin.write("what is said here is not heard\n")
    serve.stdin.flush()
    assert sandbox.charges() == []
    serve.stdin.close()
    assert serve.wait(20) == 0
    with pytest.raises(GatewayUnreachable):
        sandbox.charges()


def test_it_stops_also_while_its_worker_is_down(serve: subprocess.Popen[str], tmp_path: Path) -> None:
    sandbox = sandbox_of(tmp_path)
    sandbox.faults.add("request.received", "crash", params={"down_s": 3600})
    with pytest.raises(GatewayUnreachable):
        sandbox.charges()
    assert serve.stderr is not None
    assert "up again in 3600 s" in serve.stderr.readline()
    assert serve.stdin is not None
    serve.stdin.close()
    assert serve.wait(20) == 0


def test_standard_input_must_be_a_pipe() -> None:
    command = [sys.executable, "-m", "gatecrash", "serve", "--memory", "--port", "0", "--with-stdin"]
    refused = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=30, check=False)
    assert (refused.returncode, refused.stdout) == (2, "")
    assert "--with-stdin needs a pipe" in refused.stderr
