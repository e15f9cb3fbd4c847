"""The plugin in a user's project, in a process of its own; `tests/packaging` runs it from the wheel and editable, three ways."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from gatecrash import Sandbox
from tests.support.process import ServerProcess
from tests.support.project import PROJECT, assert_passed, run_pytest, write


@pytest.fixture
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    server = ServerProcess(tmp_path_factory.mktemp("running"), "--memory")
    yield server
    server.stop()


def test_a_gateway_that_runs_already_is_used_and_left_clean(tmp_path: Path, running: ServerProcess) -> None:
    write(tmp_path, PROJECT)
    for _ in range(2):
        done = run_pytest(tmp_path, "-n", "2", env={"GATECRASH_URL": running.url})
        assert_passed(done)
        assert f"gatecrash: {running.url}, seed " in done.stdout
    known = Sandbox(running.url, "look").request("GET", "/_gatecrash/sandboxes")["data"]
    assert {one["name"] for one in known} <= {"look"}


def test_a_gateway_that_runs_already_keeps_what_a_failed_test_left(tmp_path: Path, running: ServerProcess) -> None:
    write(tmp_path, FAILING)
    env = {"GATECRASH_URL": running.url, "GATECRASH_SEED": "mine"}
    (name,) = re.findall(r"gatecrash: sandbox (\S+), seed mine", run_pytest(tmp_path, env=env).stdout)
    assert len(Sandbox(running.url, name).charges(order_id="o-1")) == 1


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


def test_a_test_that_fails_shows_its_journal_its_rules_and_the_way_back(tmp_path: Path) -> None:
    write(tmp_path, FAILING)
    done = run_pytest(tmp_path, "--gatecrash-seed", "my seed")
    assert done.returncode == 1, done.stdout
    assert re.search(r"-+ gatecrash: sandbox test-it-fails-[a-p]{12}, seed my seed -+", done.stdout), done.stdout
    assert "→ POST /v1/charges order_id=o-1 amount=4200" in done.stdout
    assert "✗ status at operation.committed" in done.stdout
    assert "status at operation.committed, met 1 time, struck 1 time" in done.stdout
    assert "Again with the same seed: pytest test_shop.py::test_it_fails --gatecrash-seed='my seed'" in done.stdout
    assert "4242424242424242" not in done.stdout
    assert "gatecrash: seed my seed" in done.stdout


def test_the_same_seed_gives_the_same_ids_and_another_others(tmp_path: Path) -> None:
    write(tmp_path, FAILING)

    def told(seed: str, *arguments: str) -> list[str]:
        done = run_pytest(tmp_path, "-k", "test_ids", "-rP", *arguments, env={"GATECRASH_SEED": seed} if seed else {})
        return re.findall(r"NAME (\S+) ID (\S+)", done.stdout)

    unasked = told("")
    assert len(unasked) == 1
    assert unasked == told("1", "--gatecrash-seed=0")
    assert told("1") != unasked


def test_what_cannot_be_armed_says_so(tmp_path: Path) -> None:
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
    done = run_pytest(tmp_path, "--tb=short")
    assert "4 errors" in done.stdout, done.stdout
    assert "gateway_fault('no.station', 'reset') cannot be armed: POST /_gatecrash/faults was answered 400" in done.stdout
    assert "missing 1 required positional argument: 'kind'" in done.stdout
    assert "Gateway(process=True)" in done.stdout
    assert "gateway_fault('response.sent', 'reset', times=None) would break nothing" in done.stdout


def test_a_marker_that_many_tests_share_says_once_why_it_cannot_be_armed(tmp_path: Path) -> None:
    write(
        tmp_path,
        {
            "test_wrong.py": """
            import pytest

            @pytest.mark.gateway_fault("no.station", "reset")
            class TestAll:
                def test_one(self, gateway): pass
                def test_two(self, gateway): pass
                def test_three(self, gateway): pass
            """
        },
    )
    done = run_pytest(tmp_path, "--tb=short", "-rN")
    assert "3 errors" in done.stdout, done.stdout
    assert done.stdout.count("POST /_gatecrash/faults was answered 400") == 1, done.stdout
    assert done.stdout.count("cannot be armed: see test_wrong.py::TestAll::test_one") == 2


def test_a_failure_shows_the_line_of_the_test_the_entry_that_matters_and_polling_in_one_line(tmp_path: Path) -> None:
    write(
        tmp_path,
        {
            "test_shop.py": """
            import pytest

            @pytest.mark.gateway_fault("operation.committed", "status", params={"status": 503})
            def test_it_polls(gateway):
                try:
                    gateway.charge(order_id="o-1")
                except Exception:
                    pass
                for _ in range(37):
                    gateway.charges(order_id="o-1")
                gateway.request("GET", "/v1/charges/txn_nothing")  # THE LINE
            """
        },
    )
    done = run_pytest(tmp_path)
    assert "THE LINE" in done.stdout, done.stdout
    assert "gatecrash/client" not in done.stdout.partition("Captured")[0].partition("- gatecrash: sandbox")[0], done.stdout
    assert re.search(r"look at #\d+ \S+ ✗ status at operation.committed", done.stdout), done.stdout
    assert re.search(r"look at #\d+ \S+ ← 404", done.stdout), done.stdout
    (polling,) = re.findall(r".*GET /v1/charges .*", done.stdout)
    assert polling.endswith("← 200 charges.list order_id=o-1 ×37")


def test_a_test_whose_rule_never_strikes_fails_unless_the_marker_allows_it(tmp_path: Path) -> None:
    write(
        tmp_path,
        {
            "test_idle.py": """
            import pytest

            pytestmark = pytest.mark.gateway_fault("operation.committed", "reset", match={"operation": "charges.create"})

            def test_nothing_is_charged(gateway): gateway.charges()

            @pytest.mark.gateway_fault("response.sent", "close", match={"operation": "refunds.create"}, may_not_strike=True)
            def test_only_one_must_strike(gateway):
                with pytest.raises(ConnectionError):
                    gateway.charge()

            def test_it_took_the_rule_away(gateway): assert gateway.faults.clear() == 1

            def test_it_fails_for_its_own_reason(gateway): assert False, "its own"
            """
        },
    )
    done = run_pytest(tmp_path)
    assert "2 failed, 2 passed" in done.stdout, done.stdout
    assert "the test passed, and this never struck, so nothing was tested against it:" in done.stdout
    assert "@pytest.mark.gateway_fault('operation.committed', 'reset', match={'operation': 'charges.create'})" in done.stdout
    assert "with may_not_strike=True the marker allows it" in done.stdout
    assert not re.search("FAILED .*(test_only_one_must_strike|test_it_took_the_rule_away)", done.stdout)
    assert "AssertionError: its own" in done.stdout


def test_a_project_may_bring_a_gateway_of_its_own(tmp_path: Path) -> None:
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
    done = run_pytest(tmp_path)
    assert "1 passed" in done.stdout, done.stdout


def test_a_gateway_that_stays_down_does_not_take_the_next_test_along(tmp_path: Path) -> None:
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
    done = run_pytest(tmp_path)
    assert "2 passed" in done.stdout, done.stdout
