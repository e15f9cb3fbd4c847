"""What a call to a gateway can come to, other than an answer."""

from typing import Any

import msgspec


class GatewayError(Exception):
    """The gateway said no. `code` is in its catalogue (`GET /errors/CODE`), `param` names the field at fault."""

    def __init__(self, call: str, status: int, problem: dict[str, Any]) -> None:
        self.call = call
        self.status = status
        self.code = str(problem.get("code", ""))
        self.detail = str(problem.get("detail", ""))
        self.param: str | None = problem.get("param")
        self.request_id: str | None = problem.get("request_id")
        self.decline_code: str | None = problem.get("decline_code")
        self.charge_id: str | None = problem.get("charge_id")
        what = " ".join(part for part in (str(status), self.code, self.decline_code) if part)
        asked = f" ({self.request_id})" if self.request_id else ""
        super().__init__(f"{call} was answered {what}: {self.detail}{asked}")


class GatewayUnreachable(ConnectionError):
    """No answer came: nothing listens, the connection broke, or it took too long. What was asked may have been done."""


class RuleNeverStruck(UserWarning):
    """A fault rule was armed and never struck, so what ran beside it was not tested against that fault."""


class WaitTimeout(TimeoutError):
    """What was waited for did not come about; the message says what was seen instead."""


def problem_of(status: int, body: bytes) -> dict[str, Any]:
    """The fields of a problem+json; of anything else (a fault rule answers what it likes), its beginning as the detail."""
    try:
        problem = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError):
        problem = None
    if isinstance(problem, dict) and "code" in problem:
        return problem
    return {"detail": body[:200].decode(errors="replace").strip() or "an answer without a body"}
