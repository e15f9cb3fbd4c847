"""How the points of a run are called: by operation, by event type, by what the merchant sends and answers, by the order of two
messages: `answer to POST /v1/charges before POST /webhooks/payment`.
"""

import re

WEBHOOK = "webhook "
COMMIT = "merchant commit"
SENDS, ANSWERS = "merchant sends ", "merchant answers "
ANSWER_TO, BEFORE = "answer to ", " before "

_REQUEST_LINE = re.compile(rb"([A-Z]+) (\S+) HTTP/1\.[01]\r\n")


def asks(data: bytes) -> str | None:
    """What the request asks that begins these bytes: `POST /v1/charges`. None where none begins, as in a body."""
    found = _REQUEST_LINE.match(data)
    return None if found is None else f"{found[1].decode()} {template(found[2].decode('latin-1'))}"


def template(path: str) -> str:
    """A path without what it names and what it asks: `/v1/charges/txn_7/refunds?x=1` → `/v1/charges/{id}/refunds`."""
    return "/".join("{id}" if _names(part) else part for part in path.partition("?")[0].split("/"))


def _names(part: str) -> bool:
    """Whether a part of a path is an id of the gateway's, or stands for one."""
    return part.startswith("{") or ("_" in part and any(map(str.isdigit, part)))
