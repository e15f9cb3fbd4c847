"""`gatecrash demo` as its user runs it: output, exit codes, mistakes."""

import json
import os
import subprocess
import sys

import pytest

DEMO = (sys.executable, "-m", "gatecrash", "demo")


def demo(*arguments: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run([*DEMO, *arguments], capture_output=True, text=True, timeout=100, env={**os.environ, "COLUMNS": "80"})


def test_json_has_one_object_per_story_and_merchant_naive_first() -> None:
    done = demo("--json", "--story", "lost-response", "--story", "happy-path")
    assert done.returncode == 0, done.stderr
    rows = json.loads(done.stdout)
    assert [(row["merchant"], row["story"]) for row in rows] == [
        *(("naive", "happy-path"), ("naive", "lost-response")),
        *(("reference", "happy-path"), ("reference", "lost-response")),
    ]
    assert all(
        set(row) == {"story", "merchant", "order_amount", "captured", "order_status", "fulfilments", "violations"} for row in rows
    )
    caught, clean = rows[1], rows[3]
    assert (caught["order_amount"], caught["captured"]) == (4200, 8400)
    assert "S1" in {violation["oracle"] for violation in caught["violations"]}
    assert {key: clean[key] for key in ("captured", "order_status", "fulfilments", "violations")} == {
        "captured": 4200,
        "order_status": "PAID",
        "fulfilments": 1,
        "violations": [],
    }


def test_the_table_fits_its_width_and_ends_with_a_verdict_in_words() -> None:
    done = demo("--story", "timeout")
    assert done.returncode == 0, done.stderr
    assert all(len(line) <= 80 for line in done.stdout.splitlines())
    assert "39.98" in done.stdout, "charged twice, visibly"
    assert "naive: caught in 1 of 1 story" in done.stdout
    assert "reference: clean" in done.stdout
    assert "\x1b" not in done.stdout, "plain when it is not a terminal"


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--story", "lots-response"], "no story called 'lots-response'; did you mean lost-response?"),
        (["--merchant", "nobody"], "nobody"),
    ],
)
def test_a_wrong_name_exits_with_2_and_the_known_ones(arguments: list[str], told: str) -> None:
    done = demo(*arguments)
    assert done.returncode == 2
    assert told in done.stderr
    assert "Traceback" not in done.stderr
