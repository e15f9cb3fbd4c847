"""A user's project that tests with the plugin, and pytest as users run it, in a process of its own."""

import os
import re
import subprocess
import sys
import textwrap
from pathlib import Path

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
                for status in ("503", "503", "500"):
                    with pytest.raises(GatewayError, match=status):
                        gateway.charges()
        """,
}
COMMANDS = {
    "pytest": [str(Path(sys.executable).with_name("pytest"))],
    "python -m pytest": [sys.executable, "-m", "pytest"],
    "two workers": [sys.executable, "-m", "pytest", "-n", "2"],
}
_PASSED = re.compile(r"\b8 passed\b")
# other plugins of this environment, which take seconds to load
_QUICK = "-p no:schemathesis -p no:hypothesispytest -p no:cacheprovider"


def write(folder: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(textwrap.dedent(text))
    return folder


def run_pytest(
    folder: Path, *arguments: str, command: str = "python -m pytest", env: dict[str, str] | None = None
) -> "subprocess.CompletedProcess[str]":
    """Run pytest there, without what our own run says to itself by the environment."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("GATECRASH_", "PYTEST_"))}
    return subprocess.run(
        [*COMMANDS[command], *arguments],
        cwd=folder, env={**kept, "PYTEST_ADDOPTS": _QUICK, **(env or {})}, capture_output=True, text=True, check=False,
    )  # fmt: skip


def assert_passed(done: "subprocess.CompletedProcess[str]") -> None:
    """Every test of PROJECT did, and nothing was complained about."""
    assert _PASSED.search(done.stdout), done.stdout + done.stderr
    assert (done.returncode, done.stderr) == (0, "")
