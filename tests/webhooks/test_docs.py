"""What docs/webhooks.md says: its table is the data, and its examples verify what the gateway sends."""

import json
import re
import shutil
import subprocess
from base64 import b64encode
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from gatecrash.webhooks.signing import standard
from tests.webhooks.table import PAGE, written

SECRET, OTHER = ("whsec_" + b64encode(bytes([n]) * 32).decode() for n in (1, 2))
BODY = '{"id":"evt_1","note":"42 €"}'.encode()
NOW = 1_769_860_800


def example(language: str) -> str:
    found = re.search(f"<!-- {language} -->\n```{language}\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.S)
    assert found is not None, language
    return found[1]


def headers(*secrets: str) -> dict[str, str]:
    signatures = standard.signatures(secrets, "evt_1", str(NOW), BODY)
    return {"webhook-id": "evt_1", "webhook-timestamp": str(NOW), "webhook-signature": signatures}


def in_python(told: dict[str, str], body: bytes, now: int, folder: Path) -> bool:
    names: dict[str, Any] = {}
    exec(example("python"), names)  # noqa: S102 - the example is what is tested
    return bool(names["verify"](told, body, SECRET, now))


def in_javascript(told: dict[str, str], body: bytes, now: int, folder: Path) -> bool:
    script = example("javascript") + (
        "const [told, body, secret, now] = JSON.parse(require('fs').readFileSync(0));"
        "console.log(verify(told, Buffer.from(body, 'base64'), secret, now));"
    )
    given = json.dumps([told, b64encode(body).decode(), SECRET, now])
    done = subprocess.run(["node", "-e", script], input=given, capture_output=True, text=True, check=True)
    return done.stdout.strip() == "true"


def in_java(told: dict[str, str], body: bytes, now: int, folder: Path) -> bool:
    source = folder / "Example.java"
    source.write_text(
        "public class Example {\n" + example("java") + "public static void main(String[] a) throws Exception {"
        "System.out.println(verify(a[0], a[1], a[2], java.util.Base64.getDecoder().decode(a[3]), a[4], Long.parseLong(a[5])));}}"
    )
    given = [told["webhook-id"], told["webhook-timestamp"], told["webhook-signature"], b64encode(body).decode(), SECRET, str(now)]
    done = subprocess.run(["java", str(source), *given], capture_output=True, text=True, check=True)
    return done.stdout.strip() == "true"


def needs(program: str) -> pytest.MarkDecorator:
    return pytest.mark.skipif(shutil.which(program) is None, reason=f"needs {program}")


EXAMPLES = [
    in_python,
    pytest.param(in_javascript, marks=needs("node")),
    pytest.param(in_java, marks=needs("javac")),
]


@pytest.mark.parametrize("verify", EXAMPLES)
def test_an_example_accepts_what_is_signed_and_fresh_and_nothing_else(verify: Callable[..., bool], tmp_path: Path) -> None:
    assert verify(headers(OTHER, SECRET), BODY, NOW + 299, tmp_path)
    assert not verify(headers(OTHER), BODY, NOW, tmp_path)
    assert not verify(headers(SECRET), BODY + b" ", NOW, tmp_path)
    assert not verify(headers(SECRET), BODY, NOW + 301, tmp_path)
    assert not verify(headers(SECRET), BODY, NOW - 301, tmp_path)


def test_the_table_of_schedules_is_the_data() -> None:
    page = PAGE.read_text(encoding="utf-8")
    assert page == written(page), "run `python -m tests.webhooks.table`"
