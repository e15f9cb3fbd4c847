"""The plugin in a user's project, run as users run it: by `pytest`, by `python -m pytest`, and by four workers."""

import os
import re
import subprocess
import sys
import textwrap
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.support.process import ServerProcess

PROJECT = {
    # folders whose names Gatecrash has too, with modules of the user's own
    "contracts/__init__.py": "",
    "contracts/prices.py": "PRICE = 4200",
    "scenarios/__init__.py": "CARD = '4242424242424242'",
    "simulator/__init__.py": "OURS = True",
    "conftest.py": "import contracts.prices, scenarios, simulator",
    "pytest.ini": "[pytest]\naddopts = --strict-markers\nasyncio_mode = strict\nfilterwarnings = error\n",
    "tests/test_shop.py": """
        import asyncio

        import pytest

        import contracts.prices
        import scenarios
        from gatecrash import GatewayError, GatewayUnreachable

        PRICE, CARD = contracts.prices.PRICE, scenarios.CARD

        def test_a_charge(gateway):
            assert gateway.charge(PRICE, card=CARD)["status"] == "succeeded"
            assert len(gateway.charges()) == 1

        @pytest.mark.parametrize("number", [CARD, "5555555555554444", "378282246310005"])
        def test_each_has_a_sandbox_of_its_own(gateway, number):
            assert gateway.charges() == []
            gateway.charge(card=number)

        @pytest.mark.asyncio
        async def test_an_async_one(gateway):
            sandbox = gateway.aio
            async with sandbox.webhooks.catch() as caught:
                charge, _ = await asyncio.gather(sandbox.charge(), caught.wait_for("charge.succeeded"))
            assert await sandbox.charges() == [charge]

        @pytest.mark.gateway_fault("operation.committed", "reset", match={"operation": "charges.create"})
        def test_a_lost_answer(gateway):
            nonce = gateway.nonce()
            with pytest.raises(GatewayUnreachable):
                gateway.charge(payment_nonce=nonce)
            (charge,) = gateway.charges()
            assert charge["payment_nonce"] == nonce

        @pytest.mark.gateway_fault("operation.committed", "crash", match={"operation": "charges.create"})
        def test_a_crash(gateway_process):
            with pytest.raises(GatewayUnreachable):
                gateway_process.charge()
            assert len(gateway_process.charges()) == 1

        @pytest.mark.gateway_fault("request.received", "status", params={"status": 503}, times=2)
        class TestBusy:
            @pytest.mark.gateway_fault("request.received", "status", params={"status": 500}, match={"operation": "charges.list"})
            def test_rules_of_the_class_and_of_the_test(self, gateway):
                assert [rule["params"]["status"] for rule in gateway.faults.list()] == [503, 500]
                with pytest.raises(GatewayError, match="503"):
                    gateway.charges()
        """,
}
COMMANDS = {
    "pytest": [str(Path(sys.executable).with_name("pytest"))],
    "python -m pytest": [sys.executable, "-m", "pytest"],
    "four workers": [sys.executable, "-m", "pytest", "-n", "4"],
}
PASSED = re.compile(r"\b8 passed\b")


