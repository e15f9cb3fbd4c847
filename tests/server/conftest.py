"""A real gateway process that may be crashed, and a client of a sandbox in it."""

from collections.abc import Iterator

import aiohttp
import pytest

from tests.support.client import Client
from tests.support.process import ServerProcess
from tests.webhooks.conftest import shop  # noqa: F401 - a fixture


@pytest.fixture(scope="session")
def mortal(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    """A gateway with a data folder, for tests that crash it: it comes back, so they can share it."""
    folder = tmp_path_factory.mktemp("mortal")
    process = ServerProcess(folder, "--data", str(folder / "data"))
    yield process
    assert process.stop() == 0, process.log
    assert "Traceback" not in process.log, process.log


@pytest.fixture
def merchant(http: aiohttp.ClientSession, mortal: ServerProcess) -> Client:
    """A client of a sandbox of its own in `mortal`."""
    return Client(http, mortal.url)
