"""Fixtures for every room: `gateway` and `client` in this process, `core` without a shell, `server` as a real process."""

import os
import signal
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

# aiohttp reads all authorities that the system trusts when it is imported, a quarter of what it takes to start a gateway or a
# shop; nobody here speaks TLS, so what a test starts reads one that has signed nothing
os.environ["SSL_CERT_FILE"] = str(Path(__file__).with_name("support") / "nobody.pem")

import aiohttp
import pytest
import pytest_asyncio
from hypothesis import HealthCheck, settings

# behind everything else, so that an installed gatecrash is tested as it was installed
sys.path.append(str(Path(__file__).resolve().parent.parent))

from tests import parts
from tests.support import held
from tests.support.client import Client
from tests.support.core import Core
from tests.support.gateway import LiveGateway
from tests.support.process import ServerProcess

# the same examples in every run; more of them with GATECRASH_HYPOTHESIS=thorough, which also draws at random
_QUIET = (HealthCheck.too_slow, HealthCheck.data_too_large)
settings.register_profile("steady", derandomize=True, deadline=None, max_examples=30, database=None, suppress_health_check=_QUIET)
settings.register_profile("thorough", deadline=None, max_examples=1000, suppress_health_check=_QUIET)
settings.load_profile(os.environ.get("GATECRASH_HYPOTHESIS", "steady"))
held.install()

# who runs the tests in the background of a script hands SIGINT down ignored, to every program that a test starts and interrupts
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--part", choices=parts.PARTS, help="only this part of the suite (tests/parts.py)")


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Without --part, collect everything but the soak, and that too where an argument names it."""
    if collection_path.is_dir():
        return None
    wanted, part = config.getoption("--part"), parts.part(collection_path)
    if wanted is None:
        named = any(parts.SOAK in Path(argument.partition("::")[0]).parts for argument in config.args)
        return (part == parts.SOAK and not named) or None
    return (part != wanted) or None


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Long ones first."""
    places = {item.path: parts.place(item.path) for item in items}
    items.sort(key=lambda item: len(parts.ONCE) if (place := places[item.path]) is None else place)


@pytest.fixture(autouse=True)
def every_answer_is_in_its_contract() -> Iterator[None]:
    """Fails the test that received another, also where the one who read it took no notice."""
    held.breaches.clear()
    yield
    assert not held.breaches, held.breaches[0]


@pytest_asyncio.fixture
async def gateway() -> AsyncIterator[LiveGateway]:
    """A gateway of the test's own, in memory."""
    live = LiveGateway()
    await live.start()
    yield live
    await live.stop()


@pytest_asyncio.fixture
async def kept_gateway(tmp_path: Path) -> AsyncIterator[LiveGateway]:
    """A gateway over a file, for tests that restart it."""
    live = LiveGateway(str(tmp_path / "gateway.sqlite3"))
    await live.start()
    yield live
    await live.stop()


@pytest_asyncio.fixture
async def http() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:
        yield session


@pytest.fixture
def client(http: aiohttp.ClientSession, gateway: LiveGateway) -> Client:
    """A client of a sandbox of its own in `gateway`."""
    return Client(http, gateway.url)


@pytest.fixture
def core() -> Iterator[Core]:
    """Core functions in real transactions."""
    bench = Core()
    yield bench
    bench.close()


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    """One real gateway process for all tests that need no more than a sandbox in it."""
    process = ServerProcess(tmp_path_factory.mktemp("server"), "--memory")
    yield process
    process.stop()


@pytest.fixture
def start_server(tmp_path: Path) -> Iterator[Callable[..., ServerProcess]]:
    """Start real processes with flags of the test's own; whatever becomes of the test, they end with it."""
    started: list[ServerProcess] = []

    def start(*flags: str, descriptors: int | None = None) -> ServerProcess:
        started.append(ServerProcess(tmp_path, *flags, descriptors=descriptors))
        return started[-1]

    yield start
    for process in started:
        process.stop()


@pytest.fixture
def server_client(http: aiohttp.ClientSession, server: ServerProcess) -> Client:
    """A client of a sandbox of its own in the real process."""
    return Client(http, server.url)