def write(folder: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(textwrap.dedent(text))
    return folder


@pytest.fixture
def run(tmp_path: Path) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Run pytest in the folder of this test, without what our own run says to itself by the environment."""

    def in_folder(
        *arguments: str, command: list[str] | None = None, env: dict[str, str] | None = None
    ) -> subprocess.CompletedProcess[str]:
        # other plugins of this environment, which take seconds to load
        quick = {"PYTEST_ADDOPTS": "-p no:schemathesis -p no:hypothesispytest"}
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("GATECRASH_", "PYTEST_"))}
        line = [*(command or COMMANDS["python -m pytest"]), "-p", "no:cacheprovider", *arguments]
        return subprocess.run(line, cwd=tmp_path, env={**kept, **quick, **(env or {})}, capture_output=True, text=True, check=False)

    return in_folder


Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.mark.parametrize("command", COMMANDS)
def test_a_project_with_folders_of_our_names_passes(run: Run, tmp_path: Path, command: str) -> None:
    write(tmp_path, PROJECT)
    done = run(command=COMMANDS[command])
    assert PASSED.search(done.stdout), done.stdout + done.stderr
    assert (done.returncode, done.stderr) == (0, "")


@pytest.fixture
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    server = ServerProcess(tmp_path_factory.mktemp("running"), "--memory")
    yield server
    server.stop()


def test_a_gateway_that_runs_already_is_used_and_left_clean(run: Run, tmp_path: Path, running: ServerProcess) -> None:
    write(tmp_path, PROJECT)
    for _ in range(2):
        done = run("-n", "2", env={"GATECRASH_URL": running.url})
        assert PASSED.search(done.stdout), done.stdout + done.stderr
        assert f"gatecrash: {running.url}, seed " in done.stdout


FAILING = {
    "test_shop.py": """
        import pytest

        @pytest.mark.gateway_fault("operation.committed", "status", params={"status": 502}, match={"operation": "charges.create"})
        def test_it_fails(gateway):
            print("CHARGE", gateway.charge(order_id="o-1")["id"])

        def test_ids(gateway):
            print("NAME", gateway.name, "ID", gateway.charge()["id"])
        """,
}


def test_a_test_that_fails_shows_its_journal_its_rules_and_the_way_back(run: Run, tmp_path: Path) -> None:
    write(tmp_path, FAILING)
    done = run("--gatecrash-seed", "my seed")
    assert done.returncode == 1, done.stdout
    assert re.search(r"-+ gatecrash: sandbox test-it-fails-[a-p]{12}, seed my seed -+", done.stdout), done.stdout
    assert "→ POST /v1/charges order_id=o-1 amount=4200" in done.stdout
    assert "✗ status at operation.committed" in done.stdout
    assert "status at operation.committed, met 1 times, struck 1 times" in done.stdout
    assert "Again with the same seed: pytest test_shop.py::test_it_fails --gatecrash-seed='my seed'" in done.stdout
    assert "4242424242424242" not in done.stdout
    assert "gatecrash: seed my seed" in done.stdout


def test_the_same_seed_gives_the_same_ids_and_another_others(run: Run, tmp_path: Path) -> None:
    write(tmp_path, FAILING)

    def told(seed: str, *arguments: str) -> list[str]:
        done = run("-k", "test_ids", "-rP", *arguments, env={"GATECRASH_SEED": seed} if seed else {})
        return re.findall(r"NAME (\S+) ID (\S+)", done.stdout)

    unasked = told("")
    assert len(unasked) == 1
    assert unasked == told("0") == told("1", "--gatecrash-seed=0")
    assert told("1") != unasked


def test_what_cannot_be_armed_says_so(run: Run, tmp_path: Path) -> None:
    write(
        tmp_path,
        {
            "test_wrong.py": """
            import pytest

            @pytest.mark.gateway_fault("no.station", "reset")
            def test_unknown(gateway): pass

            @pytest.mark.gateway_fault("response.sent")
            def test_half(gateway): pass

            @pytest.mark.gateway_fault("operation.committed", "crash")
            def test_crash_in_a_thread(gateway): pass

            @pytest.mark.gateway_fault("response.sent", "reset", times=None)
            def test_without_a_gateway(): pass
            """
        },
    )
    done = run("--tb=short")
    assert "4 errors" in done.stdout, done.stdout
    assert "gateway_fault('no.station', 'reset') cannot be armed: POST /_gatecrash/faults was answered 400" in done.stdout
    assert "missing 1 required positional argument: 'kind'" in done.stdout
    assert "Gateway(process=True)" in done.stdout
    assert "gateway_fault('response.sent', 'reset', times=None) would break nothing" in done.stdout


def test_a_project_may_bring_a_gateway_of_its_own(run: Run, tmp_path: Path) -> None:
    write(
        tmp_path,
        {
            "conftest.py": """
            import gatecrash, pytest

            @pytest.fixture(scope="session")
            def gateway_server(tmp_path_factory):
                with gatecrash.Gateway(data=tmp_path_factory.mktemp("kept"), seed="ours") as server:
                    yield server
            """,
            "test_it.py": "def test_it(gateway, gateway_server): assert gateway.charge() and gateway_server.seed == 'ours'",
        },
    )
    done = run()
    assert "1 passed" in done.stdout, done.stdout


def test_a_gateway_that_stays_down_does_not_take_the_next_test_along(run: Run, tmp_path: Path) -> None:
    write(
        tmp_path,
        {
            "conftest.py": "import gatecrash.embedded.gateway as it; it._PATIENCE_S = 0.2",
            "test_it.py": """
            import pytest, gatecrash

            @pytest.mark.gateway_fault("request.received", "crash", params={"down_s": 3600})
            def test_first(gateway_process):
                with pytest.raises(gatecrash.GatewayUnreachable):
                    gateway_process.charges()

            def test_second(gateway_process):
                assert gateway_process.charges() == []
            """,
        },
    )
    done = run()
    assert "2 passed" in done.stdout, done.stdout
