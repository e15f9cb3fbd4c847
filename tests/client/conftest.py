"""A handle of a sandbox of the test's own, in the one real process."""

import itertools
from collections.abc import Iterator

import pytest

from gatecrash.client import Http, Sandbox
from tests.support.process import ServerProcess

_NAMES = itertools.count(1)


@pytest.fixture(scope="session")
def shared_http(server: ServerProcess) -> Iterator[Http]:
    http = Http(server.url)
    yield http
    http.close()


@pytest.fixture
def sandbox(server: ServerProcess, shared_http: Http) -> Sandbox:
    return Sandbox(server.url, f"client-{next(_NAMES)}", http=shared_http)
