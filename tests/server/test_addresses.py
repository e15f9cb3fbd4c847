"""Where a gateway listens: both loopbacks, one port; a taken port, a strange address and a strange port are one line each."""

import asyncio
import contextlib
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from gatecrash.server import serving
from tests.server.aid import pid_of
from tests.support.client import Client
from tests.support.process import ServerProcess
from tests.support.waiting import eventually


def has_ipv6() -> bool:
    with contextlib.suppress(OSError), socket.socket(socket.AF_INET6) as probe:
        probe.bind(("::1", 0))
        return True
    return False


BOTH = pytest.mark.skipif(not has_ipv6(), reason="this machine has no ::1")


def refused(folder: Path, *flags: str, **environment: str) -> str:
    """What a gateway says that cannot start: one line."""
    command = [sys.executable, "-m", "gatecrash", "serve", "--data", str(folder), *flags]
    run = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False, env={**os.environ, **environment})
    assert run.returncode == 2
    assert run.stderr.count("\n") == 1, run.stderr
    return run.stderr


@BOTH
@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "::1"])
@pytest.mark.asyncio
async def test_a_gateway_on_loopback_answers_on_both_and_is_restarted_on_both(
    http: aiohttp.ClientSession, start_server: Callable[..., ServerProcess], host: str
) -> None:
    server = start_server("--memory", "--host", host)
    named = f"[{host}]" if ":" in host else host
    assert server.url == f"http://{named}:{server.port}"
    four, six = Client(http, f"http://127.0.0.1:{server.port}"), Client(http, f"http://[::1]:{server.port}")
    await four.charge()
    assert len((await six.other(four.sandbox).get("/v1/charges"))["data"]) == 1
    await four.add_fault("request.received", "crash", params={"down_s": 3600}, match={"operation": "charges.list"})
    with contextlib.suppress(aiohttp.ClientError):
        await four.get("/v1/charges")
    for family, address in ((socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1")):
        await eventually(lambda family=family, address=address: nobody_listens(family, address, server.port))


@BOTH
@pytest.mark.asyncio
async def test_after_a_crash_both_are_listened_on_again(
    http: aiohttp.ClientSession, start_server: Callable[..., ServerProcess]
) -> None:
    server = start_server("--memory")
    six = Client(http, f"http://[::1]:{server.port}")
    for _ in range(3):
        worker = await pid_of(six)
        os.kill(worker, signal.SIGKILL)

        async def another(worker: int = worker) -> bool:
            return await pid_of(six) != worker

        await eventually(another)
        assert await pid_of(Client(http, server.url)) == await pid_of(six)


def nobody_listens(family: int, address: str, port: int) -> bool:
    with socket.socket(family) as probe:
        return probe.connect_ex((address, port)) != 0


@BOTH
@pytest.mark.parametrize("address", ["127.0.0.1", "::1"])
def test_a_port_that_is_taken_on_either_is_named(tmp_path: Path, address: str) -> None:
    with socket.create_server((address, 0), family=socket.AF_INET6 if ":" in address else socket.AF_INET) as taken:
        port = taken.getsockname()[1]
        said = refused(tmp_path, "--port", str(port))
    assert f"port {port} (native) on {address} is taken by another process" in said


@BOTH
@pytest.mark.asyncio
async def test_any_port_is_one_that_is_free_on_both(monkeypatch: pytest.MonkeyPatch) -> None:
    """The first two that the system gives are taken on ::1."""
    given = []
    really, taken = serving._socket, contextlib.ExitStack()

    def busy(host: str, port: int) -> socket.socket:
        bound = really(host, port)
        if port == 0 and len(given) < 2:
            given.append(bound.getsockname()[1])
            taken.enter_context(socket.create_server(("::1", given[-1]), family=socket.AF_INET6))
        return bound

    monkeypatch.setattr(serving, "_socket", busy)
    with taken:
        bound = serving._sockets(("127.0.0.1", "::1"), 0)
        ports = {one.getsockname()[1] for one in bound}
        assert (len(bound), len(ports), len(given)) == (2, 1, 2)
        assert not ports & set(given)
        for one in bound:
            one.close()


@pytest.fixture
def without_ipv6(monkeypatch: pytest.MonkeyPatch) -> None:
    """As a machine whose kernel has no IPv6, or has it switched off."""
    really = serving._socket

    def four_alone(host: str, port: int) -> socket.socket:
        if ":" in host:
            raise OSError(99, "Cannot assign requested address")
        return really(host, port)

    monkeypatch.setattr(serving, "_socket", four_alone)


@pytest.mark.parametrize("port", [0, None])
def test_a_machine_without_ipv6_has_one_loopback(without_ipv6: Any, port: int | None) -> None:
    if port is None:
        with socket.create_server(("127.0.0.1", 0)) as probe:
            port = probe.getsockname()[1]
    bound = serving._sockets(serving.addresses_of("127.0.0.1"), port)
    assert [one.getsockname()[0] for one in bound] == ["127.0.0.1"]
    bound[0].close()
    with pytest.raises(Exception, match="Cannot assign"):
        serving._sockets(("::1",), 0)


@pytest.mark.parametrize("host", ["127.0.0.2", "0.0.0.0", "::", "gateway.example"])
def test_another_host_is_listened_on_alone(host: str) -> None:
    assert serving.addresses_of(host) == (host,)


@pytest.mark.parametrize("port", ["65536", "70000", "-1", "x", "", "8402.5", "٣", "1e3", "9" * 5000])
def test_a_port_that_is_none_is_named_in_one_line(tmp_path: Path, port: str) -> None:
    for said in (refused(tmp_path, f"--port={port}"), refused(tmp_path, GATECRASH_PORT=port) if port else ""):
        assert not said or "expected a number from 1 to 65535, or 0 for any free one." in said
        assert len(said) < 250


@pytest.mark.parametrize(
    "host",
    ["", "[::1]", "localhost:8402", "http://localhost", "999.1.1.1", "ü.example", "no.such.invalid", "8.8.8.8", "a" * 300],
)
def test_a_host_that_is_none_is_named_in_one_line(tmp_path: Path, host: str) -> None:
    said = refused(tmp_path, "--port", "0", "--host", host)
    assert f"--host was {host!r}" in said
    assert "such as 127.0.0.1" in said


def test_a_dialect_whose_port_would_be_too_high_is_named() -> None:
    class Far:
        default_port = 8406

    class Native:
        default_port = 8402

    settings = serving.Settings("127.0.0.1", {"native": 65533}, None, durable=False, seed="0", allow_hosts=frozenset())
    with pytest.raises(serving.SetupError, match=r"no port for far: that would be 65537, .* number up to 65531"):
        asyncio.run(serving._bind(settings, {"native": Native(), "far": Far()}, "far", False))  # type: ignore[dict-item]
