"""What the points of a run are called."""

import pytest

from gatecrash.harness.worlds.simulated.labels import asks


@pytest.mark.parametrize(
    ("data", "asked"),
    [
        (b"POST /v1/charges HTTP/1.1\r\nHost: gateway\r\n\r\n{}", "POST /v1/charges"),
        (b"GET /v1/charges/txn_00000007qc?x=1 HTTP/1.1\r\n", "GET /v1/charges/{id}"),
        (b"GET /v1/charges?order_id=" + b"o" * 4000 + b" HTTP/1.1\r\n", "GET /v1/charges"),
        # h11 sends a head and its body apart
        (b'{"amount": 4200, "currency": "usd", "payment_nonce": "nonce_00000005hp"}', None),
        (b"POST me a letter\r\n", None),
        (b"", None),
    ],
)
def test_a_request_is_called_by_its_line_and_a_body_by_nothing(data: bytes, asked: str | None) -> None:
    assert asks(data) == asked
