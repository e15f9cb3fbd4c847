"""A shop that cannot be played though nothing strikes: one message says what it was asked and answered, and where to look."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

Prove = Callable[..., "subprocess.CompletedProcess[str]"]

SHOP = """
import os, time
from aiohttp import web

BREAK = os.environ["BREAK"]

async def order(request):
    if BREAK == "blocks":
        time.sleep(2)
    if BREAK == "fails" or (BREAK == "sells-for-dollars" and (await request.json())["currency"] != "usd"):
        raise RuntimeError("no such table: orders")
    if BREAK == "speaks-html":
        return web.Response(text="<html>Thank you!</html>", status=201, content_type="text/html")
    return web.json_response({"id": 1}, status=201)

async def told(request):
    return web.json_response({"status": "FAILED"})

def make():
    if BREAK == "does-not-start":
        raise RuntimeError("no database today")
    app = web.Application()
    app.add_routes([web.post("/orders", order), web.post("/pay", told), web.get("/orders/{id}", told)])
    return app
"""
PROFILE = """
name = "broken"
url = "http://127.0.0.1:1"
[simulated]
app = "shop:make"
env = { BREAK = "%s" }
[place_order]
path = "/orders"
body = { amount = "{amount}", currency = "{currency}" }
[pay]
path = "/pay"
body = { order = "{order_id}", nonce = "{nonce}" }
[read_order]
path = "/orders/{order_id}"
"""
#: What is broken → what is told of it, in this order.
BROKEN = {
    "fails": (
        "merchant.toml:8: [place_order] path: POST /orders was answered 500 ",
        "expected a 2xx with the order's id at '/id' (place_order.order_id)\n  the shop's last words:\n",
        "RuntimeError: no such table: orders\n",
    ),
    "speaks-html": (
        "merchant.toml:7: [place_order] order_id: POST /orders was answered 201 with a body that is no JSON: '<html>Thank",
    ),
    "blocks": (
        "time.sleep(2) blocks the event loop, at ",
        "shop.py:9 in order, cannot be simulated: await asyncio.sleep instead",
    ),
    "does-not-start": (
        "RuntimeError: no database today\n",
        "the merchant cannot be simulated: merchant.toml:5: [simulated] app: the merchant did not start: RuntimeError: no d",
    ),
}
NEXT = "\n  what it is asked and answers, step by step: gatecrash check merchant.toml\n"


@pytest.fixture
def prove(tmp_path: Path) -> Prove:
    def run(broken: str, *arguments: str) -> "subprocess.CompletedProcess[str]":
        (tmp_path / "shop.py").write_text(SHOP, encoding="utf-8")
        (tmp_path / "merchant.toml").write_text(PROFILE % broken, encoding="utf-8")
        command = [sys.executable, "-m", "gatecrash", "prove", "--world", "simulated", "--jobs", "1", *arguments]
        return subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=100, check=False)

    return run


@pytest.mark.parametrize(
    "what", [("--story", "happy-path", "--story", "two-tabs"), ("--workloads", "5")], ids=["stories", "workloads"]
)
@pytest.mark.parametrize("broken", BROKEN)
def test_a_shop_that_cannot_be_played_is_told_of_once(prove: Prove, broken: str, what: tuple[str, ...]) -> None:
    done = prove(broken, *what)
    assert (done.returncode, done.stdout) == (2, ""), done.stdout + done.stderr
    at = 0
    for part in (*BROKEN[broken], NEXT):
        at = done.stderr.find(part, at)
        assert at >= 0, f"{part}\n  is missing in\n{done.stderr}"
    assert done.stderr.count("POST /orders was answered") == (broken in ("fails", "speaks-html"))


def test_a_story_that_alone_cannot_be_played_stands_among_the_others_and_is_left_out_of_reports(
    prove: Prove, tmp_path: Path
) -> None:
    done = prove(
        "sells-for-dollars", "--faults", "0", "--story", "happy-path", "--story", "yen-have-no-cents", "--junit", "out.xml"
    )
    assert done.returncode == 1, done.stdout + done.stderr
    told = (
        "0 schedules        0 states; it cannot be played when nothing strikes: merchant.toml:8: [place_order] path: POST /orders"
    )
    assert f"not proved yen-have-no-cents                       {told}" in done.stdout
    assert "violated in 1 of 2 stories" in done.stdout
    assert '<skipped message="merchant.toml:8: [place_order] path: POST /orders' in (tmp_path / "out.xml").read_text(
        encoding="utf-8"
    )


@pytest.mark.parametrize("what", [(), ("--workloads", "5")], ids=["stories", "workloads"])
def test_a_profile_that_names_no_application_is_told_so(prove: Prove, tmp_path: Path, what: tuple[str, ...]) -> None:
    (tmp_path / "no-app.toml").write_text(PROFILE[: PROFILE.index("[sim")] + PROFILE[PROFILE.index("[place") :], encoding="utf-8")
    done = prove("fails", "no-app.toml", *what)
    assert done.returncode == 2
    assert "gatecrash: prove: no-app.toml: has no table [simulated]; name the shop's application there" in done.stderr
