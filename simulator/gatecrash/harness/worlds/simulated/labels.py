"""How the points of a run are called: by operation, by event type, by what the merchant sends and answers."""

WEBHOOK = "webhook "
COMMIT = "merchant commit"
SENDS, ANSWERS = "merchant sends ", "merchant answers "


def template(path: str) -> str:
    """A path without what it names and what it asks: `/v1/charges/txn_7/refunds?x=1` → `/v1/charges/{id}/refunds`."""
    return "/".join("{id}" if _names(part) else part for part in path.partition("?")[0].split("/"))


def _names(part: str) -> bool:
    """Whether a part of a path is an id of the gateway's, or stands for one."""
    return part.startswith("{") or ("_" in part and any(map(str.isdigit, part)))
