"""Every answer that a test receives is held against its contract, whichever client received it.

Installed over aiohttp's client once a process (`install`), so that no test can forget it. A breach is raised where the answer is
read, and remembered, in case the reader swallows it: a fixture of tests/conftest.py fails the test all the same.
"""

import json
from collections import defaultdict
from collections.abc import Mapping
from typing import Any

import aiohttp

from gatecrash.dialects import registry
from tests.contracts.checker import Breach, load

# kinds of fault that put another answer in the place of the one that was due
_FORGING = ("status", "garbage", "rate_limit")
_held: dict[str, str] = {}
_forged: set[tuple[str, str]] = set()
breaches: list[Breach] = []
# contract → operation → statuses that were seen, in this process
seen: defaultdict[str, defaultdict[str, set[str]]] = defaultdict(lambda: defaultdict(set))
_other_dialects = tuple(f"/{name}/" for name in registry.load() if name != "native")
# the beginnings of URLs at which another dialect is spoken than the contract's
_exempt: set[str] = set()


def hold(url: str, contract: str) -> None:
    """Hold what is at `url` to a contract, `gateway` or `merchant`, until it is let go.

    A gateway that nobody told of is known by its Request-Id.
    """
    _held[url] = contract


def exempt(*beginnings: str) -> None:
    """Hold nothing whose URL begins so: another dialect is spoken there."""
    _exempt.update(beginnings)


def let_go(url: str) -> None:
    _held.pop(url, None)


def check(
    origin: str, method: str, path: str, asked: Mapping[str, str], status: int, headers: Mapping[str, str], body: bytes
) -> None:
    """Raise Breach unless the contract of `origin`, if it is held to one, has this answer. `asked`: the request's headers."""
    name = _held.get(origin) or ("gateway" if headers.get("Request-Id", "").startswith("req_") else None)
    if name is None or path.startswith(_other_dialects) or f"{origin}{path}".startswith(tuple(_exempt)):
        return
    contract = load(name)
    try:
        contract.check(method, path, status, headers, body)
    except Breach as breach:
        if not _is_forged(origin, path, asked):
            breaches.append(breach)
            raise
    else:
        if (operation := contract.find(method, path)) is not None:
            seen[name][operation.id].add(str(status))
            if operation.id == "faults.add" and status == 201 and json.loads(body)["kind"] in _FORGING:
                _forged.add((origin, _sandbox(asked)))


def _is_forged(origin: str, path: str, asked: Mapping[str, str]) -> bool:
    """Whether a fault rule of its sandbox, or of its own, may have made this answer, and not the gateway."""
    own = any(f"={kind}" in asked.get("Gatecrash-Fault", "") for kind in _FORGING)
    return path.startswith("/v1/") and (own or (origin, _sandbox(asked)) in _forged)


def _sandbox(asked: Mapping[str, str]) -> str:
    return asked.get("Authorization", "").rpartition("_test_")[2]


def install() -> None:
    """Have aiohttp's client hold every answer, as soon as its body has been read."""
    read = aiohttp.ClientResponse.read

    async def read_and_check(self: aiohttp.ClientResponse) -> bytes:
        unread = self._body is None
        body = await read(self)
        if unread:
            request: Any = self.request_info
            path = request.url.raw_path_qs
            check(str(request.url.origin()), request.method, path, request.headers, self.status, self.headers, body)
        return body

    aiohttp.ClientResponse.read = read_and_check  # type: ignore[method-assign]
