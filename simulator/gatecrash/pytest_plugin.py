"""The pytest plugin: a private sandbox for each test, in a gateway that the whole run shares.

Nothing heavy is imported here: it is loaded by every pytest run in an environment that has gatecrash installed.
"""

import hashlib
import os
import re
import shlex
from collections.abc import Callable, Generator, Iterator
from typing import TYPE_CHECKING, NoReturn, Protocol

import pytest

if TYPE_CHECKING:
    from gatecrash import Gateway, Sandbox

_FIXTURES = ("gateway", "gateway_process")
_MARKER = "gateway_fault"
_SHOWN = 40
# digits would do, but too many in a row could pass for a card number
_LETTERS = str.maketrans("0123456789", "ghijklmnop")
_SANDBOXES = pytest.StashKey[list["Sandbox"]]()
_FAILED = pytest.StashKey[bool]()
# the rules that markers have armed: sandbox, rule id, and the marker in words
_ARMED = pytest.StashKey[list[tuple["Sandbox", str, str]]]()
_RUN = pytest.StashKey["Run"]()
# what was said of markers that are wrong, and by which test
_TOLD = pytest.StashKey[dict[str, str]]()


class Server(Protocol):
    """What a `gateway_server` must be able to do; a `gatecrash.Gateway` is one."""

    def sandbox(self, name: str) -> "Sandbox": ...


class Run:
    """What was asked of this run: its seed, and the address of a gateway that runs already, if it is to be used."""

    def __init__(self, config: pytest.Config) -> None:
        self.url: str | None = config.getoption("gatecrash_url") or os.environ.get("GATECRASH_URL") or None
        asked = config.getoption("gatecrash_seed") or os.environ.get("GATECRASH_SEED")
        self.asked = bool(self.url or asked)
        # in a gateway that others use too, the names of a run's sandboxes are its own
        self.seed: str = asked or (os.urandom(4).hex() if self.url else "0")

    def sandbox_name(self, item: pytest.Item) -> str:
        """The same for a test in every run with this seed, since a sandbox's own seed comes from its name."""
        readable = re.sub(r"[^A-Za-z]+", "-", getattr(item, "originalname", None) or item.name).strip("-")[:40]
        told = f"{item.nodeid} {self.seed if self.url else ''}".encode(errors="replace")
        return f"{readable}-{hashlib.blake2b(told, digest_size=6).hexdigest().translate(_LETTERS)}"


class RunningServer:
    """A gateway that somebody else started."""

    def __init__(self, url: str) -> None:
        from gatecrash.client import Http

        self.http = Http(url, patience_s=2.0)  # a sandbox of it may be on its way up after a crash

    def sandbox(self, name: str) -> "Sandbox":
        from gatecrash.client import Sandbox

        token = os.environ.get("GATECRASH_CONTROL_TOKEN") or None
        return Sandbox(self.http.url, name, control_token=token, http=self.http)


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("gatecrash", "a payment gateway that fails on purpose")
    group.addoption(
        "--gatecrash-seed",
        metavar="SEED",
        help="Same seed, same ids and choices in every test's sandbox; GATECRASH_SEED says the same. Default: 0.",
    )
    group.addoption(
        "--gatecrash-url",
        metavar="URL",
        help="Use the gateway that runs there, not one of this run's own; GATECRASH_URL says the same.",
    )


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line(
        "markers",
        f"{_MARKER}(station, kind, *, params, match, nth, times, probability, seed, may_not_strike=False): "
        "arm a fault rule in the test's sandbox before it begins; a test whose rule never strikes fails, unless the rule "
        "may_not_strike. See `gatecrash faults stations`.",
    )
    config.stash[_RUN] = Run(config)


def pytest_report_header(config: pytest.Config) -> str | None:
    run = config.stash[_RUN]
    return f"gatecrash: {f'{run.url}, ' if run.url else ''}seed {run.seed}" if run.asked else None


# --- fixtures


@pytest.fixture(scope="session")
def gateway_server(request: pytest.FixtureRequest) -> Iterator[Server]:
    """The gateway that all tests of this run share: in a thread of its own, or the one at GATECRASH_URL.

    Override it to start another: `with gatecrash.Gateway(…) as server: yield server`.
    """
    from gatecrash import Gateway

    run = request.config.stash[_RUN]
    if run.url is None:
        with Gateway(seed=run.seed) as server:
            yield server
        return
    running = RunningServer(run.url)
    yield running
    running.http.close()


@pytest.fixture(scope="session")
def gateway_process_server(request: pytest.FixtureRequest) -> "Iterator[Gateway]":
    """The gateway that all crash tests of this run share: a process of its own, which is up again after it crashed."""
    from gatecrash import Gateway

    with Gateway(process=True, seed=request.config.stash[_RUN].seed) as server:
        yield server


@pytest.fixture
def gateway(request: pytest.FixtureRequest, gateway_server: Server) -> "Iterator[Sandbox]":
    """A private sandbox, a `gatecrash.Sandbox`: its own keys, objects, clock and faults. `gateway.aio` is for async tests."""
    yield from _private_sandbox(request, gateway_server, lambda: None)


