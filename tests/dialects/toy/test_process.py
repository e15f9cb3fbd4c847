"""A dialect of another package, found by its entry point; and a gateway that is killed at each station of its calls."""

from collections.abc import Iterator
from pathlib import Path

import aiohttp
import pytest

from tests.dialects.toy.speaker import Toy, done
from tests.server.aid import insist, lost
from tests.support import held
from tests.support.client import Client
from tests.support.process import ServerProcess

pytestmark = pytest.mark.asyncio

BEFORE = ("request.received", "operation.claimed", "operation.executed")
AFTER = ("operation.committed", "response.partial", "response.sent")


@pytest.fixture(scope="module")
def mortal(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    """A gateway beside which the toy dialect is installed, as pip would."""
    folder = tmp_path_factory.mktemp("mortal")
    package = folder / "site" / "toy-1.dist-info"
    package.mkdir(parents=True)
    (package / "METADATA").write_text("Metadata-Version: 2.1\nName: toy\nVersion: 1\n")
    (package / "entry_points.txt").write_text("[gatecrash.dialects]\ntoy = tests.dialects.toy.dialect:dialect\n")
    (folder / "site" / "tests").symlink_to(Path(__file__).parents[2])
    process = ServerProcess(folder, "--data", str(folder / "data"), path=folder / "site")
    held.exempt(f"{process.url}/toy/", f"{process.urls['toy']}/")
    yield process
    assert process.stop() == 0, process.log
    assert "Traceback" not in process.log, process.log


@pytest.mark.parametrize("station", BEFORE + AFTER)
async def test_a_crash_leaves_all_of_a_confirmed_intent_or_nothing(
    http: aiohttp.ClientSession, mortal: ServerProcess, station: str
) -> None:
    toy = Toy(http, mortal.urls["toy"], Client(http, mortal.url, f"crash-{station.replace('.', '-')}"))
    intent, card = await toy.intent(), await toy.card()
    path = f"/intents/{intent}/confirm"
    await toy.control.add_fault(station, "crash", params={"down_s": 0.01}, match={"operation": "charges.create"})
    await lost(toy.post(path, card=card, once="k"))
    found = done(await insist(lambda: toy.call("GET", f"/intents/{intent}")))
    kept = station in AFTER
    assert (found["state"], found["taken"]) == (("taken", 4200) if kept else ("new", 0))
    books = await toy.control.books()
    assert (books["balanced"], books["transfers"]) == (True, int(kept))
    retried = await toy.post(path, card=card, once="k")
    assert (done(retried)["state"], "Toy-Again" in retried.headers) == ("taken", kept)
    assert len((await toy.control.get("/v1/events"))["data"]) == 1


async def test_a_modification_outlasts_the_death_of_the_process(http: aiohttp.ClientSession, mortal: ServerProcess) -> None:
    toy = Toy(http, mortal.urls["toy"], Client(http, mortal.url, "modified"))
    await toy.control.post("/_gatecrash/clock", {"mode": "frozen"})
    intent = await toy.paid(hold="true")
    path = f"/intents/{intent['id']}/captures"
    await toy.control.add_fault("response.sent", "crash", params={"down_s": 0.01}, match={"operation": "charges.capture"})
    await lost(toy.post(path, once="k"))
    received = done(await insist(lambda: toy.post(path, once="k")))
    assert received["state"] == "received"
    await toy.control.advance(60)
    assert (await toy.get(f"/intents/{intent['id']}"))["taken"] == 4200
    again = await toy.post(path, once="k")
    assert (done(again)["state"], again.headers["Toy-Again"]) == ("done", "yes")
