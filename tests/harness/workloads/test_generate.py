"""Workloads written by Hypothesis: the same for the same seed, sensible, and of every kind of step."""

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from gatecrash.harness.story import parse_document
from gatecrash.harness.workloads.generate import write
from gatecrash.harness.workloads.machine import rules
from gatecrash.harness.workloads.scope import Scope
from gatecrash.harness.workloads.script import Script, retold, verb
from gatecrash.harness.workloads.trials import Over

SMALL = Scope(
    currencies=("usd",), customers=False, later=False, edits=False, cancels=False, ships=False, refunds=False, returns=False
)


def written(workloads: int, seed: int = 0, scope: Scope = Scope()) -> list[dict[str, Any]]:  # noqa: B008 - it is frozen
    documents: dict[str, dict[str, Any]] = {}

    def told(script: Script) -> None:
        document = script.document()
        documents[document["name"]] = document
        if len(documents) == workloads:
            raise Over

    with pytest.raises(Over):
        write(scope, told, workloads=workloads, seeded=seed)
    return list(documents.values())


def test_the_same_seed_writes_the_same_workloads_and_another_one_others() -> None:
    first, again, other = written(40), written(40), written(40, seed=1)
    assert first == again
    assert len({each["name"] for each in first} & {each["name"] for each in other}) < 20


def test_what_else_is_loaded_does_not_decide_what_is_written(tmp_path: Path) -> None:
    (tmp_path / "constants.py").write_text("".join(f"C{number} = {number}\n" for number in range(100, 255)))
    code = "import json, sys\n{}\nfrom tests.harness.workloads.test_generate import written\nprint(json.dumps(written(30, 5)))\n"
    path = os.pathsep.join([str(tmp_path), *sys.path])
    told = [
        subprocess.run(
            [sys.executable, "-c", code.format(line)], cwd=tmp_path, capture_output=True, text=True, check=True,
            env={**os.environ, "PYTHONPATH": path, "PYTHONHASHSEED": seed},
        ).stdout
        for line, seed in (("", "1"), ("import constants", "2"))
    ]  # fmt: skip
    assert json.loads(told[0]) == json.loads(told[1])
    assert sorted(each.name for each in tmp_path.iterdir() if each.name != "__pycache__") == ["constants.py"]


def test_everything_that_can_happen_happens() -> None:
    documents = written(150)
    verbs = {verb(step) for document in documents for step in document["steps"]}
    gone = {"leave"} if any("calm_customer" in document for document in documents) else set()
    assert verbs | gone == rules() | {"turn_to_order"}


def test_orders_are_open_side_by_side() -> None:
    told = [list(map(verb, document["steps"])) for document in written(150)]
    assert sum(verbs.count("place_order") > 1 for verbs in told) > 30
    assert sum(verbs.count("turn_to_order") > 0 for verbs in told) > 15


def test_every_workload_is_a_story_that_makes_sense() -> None:
    for document in written(100, seed=2):
        story = parse_document(document, Path("made-up.yaml"))
        assert not story.faults
        again = retold(Scope(), document)
        # who went away did so at some moment, and that is not told
        assert again is None or again.document() == document
        assert again is not None or "calm_customer" in document


def test_what_a_shop_cannot_do_is_not_asked_of_it() -> None:
    documents = written(40, scope=SMALL)
    verbs = {verb(step) for document in documents for step in document["steps"]}
    assert not verbs & {"edit_order", "cancel", "ship", "refund", "come_back"}
    assert {document["order"]["currency"] for document in documents} == {"usd"}
    assert not any("capture" in document["order"] for document in documents)


def test_the_workload_that_fails_in_the_end_is_small() -> None:
    class Failed(Exception):
        pass

    def told(script: Script) -> None:
        if sum(verb(step) == "refund" for step in script.steps) > 1:
            raise Failed(script.document()["steps"])

    with pytest.raises(Failed) as failed:
        write(replace(SMALL, refunds=True), told, workloads=200, seeded=0)
    assert [verb(step) for step in failed.value.args[0]].count("refund") == 2
