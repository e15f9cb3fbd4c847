"""`gatecrash init` and `gatecrash check`: from nothing to a profile that works, and what is said when it does not."""

import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from gatecrash import resources
from gatecrash.harness.merchant_profile import load

Run = Callable[..., subprocess.CompletedProcess[str]]
REFERENCE = resources.reference_merchant()


@pytest.fixture
def gatecrash(tmp_path: Path) -> Run:
    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "gatecrash", *arguments]
        environment = os.environ | {"PYTHONPATH": str(REFERENCE.parent)}
        return subprocess.run(
            command,
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=100,
            check=False,
            stdin=subprocess.DEVNULL,
            env=environment,
        )

    return run


#: Empties the database of the reference merchant.
RESET = """
import pathlib, sqlite3
pathlib.Path("was-reset").touch()
with sqlite3.connect("shop.sqlite", timeout=10) as books:
    for (table,) in books.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall():
        books.execute(f"DELETE FROM {table}")
"""


def listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def test_a_profile_from_flags_works_with_little_mending(gatecrash: Run, tmp_path: Path) -> None:
    start = f"{sys.executable} -m reference_merchant --port {{port}} --database {{scratch}}/shop.sqlite"
    written = gatecrash("init", "--yes", "--name", "mine", "--start", start)
    assert written.returncode == 0, written.stderr
    path = tmp_path / "merchant.toml"
    path.write_text(path.read_text(encoding="utf-8").replace("WEBHOOK_SECRET =", "WEBHOOK_SECRETS ="), encoding="utf-8")

    done = gatecrash("check")
    assert done.returncode == 0, done.stdout + done.stderr
    assert '→ POST /orders {"amount": 4200, "currency": "usd"}' in done.stdout
    assert "ok  the gateway's books have one charge for it" in done.stdout
    assert "Next: gatecrash prove merchant.toml" in done.stdout


def test_what_init_writes_is_a_profile_with_what_was_said(gatecrash: Run, tmp_path: Path) -> None:
    done = gatecrash("init", "shop.toml", "--runs-at", "http://127.0.0.1:9000", "--pay-path", '/pay "now"', "--webhook-path", "")
    assert done.returncode == 0, done.stderr
    shop = load(tmp_path / "shop.toml")
    assert (shop.url, shop.start, shop.pay.path, shop.webhook_path) == ("http://127.0.0.1:9000", None, '/pay "now"', None)
    assert shop.status("completed") == "PAID"


def test_what_was_said_of_shipping_is_in_the_profile_and_nothing_said_is_told(gatecrash: Run, tmp_path: Path) -> None:
    assert gatecrash("init", "told.toml", "--yes", "--fulfilments", "/shipped").returncode == 0
    assert load(tmp_path / "told.toml").fulfilments == "/shipped"
    assert gatecrash("init", "silent.toml", "--yes").returncode == 0
    assert load(tmp_path / "silent.toml").fulfilments is None
    assert "nobody judges whether an order ships twice (S4)" in (tmp_path / "silent.toml").read_text(encoding="utf-8")


def test_git_is_told_to_leave_out_what_gatecrash_writes_and_nothing_is_lost(gatecrash: Run, tmp_path: Path) -> None:
    assert gatecrash("init", "first.toml", "--yes").returncode == 0
    assert not (tmp_path / ".gitignore").exists(), "there is no repository here"
    (tmp_path / ".git").mkdir()
    (tmp_path / ".gitignore").write_text("*.pyc", encoding="utf-8")
    for _ in range(2):
        assert gatecrash("init", "--yes", "--force").returncode == 0
    lines = (tmp_path / ".gitignore").read_text(encoding="utf-8").splitlines()
    assert lines == ["*.pyc", "gatecrash-checkpoint.json"]


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("--pay-path", "pay"), "[pay] path: found 'pay', expected a path that begins with /"),
        (("--start", "node 'server"), "No closing quotation; quote it as in a shell"),
        (("--start", "node {prot}"), "found {prot}; did you mean port?"),
        (("nowhere/merchant.toml",), "nowhere/merchant.toml cannot be written: No such file or directory"),
    ],
)
def test_init_refuses_what_makes_no_profile(gatecrash: Run, tmp_path: Path, arguments: tuple[str, ...], told: str) -> None:
    done = gatecrash("init", "--yes", *arguments)
    assert (done.returncode, told in done.stderr) == (2, True), done.stderr
    assert list(tmp_path.iterdir()) == []


