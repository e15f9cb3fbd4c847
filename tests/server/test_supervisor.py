"""The supervisor: how soon it starts the next worker, and what it says about the last one."""

import os
import signal
from collections.abc import Callable

import aiohttp
import pytest

from gatecrash.server.supervisor import rest_s
from tests.server.aid import pid_of
from tests.support.client import Client
from tests.support.process import ServerProcess
from tests.support.waiting import eventually

KILLED, SEGMENTATION_FAULT = int(signal.SIGKILL), int(signal.SIGSEGV)


def test_a_worker_that_dies_soon_again_and_again_rests_twice_as_long_each_time_up_to_a_limit() -> None:
    rests = [rest_s(lives, SEGMENTATION_FAULT) for lives in range(14)]
    assert rests == [0, 0, 0, 0, 0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 6.4, 10, 10, 10]
    assert rest_s(10**6, SEGMENTATION_FAULT) == 10


def test_whoever_kills_it_with_intent_has_it_back_soon() -> None:
    assert max(rest_s(lives, KILLED) for lives in range(1000)) == 0.2


@pytest.mark.asyncio
async def test_a_worker_that_dies_as_soon_as_it_is_ready_is_said_to_and_comes_back_later(
    http: aiohttp.ClientSession, start_server: Callable[..., ServerProcess]
) -> None:
    server = start_server("--memory")
    client = Client(http, server.url)
    said = "for the 4th time in a row within 1 s of being ready; up again in 0.1 s"
    deaths = 0

    async def strike() -> bool:
        nonlocal deaths
        os.kill(await pid_of(client), signal.SIGABRT)
        deaths += 1
        await eventually(lambda: server.log.count("up again in") >= deaths)
        return said in server.log

    await eventually(strike)  # more than four times where the machine is so slow that a life is a long one
    assert "was killed by SIGABRT" in server.log


@pytest.mark.asyncio
async def test_a_crash_rule_keeps_its_own_time_however_often_it_strikes(
    http: aiohttp.ClientSession, start_server: Callable[..., ServerProcess]
) -> None:
    server = start_server("--memory")
    client = Client(http, server.url)
    for crash in range(1, 7):
        await client.add_fault("request.received", "crash", params={"down_s": 0.01})
        with pytest.raises(aiohttp.ClientError):
            await client.get("/v1/charges")
        await eventually(lambda crash=crash: server.log.count("up again in 0.01 s") == crash)
        await pid_of(client)
    assert "in a row" not in server.log
