"""Processes of the real world: a whole group dies, ports survive restarts, failures are told."""

import os
import socket
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from gatecrash.harness.merchant_profile import reference
from gatecrash.harness.world import SetupFailed
from gatecrash.harness.worlds.process import Port, Process
from gatecrash.harness.worlds.real import RealWorld


@pytest.fixture
def parent(tmp_path: Path) -> Iterator[Process]:
    """A process that has a child of its own, and says when both run; ends when its pipe breaks."""
    script = (
        "import os, subprocess, sys, time\n"
        "child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)'])\n"
        "fifo = open(sys.argv[1], 'w'); fifo.write(f'{child.pid}\\n'); fifo.close()\n"
        "time.sleep(600)\n"
    )
    os.mkfifo(tmp_path / "fifo")
    process = Process(
        name="parent",
        command=(sys.executable, "-c", script, str(tmp_path / "fifo")),
        env=dict(os.environ),
        log=tmp_path / "log",
    )
    process.start()
    yield process
    process.kill()


def test_a_kill_takes_the_whole_group(parent: Process, tmp_path: Path) -> None:
    child = int((tmp_path / "fifo").read_text())
    pid = parent.pid
    assert pid is not None
    assert parent.alive()
    parent.kill()
    assert not parent.alive()
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)
    state = Path(f"/proc/{child}/stat")
    assert not state.exists() or state.read_text().rsplit(")", 1)[1].split()[0] in "ZX", "the child outlived it"


def test_killing_what_does_not_run_does_nothing(tmp_path: Path) -> None:
    process = Process(name="none", command=("none",), env={}, log=tmp_path / "log")
    process.kill()
    assert not process.alive()
    assert process.last_words() == "(no output)"


def test_a_program_that_is_not_there_is_named(tmp_path: Path) -> None:
    process = Process(name="shop", command=("/nowhere/shop",), env={}, log=tmp_path / "log")
    with pytest.raises(SetupFailed, match=r"the shop cannot be started: /nowhere/shop: No such file"):
        process.start()


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere a reservation cannot be shared")
def test_a_reserved_port_can_be_bound_again_and_again_and_by_nobody_else() -> None:
    port = Port.reserve()
    for _ in range(3):
        with closing(socket.create_server(("127.0.0.1", port.number))) as server:
            server.listen()
    with closing(socket.socket()) as stranger, pytest.raises(OSError, match="in use"):
        stranger.bind(("127.0.0.1", port.number))
    port.release()


@pytest.mark.asyncio
async def test_a_program_that_ends_by_itself_is_quoted_and_everything_is_cleaned_up() -> None:
    world = RealWorld(reference())
    world._gateway.forks = None
    world._gateway.command = (sys.executable, "-c", "raise SystemExit('no database today')")
    with pytest.raises(SetupFailed, match=r"(?s)the gateway ended by itself.*no database today"):
        async with world:
            raise AssertionError("a world without a gateway was entered")
    assert not world.scratch.exists()