@pytest.fixture
def gateway_process(request: pytest.FixtureRequest, gateway_process_server: "Gateway") -> "Iterator[Sandbox]":
    """A private sandbox in a gateway that is a real process, and may be made to crash."""

    def again() -> None:
        gateway_process_server.close()
        gateway_process_server.start()

    yield from _private_sandbox(request, gateway_process_server, again)


def _private_sandbox(request: pytest.FixtureRequest, server: Server, start_again: Callable[[], None]) -> "Iterator[Sandbox]":
    from gatecrash.client import GatewayError, GatewayUnreachable

    item: pytest.Item = request.node
    sandbox = server.sandbox(item.config.stash[_RUN].sandbox_name(item))
    item.stash.setdefault(_SANDBOXES, []).append(sandbox)
    sandbox.reset()  # an earlier run, or an earlier try of this test, may have left something in it
    for marker in reversed(list(item.iter_markers(_MARKER))):  # the nearest last
        wrong: str | None = None
        try:
            rule = sandbox.faults.add(*marker.args, **marker.kwargs)
            if not marker.kwargs.get("may_not_strike", False):
                item.stash.setdefault(_ARMED, []).append((sandbox, rule["id"], _shown(marker)))
        except (GatewayError, TypeError, ValueError) as error:
            wrong = str(error)
        if wrong is not None:  # not while it is handled: pytest would print both errors
            _fail_once(item, f"{_shown(marker)} cannot be armed", wrong)
    yield sandbox
    if item.config.stash[_RUN].url is not None and item.stash.get(_FAILED, False):
        return  # left as it is in a gateway that outlasts the run, to be looked at
    try:
        sandbox.remove()  # cuts off what is on its way
    except GatewayError:
        pass  # the test has removed it itself
    except GatewayUnreachable:
        start_again()


# --- around a test


def pytest_runtest_setup(item: pytest.Item) -> None:
    marker = item.get_closest_marker(_MARKER)
    if marker is not None and not set(_FIXTURES).intersection(getattr(item, "fixturenames", ())):
        _fail_once(item, f"{_shown(marker)} would break nothing", f"the test uses neither of {', '.join(_FIXTURES)}.")


def _fail_once(item: pytest.Item, what: str, why: str) -> NoReturn:
    """Fail a test because of a marker. Several tests may share it: only the first says why."""
    told = item.config.stash.setdefault(_TOLD, {})
    first = told.setdefault(what, item.nodeid)
    pytest.fail(f"{what}: {why if first == item.nodeid else f'see {first}'}", pytrace=False)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None]:
    """Fail a test that passed although a rule of its markers never struck: it tested nothing of what the marker says."""
    yield
    idle = [marker for sandbox, rule_id, marker in item.stash.get(_ARMED, []) if _never_struck(sandbox, rule_id)]
    if idle:
        markers = "\n".join(dict.fromkeys(idle))
        pytest.fail(
            f"the test passed, and this never struck, so nothing was tested against it:\n{markers}\n"
            "Have the test do what the rule matches, or mend the rule; with may_not_strike=True the marker allows it.",
            pytrace=False,
        )


def _never_struck(sandbox: "Sandbox", rule_id: str) -> bool:
    """Whether the rule is still armed and has struck nothing; a rule that the test took away is the test's affair."""
    from gatecrash.client import GatewayError, GatewayUnreachable

    try:
        return not sandbox.faults.get(rule_id)["fired"]
    except (GatewayError, GatewayUnreachable):
        return False


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """A test that failed shows what its sandbox saw."""
    report = yield
    if report.failed and report.when != "teardown":
        item.stash[_FAILED] = True
        seed = item.config.stash[_RUN].seed
        for sandbox in item.stash.get(_SANDBOXES, []):
            report.sections.append((f"gatecrash: sandbox {sandbox.name}, seed {seed}", _told(item, sandbox, seed)))
    return report


def _told(item: pytest.Item, sandbox: "Sandbox", seed: str) -> str:
    """The end of its journal, its rules, and how to see it all again."""
    from gatecrash.client import GatewayError, GatewayUnreachable
    from gatecrash.client.lines import lines, what_matters
    from gatecrash.counted import counted

    try:
        journal = sandbox.journal()
        told = lines(journal, _SHOWN) or ["The journal is empty: nothing was asked of this sandbox."]
        told = [*what_matters(journal), *told]
        told += [
            f"rule {rule['id']}: {rule['kind']} at {rule['station']}, met {counted(rule['seen'], 'time')}, "
            f"struck {counted(rule['fired'], 'time')}"
            for rule in sandbox.faults.list()
        ]
    except (GatewayError, GatewayUnreachable) as error:
        told = [f"The journal cannot be read: {error}"]
    return "\n".join([*told, f"Again with the same seed: pytest {shlex.quote(item.nodeid)} --gatecrash-seed={shlex.quote(seed)}"])


def _shown(marker: pytest.Mark) -> str:
    given = [repr(one) for one in marker.args] + [f"{name}={value!r}" for name, value in marker.kwargs.items()]
    return f"@pytest.mark.{marker.name}({', '.join(given)})"