def test_a_profile_that_is_there_is_not_written_over_unless_told(gatecrash: Run, tmp_path: Path) -> None:
    (tmp_path / "merchant.toml").write_text("mine", encoding="utf-8")
    refused = gatecrash("init", "--yes")
    assert (refused.returncode, "--force" in refused.stderr) == (2, True)
    assert (tmp_path / "merchant.toml").read_text(encoding="utf-8") == "mine"
    assert gatecrash("init", "--yes", "--force").returncode == 0


@pytest.mark.parametrize(
    ("old", "new", "step", "hint"),
    [
        ('path = "/create-payment"', 'path = "/pay"', "it takes a payment", "(pay.status)"),
        ('order_id = "/id"', 'order_id = "/number"', "it takes an order for 42.00 usd", "(place_order.order_id)"),
        ('"/fulfilments"', '"/shipped"', "the order can be read", "(read_order.fulfilments)"),
        ('"{webhook_secrets}"', f'"whsec_{"A" * 44}"', "it acknowledges the webhook", "{webhook_secret}"),
        ('"reference_merchant"', '"no_such_module"', "the merchant starts", "No module named no_such_module"),
    ],
)
def test_the_step_that_fails_says_what_was_sent_what_came_back_and_what_to_do(
    gatecrash: Run, tmp_path: Path, old: str, new: str, step: str, hint: str
) -> None:
    text = (REFERENCE / "merchant.toml").read_text(encoding="utf-8").replace('cwd = ".."', 'cwd = "."')
    assert old in text
    (tmp_path / "merchant.toml").write_text(text.replace(old, new), encoding="utf-8")
    done = gatecrash("check", "--json")
    assert done.returncode == 2, done.stdout
    said = json.loads(done.stdout)
    last = said["steps"][-1]
    assert not said["works"]
    assert not last["ok"]
    assert last["what"].startswith(step)
    assert hint in last["hint"]


def test_a_merchant_that_runs_already_is_checked_and_proved_without_the_stories_that_kill_it(
    gatecrash: Run, tmp_path: Path
) -> None:
    with socket.socket() as one, socket.socket() as other:
        one.bind(("127.0.0.1", 0))
        other.bind(("127.0.0.1", 0))
        port, gateway_port = one.getsockname()[1], other.getsockname()[1]
    text = (REFERENCE / "merchant.toml").read_text(encoding="utf-8")
    calls = text[text.index("[place_order]") :]
    (tmp_path / "reset.py").write_text(RESET, encoding="utf-8")
    reset = json.dumps([sys.executable, "reset.py"])
    (tmp_path / "merchant.toml").write_text(
        f'name = "running"\nurl = "http://127.0.0.1:{port}"\nreset = {reset}\n\n[gateway]\nport = {gateway_port}\n\n{calls}',
        encoding="utf-8",
    )
    # the secret is the same in every run, so a merchant can be configured before its gateway is there
    secret = gatecrash("listen", "--sandbox", "story", "--print-secret").stdout.strip()
    shop = subprocess.Popen(
        [
            *(sys.executable, "-m", "reference_merchant", "--port", str(port), "--database", str(tmp_path / "shop.sqlite")),
            *("--gateway-url", f"http://127.0.0.1:{gateway_port}", "--gateway-secret-key", "sk_test_story"),
            *("--webhook-secrets", secret),
        ],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        deadline = time.monotonic() + 30
        while not listens(port):
            assert time.monotonic() < deadline
            time.sleep(0.02)
        checked = gatecrash("check")
        assert checked.returncode == 0, checked.stdout + checked.stderr
        assert secret in checked.stdout
        assert (tmp_path / "was-reset").exists()
        # several, so that the shop meets one gateway after the other
        stories = ("happy-path", "lost-response", "duplicated-webhook", "merchant-killed-after-charge")
        proved = gatecrash("prove", *(part for name in stories for part in ("--story", name)), "--json")
        assert proved.returncode == 0, proved.stdout + proved.stderr
        told = {story["name"]: story for story in json.loads(proved.stdout)["stories"]}
        assert [told[name]["verdict"] for name in stories] == ["held", "held", "held", "left out"]
        assert "[start]" in told["merchant-killed-after-charge"]["reason"]
    finally:
        shop.terminate()
        shop.wait()
