"""Native errors: RFC 9457 problem details, and the HTTP status of each code."""

from typing import Any

import msgspec

from gatecrash.core.errors import CATALOGUE, Refused
from gatecrash.core.redaction import mask
from gatecrash.dialects.interface import Answer

CONTENT_TYPE = "application/problem+json"

_DEFAULT = 400
STATUS: dict[str, int] = {
    "key_missing": 401, "key_invalid": 401, "client_token_invalid": 401, "control_token_required": 401,
    "card_declined": 402,
    "secret_key_not_allowed": 403, "publishable_key_not_allowed": 403,
    "control_from_elsewhere": 403, "host_not_allowed": 403, "sandbox_of_another_key": 403,
    "route_unknown": 404, "resource_missing": 404,
    "method_not_allowed": 405,
    "request_timeout": 408,
    "idempotency_key_in_use": 409, "sandbox_exists": 409, "clock_moving": 409, "clock_stopped": 409,
    "body_too_large": 413,
    "content_type_unsupported": 415, "content_encoding_unsupported": 415,
    "idempotency_key_reused": 422,
    "rate_limited": 429,
    "internal_error": 500, "injected": 500,
    "too_many_connections": 503, "not_ready": 503, "gateway_gone": 503,
}  # fmt: skip


# what a refusal adds for its reader, and the header that says it
_IN_HEADERS = {"allow": "Allow", "accept_encoding": "Accept-Encoding"}


def status_of(code: str) -> int:
    return STATUS.get(code, _DEFAULT)


def problem(refused: Refused, request_id: str) -> Answer:
    """A refusal as `application/problem+json`."""
    status = status_of(refused.code)
    body: dict[str, Any] = {
        "type": f"/errors/{refused.code}",
        "title": CATALOGUE[refused.code].title,
        "status": status,
        "detail": mask(refused.detail),
        "code": refused.code,
    }
    if refused.param is not None:
        body["param"] = refused.param
    headers: dict[str, str] = {}
    for name, value in refused.extra.items():
        if name == "retry_after_s":
            headers["Retry-After"] = str(value)
        elif name in _IN_HEADERS:
            headers[_IN_HEADERS[name]] = value
        else:
            body[name] = value
    if status == 401:
        headers["WWW-Authenticate"] = 'Bearer realm="gatecrash"'
    body["request_id"] = request_id
    return Answer(status, msgspec.json.encode(body), headers, CONTENT_TYPE, refused.code)
