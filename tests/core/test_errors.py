"""The catalogue of refusals: every code that is raised is explained, every code explained can be met."""

import ast
from pathlib import Path

import pytest

import gatecrash
from gatecrash.core.errors import CATALOGUE, Refused
from gatecrash.core.payments import ALLOWED
from gatecrash.dialects.native.errors import STATUS, problem, status_of
from gatecrash.store.errors import StoreFailed

SOURCE = Path(gatecrash.__file__).parent

# explained, though nothing of the gateway's own raises it: what a fault rule's `status` may stand for
ON_PURPOSE = {"injected"}


def raised_codes() -> dict[str, str]:
    """Every literal first argument of Refused(…) in the source, and where it stands."""
    found = {}
    for path in SOURCE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "Refused":
                first = node.args[0]
                for part in ast.walk(first):
                    if isinstance(part, ast.Constant) and isinstance(part.value, str):
                        found[part.value] = f"{path.relative_to(SOURCE)}:{node.lineno}"
    return found


def test_every_code_that_is_raised_is_in_the_catalogue() -> None:
    unknown = {code: where for code, where in raised_codes().items() if code not in CATALOGUE}
    assert not unknown


def test_every_code_of_the_catalogue_can_be_met() -> None:
    dynamic = {code for _, code, _ in ALLOWED.values()} | {"amount_invalid", "parameter_invalid", StoreFailed("x", "full").code}
    assert set(CATALOGUE) - set(raised_codes()) - dynamic == ON_PURPOSE


@pytest.mark.parametrize("code", CATALOGUE)
def test_a_code_says_what_it_means_and_what_to_do(code: str) -> None:
    title, advice = CATALOGUE[code]
    assert code == code.lower()
    assert 5 < len(title) < 50
    assert not title.endswith(".")
    assert len(advice) > 20
    assert advice.endswith(".")


def test_a_code_that_nobody_explained_cannot_be_raised() -> None:
    with pytest.raises(AssertionError):
        Refused("no_such_code", "whatever")


def test_every_status_belongs_to_a_code_there_is() -> None:
    assert set(STATUS) <= set(CATALOGUE)
    assert {status_of(code) for code in CATALOGUE} == {400, 401, 402, 403, 404, 405, 408, 409, 413, 415, 422, 429, 500, 503}


def test_a_problem_shows_no_card_number_that_slipped_into_its_text() -> None:
    answer = problem(Refused("resource_missing", "no charge '4242 4242 4242 4242' in this sandbox.", "id"), "req_1")
    assert b"4242" not in answer.body
    assert answer.status == 404


def test_what_to_do_about_time_and_keys_stands_in_headers() -> None:
    in_use = problem(Refused("idempotency_key_in_use", "wait.", retry_after_s=1), "req_1")
    assert in_use.headers == {"Retry-After": "1"}
    nobody = problem(Refused("key_missing", "send a key."), "req_1")
    assert nobody.headers["WWW-Authenticate"].startswith("Bearer")
    method = problem(Refused("method_not_allowed", "no.", allow="GET, POST"), "req_1")
    assert method.headers == {"Allow": "GET, POST"}
    assert b'"allow"' not in method.body
